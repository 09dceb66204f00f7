"""What a review saves is what trying every threshold, beat by beat, says."""

from __future__ import annotations

import json
import math
import time
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgcli.evaluation.review import POINTS, TARGETS, review_share, review_threshold, risk_coverage

CLASSES = ("N", "S", "V")


def called(beats: list[tuple[str, str, float]], classes: tuple[str, ...] = CLASSES) -> pd.DataFrame:
    """Predictions from (label, what the beat is called, the probability of that)."""
    rest = len(classes) - 1
    columns = {
        f"p_{name}": [p if said == name else (1 - p) / rest for _, said, p in beats] for name in classes
    }
    return pd.DataFrame(
        {
            "record": "100",
            "subject": "100",
            "sample": range(0, 300 * len(beats), 300),
            "label": [label for label, _, _ in beats],
            **columns,
            "predicted": [said for _, said, _ in beats],
        }
    )


TEN = called(
    [
        ("N", "N", 0.99),
        ("N", "N", 0.98),
        ("V", "V", 0.97),
        ("N", "N", 0.95),
        ("S", "N", 0.90),  # missed, with much confidence
        ("N", "N", 0.85),
        ("N", "S", 0.80),  # a false alarm
        ("V", "V", 0.75),
        ("S", "V", 0.60),  # the wrong type, and no miss
        ("V", "N", 0.55),  # missed
    ]
)

tables = st.lists(
    st.tuples(
        st.sampled_from(CLASSES), st.sampled_from(CLASSES), st.sampled_from([0.1, 0.4, 0.6, 0.7, 0.9, 1.0])
    ),
    min_size=1,
    max_size=25,
)
"""Few confidences, so that many beats share one; some below another class, as at an operating point."""


def tried(beats: list[tuple[str, str, float]], threshold: float) -> tuple[float, float | None, float | None]:
    """Share handed over, share of the abnormal beats missed, error rate of the rest; counted one by one."""
    kept = [(label, said) for label, said, p in beats if p >= threshold]
    abnormal = sum(label != "N" for label, _, _ in beats)
    missed = sum(label != "N" and said == "N" for label, said in kept)
    wrong = sum(label != said for label, said in kept)
    return (
        (len(beats) - len(kept)) / len(beats),
        missed / abnormal if abnormal else None,
        wrong / len(kept) if kept else None,
    )


@pytest.mark.promise
def test_ten_beats_counted_by_hand() -> None:
    found = risk_coverage(TEN, CLASSES)
    assert (found["beats"], found["wrong"], found["abnormal"]) == (10, 4, 5)
    assert found["coverage"] == [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    assert found["confidence"] == [0.55, 0.6, 0.75, 0.8, 0.85, 0.9, 0.95, 0.97, 0.98, 0.99]
    assert found["error_rate"] == [4 / 10, 3 / 9, 2 / 8, 2 / 7, 1 / 6, 1 / 5, 0, 0, 0, 0]
    assert found["missed"] == [2 / 5, 1 / 5, 1 / 5, 1 / 5, 1 / 5, 1 / 5, 0, 0, 0, 0]
    area = (4 / 10 + 3 / 9 + 2 / 8 + 2 / 7 + 1 / 6 + 1 / 5) / 10
    assert found["aurc"] == pytest.approx(area)
    assert found["excess_aurc"] == pytest.approx(area - (1 / 7 + 2 / 8 + 3 / 9 + 4 / 10) / 10)


@pytest.mark.promise
def test_the_share_to_review_counted_by_hand() -> None:
    half, fifth, tenth = review_share(TEN, TEN[5:], CLASSES, targets=(0.4, 0.2, 0.1))
    assert half["threshold"] == 0  # two of five missed, as it is
    assert half["chosen"] == {"handed_over": 0, "missed": 2 / 5, "error_rate": 4 / 10}
    assert half["shown"] == {"handed_over": 0, "missed": 1 / 3, "error_rate": 3 / 5}
    assert fifth["threshold"] == 0.6
    assert fifth["chosen"] == {"handed_over": 0.1, "missed": 1 / 5, "error_rate": 3 / 9}
    assert fifth["shown"] == {"handed_over": 0.2, "missed": 0, "error_rate": 2 / 4}
    assert tenth["threshold"] == 0.95
    assert tenth["chosen"] == {"handed_over": 0.6, "missed": 0, "error_rate": 0}
    assert tenth["shown"] == {"handed_over": 1, "missed": 0, "error_rate": None}  # nothing is left
    assert [point["why"] for point in (half, fifth, tenth)] == [None] * 3


@given(tables)
def test_every_point_of_the_curve_is_what_that_threshold_gives(beats: list[tuple[str, str, float]]) -> None:
    found = risk_coverage(called(beats), CLASSES)
    confidences = sorted({p for _, _, p in beats})
    assert found["confidence"] == pytest.approx(confidences)
    for i, threshold in enumerate(confidences):
        handed_over, missed, error_rate = tried(beats, threshold)
        assert found["coverage"][i] == pytest.approx(1 - handed_over)
        assert found["error_rate"][i] == pytest.approx(error_rate)
        assert (found["missed"] and found["missed"][i]) == pytest.approx(missed)
    rates = [tried(beats, p)[2] for _, _, p in beats]
    assert found["aurc"] == pytest.approx(np.mean([rate for rate in rates if rate is not None]))


@given(tables, tables, st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]))
def test_no_smaller_review_reaches_the_target(
    validation: list[tuple[str, str, float]], test: list[tuple[str, str, float]], target: float
) -> None:
    (found,) = review_share(called(validation), called(test), CLASSES, [target])
    reached = [
        tried(validation, threshold)
        for threshold in {0.0, *(p for _, _, p in validation)}
        if (tried(validation, threshold)[1] or 0) <= target
    ]
    if all(label == "N" for label, _, _ in validation):
        assert "no abnormal beats" in found["why"]
    elif not reached:
        assert "highest confidence" in found["why"]
    if found["why"]:
        assert found["threshold"] is found["chosen"] is found["shown"] is None
        return
    assert found["chosen"]["handed_over"] == pytest.approx(min(handed_over for handed_over, _, _ in reached))
    for part, beats in (("chosen", validation), ("shown", test)):
        expected = tried(beats, found["threshold"])
        assert tuple(found[part].values()) == pytest.approx(expected)


@given(tables)
def test_the_excess_is_over_the_best_order_of_these_decisions(beats: list[tuple[str, str, float]]) -> None:
    found = risk_coverage(called(beats), CLASSES)
    right_first = sorted(beats, key=lambda beat: beat[0] != beat[1])
    certain = [(label, said, 1 - 0.01 * i) for i, (label, said, _) in enumerate(right_first)]
    best = risk_coverage(called(certain), CLASSES)
    assert best["excess_aurc"] == pytest.approx(0, abs=1e-12)
    assert found["excess_aurc"] == pytest.approx(found["aurc"] - best["aurc"], abs=1e-12)
    assert found["excess_aurc"] >= 0


def test_the_best_order_has_the_area_of_the_paper() -> None:
    """Geifman et al. 2019: r + (1 − r) ln(1 − r), for many beats."""
    n, r = 20_000, 0.1
    beats = [("N", "N" if i < n * (1 - r) else "V", 1 - i / (2 * n)) for i in range(n)]
    found = risk_coverage(called(beats), CLASSES)
    assert found["aurc"] == pytest.approx(r + (1 - r) * math.log(1 - r), abs=1e-4)


@given(tables, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_plays_no_part(beats: list[tuple[str, str, float]], random: object) -> None:
    shuffled = list(beats)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert risk_coverage(called(beats), CLASSES) == risk_coverage(called(shuffled), CLASSES)


def test_without_an_operating_point_the_most_probable_class_decides() -> None:
    frame = called([("N", "N", 0.9), ("S", "N", 0.8), ("V", "V", 0.7)])
    assert risk_coverage(frame, CLASSES) == risk_coverage(frame.drop(columns="predicted"), CLASSES)


def test_a_beat_called_something_improbable_is_handed_over_first() -> None:
    """At an operating point, V may be said at p(V) = 0.2: that decision is the least likely to be right."""
    found = risk_coverage(called([("N", "N", 0.6), ("N", "V", 0.2)]), CLASSES)
    assert found["confidence"] == [0.2, 0.6]
    assert found["error_rate"] == [1 / 2, 0]


def test_where_no_target_can_be_set_it_says_why() -> None:
    normal = called([("N", "N", 0.9), ("N", "V", 0.6)])
    assert risk_coverage(normal, CLASSES)["missed"] is None
    assert [point["why"] for point in review_share(normal, TEN, CLASSES)] == [
        "there are no abnormal beats to set a threshold by"
    ] * len(TARGETS)
    without = called([("S", "S", 0.9), ("V", "S", 0.6)], ("S", "V"))
    assert risk_coverage(without, ("S", "V"))["abnormal"] is None
    assert "no class N" in review_share(without, without, ("S", "V"))[0]["why"]
    sure = called([("V", "N", 1.0), ("N", "N", 1.0)])
    assert "highest confidence" in review_share(sure, sure, CLASSES)[0]["why"]
    (shown,) = review_share(TEN, normal, CLASSES, targets=(0.2,))
    assert shown["shown"] == {"handed_over": 0, "missed": None, "error_rate": 1 / 2}


def test_a_hundred_thousand_beats_are_thinned_to_a_smooth_curve_in_no_time() -> None:
    rng = np.random.default_rng(0)
    n = 109_446
    p = rng.dirichlet((4, 0.3, 0.3), n)
    truth = (rng.random(n)[:, None] > p.cumsum(axis=1)).sum(axis=1).clip(max=2)
    frame = pd.DataFrame(p, columns=["p_N", "p_S", "p_V"]).assign(
        record="100", subject="100", sample=range(n), label=np.array(CLASSES)[truth]
    )
    start = time.process_time()
    found = risk_coverage(frame, CLASSES)
    assert time.process_time() - start < 2
    coverage = found["coverage"]
    assert coverage[0] == 1
    assert len(coverage) <= POINTS
    assert all(0 < before - after < 0.0101 for before, after in pairwise(coverage))
    assert 1 - coverage[1] < 1e-4  # dense where few beats are handed over
    assert {len(found[key]) for key in ("confidence", "error_rate", "missed")} == {len(coverage)}
    json.dumps([found, review_share(frame, frame, CLASSES)], allow_nan=False)


def test_a_model_asks_about_the_least_certain_twentieth() -> None:
    certain = np.linspace(0.5, 1.0, 200)
    probability = np.stack([certain, 1 - certain], axis=1)
    threshold = review_threshold(probability, np.zeros(200, np.int64))
    assert threshold is not None
    assert (certain < threshold).sum() == 9  # a tenth would be more than a twentieth of the steps between
    # what counts is the class that the beat is called, not the most probable one
    second = review_threshold(probability, np.ones(200, np.int64))
    assert second is not None and (1 - certain < second).sum() == 9
    assert review_threshold(np.empty((0, 2)), np.empty(0, np.int64)) is None
