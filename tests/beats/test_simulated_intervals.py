"""Simulated rhythms: what they are said to be, counted in what comes out."""

from __future__ import annotations

import numpy as np

from ecgcli.beats.rhythm import RHYTHM_NAMES
from ecgcli.beats.simulated_intervals import _patient, simulated_intervals

BEATS = 300


def hearts(seed: int, n: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(RR intervals in seconds, class of the beat that ends each) of simulated patients."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        time, symbol = _patient(rng, BEATS)
        found.append((np.diff(time), symbol[1:]))
    return found


def test_a_seed_gives_the_same_patients_and_another_gives_others() -> None:
    one, same, other = (simulated_intervals(seed, patients=3, beats=BEATS) for seed in (1, 1, 2))
    assert np.array_equal(one.features, same.features) and np.array_equal(one.label, same.label)
    assert not np.array_equal(one.features, other.features)
    assert one.features.shape == (3 * BEATS, len(RHYTHM_NAMES))
    assert set(np.unique(one.label)) <= {"N", "S", "V"}


def test_intervals_are_those_of_living_hearts() -> None:
    for rr, _ in hearts(0, 60):
        assert rr.min() > 0.25 and np.quantile(rr, 0.9) < 5
        assert 27 / 1.5 < 60 / np.median(rr) < 215


def test_ectopic_beats_come_early_and_the_pause_after_a_ventricular_one_makes_up_for_it() -> None:
    sums = []
    for rr, symbol in hearts(1, 400):
        if (symbol == "N").mean() < 0.9 or rr[symbol == "N"].std() > 0.1 * np.median(rr):
            continue  # where most are sinus beats at a steady rate, the median is the sinus interval
        usual = np.median(rr[symbol == "N"])
        alone = np.flatnonzero((symbol[1:-1] == "V") & (symbol[:-2] == "N") & (symbol[2:] == "N")) + 1
        sums += [(rr[i] + rr[i + 1]) / usual for i in alone]
        for kind in "SV":
            if (symbol == kind).any():
                assert np.median(rr[symbol == kind]) < usual
    assert len(sums) > 50
    assert abs(np.median(sums) - 2) < 0.1


def test_there_are_patients_whose_ectopic_beats_outnumber_the_sinus_beats() -> None:
    shares = np.array([(symbol == "S").mean() for _, symbol in hearts(2, 300)])
    assert 0.02 < (shares > 0.5).mean() < 0.3
    assert (shares == 0).mean() > 0.3, "and many without a single one"


def test_there_are_patients_without_ectopy_whose_intervals_are_irregular() -> None:
    still = [rr for rr, symbol in hearts(3, 300) if (symbol == "N").all()]
    spread = np.array([np.median(np.abs(np.diff(rr))) / np.median(rr) for rr in still])
    assert (spread > 0.1).any(), "atrial fibrillation"
    assert (spread < 0.03).any(), "a steady sinus rhythm"
