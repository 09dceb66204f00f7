"""A signal at another rate is the same signal."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample_poly

from ecgcli.recordings.resample import rate_ratio, resample


@settings(max_examples=40, deadline=None)
@given(
    up=st.integers(1, 40),
    down=st.integers(1, 40),
    time=st.integers(1, 3000),
    leads=st.integers(1, 2),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_filter_is_that_of_scipy(up: int, down: int, time: int, leads: int, seed: int) -> None:
    """To a part in 200: scipy leaves a ripple on constants, which is removed here."""
    rng = np.random.default_rng(seed)
    signal = rng.normal(size=(leads, time))
    ratio = Fraction(up, down)
    ours, theirs = resample(signal, ratio), resample_poly(signal, up, down, axis=-1, padtype="edge")
    assert ours.shape == theirs.shape
    edge = min(ours.shape[1] // 2, int(11 * max(1, ratio)) + 1)  # beyond the edge each has its own idea
    inner = slice(edge, ours.shape[1] - edge)
    np.testing.assert_allclose(ours[:, inner], theirs[:, inner], atol=0.05)


@pytest.mark.parametrize(("rate", "wanted"), [(360, 125), (128, 360), (257, 125), (1000, 250), (360, 360.5)])
def test_a_slow_wave_keeps_its_shape_and_its_place(rate: float, wanted: float) -> None:
    ratio = rate_ratio(rate, wanted)
    wave = np.sin(2 * np.pi * 7 * np.arange(20 * rate) / rate + 0.3)[None]
    new = resample(wave, ratio)
    at = np.arange(new.shape[1]) / float(ratio) / rate  # seconds
    inner = (at > 1) & (at < 19)
    np.testing.assert_allclose(new[0, inner], np.sin(2 * np.pi * 7 * at + 0.3)[inner], atol=2e-3)


def test_what_is_faster_than_the_new_rate_vanishes() -> None:
    hum = np.sin(2 * np.pi * 110 * np.arange(3600) / 360)[None]
    assert np.abs(resample(hum, rate_ratio(360, 125))[:, 50:-50]).max() < 0.01


@settings(max_examples=12, deadline=None)
@given(value=st.floats(-20, 20), rate=st.floats(50, 1000), wanted=st.floats(50, 1000))
def test_a_constant_stays_constant(value: float, rate: float, wanted: float) -> None:
    new = resample(np.full((1, 500), value, dtype=np.float32), rate_ratio(rate, wanted))
    np.testing.assert_allclose(new, value, atol=1e-5, rtol=2e-6)  # sums of float32
    assert new.dtype == np.float32


@given(rate=st.floats(10, 10_000), wanted=st.floats(50, 1000))
def test_an_odd_rate_is_met_within_a_part_in_a_thousand(rate: float, wanted: float) -> None:
    ratio = rate_ratio(rate, wanted)
    assert float(ratio) == pytest.approx(wanted / rate, rel=1e-3)
    assert min(ratio.numerator, ratio.denominator) <= 1000


def test_whole_rates_are_met_exactly() -> None:
    assert rate_ratio(360, 125) == Fraction(25, 72)
    assert rate_ratio(128, 360) == Fraction(45, 16)
    assert rate_ratio(250, 250) == 1
