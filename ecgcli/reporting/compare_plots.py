"""Figures of a comparison: differences with their intervals, scores of every seed, misses against alarms."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from ecgcli.evaluation.comparison import Comparison
from ecgcli.evaluation.predictions import NORMAL
from ecgcli.reporting.certainty_plots import misses_against_false_alarms
from ecgcli.reporting.compare_tables import short_title, title
from ecgcli.reporting.plots import BLUE, GREY, INK, VERMILION, margins, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#222222", "#8C8C8C")
MARKS = ("o", "s", "^", "D", "v", "P", "X")
ACROSS = 4
"""Panels side by side."""


def differences(comparison: Comparison) -> Figure:
    """A forest plot: a panel a score, a line a pair; what is right of zero is better."""
    pairs = list(dict.fromkeys((one.row, one.reference) for one in comparison.differences))
    names = [" − ".join(comparison.rows[place].letter for place in one) for one in pairs]
    figure, panels = _panels(comparison, names, left=0.9)
    for k, (axes, score) in enumerate(zip(panels, comparison.scores, strict=False)):
        axes.axvline(0, color=INK, linewidth=1)
        scale = 100 if score.percent else 1
        reach = 0.0
        for one in (one for one in comparison.differences if one.score == k):
            y = pairs.index((one.row, one.reference))
            if one.value is None:
                axes.text(0, y, " does not exist", va="center", fontsize=8, style="italic", color=GREY)
                continue
            better = (one.value < 0) == score.low
            colour = (BLUE if better else VERMILION) if one.clear else GREY
            if one.interval:
                axes.plot(scale * np.array(one.interval), [y, y], color=colour, linewidth=2.2)
                reach = max(reach, *(abs(scale * end) for end in one.interval))
            face = colour if one.clear else "white"
            axes.plot(scale * one.value, y, "o", color=colour, mfc=face, mew=1.6, markersize=6.5, zorder=3)
            reach = max(reach, abs(scale * one.value))
        reach = 1.12 * reach or 1.0
        axes.set_xlim((reach, -reach) if score.low else (-reach, reach))
        axes.set_title(score.name, fontsize=9.5, loc="left")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:+g}".replace("-", "−") if value else "0")
    return figure


def seeds(comparison: Comparison) -> Figure:
    """A panel a score, a line a row: a ring a seed, a bar at their mean."""
    names = [short_title(row) for row in comparison.rows]
    longest = max(map(len, names))
    figure, panels = _panels(comparison, names, left=max(0.6, 0.35 + 0.075 * longest))
    for axes, score in zip(panels, comparison.scores, strict=False):
        scale = 100 if score.percent else 1
        for y, row in enumerate(comparison.rows):
            known = [scale * value for value in row.values(score, comparison.part) if value is not None]
            colour = COLOURS[y % len(COLOURS)]
            axes.plot(known, [y] * len(known), "o", color=colour, mfc="none", mew=1.4, markersize=6)
            if len(known) > 1:
                middle = float(np.mean(known))
                axes.plot([middle, middle], [y - 0.32, y + 0.32], color=colour, linewidth=2.6)
            if not known:
                axes.text(
                    0.02,
                    y,
                    "none",
                    va="center",
                    fontsize=8,
                    style="italic",
                    color=GREY,
                    transform=axes.get_yaxis_transform(),
                )
        shown = [value for row in comparison.rows for value in row.values(score, comparison.part)]
        known = [scale * value for value in shown if value is not None] or [0.0]
        room = max(0.12 * (max(known) - min(known)), 0.006 * scale)
        axes.set_xlim(min(known) - room, max(known) + room)
        axes.set_title(score.name + (", %" if score.percent else ""), fontsize=9.5, loc="left")
    return figure


def misses(comparison: Comparison) -> Figure | None:
    """Missed abnormal beats against false alarms: the whole trade-off of every run, and where it decides.

    None where there is no normal class, or no abnormal beat.
    """
    if not all(len(curve["missed"]) for curves in comparison.curves for curve in curves):
        return None
    columns = 2 if max(len(row.name) for row in comparison.rows) < 45 else 1
    below = 0.75 + 0.19 * -(-len(comparison.rows) // columns)
    figure = Figure(figsize=(8.2, 4.3 + below))
    axes = figure.subplots()
    margins(figure, left=0.65, right=0.3, bottom=below, top=0.1, between=(0, 0))
    plain(axes)
    styles = zip(comparison.rows, comparison.curves, cycle(COLOURS), cycle(MARKS), strict=False)
    for row, curves, colour, mark in styles:
        for curve in curves:
            x, y = curve["false_alarms_per_1000_normal"], 100 * curve["missed"]
            axes.plot(x, y, color=colour, linewidth=0.9, alpha=0.55)
        places = np.array([_decided(run.metrics[comparison.part], comparison) for run in row.runs])
        style: dict[str, Any] = {"color": colour, "linestyle": "", "clip_on": False}
        axes.plot(*places.T, marker=mark, markersize=4.5, mfc="white", **style)
        axes.plot(*places.mean(axis=0), marker=mark, markersize=10, label=title(row), zorder=4, **style)
    misses_against_false_alarms(axes)
    figure.legend(frameon=False, fontsize=8.5, loc="lower center", ncols=columns)
    return figure


def _decided(scored: Any, comparison: Comparison) -> tuple[float, float]:
    """Where a run decides: false alarms per 1,000 normal beats, percent of abnormal beats missed."""
    normal = scored["per_class"][NORMAL]["recall"]
    return 1000 * (1 - normal), 100 * scored["abnormal_called_normal"]


def _panels(comparison: Comparison, names: list[str], left: float) -> tuple[Figure, list[Axes]]:
    down = -(-len(comparison.scores) // ACROSS)
    high = 0.3 + 0.27 * max(2, len(names))
    figure = Figure(figsize=(10.8, 0.3 + down * (high + 0.62)))
    grid = figure.subplots(down, ACROSS, squeeze=False)
    margins(figure, left=left, right=0.15, bottom=0.35, top=0.35, between=(0.4, 0.7))
    for place, axes in enumerate(grid.flat):
        if place >= len(comparison.scores):
            axes.set_axis_off()
            continue
        plain(axes)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_yticks(range(len(names)), names if place % ACROSS == 0 else [""] * len(names))
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color="#E5E5E5", linewidth=0.8)
        axes.locator_params(axis="x", nbins=4)
    return figure, list(grid.flat)
