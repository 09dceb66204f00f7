"""`ecg describe` on the terminal: the numbers of the page that come first."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

from ecgcli.reporting.describe_page import Description
from ecgcli.reporting.description import (
    PARTS,
    class_counts,
    fault_sentence,
    faults,
    imbalance_sentence,
    memory_sentence,
    near_sentences,
    origin_sentence,
    unknown_sentence,
)
from ecgcli.reporting.tables import full_name, percent
from ecgcli.reporting.terminal import WIDTH, _line, _text, _width, print_table


def print_description(
    description: Description, console: Console | None = None, page: Path | None = None
) -> None:
    """Prints what a data set holds: beats by class and part, what leaks, memory, faults, notes.

    Args:
        description: what was found.
        console: where to; None prints to the standard output.
        page: the page that says more.
    """
    console = console or Console(highlight=False)
    overview, protocol = description.overview, description.protocol
    _line(console, description.title, "bold")
    about = Table.grid(padding=(0, 2))
    about.add_column(style="dim", no_wrap=True)
    about.add_column()
    rows = [
        ("data", origin_sentence(description)),
        ("protocol", f"{protocol.name}: {protocol.statement}"),
        ("classes", imbalance_sentence(overview)),
        ("leaks", "\n".join([*description.audit, *near_sentences(description.near)]) or "none found"),
    ]
    if remembered := memory_sentence(description):
        rows.append(("memory", remembered))
    found = faults(description)
    rows += [("signal", fault_sentence(found))] if found is not None else []
    unknown = unknown_sentence(description.records or ())
    notes = [*description.differences, *([unknown] if unknown else []), *description.data.notes]
    rows += [("notes", "\n".join(notes))] if notes else []
    for name, sentence in rows:
        about.add_row(name, _text(console, sentence))
    console.print(about, width=_width(console))

    counts = class_counts(overview)
    total = max(1, sum(counts.values()))
    sums = {part: max(1, sum(of.values())) for part, of in protocol.support.items()}
    shares = _width(console) >= WIDTH  # in a narrow terminal the counts alone
    body = [
        [
            full_name(name),
            f"{n:,}",
            percent(n / total),
            *(_part_cell(of.get(name), sums[part], shares) for part, of in protocol.support.items()),
        ]
        for name, n in counts.items()
    ]
    headings = ["class", "beats", "share", *(PARTS.get(part, part) for part in protocol.support)]
    print_table(console, headings, body)
    if page:
        console.print()
        console.print(_text(console, f"Page  {page}"), soft_wrap=True)


def _part_cell(count: int | None, total: int, share: bool) -> str:
    if count is None:
        return ""
    return f"{count:,} ({percent(count / total)})" if share else f"{count:,}"
