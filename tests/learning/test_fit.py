"""Fitting: the budget of each sampling, and the same weights twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from ecgcli.beats.protocol import Part, labels, parts
from ecgcli.beats.sources import beats
from ecgcli.beats.table import BeatTable
from ecgcli.config import TrainConfig
from ecgcli.errors import EcgError
from ecgcli.learning.fit import fit
from ecgcli.learning.tasks import tasks
from tests.conftest import TINY, train_config


def part_of(config: TrainConfig) -> tuple[BeatTable, Part]:
    table = beats(config.data, config.beat, Path("none"))
    (part,) = parts(table, config.protocol)
    return table, part


@pytest.mark.promise
@pytest.mark.parametrize("budget", [["trainer.epochs=3"], ["trainer.steps=40"]])
def test_every_sampling_has_the_same_number_of_optimizer_steps(budget: list[str]) -> None:
    totals = set()
    for sampling in (
        ["sampling=imbalanced"],
        ["sampling=rebalanced", "sampling.method=oversampling"],
        ["sampling=rebalanced", "sampling.method=undersampling"],
        ["sampling=two_stage"],
        ["sampling=two_stage", "sampling.share=0.35"],
    ):
        config = train_config(*TINY, *budget, *sampling)
        totals.add(sum(task.steps for task in tasks(*part_of(config), config)))
    assert len(totals) == 1


def test_a_cascade_has_an_anomaly_task_and_a_type_task_on_abnormal_beats() -> None:
    config = train_config(*TINY, "sampling=two_stage")
    table, part = part_of(config)
    anomaly, kind = tasks(table, part, config)
    names = np.array(table.classes)[table.label]
    assert anomaly.classes == ("N", "abnormal")
    assert np.array_equal(anomaly.train, part.train)
    assert np.array_equal(anomaly.train_label == 1, names[part.train] != "N")
    assert kind.classes == tuple(c for c in part.classes if c != "N")
    assert np.array_equal(np.array(kind.classes)[kind.train_label], names[kind.train])
    assert set(kind.train) == {row for row in part.train if names[row] != "N"}
    assert set(kind.validation) <= set(part.validation)


@pytest.mark.promise
@pytest.mark.parametrize("sampling", ["imbalanced", "rebalanced", "two_stage"])
def test_one_configuration_and_seed_gives_the_same_weights_twice(sampling: str, tmp_path: Path) -> None:
    config = train_config(*TINY, f"sampling={sampling}")
    table, part = part_of(config)
    for name in "ab":
        torch.manual_seed(hash(name) % 1000)  # whatever the process drew before must not matter
        fit(table, [part], config, tmp_path / name)
    one, other = (tmp_path / name / "model" / "model.safetensors" for name in "ab")
    assert one.read_bytes() == other.read_bytes()
    changed = train_config(*TINY, f"sampling={sampling}", "seed=1")
    fit(table, [part], changed, tmp_path / "c")
    assert one.read_bytes() != (tmp_path / "c" / "model" / "model.safetensors").read_bytes()


@pytest.mark.promise
def test_the_test_part_is_never_read_in_training(tmp_path: Path) -> None:
    """Beats of the test part are replaced by nonsense; the weights stay what they were."""
    config = train_config(*TINY, "sampling=rebalanced", "sampling.method=class_weights")
    table, part = part_of(config)
    fit(table, [part], config, tmp_path / "a")
    assert part.test is not None
    spoilt = np.array(table.signal)
    spoilt[part.test] = np.nan
    labels = table.label.copy()
    labels[part.test] = 0
    from dataclasses import replace

    fit(replace(table, signal=spoilt, label=labels), [part], config, tmp_path / "b")
    assert (tmp_path / "a/model/model.safetensors").read_bytes() == (
        tmp_path / "b/model/model.safetensors"
    ).read_bytes()


def test_checkpoints_load_as_weights_only_and_select_takes_the_one_it_names(tmp_path: Path) -> None:
    config = train_config(*TINY, "trainer.epochs=4", "optimizer.lr=0.05")
    table, part = part_of(config)
    last = fit(table, [part], config, tmp_path / "last")
    best = fit(
        table,
        [part],
        train_config(*TINY, "trainer.epochs=4", "optimizer.lr=0.05", "select=best"),
        tmp_path / "best",
    )
    curve = [row["val_macro_f1"] for row in last.curves["all"]]
    assert curve == [row["val_macro_f1"] for row in best.curves["all"]]
    for name, fitted in (("last", last), ("best", best)):
        file = tmp_path / name / "checkpoints" / "all" / f"{name}.ckpt"
        state = torch.load(file, weights_only=True)["state_dict"]
        for key, value in fitted.model.members[0]["all"].state_dict().items():
            assert torch.equal(state[f"network.{key}"], value)
    kept = {
        name: torch.load(tmp_path / f"best/checkpoints/all/{name}.ckpt", weights_only=True)["epoch"]
        for name in ("best", "last")
    }
    assert kept == {"best": np.argmax(curve), "last": 3}


@pytest.mark.promise
def test_the_last_weights_are_those_of_the_last_step_however_badly_it_went(tmp_path: Path) -> None:
    """The first round is the best here, as the learning rate is far too high after it."""
    config = train_config(*TINY, "trainer.epochs=4", "optimizer.lr=0.3", "model.normalisation=none")
    table, part = part_of(config)
    fitted = fit(table, [part], config, tmp_path)
    curve = [row["val_macro_f1"] for row in fitted.curves["all"]]
    assert np.argmax(curve) < 3, "else this shows nothing"
    last = torch.load(tmp_path / "checkpoints/all/last.ckpt", weights_only=True)
    assert last["global_step"] == fitted.steps
    scores = fitted.model.predict(table.signal, part.validation).argmax(1) == labels(
        table, part, part.validation
    )
    best = fit(table, [part], config.model_copy(update={"select": "best"}), tmp_path / "best").model
    others = best.predict(table.signal, part.validation).argmax(1) == labels(table, part, part.validation)
    assert not np.array_equal(scores, others)


@pytest.mark.promise
def test_a_finished_network_is_loaded_and_not_trained_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a cascade whose second network an interruption cost, with both stopped early."""
    overrides = ("sampling=two_stage", "trainer.epochs=8", "trainer.early_stopping=1")
    config = train_config(*TINY, *overrides, "optimizer.schedule=constant", "optimizer.lr=0.1")
    table, part = part_of(config)
    before = fit(table, [part], config, tmp_path)
    assert any(len(curve) < 8 for curve in before.curves.values()), "else nothing was stopped early"
    shutil.rmtree(tmp_path / "checkpoints/type")
    trained = []
    original = pl.Trainer.fit
    monkeypatch.setattr(
        pl.Trainer,
        "fit",
        lambda trainer, module, **how: (trained.append(module.classes), original(trainer, module, **how)),
    )
    again = fit(table, [part], config, tmp_path)
    assert trained == [tuple(c for c in part.classes if c != "N")]
    assert again.curves == before.curves
    for name, network in before.model.members[0].items():
        for key, value in network.state_dict().items():
            assert torch.equal(value, again.model.members[0][name].state_dict()[key])


def test_steps_follow_the_rounds_and_the_schedule_ends(tmp_path: Path) -> None:
    config = train_config(*TINY, "trainer.steps=12", "trainer.epochs=3")
    table, part = part_of(config)
    fitted = fit(table, [part], config, tmp_path)
    assert [row["step"] for row in fitted.curves["all"]] == [4, 8, 12]
    assert fitted.curves["all"][-1]["lr"] < config.optimizer.lr / 100


@pytest.mark.parametrize("accelerator", ["gpu", "mps"])
def test_an_accelerator_that_is_not_there_is_named(accelerator: str, tmp_path: Path) -> None:
    there = torch.cuda.is_available() if accelerator == "gpu" else torch.backends.mps.is_available()
    if there:
        pytest.skip("this machine has one")
    config = train_config(*TINY, f"trainer.accelerator={accelerator}")
    with pytest.raises(EcgError, match=rf"trainer\.accelerator={accelerator}: there is none on this machine"):
        table, part = part_of(config)
        fit(table, [part], config, tmp_path)
