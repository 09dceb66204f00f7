"""The rows and sentences of a report, as text; the terminal and `report.md` lay them out.

`facts` is plain data about a run (see `ecgcli.reporting.report.write_report`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ecgcli.evaluation.predictions import NORMAL
from ecgcli.recordings.aami import CLASS_NAMES

NO_BEATS, NONE_PREDICTED = "no beats", "none predicted"
CLASS_HEADINGS = ("class", "beats", "recall", "of its\npredictions\nwrong", "called\nnormal", "F1")
BUDGET_HEADINGS = (
    "error budget",
    "beats",
    "missed at\nstage one",
    "lost in\ncomposition",
    "mistyped at\nstage two",
    "right",
)
NOT_A_DEVICE = (
    "Not a medical device: for research and teaching; no diagnosis and no treatment may rest on these scores."
)

_WHOLE = (
    ("accuracy", "accuracy", True),
    ("macro-F1", "macro_f1", False),
    ("macro-recall", "macro_recall", False),
    ("MCC", "mcc", False),
    ("Cohen's kappa", "kappa", False),
    ("AUROC, one class against the rest", "auroc", False),
    ("AUPRC, one class against the rest", "auprc", False),
    ("abnormal beats called normal", "abnormal_called_normal", True),
)


def percent(value: float | None, digits: int = 1) -> str:
    """`0.9876` → `98.8%`; what does not exist is `-`. Only what is all (or nothing) reads 100 (or 0)."""
    if value is None:
        return "-"
    text = f"{100 * value:.{digits}f}%"
    if value < 1 and text.startswith("100"):
        return f">{100 - 10**-digits:.{digits}f}%"
    if value > 0 and float(text[:-1]) == 0:
        return f"<{10**-digits:.{digits}f}%"
    return text


def number(value: float | None) -> str:
    """Three decimals, `-` for what does not exist."""
    return "-" if value is None else f"{value:.3f}"


def full_name(name: str) -> str:
    """`S` → `S Supraventricular ectopic`."""
    return f"{name} {CLASS_NAMES[name]}" if name in CLASS_NAMES else name


def scored_parts(metrics: Mapping[str, Any]) -> list[str]:
    """The parts that have scores: test first, then validation, then any other."""
    order = {"test": 0, "validation": 1}
    return sorted((part for part in metrics if metrics[part]), key=lambda part: order.get(part, 2))


def part_name(part: str) -> str:
    """`test` → `the test part`; what is no part of a protocol keeps its name."""
    return f"the {part} part" if part in ("test", "validation") else part


def class_rows(score: Mapping[str, Any], classes: Sequence[str]) -> list[list[str]]:
    """A row a class under `CLASS_HEADINGS`; a class without support has `no beats` and nothing else."""
    rows = []
    for name in classes:
        one = score["per_class"][name]
        if not one["support"]:
            rows.append([full_name(name), NO_BEATS, "", "", "", ""])
            continue
        wrong = NONE_PREDICTED if one["wrong_share"] is None else percent(one["wrong_share"])
        called = percent(one["called_normal"])
        beats = f"{one['support']:,}"
        rows.append([full_name(name), beats, percent(one["recall"]), wrong, called, number(one["f1"])])
    return rows


def absence_sentences(score: Mapping[str, Any], classes: Sequence[str]) -> list[str]:
    """What to know about the classes without beats; empty where all classes have some."""
    absent = [name for name in classes if not score["per_class"][name]["support"]]
    called = [(name, score["per_class"][name]["predicted"]) for name in absent]
    sentences = [f"Means over the classes leave out {', '.join(absent)}: no beats."] if absent else []
    return sentences + [f"Predictions of {name}, all wrong: {count:,}." for name, count in called if count]


def whole_rows(metrics: Mapping[str, Any]) -> list[list[str]]:
    """A row a score of the whole set: its name, then its value in every part of `scored_parts`."""
    scores = [metrics[part] for part in scored_parts(metrics)]
    rows = [["beats", *(f"{score['beats']:,}" for score in scores)]]
    for name, key, as_percent in _WHOLE:
        rows.append([name, *(percent(s[key], 2) if as_percent else number(s[key]) for s in scores)])
    return rows


def budget_rows(budget: Mapping[str, Any], classes: Sequence[str]) -> list[list[str]]:
    """A row a class and one for all under `BUDGET_HEADINGS`: counts with their shares."""
    parts = [(name, budget["per_class"][name]) for name in classes if name != NORMAL]
    parts += [("all", budget["abnormal"])]
    rows = []
    for name, one in parts:
        cells = [
            f"{one['counts'][cause]:,} ({percent(one['shares'][cause])})" if one["beats"] else ""
            for cause in ("missed", "lost", "mistyped", "right")
        ]
        rows.append([name, f"{one['beats']:,}" if one["beats"] else NO_BEATS, *cells])
    return rows


def budget_sentence(budget: Mapping[str, Any]) -> str:
    """What the composition did to the normal beats."""
    counts, beats = budget["normal"]["counts"], budget["normal"]["beats"]
    if not beats:
        return "There are no normal beats."
    alarms = percent(budget["normal"]["shares"]["false_alarms"])
    return (
        f"Of {beats:,} normal beats {counts['false_alarms']:,} ({alarms}) are called abnormal; "
        f"{counts['spared']:,} more were flagged at stage one, yet called normal in the composition, "
        f"as no type was likely enough."
    )


def data_sentence(facts: Mapping[str, Any]) -> str:
    """`mitdb: 100,013 beats of 44 records and 43 subjects`."""
    data = facts["data"]
    beats = f"{data['name']}: {data['beats']:,} beats"
    known = [
        f"{data[key]:,} {key if data[key] > 1 else key[:-1]}" for key in ("records", "subjects") if data[key]
    ]
    return f"{beats} of {' and '.join(known) or 'unknown origin'}"


def protocol_sentence(facts: Mapping[str, Any]) -> str:
    """`inter_patient: DS1 → DS2 …`."""
    return f"{facts['protocol']['name']}: {facts['protocol']['statement']}"


def class_sentence(facts: Mapping[str, Any]) -> str:
    """`N S V F, by the class map aami`."""
    own = facts["class_map"] == "own"
    origin = "as the table has them" if own else f"by the class map {facts['class_map']}"
    return f"{' '.join(facts['classes'])}, {origin}"


def scores_sentence(facts: Mapping[str, Any]) -> str:
    """Which part the scores are of."""
    part = scored_parts(facts["metrics"])[0]
    beats = f"{part_name(part)}, {facts['metrics'][part]['beats']:,} beats"
    if facts.get("folds"):
        beats += f" of {len(facts['folds'])} folds, each scored by the model that has not seen it"
    return f"{beats}; the test part was not scored" if part == "validation" else beats


def fold_sentence(facts: Mapping[str, Any]) -> str | None:
    """How much the scores differ between the folds; None where there are none."""
    folds = facts.get("folds")
    if not folds:
        return None
    said = []
    for name, key, as_percent in _WHOLE:
        values = [fold[key] for fold in folds if fold.get(key) is not None]
        if values:
            shown = [
                percent(value, 2) if as_percent else number(value) for value in (min(values), max(values))
            ]
            said.append(f"{name} {shown[0]} to {shown[1]}")
    return f"From fold to fold of {len(folds)}: {', '.join(said)}."


def intra_patient_sentence(facts: Mapping[str, Any]) -> str | None:
    """What an intra-patient protocol has to say first; None for other protocols."""
    if not facts["protocol"]["intra_patient"]:
        return None
    return (
        "These scores are intra-patient: beats of one patient stand in training and in what is scored. "
        "They say nothing about new patients."
    )
