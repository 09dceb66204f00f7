"""Full disclosure: the whole recording in rows, every beat that is not normal in the colour of its class.

The signal is read piece by piece and each row becomes a small picture at once, so that a day takes no more
memory than some minutes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ecgcli.evaluation.predictions import NORMAL
from ecgcli.prediction.annotated import AnnotatedRecording
from ecgcli.recordings.aami import CLASS_NAMES
from ecgcli.reporting import trace_image
from ecgcli.reporting.page import Marks, Row, Rows, Stretch
from ecgcli.reporting.row_image import (
    BAR,
    MARKS,
    PALETTE,
    WIDTH,
    Paper,
    Read,
    beats_between,
    paper_for,
    row_image,
)
from ecgcli.reporting.words import counted, when

_PIECE = 10  # rows that are read at a time

# recordings of so many seconds at most have rows of so many seconds, with a tick every so many
_ROWS = ((10, 10, 2), (600, 30, 5), (90_000, 60, 10), (180_000, 120, 20), (450_000, 300, 60))
_LONGEST_ROW = (600, 60)


def colour(name: str) -> str:
    """Name of the page's colour of an abnormal class."""
    return name if name in MARKS else "other"


def legend(recording: AnnotatedRecording) -> Marks:
    """What the marks mean, for the classes of the recording."""
    entries = [
        (colour(name), MARKS.get(name, (BAR, "▮"))[1], f"{name} {CLASS_NAMES.get(name, '')}".strip())
        for k, name in enumerate(recording.classes)
        if name != NORMAL and (recording.called == k).any()
    ]
    entries += [("plain", "?", "to be reviewed")] if recording.review.any() else []
    return Marks((*entries, ("plain", "▏", "left edge: 1 mV")))


def row_seconds(seconds: float) -> int:
    """How long a row is: 30 s for short recordings, a minute for a day, more for more."""
    return _row_and_tick(seconds)[0]


def _row_and_tick(seconds: float) -> tuple[int, int]:
    return next(((row, tick) for most, row, tick in _ROWS if seconds <= most), _LONGEST_ROW)


def row_anchor(seconds: float, length: float) -> str:
    """Name of the row in which a time lies."""
    return f"row-{int(seconds / row_seconds(length))}"


def full_disclosure(
    recording: AnnotatedRecording, read: Read, links: Sequence[tuple[float, float, str, str]] = ()
) -> tuple[Rows, ...]:
    """The recording in rows; of more than an hour, folded by the hour.

    Args:
        recording: the annotated recording.
        read: gives the signal.
        links: (from, to, text, anchor) of stretches in seconds that lead to a strip.
    """
    rate, length = recording.rate, recording.samples / recording.rate
    step, tick = _row_and_tick(length)
    n = max(1, int(np.ceil(round(length / step, 9))))
    edges = np.minimum(np.rint(np.arange(n + 1) * step * rate).astype(np.int64), recording.samples)
    paper = paper_for(recording, read, n, step)
    rows = []
    for first in range(0, n, _PIECE):
        after = min(first + _PIECE, n)
        piece = read(int(edges[first]), int(edges[after]))[paper.lead]
        for i in range(first, after):
            # with the first sample of the next row, up to which the trace is drawn
            signal = piece[edges[i] - edges[first] : edges[i + 1] - edges[first] + 1]
            rows.append(_row(recording, paper, i, signal, links))
    per_fold = max(1, 3600 // step) if length > 3660 else n
    return tuple(
        Rows(
            rows=tuple(rows[i : i + per_fold]),
            width=WIDTH,
            height=paper.height,
            steps=(1 / step, 5 / step) if step <= 60 else (10 / step, 60 / step),
            ticks=tuple((at / step, _tick(at, step)) for at in range(0, step + 1, tick)),
            folded=_said(recording, i * step, (i + per_fold) * step) if per_fold < n else None,
        )
        for i in range(0, n, per_fold)
    )


def _row(
    recording: AnnotatedRecording,
    paper: Paper,
    i: int,
    signal: npt.NDArray[np.float32],
    links: Sequence[tuple[float, float, str, str]],
) -> Row:
    start, step, rate = float(i * paper.step), paper.step, recording.rate
    length = recording.samples / rate
    first, last = np.searchsorted(
        recording.sample, [round(start * rate), round((start + step) * rate)]
    ).tolist()
    own = slice(first, last)
    shaded = _within(paper.unreadable, start, step)
    image = row_image(recording, paper, start, signal, shaded)
    counts = np.bincount(recording.called[own], minlength=len(recording.classes)).tolist()
    said = ", ".join(f"{n:,} {name}" for name, n in zip(recording.classes, counts, strict=True) if n)
    known = recording.rr[own][np.isfinite(recording.rr[own])]
    return Row(
        anchor=f"row-{i}",
        time=when(start, length),
        note=f"{60 / float(known.mean()):.0f}/min" if len(known) else "",
        source=trace_image.data_uri(trace_image.png(image, PALETTE)),
        alt=f"From {when(start, length)}: {said or 'no beats'}",
        shaded=tuple(
            Stretch((a - start) / step, (b - a) / step, f"unreadable, {when(a, length)} to {when(b, length)}")
            for a, b in shaded
        ),
        links=tuple(
            Stretch((max(a, start) - start) / step, (min(b, start + step) - max(a, start)) / step, text, to)
            for a, b, text, to in links
            if a < start + step and b > start
        ),
        reach=min(1.0, (length - start) / step),
    )


def _within(stretches: npt.NDArray[np.float64], start: float, seconds: float) -> list[tuple[float, float]]:
    """The parts of the stretches that lie in a row, in seconds."""
    first = int(np.searchsorted(stretches[:, 1], start, "right"))
    last = int(np.searchsorted(stretches[:, 0], start + seconds))
    return [(max(a, start), min(b, start + seconds)) for a, b in stretches[first:last].tolist()]


def _tick(seconds: int, step: int) -> str:
    return f"{seconds} s" if step <= 120 else f"{seconds // 60} min"


def _said(recording: AnnotatedRecording, start: float, end: float) -> str:
    """The line of a part that is folded away: when it is and which beats are in it."""
    length = recording.samples / recording.rate
    end = min(end, length)
    beats = beats_between(recording, start, end)
    counts = np.bincount(
        recording.called[beats.start : beats.stop], minlength=len(recording.classes)
    ).tolist()
    said = [counted(len(beats), "beat")]
    said += [
        f"{n:,} {name}" for name, n in zip(recording.classes, counts, strict=True) if n and name != NORMAL
    ]
    return f"{when(start, length)} to {when(end, length)}: " + ", ".join(said)
