"""Figures of a data set before anything is learnt from it: which beats there are and what they look like."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from ecgcli.beats.neighbours import NEAR, Memory
from ecgcli.beats.overview import Overview
from ecgcli.recordings.aami import CLASS_NAMES
from ecgcli.reporting.plots import BLUE, GREY, INK, LINES, VERMILION, margins

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 11.25
"""Of the page's pictures, in inches."""

ACROSS = 5
"""Classes side by side; more stand below one another."""

OWN = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#4D4D4D")
"""Colours of classes that are not those of the standard, over and over."""

_RULE = "#D8DCE1"


def colours(classes: Sequence[str]) -> dict[str, str]:
    """Class → colour; those of the standard have always the same one."""
    if set(classes) <= set(CLASS_NAMES):
        return {name: LINES[name][0] if name in LINES else "#4D4D4D" for name in classes}
    return {name: OWN[k % len(OWN)] for k, name in enumerate(classes)}


def shown(name: str, width: int = 26) -> str:
    """A name as matplotlib may print it: no mathematics, no line breaks, not too long."""
    plain = " ".join(str(name).split())
    return (plain if len(plain) <= width else plain[: width - 1] + "…").replace("$", r"\$")


# -- what the beats look like --------------------------------------------------------------------------


def class_shapes(
    overview: Overview, rate: float, offset: float | None, leads: Sequence[str], unit: str
) -> Figure:
    """Mean and spread of every class's beats over some of the beats themselves, a row a lead."""
    figure, panels, time = _panels(overview, rate, offset, leads, unit)
    colour = colours(overview.classes)
    for axes, name, lead in panels:
        shape = overview.shapes[name]
        mean, spread = shape.mean[lead], shape.spread[lead]
        _lines(axes, time, shape.examples[:, lead], color=GREY, linewidths=0.5, alpha=0.3)
        axes.fill_between(time, mean - spread, mean + spread, color=colour[name], alpha=0.25, linewidth=0)
        axes.plot(time, mean, color=colour[name], linewidth=1.8)
    return figure


def record_means(
    overview: Overview, rate: float, offset: float | None, leads: Sequence[str], unit: str
) -> Figure:
    """The mean beat of every record, a thin line each, around the mean of all beats of the class."""
    figure, panels, time = _panels(overview, rate, offset, leads, unit, of_records=True)
    colour = colours(overview.classes)
    for axes, name, lead in panels:
        k = overview.classes.index(name)
        present = overview.counts[:, k] > 0
        few = min(0.8, 20 / max(1, int(present.sum())))
        means = overview.record_means[present, k, lead]
        # the mean of a few beats is noise more than patient, and is drawn fainter
        weight = np.clip(np.log10(overview.counts[present, k] + 1) / 2, 0.25, 1)
        _lines(axes, time, means, color=colour[name], linewidths=0.7, alpha=max(0.2, few) * weight)
        axes.plot(time, overview.shapes[name].mean[lead], color=INK, linewidth=1.6, linestyle=(0, (4, 1.5)))
    return figure


def _panels(
    overview: Overview,
    rate: float,
    offset: float | None,
    leads: Sequence[str],
    unit: str,
    of_records: bool = False,
) -> tuple[Figure, Iterator[tuple[Axes, str, int]], npt.NDArray[np.float64]]:
    """A grid of panels, a column a class and a row a lead, in bands of `ACROSS` classes."""
    classes = [name for name in overview.classes if name in overview.shapes]
    across = max(1, min(ACROSS, len(classes)))
    bands = max(1, -(-len(classes) // across))
    rows = bands * len(leads)
    title = 0.62
    width = min(WIDTH, 1.0 + 3.4 * across)
    tall = 1.75 if len(leads) <= 3 else 1.2
    gaps = [title if row % len(leads) == 0 else 0.16 for row in range(rows)]
    height = 0.55 + sum(gaps) + tall * rows
    figure = Figure(figsize=(width, height))
    left, between = 0.62, 0.2
    each = (width - left - 0.1 - between * (across - 1)) / across
    limits = [_limits(overview, lead, of_records) for lead in range(len(leads))]
    samples = next(iter(overview.shapes.values())).mean.shape[-1] if classes else 1
    time = 1000 * (np.arange(samples) / rate - (offset or 0.0))
    panels = []
    top = height
    for row in range(rows):
        top -= gaps[row] + tall
        band, lead = divmod(row, len(leads))
        members = classes[band * across : (band + 1) * across]
        for column, name in enumerate(members):
            box = (left + column * (each + between), top, each, tall)
            axes = figure.add_axes((box[0] / width, box[1] / height, box[2] / width, box[3] / height))
            _bare(axes)
            axes.set_xlim(time[0], time[-1])
            axes.set_ylim(*limits[lead])
            axes.locator_params(axis="x", nbins=5)
            axes.locator_params(axis="y", nbins=5)
            axes.tick_params(labelleft=column == 0, labelbottom=lead == len(leads) - 1)
            if offset is not None:
                axes.axvline(0, color=_RULE, linewidth=1, zorder=0)
            if lead == 0:
                axes.set_title(_panel_title(overview, name, of_records), fontsize=8.5, loc="left", color=INK)
            if column == 0:
                axes.set_ylabel(f"{shown(leads[lead], 14)} ({unit})", fontsize=8.5)
            panels.append((axes, name, lead))
    about = "time from R (ms)" if offset is not None else "time from the first sample (ms)"
    figure.text((left + 0.0) / width, 0.1 / height, about, fontsize=8.5, color=INK)
    return figure, iter(panels), time


def _panel_title(overview: Overview, name: str, of_records: bool) -> str:
    k = overview.classes.index(name)
    full = f"{name}  {CLASS_NAMES[name]}" if name in CLASS_NAMES else name
    first = "\n".join(textwrap.wrap(shown(full, 52), 28, max_lines=2, placeholder="…"))
    if of_records:
        n = int((overview.counts[:, k] > 0).sum())
        return f"{first}\n{n:,} record{'' if n == 1 else 's'}"
    n = overview.shapes[name].beats
    return f"{first}\n{n:,} beat{'' if n == 1 else 's'}"


def _limits(overview: Overview, lead: int, of_records: bool) -> tuple[float, float]:
    """Where nearly all of what is drawn lies: a few wild beats must not flatten the others."""
    low, high = np.inf, -np.inf
    for name, shape in overview.shapes.items():
        drawn = shape.examples[:, lead]
        if of_records:
            k = overview.classes.index(name)
            drawn = overview.record_means[overview.counts[:, k] > 0, k, lead]
        spread = 0 if of_records else shape.spread[lead]
        edges = [shape.mean[lead] - spread, shape.mean[lead] + spread]
        if len(drawn):
            edges += list(np.nanpercentile(drawn, [4, 96], axis=0))
        low, high = min(low, float(np.nanmin(edges))), max(high, float(np.nanmax(edges)))
    if not np.isfinite([low, high]).all():
        return -1.0, 1.0
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room


def _lines(
    axes: Axes, time: npt.NDArray[np.floating], traces: npt.NDArray[np.floating], **style: Any
) -> None:
    if len(traces):
        points = np.empty((*traces.shape, 2))
        points[..., 0], points[..., 1] = time, traces
        axes.add_collection(LineCollection(list(points), **style), autolim=False)


# -- how they follow one another -----------------------------------------------------------------------


def intervals_by_class(overview: Overview) -> Figure | None:
    """How long the RR interval before the beats of each class is, a row a class; None where nobody knows."""
    known = {
        name: overview.intervals[name] for name in overview.classes if len(overview.intervals.get(name, ()))
    }
    if not known:
        return None
    every = np.concatenate(list(known.values()))
    end = float(min(max(np.percentile(values, 99) for values in known.values()), 2.6, every.max())) * 1.05
    edges = np.linspace(0, max(end, 0.1), 131)
    left = label_width([with_name(name) for name in known])
    tall = 0.52 if len(known) <= 12 else 0.36
    height = 1.0 + tall * len(known)
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.subplots()
    margins(figure, left=left, right=2.2, bottom=0.5, top=0.45, between=(0, 0))
    _bare(axes)
    colour = colours(overview.classes)
    for row, (name, values) in enumerate(known.items()):
        density = _smooth(np.histogram(values, edges)[0].astype(np.float64))
        density *= 0.82 / max(density.max(), 1e-12)
        centres, base = (edges[1:] + edges[:-1]) / 2, len(known) - 1 - row
        axes.fill_between(centres, base, base + density, color=colour[name], alpha=0.45, linewidth=0)
        axes.plot(centres, base + density, color=colour[name], linewidth=1.1)
        axes.axhline(base, color=_RULE, linewidth=0.8, zorder=0)
        low, median, high = np.percentile(values, [25, 50, 75])
        axes.plot([low, high], [base, base], color=INK, linewidth=3, solid_capstyle="butt")
        axes.plot([median, median], [base - 0.07, base + 0.3], color=INK, linewidth=1.6)
        said = f"{median:.2f} s  ({low:.2f} to {high:.2f})"
        axes.text(1.015, base + 0.12, said, transform=axes.get_yaxis_transform(), fontsize=8.5, color=INK)
    axes.text(1.015, len(known) - 0.05, "median (middle half)", transform=axes.get_yaxis_transform(),
              fontsize=8.5, color=GREY)  # fmt: skip
    axes.set_yticks([len(known) - 1 - row + 0.12 for row in range(len(known))], [with_name(n) for n in known])
    axes.tick_params(axis="y", length=0, labelsize=8.5)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(-0.15, len(known))
    axes.set_xlim(0, edges[-1])
    axes.set_xlabel("RR interval before the beat (s)", fontsize=8.5)
    per_minute = [rate for rate in (30, 40, 50, 60, 80, 100, 150, 200, 300) if 60 / rate <= edges[-1]]
    above = axes.secondary_xaxis("top")
    above.set_xticks([60 / rate for rate in per_minute], [str(rate) for rate in per_minute])
    above.tick_params(labelsize=8, color=GREY, labelcolor=GREY, length=3)
    above.spines["top"].set_visible(False)
    axes.text(-0.012, 1.0, "beats per minute", transform=axes.transAxes, ha="right", va="bottom", fontsize=8,
              color=GREY)  # fmt: skip
    return figure


def _smooth(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Neighbouring bins averaged by a triangle of five: shapes, not the noise of a few beats."""
    return np.convolve(counts, np.array([1, 2, 3, 2, 1]) / 9, mode="same")


# -- how near the nearest training beat is -------------------------------------------------------------


def nearest_distances(memory: Memory) -> Figure:
    """How far the nearest training beat is, of all subjects and of other ones, in shares of its size."""
    sides = [("nearest of all training beats", memory.everyone.distance, VERMILION)]
    if memory.others is not None:
        sides.append(("nearest of those of other patients", memory.others.distance, BLUE))
    finite = [np.asarray(distance)[np.isfinite(distance)] for _, distance, _ in sides]
    together = np.concatenate([*finite, [2 * NEAR]])
    edges = np.linspace(0, min(2.0, float(np.percentile(together, 99.5)) * 1.02), 61)
    figure = Figure(figsize=(7.0, 2.5))
    axes = figure.subplots()
    margins(figure, left=0.62, right=0.1, bottom=0.5, top=0.12, between=(0, 0))
    _bare(axes)
    for (name, _, colour), values in zip(sides, finite, strict=True):
        share = 100 * np.histogram(values, edges)[0] / max(1, len(values))
        axes.stairs(share, edges, fill=True, color=colour, alpha=0.25)
        axes.stairs(share, edges, color=colour, linewidth=1.5, label=name)
    axes.axvline(NEAR, color=GREY, linewidth=1, linestyle=(0, (4, 2)))
    top = 1.12 * axes.get_ylim()[1]  # room for the words
    axes.text(NEAR, top, " near-identical to its left", va="top", fontsize=8, color=GREY)
    axes.set_xlim(0, edges[-1])
    axes.set_ylim(0, top)
    axes.set_xlabel("difference to the nearest training beat, over the beat's own size", fontsize=8.5)
    axes.set_ylabel(f"{memory.part} beats (%)", fontsize=8.5)
    axes.legend(frameon=False, fontsize=8.5, loc="upper right")
    return figure


# -- common --------------------------------------------------------------------------------------------


def _bare(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(labelsize=8, color=GREY)
    axes.set_axisbelow(True)
    axes.patch.set_alpha(0)


def with_name(name: str) -> str:
    """A class with its full name, as it stands beside a row."""
    return shown(f"{name}  {CLASS_NAMES[name]}" if name in CLASS_NAMES else name, 34)


def label_width(names: Sequence[str]) -> float:
    """Inches that the longest name takes."""
    return 0.15 + 0.063 * max((len(name) for name in names), default=1)
