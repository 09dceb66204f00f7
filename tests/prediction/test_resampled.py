"""Leads at the model's rate, piece by piece."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.beats.segment import bridged
from ecgcli.prediction import resampled as module
from ecgcli.prediction.readable import frames
from ecgcli.prediction.resampled import resampled
from ecgcli.recordings.resample import rate_ratio, resample


@pytest.mark.promise
@settings(max_examples=40, deadline=None)
@given(
    rate=st.sampled_from([100.0, 125.0, 250.0, 257.0, 360.0, 1000.0]),
    wanted=st.sampled_from([100.0, 125.0, 360.0]),
    seconds=st.floats(3, 40),
    piece=st.floats(0.5, 10),
    gaps=st.lists(st.tuples(st.floats(0, 40), st.floats(0.01, 15)), max_size=3),
)
def test_leads_in_pieces_are_those_of_the_whole(
    rate: float, wanted: float, seconds: float, piece: float, gaps: list[tuple[float, float]]
) -> None:
    samples = round(seconds * rate)
    signal = np.random.default_rng(0).standard_normal((3, samples)).astype(np.float32).cumsum(axis=1)
    for start, length in gaps:
        signal[1, round(start * rate) : round((start + length) * rate)] = np.nan
    ratio = rate_ratio(rate, wanted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PIECE", piece)
        got = resampled(lambda a, b: signal[:, a:b], samples, (1, 0), rate, ratio)
    taken = signal[[1, 0]]
    whole = resample(np.stack([bridged(lead, rate) for lead in taken]), ratio)
    assert got.length == whole.shape[1]
    # the last bits of a product of matrices depend on their size
    np.testing.assert_allclose(got.piece(0, got.length), whole, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(got.mapped(), got.piece(0, got.length))
    np.testing.assert_array_equal(got.piece(5, 17), got.mapped()[:, 5:17])
    np.testing.assert_array_equal(got.frames.missing, frames(taken, rate).missing)
    np.testing.assert_array_equal(got.frames.high, frames(taken, rate).high)


def test_a_gap_of_a_second_is_bridged_and_a_longer_one_held() -> None:
    lead = np.arange(1000, dtype=np.float32)
    lead[100:200], lead[500:750] = np.nan, np.nan
    filled = bridged(lead, rate=100.0)
    np.testing.assert_allclose(filled[100:200], np.arange(100, 200), atol=1e-3)
    assert set(filled[500:650]) == {499.0} and set(filled[650:750]) == {750.0}
    lead[:300] = np.nan
    assert set(bridged(lead, 100.0)[:200]) == {0.0} and set(bridged(lead, 100.0)[200:300]) == {300.0}
