"""Real processes: interrupted, killed, out of disk, two at once, a sweep."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ecgcli.runs import Run
from tests.conftest import TINY

pytestmark = pytest.mark.slow


def start(
    cwd: Path, *arguments: str, before: Callable[[], None] | None = None, **environment: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ecgcli", "train", *TINY, *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before,
    )


def wait_for(path: Path, pattern: str) -> None:
    for _ in range(3000):
        if list(path.glob(pattern)):
            return
        time.sleep(0.1)
    raise AssertionError(f"{pattern} did not appear in {path}")


LONG = ("trainer.epochs=400",)


@pytest.mark.promise
def test_ctrl_c_ends_in_one_line_and_leaves_no_run(tmp_path: Path) -> None:
    process = start(tmp_path, *LONG)
    wait_for(tmp_path, "outputs/train/*.partial/checkpoints/all/last.ckpt")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip().splitlines()[-1].startswith("ecg train: interrupted")
    assert "Traceback" not in errors
    assert [p.name for p in (tmp_path / "outputs/train").glob("*") if not p.name.endswith(".partial")] == []


@pytest.mark.promise
def test_a_killed_run_leaves_nothing_under_its_name_and_can_be_repeated(tmp_path: Path) -> None:
    process = start(tmp_path, "trainer.epochs=30")
    wait_for(tmp_path, "outputs/train/*.partial/checkpoints/all/last.ckpt")
    process.send_signal(signal.SIGSTOP)  # it holds its place, however long the second takes to start
    second = start(tmp_path, "trainer.epochs=30")
    _, errors = second.communicate(timeout=120)
    assert "is being written by another process" in errors
    assert second.returncode == 1
    process.kill()
    process.wait(timeout=60)
    third = start(tmp_path, "trainer.epochs=30")
    third.communicate(timeout=300)
    assert third.returncode == 0
    (folder,) = (tmp_path / "outputs/train").iterdir()
    assert Run(folder).metrics["test"]["beats"] > 0
    assert not list(folder.rglob("*.partial"))


@pytest.mark.promise
def test_a_full_disk_ends_in_one_line_and_leaves_no_run(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the full disk: writing beyond it fails in the same way."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    # the beats are in the cache already: it is the run folder that finds no room
    start(tmp_path).communicate(timeout=120)
    process = start(tmp_path, "model.channels=[64,64]", before=limit)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert errors.strip().splitlines()[-1].startswith("ecg train: ")
    finished = [p for p in (tmp_path / "outputs/train").iterdir() if not p.name.endswith(".partial")]
    assert len(finished) == 1


@pytest.mark.promise
def test_a_sweep_makes_a_run_of_every_combination_and_survives_a_bad_one(tmp_path: Path) -> None:
    process = start(tmp_path, "-m", "sampling=imbalanced,two_stage", "seed=0,1", "trainer.epochs=1")
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    assert "Sweep    4 trained, 0 skipped, 0 failed" in out
    runs = [Run(path) for path in (tmp_path / "outputs/train").iterdir()]
    assert sorted((r.config.sampling.name, r.config.seed) for r in runs) == [
        ("imbalanced", 0),
        ("imbalanced", 1),
        ("two_stage", 0),
        ("two_stage", 1),
    ]
    assert [run.metrics["test"] for run in runs] == [None] * 4, "a grid opens no test part unasked"
    assert not (tmp_path / "outputs/test_openings.csv").exists()
    bad = start(tmp_path, "-m", "protocol=inter_patient,by_subject", "seed=0,7", "trainer.epochs=1")
    out, errors = bad.communicate(timeout=300)
    assert bad.returncode == 1
    assert errors.count("protocol=inter_patient contradicts data=demo") == 2
    last = out[out.index("failed ") :].splitlines()
    assert [line.split(": ")[0] for line in last[:2]] == [
        f"failed   protocol=inter_patient seed={seed}" for seed in (0, 7)
    ]
    assert last[2] == "Sweep    1 trained, 1 skipped, 2 failed"
    assert len(list((tmp_path / "outputs/train").glob("*-s7-*"))) == 1


@pytest.mark.promise
def test_a_run_speaks_plainly_and_ends_with_what_to_do_next(tmp_path: Path) -> None:
    """From another directory with an awkward name, without a terminal: no bars, no library chatter."""
    place = tmp_path / "ECG (2024), a=b"
    place.mkdir()
    process = start(place, "trainer.epochs=1")
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0
    last = out.strip().splitlines()[-4:]
    assert last[0].startswith("Run folder   outputs/train/demo-by_subject-imbalanced-cnn-s0-")
    assert (place / last[1].removeprefix("Report       ")).is_file()
    assert last[2].startswith("TensorBoard  tensorboard --logdir outputs/train")
    assert last[3].startswith("Next         ecg train ")
    said = [line for line in errors.splitlines() if not line.startswith("ecg: ")]
    assert len(said) == 1, said
    assert said[0].strip().startswith("all   1/1  loss")
