"""Figures of how certain a model is: the whole trade-off, calibration, and what a review would save.

They are drawn from the plain data that `ecgcli.evaluation` gives and `metrics.json` holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from ecgcli.reporting.plots import BLUE, GREY, INK, LINES, VERMILION, margins, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEW = 20
"""Beats of a bin below which its point is drawn open: it may be luck."""


def trade_off(
    curve: Mapping[str, Any],
    points: Mapping[str, Mapping[str, Any]],
    by_class: Mapping[str, Mapping[str, Any]] | None = None,
    beside: tuple[str, Mapping[str, Any], Mapping[str, Any] | None] | None = None,
) -> Figure:
    """Missed abnormal beats against false alarms, with the points at which decisions are made.

    Args:
        curve: what `ecgcli.evaluation.trade_off.trade_off_curve` gave.
        points: name → what `point_costs` gave; the first, drawn full, is the one the run decides at.
        by_class: class → the curve of its beats alone, of the classes to draw.
        beside: name, curve and, where there is one, costs of another model on the same beats.
    """
    figure = Figure(figsize=(8.2, 5.4))
    axes = figure.subplots()
    margins(figure, left=0.65, right=0.3, bottom=1.15, top=0.1, between=(0, 0))
    plain(axes)
    for name, one in (by_class or {}).items():
        colour, dashes = LINES.get(name, (GREY, "-"))
        axes.plot(*_missed(one), color=colour, linestyle=dashes, linewidth=1.3, label=f"{name} alone")
    if beside:
        axes.plot(*_missed(beside[1]), color=BLUE, linestyle="--", linewidth=1.8, label=beside[0])
    axes.plot(*_missed(curve), color=INK, linewidth=2.2, label="this run" if beside else "all abnormal beats")
    style: dict[str, Any] = {"linestyle": "", "markersize": 9, "markeredgewidth": 1.8, "clip_on": False}
    for i, (name, costs) in enumerate(points.items()):
        if costs.get("missed_share") is None or costs.get("false_alarms_per_1000_normal") is None:
            continue
        face = VERMILION if i == 0 else "white"
        axes.plot(*_place(costs), marker="o", mec=VERMILION, mfc=face, label=name, zorder=4, **style)
    if beside and beside[2] and beside[2].get("false_alarms_per_1000_normal") is not None:
        name = "the other, as sensitive on validation as this run"
        axes.plot(*_place(beside[2]), marker="D", mec=BLUE, mfc="white", label=name, zorder=3, **style)
    misses_against_false_alarms(axes)
    columns = 2 if beside else 3  # the other run's name is long
    figure.legend(frameon=False, fontsize=8.5, loc="lower center", ncols=columns)
    return figure


def reliability(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Figure:
    """How often the most probable class is right, by how sure the model is of it.

    Args:
        before: what `ecgcli.evaluation.calibration.reliability_bins` gave without calibration; None leaves
            it out.
        after: the same of the probabilities that are used; None leaves it out.
    """
    figure = Figure(figsize=(5.6, 6.0))
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    margins(figure, left=0.75, right=0.2, bottom=0.55, top=0.1, between=(0, 0.15))
    shown = [
        (bins, name, colour, mark)
        for bins, name, colour, mark in ((before, "before", GREY, "s"), (after, "after", BLUE, "o"))
        if bins
    ]
    for one in (axes, counts):
        plain(one)
        one.grid(color="#E5E5E5", linewidth=0.8)
    axes.plot([0, 100], [0, 100], color=INK, linewidth=1, linestyle=(0, (4, 3)), label="as sure as right")
    for bins, name, colour, mark in shown:
        n = np.array(bins["count"])
        sure, right = (100 * _numbers(bins[key]) for key in ("confidence", "accuracy"))
        axes.plot(sure[n > 0], right[n > 0], color=colour, linewidth=1.2)
        name = f"{name} calibration" if len(shown) > 1 else "the model's probabilities"
        for many in (True, False):
            some = (n > 0) & ((n >= FEW) == many)
            face, label = (colour, name) if many else ("white", "")
            axes.plot(
                sure[some], right[some], mark, color=colour, mfc=face, markersize=6.5, label=label, zorder=3
            )
        edges = 100 * np.append(bins["low"], bins["high"][-1])
        counts.stairs(np.maximum(n, 0.1), edges, color=colour, linewidth=1.6)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    axes.set_ylabel("of these beats right (%)")
    axes.legend(frameon=False, fontsize=8.5, loc="upper left")
    counts.set_yscale("log")
    counts.set_ylim(bottom=0.5)
    counts.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    counts.set_ylabel("beats")
    counts.set_xlabel("probability of the most probable class (%)")
    return figure


def risk_coverage(curve: Mapping[str, Any], shares: Sequence[Mapping[str, Any]] = ()) -> Figure:
    """What stays wrong and missed when the least certain beats go to a person.

    Args:
        curve: what `ecgcli.evaluation.review.risk_coverage` gave.
        shares: what `review_share` gave for the same beats; each threshold is a point on the curve.
    """
    figure = Figure(figsize=(8.2, 4.2))
    axes = figure.subplots()
    margins(figure, left=0.65, right=0.3, bottom=0.55, top=0.1, between=(0, 0))
    plain(axes)
    coverage = _numbers(curve["coverage"])
    handed, wrong = 100 * (1 - coverage), 100 * _numbers(curve["error_rate"])
    many = coverage * curve["beats"] >= FEW
    label = "of the beats kept, wrong"
    axes.plot(handed[many], wrong[many], color=BLUE, linewidth=1.8, linestyle="--", label=label)
    tops = [wrong[0]]
    if curve.get("missed"):
        missed = 100 * _numbers(curve["missed"])
        tops.append(missed[0])
        axes.plot(handed, missed, color=VERMILION, linewidth=2.2, label="of all abnormal beats, missed")
    aims: dict[tuple[float, float], list[str]] = {}
    for share in shares:
        shown = share.get("shown")
        if shown and shown["missed"] is not None:
            place = (100 * shown["handed_over"], 100 * shown["missed"])
            aims.setdefault(place, []).append(f"{100 * share['target']:g}")
    for (x, y), targets in aims.items():
        tops.append(y)
        axes.plot(x, y, "o", mfc="white", mec=VERMILION, mew=1.8, markersize=8, zorder=3, clip_on=False)
        said = f"aim: at most {', '.join(targets)}%"
        axes.annotate(said, (x, y), (7, 7), textcoords="offset points", fontsize=8.5, color=INK)
    axes.set_xscale("function", functions=(_root, _square))
    axes.set_xlim(0, 100)
    axes.set_xticks([0, 1, 5, 10, 20, 30, 50, 75, 100])
    axes.set_ylim(0, 1.12 * max(*tops, 0.1))
    axes.grid(color="#E5E5E5", linewidth=0.8)
    axes.set_xlabel("beats handed to a person, the least certain first (%)")
    axes.set_ylabel("%")
    axes.legend(frameon=False, fontsize=8.5, loc="upper right")
    return figure


def _missed(curve: Mapping[str, Any]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    return _numbers(curve["false_alarms_per_1000_normal"]), 100 * _numbers(curve["missed"])


def _place(costs: Mapping[str, Any]) -> tuple[float, float]:
    return costs["false_alarms_per_1000_normal"], 100 * costs["missed_share"]


def _numbers(values: Any) -> npt.NDArray[np.float64]:
    """As an array; None becomes NaN, which is not drawn."""
    return np.asarray(values, dtype=np.float64)


def _root(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.sqrt(np.maximum(values, 0))


def _square(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.square(values)


def misses_against_false_alarms(axes: Axes) -> None:
    """Scales and labels of the plane in which a trade-off is drawn; both axes begin at none."""
    axes.set_xscale("symlog", linthresh=0.1, linscale=0.4)
    axes.set_yscale("symlog", linthresh=0.1, linscale=0.4)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.set_xlim(0, 1000)
    axes.set_ylim(0, 100)
    axes.grid(color="#E5E5E5", linewidth=0.8)
    axes.set_xlabel("false alarms per 1,000 normal beats")
    axes.set_ylabel("abnormal beats called normal (%)")
