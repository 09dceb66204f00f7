"""The network that has seen simulated rhythms alone: its numbers by another way, and cases told by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ecgcli.beats.rhythm import rhythm_features
from ecgcli.beats.rhythm_prior import FILE, LEAST, PRIOR_CLASSES, PRIOR_NAMES, rhythm_prior
from ecgcli.beats.segment import Segmenter
from ecgcli.beats.simulated_intervals import simulated_intervals
from tests.conftest import train_config

N, S, V = range(3)


def of(seconds: list[float]) -> np.ndarray:
    """Probabilities of the beats that end these intervals."""
    samples = np.rint(np.cumsum([1.0, *seconds]) * 360).astype(int)
    return np.exp(rhythm_prior(rhythm_features(samples, 360.0)))[1:]


@pytest.mark.promise
def test_it_computes_what_torch_computes_of_the_same_weights() -> None:
    features = simulated_intervals(7, patients=2, beats=200).features
    with np.load(FILE) as held:
        x = (torch.from_numpy(features) - torch.from_numpy(held["mean"])) / torch.from_numpy(
            held["deviation"]
        )
        for i in range(3):
            x = torch.nn.functional.linear(
                x.relu() if i else x, torch.from_numpy(held[f"weight{i}"]), torch.from_numpy(held[f"bias{i}"])
            )
    np.testing.assert_allclose(rhythm_prior(features), torch.log(x.softmax(1) + LEAST), atol=2e-5)


def test_it_tells_the_rhythms_of_patients_that_it_has_not_seen() -> None:
    beats = simulated_intervals(99, patients=60)
    called = np.array(PRIOR_CLASSES)[rhythm_prior(beats.features).argmax(1)]
    for name, least in (("N", 0.97), ("S", 0.5), ("V", 0.5)):
        assert (called == name)[beats.label == name].mean() > least


def test_a_steady_sinus_rhythm_is_one() -> None:
    assert (of([0.8] * 200)[:, N] > 0.95).all()


def test_one_early_beat_with_a_pause_that_is_less_than_compensatory_is_supraventricular() -> None:
    said = of([0.85] * 100 + [0.5, 0.95] + [0.85] * 100)
    assert said[100].argmax() == S
    assert (np.delete(said, 100, axis=0).argmax(1) == N).all()


def test_one_early_beat_with_a_compensatory_pause_is_ventricular_more_likely_than_the_other() -> None:
    reset, compensated = (
        of([0.85] * 100 + [0.5, 0.9] + [0.85] * 100),
        of([0.85] * 100 + [0.5, 1.2] + [0.85] * 100),
    )
    assert compensated[100, V] > 2 * reset[100, V]


@pytest.mark.promise
def test_premature_beats_are_told_where_they_are_the_majority() -> None:
    """Runs of six early beats, each run ended by a pause: the beat after the pause is the sinus beat."""
    said = of(([1.8] + [0.7] * 6) * 40)
    kind = np.tile([N] + [S] * 6, 40)
    inner = slice(70, 210)
    assert (said[inner].argmax(1) == kind[inner]).mean() > 0.8


def test_it_is_a_part_of_the_segmenter_and_its_names_tell() -> None:
    segmenter = Segmenter.from_config(train_config("beat.rhythm=true", "beat.rhythm_prior=true").beat)
    plain = Segmenter.from_config(train_config("beat.rhythm=true").beat)
    time = np.arange(60 * 250)
    peaks = np.arange(200, 14_800, 200)
    peaks[30] -= 70
    cuts = [s.cut(np.sin(time / 50)[None], 250.0, ["MLII"], peaks) for s in (segmenter, plain)]
    assert segmenter.feature_names == plain.feature_names + PRIOR_NAMES
    np.testing.assert_array_equal(cuts[0].features[:, :-3], cuts[1].features)
    np.testing.assert_array_equal(cuts[0].features[:, -3:], rhythm_prior(cuts[1].features))


@pytest.mark.slow
def test_its_script_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a tenth of the patients the script's own network says nearly the same."""
    import sys

    from tests.conftest import ROOT

    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import make_rhythm_prior

    monkeypatch.setattr(make_rhythm_prior, "PATIENTS", 200)
    make_rhythm_prior.main(tmp_path / "prior.npz")
    sys.modules.pop("make_rhythm_prior")
    beats = simulated_intervals(5, patients=20)
    held = rhythm_prior(beats.features)
    with np.load(tmp_path / "prior.npz") as made, np.load(FILE) as kept:
        assert {name: made[name].shape for name in made} == {name: kept[name].shape for name in kept}
        x = (beats.features - made["mean"]) / made["deviation"]
        for i in range(3):
            x = (np.maximum(x, 0) if i else x) @ made[f"weight{i}"].T + made[f"bias{i}"]
    assert (x.argmax(1) == held.argmax(1)).mean() > 0.9
