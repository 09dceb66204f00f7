"""Heart rate and burden over the time of a recording, as a figure and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ecgcli.evaluation.predictions import NORMAL
from ecgcli.prediction.annotated import AnnotatedRecording
from ecgcli.prediction.events import ECTOPIC, Summary
from ecgcli.reporting.full_disclosure import colour, row_anchor
from ecgcli.reporting.page import Bar, Cell, Grid, Link, Picture, picture, table
from ecgcli.reporting.tables import percent
from ecgcli.reporting.words import counted, when

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PERIODS = (60, 300, 600, 1800, 3600, 14_400, 86_400)  # s
_MOST = 30  # periods
_POINTS = 360  # of the curve of the heart rate, at most
_SHORTEST = 10.0  # s, that a point of the curve stands for


def period(seconds: float) -> int:
    """Length of the periods of a recording in seconds: an hour for a day, minutes for less."""
    return next((p for p in _PERIODS if seconds / p <= _MOST), _PERIODS[-1])


def trend_table(recording: AnnotatedRecording, summary: Summary) -> Grid:
    """A row a period: beats, heart rate, burden, events, beats for review."""
    length, step = recording.samples / recording.rate, period(recording.samples / recording.rate)
    names = [name for name in recording.classes if name != NORMAL and summary.counts[name]]
    names.sort(key=lambda name: (*ECTOPIC, name).index(name))
    headings = ("from", "beats", "heart rate", *names, "couplets", "runs", "pauses", "for review")
    edges = np.arange(0, length, step)
    ends = np.searchsorted(recording.seconds, [*edges, length]).tolist()
    counts = np.zeros((len(edges), len(recording.classes)), np.int64)
    np.add.at(counts, (np.searchsorted(edges, recording.seconds, "right") - 1, recording.called), 1)
    beats = counts.sum(axis=1)
    shares = counts / np.maximum(beats, 1)[:, None]
    drawn = [recording.classes.index(name) for name in names]
    top = max(1e-9, float(shares[:, drawn].max(initial=0.0)))  # one scale for all bars
    events = [
        np.histogram([e.start for e in summary.events if e.kind == kind], [*edges, length])[0]
        for kind in ("couplet", "run", "pause")
    ]
    rows = []
    for i, start in enumerate(edges.tolist()):
        rr = recording.rr[ends[i] : ends[i + 1]]
        rr = rr[np.isfinite(rr)]
        row: list[Cell] = [Link(when(start, length), row_anchor(start, length)), f"{beats[i]:,}"]
        row.append(f"{60 / float(rr.mean()):.0f}/min" if len(rr) else "")
        for k, name in zip(drawn, names, strict=True):
            said = f"{counts[i, k]:,} ({percent(shares[i, k])})" if counts[i, k] else ""
            row.append(Bar(float(shares[i, k]) / top, said, colour(name), 60))
        review = int(recording.review[ends[i] : ends[i + 1]].sum())
        row += [f"{n:,}" if n else "" for n in (*(int(kind[i]) for kind in events), review)]
        rows.append(row)
    return table(headings, rows)


def trend_picture(recording: AnnotatedRecording, summary: Summary) -> Picture | None:
    """Heart rate and, below it, the share of ectopic beats over time; None where there is too little."""
    from matplotlib.figure import Figure

    from ecgcli.reporting.plots import GREY, margins

    length = recording.samples / recording.rate
    width = max(_SHORTEST, length / _POINTS)
    at, low, middle, high = heart_rate(recording, width)
    if np.isfinite(middle).sum() < 3:
        return None
    unit, name = (3600.0, "hours") if length > 7200 else (60.0, "minutes")
    burdened = [c for c in ECTOPIC if summary.counts.get(c)]
    ratios = (3, 2) if burdened else (3,)
    figure = Figure(figsize=(11.25, 3.3 if burdened else 2.1))
    panels = figure.subplots(len(ratios), 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    margins(figure, left=0.72, right=0.08, bottom=0.5, top=0.1, between=(0.2, 0.0))
    _draw_rate(panels[0], at / unit, low, middle, high)
    if burdened:
        step = max(width * 3, min(period(length), length / 60))
        _draw_burden(panels[1], recording, burdened, np.arange(0, length + step, step), unit)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8.5)
        axes.patch.set_alpha(0)
        axes.grid(axis="y", color="#E5E5E5", linewidth=0.7)
        axes.set_axisbelow(True)
        for start, end in joined(recording.unreadable / recording.rate, length / 1000).tolist():
            axes.axvspan(start / unit, end / unit, color=GREY, alpha=0.3, linewidth=0)
        axes.set_xlim(0, length / unit)
    panels[-1].set_xlabel(name, fontsize=8.5)
    said = "Median of the heart rate (line), the middle 80% of its beats (band)"
    said += f", and the share of the beats called {' or '.join(burdened)}" if burdened else ""
    said += "; grey: unreadable." if len(recording.unreadable) else "."
    return picture(figure, "Heart rate and burden over time", said)


def _draw_rate(
    axes: Axes,
    at: npt.NDArray[np.floating],
    low: npt.NDArray[np.floating],
    middle: npt.NDArray[np.floating],
    high: npt.NDArray[np.floating],
) -> None:
    from ecgcli.reporting.plots import INK

    axes.fill_between(at, low, high, color="#D5DBE1", linewidth=0)
    axes.plot(at, middle, color=INK, linewidth=1.2)
    axes.set_ylabel("beats/min", fontsize=8.5)
    known = np.concatenate([low[np.isfinite(low)], high[np.isfinite(high)]])
    bottom, top = np.percentile(known, [0.5, 99.5]).tolist()
    axes.set_ylim(max(0, bottom - 8), top + 8)


def _draw_burden(
    axes: Axes,
    recording: AnnotatedRecording,
    names: Sequence[str],
    edges: npt.NDArray[np.floating],
    unit: float,
) -> None:
    from ecgcli.reporting.plots import LINES

    total = np.maximum(np.histogram(recording.seconds, edges)[0], 1)
    floor = np.zeros(len(total))
    for name in names:
        beats = recording.seconds[recording.called == recording.classes.index(name)]
        share = 100 * np.histogram(beats, edges)[0] / total
        style: dict[str, Any] = {"align": "edge", "linewidth": 0.4, "edgecolor": "white"}
        width = (edges[1] - edges[0]) / unit
        axes.bar(edges[:-1] / unit, share, width, bottom=floor, color=LINES[name][0], label=name, **style)
        floor += share
    axes.set_ylabel("% of beats", fontsize=8.5)
    axes.set_ylim(0, max(1.0, 1.2 * float(floor.max())))
    axes.legend(frameon=False, fontsize=8.5, ncols=2, loc="upper right", handlelength=1, borderaxespad=0.2)


def heart_rate(recording: AnnotatedRecording, width: float) -> tuple[npt.NDArray[np.floating], ...]:
    """The heart rate over time.

    Returns:
        (k,) middles of stretches of `width` seconds, and the 10th, the 50th and the 90th percentile of the
        rates of the beats in each, in beats per minute; NaN where there are fewer than three.
    """
    n = max(1, int(np.ceil(recording.samples / recording.rate / width)))
    at = (np.arange(n) + 0.5) * width
    found = np.full((3, n), np.nan)
    known = np.isfinite(recording.rr)
    rates, when = 60 / recording.rr[known], recording.seconds[:-1][known]
    ends = np.searchsorted(when, np.arange(n + 1) * width)
    for i in range(n):
        if ends[i + 1] - ends[i] >= 3:
            found[:, i] = np.percentile(rates[ends[i] : ends[i + 1]], [10, 50, 90])
    return at, found[0], found[1], found[2]


def joined(stretches: npt.NDArray[np.float64], gap: float) -> npt.NDArray[np.float64]:
    """The stretches, those joined that nobody could tell apart."""
    if not len(stretches):
        return stretches
    new = np.flatnonzero(np.concatenate([[True], stretches[1:, 0] - stretches[:-1, 1] > gap]))
    last = np.concatenate([new[1:] - 1, [len(stretches) - 1]])
    return np.stack([stretches[new, 0], stretches[last, 1]], axis=1)


def unreadable_table(recording: AnnotatedRecording, most: int = 200) -> Grid | None:
    """Where nothing can be read, the longest first where there are many; None where all can."""
    stretches = recording.unreadable / recording.rate
    if not len(stretches):
        return None
    longest = np.sort(np.argsort(stretches[:, 0] - stretches[:, 1], kind="stable")[:most])
    length = recording.samples / recording.rate
    rows: list[list[Cell]] = [
        [Link(when(a, length, 1), row_anchor(a, length)), when(b, length, 1), f"{b - a:.1f} s"]
        for a, b in stretches[longest].tolist()
    ]
    shown = counted(len(stretches), "unreadable stretch").replace("stretchs", "stretches")
    shown += f", the {most} longest" if len(stretches) > most else ""
    return table(("from", "to", "length"), rows, shown if len(rows) > 10 else None)
