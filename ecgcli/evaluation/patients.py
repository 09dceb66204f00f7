"""For whom a model works: scores of each patient, and without single patients and records.

Everything is counted once, as one confusion matrix a patient (true class down, predicted class across);
scores of any choice of patients are scores of a sum of these matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ecgcli.beats.table import UNKNOWN
from ecgcli.evaluation.confusion import by_name, confusion_scores, confusions, number, patients_of, ratio
from ecgcli.evaluation.predictions import NORMAL, by_record

Array = npt.NDArray[np.float64]


def without_each(predictions: pd.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
    """Range of the scores when each patient in turn is left out.

    Args:
        predictions: a row a beat, as described in `ecgcli.evaluation.predictions`.
        classes: names of the classes.

    Returns:
        Plain data. `patients`, how many there are (beats of nobody known are in all scores); `only`, class →
        the patient who alone has beats of it; the keys of `ecgcli.evaluation.metrics.score` that count
        decisions, each with `low`, `high` and the patients left out there, `low_without`, `high_without`.
        None for a score that never exists, and for all with fewer than two patients. Without the only
        patient of a class neither its scores nor the macro means exist; they are in no range.
    """
    who = patients_of(predictions)
    counts = confusions(predictions, classes, who.of_beat, who.units)
    total = counts.sum(axis=0)
    mine = counts[: len(who.names)]
    present = total.sum(axis=1) > 0
    whole, each = confusion_scores(total - mine, classes, present)
    alone = (mine.sum(axis=2) == total.sum(axis=1)) & present

    def reach(values: Array) -> dict[str, Any] | None:
        if len(who.names) < 2 or np.isnan(values).all():
            return None
        low, high = int(np.nanargmin(values)), int(np.nanargmax(values))
        return {
            "low": float(values[low]),
            "low_without": who.names[low],
            "high": float(values[high]),
            "high_without": who.names[high],
        }

    return {
        "patients": len(who.names),
        "only": {classes[k]: who.names[i] for i, k in np.argwhere(alone).tolist()},
        **by_name(whole, each, classes, reach),
    }


def dominated(predictions: pd.DataFrame, classes: Sequence[str], share: float = 0.5) -> list[dict[str, Any]]:
    """Classes of which one record holds most beats, and their scores without it.

    Args:
        predictions: a row a beat, as described in `ecgcli.evaluation.predictions`.
        classes: names of the classes.
        share: how much of a class is too much in one record.

    Returns:
        A dictionary for each class of which a record holds more than `share`: `class`, `record`, `subject`,
        `beats` (of the class in the record), `of` (in all records), `with` and `without` (recall, precision
        and f1 of the class with and without the record; None for what does not exist), and `undrawn`, the
        expected share of bootstrap replicates without this patient (None for nobody known). Empty where all
        beats are of one record.
    """
    who = patients_of(predictions)
    code, names = pd.factorize(predictions["record"].astype(str), sort=True)
    counts = confusions(predictions, classes, code.astype(np.int64), len(names))
    support = counts.sum(axis=2) * (np.array(names) != UNKNOWN)[:, None]  # (records, classes)
    total = counts.sum(axis=0)
    found = []
    too_many = support.max(axis=0) > share * total.sum(axis=1)
    for k in np.flatnonzero(too_many).tolist() if len(names) > 1 else ():
        most = int(support[:, k].argmax())
        _, each = confusion_scores(np.stack([total, total - counts[most]]), classes, total.sum(axis=1) > 0)
        both = [{key: number(each[key][i, k]) for key in ("recall", "precision", "f1")} for i in (0, 1)]
        patient = who.of_beat[int((code == most).argmax())]
        known = patient < len(who.names)
        found.append(
            {
                "class": classes[k],
                "record": str(names[most]),
                "subject": who.names[patient] if known else UNKNOWN,
                "beats": int(support[most, k]),
                "of": int(total[k].sum()),
                "with": both[0],
                "without": both[1],
                "undrawn": (1 - 1 / len(who.names)) ** len(who.names) if known else None,
            }
        )
    return found


def per_patient(predictions: pd.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
    """Scores in which every patient counts the same, beside those in which every beat does.

    Args:
        predictions: a row a beat, as described in `ecgcli.evaluation.predictions`.
        classes: names of the classes.

    Returns:
        Plain data. `patients` and `unknown_beats` (of nobody known, in `pooled` alone); `accuracy`,
        `abnormal_called_normal` and `per_class.<class>.recall`, each with `pooled` (over all beats), `mean`,
        `median` and `worst` over the `patients` who have such beats, `worst_patient` and `worst_beats`, how
        many beats that is a share of. None for what does not exist.
    """
    who = patients_of(predictions)
    counts = confusions(predictions, classes, who.of_beat, who.units)
    mine = counts[: len(who.names)]
    every = np.ones(len(classes), dtype=np.bool_)
    pooled, pooled_each = confusion_scores(counts.sum(axis=0), classes, every)
    whole, each = confusion_scores(mine, classes, every)
    support = mine.sum(axis=2)  # (patients, classes)
    abnormal = support[:, [name != NORMAL for name in classes]].sum(axis=1)

    def summary(
        values: Array, beats: Array, over_all: Array, worst: Callable[[Array], Any]
    ) -> dict[str, Any]:
        has = np.flatnonzero(~np.isnan(values))
        entry: dict[str, Any] = {"pooled": number(over_all), "patients": len(has)}
        if not len(has):
            return entry | dict.fromkeys(("mean", "median", "worst", "worst_patient", "worst_beats"))
        value = worst(values[has])
        of_these = has[values[has] == value]
        patient = int(of_these[beats[of_these].argmax()])  # of equals the one with most beats
        return entry | {
            "mean": float(values[has].mean()),
            "median": float(np.median(values[has])),
            "worst": float(value),
            "worst_patient": who.names[patient],
            "worst_beats": int(beats[patient]),
        }

    key = "abnormal_called_normal"
    return {
        "patients": len(who.names),
        "unknown_beats": who.unknown,
        "accuracy": summary(whole["accuracy"], support.sum(axis=1), pooled["accuracy"], np.min),
        key: summary(whole[key], abnormal, pooled[key], np.max),
        "per_class": {
            name: {"recall": summary(each["recall"][:, k], support[:, k], pooled_each["recall"][k], np.min)}
            for k, name in enumerate(classes)
        },
    }


def per_record(predictions: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """How every record fares, class by class, the records with the most wrong beats first.

    Returns:
        The rows and columns of `ecgcli.evaluation.predictions.by_record`, with `subject` after `record`, and
        `support_<class>` and `recall_<class>` of each class at the end; a recall of no beats is NaN.
    """
    code, names = pd.factorize(predictions["record"], sort=True)
    counts = confusions(predictions, classes, code.astype(np.int64), len(names))
    recall = ratio(np.diagonal(counts, axis1=1, axis2=2), counts.sum(axis=2))
    who = patients_of(predictions)
    first = who.of_beat[np.unique(code, return_index=True)[1]].clip(max=len(who.names))
    more = {"record": names, "subject": [(*who.names, UNKNOWN)[i] for i in first]}
    for k, name in enumerate(classes):
        more |= {f"support_{name}": counts[:, k].sum(axis=1).astype(int), f"recall_{name}": recall[:, k]}
    records = by_record(predictions, classes).merge(pd.DataFrame(more), on="record", how="left")
    records.insert(1, "subject", records.pop("subject"))
    return records
