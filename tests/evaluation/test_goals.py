"""Goals of a search, against scikit-learn's own scores."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss, recall_score

from ecgcli.errors import EcgError
from ecgcli.evaluation.goals import Goal, check_goals, goal, reached

CLASSES = ("N", "S", "V")
TRAINING = {"parameters": 1234, "seconds": 5.5}


def predictions(beats: int, seed: int, folds: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, beats)
    probability = rng.dirichlet(np.ones(3), beats) + 0.5 * np.eye(3)[truth]
    probability /= probability.sum(axis=1, keepdims=True)
    frame = pd.DataFrame({f"p_{name}": probability[:, k] for k, name in enumerate(CLASSES)})
    frame = frame.assign(record="r", subject="s", sample=np.arange(beats), label=np.array(CLASSES)[truth])
    return frame.assign(fold=np.arange(beats) % folds) if folds > 1 else frame


def by_sklearn(frame: pd.DataFrame) -> list[float]:
    probability = frame[[f"p_{name}" for name in CLASSES]].to_numpy()
    truth = frame["label"].to_numpy()
    called = np.array(CLASSES)[probability.argmax(axis=1)]
    return [
        f1_score(truth, called, average="macro"),
        accuracy_score(truth, called),
        recall_score(truth, called, labels=["S"], average=None)[0],
        log_loss(truth, probability, labels=list(CLASSES)),
        1234,
    ]


GOALS = [goal(one) for one in ("macro_f1", "accuracy", "recall/S", "-loss", "-parameters")]


def test_a_goal_is_the_score_of_its_name() -> None:
    frame = predictions(200, 0)
    assert reached(GOALS, frame, CLASSES, TRAINING) == pytest.approx(by_sklearn(frame))


def test_over_folds_a_goal_is_the_mean_of_the_folds() -> None:
    frame = predictions(300, 1, folds=3)
    each = [by_sklearn(frame[frame["fold"] == fold]) for fold in range(3)]
    assert reached(GOALS, frame, CLASSES, TRAINING) == pytest.approx(np.mean(each, axis=0))
    # a fold without a beat of the class has no say
    frame = frame[(frame["fold"] != 2) | (frame["label"] != "S")]
    expected = np.mean([by_sklearn(frame[frame["fold"] == fold])[2] for fold in range(2)])
    assert reached([goal("recall/S")], frame, CLASSES, TRAINING)[0] == pytest.approx(expected)


def test_what_no_fold_has_is_no_number() -> None:
    frame = predictions(60, 2)
    assert math.isnan(reached([goal("recall/S")], frame[frame["label"] != "S"], CLASSES, TRAINING)[0])


def test_the_sign_has_to_say_what_is_better() -> None:
    assert goal("-called_normal/V") == Goal("called_normal", "V", more=False)
    for wrong in ("loss", "-f1/S", "recall", "recall/", "macro_f1/S", "", "-"):
        with pytest.raises(EcgError, match=r"^goals="):
            goal(wrong)


def test_goals_that_cannot_be_judged_are_refused() -> None:
    check_goals(GOALS, {"N": 5, "S": 1, "V": 2})
    with pytest.raises(EcgError, match="no beat of class S"):
        check_goals(GOALS, {"N": 5, "S": 0, "V": 2})
    with pytest.raises(EcgError, match="no class S, expected one of N, V"):
        check_goals(GOALS, {"N": 5, "V": 2})
    with pytest.raises(EcgError, match="leaves none"):
        check_goals(GOALS, {"N": 0, "S": 0, "V": 0})
