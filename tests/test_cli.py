"""The command line as a user meets it: in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ecgcli import __version__
from tests.test_command_line import NAMES

CONF = Path(__file__).resolve().parent.parent / "conf"
ALL = ["fetch", "describe", "train", "search", "eval", "compare", "predict", "export", "score", "info"]


def ecg(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    return subprocess.run(
        [sys.executable, "-m", "ecgcli", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_ecg_alone_shows_the_commands_and_some_examples(tmp_path: Path) -> None:
    shown = ecg(cwd=tmp_path)
    assert shown.returncode == 0
    assert all(f"ecg {command} " in shown.stdout for command in ALL)
    examples = shown.stdout.split("Examples:")[1].split("\n\n")[0].strip().splitlines()
    assert len(examples) == 4
    assert ecg("--version", cwd=tmp_path).stdout == f"ecg {__version__}\n"


def test_help_imports_neither_torch_nor_hydra(tmp_path: Path) -> None:
    code = "import sys; sys.argv = ['ecg', '--help']; from ecgcli.cli import main; main(); "
    code += "print([m for m in ('torch', 'hydra', 'pandas', 'pydantic') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert shown.stdout.endswith("[]\n"), shown


@pytest.mark.parametrize("command", ALL)
def test_every_command_has_its_help(command: str, tmp_path: Path) -> None:
    shown = ecg(command, "--help", cwd=tmp_path)
    assert shown.returncode == 0
    assert shown.stdout.startswith(f"ecg {command}: ")


def test_the_composed_configuration_is_shown(tmp_path: Path) -> None:
    shown = ecg("train", "data=kaggle", "model.channels=[16,32,64]", "--cfg", "job", cwd=tmp_path)
    assert "name: kaggle" in shown.stdout
    assert "- 64" in shown.stdout
    assert list(tmp_path.iterdir()) == []


def test_flags_may_stand_anywhere(tmp_path: Path) -> None:
    shown = ecg("train", "data=kaggle", "--cfg", "job", "seed=5", cwd=tmp_path)
    assert "seed: 5" in shown.stdout, shown.stderr


BAD = {
    "model.chanels=[16]": "unknown setting model.chanels: no such field here; did you mean model.channels?",
    "modle=cnn": "unknown setting modle: no such field here; did you mean model?",
    "model=cmn": "model=cmn: no such choice, expected baseline_cnn, cnn, convnext, minirocket, mlp or resnet",
    "+foo=1": "unknown setting foo: no such field; `--cfg job` shows the ones there are",
    "++model.foo=1": "unknown setting model.foo: no such field; `--cfg job` shows the ones there are",
    "trainer.epochs=many": 'trainer.epochs="many": expected a whole number',
    "trainer.epochs=1.5": "trainer.epochs=1.5: expected a whole number",
    "trainer.epochs=0": "trainer.epochs=0: expected greater than or equal to 1",
    "test=maybe": 'test="maybe": expected true or false',
    "model.channels=16": "model.channels=16: expected a list",
    "model.channels=[16,x]": 'model.channels.1="x": expected a whole number',
    "model.channels=[16": "cannot read 'model.channels=[16': expected key=value",
    "seed": "cannot read 'seed': expected key=value",
    "~seed": "setting seed is missing",
    "optimizer.lr=.inf": "optimizer.lr",
    "trainer.precision=64": "trainer.precision=64: expected",
    "protocol=kaggle": "protocol=kaggle contradicts data=demo: only the Kaggle files have that split",
    "protocol=inter_patient": "protocol=inter_patient contradicts data=demo",
    "model.kernel_sizes=[3,3]": "model.kernel_sizes has 2 entries, model.channels has 4",
    "model.kernel_sizes=[4]": "model.kernel_sizes holds 4: kernel sizes must be odd",
    "--zzz": "unknown option --zzz; settings are key=value",
    "--confg": "unknown option --confg; did you mean",
    "seed=-1": "seed=-1: expected greater than or equal to 0",
}


@pytest.mark.promise
@pytest.mark.parametrize("mistake", BAD)
def test_a_mistake_in_the_configuration_ends_in_one_line(mistake: str, tmp_path: Path) -> None:
    ended = ecg("train", mistake, cwd=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"ecg train: {BAD[mistake]}"), ended.stderr
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_command_is_met_with_the_nearest(tmp_path: Path) -> None:
    ended = ecg("trian", cwd=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr == (
        "ecg: unknown command 'trian': expected fetch, describe, train, search, eval, compare, predict, "
        "export, score or info; did you mean train?\n"
    )


def test_eval_refuses_what_the_run_decides(tmp_path: Path) -> None:
    ended = ecg("eval", "run=x", "beat=kaggle", cwd=tmp_path)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "a run is evaluated with its own beats" in ended.stderr


@pytest.mark.promise
@pytest.mark.parametrize("name", NAMES)
def test_any_file_name_works_as_typed(name: str, tmp_path: Path) -> None:
    ended = ecg("eval", f"run={name}", cwd=tmp_path)
    assert ended.returncode == 1
    # brackets are a list of runs, unless there is a folder of that very name
    named = "1" if name == "[1]" else name
    assert ended.stderr == f"ecg eval: {named}: no such run folder\n"
    (tmp_path / name).mkdir()
    ended = ecg("eval", f"run={name}", cwd=tmp_path)
    assert ended.stderr.startswith(f"ecg eval: {name}/run.json is missing")


def test_a_folder_of_several_is_named_in_the_error(tmp_path: Path) -> None:
    ended = ecg("train", "data=wfdb", "data.path=[my folder (1),b]", cwd=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr == (
        "ecg train: my folder (1): no such folder; expected WFDB records (.hea, .dat, .atr) in it\n"
    )
    assert ecg("train", "data=table", cwd=tmp_path).stderr == (
        "ecg train: data.path is missing: give it as data.path=...\n"
    )


def complete(line: str, tmp_path: Path) -> list[str]:
    shown = ecg("-sc", "query=bash", cwd=tmp_path, COMP_LINE=line)
    return shown.stdout.split()


def test_tab_completion_knows_commands_choices_and_settings(tmp_path: Path) -> None:
    assert complete("ecg t", tmp_path) == ["train"]
    assert complete("ecg ", tmp_path) == ALL
    assert "sampling=two_stage" in complete("ecg train sampling=", tmp_path)
    assert "model.dropout=" in complete("ecg train data=kaggle model.", tmp_path)
    assert "space=cnn" in complete("ecg search space=", tmp_path)
    assert "complete" in ecg("-sc", "install=bash", cwd=tmp_path).stdout
