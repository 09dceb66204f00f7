"""The runs of a grid on the terminal: a row a run, what was varied and the scores that matter first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from ecgcli.reporting.tables import number, percent
from ecgcli.reporting.terminal import print_table


def print_grid(rows: Sequence[Mapping[str, Any]], console: Console | None = None) -> None:
    """Prints what became of each run of a grid.

    Args:
        rows: `settings` (those that differ between the runs), `how` (what became of it) and `run` (a
            finished `Run`; None where it is not finished).
        console: where to; None prints to the standard output.
    """
    scored = [row["run"].metrics for row in rows if row["run"] is not None]
    parts = [part for part in ("validation", "test") if any(metrics[part] for metrics in scored)]
    if not scored:
        return
    headings = ["settings", ""]
    for part in parts:
        headings += [f"{part}\nabnormal\ncalled N", f"{part}\nmacro-F1"]
    body = []
    for row in rows:
        cells = [row["settings"], row["how"]]
        for part in parts:
            score = (row["run"].metrics[part] if row["run"] is not None else None) or {}
            cells += [percent(score.get("abnormal_called_normal")), number(score.get("macro_f1"))]
        body.append(cells)
    print_table(console or Console(highlight=False), headings, body)
