"""The report on the terminal; plain ASCII rules and no colours where the output is no terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from rich.box import SIMPLE_HEAD, Box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ecgcli.reporting import tables

WIDTH = 100
"""Columns, at most: longer lines are hard to read."""

PLAIN = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
"""`SIMPLE_HEAD` in ASCII."""


def print_report(facts: Mapping[str, Any], console: Console | None = None) -> None:
    """Prints what was trained on what, the scores of every class and of the whole set.

    Args:
        facts: as for `ecgcli.reporting.report.write_report`, of which it reads `title`, `data`,
            `protocol`, `class_map`, `classes`, `audit`, `metrics`, `error_budget`, `intervals` and
            `operating_point`: plain data all, so that a finished run can be shown again from its JSON
            files.
        console: where to; None prints to the standard output.
    """
    console = console or Console(highlight=False)
    leading = tables.scored_parts(facts["metrics"])[0]
    score, classes = facts["metrics"][leading], facts["classes"]

    _line(console, facts["title"], "bold")
    about = Table.grid(padding=(0, 2))
    about.add_column(style="dim", no_wrap=True)
    about.add_column()
    leaks = "\n".join(facts["audit"]["sentences"])
    for name, sentence in (
        ("data", tables.data_sentence(facts)),
        ("protocol", tables.protocol_sentence(facts)),
        ("classes", tables.class_sentence(facts)),
        ("leaks", leaks or "none found"),
        ("scores of", tables.scores_sentence(facts)),
    ):
        about.add_row(name, _text(console, sentence))
    console.print(about, width=_width(console))
    warning = tables.intra_patient_sentence(facts)
    if warning:
        console.print()
        _line(console, warning, "bold yellow")

    intervals = facts.get("intervals")
    rows = tables.class_rows(score, classes, intervals, certain=("recall", "called_normal"))
    if intervals and _width(console) < WIDTH:  # there is room for the intervals or for whole names
        rows = [[name, *row[1:]] for name, row in zip(classes, rows, strict=True)]
    print_table(console, tables.CLASS_HEADINGS, rows, strong=4)
    for sentence in tables.absence_sentences(score, classes):
        _line(console, sentence)
    parts = [
        part if part in ("test", "validation") else "value" for part in tables.scored_parts(facts["metrics"])
    ]
    certain = ("accuracy", "macro_f1", "abnormal_called_normal")
    print_table(console, ("whole set", *parts), tables.whole_rows(facts["metrics"], intervals, certain))
    if intervals:
        _line(console, f"In brackets {100 * intervals['level']:g}% intervals. {intervals['why']}")
    between = tables.fold_sentence(facts)
    if between:
        _line(console, between)

    point = facts.get("operating_point")
    if point and point["name"] != "argmax":
        console.print()
        _line(console, point["sentence"])

    budget = facts.get("error_budget")
    if budget:
        print_table(console, tables.BUDGET_HEADINGS, tables.budget_rows(budget, classes))
        _line(console, tables.budget_sentence(budget))


def print_table(
    console: Console, headings: Sequence[str], rows: Sequence[Sequence[str]], strong: int | None = None
) -> None:
    """A table on the terminal, cut to its width."""
    fancy = console.is_terminal and console.encoding.startswith("utf")
    box = SIMPLE_HEAD if fancy else PLAIN
    table = Table(box=box, safe_box=False, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column, heading in enumerate(headings):
        side: Literal["left", "right"] = "left" if column == 0 else "right"
        style = "bold" if column == strong else None
        table.add_column(heading, justify=side, style=style, no_wrap=column < 2, vertical="bottom")
    for row in rows:
        table.add_row(*(_text(console, cell) for cell in row))
    console.print()
    console.print(table, width=_width(console))


def _line(console: Console, sentence: str, style: str = "") -> None:
    console.print(_text(console, sentence, style), width=_width(console))


def _text(console: Console, words: str, style: str = "") -> Text:
    """Text as it is: no markup, and nothing that the output cannot write."""
    words = words.replace("–", "-")  # of intervals: one column in every font
    if not console.encoding.startswith("utf"):
        words = (
            words.replace("→", "->").replace("−", "-").replace("≥", ">=").encode("ascii", "replace").decode()
        )
    return Text(words, style=style)


def _width(console: Console) -> int:
    return min(console.width, WIDTH)
