"""Which events of a recording are shown as strips: a page has room for dozens, a day may hold thousands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ecgcli.evaluation.predictions import NORMAL
from ecgcli.prediction.annotated import AnnotatedRecording
from ecgcli.prediction.events import ECTOPIC, RATE_BEATS, Event, Rate, Summary
from ecgcli.reporting.page import Picture
from ecgcli.reporting.row_image import Read
from ecgcli.reporting.tables import percent
from ecgcli.reporting.words import counted, when

RUNS, FASTEST, PAUSES, COUPLETS, EXAMPLES, UNSURE = 8, 3, 8, 3, 2, 8
"""Strips at most: longest and fastest runs of a class, longest pauses, fastest couplets, other beats of a
class, and beats of which the model is least sure."""

SECONDS, LINES = 8, 3
"""Of a strip, and how many of them an event may fill."""

LEADS = 3
"""Leads that a strip shows at most, those that the model reads first."""


@dataclass(frozen=True)
class Listed:
    """An event that is listed and shown.

    Attributes:
        anchor: name of its strip in links.
        what: what it is ("run of 7 V").
        why: what is special about it ("longest").
        name: class of its beats; "" where they are of any.
        first: index of its first beat.
        last: index of its last beat.
        start: of its first beat, in seconds from the start of the recording.
        seconds: from its first beat to its last.
        rate: beats per minute; None where there is none.
    """

    anchor: str
    what: str
    why: str
    name: str
    first: int
    last: int
    start: float
    seconds: float
    rate: float | None


def listed_events(recording: AnnotatedRecording, summary: Summary) -> list[Listed]:
    """The events to show, the gravest kinds first."""
    found: list[tuple[str, str, str, int, int, float | None]] = []

    def add(event: Event, why: str) -> None:
        what = {"run": f"run of {event.beats} {event.name}", "couplet": f"couplet of {event.name}"}
        said = what.get(event.kind, f"pause of {event.seconds:.1f} s")
        found.append((said, why, event.name, event.first, event.last, event.rate))

    ectopic = [name for name in ECTOPIC if name in recording.classes]
    for name in ectopic[:1]:
        for event, why in _runs(summary, name):
            add(event, why)
    for i, event in enumerate(_top(summary.of("pause"), PAUSES, lambda pause: pause.seconds)):
        add(event, "longest" if i == 0 else "")
    for name in ectopic[1:]:
        for event, why in _runs(summary, name):
            add(event, why)
    for name in ectopic:
        for event in _top(summary.of("couplet", name), COUPLETS, lambda couplet: couplet.rate or 0.0):
            add(event, "")
    for name, beats in _examples(recording, summary).items():
        alone = "single" if name in ECTOPIC else ""
        found += [(f"{alone} {name}".strip(), f"p = {_p(recording, b)}", name, b, b, None) for b in beats]
    for rate, why in ((summary.highest_rate, "highest"), (summary.lowest_rate, "lowest")):
        if rate is not None:
            first = _beat_at(recording, rate)
            found.append(
                (
                    f"{why} heart rate",
                    f"over {RATE_BEATS} RR intervals",
                    "",
                    first,
                    first + RATE_BEATS,
                    rate.bpm,
                )
            )
    found += [
        (f"unsure: {_or(recording, b)}", "", _name(recording, b), b, b, None) for b in _unsure(recording)
    ]
    return [
        Listed(
            anchor=f"strip-{i}",
            what=what,
            why=why,
            name=name,
            first=first,
            last=last,
            start=int(recording.sample[first]) / recording.rate,
            seconds=int(recording.sample[last] - recording.sample[first]) / recording.rate,
            rate=rate,
        )
        for i, (what, why, name, first, last, rate) in enumerate(found, 1)
    ]


def not_listed(summary: Summary, listed: Sequence[Listed]) -> list[str]:
    """What there is beyond the listed events, a sentence a kind."""
    shown = {(event.first, event.last) for event in listed}
    sentences = []
    for kind, name in (("run", "V"), ("pause", ""), ("run", "S"), ("couplet", "V"), ("couplet", "S")):
        events = summary.of(kind, name)
        left = sum((event.first, event.last) not in shown for event in events)
        if left:
            said = counted(len(events), kind) + (f" of {name}" if name else "")
            sentences.append(f"{said}, of which {left:,} {'is' if left == 1 else 'are'} not listed.")
    return sentences


def strips(recording: AnnotatedRecording, event: Listed, read: Read) -> list[Picture]:
    """The strip of an event, of at most `LINES` lines, the event tinted."""
    from ecgcli.reporting.strip import Strip, StripBeats
    from ecgcli.reporting.strip_svg import strip_picture

    length, end = recording.samples / recording.rate, event.start + event.seconds
    if event.seconds <= SECONDS - 2:
        lines, begin = 1, (event.start + end) / 2 - SECONDS / 2
    else:
        lines, begin = min(LINES, int(np.ceil((event.seconds + 2) / SECONDS))), event.start - 1
    begin = max(0.0, min(begin, length - SECONDS * lines))
    leads = sorted(
        [*recording.read_leads, *(i for i in range(len(recording.leads)) if i not in recording.read_leads)][
            :LEADS
        ]
    )
    at = recording.seconds
    pictures = []
    for line in range(lines):
        start = round((begin + SECONDS * line) * recording.rate)
        stop = min(start + round(SECONDS * recording.rate), recording.samples)
        if stop - start < 2:
            break
        beats = range(*np.searchsorted(recording.sample, [start, stop]).tolist())
        called = [_name(recording, b) + ("?" if recording.review[b] else "") for b in beats]
        none = [""] * len(beats)
        strip = Strip(
            signal=read(start, stop)[leads],
            rate=recording.rate,
            leads=[recording.leads[i] for i in leads],
            beats=StripBeats(at[beats.start : beats.stop], none, none, called),
            start=start / recording.rate,
            window=_tint(event, start / recording.rate, stop / recording.rate),
            focus=event.first - beats.start if event.first == event.last else None,
            unread=[k for k, i in enumerate(leads) if i not in recording.read_leads],
        )
        heading = _heading(event, length) if line == 0 else ""
        anchor = event.anchor if line == 0 else ""
        cut = line == lines - 1 and end > stop / recording.rate
        caption = f"Goes on until {when(end, length)}; see the whole recording." if cut else ""
        alt = f"Strip from {when(start / recording.rate, length, 1)}: {' '.join(called) or 'no beats'}"
        pictures.append(strip_picture(strip, alt, caption, heading, anchor))
    return pictures


def _heading(event: Listed, length: float) -> str:
    said = f"{event.what[0].upper()}{event.what[1:]} at {when(event.start, length, 1)}"
    said += f", {event.rate:.0f}/min" if event.rate is not None else ""
    return said + (f" ({event.why})" if event.why else "")


def _tint(event: Listed, start: float, stop: float) -> tuple[float, float] | None:
    left, right = max(event.start - 0.3, start), min(event.start + event.seconds + 0.45, stop)
    return (left, right) if left < right else None


def _runs(summary: Summary, name: str) -> list[tuple[Event, str]]:
    """The longest runs of a class and the fastest, and what they are known for."""
    runs = summary.of("run", name)
    longest = _top(runs, RUNS, lambda run: run.beats)
    fastest = _top(runs, FASTEST, lambda run: run.rate or 0.0)
    chosen = longest + [run for run in fastest if run not in longest]
    said = []
    for run in chosen:
        why = ["longest"] if run == longest[0] else []
        why += ["fastest"] if run == fastest[0] else []
        said.append((run, " and ".join(why)))
    return said


def _top(events: Sequence[Event], most: int, key: Callable[[Event], float]) -> list[Event]:
    """The events with the highest key, the earlier of equal ones first."""
    return sorted(events, key=key, reverse=True)[:most]


def _examples(recording: AnnotatedRecording, summary: Summary) -> dict[str, list[int]]:
    """Of each abnormal class the beats outside of couplets and runs that the model is surest of."""
    rows = np.zeros(len(recording) + 1, np.int64)
    for event in summary.events:
        if event.kind != "pause":
            rows[event.first] += 1
            rows[event.last + 1] -= 1
    alone = (np.cumsum(rows)[:-1] == 0) & ~recording.review
    chosen = {}
    for name in sorted(recording.classes, key=lambda name: (*ECTOPIC, name).index(name)):
        beats = np.flatnonzero(alone & (recording.called == recording.classes.index(name)))
        if name != NORMAL and len(beats):
            chosen[name] = beats[np.argsort(-recording.confidence[beats], kind="stable")][:EXAMPLES].tolist()
    return chosen


def _unsure(recording: AnnotatedRecording) -> list[int]:
    """Beats for review, the least certain first, none within a strip of another."""
    beats = np.flatnonzero(recording.review)
    chosen: list[int] = []
    for beat in beats[np.argsort(recording.confidence[beats], kind="stable")].tolist():
        near = abs(recording.sample[chosen] - recording.sample[beat]) < SECONDS / 2 * recording.rate
        if not near.any():
            chosen.append(beat)
        if len(chosen) == UNSURE:
            break
    return chosen


def _beat_at(recording: AnnotatedRecording, rate: Rate) -> int:
    return int(np.abs(recording.seconds - rate.start).argmin())


def _name(recording: AnnotatedRecording, beat: int) -> str:
    return recording.classes[int(recording.called[beat])]


def _p(recording: AnnotatedRecording, beat: int) -> str:
    p = float(recording.confidence[beat])
    return f"{p:.2f}" if p < 0.995 else "1.00"


def _or(recording: AnnotatedRecording, beat: int) -> str:
    """What the beat was called and what else it may be."""
    order = np.argsort(-recording.probability[beat], kind="stable").tolist()
    other = next((k for k in order if k != recording.called[beat]), None)
    said = f"{_name(recording, beat)} {percent(float(recording.confidence[beat]), 0)}"
    if other is None:
        return said
    return f"{said} or {recording.classes[other]} {percent(float(recording.probability[beat, other]), 0)}"
