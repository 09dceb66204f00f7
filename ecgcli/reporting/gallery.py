"""The gallery: the most confident mistakes of each kind, in their recording, with what drove the decision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from ecgcli.beats.from_records import Recording
from ecgcli.beats.neighbourhood import REACH, Stretch, stretches
from ecgcli.beats.segment import Segmenter
from ecgcli.beats.table import UNKNOWN, BeatTable
from ecgcli.evaluation.mistakes import most_confident_mistakes
from ecgcli.evaluation.predictions import decisions
from ecgcli.reporting.beat_panel import draw_beat, regions
from ecgcli.reporting.plots import INK
from ecgcli.reporting.strip import CLOCK, INCHES, RAIL, Strip, StripBeats, draw_strip, layout
from ecgcli.reporting.words import clock

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["gallery", "most_confident_mistakes"]

LEADS = 2
"""Leads of a recording that are drawn, those that the model reads first."""

_RAILS = INCHES * (2 * RAIL + CLOCK)
_WIDTH, _EDGE, _HEAD = 10.0, 0.1, 0.3  # inches: the figure, its margins, the line above each beat
_BEAT = (2.45, 1.9)  # inches: the beat as the model read it, at most


class _Mistake(NamedTuple):
    """A beat to draw: its row of the table, what was said of it, its surroundings, what drove the call."""

    beat: int
    true: str
    called: str
    probability: float
    rhythm: str
    strip: Strip | None
    drove: npt.NDArray[np.floating] | None


def gallery(
    mistakes: pd.DataFrame,
    predictions: pd.DataFrame,
    classes: Sequence[str],
    table: BeatTable,
    rows: npt.NDArray[np.int64],
    segmenter: Segmenter,
    recordings: Mapping[str, Recording],
    attribution: npt.NDArray[np.float32] | None = None,
    annotator: str = "atr",
) -> Iterator[tuple[str, str, Figure]]:
    """Draws the mistakes: a figure for each pair of classes, a line of it for each beat.

    A figure is drawn when it is asked for, as all of them at once take much memory. At the left is the
    recording around the beat, where it is at hand, with what each beat is and what it was called; at the
    right the beat as the model read it, with what drove the decision.

    Args:
        mistakes: what `most_confident_mistakes` gave.
        predictions: the predictions of the part.
        classes: names of the classes.
        table: the beats.
        rows: (len(predictions),) the row of the table of each prediction.
        segmenter: how the beats were cut.
        recordings: record name → recording (`sources.recordings`).
        attribution: (len(mistakes), channels, time) what drove each decision for the class that was called
            rather than the true one (`learning.attribution.attribute`); None draws none.
        annotator: extension of the recordings' annotation files.

    Yields:
        (name of a file, caption, figure) of each pair.
    """
    beats = rows[mistakes["row"].to_numpy()]
    records = [table.records[i] for i in table.record[beats]]
    around = stretches(recordings, records, table.sample[beats].tolist(), annotator)
    called = np.full(len(table), -1)
    called[rows] = decisions(predictions, classes)
    pairs = mistakes.reset_index(drop=True).groupby(["true", "called"], sort=False)
    for number, (_, pair) in enumerate(pairs, 1):
        drove = None
        if attribution is not None:
            drove = regions(attribution[pair.index], len(table.leads), table.rate)
            drove = drove / max(float(np.abs(drove).max()), 1e-12)  # one scale: weak reasons look weak
        first = pair.iloc[0]
        true, wrong = classes[int(first["true"])], classes[int(first["called"])]
        shown = []
        for k, (i, probability) in enumerate(zip(pair.index.tolist(), pair["probability"], strict=True)):
            beat, stretch, colours = int(beats[i]), around[i], None if drove is None else drove[k]
            strip = _strip(stretch, beat, table, called, classes, segmenter) if stretch else None
            rhythm = stretch.rhythm if stretch else ""
            shown.append(_Mistake(beat, true, wrong, float(probability), rhythm, strip, colours))
        caption = _caption(shown, int(first["beats"]), int(first["subjects"]), table)
        draw = _in_recordings if any(mistake.strip for mistake in shown) else _alone
        yield f"mistakes_{number}", caption, draw(shown, table, segmenter)


def _caption(shown: list[_Mistake], beats: int, subjects: int, table: BeatTable) -> str:
    true, called = shown[0].true, shown[0].called
    many = f"{beats:,} beat{'s' if beats > 1 else ''} of {subjects} subject{'s' if subjects > 1 else ''}"
    said = f"{true} called {called}, {'the surest of ' if beats > len(shown) else ''}{many}."
    strips = [mistake.strip for mistake in shown if mistake.strip]
    if strips:
        said += " The tinted stretch is what the model read, drawn at the right on the model's scale"
        said += ", dashed the patient's usual beat." if len(table.signal[0]) > len(table.leads) else "."
        if any("" in strip.beats.called for strip in strips):
            said += " Beats without a call stand in other parts."
    if shown[0].drove is not None:
        said += (
            f" Orange above the trace is where the beat, held against a flat line, speaks for {called}, blue "
            f"under it where it speaks for {true}; the deeper the more, on one scale for the figure."
        )
        if table.feature_names:
            said += " What the features beside the signal add to the decision is not shown."
    return said


def _said(mistake: _Mistake, table: BeatTable) -> list[str]:
    """What was said, of whom and when."""
    beat, record = mistake.beat, table.record[mistake.beat]
    symbol, name = str(table.symbol[beat]), table.records[record]
    true = mistake.true if symbol in ("", mistake.true) else f"{mistake.true} ({symbol})"
    p = f"p = {mistake.probability:.3f}" if mistake.probability < 0.9995 else "p > 0.999"
    said = [f"{true} called {mistake.called}, {p}"]
    if name != UNKNOWN:
        at = table.sample[beat]
        said.append(f"record {name}" + (f" at {clock(at / table.rates[record], 1)}" if at >= 0 else ""))
    return [*said, f"rhythm {mistake.rhythm}"] if mistake.rhythm else said


def _in_recordings(shown: list[_Mistake], table: BeatTable, segmenter: Segmenter) -> Figure:
    """The mistakes one under another, each with its strip."""
    papers = [layout(mistake.strip) if mistake.strip else None for mistake in shown]
    heights = [INCHES * paper.height if paper else _BEAT[1] + _RAILS for paper in papers]
    total = sum(heights) + _HEAD * len(shown) + _EDGE
    figure, top = Figure(figsize=(_WIDTH, total)), total
    for mistake, paper, height in zip(shown, papers, heights, strict=True):
        _write(figure, _EDGE, top - _HEAD, "   ·   ".join(_said(mistake, table)))
        top -= _HEAD + height
        if mistake.strip and paper:
            draw_strip(_axes(figure, _EDGE, top, INCHES * paper.width, height), mistake.strip, paper)
        tall = min(height - _RAILS, _BEAT[1])
        left = _WIDTH - _BEAT[0] - 3 * _EDGE
        _draw_row(
            _axes(figure, left, top + height - INCHES * RAIL - tall, _BEAT[0], tall),
            mistake,
            table,
            segmenter,
        )
    return figure


def _alone(shown: list[_Mistake], table: BeatTable, segmenter: Segmenter) -> Figure:
    """The mistakes side by side, where no recording is at hand."""
    across = _WIDTH / 3
    lines = -(-len(shown) // 3)
    tall = 2 * _HEAD + _BEAT[1] + _RAILS
    figure = Figure(figsize=(across * min(3, len(shown)), tall * lines))
    for i, mistake in enumerate(shown):
        left, top = across * (i % 3) + 2 * _EDGE, tall * (lines - i // 3)
        _write(figure, left, top - 2 * _HEAD, "\n".join(_said(mistake, table)))
        bottom = top - 2 * _HEAD - INCHES * RAIL - _BEAT[1]
        _draw_row(_axes(figure, left, bottom, across - 6 * _EDGE, _BEAT[1]), mistake, table, segmenter)
    return figure


def _axes(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Axes at a place in inches."""
    wide, tall = figure.get_size_inches()
    return figure.add_axes((x / wide, y / tall, width / wide, height / tall))


def _write(figure: Figure, x: float, y: float, text: str) -> None:
    wide, tall = figure.get_size_inches()
    style: dict[str, Any] = {"fontsize": 9, "color": INK, "va": "bottom", "parse_math": False}
    figure.text(x / wide, (y + 0.04) / tall, text, **style)


def _strip(
    stretch: Stretch,
    beat: int,
    table: BeatTable,
    called: npt.NDArray[np.int64],
    classes: Sequence[str],
    segmenter: Segmenter,
) -> Strip:
    """The recording around a beat, the leads that the model reads first, with its neighbours in the table."""
    rate, record = stretch.rate, table.record[beat]
    own = slice(*np.searchsorted(table.record, [record, record + 1]))
    near = own.start + np.arange(*np.searchsorted(table.sample[own], [stretch.start, stretch.end]))
    read = list(segmenter.leads_taken(stretch.leads))
    others = [i for i in range(len(stretch.leads)) if i not in read][: max(0, LEADS - len(read))]
    at = table.sample[beat] / rate
    return Strip(
        stretch.signal[read + others],
        rate,
        [stretch.leads[i] for i in read + others],
        StripBeats(
            table.sample[near] / rate,
            table.symbol[near].tolist(),
            [table.classes[k] for k in table.label[near]],
            [classes[k] if k >= 0 else "" for k in called[near]],
        ),
        start=stretch.start / rate,
        paper=(at - REACH, at + REACH),
        window=(table.span[beat, 0] / rate, table.span[beat, 1] / rate),
        focus=int(np.flatnonzero(near == beat)[0]),
        marks=[(sample / rate, text) for sample, text in stretch.marks],
        unread=range(len(read), len(read) + len(others)),
    )


def _draw_row(axes: Axes, mistake: _Mistake, table: BeatTable, segmenter: Segmenter) -> None:
    """The beat as the model read it."""
    row = np.asarray(table.signal[mistake.beat])
    n = len(table.leads)
    seconds = np.arange(row.shape[-1]) / table.rate - (segmenter.offset or 0.0)
    usual = row[n : 2 * n] if len(row) > n else None
    between = (mistake.called, mistake.true)
    draw_beat(axes, row[:n], seconds, table.leads, segmenter.unit, usual, mistake.drove, between)
