"""Operating points: from probabilities to a decision, by thresholds or costs fixed on the validation part.

A fitted point is plain data that travels with the model. What it gives on other beats is counted, never used
to move it. Thresholds hold at equality: a beat is flagged where its score is at or above them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from ecgcli.choices import Choice, Share
from ecgcli.choices.operating_point import Argmax, CostPoint, PointChoice, PrecisionPoint, SensitivityPoint
from ecgcli.errors import EcgError
from ecgcli.evaluation.predictions import NORMAL, share

ABNORMAL = "abnormal"
"""In place of a class: every class but N."""

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Probability = Annotated[float, Field(ge=0, le=1)]


class Threshold(Choice):
    """A threshold, and what it gave on the beats it was fixed on.

    Attributes:
        of: the class that it flags, or `abnormal`.
        target: the sensitivity or precision asked for.
        threshold: a beat is flagged if its probability is at or above it; None where there is none.
        beats: beats of the class.
        sensitivity: share of them that are called so.
        precision: share of the beats called so that are of the class.
        reached: whether the target was reached, by the decisions.
    """

    of: str
    target: Share
    threshold: Probability | None
    beats: int
    sensitivity: Probability | None = None
    precision: Probability | None = None
    reached: bool = False


class OperatingPoint(Choice):
    """How decisions are made. Plain data: `ecgcli.parsing.plain` and `parse` write and read it.

    Attributes:
        name: the kind of operating point.
        thresholds: of `sensitivity` and `precision`, one for `abnormal` or one a class.
        miss: of `cost`, what a beat of each abnormal class costs if it is called N, in false alarms.
        mistype: of `cost`, what an abnormal beat costs that is given the wrong abnormal class.
        fitted_on: the part it was fixed on and its number of beats.
        missed: share of the abnormal beats there that are called N.
        false_alarms: normal beats there that are called abnormal, per 1,000 beats.
        cost: of `cost`, what the decisions cost there, in false alarms per 1,000 beats.
        cost_of_argmax: what the most probable class would have cost.
    """

    name: Literal["argmax", "sensitivity", "precision", "cost"] = "argmax"
    thresholds: tuple[Threshold, ...] = ()
    miss: dict[str, float] = Field(default_factory=dict)
    mistype: float = 1.0
    fitted_on: str = ""
    missed: Probability | None = None
    false_alarms: float | None = None
    cost: float | None = None
    cost_of_argmax: float | None = None

    def sentence(self) -> str:
        """What was asked for, where the threshold is and what it gave on the beats it was fixed on."""
        if self.name == "argmax":
            said = ["A beat is called what is most probable."]
        elif self.name == "cost":
            miss = ", ".join(f"{name} {value:g}" for name, value in self.miss.items())
            said = [
                f"A beat is called what costs least: a false alarm 1, a missed beat of class {miss}, a wrong "
                f"abnormal class {self.mistype:g}.",
            ]
            if self.cost is not None and self.cost_of_argmax is not None:
                said.append(
                    f"On {self.fitted_on}, that costs {self.cost:.4g} per 1,000 beats; "
                    f"the most probable class costs {self.cost_of_argmax:.4g}."
                )
                if self.cost > self.cost_of_argmax:
                    said.append("That is more: the probabilities are off; calibration=bias may mend them.")
        else:
            said = [self._threshold_sentence(one) for one in self.thresholds]
        if self.missed is not None and self.false_alarms is not None:
            said.append(
                f"On {self.fitted_on}: {_percent(self.missed)} of the abnormal beats are called normal, "
                f"with {self.false_alarms:.3g} false alarms per 1,000 beats."
            )
        return " ".join(said)

    def _threshold_sentence(self, one: Threshold) -> str:
        asked = f"{self.name} of {_percent(one.target)}"
        if one.threshold is None:
            what = "abnormal beats" if one.of == ABNORMAL else "beats of this class"
            return f"{one.of}: {asked} was asked for: no {what} in {self.fitted_on}, hence no threshold."
        score = "1 − p(N)" if one.of == ABNORMAL else f"p({one.of})"
        alone = len(self.thresholds) == 1
        short = "this is the closest" if alone else "a beat that several classes flag is given to one of them"
        met = "reached" if one.reached else f"not reached: {short}"
        return (
            f"{one.of}: {asked} was asked for ({met}); flagged where {score} is at least "
            f"{_score(one.threshold)}, which finds {_percent(one.sensitivity)} of {one.beats:,} beats, "
            f"and {_percent(one.precision)} of what it finds are right."
        )


def check_operating_point(choice: PointChoice, classes: Sequence[str]) -> None:
    """Whether a model of these classes can be run at this operating point.

    Raises:
        EcgError: a class that the model has not, no class N where one is needed, or no class left over.
    """
    if isinstance(choice, Argmax):
        return
    named = [name for name in choice.of if name != ABNORMAL]
    given = ", ".join(classes)
    unknown = [name for name in named if name not in classes]
    if unknown:
        raise EcgError(
            f"operating_point.of={unknown[0]}: no such class; expected {ABNORMAL}, or some of {given}"
        )
    if NORMAL not in classes and (ABNORMAL in choice.of or isinstance(choice, CostPoint)):
        raise EcgError(
            f"operating_point={choice.name} of abnormal beats needs the class {NORMAL}; expected it among "
            f"the classes, which are {given}"
        )
    if len(named) == len(classes):
        raise EcgError(
            f"operating_point.of names every class ({given}): expected one to be left for beats that no "
            f"threshold flags"
        )


def fit_operating_point(
    choice: PointChoice,
    probability: Floats,
    truth: Codes,
    classes: Sequence[str],
    part: str = "validation",
) -> OperatingPoint:
    """Fixes an operating point.

    `sensitivity`: the highest threshold at which at least the target share of the beats of the class is
    flagged. `precision`: the lowest at which at least the target share of what is flagged is of the class;
    where there is none, the one of the highest precision. A class without beats gets no threshold.

    Args:
        choice: what was asked for.
        probability: (n, classes), calibrated.
        truth: (n,) index of the true class.
        classes: names of the classes.
        part: what the beats are, for the report; never the test part.

    Raises:
        EcgError: as `check_operating_point`.
    """
    check_operating_point(choice, classes)
    point = OperatingPoint(name=choice.name, fitted_on=f"{part} ({len(truth):,} beats)")
    if isinstance(choice, CostPoint):
        asked = dict(_each(choice.of, choice.miss))
        abnormal = [name for name in classes if name != NORMAL]
        miss = {name: asked.get(name, asked.get(ABNORMAL, 1.0)) for name in abnormal}
        point = point.model_copy(update={"miss": miss, "mistype": choice.mistype})
    elif not isinstance(choice, Argmax):
        thresholds = []
        for of, target in _each(choice.of, choice.target):
            score, wanted = _scored(of, probability, truth, classes)
            value = _threshold(choice, target, score, wanted)
            thresholds.append(Threshold(of=of, target=target, threshold=value, beats=int(wanted.sum())))
        point = point.model_copy(update={"thresholds": tuple(thresholds)})
    return _counted(point, probability, truth, classes)


def decide(probability: Floats, point: OperatingPoint, classes: Sequence[str]) -> Codes:
    """What every beat is called at an operating point.

    `abnormal`: a flagged beat is called its most probable abnormal class, any other N. Single classes: of the
    classes that flag a beat, the one whose probability is the largest multiple of its threshold; where none
    does, the most probable of the classes without threshold. `cost`: the least expected cost. Of equals, the
    first in the order of `classes`.

    Args:
        probability: (n, classes), calibrated as those that the point was fixed on.
        point: as fitted.
        classes: names of the classes.

    Returns:
        (n,) index into `classes`.

    Raises:
        EcgError: the point has a class that is none of `classes`.
    """
    names = [one.of for one in point.thresholds if one.of != ABNORMAL] + list(point.miss)
    names += [NORMAL] if point.name == "cost" or ABNORMAL in [one.of for one in point.thresholds] else []
    if not set(names) <= set(classes):
        raise EcgError(
            f"the operating point is for classes {', '.join(names)}: expected some of {', '.join(classes)}"
        )
    decided: Codes = probability.argmax(axis=1)
    if point.name == "cost":
        decided = _expected_costs(probability, cost_matrix(point, classes)).argmin(axis=1)
    thresholds = {one.of: one.threshold for one in point.thresholds if one.threshold is not None}
    if not thresholds:
        return decided
    if ABNORMAL in thresholds:
        normal = list(classes).index(NORMAL)
        flagged = 1 - probability[:, normal] >= thresholds[ABNORMAL]
        types = probability.copy()
        types[:, normal] = -1
        decided = np.where(flagged, types.argmax(axis=1), normal)
        return decided
    least = np.array([thresholds.get(name, np.nan) for name in classes])
    rest = np.where(np.isnan(least), probability, -1).argmax(axis=1)
    multiple = probability / np.maximum(least, np.finfo(np.float64).tiny)
    multiple = np.where(probability >= least, multiple, -1)  # NaN, where there is no threshold, never holds
    decided = np.where(multiple.max(axis=1) >= 0, multiple.argmax(axis=1), rest)
    return decided


def cost_matrix(point: OperatingPoint, classes: Sequence[str]) -> Floats:
    """(true class, decision): what each decision costs, in false alarms."""
    costs = np.full((len(classes), len(classes)), point.mistype)
    normal = list(classes).index(NORMAL)
    costs[normal] = 1.0
    costs[:, normal] = [point.miss.get(name, 1.0) for name in classes]
    np.fill_diagonal(costs, 0)
    return costs


def _expected_costs(probability: Floats, costs: Floats) -> Floats:
    # one class after the other: a matrix product may round otherwise for other numbers of beats
    expected = np.zeros_like(probability)
    for k, row in enumerate(costs):
        expected += probability[:, [k]] * row
    return expected


def _each(of: tuple[str, ...], values: tuple[float, ...]) -> list[tuple[str, float]]:
    return list(zip(of, values * len(of) if len(values) == 1 else values, strict=True))


def _scored(
    of: str, probability: Floats, truth: Codes, classes: Sequence[str]
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """The score that a threshold is on, and which beats it should flag."""
    k = list(classes).index(NORMAL if of == ABNORMAL else of)
    return (1 - probability[:, k], truth != k) if of == ABNORMAL else (probability[:, k], truth == k)


def _threshold(
    choice: SensitivityPoint | PrecisionPoint, target: float, score: Floats, wanted: npt.NDArray[np.bool_]
) -> float | None:
    from sklearn.metrics import precision_recall_curve

    if not wanted.any():
        return None
    precision, recall, thresholds = precision_recall_curve(wanted, score)  # thresholds go up
    precision, recall = precision[:-1], recall[:-1]  # the last ones have no threshold
    if isinstance(choice, SensitivityPoint):
        return float(thresholds[np.flatnonzero(recall >= target)[-1]])
    good = np.flatnonzero(precision >= target)
    return float(thresholds[good[0] if len(good) else precision.argmax()])


def _counted(
    point: OperatingPoint, probability: Floats, truth: Codes, classes: Sequence[str]
) -> OperatingPoint:
    """The point with what its decisions give on these beats."""
    decided = decide(probability, point, classes)
    thresholds = []
    for one in point.thresholds:
        k = list(classes).index(NORMAL if one.of == ABNORMAL else one.of)
        wanted, called = (truth == k) ^ (one.of == ABNORMAL), (decided == k) ^ (one.of == ABNORMAL)
        hits = int((wanted & called).sum())
        got = {"sensitivity": share(hits, int(wanted.sum())), "precision": share(hits, int(called.sum()))}
        reached = one.threshold is not None and (got[point.name] or 0.0) >= one.target
        thresholds.append(one.model_copy(update=got | {"reached": reached}))
    update: dict[str, object] = {"thresholds": tuple(thresholds)}
    if NORMAL in classes and len(truth):
        normal = list(classes).index(NORMAL)
        alarms = int(((truth == normal) & (decided != normal)).sum())
        missed = int(((truth != normal) & (decided == normal)).sum())
        update |= {"missed": share(missed, int((truth != normal).sum()))}
        update |= {"false_alarms": 1000 * alarms / len(truth)}
    if point.name == "cost" and len(truth):
        costs = cost_matrix(point, classes)
        update["cost"] = float(1000 * costs[truth, decided].mean())
        update["cost_of_argmax"] = float(1000 * costs[truth, probability.argmax(axis=1)].mean())
    return point.model_copy(update=update)


def _score(threshold: float) -> str:
    return f"1 − {1 - threshold:.2g}" if 0.999 < threshold < 1 else f"{threshold:.3g}"


def _percent(value: float | None) -> str:
    return "none" if value is None else f"{100 * value:.4g}%"
