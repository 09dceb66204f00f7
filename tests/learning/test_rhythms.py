"""Beats in simulated rhythms: of their own class, in the columns of the rhythm alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ecgcli.beats.rhythm import RHYTHM_NAMES
from ecgcli.beats.sources import beats
from ecgcli.beats.table import BeatTable
from ecgcli.learning.augment import augmented, in_other_rhythms
from ecgcli.learning.rhythms import simulated_rhythms
from tests.conftest import train_config

DEMO = ("data.patients=12", "data.minutes=1", "beat.rhythm=true", "beat.morphology=true")


def table_of(*settings: str) -> BeatTable:
    config = train_config(*DEMO, *settings)
    return beats(config.data, config.beat, Path("none"))


def test_only_the_columns_of_the_rhythm_change_and_to_beats_of_the_same_class() -> None:
    features, label = torch.zeros(4000, 5), torch.arange(4000) % 3
    rhythms = [torch.full((7, 2), 1.0), torch.full((3, 2), 2.0), torch.zeros(0, 2)]
    torch.manual_seed(0)
    changed = in_other_rhythms(features, label, 0.25, rhythms)
    assert not changed[:, 2:].any() and not features.any()
    for number, value in enumerate((1.0, 2.0, 0.0)):
        own = changed[label == number, 0]
        assert set(own.tolist()) <= {0.0, value}
        if value:
            assert 0.2 < float((own == value).float().mean()) < 0.3


def test_a_classifier_is_given_rhythms_for_each_of_its_outputs() -> None:
    table = table_of("beat.rhythm_prior=true")
    width = len(RHYTHM_NAMES) + 3
    single = simulated_rhythms(table, ("N", "S", "V", "F"))
    assert [rhythms.shape[1] for rhythms in single] == [width] * 4
    assert all(len(rhythms) for rhythms in single[:3]) and not len(single[3]), "fusion beats keep their own"
    normal, abnormal = simulated_rhythms(table, ("N", "abnormal"))
    assert len(normal) == len(single[0]) and len(abnormal) == len(single[1]) + len(single[2])
    assert simulated_rhythms(table_of(), ("N", "S"))[0].shape[1] == len(RHYTHM_NAMES)


def test_without_a_chance_nothing_is_drawn() -> None:
    features, label = torch.randn(8, 3), torch.zeros(8, dtype=torch.long)
    before = torch.get_rng_state()
    choice = train_config(
        "augment=standard",
        "augment.scaling=0",
        "augment.shift=0",
        "augment.noise=0",
        "augment.wander=0",
        "augment.lead_dropout=0",
        "augment.jitter=0",
    ).augment
    out = augmented(torch.ones(8, 1, 10), features, label, choice, 120.0, 1, [torch.ones(2, 3)])
    assert out.features is features and torch.equal(before, torch.get_rng_state())


def test_a_training_reads_them_and_its_seed_repeats_it(tmp_path: Path) -> None:
    from ecgcli.beats.protocol import parts
    from ecgcli.learning.fit import fit

    weights = []
    for number, chance in enumerate((0.5, 0.5, 0.0)):
        config = train_config(
            *DEMO,
            "beat.rhythm_prior=true",
            "model=mlp",
            "model.units=[8]",
            "augment=standard",
            f"augment.rhythm={chance}",
            "trainer.steps=4",
            "trainer.epochs=1",
            "trainer.progress=none",
        )
        table = beats(config.data, config.beat, Path("none"))
        fitted = fit(table, parts(table, config.protocol), config, tmp_path / str(number))
        weights.append(fitted.model.members[0]["all"].state_dict()["layers.0.weight"].numpy())
    assert np.array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])
