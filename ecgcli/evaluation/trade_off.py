"""What decisions cost, and what other thresholds would: missed abnormal beats against false alarms.

A false alarm is a normal beat that is called abnormal; an abnormal beat that is called normal is missed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ecgcli.errors import EcgError
from ecgcli.evaluation.predictions import NORMAL, decisions, labels, probabilities, share

CURVE_POINTS = 400
"""Most points of a curve."""


def point_costs(predictions: pd.DataFrame, classes: Sequence[str], hours: float | None) -> dict[str, Any]:
    """What the decisions cost on a part.

    Args:
        predictions: a row a beat, as described in `ecgcli.evaluation.predictions`.
        classes: names of the classes.
        hours: length of the recordings behind these beats; None where time is not known.

    Returns:
        Plain data: `beats`, `hours`; `abnormal` and `normal`, numbers of beats; `missed`, how many of the
        abnormal ones are called N, and `missed_share`; `false_alarms`, how many of the normal ones are called
        otherwise, and that `false_alarms_per_hour`, `false_alarms_per_1000` (of all beats) and
        `false_alarms_per_1000_normal`; `per_class.<class>` with `beats`, `sensitivity`, `precision`. None for
        what does not exist: all but `beats`, `hours` and `per_class` where N is no class, rates of nothing,
        scores of a class without beats.
    """
    decided, truth = decisions(predictions, classes), labels(predictions, classes)
    costs: dict[str, Any] = {"beats": len(truth), "hours": hours}
    if NORMAL in classes:
        normal = list(classes).index(NORMAL)
        costs |= _counts(truth != normal, decided != normal)
        alarms = costs["false_alarms"]
        costs["false_alarms_per_hour"] = alarms / hours if hours else None
    else:
        none = ("abnormal", "normal", "missed", "missed_share", "false_alarms", "false_alarms_per_1000")
        costs |= dict.fromkeys((*none, "false_alarms_per_1000_normal", "false_alarms_per_hour"))
    costs["per_class"] = {}
    for k, name in enumerate(classes):
        support, called = int((truth == k).sum()), int((decided == k).sum())
        hits = int(((truth == k) & (decided == k)).sum())
        costs["per_class"][name] = {
            "beats": support,
            "sensitivity": share(hits, support),
            "precision": share(hits, called) if support else None,
        }
    return costs


def trade_off_curve(
    probability: npt.NDArray[np.float64], truth: npt.NDArray[np.int64], classes: Sequence[str]
) -> dict[str, npt.NDArray[np.float64]]:
    """Missed abnormal beats against false alarms as the threshold on 1 − p(N) moves.

    Args:
        probability: (n, classes).
        truth: (n,) index of the true class.
        classes: names of the classes.

    Returns:
        Arrays of equal length, at most `CURVE_POINTS`, from the highest threshold to the lowest:
        `threshold`; `missed`, the share of the abnormal beats with 1 − p(N) below it;
        `false_alarms_per_1000_normal`, the normal beats at or above it. The first threshold, infinity, flags
        nothing. Where there are many, the points are densest near no miss and no false alarm. Empty without
        abnormal or without normal beats.
    """
    from sklearn.metrics import roc_curve

    normal = list(classes).index(NORMAL) if NORMAL in classes else -1
    abnormal = truth != normal
    if normal < 0 or not abnormal.any() or abnormal.all():
        return {key: np.empty(0) for key in ("threshold", "missed", "false_alarms_per_1000_normal")}
    alarms, found, threshold = roc_curve(abnormal, 1 - probability[:, normal])
    if len(threshold) > CURVE_POINTS:
        # even steps along the curve as it looks with square roots on both axes
        steps = np.abs(np.diff(np.sqrt(alarms))) + np.abs(np.diff(np.sqrt(1 - found)))
        way = np.concatenate([[0], np.cumsum(steps)])
        kept = np.unique(
            np.searchsorted(way, np.linspace(0, way[-1], CURVE_POINTS - 1)).clip(0, len(way) - 1)
        )
        kept = np.union1d(kept, [len(way) - 1])
        alarms, found, threshold = alarms[kept], found[kept], threshold[kept]
    return {
        "threshold": threshold,
        "missed": 1 - found,
        "false_alarms_per_1000_normal": 1000 * alarms,
    }


def missed_at_matched(
    reference: tuple[pd.DataFrame, pd.DataFrame],
    other: tuple[pd.DataFrame, pd.DataFrame],
    classes: Sequence[str],
) -> dict[str, Any] | None:
    """What another model costs when it finds as many abnormal beats as a reference model does.

    The sensitivity to abnormal beats that the decisions of the reference have on the validation part is the
    aim; the other model's threshold on 1 − p(N) is the highest that reaches it there. Both are counted on the
    part that is shown, where the sensitivities need not be equal any more.

    Args:
        reference: predictions of the reference for the validation part and for the part to show.
        other: those of the other model, for the same beats.
        classes: names of the classes.

    Returns:
        Plain data: `aim` (sensitivity on validation), `threshold` (of the other model), and for `reference`
        and `other`, on the part that is shown, `abnormal`, `normal`, `missed`, `missed_share`,
        `false_alarms`, `false_alarms_per_1000`, `false_alarms_per_1000_normal`. None where N is no class or
        validation has no abnormal beats.

    Raises:
        EcgError: the two were not made for the same beats.
    """
    for part, mine, theirs in zip(("validation", "shown"), reference, other, strict=True):
        keys = ["record", "sample", "label"]
        if len(mine) != len(theirs) or (mine[keys].to_numpy() != theirs[keys].to_numpy()).any():
            raise EcgError(
                f"the {part} predictions of the two models are of different beats: models are compared at "
                f"matched sensitivity on the same data and protocol"
            )
    if NORMAL not in classes:
        return None
    normal = list(classes).index(NORMAL)
    abnormal = labels(reference[0], classes) != normal
    if not abnormal.any():
        return None
    found = int((abnormal & (decisions(reference[0], classes) != normal)).sum())
    score = [1 - probabilities(part, classes)[:, normal] for part in other]
    # the reference may find nothing: then neither does the other
    threshold = float(np.sort(score[0][abnormal])[-found]) if found else float("inf")
    shown = labels(reference[1], classes) != normal
    return {
        "aim": found / int(abnormal.sum()),
        "threshold": threshold if found else None,
        "reference": _counts(shown, decisions(reference[1], classes) != normal),
        "other": _counts(shown, score[1] >= threshold),
    }


def _counts(abnormal: npt.NDArray[np.bool_], flagged: npt.NDArray[np.bool_]) -> dict[str, Any]:
    missed, alarms = int((abnormal & ~flagged).sum()), int((~abnormal & flagged).sum())
    beats, abnormals = len(abnormal), int(abnormal.sum())
    return {
        "abnormal": abnormals,
        "normal": beats - abnormals,
        "missed": missed,
        "missed_share": share(missed, abnormals),
        "false_alarms": alarms,
        "false_alarms_per_1000": share(1000 * alarms, beats),
        "false_alarms_per_1000_normal": share(1000 * alarms, beats - abnormals),
    }
