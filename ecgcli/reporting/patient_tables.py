"""For whom a model works: rows and sentences on patients, records and those that a class rests on.

What is missing in `facts`, as in the folder of an older run, gives no rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ecgcli.beats.table import UNKNOWN
from ecgcli.evaluation.patients import per_record
from ecgcli.evaluation.predictions import NORMAL
from ecgcli.reporting.tables import NO_BEATS, Facts, Rows, leading, number, percent, with_interval

if TYPE_CHECKING:
    import pandas as pd

DOMINATED_HEADINGS = (
    "class",
    "record",
    "of the beats",
    "recall",
    "without it",
    "+P",
    "without it",
    "F1",
    "without it",
)
LEFT_OUT_HEADINGS = (
    "",
    "score",
    "95% interval",
    "lowest, one patient left out",
    "highest, one patient left out",
)
PATIENT_HEADINGS = ("", "over all beats", "mean over patients", "median", "worst patient", "patients")
RECORD_HEADINGS = ("record", "beats", "wrong", "accuracy", "abnormal called normal", "normal called abnormal")

WORST = 10
"""Records listed, those with the most wrong beats first."""


def dominated_rows(facts: Facts) -> Rows:
    """A row a dominated class under `DOMINATED_HEADINGS`."""
    rows = []
    for one in facts.get("dominated") or ():
        cells = [one["class"], one["record"], f"{one['beats']:,} of {one['of']:,}"]
        for key, show in (("recall", percent), ("precision", percent), ("f1", number)):
            cells.append(show(one["with"][key]))
            left = one["without"][key]
            absent = NO_BEATS if one["beats"] == one["of"] else "none predicted"
            cells.append(absent if left is None else show(left))
        rows.append(cells)
    return rows


def undrawn_sentences(facts: Facts) -> list[str]:
    """How often a dominating patient is in no replicate of the bootstrap."""
    return [
        f"Patient {one['subject']}, who holds most {one['class']} beats, is missing from "
        f"{percent(one['undrawn'], 0)} of the replicates behind the intervals."
        for one in facts.get("dominated") or ()
        if one["undrawn"] is not None and one["class"] != NORMAL
    ]


def left_out_rows(facts: Facts) -> Rows:
    """Scores of dominated classes and of the whole set: interval and leave-one-patient-out range."""
    ranges, intervals = facts.get("without_each"), facts.get("intervals") or {}
    classes = [one["class"] for one in facts.get("dominated") or () if one["class"] != NORMAL]
    if not ranges or not classes:
        return []
    score = facts["metrics"][leading(facts)]
    asked: list[tuple[str, list[str], int | None]] = [
        (f"{name} {said}", ["per_class", name, key], digits)
        for name in classes
        for said, key, digits in (("recall", "recall", 1), ("F1", "f1", None))
    ]
    asked += [
        ("macro-F1", ["macro_f1"], None),
        ("abnormal beats called normal", ["abnormal_called_normal"], 1),
    ]
    rows = []
    for name, keys, digits in asked:
        value, interval, reach = (_under(root, keys) for root in (score, intervals, ranges))
        if value is None:
            continue
        between = with_interval(value, interval, digits).partition(" (")[2].rstrip(")") or "not known"
        if interval and digits:
            between += "%"
        ends = ["not known"] * 2
        if reach:
            ends = [
                f"{with_interval(reach[end], None, digits)} (without {reach[f'{end}_without']})"
                for end in ("low", "high")
            ]
        rows.append([name, with_interval(value, None, digits), between, *ends])
    return rows


def patient_rows(facts: Facts) -> Rows:
    """Scores over all beats beside those in which every patient counts the same, under `PATIENT_HEADINGS`."""
    scores = facts.get("per_patient")
    if not scores or not scores["patients"]:
        return []
    kinds = [("accuracy", scores["accuracy"])]
    if NORMAL in facts["classes"]:
        kinds.append(("abnormal beats called normal", scores["abnormal_called_normal"]))
    kinds += [(f"{name} recall", scores["per_class"][name]["recall"]) for name in facts["classes"]]
    rows = []
    for name, one in kinds:
        if one["pooled"] is None:
            rows.append([name, NO_BEATS, "", "", "", ""])
            continue
        if not one["patients"]:
            rows.append([name, percent(one["pooled"]), "", "", "", "none known"])
            continue
        worst = f"{percent(one['worst'])} ({one['worst_patient']}, {_beats(one['worst_beats'])})"
        means = [percent(one[key]) for key in ("pooled", "mean", "median")]
        rows.append([name, *means, worst, f"{one['patients']:,}"])
    return rows


def worst_records(facts: Facts) -> Rows:
    """The records with the most wrong beats, a row each under `RECORD_HEADINGS`."""
    found = records(facts)
    if found is None:
        return []
    return [
        [
            str(row["record"]),
            f"{row['beats']:,}",
            f"{row['wrong']:,}",
            percent(row["accuracy"]),
            called_normal(row),
            f"{row['false_alarms']:,}",
        ]
        for row in found[found["wrong"] > 0].head(WORST).to_dict("records")
    ]


def worst_sentence(facts: Facts) -> str:
    """How much of all that is wrong the worst records hold."""
    found = records(facts)
    if found is None:
        return "Which recordings these beats are from is not known."
    wrong, worst = int(found["wrong"].sum()), found[found["wrong"] > 0].head(WORST)
    if not wrong:
        return "No beat is called wrong."
    held = percent(int(worst["wrong"].sum()) / wrong)
    return f"These {len(worst)} of {len(found)} records hold {held} of the {wrong:,} wrong beats."


def called_normal(row: Mapping[Any, Any]) -> str:
    """Of a record, how many of its abnormal beats are called normal."""
    return f"{row['called_normal']:,} of {row['abnormal']:,}" if row["abnormal"] else "none there"


def records(facts: Facts) -> pd.DataFrame | None:
    """Every record, the worst first; None where no record is known."""
    predictions = (facts.get("predictions") or {}).get(leading(facts))
    if predictions is None or set(predictions["record"]) <= {UNKNOWN}:
        return None
    return per_record(predictions, facts["classes"])


def _under(root: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        root = root.get(key) if root else None
    return root


def _beats(count: int) -> str:
    return f"{count:,} beat{'s' if count != 1 else ''}"
