"""The most confident mistakes: which pairs, whose beats, in which order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ecgcli.evaluation.mistakes import most_confident_mistakes

CLASSES = ("N", "V", "F")


def predictions(*beats: tuple[str, str, str, float]) -> pd.DataFrame:
    """(subject, label, class it is called, its probability) of each beat."""
    rows = []
    for i, (subject, label, called, p) in enumerate(beats):
        rest = {f"p_{name}": (1 - p) / 2 for name in CLASSES}
        rows.append({"record": subject, "subject": subject, "sample": 100 * i, "label": label} | rest)
        rows[-1][f"p_{called}"] = p
    return pd.DataFrame(rows)


BEATS = predictions(
    ("a", "V", "N", 0.90),
    ("a", "V", "N", 0.99),
    ("a", "V", "N", 0.98),
    ("b", "V", "N", 0.60),
    ("c", "V", "N", 0.70),
    ("a", "N", "N", 1.00),
    ("b", "F", "V", 0.80),
    ("b", "N", "V", 0.95),
    ("c", "N", "V", 0.96),
)


@pytest.mark.promise
def test_other_subjects_come_before_a_second_beat_of_one() -> None:
    found = most_confident_mistakes(BEATS, CLASSES, per_pair=3)
    missed = found[(found["true"] == 1) & (found["called"] == 0)]
    assert missed["row"].tolist() == [1, 4, 3], "the surest of a, then c, then b; not three of a"
    assert missed["probability"].tolist() == [0.99, 0.70, 0.60]
    assert set(missed["beats"]) == {5} and set(missed["subjects"]) == {3}
    four = most_confident_mistakes(BEATS, CLASSES, per_pair=4)
    assert four.loc[four["beats"] == 5, "row"].tolist() == [1, 2, 4, 3], (
        "then the next sure one, in its order"
    )


def test_pairs_with_more_beats_come_first_and_right_beats_never() -> None:
    found = most_confident_mistakes(BEATS, CLASSES)
    assert list(zip(found["true"], found["called"], strict=True)) == [(1, 0)] * 3 + [(0, 1)] * 2 + [(2, 1)]
    assert found["row"].tolist()[3:] == [8, 7, 6]
    assert most_confident_mistakes(BEATS, CLASSES, pairs=1)["true"].tolist() == [1] * 3
    assert most_confident_mistakes(BEATS[5:6], CLASSES).empty


def test_what_counts_is_the_decision_not_the_most_probable_class() -> None:
    decided = BEATS.assign(predicted=["V", "V", "V", "V", "V", "N", "F", "N", "F"])
    found = most_confident_mistakes(decided, CLASSES)
    assert found["row"].tolist() == [8]
    assert found["called"].tolist() == [2]
    assert found["probability"][0] == pytest.approx(0.02), "of the class it was called"


def test_it_is_the_surest_of_each_subject_by_a_slow_count() -> None:
    rng = np.random.default_rng(0)
    beats = predictions(
        *(
            (str(rng.integers(6)), CLASSES[rng.integers(3)], CLASSES[rng.integers(3)], rng.uniform(0.4, 1))
            for _ in range(300)
        )
    )
    p = beats[[f"p_{name}" for name in CLASSES]].to_numpy()
    called = np.array(CLASSES)[p.argmax(axis=1)]
    found = most_confident_mistakes(beats, CLASSES, per_pair=6)
    for true, wrong in ((a, b) for a in CLASSES for b in CLASSES if a != b):
        here = beats[(beats["label"] == true) & (called == wrong)]
        surest = here.assign(p=p[here.index].max(axis=1)).groupby("subject")["p"].idxmax()
        shown = found[(found["true"] == CLASSES.index(true)) & (found["called"] == CLASSES.index(wrong))]
        assert set(shown["row"]) == set(surest)
