"""RR intervals relative to the patient's own, counted by hand and against sorting each window."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.beats.rhythm import (
    QUANTILES,
    RHYTHM_CONTEXT,
    RHYTHM_NAMES,
    WINDOWS,
    local_quantile,
    rhythm_features,
)
from ecgcli.recordings.aami import BEAT_SYMBOLS
from ecgcli.recordings.wfdb_io import read_record

RATE = 360


def named(seconds: list[float] | np.ndarray) -> dict[str, np.ndarray]:
    """The features of beats that lie the given seconds apart."""
    samples = np.rint(np.cumsum([1.0, *seconds]) * RATE).astype(int)
    return dict(zip(RHYTHM_NAMES, rhythm_features(samples, RATE).T, strict=True))


def test_a_steady_rhythm_is_all_zeros() -> None:
    for name, column in named([0.8] * 60).items():
        np.testing.assert_array_equal(column, 0, err_msg=name)


def test_a_ventricular_premature_beat_has_a_compensatory_pause() -> None:
    rr = named([0.8] * 40 + [0.5, 1.1] + [0.8] * 40)
    beat = 41  # the interval before it is the one of 0.5 s
    for window in (51, 301):
        assert rr[f"rr_before_to_q50_{window}"][beat] == pytest.approx(np.log(0.5 / 0.8), abs=1e-6)
        assert rr[f"rr_after_to_q50_{window}"][beat] == pytest.approx(np.log(1.1 / 0.8), abs=1e-6)
        assert rr[f"rr_pause_{window}"][beat] == pytest.approx(0, abs=1e-6)
    assert rr["rr_before_to_previous"][beat] == pytest.approx(np.log(0.5 / 0.8), abs=1e-6)
    assert rr["rr_after_to_before"][beat] == pytest.approx(np.log(1.1 / 0.5), abs=1e-6)
    assert rr["rr_next_to_after"][beat] == pytest.approx(np.log(0.8 / 1.1), abs=1e-6)
    assert rr["rr_next_to_q50_51"][beat] == 0
    assert rr["rr_before_to_q50_51"][beat + 1] == pytest.approx(np.log(1.1 / 0.8), abs=1e-6)


def test_an_atrial_premature_beat_resets_the_sinus_node_and_has_none() -> None:
    rr = named([0.8] * 40 + [0.55, 0.85] + [0.8] * 40)
    assert rr["rr_pause_51"][41] == pytest.approx(np.log(1.4 / 1.6), abs=1e-6)
    assert rr["rr_after_to_q50_51"][41] == pytest.approx(np.log(0.85 / 0.8), abs=1e-6)


def test_premature_beats_are_seen_even_where_they_are_the_majority() -> None:
    rr = named(([1.0] * 3 + [0.6] * 7) * 20)
    premature = 3 + 10 * 9 + 2  # amid the seven
    assert rr["rr_before_to_q50_51"][premature] == 0  # the median is of premature beats itself
    assert rr["rr_before_to_q75_51"][premature] == pytest.approx(np.log(0.6), abs=1e-6)
    assert rr["rr_before_to_q90_301"][premature] == pytest.approx(np.log(0.6), abs=1e-6)


def test_atrial_fibrillation_is_irregular_but_a_changing_rate_is_not() -> None:
    steady = named(np.linspace(1.0, 0.6, 200))
    fibrillation = named(np.random.default_rng(0).uniform(0.4, 1.1, 200))
    for window in (9, 51, 301):
        assert np.median(steady[f"rr_irregularity_{window}"]) < 0.01
        assert np.median(fibrillation[f"rr_irregularity_{window}"]) > 0.2


@pytest.mark.parametrize("half", WINDOWS)
@pytest.mark.parametrize("n", [1, 2, 3, 10, 60, 700])
def test_local_quantiles_are_those_of_each_sorted_window(n: int, half: int) -> None:
    values = np.random.default_rng(n).choice(np.linspace(0, 1, 40), n)  # with ties
    mirrored = np.pad(values, half, mode="symmetric")
    for quantile in QUANTILES:
        ranked = [np.sort(mirrored[i : i + 2 * half + 1])[round(2 * half * quantile)] for i in range(n)]
        np.testing.assert_array_equal(local_quantile(values, half, quantile), ranked)


@pytest.mark.parametrize("n", [1, 2, 40])
def test_local_quantiles_of_several_rows_are_those_of_each(n: int) -> None:
    rows = np.random.default_rng(n).normal(size=(2, 3, n))
    each = [[local_quantile(row, 25, 0.75) for row in some] for some in rows]
    np.testing.assert_array_equal(local_quantile(rows, 25, 0.75), each)


intervals = st.lists(st.one_of(st.integers(0, 2000), st.sampled_from([0, 1, 10**7])), max_size=400)


@settings(max_examples=60, deadline=None)
@given(intervals=intervals, beats=st.integers(0, 1), rate=st.floats(50, 2000))
def test_features_are_always_finite(intervals: list[int], beats: int, rate: float) -> None:
    samples = np.cumsum([5, *intervals]) if beats else np.array(intervals[:0], int)
    features = rhythm_features(samples, rate)
    assert features.shape == (len(samples), len(RHYTHM_NAMES))
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert np.abs(features).max(initial=0) <= 1.5


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(100, 700), min_size=1, max_size=100), st.integers(2, 10))
def test_neither_sampling_rate_nor_heart_rate_matters(intervals: list[int], factor: int) -> None:
    samples = np.cumsum([3, *intervals])
    features = rhythm_features(samples, RATE)
    np.testing.assert_array_equal(rhythm_features(samples * factor, RATE * factor), features)
    np.testing.assert_allclose(rhythm_features(samples * 2, RATE), features, atol=1e-6)


@pytest.mark.promise
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 1500), st.integers(1, 1500))
def test_rhythm_in_pieces_is_that_of_the_whole(seed: int, first: int, count: int) -> None:
    samples = np.cumsum(np.random.default_rng(seed).integers(0, 900, 1500))
    whole = rhythm_features(samples, RATE)
    last = min(first + count, len(samples))
    begin, end = max(first - RHYTHM_CONTEXT, 0), last + RHYTHM_CONTEXT
    piece = rhythm_features(samples[begin:end] - samples[begin], RATE)  # positions count from its start
    np.testing.assert_array_equal(piece[first - begin : last - begin], whole[first:last])


def test_the_context_is_no_wider_than_it_has_to_be() -> None:
    samples = np.cumsum(np.random.default_rng(0).integers(100, 900, 1500))
    whole, short = rhythm_features(samples, RATE), RHYTHM_CONTEXT - 2
    piece = rhythm_features(samples[500 - short : 1000 + short], RATE)
    assert (piece[short:-short] != whole[500:1000]).any()


def test_a_day_of_beats_takes_a_second() -> None:
    samples = np.cumsum(np.random.default_rng(0).integers(200, 500, 100_000))
    rhythm_features(samples[:100], RATE)  # imports
    started = time.process_time()
    rhythm_features(samples, RATE)
    assert time.process_time() - started < 3  # some 0.2 s on an idle core


@pytest.mark.parametrize(("name", "symbol"), [("209", "A"), ("119", "V"), ("106", "V")])
def test_premature_beats_of_real_records_come_early(mitdb_dir: Path, name: str, symbol: str) -> None:
    marks = read_record(mitdb_dir / name).annotations
    assert marks is not None
    beat = np.isin(marks.symbol, list(BEAT_SYMBOLS))
    features = rhythm_features(marks.sample[beat], RATE)
    rr = dict(zip(RHYTHM_NAMES, features.T, strict=True))
    premature = marks.symbol[beat] == symbol
    early = rr["rr_before_to_q75_301"]
    assert np.median(early[premature]) < np.log(0.9)
    assert np.quantile(early[premature], 0.75) < np.quantile(early[~premature], 0.25)
    if symbol == "V":
        assert abs(np.median(rr["rr_pause_51"][premature])) < 0.1
