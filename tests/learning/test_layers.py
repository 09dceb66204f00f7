"""Pieces that the networks share: the scale of the features beside the signal, and pooling into bins."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.learning.layers import RunningScale, TimeBins


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=8), seed=st.integers(0, 1000))
def test_features_are_scaled_by_all_beats_seen_whatever_their_batches(sizes: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = rng.normal([0.8, 120.0, -3.0], [0.1, 30.0, 1.0], (sum(sizes), 3))
    scale = RunningScale(3)
    for batch in np.split(features, np.cumsum(sizes)[:-1]):
        scale(torch.from_numpy(batch).float())
    np.testing.assert_allclose(scale.mean, features.mean(0), rtol=1e-4)
    np.testing.assert_allclose(scale.variance, features.var(0), rtol=1e-3, atol=1e-4)
    assert int(scale.count) == len(features)


def test_the_scale_of_features_stands_still_outside_training() -> None:
    scale = RunningScale(2)
    scale(torch.randn(50, 2) * 3 + 1)
    before = {key: value.clone() for key, value in scale.state_dict().items()}
    scale.eval()(torch.randn(50, 2) + 100)
    assert all(torch.equal(before[key], value) for key, value in scale.state_dict().items())


def test_one_wild_rr_interval_does_not_outshout_the_beat() -> None:
    scale = RunningScale(1)
    scale(torch.randn(500, 1) * 0.1 + 0.8)
    assert float(scale.eval()(torch.tensor([[30.0]]))) == 8.0


@given(length=st.integers(1, 200), bins=st.integers(1, 64))
@settings(deadline=None)
def test_bins_are_averages_of_equal_stretches_of_time(length: int, bins: int) -> None:
    pooling = TimeBins(length, bins)
    x = torch.randn(2, 3, 1, length)
    stretch = -(-length // bins)
    expected = torch.stack([part.mean(-1) for part in x.split(stretch, -1)], -1).flatten(1)
    torch.testing.assert_close(pooling(x), expected)
    assert expected.shape[1] == 3 * pooling.bins
    assert pooling.bins <= bins
