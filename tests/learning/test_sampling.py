"""Sampling: how often each class is drawn, from training labels only."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.choices.sampling import Stage
from ecgcli.learning.sampling import Stream, class_weights

LABEL = np.repeat([0, 1, 2], [8000, 400, 100])


def stream(method: str, strength: float = 1.0, fixed: bool = False, seed: int = 0) -> Stream:
    return Stream(LABEL, Stage.model_validate({"method": method, "strength": strength}), fixed, seed)


def counts(positions: np.ndarray) -> list[int]:
    return np.bincount(LABEL[positions], minlength=3).tolist()


def test_without_rebalancing_a_pass_is_every_beat_once() -> None:
    assert sorted(stream("none").one_pass(0)) == list(range(len(LABEL)))


def test_oversampling_gives_every_class_the_size_of_the_largest_and_loses_no_beat() -> None:
    drawn = stream("oversampling").one_pass(0)
    assert counts(drawn) == [8000, 8000, 8000]
    assert set(drawn) == set(range(len(LABEL)))


def test_undersampling_gives_every_class_the_size_of_the_smallest_without_repeats() -> None:
    drawn = stream("undersampling").one_pass(0)
    assert counts(drawn) == [100, 100, 100]
    assert len(set(drawn)) == len(drawn)


def test_half_strength_lies_geometrically_between() -> None:
    assert counts(stream("oversampling", 0.5).one_pass(0)) == [8000, round((400 * 8000) ** 0.5), 894]


def test_the_balanced_sampler_draws_classes_equally_on_the_average() -> None:
    shares = np.array(counts(stream("balanced_sampler").one_pass(0))) / len(LABEL)
    assert shares == pytest.approx([1 / 3] * 3, abs=0.02)


@pytest.mark.parametrize("method", ["balanced_sampler", "oversampling", "undersampling"])
def test_no_strength_leaves_the_classes_as_they_are(method: str) -> None:
    drawn = np.array(counts(stream(method, 0.0).one_pass(0)))
    assert drawn / drawn.sum() == pytest.approx(np.array([8000, 400, 100]) / 8500, abs=0.01)


def test_class_weights_balance_the_loss_and_keep_its_scale() -> None:
    weights = class_weights(LABEL, 3, Stage(method="class_weights", strength=1.0))
    assert weights is not None
    share = weights * np.array([8000, 400, 100])
    assert share == pytest.approx([share.sum() / 3] * 3)
    assert weights[LABEL].mean() == pytest.approx(1)
    assert class_weights(LABEL, 3, Stage(method="none", strength=1.0)) is None


def test_scikit_learn_calls_the_same_weights_balanced() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    weights = class_weights(LABEL, 3, Stage(method="class_weights", strength=1.0))
    expected = compute_class_weight("balanced", classes=np.arange(3), y=LABEL)
    assert weights == pytest.approx(expected)


@settings(max_examples=50, deadline=None)
@given(
    method=st.sampled_from(["none", "balanced_sampler", "class_weights", "oversampling", "undersampling"]),
    start=st.integers(0, 40_000),
    count=st.integers(1, 20_000),
    cut=st.floats(0, 1),
)
def test_the_stream_is_the_same_however_it_is_cut(method: str, start: int, count: int, cut: float) -> None:
    """So the beats of a step follow from (seed, step) alone, and an interrupted run can go on."""
    beats = stream(method, 0.7)
    first = int(count * cut)
    whole = beats.take(start, count)
    assert len(whole) == count
    parts = [beats.take(start, first)] if first else []
    parts += [beats.take(start + first, count - first)] if first < count else []
    assert np.array_equal(np.concatenate(parts), whole)


def test_passes_differ_unless_the_order_is_fixed_and_seeds_differ() -> None:
    assert not np.array_equal(stream("none").one_pass(0), stream("none").one_pass(1))
    assert np.array_equal(stream("none", fixed=True).one_pass(0), stream("none", fixed=True).one_pass(7))
    assert not np.array_equal(stream("none").one_pass(0), stream("none", seed=1).one_pass(0))
