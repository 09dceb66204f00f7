"""Confusion matrices of patients, and the scores of any sum of them.

A matrix has the true class down and the predicted class across. What is counted once for each patient gives
the scores of any choice of patients, drawn or left out, without going through the beats again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ecgcli.beats.table import UNKNOWN
from ecgcli.errors import EcgError
from ecgcli.evaluation.predictions import NORMAL, decisions, labels

Array = npt.NDArray[np.float64]
Scores = dict[str, Array]


@dataclass(frozen=True)
class Patients:
    """Which patient every beat is of.

    Attributes:
        names: the known patients, ascending.
        of_beat: (n,) int64, index into `names`; a beat of nobody known has a number of its own after these.
    """

    names: tuple[str, ...]
    of_beat: npt.NDArray[np.int64]

    @property
    def unknown(self) -> int:
        """How many beats are of nobody known."""
        return int(np.sum(self.of_beat >= len(self.names)))

    @property
    def units(self) -> int:
        """Patients, and beats of nobody known."""
        return len(self.names) + self.unknown


def patients_of(predictions: pd.DataFrame) -> Patients:
    """Reads the column `subject`; what is missing there or "unknown" is of nobody known.

    Raises:
        EcgError: there is no column `subject`.
    """
    if "subject" not in predictions:
        raise EcgError("predictions have no column subject: expected whose beats they are")
    subject = predictions["subject"]
    subject = subject.astype(object).where(subject.notna() & (subject != UNKNOWN), None)
    code, names = pd.factorize(subject.map(str, na_action="ignore"), sort=True)  # −1 for what is missing
    of_beat = code.astype(np.int64)
    nobody = of_beat < 0
    of_beat[nobody] = len(names) + np.arange(nobody.sum())
    return Patients(tuple(names), of_beat)


def confusions(
    predictions: pd.DataFrame, classes: Sequence[str], groups: npt.NDArray[np.int64], number: int
) -> Array:
    """Confusion matrix of each group of beats, (number, classes, classes).

    Args:
        predictions: a row a beat, as described in `ecgcli.evaluation.predictions`.
        classes: names of the classes.
        groups: (n,) group of each beat, from 0.
        number: how many groups there are.
    """
    k = len(classes)
    cell = (groups * k + labels(predictions, classes)) * k + decisions(predictions, classes)
    return np.bincount(cell, minlength=number * k * k).reshape(number, k, k).astype(np.float64)


def confusion_scores(
    confusion: Array, classes: Sequence[str], present: npt.NDArray[np.bool_]
) -> tuple[Scores, Scores]:
    """Scores of many confusion matrices at once, defined as in `ecgcli.evaluation.metrics.score`.

    Args:
        confusion: (..., classes, classes), counts.
        classes: names of the classes.
        present: (classes,) which classes the macro means go over; they are NaN where one has no beats.

    Returns:
        Scores of all classes together, (...), and of each class, (..., classes). NaN where a score does
        not exist.
    """
    normal = list(classes).index(NORMAL) if NORMAL in classes else None
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    support, called = confusion.sum(axis=-1), confusion.sum(axis=-2)
    beats = support.sum(axis=-1)
    precision = ratio(hits, np.where(support > 0, called, 0))
    called_normal = np.full_like(support, np.nan)
    abnormal_called_normal = np.full_like(beats, np.nan)
    if normal is not None:
        others = np.arange(len(classes)) != normal
        to_normal = confusion[..., others, normal]
        called_normal[..., others] = ratio(to_normal, support[..., others])
        abnormal_called_normal = ratio(to_normal.sum(axis=-1), support[..., others].sum(axis=-1))
    each = {
        "recall": ratio(hits, support),
        "precision": precision,
        "wrong_share": 1 - precision,
        "f1": ratio(2 * hits, np.where(support > 0, support + called, 0)),
        "called_normal": called_normal,
    }
    chance = (support * called).sum(axis=-1)
    agreed = hits.sum(axis=-1) * beats - chance
    spread = [beats**2 - (marginal**2).sum(axis=-1) for marginal in (support, called)]
    whole = {
        "accuracy": ratio(hits.sum(axis=-1), beats),
        "macro_f1": each["f1"][..., present].mean(axis=-1),
        "macro_recall": each["recall"][..., present].mean(axis=-1),
        "mcc": ratio(agreed, np.sqrt(spread[0]) * np.sqrt(spread[1])),
        "kappa": ratio(agreed, beats**2 - chance),
        "abnormal_called_normal": abnormal_called_normal,
    }
    return whole, each


def ratio(part: Array, whole: Array) -> Array:
    """`part / whole`; NaN where there is nothing to take a share of."""
    shares: Array = np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=whole > 0)
    return shares


def by_name(
    whole: Scores, each: Scores, classes: Sequence[str], value: Callable[[Array], Any]
) -> dict[str, Any]:
    """Scores as `ecgcli.evaluation.metrics.score` nests them, each replaced by `value` of its numbers."""
    per_class = {
        name: {key: value(values[..., k]) for key, values in each.items()} for k, name in enumerate(classes)
    }
    return {key: value(values) for key, values in whole.items()} | {"per_class": per_class}


def number(value: Any) -> float | None:
    """A number as plain data; None for NaN."""
    return None if np.isnan(value) else float(value)
