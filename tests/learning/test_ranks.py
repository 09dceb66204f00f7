"""Several processes that fit together: the result of one, every beat once, and none left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from ecgcli.beats.protocol import Part, parts
from ecgcli.beats.sources import beats
from ecgcli.beats.table import BeatTable
from ecgcli.choices.sampling import Stage
from ecgcli.commands.train import train
from ecgcli.config import TrainConfig
from ecgcli.errors import EcgError
from ecgcli.learning import ranks
from ecgcli.learning.checkpoints import read
from ecgcli.learning.datamodule import Rows, TrainingBatches
from ecgcli.learning.fit import fit
from ecgcli.learning.ranks import World
from ecgcli.learning.sampling import Stream
from ecgcli.runs import Run, run_name
from tests.conftest import ROOT, TINY, train_config

TWO = ("trainer=ddp", *TINY, "trainer.devices=2")

NOTING = """
import os
from torch import Tensor
from ecgcli.learning.datamodule import Rows

taken = Rows.__getitem__

def noting(rows, index):
    if isinstance(index, Tensor) and len(rows.shape) == 3:  # the signal of a training batch
        with open(os.path.join(os.environ["ECG_TEST_ROWS"], str(os.getpid())), "a") as file:
            file.writelines(f"{row}\\n" for row in rows.rows[index].tolist())
    return taken(rows, index)

Rows.__getitem__ = noting
"""
"""Notes the rows of the table that a process trains on."""


def part_of(config: TrainConfig) -> tuple[BeatTable, list[Part]]:
    table = beats(config.data, config.beat, Path("none"))
    return table, parts(table, config.protocol)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_the_ranks_share_out_every_batch_of_one_process(size: int) -> None:
    label = np.arange(70) % 3
    signal = torch.arange(70.0)[:, None, None]

    def batches(world: World) -> list[torch.Tensor]:
        stream = Stream(label, Stage(method="none", strength=0.0), False, 0)
        shared = TrainingBatches(
            signal, signal[:, :0, 0], torch.from_numpy(label), stream, 14, 5, world.share
        )
        return [beats.flatten() for beats, _, _ in shared]

    alone = batches(World())
    together = [batches(World(rank, size, rank, size)) for rank in range(size)]
    assert sorted(torch.cat(alone).tolist()) == list(range(70))
    for i, whole in enumerate(alone):
        of_all = torch.cat([own[i] for own in together])
        assert sorted(of_all.tolist()) == sorted(whole.tolist())
        assert max(len(own[i]) for own in together) - min(len(own[i]) for own in together) <= 1


@pytest.mark.slow
@pytest.mark.promise
def test_two_processes_learn_what_one_learns_and_see_every_training_beat_once_a_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without batch statistics and dropout the two give the weights of one, but for rounding."""
    own = (*TINY, "model.normalisation=group", "model.dropout=0", "trainer.ema=0.9", "trainer.epochs=3")
    config = train_config("trainer=ddp", *own, "trainer.devices=2")
    table, divisions = part_of(config)
    one = fit(table, divisions, train_config(*own), tmp_path / "one")

    follower = f"{NOTING}\nfrom ecgcli.learning.follower import main\nmain()"
    monkeypatch.setattr(ranks, "FOLLOWER", (sys.executable, "-c", follower))
    monkeypatch.setattr(Rows, "__getitem__", Rows.__getitem__)  # put back at the end
    monkeypatch.setenv("ECG_TEST_ROWS", str(tmp_path))
    exec(NOTING, {})
    two = fit(table, divisions, config, tmp_path / "two")

    taken = [np.loadtxt(file, dtype=int) for file in tmp_path.iterdir() if file.name.isdigit()]
    passes = 3 * 64 * (two.steps // 3) / len(divisions[0].train)
    assert len(taken) == 2
    assert abs(len(taken[0]) - len(taken[1])) <= two.steps
    rows, times = np.unique(np.concatenate(taken), return_counts=True)
    assert np.array_equal(rows, divisions[0].train)
    assert times.min() >= int(passes) and times.max() <= int(passes) + 1
    for name, weights in one.model.members[0]["all"].state_dict().items():
        torch.testing.assert_close(
            two.model.members[0]["all"].state_dict()[name], weights, rtol=1e-3, atol=1e-4
        )
    for there, here in zip(two.curves["all"], one.curves["all"], strict=True):
        assert there == pytest.approx(here, abs=1e-3)


@pytest.mark.slow
@pytest.mark.promise
def test_a_killed_run_of_two_processes_leaves_none_behind_and_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of two runs of a sweep is killed; then both are run in one process, as the sweep does."""
    monkeypatch.chdir(tmp_path)
    settings = (*TWO, "trainer.epochs=4", "sampling=two_stage", "test=true")
    command = [sys.executable, "-m", "ecgcli", "train", "-m", *settings, "seed=1,2"]
    process = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = next(line for line in process.stderr if "anomaly   2/4" in line)
    (follower,) = map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())
    process.kill()
    process.communicate()
    assert said
    deadline = time.monotonic() + 30
    while alive(follower) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(follower)

    configs = [train_config(*settings, f"seed={seed}") for seed in (1, 2)]
    (left,) = Path("outputs/train").glob("*.partial")
    assert read(left / "checkpoints/anomaly/last.ckpt")
    for config in configs:
        train(config)
    assert not list(Path("outputs/train").glob("*.partial"))
    table, divisions = part_of(configs[0])
    straight = fit(table, divisions, configs[0], tmp_path / "straight").model
    resumed = Run(Path("outputs/train") / run_name(configs[0])).model
    for name in ("anomaly", "type"):
        for key, weights in straight.members[0][name].state_dict().items():
            assert torch.equal(resumed.members[0][name].state_dict()[key], weights)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_process_that_ends_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "FOLLOWER", (sys.executable, "-c", "raise SystemExit(3)"))
    config = train_config(*TWO)
    with pytest.raises(EcgError, match=r"process 1 of trainer\.devices=2 ended with a fault"):
        fit(*part_of(config), config, tmp_path)


def test_more_devices_than_there_are_and_batches_too_small_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, divisions = part_of(train_config(*TINY))
    small = train_config(*TWO, "trainer.batch_size=1")
    with pytest.raises(EcgError, match=r"trainer\.batch_size=1 cannot be shared by 2 processes"):
        fit(table, divisions, small, tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(EcgError, match=r"trainer\.devices=2: this machine has 1"):
        fit(table, divisions, train_config(*TWO, "trainer.accelerator=gpu"), tmp_path)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    for name, value in {"RANK": 0, "WORLD_SIZE": 4, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 4}.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(EcgError, match=r"trainer\.devices=2: torchrun started 4 processes on this machine"):
        fit(table, divisions, train_config(*TWO), tmp_path)
