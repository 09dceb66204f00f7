"""A grid of runs: nothing twice, no run lost with another, the launchers started for real."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from ecgcli.commands import grid
from ecgcli.commands.train import train
from ecgcli.runs import Run, begin, run_name
from tests.commands.test_processes import start, wait_for
from tests.commands.test_resume import assert_same
from tests.conftest import TINY, train_config

pytestmark = pytest.mark.promise


def ended(process: subprocess.Popen[str]) -> str:
    out, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors
    return out


def times(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.slow
def test_a_killed_grid_goes_on_with_what_is_missing_and_ends_as_one_never_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = ("trainer.epochs=24", "trainer.ema=0.9", "test=true")
    sweep = ("-m", *settings, "seed=0,1")
    process = start(tmp_path, *sweep)
    wait_for(tmp_path, "outputs/train/*-s1-*.partial/checkpoints/all/last.ckpt")
    process.kill()
    process.wait()
    (first,) = (tmp_path / "outputs/train").glob("*-s0-*")
    before = times(first)
    again = ended(start(tmp_path, *sweep))
    assert times(first) == before, "the finished run was touched"
    assert "Sweep    1 trained, 1 skipped, 0 failed" in again
    alone = tmp_path / "alone"
    alone.mkdir()
    monkeypatch.chdir(alone)
    for config in (train_config(*TINY, *settings, f"seed={seed}") for seed in (0, 1)):
        train(config)
        name = Path("outputs/train") / run_name(config)
        assert_same(tmp_path / name, alone / name)
    assert list((tmp_path / "outputs/train").glob("*.partial")) == []


@pytest.mark.slow
def test_two_processes_share_a_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test itself is the other process: it is at the first run."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyboardInterrupt), begin(train_config(*TINY, "seed=0", "test=false"), "data"):
        out = ended(start(tmp_path, "-m", "seed=0,1", "trainer.epochs=2"))
        raise KeyboardInterrupt
    lines = out.splitlines()
    assert lines[0].startswith("left     outputs/train/demo-by_subject-imbalanced-cnn-s0-")
    assert "Sweep    1 trained, 0 skipped, 0 failed, 1 left to another process" in lines
    assert [path.suffix for path in sorted((tmp_path / "outputs/train").iterdir())] == [".partial", ""]


def test_a_run_that_was_finished_while_its_beats_were_read_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    config = train_config(*TINY, "test=false")
    train(config)
    before = times(tmp_path / "outputs/train")
    looked = iter([None])
    real = __import__("ecgcli.runs", fromlist=["finished"]).finished
    monkeypatch.setattr("ecgcli.commands.train.finished", lambda c: next(looked, real(c)))
    assert grid.job(config)["how"] == "left"
    assert grid.job(config)["how"] == "skipped"
    assert times(tmp_path / "outputs/train") == before
    assert capsys.readouterr().out.splitlines()[-1].endswith(": finished before")


def test_the_summary_names_what_was_varied_and_what_failed(
    tmp_path: Path, finished_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["trainer.epochs=2"]
    done = {"how": "skipped", "run": str(finished_run.path)}
    grid.note(tmp_path, 0, [*common, "sampling=two_stage"], done)
    grid.note(tmp_path, 1, [*common, "sampling=rebalanced"], {"how": "failed", "why": "the disk is full"})
    assert not grid.conclude(tmp_path)
    out = capsys.readouterr().out.splitlines()
    (row,) = [line for line in out if line.startswith("sampling=two_stage  skipped")]
    test = finished_run.metrics["test"]
    assert row.split()[-2:] == [f"{100 * test['abnormal_called_normal']:.1f}%", f"{test['macro_f1']:.3f}"]
    assert "failed   sampling=rebalanced: the disk is full" in out
    assert out[-1] == "Sweep    0 trained, 1 skipped, 1 failed"


SLURM = {
    "sbatch": """
        import os, re, subprocess, sys
        script = open(sys.argv[1]).read()
        first, last = re.search(r"--array=(\\d+)-(\\d+)", script).groups()
        quiet = subprocess.DEVNULL  # the jobs start when this one has ended
        for task in range(int(first), int(last) + 1):
            slurm = dict(SLURM_ARRAY_JOB_ID="7", SLURM_ARRAY_TASK_ID=str(task), SLURM_JOB_ID=f"{70 + task}")
            slurm |= dict(SLURM_NTASKS="1", SLURM_PROCID="0", SLURM_LOCALID="0", SLURM_NODEID="0")
            slurm |= dict(SLURM_JOB_NUM_NODES="1", SLURM_JOB_NODELIST="node1", SLURM_JOB_NAME="ecg")
            subprocess.Popen(["bash", sys.argv[1]], env=os.environ | slurm, stdout=quiet, stderr=quiet)
        print("Submitted batch job 7")
        """,
    "srun": """
        import os, sys
        words = sys.argv[1:]
        while words[0].startswith("-"):
            words = words[1:] if words[0] == "--unbuffered" or "=" in words[0] else words[2:]
        os.execvp(words[0], words)
        """,
    "sacct": "print('JobID|State|NodeList\\n7_0|RUNNING|node1\\n7_1|RUNNING|node1')",
}
"""What submitit asks of a cluster, on this machine: every task of an array is a process."""


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local", "slurm", "ray"])
def test_the_runs_of_a_grid_are_started_by(launcher: str, tmp_path: Path) -> None:
    environment = {}
    if launcher == "slurm":
        for name, code in SLURM.items():
            program = tmp_path / "bin" / name
            program.parent.mkdir(exist_ok=True)
            program.write_text(f"#!{sys.executable}\n{textwrap.dedent(code)}")
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
        environment["PATH"] = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    settings = ("-m", f"launcher={launcher}", "seed=0,1", "trainer.epochs=1")
    if (
        launcher == "ray"
    ):  # its sockets need short paths; its workers would wait for the tests beside this one
        environment |= {"RAY_TMPDIR": "/tmp", "RAY_worker_niceness": "0"}
    out = ended(start(tmp_path, *settings, **environment))
    assert "Sweep    2 trained, 0 skipped, 0 failed" in out
    runs = [Run(path) for path in (tmp_path / "outputs/train").iterdir()]
    assert sorted(run.config.seed for run in runs) == [0, 1]
    (line,) = [line for line in out.splitlines() if line.startswith("Next     ecg compare")]
    found = sorted((run.path.relative_to(tmp_path) for run in runs), key=lambda path: path.name)
    assert line.endswith(f" 'runs=[{found[0]},{found[1]}]' part=validation")
    for run in runs:
        assert run.config.trainer.threads == 1
        assert run.metrics["test"] is None
        assert run.provenance["command"].startswith("ecg train -m data.patients=8 ")


def test_a_launcher_that_is_not_installed_says_which_extra_brings_it(tmp_path: Path) -> None:
    code = (
        "import sys, types; none = types.ModuleType('hydra_plugins'); none.__path__ = []; "
        "sys.modules['hydra_plugins'] = none; sys.argv = ['ecg', 'train', '-m', 'launcher=ray', 'seed=0,1']; "
        "from ecgcli.cli import main; main()"
    )
    shown = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert shown.returncode == 1
    assert shown.stderr.splitlines() == [
        "ecg train: this launcher needs a package that is not there: pip install 'ecgcli[ray]'"
    ]


def test_job_files_are_read_in_the_order_of_the_jobs(tmp_path: Path, finished_run: Run) -> None:
    for number in (11, 2):
        done: dict[str, Any] = {"how": "skipped", "run": str(finished_run.path)}
        grid.note(tmp_path, number, [f"seed={number}"], done)
    seeds = [json.loads(path.read_text())["settings"] for path in sorted((tmp_path / "jobs").iterdir())]
    assert seeds == [["seed=2"], ["seed=11"]]
