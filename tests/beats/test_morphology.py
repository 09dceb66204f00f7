"""The patient's usual beat, and how far a beat is from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.beats.morphology import HALF, morphology_features, morphology_names, usual_beats
from ecgcli.beats.segment import Segmenter
from ecgcli.choices.beat import CentredBeat
from ecgcli.recordings.aami import BEAT_SYMBOLS
from ecgcli.recordings.wfdb_io import read_record

RATE, BEFORE, LENGTH = 250.0, 0.3, 200
T = np.arange(LENGTH) / RATE - BEFORE  # seconds from R


def wave(width: float = 0.02, height: float = 1.0, p: float = 0.15) -> np.ndarray:
    """A beat in mV: P wave, QRS complex of the given width (s) and height, T wave."""
    qrs = height * np.exp(-0.5 * (T / width) ** 2)
    return qrs + p * np.exp(-0.5 * ((T + 0.16) / 0.02) ** 2) + 0.3 * np.exp(-0.5 * ((T - 0.28) / 0.04) ** 2)


def patient(beats: list[np.ndarray] | np.ndarray, noise: float = 0.01, seed: int = 0) -> np.ndarray:
    """(n, 1, LENGTH) float32: the beats with noise on them."""
    stack = np.stack(list(beats))[:, None]
    return (stack + noise * np.random.default_rng(seed).normal(size=stack.shape)).astype(np.float32)


def named(beats: np.ndarray, **where: float) -> dict[str, np.ndarray]:
    leads = tuple("abcdef"[: beats.shape[1]])
    rate, before = where.get("rate", RATE), where.get("before", BEFORE)
    features = morphology_features(beats, usual_beats(beats), rate, before)
    return dict(zip(morphology_names(leads), features.T, strict=True))


# -- the usual beat ------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 40, 250])
def test_the_usual_beat_is_the_median_of_the_beats_around(n: int) -> None:
    beats = np.random.default_rng(n).normal(size=(n, 2, 7)).astype(np.float32)
    mirrored = np.pad(beats, ((HALF, HALF), (0, 0), (0, 0)), mode="symmetric")
    expected = [np.median(mirrored[i : i + 2 * HALF + 1], axis=0) for i in range(n)]
    np.testing.assert_array_equal(usual_beats(beats), expected)


@pytest.mark.parametrize("every", [3, 4, 7])
def test_ectopic_beats_in_any_regular_pattern_leave_the_usual_beat_alone(every: int) -> None:
    ectopic = np.arange(300) % every == 0  # trigeminy and the like: a decimated window might see them alone
    beats = patient([wave(0.06, -1.5, 0) if e else wave() for e in ectopic])
    usual = usual_beats(beats)
    assert np.abs(usual[:, 0] - wave()).max() < 0.06
    found = named(beats)
    assert found["qrs_correlation_a"][ectopic].max() < 0 < 0.99 < found["qrs_correlation_a"][~ectopic].min()
    for name in ("qrs_distance_a", "qrs_distance_to_usual_a", "area_to_usual_a"):
        assert found[name][ectopic].min() > found[name][~ectopic].max() + 0.5


def test_the_usual_beat_follows_a_patient_who_changes() -> None:
    beats = patient([wave()] * 300 + [wave(height=2.0)] * 300)
    usual = usual_beats(beats)[:, 0]
    assert np.abs(usual[:240] - wave()).max() < 0.03
    assert np.abs(usual[-240:] - wave(height=2.0)).max() < 0.03


# -- distances from it ---------------------------------------------------------------------------------


def one_unlike(beat: np.ndarray) -> dict[str, float]:
    """The features of one beat among 120 usual ones, less those of the usual ones."""
    found = named(patient([wave()] * 60 + [beat] + [wave()] * 60, noise=0.002))
    return {name[:-2]: float(column[60] - np.median(column)) for name, column in found.items()}


def test_a_taller_complex_is_taller_by_its_ratio() -> None:
    unlike = one_unlike(wave(height=2.0))
    for name in ("amplitude", "energy", "slope"):
        assert unlike[f"{name}_to_usual"] == pytest.approx(np.log(2), abs=0.1), name
    assert unlike["width_to_usual"] == pytest.approx(0, abs=0.1)
    assert unlike["qrs_correlation"] == pytest.approx(0, abs=0.01)


def test_a_wider_complex_is_wider_by_its_ratio_and_less_steep() -> None:
    unlike = one_unlike(wave(width=0.04))
    assert unlike["width_to_usual"] == pytest.approx(np.log(2), abs=0.15)
    assert unlike["slope_to_usual"] == pytest.approx(-np.log(2), abs=0.1)
    assert unlike["amplitude_to_usual"] == pytest.approx(0, abs=0.1)


def test_an_absent_p_wave_is_a_distance_in_the_p_region_alone() -> None:
    unlike = one_unlike(wave(p=0))
    assert unlike["p_distance_to_usual"] > 1.5
    for name in ("qrs_distance_to_usual", "t_distance_to_usual", "width_to_usual", "slope_to_usual"):
        assert abs(unlike[name]) < 0.5, name


@settings(max_examples=8, deadline=None)
@given(gain=st.floats(0.05, 20), offset=st.floats(-3, 3), seed=st.integers(0, 1000))
def test_gain_and_offset_do_not_matter(gain: float, offset: float, seed: int) -> None:
    beats = patient([wave()] * 30 + [wave(0.05, -1, 0)] + [wave()] * 30, noise=0.02, seed=seed)
    changed = (beats * np.float32(gain) + np.float32(offset)).astype(np.float32)
    for (name, before), after in zip(named(beats).items(), named(changed).values(), strict=True):
        np.testing.assert_allclose(after, before, atol=0.02, err_msg=name)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(0, 60),
    leads=st.integers(1, 3),
    before=st.integers(0, 60),
    after=st.integers(1, 60),
    kind=st.sampled_from(["noise", "flat", "zero", "sometimes flat", "huge", "one spike"]),
    seed=st.integers(0, 100),
)
def test_features_are_always_finite(
    n: int, leads: int, before: int, after: int, kind: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    beats = rng.normal(size=(n, leads, before + after)).astype(np.float32)
    if kind in ("flat", "zero", "one spike"):
        beats[:] = -3.3 if kind == "flat" else 0
    if kind == "one spike":
        beats[n // 2 : n // 2 + 1, :, before] = 1
    if kind == "sometimes flat":
        beats[rng.random(n) < 0.5] = 0.7
    if kind == "huge":
        beats *= 1e6
    found = named(beats, rate=125.0, before=before / 125)
    assert len(found) == 11 * leads
    for name, column in found.items():
        assert column.shape == (n,)
        assert np.isfinite(column).all(), name
        assert np.abs(column).max(initial=0) <= 4, name
        if kind in ("flat", "zero"):
            np.testing.assert_array_equal(column, 0, err_msg=name)


def test_a_region_that_the_window_lacks_says_nothing() -> None:
    beats = patient([wave(), wave(0.05)] * 40)[:, :, 55:95]  # 80 ms to either side of R
    for name, column in named(beats, before=0.08).items():
        if name[:2] in ("p_", "t_"):
            np.testing.assert_array_equal(column, 0, err_msg=name)
        else:
            assert column.any(), name


@pytest.mark.parametrize("name", ["119", "106", "114"])
def test_ventricular_beats_of_real_records_are_far_from_the_usual_beat(mitdb_dir: Path, name: str) -> None:
    record = read_record(mitdb_dir / name)
    assert record.annotations is not None
    beat = np.isin(record.annotations.symbol, list(BEAT_SYMBOLS))
    segmenter = Segmenter(
        CentredBeat(
            name="centred",
            rate=125.0,
            before=0.3,
            after=0.5,
            leads=("MLII", "other"),
            fallback="other",
            scaling="record",
            morphology=True,
        )
    )
    cut = segmenter.cut(record.signal, record.rate, record.leads, record.annotations.sample[beat])
    found = dict(zip(segmenter.feature_names, cut.features.T, strict=True))
    ventricular = record.annotations.symbol[beat] == "V"
    for lead in ("MLII", "other"):
        distance = found[f"qrs_distance_to_usual_{lead}"]
        assert np.quantile(distance[ventricular], 0.1) > np.quantile(distance[~ventricular], 0.6)
    assert np.isfinite(cut.features).all()
