"""What the beats of a recording amount to: burden, couplets, runs, pauses and the heart rate.

The terms are those of Holter reports. A run is three or more ectopic beats of one class in a row, a couplet
two. Beats that an unreadable stretch keeps apart are not in a row, and the time between them is no pause.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ecgcli.prediction.annotated import AnnotatedRecording

ECTOPIC = ("V", "S")
"""Classes whose beats make couplets and runs."""

RUN = 3
"""Beats in a row that make a run."""

PAUSE = 2.0
"""In seconds: an RR interval above it is a pause."""

RATE_BEATS = 8
"""RR intervals in a row over which the highest and the lowest heart rate are averaged."""

Kind = Literal["couplet", "run", "pause"]


@dataclass(frozen=True)
class Event:
    """Something in a recording that a reader would look up.

    Attributes:
        kind: what it is.
        name: class of its beats; "" for a pause.
        first: index of its first beat; of a pause, of the beat before it.
        last: index of its last beat; of a pause, of the beat after it.
        start: of its first beat, in seconds from the start of the recording.
        seconds: from its first beat to its last.
        rate: beats per minute between them; None for a pause.
    """

    kind: Kind
    name: str
    first: int
    last: int
    start: float
    seconds: float
    rate: float | None

    @property
    def beats(self) -> int:
        """How many beats it has."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class Rate:
    """A heart rate in beats per minute, over `RATE_BEATS` intervals that begin at `start` seconds."""

    bpm: float
    start: float


@dataclass(frozen=True)
class Summary:
    """A recording in figures.

    Attributes:
        seconds: its length.
        readable_seconds: how much of it can be read.
        beats: how many beats were found.
        counts: class → beats.
        burden: class → share of the beats; None without beats.
        review: beats that a person should look at.
        mean_rate: beats per minute over all RR intervals; None without one.
        lowest_rate: the lowest over `RATE_BEATS` intervals in a row; None where there are not so many.
        highest_rate: the highest.
        events: couplets, runs and pauses, in order of time.
        silences: (from, to) in seconds of readable stretches of more than `PAUSE` seconds without a beat at
            an end of the recording or beside an unreadable stretch. They may be pauses, of which only the
            least length is known, as no two beats bound them.
    """

    seconds: float
    readable_seconds: float
    beats: int
    counts: dict[str, int]
    burden: dict[str, float | None]
    review: int
    mean_rate: float | None
    lowest_rate: Rate | None
    highest_rate: Rate | None
    events: tuple[Event, ...]
    silences: tuple[tuple[float, float], ...] = ()

    def of(self, kind: str, name: str = "") -> list[Event]:
        """The events of a kind and class, in order of time."""
        return [event for event in self.events if event.kind == kind and event.name == name]

    def isolated(self, name: str) -> int:
        """How many beats of a class are in no couplet and no run."""
        return self.counts[name] - sum(
            event.beats for kind in ("couplet", "run") for event in self.of(kind, name)
        )

    def longest_run(self, name: str) -> Event | None:
        """The run with the most beats of a class; the first of several."""
        return max(self.of("run", name), key=lambda run: run.beats, default=None)

    def fastest_run(self, name: str) -> Event | None:
        """The run of a class with the highest rate; the first of several."""
        return max(self.of("run", name), key=lambda run: run.rate or 0.0, default=None)

    def longest_pause(self) -> Event | None:
        """The longest pause; the first of several."""
        return max(self.of("pause"), key=lambda pause: pause.seconds, default=None)


def summarise(recording: AnnotatedRecording) -> Summary:
    """Counts what is in a recording."""
    n = len(recording)
    counts = {name: int((recording.called == k).sum()) for k, name in enumerate(recording.classes)}
    rr = recording.rr
    known = rr[np.isfinite(rr)]
    lowest, highest = _extreme_rates(recording)
    events = [event for name in ECTOPIC if name in recording.classes for event in _rows(recording, name)]
    events += [
        _event(recording, "pause", "", int(i), int(i) + 1) for i in np.flatnonzero(np.nan_to_num(rr) > PAUSE)
    ]
    return Summary(
        seconds=recording.samples / recording.rate,
        readable_seconds=recording.readable_seconds,
        beats=n,
        counts=counts,
        burden={name: count / n if n else None for name, count in counts.items()},
        review=int(recording.review.sum()),
        mean_rate=60 * len(known) / float(known.sum()) if len(known) else None,
        lowest_rate=lowest,
        highest_rate=highest,
        events=tuple(sorted(events, key=lambda event: (event.first, event.last))),
        silences=_silences(recording),
    )


def _rows(recording: AnnotatedRecording, name: str) -> list[Event]:
    """Couplets and runs of a class."""
    ectopic = recording.called == recording.classes.index(name)
    joined = ectopic[1:] & ectopic[:-1] & np.isfinite(recording.rr)  # a beat and the next, in a row
    edges = np.flatnonzero(np.diff(np.concatenate([[False], joined, [False]]).astype(np.int8)))
    return [
        _event(recording, "couplet" if last - first + 1 < RUN else "run", name, int(first), int(last))
        for first, last in zip(edges[::2], edges[1::2], strict=True)
    ]


def _silences(recording: AnnotatedRecording) -> tuple[tuple[float, float], ...]:
    starts = [0, *recording.unreadable[:, 1].tolist()]
    ends = [*recording.unreadable[:, 0].tolist(), recording.samples]
    found = []
    for start, end in zip(starts, ends, strict=True):
        first, after = np.searchsorted(recording.sample, [start, end]).tolist()
        if first == after:
            found.append((start, end))
        else:
            found += [(start, int(recording.sample[first])), (int(recording.sample[after - 1]), end)]
    return tuple(
        (start / recording.rate, end / recording.rate)
        for start, end in found
        if end - start > PAUSE * recording.rate
    )


def _event(recording: AnnotatedRecording, kind: Kind, name: str, first: int, last: int) -> Event:
    start = int(recording.sample[first])
    # from whole samples: equal events stay equal wherever they are, so that the first of several is found
    seconds = (int(recording.sample[last]) - start) / recording.rate
    rate = None if kind == "pause" else 60 * (last - first) / seconds
    return Event(kind, name, first, last, start / recording.rate, seconds, rate)


def _extreme_rates(recording: AnnotatedRecording) -> tuple[Rate | None, Rate | None]:
    if len(recording) <= RATE_BEATS:
        return None, None
    unknown = np.concatenate([[0], np.cumsum(np.isnan(recording.rr))])
    whole = np.flatnonzero(unknown[RATE_BEATS:] == unknown[:-RATE_BEATS])
    if not len(whole):
        return None, None
    span = recording.sample[whole + RATE_BEATS] - recording.sample[whole]
    slow, fast = int(span.argmax()), int(span.argmin())
    return _rate(recording, int(whole[slow])), _rate(recording, int(whole[fast]))


def _rate(recording: AnnotatedRecording, first: int) -> Rate:
    start, end = recording.sample[[first, first + RATE_BEATS]].tolist()
    return Rate(60 * RATE_BEATS * recording.rate / (end - start), start / recording.rate)
