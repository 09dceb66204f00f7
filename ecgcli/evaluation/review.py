"""Review: what it would save to hand the least certain beats to a person.

A beat is kept, its decision believed, if its confidence reaches a threshold; else a person looks at it. The
confidence is the probability of the class that the beat is called: the model's own probability that the
decision is right. That holds at every operating point, where it need not be the most probable class: the
fewest wrong decisions are kept by handing over those least likely to be right (Chow 1970, "On optimum
recognition error and reject tradeoff"). A threshold cannot tell beats of equal confidence apart: they are
kept or handed over together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ecgcli.evaluation.predictions import NORMAL, decisions, labels, probabilities, share

TARGETS = (0.05, 0.02, 0.01)
"""Shares of missed abnormal beats that a review is to bring about, at most."""

LEAST_CERTAIN = 0.05
"""Share of the held-out beats, the least certain ones, below whose confidence a model asks for a person."""

POINTS = 200
"""Points of a curve, at most; they lie closer where few beats are handed over, which can be paid for."""


def review_threshold(
    probability: npt.NDArray[np.float64], decided: npt.NDArray[np.int64], part: float = LEAST_CERTAIN
) -> float | None:
    """The confidence below which a beat is for review: that of the least certain share of held-out beats.

    A share of the beats is what somebody can plan for. How many mistakes are among them is no part of it.

    Args:
        probability: (n, classes) calibrated probabilities of held-out beats.
        decided: (n,) the class that each is called.
        part: share of the beats to hand over, in (0, 1).

    Returns:
        The threshold; None without beats.
    """
    if not len(decided):
        return None
    confidence = probability[np.arange(len(decided)), decided]
    return float(np.quantile(confidence, part, method="lower"))


def risk_coverage(predictions: pd.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
    """What is wrong among the beats that are kept, from all beats down to the most certain ones.

    The area under the curve is the mean error rate over thresholds at the confidence of every beat (Geifman,
    Uziel & El-Yaniv 2019, "Bias-reduced uncertainty estimation for deep neural classifiers", ICLR,
    arXiv:1805.08206); beats of equal confidence share one error rate, so the order of the rows plays no part.
    The excess is what it lies above the least that so many errors allow: all right beats before all wrong
    ones. It judges the confidence alone, not how many decisions are wrong.

    Args:
        predictions: a row a beat, as described in `ecgcli.evaluation.predictions`.
        classes: names of the classes.

    Returns:
        Plain data. `beats`, `wrong`, `abnormal` (counts); `aurc`, `excess_aurc`; and the curve, lists of the
        same length, from all beats down: `confidence` (beats at or above it are kept), `coverage` (share of
        the beats kept), `error_rate` (share of those that are wrong), `missed` (share of all abnormal beats
        that are kept and called N; those handed over count as found). `missed` is None without
        abnormal beats, and with `abnormal` where N is no class.

    Raises:
        EcgError: predictions that cannot be scored.
    """
    steps = _steps(predictions, classes)
    n, wrong = int(steps.kept[0]), int(steps.wrong[0])
    error_rate = steps.wrong / steps.kept
    aurc = float((error_rate * -np.diff(steps.kept, append=0)).sum() / n)
    ideal = float((np.arange(1, wrong + 1) / np.arange(n - wrong + 1, n + 1)).sum() / n)
    shown = np.arange(len(steps.kept))
    if len(shown) > POINTS:
        wanted = n * (1 - np.linspace(0, 1, POINTS) ** 2)  # beats kept, falling as they do in the steps
        shown = np.unique(np.searchsorted(-steps.kept, -wanted).clip(max=len(shown) - 1))
    return {
        "beats": n,
        "wrong": wrong,
        "abnormal": steps.abnormal,
        "aurc": aurc,
        "excess_aurc": max(0.0, aurc - ideal),  # rounding alone can take it below
        "confidence": steps.confidence[shown].tolist(),
        "coverage": (steps.kept[shown] / n).tolist(),
        "error_rate": error_rate[shown].tolist(),
        "missed": (steps.missed[shown] / steps.abnormal).tolist() if steps.abnormal else None,
    }


def review_share(
    chosen_on: pd.DataFrame,
    shown_on: pd.DataFrame,
    classes: Sequence[str],
    targets: Sequence[float] = TARGETS,
) -> list[dict[str, Any]]:
    """How many beats a person has to look at so that few abnormal beats are missed.

    A beat is missed if it is abnormal, kept and called N. For each target, the threshold is the lowest
    confidence of a beat of `chosen_on` at which at most that share of its abnormal beats is missed; 0, where
    this is so without anybody's help. What it does is counted on both parts.

    Args:
        chosen_on: predictions of the part that sets the thresholds (validation).
        shown_on: predictions of the part they are shown on (test, or validation again).
        classes: names of the classes.
        targets: shares of missed abnormal beats, each in [0, 1].

    Returns:
        One dictionary a target: `target`, `threshold`, `why` (None, or why there is no threshold) and
        `chosen` and `shown`, what it does on each part: `handed_over` (share of the beats below the
        threshold), `missed` (share of the abnormal beats), `error_rate` (share of the kept beats that are
        wrong). `threshold`, `chosen` and `shown` are None where there is no threshold; a rate of no beats is
        None.

    Raises:
        EcgError: predictions that cannot be scored.
    """
    steps = _steps(chosen_on, classes)
    found = []
    for target in targets:
        threshold, why = _threshold(steps, target)
        here: dict[str, Any] = {"target": float(target), "threshold": threshold, "why": why}
        for key, part in (("chosen", chosen_on), ("shown", shown_on)):
            here[key] = None if threshold is None else _reviewed(part, classes, threshold)
        found.append(here)
    return found


class _Steps(NamedTuple):
    """What every threshold keeps, the lowest threshold first; arrays over the confidences that occur."""

    confidence: npt.NDArray[np.float64]
    kept: npt.NDArray[np.int64]
    wrong: npt.NDArray[np.int64]
    missed: npt.NDArray[np.int64]
    abnormal: int | None


def _steps(predictions: pd.DataFrame, classes: Sequence[str]) -> _Steps:
    confidence, wrong, abnormal, missed = _beats(predictions, classes)
    confidence, of = np.unique(confidence, return_inverse=True)

    def kept(beats: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        counts = np.bincount(of[beats], minlength=len(confidence))
        return counts[::-1].cumsum()[::-1]

    everything = np.ones(len(of), dtype=np.bool_)
    total = int(abnormal.sum()) if NORMAL in classes else None
    return _Steps(confidence, kept(everything), kept(wrong), kept(missed), total)


def _beats(
    predictions: pd.DataFrame, classes: Sequence[str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Of every beat its confidence and whether it is wrong, abnormal, and abnormal but called N."""
    decided, truth = decisions(predictions, classes), labels(predictions, classes)
    confidence = np.take_along_axis(probabilities(predictions, classes), decided[:, None], axis=1)[:, 0]
    normal = list(classes).index(NORMAL) if NORMAL in classes else -1
    abnormal = (truth != normal) & (normal >= 0)
    return confidence, decided != truth, abnormal, abnormal & (decided == normal)


def _threshold(steps: _Steps, target: float) -> tuple[float | None, str | None]:
    if steps.abnormal is None:
        return None, f"there is no class {NORMAL}"
    if not steps.abnormal:
        return None, "there are no abnormal beats to set a threshold by"
    few = np.flatnonzero(steps.missed / steps.abnormal <= target)
    if not len(few):
        return None, "abnormal beats are called normal with the highest confidence there is"
    return (float(steps.confidence[few[0]]) if few[0] else 0.0), None


def _reviewed(predictions: pd.DataFrame, classes: Sequence[str], threshold: float) -> dict[str, float | None]:
    confidence, wrong, abnormal, missed = _beats(predictions, classes)
    kept = confidence >= threshold
    return {
        "handed_over": share(int((~kept).sum()), len(kept)),
        "missed": share(int((missed & kept).sum()), int(abnormal.sum())),
        "error_rate": share(int((wrong & kept).sum()), int(kept.sum())),
    }
