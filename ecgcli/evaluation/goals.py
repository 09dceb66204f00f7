"""Goals of a search: what a run is judged by, on its validation part alone, and which way is better."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import pandas as pd

from ecgcli.errors import EcgError
from ecgcli.evaluation.calibration import calibration_scores
from ecgcli.evaluation.metrics import score
from ecgcli.evaluation.predictions import labels, probabilities

OF_ALL = {
    **dict.fromkeys(("macro_f1", "macro_recall", "accuracy", "mcc", "kappa", "auroc", "auprc"), True),
    **dict.fromkeys(("loss", "abnormal_called_normal"), False),
}
"""Scores of all beats, and whether more is better; `loss` is the mean negative log-likelihood in nats."""

OF_A_CLASS = {
    **dict.fromkeys(("recall", "precision", "f1", "auroc", "auprc"), True),
    **dict.fromkeys(("wrong_share", "called_normal"), False),
}
"""Scores of one class, as `recall/S`."""

COSTS = ("parameters", "seconds")
"""What training a run cost; less is better."""


@dataclass(frozen=True)
class Goal:
    """One goal.

    Attributes:
        name: of the score.
        of: the class, where it is the score of one.
        more: whether more is better.
    """

    name: str
    of: str | None
    more: bool

    @property
    def key(self) -> str:
        """The score without its sign, such as `recall/S`."""
        return f"{self.name}/{self.of}" if self.of else self.name


def goal(given: str) -> Goal:
    """The goal that a user means; a minus says that less is better.

    Raises:
        EcgError: there is no such score, or its sign says the opposite of what is better.
    """
    key, more = given.removeprefix("-"), not given.startswith("-")
    name, sign, of = key.partition("/")
    known = OF_A_CLASS if sign else {**OF_ALL, **dict.fromkeys(COSTS, False)}
    if name not in known or (sign and not of):
        names = [*OF_ALL, *COSTS, *(f"{name}/S" for name in OF_A_CLASS)]
        close = difflib.get_close_matches(key, names, n=1, cutoff=0.6)
        meant = f"; did you mean {close[0]}?" if close else ""
        raise EcgError(f"goals={given}: no such score, expected some of {', '.join(names)}{meant}")
    if more != known[name]:
        way = ("less", f"-{key}") if more else ("more", key)
        raise EcgError(f"goals={given}: {way[0]} of it is better; expected {way[1]}")
    return Goal(name, of or None, more)


def check_goals(goals: Sequence[Goal], beats: Mapping[str, int]) -> None:
    """Makes sure that every goal can be judged.

    Args:
        goals: the goals.
        beats: of each class in the validation part.

    Raises:
        EcgError: there are no validation beats, no such class, or no validation beat of it.
    """
    if not sum(beats.values()):
        raise EcgError("a search is judged on the validation part, and this protocol leaves none")
    for one in goals:
        if one.of is not None and one.of not in beats:
            raise EcgError(f"goals={one.key}: no class {one.of}, expected one of {', '.join(beats)}")
        if one.of is not None and not beats[one.of]:
            raise EcgError(f"goals={one.key}: the validation part has no beat of class {one.of}")


def reached(
    goals: Sequence[Goal], validation: pd.DataFrame, classes: Sequence[str], training: Mapping[str, Any]
) -> list[float]:
    """What a run reached.

    Args:
        goals: the goals.
        validation: the run's predictions of its validation part, with a column `fold` where there are
            several: a score is then the mean over the folds that have it.
        classes: names of the classes.
        training: what its training cost, as in `metrics.json`.

    Returns:
        One value a goal, NaN where there is none.
    """
    by_fold = [frame for _, frame in validation.groupby("fold")] if "fold" in validation else [validation]
    judged = any(one.name not in COSTS for one in goals)
    folds = [(score(frame, classes), frame) for frame in by_fold] if judged else []
    values = []
    for one in goals:
        if one.name in COSTS:
            values.append(float(training[one.name]))
            continue
        found = [_score(one, scores, frame, classes) for scores, frame in folds]
        known = [value for value in found if value is not None]
        values.append(fmean(known) if known else float("nan"))
    return values


def _score(
    one: Goal, scores: Mapping[str, Any], predictions: pd.DataFrame, classes: Sequence[str]
) -> float | None:
    if one.of is not None:
        found: float | None = scores["per_class"][one.of][one.name]
    elif one.name == "loss":
        truth = labels(predictions, classes)
        found = calibration_scores(probabilities(predictions, classes), truth)["nll"]
    else:
        found = scores[one.name]
    return found
