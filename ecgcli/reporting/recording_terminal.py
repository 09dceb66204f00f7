"""What was found in recordings, on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ecgcli.prediction.annotated import AnnotatedRecording
from ecgcli.prediction.events import ECTOPIC, PAUSE, Event, Summary
from ecgcli.recordings.aami import CLASS_NAMES
from ecgcli.reporting.words import clock, counted


def print_recording(
    recording: AnnotatedRecording,
    summary: Summary,
    remarks: Sequence[str],
    files: Sequence[Path],
    console: Console | None = None,
) -> None:
    """Prints one recording: its beats, what they amount to, and where the files are."""
    console = console or Console(highlight=False)
    leads = " and ".join(recording.leads[i] for i in recording.read_leads)
    console.print(f"{recording.name}: {clock(summary.seconds)}, lead {leads} at {recording.rate:g} Hz")
    about = Table.grid(padding=(0, 2))
    about.add_column(no_wrap=True)
    about.add_column()
    for name, text in lines(recording, summary):
        about.add_row(name, text)
    for remark in remarks:
        about.add_row("note", remark)
    console.print(about)
    for file in files:
        console.print(f"File        {file}", soft_wrap=True)


def lines(recording: AnnotatedRecording, summary: Summary) -> list[tuple[str, str]]:
    """What a recording amounts to: (about what, in words)."""
    said = [("beats", f"{summary.beats:,}")]
    if summary.mean_rate is not None:
        rate = f"{summary.mean_rate:.0f} a minute on average"
        for word, one in (("lowest", summary.lowest_rate), ("highest", summary.highest_rate)):
            if one is not None:
                rate += f", {word} {one.bpm:.0f} at {clock(one.start)}"
        said.append(("heart rate", rate))
    for name, count in summary.counts.items():
        burden = summary.burden[name]
        if name != "N" and burden is not None:
            said.append(
                (f"{name}", f"{counted(count, 'beat')}, {100 * burden:.2f}% ({CLASS_NAMES.get(name, name)})")
            )
    for name in ECTOPIC:
        if name in recording.classes:
            said += _rows(summary, name)
    pauses, longest = summary.of("pause"), summary.longest_pause()
    if longest is not None:
        text = (
            f"{len(pauses)} above {PAUSE:g} s, the longest {longest.seconds:.1f} s at {clock(longest.start)}"
        )
        said.append(("pauses", text))
    if summary.review:
        said.append(("review", f"{counted(summary.review, 'beat')} that the model is unsure of"))
    lost = summary.seconds - summary.readable_seconds
    if lost > 0:
        many = len(recording.unreadable)
        said.append(("unreadable", f"{lost:.1f} s in {many} stretch{'' if many == 1 else 'es'}"))
    return said


def _rows(summary: Summary, name: str) -> list[tuple[str, str]]:
    said = []
    if couplets := len(summary.of("couplet", name)):
        said.append((f"{name} couplets", f"{couplets}"))
    longest, fastest = summary.longest_run(name), summary.fastest_run(name)
    if longest is not None and fastest is not None:
        text = f"{len(summary.of('run', name))}, the longest {_run(longest)}"
        text += "" if fastest == longest else f", the fastest {_run(fastest)}"
        said.append((f"{name} runs", text))
    return said


def _run(event: Event) -> str:
    return f"{event.beats} beats at {event.rate:.0f} a minute, {clock(event.start)}"


def print_recordings(rows: Sequence[Mapping[str, Any]], folder: Path, console: Console | None = None) -> None:
    """Prints a line for each of several recordings."""
    console = console or Console(highlight=False)
    table = Table(box=None, padding=(0, 1))
    for i, heading in enumerate(rows[0]):
        table.add_column(heading.replace("_", " "), justify="left" if i == 0 else "right")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    console.print(table)
    console.print(f"Files       {folder}", soft_wrap=True)
