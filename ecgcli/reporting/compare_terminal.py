"""`ecg compare` on the terminal: the table, and the differences that stand."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from ecgcli.evaluation.comparison import Comparison
from ecgcli.reporting import compare_tables as told
from ecgcli.reporting.terminal import _line, _text, _width, print_table
from ecgcli.reporting.words import counted

FEW_PAIRS = 3
"""Up to so many pairs every difference is shown."""

MOST_LINES = 20
"""Differences, at most, of more pairs."""

NARROW = {"abnormal called normal": "abnormal\ncalled N"}


def print_comparison(comparison: Comparison, console: Console | None = None) -> None:
    """Prints what is ranked, under what, the table, the settings that differ and what is clear.

    Args:
        comparison: what was found.
        console: where to; None prints to the standard output.
    """
    console = console or Console(highlight=False)
    about = Table.grid(padding=(0, 2))
    about.add_column(style="dim", no_wrap=True)
    about.add_column()
    names = [["rows" if place == 0 else "", told.title(row)] for place, row in enumerate(comparison.rows)]
    for name, sentence in (*told.about_rows(comparison), *names):
        about.add_row(name, _text(console, sentence))
    console.print(about, width=_width(console))
    for sentence in told.warning_sentences(comparison):
        _line(console, sentence, "bold yellow")

    headings = ["row", "seeds", *(NARROW.get(score.name, score.name) for score in comparison.scores)]
    rows = _rows(comparison, spread=True)
    columns = zip(headings, *rows, strict=True)
    room = sum(1 + max(len(line) for cell in column for line in cell.split("\n")) for column in columns)
    spread = room <= _width(console) + 1
    print_table(console, headings, rows if spread else _rows(comparison, spread=False))
    what = "Mean ± standard deviation over the seeds" if spread else "Means over the seeds"
    _line(console, f"{what}, shares in percent; * the best of a column, be it clear or not.")
    for sentence in told.absence_sentences(comparison):
        _line(console, sentence)

    pairs = {(one.row, one.reference) for one in comparison.differences}
    shown = list(zip(comparison.differences, told.difference_rows(comparison), strict=True))
    if len(pairs) > FEW_PAIRS:
        shown = [(one, cells) for one, cells in shown if one.clear][:MOST_LINES]
    if shown:
        print_table(console, told.DIFFERENCE_HEADINGS, [cells for _, cells in shown])
    console.print()
    _line(console, told.verdict(comparison), "bold")
    hidden = len(comparison.differences) - len(shown)
    if hidden:
        _line(console, f"{counted(hidden, 'more difference')} on the page.")
    _line(console, " ".join(told.method_sentences(comparison)))


def _rows(comparison: Comparison, spread: bool) -> list[list[str]]:
    """A row a recipe, close together, as terminals are narrow."""
    columns = []
    for score in comparison.scores:
        best = told.best(comparison, score)
        column = []
        for place, row in enumerate(comparison.rows):
            text = told.cell(row, score, comparison.part, 1 if score.percent else 3).replace(" ± ", "±")
            text = text if spread else text.partition("±")[0]
            column.append(text + ("*" if place in best else ""))
        columns.append(column)
    cells = zip(*columns, strict=True)
    return [
        [row.letter, str(len(row.runs)), *scores] for row, scores in zip(comparison.rows, cells, strict=True)
    ]
