"""`ecg search`: trials on validation alone, shared by processes, kept through a kill."""

from __future__ import annotations

import csv
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecgcli.choices.space import Space
from ecgcli.cli import conf_dir, main
from ecgcli.commands import search
from ecgcli.commands import study as shared
from ecgcli.commands.search_space import distributions, typed
from ecgcli.config import SearchConfig, TrainConfig
from ecgcli.evaluation.goals import goal
from ecgcli.parsing import parse
from ecgcli.runs import run_name
from tests.commands.test_resume import WARM
from tests.conftest import ROOT, TINY, compose_values, train_config

QUICK = (*TINY, "trainer.epochs=1")
HERE = {**os.environ, "PYTHONPATH": str(ROOT)}
RATES = "space.trainer.batch_size=[32,64]"


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def ecg(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command in this process: (exit code, what it printed, what it complained of)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ecg", *arguments])
        capsys.readouterr()
        try:
            main()
            code: Any = 0
        except SystemExit as ended:
            code = ended.code
        return int(code or 0), *capsys.readouterr()

    return run


def trials() -> list[dict[str, str]]:
    (table,) = Path("outputs/search").glob("*/trials.csv")
    return list(csv.DictReader(table.read_text().splitlines()))


def states() -> list[str]:
    return [trial["state"] for trial in trials()]


# -- what is refused -----------------------------------------------------------------------------------

BAD = {
    "test=true": "test=true: a search never opens a test part",
    "goals=[macro_f2]": "goals=macro_f2: no such score, expected some of macro_f1",
    "goals=[parameters]": "goals=parameters: less of it is better; expected -parameters",
    "goals=[-recall/S]": "goals=-recall/S: more of it is better; expected recall/S",
    "goals=[recall/X]": "goals=recall/X: no class X, expected one of N, S, V, F, Q",
    "space=cnm": "space=cnm: no such choice, expected cnn, learning or sampling; did you mean cnn?",
    "+space.optimizer.lrr=[1,2]": "unknown setting optimizer.lrr: no such field here; did you mean",
    "+space.model.blocks=[1,2]": "unknown setting model.blocks: no such field here",
    "+space.loss=[focal,hinge]": "loss=hinge: no such choice, expected class_balanced, cross_entropy, focal",
    "+space.seed=[0,1]": "seed cannot be searched: the best of several seeds is luck",
    "+space.data.seed=[0,1]": "data.seed cannot be searched: trials on other beats cannot be compared",
    "+space.trainer.threads=[1,2]": "trainer.threads cannot be searched: it does not change the result",
    "space.optimizer.lr.low=1": "space.optimizer.lr: expected low below high, got 1 and 0.03",
    "space.optimizer.lr.low=0": "space.optimizer.lr: expected low above 0 with log: true",
    "space.optimizer.lr.low=x": 'space.optimizer.lr.low="x": expected a number',
    "space.trainer.epochs=5": "space.trainer.epochs=5: expected a list of options, or a range",
    "sampler=grid": "sampler=\"grid\": expected 'tpe', 'random' or 'nsga2'",
    "optimizer.lr=1 optimizer.weight_decay=0 trainer.batch_size=64": "the command fixes every setting of it",
}


@pytest.mark.promise
@pytest.mark.parametrize("mistake", BAD)
def test_a_search_that_makes_no_sense_ends_in_one_line(mistake: str, ecg: Any) -> None:
    code, out, errors = ecg("search", *QUICK, *mistake.split())
    assert code == 1
    # the first search of all has its patients simulated, and says so
    errors = "".join(line for line in errors.splitlines(True) if not line.startswith("ecg: "))
    assert errors.startswith("ecg search: ") and BAD[mistake] in errors, errors
    assert errors.count("\n") == 1 and out == ""
    assert not Path("outputs/search").exists()


def test_without_optuna_one_line_says_how_to_get_it(ecg: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "find_spec", lambda name: None)
    code, _, errors = ecg("search", *QUICK)
    assert (code, errors) == (
        1,
        "ecg search: ecg search needs the package optuna: pip install 'ecgcli[search]'\n",
    )


# -- spaces ----------------------------------------------------------------------------------------------


def test_a_space_reads_the_same_nested_and_with_dots() -> None:
    lr = {"low": 1e-4, "high": 1e-2, "log": True}
    nested = Space.model_validate({"name": "own", "optimizer": {"lr": lr}, "model": {"channels": [[4], [8]]}})
    dotted = Space.model_validate({"name": "own", "optimizer.lr": lr, "model.channels": [[4], [8]]})
    assert nested == dotted
    assert Space.model_validate(nested.model_dump()) == nested


def test_a_point_of_the_space_is_what_one_would_type() -> None:
    space = Space.model_validate(
        {
            "name": "own",
            "model": ["cnn", "resnet"],
            "model.channels": [[8, 16], [4]],
            "beat.leads": [["MLII"], ["V 1"]],
            "trainer.ema": [None, 0.9],
            "trainer.epochs": {"low": 2, "high": 8, "step": 2},
            "optimizer.lr": {"low": 1e-4, "high": 1e-2, "log": True},
            "model.dropout": {"low": 0, "high": 0.3, "step": 0.1},
        }
    )
    drawn = distributions(space)
    assert drawn["model"].choices == ("cnn", "resnet")  # type: ignore[attr-defined]
    assert drawn["model.channels"].choices == ("[8, 16]", "[4]")  # type: ignore[attr-defined]
    assert drawn["beat.leads"].choices == ('["MLII"]', '["V 1"]')  # type: ignore[attr-defined]
    assert drawn["trainer.ema"].choices == ("null", "0.9")  # type: ignore[attr-defined]
    assert type(drawn["trainer.epochs"]).__name__ == "IntDistribution"
    point = {"optimizer.lr": 0.00123456, "model.dropout": 0.30000000000000004, "trainer.epochs": 4}
    assert typed(point) == {"optimizer.lr": "0.001235", "model.dropout": "0.3", "trainer.epochs": "4"}


SPACES = sorted(path.stem for path in conf_dir().glob("space/*.yaml"))


@pytest.mark.slow
@pytest.mark.parametrize("space", SPACES)
def test_every_space_is_searched(space: str, ecg: Any) -> None:
    small = [one for one in QUICK if not one.startswith("model.")]
    short = ["trainer.epochs=1", "trainer.steps=4"]
    code, out, errors = ecg("search", *small, f"space={space}", "trials=1", *short)
    assert code == 0, errors
    assert states() == ["complete"]
    assert parse(SearchConfig, compose_values(f"space={space}", command="search")).space.name == space
    assert Path(next(Path("outputs/search").iterdir()), "search.html").is_file()
    assert "Best         trial " in out


# -- studies ---------------------------------------------------------------------------------------------


@pytest.mark.promise
def test_a_search_goes_on_to_its_number_of_trials_and_opens_no_test_part(ecg: Any) -> None:
    """And a finished one is shown; the best one, as an experiment, is the run that it was."""
    goals = "goals=[macro_f1,-parameters]"
    space = "+space.model.channels=[[4],[8],[4,8]]"
    settings = [one for one in QUICK if not one.startswith("model.channels")]
    code, out, errors = ecg("search", *settings, RATES, space, goals, "trials=2")
    assert code == 0, errors
    assert "0 of 2 trials are finished" in out and states() == ["complete"] * 2
    code, out, _ = ecg("search", *settings, RATES, space, goals, "trials=4")
    assert "2 of 4 trials are finished" in out and states() == ["complete"] * 4
    before = {path: path.stat().st_mtime_ns for path in Path("outputs/train").rglob("*")}
    code, out, _ = ecg("search", *settings, RATES, space, goals, "trials=4")
    assert "4 of 4 trials are finished" in out and "trial 4" not in out
    assert {path: path.stat().st_mtime_ns for path in Path("outputs/train").rglob("*")} == before

    assert not Path("outputs/test_openings.csv").exists()
    assert not list(Path("outputs").rglob("test.parquet"))
    for run in Path("outputs/train").iterdir():
        assert json.loads((run / "metrics.json").read_text())["test"] is None

    (study,) = Path("outputs/search").iterdir()
    assert {path.stem for path in (study / "figures").iterdir()} >= {"history", "pareto"}
    front = [path.stem.removeprefix("trial_") for path in (study / "experiment").glob("trial_*.yaml")]
    for number in front:
        _, out, _ = ecg("train", "--config-dir", str(study), f"experiment=trial_{number}")
        assert f"finished before: outputs/train/{trials()[int(number)]['run']}\n" in out
    ranked = sorted(trials(), key=lambda one: -float(one["macro_f1"]))
    _, out, _ = ecg("train", "--config-dir", str(study), "experiment=best")
    (shown,) = [line.rpartition("/")[2] for line in out.splitlines() if "finished before" in line]
    (best,) = {one["macro_f1"] for one in trials() if one["run"] == shown}
    assert best == ranked[0]["macro_f1"]
    # it can be changed as other experiments can
    _, out, _ = ecg(
        "train", "--config-dir", str(study), "experiment=best", "sampling=two_stage", "--cfg", "job"
    )
    assert "name: two_stage" in out


@pytest.mark.promise
def test_the_line_shown_at_the_end_opens_the_test_part_of_the_best(ecg: Any) -> None:
    _, out, _ = ecg("search", *QUICK, RATES, "trials=1", "name=mine")
    (line,) = [line for line in out.splitlines() if line.startswith("Next ")]
    code, out, errors = ecg(*shlex.split(line.removeprefix("Next"))[1:])
    assert code == 0, errors
    (run,) = [p for p in Path("outputs/train").iterdir() if (p / "predictions/test.parquet").exists()]
    assert len(Path("outputs/test_openings.csv").read_text().splitlines()) == 2
    other = next(p for p in Path("outputs/train").iterdir() if p != run)
    # the trial's own model, only that the test part is scored too
    weights = "model/model.safetensors"
    assert (run / weights).read_bytes() == (other / weights).read_bytes()


@pytest.mark.promise
def test_a_failing_trial_is_kept_with_its_reason_and_the_others_go_on(ecg: Any) -> None:
    """Here strides for three blocks of a network of two: a line, and it counts as a trial."""
    space = ["space.trainer.batch_size=[32,64,48,40]", "+space.model.strides=[[2],[2,2,2]]"]
    code, out, errors = ecg("search", *QUICK, *space, "trials=4", "sampler=random")
    assert code == 0, errors
    assert len(trials()) == 4 and set(states()) == {"complete", "failed"}
    reasons = {trial["reason"] for trial in trials() if trial["state"] == "failed"}
    assert len(reasons) == 1 and "model.strides has 3 entries, model.channels has 2" in reasons.pop()
    assert out.count("failed: model.strides") == states().count("failed")


def test_weights_that_run_away_fail_their_trial(ecg: Any) -> None:
    away = ["space.optimizer.lr={low:1e30,high:1e38,log:true}", "optimizer=sgd", "trainer.gradient_clip=null"]
    code, _, errors = ecg("search", *QUICK, *away, "trials=2")
    assert code == 1
    assert errors.count("\n") == 1 and "no trial of outputs/search/" in errors and "failed: " in errors
    assert states() == ["failed", "failed"]


def test_a_study_is_not_continued_with_other_settings_or_other_data(ecg: Any) -> None:
    assert ecg("search", *QUICK, RATES, "trials=1", "name=mine")[0] == 0
    code, _, errors = ecg("search", *QUICK, RATES, "trials=2", "name=mine", "model.dropout=0.1")
    assert code == 1 and "is a study of other settings (train)" in errors
    path = Path("outputs/search/mine/search.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "data_fingerprint": "x"}))
    code, _, errors = ecg("search", *QUICK, RATES, "trials=2", "name=mine")
    assert code == 1 and "is a study of other data" in errors


@pytest.mark.promise
def test_a_hopeless_trial_is_pruned_and_leaves_no_run_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five trials went well; the sixth does badly from the start, and is ended once it has had a quarter."""
    study = shared.open_study(tmp_path, [True], shared.build_pruner("median"))
    for _ in range(5):
        good = study.ask()
        for percent in (10, 20, 30, 50):
            good.report(0.9, percent)
        study.tell(good, 0.9)
    rounds: list[float] = []

    def trained(config: TrainConfig, watch: Any) -> None:
        Path("outputs/train", f"{run_name(config)}.partial").mkdir(parents=True)
        for share in (0.1, 0.2, 0.3, 0.5):
            rounds.append(share)
            watch(0, "all", share, 0.1)

    config = train_config(*TINY)
    monkeypatch.setattr(search, "trial_config", lambda given, settings: config)
    monkeypatch.setattr(search, "finish", trained)
    said = search._run(study.ask(), [], [goal("macro_f1")], judge=True)
    assert said == "pruned after 30% of its training, macro_f1 0.1000"
    assert rounds == [0.1, 0.2, 0.3]
    assert study.get_trials()[-1].state.name == "PRUNED"
    assert list(Path("outputs/train").iterdir()) == []


def test_several_goals_are_not_pruned_and_a_line_says_so(ecg: Any) -> None:
    _, out, _ = ecg("search", *QUICK, RATES, "trials=1", "goals=[macro_f1,-seconds]", "pruner=hyperband")
    assert out.count("pruner=hyperband: with several goals no trial is hopeless before its end") == 1


# -- processes -------------------------------------------------------------------------------------------


def test_who_is_dead_is_told_from_who_is_alive(tmp_path: Path) -> None:
    with shared.worker(tmp_path) as me:
        assert shared.alive(tmp_path, me)
    assert not shared.alive(tmp_path, me)
    assert not shared.alive(tmp_path, None)
    code = "import sys, time; from pathlib import Path; from ecgcli.commands import study\n"
    code += "with study.worker(Path(sys.argv[1])) as me: print(me, flush=True); time.sleep(60)"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=HERE
    )
    assert other.stdout is not None
    name = other.stdout.readline().strip()
    assert shared.alive(tmp_path, name)
    other.kill()
    other.communicate()
    assert (tmp_path / "workers" / name).exists()
    assert not shared.alive(tmp_path, name)


def test_half_a_line_of_a_killed_process_does_not_spoil_the_journal(tmp_path: Path) -> None:
    study = shared.open_study(tmp_path, [True], shared.build_pruner("none"))
    study.tell(study.ask(), 0.5)
    journal = tmp_path / shared.JOURNAL
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":4,"wor')
    again = shared.open_study(tmp_path, [True], shared.build_pruner("none"))
    again.tell(again.ask(), 0.7)
    assert journal.read_bytes().startswith(whole + b'{"op_code"')
    assert [trial.value for trial in again.get_trials()] == [0.5, 0.7]


def test_a_trial_that_kills_its_processes_fails_in_the_end(tmp_path: Path) -> None:
    study = shared.open_study(tmp_path, [True], shared.build_pruner("none"))
    space = Space.model_validate({"name": "own", "model.dropout": {"low": 0.0, "high": 0.5}})
    for _ in range(shared.DEATHS):
        trial = study.ask(distributions(space))
        trial.set_user_attr("worker", "gone")
        with shared.turn(tmp_path):
            shared.take_up(study, tmp_path)
    tried = study.get_trials(states=None)
    assert len(tried) == shared.DEATHS  # the last one was not lined up again
    assert len({trial.params["model.dropout"] for trial in tried}) == 1
    assert [trial.number for trial in shared.finished(study)] == [shared.DEATHS - 1]
    assert shared.running(study) == 0


def command(place: Path, log: Path, arguments: tuple[str, ...]) -> None:
    """`ecg search` in a process of its own that has torch and Lightning imported already."""
    os.chdir(place)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream.fileno())
    sys.argv = ["ecg", "search", *TINY, *arguments]
    main()


def start(place: Path, log: Path, *arguments: str) -> Any:
    process = WARM.Process(target=command, args=(place, log, arguments))
    process.start()
    return process


def wait_until(there: Callable[[], bool]) -> None:
    for _ in range(6000):
        if there():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come to that")


def begun() -> list[Path]:
    """Checkpoints of the trials at work."""
    return list(Path("outputs/train").glob("*.partial/checkpoints/all/last.ckpt"))


@pytest.mark.slow
@pytest.mark.promise
def test_a_search_that_was_killed_goes_on_with_the_trial_it_was_at(tmp_path: Path) -> None:
    """Killed the first time, interrupted the second: in the end two trials, none of them trained twice."""
    arguments = ("trainer.epochs=24", "trials=2", "pruner=none")
    log = tmp_path / "log"
    process = start(tmp_path, log, *arguments)
    wait_until(lambda: bool(begun()))
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert len(begun()) == 1
    process = start(tmp_path, log, *arguments)
    wait_until(lambda: "going on after round" in log.read_text())
    os.kill(process.pid, signal.SIGINT)
    process.join()
    assert process.exitcode == 130
    assert "\necg search: interrupted; the same command goes on from there\n" in log.read_text()
    process = start(tmp_path, log, *arguments)
    process.join()
    assert process.exitcode == 0
    assert "Traceback" not in log.read_text()
    found = trials()
    assert [trial["state"] for trial in found if trial["state"] != "killed"] == ["complete"] * 2
    killed = [trial["run"] for trial in found if trial["state"] == "killed"]
    complete = [trial["run"] for trial in found if trial["state"] == "complete"]
    assert killed and set(killed) <= set(complete)
    assert sorted(path.name for path in Path("outputs/train").iterdir()) == sorted(complete)


@pytest.mark.slow
@pytest.mark.promise
def test_processes_share_a_study_and_one_takes_up_what_a_killed_one_left(tmp_path: Path) -> None:
    arguments = ("trainer.epochs=24", "trials=4", "pruner=none")
    logs = [tmp_path / "log0", tmp_path / "log1"]
    first, second = (start(tmp_path, log, *arguments) for log in logs)
    wait_until(lambda: len(begun()) == 2)
    os.kill(first.pid, signal.SIGKILL)
    first.join()
    second.join()
    assert second.exitcode == 0, logs[1].read_text()
    assert "going on after round" in logs[1].read_text()
    found = [trial["state"] for trial in trials()]
    assert found.count("complete") == 4 and found.count("killed") == 1 and len(found) == 5
    complete = [trial["run"] for trial in trials() if trial["state"] == "complete"]
    assert sorted(path.name for path in Path("outputs/train").iterdir()) == sorted(complete)
    assert list(Path("outputs/search").glob("*/workers/*")) == []
