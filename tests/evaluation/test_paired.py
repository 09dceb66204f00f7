"""Differences of models on the same beats: against a bootstrap that copies beats, and tests done by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

from ecgcli.evaluation import paired
from ecgcli.evaluation.bootstrap import draws
from ecgcli.evaluation.confusion import confusions, patients_of
from tests.made_up_runs import CLASSES, made_up_beats, made_up_predictions

KEYS: list[paired.Key] = [("accuracy", None), ("macro_f1", None), ("recall", 1), ("precision", 2)]


def models(*wrong: float, beats: pd.DataFrame | None = None) -> list[pd.DataFrame]:
    shared = made_up_beats(8, 30) if beats is None else beats
    return [made_up_predictions(shared, one, seed) for seed, one in enumerate(wrong)]


@pytest.mark.promise
def test_replicates_are_those_of_a_bootstrap_that_copies_the_beats_of_the_drawn_patients() -> None:
    frames = models(0.1, 0.3)
    who = patients_of(frames[0])
    counts = [confusions(frame, CLASSES, who.of_beat, who.units) for frame in frames]
    found = paired.replicated(counts, who, CLASSES, KEYS, 30, seed=3)
    weights = np.concatenate(list(draws(who, 30, 3))).astype(int)
    for replicate, drawn in enumerate(weights):
        rows = np.repeat(np.arange(len(frames[0])), drawn[who.of_beat])
        for model, frame in enumerate(frames):
            copied = frame.iloc[rows]
            truth = copied["label"].to_numpy()
            called = np.array(CLASSES)[copied[[f"p_{c}" for c in CLASSES]].to_numpy().argmax(axis=1)]
            assert found[model, replicate] == pytest.approx(
                [
                    accuracy_score(truth, called),
                    f1_score(truth, called, labels=["N", "S", "V"], average="macro"),
                    recall_score(truth, called, labels=["S"], average=None)[0],
                    precision_score(truth, called, labels=["V"], average=None)[0],
                ]
            )


def test_both_models_are_scored_on_the_same_patients() -> None:
    (frame,) = models(0.2)
    who = patients_of(frame)
    counts = confusions(frame, CLASSES, who.of_beat, who.units)
    mine, theirs = paired.replicated([counts, counts], who, CLASSES, KEYS, 200)
    assert (mine == theirs).all()
    assert paired.interval((mine - theirs)[:, 0]) == (0, 0)
    assert paired.p_value((mine - theirs)[:, 0], 8) == 1


def test_drawn_seeds_vary_as_much_as_new_ones_would() -> None:
    scores = np.array([0.80, 0.82, 0.87, 0.81])
    weights = paired.drawn_seeds(4, 40_000, np.random.default_rng(0))
    assert weights.sum(axis=1) == pytest.approx(1)
    drawn = weights @ scores
    assert drawn.mean() == pytest.approx(scores.mean(), abs=1e-3)
    assert drawn.std() == pytest.approx(scores.std(ddof=1) / 2, rel=0.02)


def test_recipes_with_the_same_seeds_have_the_same_seeds_drawn() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(scale=0.02, size=3)
    scores = np.repeat(np.concatenate([0.5 + noise, 0.6 + noise])[:, None, None], 500, axis=1)
    together = paired.recipe_means(scores, [(0, 1, 2), (0, 1, 2)])
    assert (together[1] - together[0]) == pytest.approx(0.1)
    apart = paired.recipe_means(scores, [(0, 1, 2), (3, 4, 5)])
    assert (apart[1] - apart[0]).std() > 0.003


def test_no_seed_takes_a_score_beyond_what_a_share_can_be() -> None:
    scores = np.repeat(np.array([1.0, 1.0, 0.4])[:, None, None], 300, axis=1)
    assert paired.recipe_means(scores, [(0, 1, 2)]).max() == 1


def test_a_replicate_without_the_score_is_left_out() -> None:
    values = np.array([np.nan, 0.1, 0.2, 0.3, np.nan])
    low, high = paired.interval(values) or (0, 0)
    assert 0.1 <= low < high <= 0.3
    assert paired.p_value(values, 50) == 2 / 4
    assert paired.interval(values[:1]) is None
    assert paired.p_value(values[:1], 50) is None


def test_three_patients_cannot_show_more_than_three_tosses_of_a_coin() -> None:
    assert paired.p_value(np.full(10_000, 0.3), 3) == 0.25
    assert paired.p_value(np.full(10_000, 0.3), 40) == 2 / 10_001


def test_models_that_are_alike_are_seldom_called_different() -> None:
    """30 patients, three seeds a recipe, seed noise and patient noise alike: about one in twenty at .05."""
    rng = np.random.default_rng(1)
    who = patients_of(made_up_beats(30, 1))
    clear = 0
    for trial in range(300):
        hard = rng.beta(4, 2, size=30)
        counts = []
        for _ in range(6):
            level = np.clip(hard + rng.normal(scale=0.05) + rng.normal(scale=0.05, size=30), 0, 1)
            right = rng.binomial(40, level)
            one = np.zeros((30, 2, 2))
            one[:, 0, 0], one[:, 0, 1], one[:, 1, 1] = right, 40 - right, 1
            counts.append(one)
        drawn = paired.replicated(counts, who, ("N", "S"), [("accuracy", None)], 300, seed=trial)
        means = paired.recipe_means(drawn, [(0, 1, 2), (3, 4, 5)], seed=trial)
        clear += (paired.p_value((means[1] - means[0])[:, 0], 30) or 1) < 0.05
    assert 0.02 < clear / 300 < 0.14  # three seeds are few: somewhat more than .05


@pytest.mark.promise
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 100))
def test_mcnemar_is_the_binomial_test_of_the_beats_on_which_two_models_part(
    b: int, c: int, same: int
) -> None:
    first = np.array([True] * b + [False] * c + [True] * same, dtype=bool)
    second = np.array([False] * b + [True] * c + [True] * same, dtype=bool)
    if b + c == 0:
        assert paired.mcnemar(first, second) == 1
        return
    exact = binomtest(b, b + c, 0.5).pvalue
    expected = exact - binom.pmf(min(b, c), b + c, 0.5) * (1 if b != c else 0)
    assert paired.mcnemar(first, second) == pytest.approx(min(1, expected), abs=1e-12)
    assert paired.mcnemar(first, second) == paired.mcnemar(second, first)


def test_p_values_of_seeds_are_merged_by_twice_their_mean() -> None:
    assert paired.merged([0.03]) == 0.03
    assert paired.merged([0.01, 0.03]) == pytest.approx(0.04)
    assert paired.merged([0.9, 0.8]) == 1


def test_holms_correction_by_hand() -> None:
    # sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04, and none below the one before
    assert paired.holm([0.01, 0.04, None, 0.03, 0.005]) == [
        pytest.approx(0.03),
        pytest.approx(0.06),
        None,
        pytest.approx(0.06),
        pytest.approx(0.02),
    ]
    assert paired.holm([]) == []
    assert paired.holm([0.6, 0.7]) == [1, 1]


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=30))
def test_holm_lies_between_the_p_value_and_bonferroni(values: list[float | None]) -> None:
    corrected = paired.holm(values)
    tested = sum(value is not None for value in values)
    for before, after in zip(values, corrected, strict=True):
        assert (before is None) == (after is None)
        if before is not None and after is not None:
            assert before <= after <= min(1, tested * before) + 1e-12
