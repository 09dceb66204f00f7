"""The page of an annotated recording: what matters, its events, the trend, the whole of it, and strips."""

from __future__ import annotations

from collections.abc import Sequence

from ecgcli.evaluation.predictions import NORMAL
from ecgcli.prediction.annotated import AnnotatedRecording
from ecgcli.prediction.events import ECTOPIC, Event, Summary
from ecgcli.recordings.aami import CLASS_NAMES
from ecgcli.reporting.full_disclosure import colour, full_disclosure, legend, row_anchor, row_seconds
from ecgcli.reporting.page import Bar, Block, Cell, Figures, Lines, Link, Page, Points, Prose, Section, table
from ecgcli.reporting.recording_events import Listed, listed_events, not_listed, strips
from ecgcli.reporting.recording_summary import key_figures, opening_lines, recorded_sentence
from ecgcli.reporting.recording_trend import trend_picture, trend_table, unreadable_table
from ecgcli.reporting.row_image import Read
from ecgcli.reporting.tables import percent
from ecgcli.reporting.words import when

NOT_A_DEVICE = (
    "Not a medical device: for research and teaching; no diagnosis and no treatment may rest on this page."
)


def recording_page(
    recording: AnnotatedRecording,
    summary: Summary,
    read: Read,
    *,
    model: str,
    remarks: Sequence[str] = (),
    command: str = "ecg predict",
    title: str | None = None,
) -> Page:
    """The page.

    Args:
        recording: the annotated recording.
        summary: what `summarise` gave for it.
        read: (start, end) in samples → (leads, end − start) in mV, NaN where samples are missing. The signal
            is read piece by piece, so that a day of it needs never be in memory.
        model: what the model is, in a few words.
        remarks: what else a reader must know before believing anything ("in-sample: …"), shown as warnings.
        command: which command made the page.
        title: of the page; None names the recording.
    """
    listed = listed_events(recording, summary)
    sections = (
        _found(recording, summary, listed),
        _events(recording, summary, listed),
        _trend(recording, summary),
        _whole(recording, listed, read),
        _strips(recording, listed, read),
        Section("notes", "Notes", (Points(tuple(recording.notes)),) if recording.notes else ()),
    )
    return Page(
        command=command,
        title=title or f"Recording {recording.name}",
        lead=(recorded_sentence(recording),),
        head=(
            *(Prose(remark, "warning") for remark in remarks),
            Lines(tuple(opening_lines(recording, summary, model))),
            Figures(tuple(key_figures(summary))),
        ),
        sections=tuple(section for section in sections if section.blocks),
        footer=NOT_A_DEVICE,
    )


def _found(recording: AnnotatedRecording, summary: Summary, listed: Sequence[Listed]) -> Section:
    """A row a class, with its longest and its fastest run."""
    if not summary.beats:
        return Section("found", "What was found", ())
    anchors = {(e.first, e.last): e.anchor for e in reversed(listed)}

    def run(event: Event | None) -> Cell:
        if event is None:
            return ""
        text = f"{event.beats} at {when(event.start, summary.seconds)}, {event.rate:.0f}/min"
        return Link(text, anchors[event.first, event.last])

    rows: list[list[Cell]] = []
    for name in recording.classes:
        share, count = summary.burden[name] or 0.0, summary.counts[name]
        shade = "plain" if name == NORMAL else colour(name)
        full = f"{name} · {CLASS_NAMES[name]}" if name in CLASS_NAMES else name
        row: list[Cell] = [full, f"{count:,}" if count else "none", Bar(share, percent(share), shade, 90)]
        if name in ECTOPIC and count:
            rows_of = [len(summary.of(kind, name)) for kind in ("couplet", "run")]
            row += [f"{n:,}" for n in (summary.isolated(name), *rows_of)]
            row += [run(summary.longest_run(name)), run(summary.fastest_run(name))]
        else:
            row += [""] * 5
        rows.append(row)
    headings = ("class", "beats", "share", "single", "couplets", "runs", "longest run", "fastest run")
    return Section("found", "What was found", (table(headings, rows),))


def _events(recording: AnnotatedRecording, summary: Summary, listed: Sequence[Listed]) -> Section:
    if not listed:
        return Section("events", "Events", ())
    length, step = summary.seconds, row_seconds(summary.seconds)
    rows: list[list[Cell]] = []
    for event in listed:
        several = event.last > event.first
        rows.append(
            [
                f"{event.what[0].upper()}{event.what[1:]}" + (f", {event.why}" if event.why else ""),
                Link(when(event.start, length, 1), event.anchor),
                f"{event.seconds:.1f} s" if several else "",
                f"{event.last - event.first + 1:,}" if event.name and several else "",
                f"{event.rate:.0f}/min" if event.rate is not None else "",
                Link(when(event.start // step * step, length), row_anchor(event.start, length)),
            ]
        )
    said = "Each leads to its strip; the gravest kinds come first."
    if summary.of("pause"):
        said += (
            " A pause is a long RR interval: beats that were overlooked and ventricular flutter, which has "
            "none, make one too."
        )
    headings = ("event", "strip", "lasts", "beats", "rate", "in the row from")
    blocks: list[Block] = [Prose(said), table(headings, rows)]
    left = not_listed(summary, listed)
    if left:
        blocks.append(Prose("What is not listed stands in the table of beats and in its row below:"))
        blocks.append(Points(tuple(left)))
    return Section("events", "Events", tuple(blocks))


def _trend(recording: AnnotatedRecording, summary: Summary) -> Section:
    if not summary.beats:
        return Section("trend", "Over time", ())
    drawn = trend_picture(recording, summary)
    return Section("trend", "Over time", (*([drawn] if drawn else []), trend_table(recording, summary)))


def _whole(recording: AnnotatedRecording, listed: Sequence[Listed], read: Read) -> Section:
    length = recording.samples / recording.rate
    links = [
        (e.start - 0.2, e.start + e.seconds + 0.4, f"{e.what} at {when(e.start, length, 1)}", e.anchor)
        for e in listed
    ]
    lead = recording.leads[recording.read_leads[0] if recording.read_leads else 0]
    said = (
        f"Lead {lead}, {row_seconds(length)} s a row, all at one scale, without the wander of the baseline. "
        f"Listed events lead to their strips."
    )
    gaps = unreadable_table(recording)
    return Section(
        "whole",
        "The whole recording",
        (
            Prose(said, "quiet"),
            legend(recording),
            *full_disclosure(recording, read, links),
            *((Prose("What cannot be read is shaded:"), gaps) if gaps else ()),
        ),
    )


def _strips(recording: AnnotatedRecording, listed: Sequence[Listed], read: Read) -> Section:
    pictures = [picture for event in listed for picture in strips(recording, event, read)]
    if not pictures:
        return Section("strips", "Strips", ())
    said = (
        "25 mm/s, 10 mm/mV where nothing else is said: a small square is 0.04 s and 0.1 mV, a large one "
        "0.2 s and 0.5 mV. The event is tinted. Below the leads is what each beat was called; ? asks for "
        "review."
    )
    if set(recording.read_leads) != set(range(len(recording.leads))):
        said += " Grey leads are not read by the model."
    return Section("strips", "Strips", (Prose(said, "quiet"), *pictures))
