"""The rows and sentences of a report, as text; the terminal and `report.md` lay them out.

`facts` is plain data about a run (see `ecgcli.reporting.report.write_report`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ecgcli.evaluation.predictions import NORMAL
from ecgcli.recordings.aami import CLASS_NAMES

Facts = Mapping[str, Any]
Rows = list[list[str]]

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
MISTAKE_HEADINGS = ("beats of class", "called", "how many", "share")
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


def spread(values: Sequence[float | None], percent: bool, digits: int | None = None) -> str:
    """Mean ± standard deviation of a score over the seeds; `no beats` where none has one.

    Args:
        values: the score of each seed; what does not exist is left out.
        percent: whether it is shown in percent.
        digits: after the point; None for 2 of a percentage, else 3.
    """
    known = [value for value in values if value is not None]
    if not known:
        return NO_BEATS
    scale, shown = (100, 2) if percent else (1, 3)
    shown = shown if digits is None else digits
    mean = f"{np.mean(known) * scale:.{shown}f}"
    return f"{mean} ± {np.std(known, ddof=1) * scale:.{shown}f}" if len(known) > 1 else mean


def short(value: float) -> str:
    """Three digits, and all of them before the point: `0.755`, `64.7`, `2,250`."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def with_interval(value: float | None, interval: Sequence[float] | None, digits: int | None = 1) -> str:
    """`71.2% (64.0–77.9)`: a share in percent and how far it may be off.

    Args:
        value: the score; None for what does not exist.
        interval: low and high; None where it is not known, which leaves the score alone.
        digits: of the percentage; None gives the score itself with three decimals.
    """
    said = number(value) if digits is None else percent(value, digits)
    if value is None or interval is None:
        return said
    low, high = interval
    between = " to " if low < 0 else "–"
    if digits is None:
        return f"{said} ({low:.3f}{between}{high:.3f})"
    return f"{said} ({100 * low:.{digits}f}{between}{100 * high:.{digits}f})"


def full_name(name: str) -> str:
    """`S` → `S Supraventricular ectopic`."""
    return f"{name} {CLASS_NAMES[name]}" if name in CLASS_NAMES else name


def scored_parts(metrics: Mapping[str, Any]) -> list[str]:
    """The parts that have scores: test first, then validation, then any other."""
    order = {"test": 0, "validation": 1}
    return sorted((part for part in metrics if metrics[part]), key=lambda part: order.get(part, 2))


def leading(facts: Facts) -> str:
    """The part that the report is of."""
    return scored_parts(facts["metrics"])[0]


def trained_here(facts: Facts) -> bool:
    """Whether the data hold the beats that the model was trained on."""
    return bool(facts.get("training") and facts["support"].get("train"))


def part_name(part: str) -> str:
    """`test` → `the test part`; what is no part of a protocol keeps its name."""
    return f"the {part} part" if part in ("test", "validation") else part


def class_rows(
    score: Mapping[str, Any],
    classes: Sequence[str],
    intervals: Mapping[str, Any] | None = None,
    certain: Sequence[str] = ("recall", "wrong_share", "called_normal", "f1"),
) -> list[list[str]]:
    """A row a class under `CLASS_HEADINGS`; a class without support has `no beats` and nothing else.

    Args:
        score: what `ecgcli.evaluation.metrics.score` gave.
        classes: names of the classes.
        intervals: what `ecgcli.evaluation.bootstrap.intervals` gave for the same beats.
        certain: the scores that have their interval beside them.
    """
    rows = []
    for name in classes:
        one = score["per_class"][name]
        if not one["support"]:
            rows.append([full_name(name), NO_BEATS, "", "", "", ""])
            continue
        ends = intervals["per_class"][name] if intervals else {}
        known = {key: ends.get(key) for key in certain}
        recall, wrong, called = (
            with_interval(one[key], known.get(key)) for key in ("recall", "wrong_share", "called_normal")
        )
        wrong = NONE_PREDICTED if one["wrong_share"] is None else wrong
        f1 = with_interval(one["f1"], known.get("f1"), digits=None)
        rows.append([full_name(name), f"{one['support']:,}", recall, wrong, called, f1])
    return rows


def absence_sentences(score: Mapping[str, Any], classes: Sequence[str]) -> list[str]:
    """What to know about the classes without beats; empty where all classes have some."""
    absent = [name for name in classes if not score["per_class"][name]["support"]]
    called = [(name, score["per_class"][name]["predicted"]) for name in absent]
    sentences = [f"Means over the classes leave out {', '.join(absent)}: no beats."] if absent else []
    return sentences + [f"Predictions of {name}, all wrong: {count:,}." for name, count in called if count]


def whole_rows(
    metrics: Mapping[str, Any],
    intervals: Mapping[str, Any] | None = None,
    certain: Sequence[str] | None = None,
) -> list[list[str]]:
    """A row a score of the whole set: its name, then its value in every part of `scored_parts`.

    `intervals` are of the first of them; `certain` are the scores that have them beside them, None for all.
    """
    leading, *others = [metrics[part] for part in scored_parts(metrics)]
    rows = [["beats", *(f"{score['beats']:,}" for score in (leading, *others))]]
    for name, key, as_percent in _WHOLE:
        digits = 2 if as_percent else None
        ends = intervals[key] if intervals and (certain is None or key in certain) else None
        values = [with_interval(score[key], None, digits) for score in others]
        rows.append([name, with_interval(leading[key], ends, digits), *values])
    return rows


def mistake_rows(facts: Facts, most: int = 30) -> Rows:
    """The most frequent mistakes, a row each under `MISTAKE_HEADINGS`."""
    classes = facts["classes"]
    mistakes = [
        (count, true, called, sum(row))
        for true, row in zip(classes, facts["metrics"][leading(facts)]["confusion"], strict=True)
        for called, count in zip(classes, row, strict=True)
        if count and true != called
    ]
    worst = sorted(mistakes, key=lambda one: -one[0])[:most]
    return [[true, called, f"{n:,} of {of:,}", percent(n / of)] for n, true, called, of in worst]


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


def flat(values: Mapping[str, Any], above: str = "") -> Iterator[list[str]]:
    """A row a value of nested plain data: the names on the way to it, and the value."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{above}{key} ")
        else:
            text = f"{value:,.1f}" if isinstance(value, float) else str(value)
            yield [f"{above}{key}".replace("_", " "), text]
