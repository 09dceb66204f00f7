"""An interruption costs nothing: stopped at any moment, the repeated command ends as if never stopped."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from ecgcli.cli import main
from tests.commands.test_processes import start, wait_for
from tests.conftest import TINY

pytestmark = [pytest.mark.slow, pytest.mark.promise]

ARGUMENTS = (
    "sampling=two_stage",
    "augment=standard",
    "trainer.epochs=24",
    "trainer.ema=0.9",
    "select=best",
    "model.dropout=0.3",
)
STOPS = 20


def finished(place: Path) -> list[Path]:
    folder = place / "outputs/train"
    return [path for path in folder.glob("*") if path.suffix != ".partial"] if folder.is_dir() else []


def to_the_end(place: Path) -> Path:
    process = start(place, *ARGUMENTS)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    (run,) = finished(place)
    return run


def weights(run: Path) -> dict[str, torch.Tensor]:
    """Raw and averaged weights of every checkpoint, and those of the model folder."""
    found = {}
    for path in sorted(run.glob("checkpoints/*/*.ckpt")):
        state = torch.load(path, weights_only=True)
        for kind in ("state_dict", "current_model_state"):
            found |= {f"{path.parent.name}/{path.stem}/{kind}/{k}": v for k, v in state[kind].items()}
        found[f"{path.parent.name}/{path.stem}/step"] = torch.tensor(state["global_step"])
    return found


def assert_same(run: Path, other: Path) -> None:
    assert run.name == other.name
    one, two = weights(run), weights(other)
    assert one.keys() == two.keys() and len(one) > 20
    assert [name for name in one if not torch.equal(one[name], two[name])] == []
    model = "model/model.safetensors"
    assert (run / model).read_bytes() == (other / model).read_bytes()
    for part in ("validation", "test"):
        name = f"predictions/{part}.parquet"
        pd.testing.assert_frame_equal(
            pd.read_parquet(run / name), pd.read_parquet(other / name), check_exact=True
        )
    scores = [json.loads((path / "metrics.json").read_text()) for path in (run, other)]
    assert scores[0]["test"] == scores[1]["test"]
    assert scores[0]["training"]["curves"] == scores[1]["training"]["curves"]


def assert_whole(folder: Path) -> None:
    """Whatever has a final name can be read."""
    for path in folder.rglob("[!.]*"):
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".ckpt":
            torch.load(path, weights_only=True)
        elif path.suffix == ".parquet":
            pd.read_parquet(path)


WARM = multiprocessing.get_context("forkserver")
WARM.set_forkserver_preload(
    ["ecgcli.commands.train", "ecgcli.learning.fit", "ecgcli.reporting.tensorboard", "ecgcli.reporting.plots"]
)


def command(place: Path, log: Path, arguments: tuple[str, ...]) -> None:
    """`ecg train` in a process that has torch and Lightning imported already."""
    os.chdir(place)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stream.fileno())
    sys.argv = ["ecg", "train", *TINY, *ARGUMENTS, *arguments]
    main()


def start_warm(place: Path, log: Path, *arguments: str) -> Any:
    process = WARM.Process(target=command, args=(place, log, arguments))
    process.start()
    return process


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A run that was never stopped, and the seconds that it took beside its imports."""
    place = tmp_path_factory.mktemp("undisturbed")
    start_warm(place, place / "log", "trainer.epochs=1").join()  # imports, and simulates the patients
    shutil.rmtree(place / "outputs")
    started = time.perf_counter()
    start_warm(place, place / "log").join()
    (run,) = finished(place)
    return run, time.perf_counter() - started


def stopped(
    place: Path, log: Path, fresh: bool, moment: float, rounds: int | None, kind: signal.Signals
) -> bool:
    """Starts the command and stops it; whether there was something left to stop.

    Args:
        place: where to run it.
        log: what it says.
        fresh: a process that begins with its imports, or one that has them.
        moment: seconds until it is stopped.
        rounds: in place of the seconds, rounds of training that it is left.
        kind: how it is stopped.
    """
    if fresh:
        process = start(place, *ARGUMENTS)
        try:
            process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            process.send_signal(kind)
            _, errors = process.communicate(timeout=120)
            with log.open("a") as file:
                file.write(errors)
            return True
        return False
    before = log.read_text().count("  loss ")
    warm = start_warm(place, log)
    if rounds is None:
        warm.join(moment)
    else:
        while warm.is_alive() and log.read_text().count("  loss ") < before + rounds:
            time.sleep(0.002)
    if there := warm.is_alive():
        os.kill(warm.pid, kind)
    warm.join(120)
    assert not warm.is_alive()
    return there


def test_stopped_at_twenty_random_moments_a_run_ends_as_one_never_stopped(
    undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    """Every fifth process starts with its imports; the others have them, to spare time.

    Every other stop comes after a random number of rounds, so that enough of them fall into training however
    fast the machine is; the others after a random time.
    """
    reference, seconds = undisturbed
    rng = np.random.default_rng(0)
    kinds = [signal.SIGKILL, signal.SIGTERM, signal.SIGINT]
    log = tmp_path / "log"
    log.touch()
    stops = 0
    while stops < STOPS:
        fresh = stops % 5 == 0
        moment = float(rng.uniform(0, 2 * seconds if fresh else seconds))
        rounds = int(rng.integers(1, 18)) if stops % 2 else None
        stops += stopped(tmp_path, log, fresh, moment, rounds, kinds[stops % 3])
        if runs := finished(tmp_path):
            assert_same(runs[0], reference)
            shutil.rmtree(runs[0])
        elif (tmp_path / "outputs/train").is_dir():
            assert_whole(tmp_path / "outputs/train")
    assert_same(to_the_end(tmp_path), reference)
    assert log.read_text().count("going on after round") >= 5, "else no stop fell into training"
    assert list((tmp_path / "outputs/train").glob("*.partial")) == []


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_a_polite_stop_in_training_is_one_line(kind: signal.Signals, tmp_path: Path) -> None:
    process = start(tmp_path, "trainer.epochs=400")
    wait_for(tmp_path, "outputs/train/*.partial/checkpoints/all/last.ckpt")
    process.send_signal(kind)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.strip().splitlines()[-1].startswith("ecg train: interrupted")
    assert "Traceback" not in errors


def test_after_a_full_disk_the_run_goes_on_where_it_was(
    undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    """A limit on the size of files stands in for the full disk: writing beyond it fails in the same way."""
    process = start(tmp_path, *ARGUMENTS)
    wait_for(tmp_path, "outputs/train/*.partial/checkpoints/anomaly/last.ckpt")
    process.kill()
    process.wait()

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    process = start(tmp_path, *ARGUMENTS, before=limit)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert errors.strip().splitlines()[-1].startswith("ecg train: ")
    assert_whole(tmp_path / "outputs/train")
    assert_same(to_the_end(tmp_path), undisturbed[0])


def test_other_data_or_versions_make_a_new_start(tmp_path: Path) -> None:
    """Checkpoints of an interrupted run are not taken for a run on other data."""
    process = start(tmp_path, "trainer.epochs=400")
    wait_for(tmp_path, "outputs/train/*.partial/checkpoints/all/last.ckpt")
    process.kill()
    process.wait()
    (partial,) = (tmp_path / "outputs/train").iterdir()
    begun = json.loads((partial / "begun.json").read_text())
    (partial / "begun.json").write_text(json.dumps(begun | {"data": "other"}))
    process = start(tmp_path, "trainer.epochs=400")
    time.sleep(1)
    wait_for(tmp_path, "outputs/train/*.partial/begun.json")
    for _ in range(600):
        if json.loads((partial / "begun.json").read_text()) == begun:
            break
        time.sleep(0.1)
    wait_for(tmp_path, "outputs/train/*.partial/checkpoints/all/last.ckpt")
    process.kill()
    _, errors = process.communicate()
    assert "going on" not in errors
