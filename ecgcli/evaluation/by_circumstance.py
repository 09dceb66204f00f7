"""Errors by heart rate, rhythm and signal quality: in which circumstances a classifier fails."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ecgcli.beats.circumstances import NO_FAULT, RHYTHMS
from ecgcli.beats.quality import FAULTS
from ecgcli.beats.table import UNKNOWN
from ecgcli.evaluation.predictions import NORMAL, decisions, labels

BANDS = (50, 60, 80, 100, 120)
"""Heart rates in beats per minute at which a band ends and the next one begins.

Bradycardia begins below 60 or 50, tachycardia above 100.
"""

FEWEST = 20
"""A rate of fewer beats is not given: it would be luck."""

NOT_KNOWN = "not known"

Groups = list[tuple[str, npt.NDArray[np.bool_]]]


def by_circumstance(
    predictions: pd.DataFrame, classes: Sequence[str]
) -> dict[str, list[dict[str, Any]] | None]:
    """How the decisions fare at each heart rate, in each rhythm, with each fault of the signal.

    Args:
        predictions: a row a beat, as described in `ecgcli.evaluation.predictions`, with the columns of
            `ecgcli.beats.circumstances.circumstances` as far as there are some.
        classes: names of the classes.

    Returns:
        Plain data. `heart_rate`, `rhythm` and `fault`, each a list of groups that hold beats, or None where
        nothing is known of any beat. Heart rates stand in ascending bands that hold their lower end, rhythms
        from the most beats to the fewest, faults as in `quality.FAULTS` after "none"; beats of which it
        is not known come last. A group has `name`; the counts `beats`, `records`, `wrong`, `normal`,
        `false_alarms` (normal beats that are called abnormal), `abnormal`, `missed` (abnormal beats that are
        called N); and the rates `accuracy`, `false_alarms_per_1000` normal beats and
        `abnormal_called_normal`. A rate of fewer than 20 beats is None, its counts say what there is. What
        needs the class N is None where there is none.

    Raises:
        EcgError: predictions that cannot be scored.
    """
    decided, truth = decisions(predictions, classes), labels(predictions, classes)
    normal = list(classes).index(NORMAL) if NORMAL in classes else None
    record = predictions["record"].to_numpy()
    found: dict[str, list[dict[str, Any]] | None] = {}
    for kind, divide in (("heart_rate", _bands), ("rhythm", _rhythms), ("fault", _faults)):
        groups = divide(predictions[kind]) if kind in predictions else []
        rest = ~np.any([beats for _, beats in groups], axis=0) if groups else np.zeros(0, np.bool_)
        found[kind] = [
            {"name": name, "beats": int(beats.sum()), "records": len(set(record[beats]) - {UNKNOWN})}
            | _errors(decided[beats], truth[beats], normal)
            for name, beats in [*groups, (NOT_KNOWN, rest)]
            if beats.any()
        ] or None
    return found


def _bands(rates: pd.Series) -> Groups:
    values = rates.to_numpy(dtype=np.float64)
    names = [f"{low}–{high}" for low, high in pairwise(BANDS)]
    names = [f"under {BANDS[0]}", *names, f"{BANDS[-1]} or more"]
    band = np.where(np.isnan(values), -1, np.searchsorted(BANDS, values, side="right"))
    return [(name, band == i) for i, name in enumerate(names) if (band == i).any()]


def _rhythms(codes: pd.Series) -> Groups:
    names = np.array([RHYTHMS.get(code, code) for code in codes], dtype=object)
    groups = [(name, names == name) for name in sorted(set(names.tolist()) - {""})]
    return sorted(groups, key=lambda group: -int(group[1].sum()))


def _faults(faults: pd.Series) -> Groups:
    values = faults.to_numpy(dtype=object)
    return [(name, values == name) for name in (NO_FAULT, *FAULTS) if (values == name).any()]


def _errors(
    decided: npt.NDArray[np.int64], truth: npt.NDArray[np.int64], normal: int | None
) -> dict[str, int | float | None]:
    counts: dict[str, int | float | None] = {"wrong": int((decided != truth).sum())}
    counts |= {"normal": None, "false_alarms": None, "abnormal": None, "missed": None}
    rates = {
        "accuracy": _rate(int((decided == truth).sum()), len(truth)),
        "false_alarms_per_1000": None,
        "abnormal_called_normal": None,
    }
    if normal is not None:
        of_normal = truth == normal
        alarms, missed = int((decided[of_normal] != normal).sum()), int((decided[~of_normal] == normal).sum())
        counts |= {"normal": int(of_normal.sum()), "false_alarms": alarms}
        counts |= {"abnormal": int((~of_normal).sum()), "missed": missed}
        rates["false_alarms_per_1000"] = _rate(1000 * alarms, int(of_normal.sum()))
        rates["abnormal_called_normal"] = _rate(missed, int((~of_normal).sum()))
    return counts | rates


def _rate(part: int, whole: int) -> float | None:
    return part / whole if whole >= FEWEST else None
