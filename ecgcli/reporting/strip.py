"""ECG strips as they are drawn on paper: 25 mm/s, 10 mm/mV, every beat with its annotation and its call.

Everything is laid out in millimetres of paper, whatever size the figure is shown at: a small square is 1 mm
(0.04 s), a large one 5 mm (0.2 s). Where a lead would fill more than `TALLEST` mm, the strip is drawn at half
the gain, as an electrocardiograph does, and says so. No pyplot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ecgcli.evaluation.predictions import NORMAL
from ecgcli.reporting.plots import GREY, INK, LINES, VERMILION
from ecgcli.reporting.words import clock

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SPEED = 25.0
"""Of the paper, in mm/s."""

TALLEST = 30.0
"""What a lead may fill, in mm, before the gain is halved."""

INCHES = 0.0489
"""Of the figure, for a millimetre of paper: a quarter more than on paper."""

GUTTER, RAIL, CLOCK = 13.0, 5.5, 4.0  # mm: before the leads; above and under them; for the time
_SMALL, _LARGE, _WINDOW = "#F7E4E1", "#EDC9C3", "#FFF3C4"


@dataclass(frozen=True)
class StripBeats:
    """Beats to mark on a strip.

    Attributes:
        seconds: (k,) where they are, in seconds of the recording.
        symbol: annotation symbol of each, "" where there is none.
        truth: true class of each, "" where it is not known.
        called: class that was predicted, "" where none was.
    """

    seconds: npt.NDArray[np.floating]
    symbol: Sequence[str]
    truth: Sequence[str]
    called: Sequence[str]


@dataclass(frozen=True)
class Strip:
    """A stretch of a recording to draw.

    Attributes:
        signal: (leads, time); NaN where samples are missing.
        rate: samples per second, in Hz.
        leads: names of the leads.
        beats: what to write above the leads (annotation) and under them (call).
        start: time of the first sample, in seconds of the recording.
        paper: from when to when the paper reaches, in seconds; None for as far as the signal does.
        unit: of the signal.
        window: from when to when a model looked, or something happened, in seconds of the recording; tinted.
        focus: index of the beat in question, which is marked.
        marks: (seconds, text) of other annotations: rhythm changes, noise.
        unread: leads that the model did not see, drawn in grey.
    """

    signal: npt.NDArray[np.floating]
    rate: float
    leads: Sequence[str]
    beats: StripBeats
    start: float = 0.0
    paper: tuple[float, float] | None = None
    unit: str = "mV"
    window: tuple[float, float] | None = None
    focus: int | None = None
    marks: Sequence[tuple[float, str]] = ()
    unread: Sequence[int] = ()

    @property
    def reach(self) -> tuple[float, float]:
        """From when to when the paper reaches, in seconds of the recording."""
        return self.paper or (self.start, self.start + self.signal.shape[1] / self.rate)


@dataclass(frozen=True)
class Layout:
    """Where things stand on the paper, in mm.

    Attributes:
        gain: mm for one unit of the signal.
        width: of the strip, with the gutter before it.
        height: of the strip, with its rails.
        zero: (leads,) height of the median of each lead.
        middle: (leads,) that median, in units of the signal.
    """

    gain: float
    width: float
    height: float
    zero: tuple[float, ...]
    middle: tuple[float, ...]


def layout(strip: Strip, tallest: float = TALLEST, doubled: bool = True) -> Layout:
    """Lays a strip out: one gain for all leads, each lead as high as its waves.

    Args:
        strip: what to draw.
        tallest: what a lead may fill, in mm, before the gain is halved.
        doubled: whether small waves are drawn at twice the gain.
    """
    known = [lead[np.isfinite(lead)] for lead in strip.signal]
    reach = [
        (float(lead.min()), float(np.median(lead)), float(lead.max())) if len(lead) else (0.0, 0.0, 0.0)
        for lead in known
    ]
    widest = max(high - low for low, _, high in reach)
    gain = 20.0 if doubled and 0 < 20 * widest <= tallest / 2 else 10.0
    while gain * widest > tallest:
        gain /= 2
    zero, height = [], CLOCK + RAIL
    for low, middle, high in reversed(reach):  # from the bottom up, in large squares
        below, above = (5 * float(np.ceil((gain * part + 1) / 5)) for part in (middle - low, high - middle))
        zero.append(height + below)
        height += below + above
    width = GUTTER + SPEED * (strip.reach[1] - strip.reach[0])
    return Layout(gain, width, height + RAIL, tuple(reversed(zero)), tuple(middle for _, middle, _ in reach))


def strip_figure(strip: Strip) -> Figure:
    """A figure of one strip."""
    paper = layout(strip)
    figure = Figure(figsize=(INCHES * paper.width + 0.2, INCHES * paper.height + 0.2))
    width, height = figure.get_size_inches()
    draw_strip(figure.add_axes((0.1 / width, 0.1 / height, 1 - 0.2 / width, 1 - 0.2 / height)), strip, paper)
    return figure


def draw_strip(axes: Axes, strip: Strip, paper: Layout) -> None:
    """Draws a strip.

    Abnormal beats are coloured, wrong calls white on red.

    Args:
        axes: where to; of the size of the paper times one factor, or squares are none.
        strip: what to draw.
        paper: what `layout` gave for it.
    """
    begin, end = strip.reach
    bottom, top = CLOCK + RAIL, paper.height - RAIL

    def across(seconds: Any) -> Any:
        return GUTTER + SPEED * (np.asarray(seconds) - begin)

    def write(x: float, y: float, text: str, **style: Any) -> None:
        axes.text(x, y, text, **{"fontsize": 6, "color": GREY, "parse_math": False, **style})

    _grid(axes, paper, bottom, top)
    if strip.window is not None:
        left, right = np.clip(across(strip.window), GUTTER, paper.width)
        axes.add_patch(Rectangle((left, bottom), right - left, top - bottom, facecolor=_WINDOW, zorder=0.5))
    x = across(strip.start + np.arange(strip.signal.shape[1]) / strip.rate)
    for i, (lead, name) in enumerate(zip(strip.signal, strip.leads, strict=True)):
        colour, weight = (GREY, "normal") if i in strip.unread else (INK, "bold")
        axes.plot(x, paper.zero[i] + paper.gain * (lead - paper.middle[i]), color=colour, linewidth=0.8)
        write(0.3, paper.zero[i] + 1, name, fontsize=7.5, color=colour, weight=weight)
    _calibration(axes, paper)
    _rails(axes, strip.beats, across, paper, strip.focus)
    for seconds, text in strip.marks:
        write(across(seconds), top - 0.7, text, ha="center", va="top", clip_on=True)
    for second in range(int(np.ceil(begin)), int(end) + 1):
        write(across(second), 0.5, clock(second), ha="center")
    usual = "normal" if paper.gain == 10 else "bold"
    note = f"{SPEED:g} mm/s  {paper.gain:g} mm/{strip.unit}"
    write(paper.width - 0.5, bottom + 0.5, note, color=INK, ha="right", weight=usual)
    axes.set_xlim(0, paper.width)
    axes.set_ylim(0, paper.height)
    axes.set_axis_off()


def _grid(axes: Axes, paper: Layout, bottom: float, top: float) -> None:
    for step, colour, width in ((1, _SMALL, 0.4), (5, _LARGE, 0.6)):
        lines = [((x, bottom), (x, top)) for x in np.arange(GUTTER, paper.width + 0.01, step)]
        lines += [((GUTTER, y), (paper.width, y)) for y in np.arange(bottom, top + 0.01, step)]
        axes.add_collection(LineCollection(lines, colors=colour, linewidths=width, zorder=0.6), autolim=False)


def _calibration(axes: Axes, paper: Layout) -> None:
    """The pulse before the first lead: one unit high (half of one at twice the gain), 0.2 s wide."""
    high = paper.gain * (1 if paper.gain <= 10 else 0.5)
    x = GUTTER - np.array([6.5, 5.5, 5.5, 1.5, 1.5, 0.5])
    y = paper.zero[0] + high * np.array([-0.5, -0.5, 0.5, 0.5, -0.5, -0.5])
    axes.plot(x, y, color=GREY, linewidth=0.7)


def _rails(axes: Axes, beats: StripBeats, across: Any, paper: Layout, focus: int | None) -> None:
    """What each beat is, above the leads, and what it was called, under them."""
    above, under = paper.height - RAIL / 2, CLOCK + RAIL / 2
    annotated = any(beats.truth) or any(beats.symbol)
    for y, text in ((above, "annotated" if annotated else ""), (under, "called")):
        axes.text(0.3, y, text, fontsize=6.5, color=GREY, ha="left", va="center")
    at = across(beats.seconds)
    for i, x in enumerate(at):
        truth, called, symbol = beats.truth[i], beats.called[i], beats.symbol[i]
        text = truth if symbol in ("", truth) else f"{symbol} ({truth})" if truth != NORMAL else symbol
        axes.text(x, above, text, **_letter(truth, i == focus))
        if called:
            wrong = bool(truth) and truth != called
            box = {"bbox": {"boxstyle": "round,pad=0.2", "facecolor": VERMILION, "edgecolor": "none"}}
            style = _letter(called, i == focus) | (
                {"color": "white", "weight": "bold"} | box if wrong else {}
            )
            axes.text(x, under, called, **style)
    if focus is not None:
        ends = [CLOCK + RAIL, paper.height - RAIL]
        axes.plot([at[focus]] * 2, ends, color=INK, linewidth=0.7, linestyle=(0, (2, 2)), zorder=0.8)
        axes.plot(at[focus], ends[1], "v", color=INK, markersize=4.5)


def _letter(name: str, focus: bool) -> dict[str, Any]:
    abnormal = name not in ("", NORMAL)
    return {
        "fontsize": 9.5 if focus else 8,
        "color": LINES.get(name, (INK, ""))[0] if abnormal else GREY,
        "weight": "bold" if abnormal or focus else "normal",
        "ha": "center",
        "va": "center",
        "clip_on": True,
    }
