"""Which records carry which class, as a map of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ecgcli.beats.overview import Overview
from ecgcli.reporting.describe_plots import WIDTH, label_width, shown, with_name
from ecgcli.reporting.plots import GREY, INK
from ecgcli.reporting.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAMED = 3120
"""Cells, up to which every record has its name below its column; of more, only narrow columns are shown."""


def names_records(overview: Overview) -> bool:
    """Whether the map has room for the names of the records."""
    return overview.counts.size <= NAMED


def records_by_class(overview: Overview, groups: Mapping[str, Sequence[int]]) -> Figure:
    """A cell a record and class, the stronger its colour the more beats; a dot where there is none.

    Args:
        overview: the counts.
        groups: title → places of the records that stand below it ("" for no title).
    """
    columns = _columns(groups)
    named = names_records(overview)
    per_line = min(max(20, len(columns)), 52 if named else 200)
    lines = [columns[i : i + per_line] for i in range(0, len(columns), per_line)]
    classes, top = overview.classes, max(1, int(overview.counts.max(initial=0)))
    cell = 0.27 if len(classes) <= 12 else 0.19
    below = 0.14 + (0.066 * max(len(shown(r, 14)) for r in overview.records) if named else 0.0)
    titles = 0.3 if any(groups) else 0.08
    line_height = titles + cell * len(classes) + below
    legend = 0.28
    height = legend + line_height * len(lines)
    left, right = label_width([with_name(c) for c in classes]), 1.2
    figure = Figure(figsize=(WIDTH, height))
    for i, line in enumerate(lines):
        bottom = height - legend - (i + 1) * line_height + below
        axes = figure.add_axes(
            (left / WIDTH, bottom / height, (WIDTH - left - right) / WIDTH, cell * len(classes) / height)
        )
        _cells(axes, overview, line, per_line, top)
        _group_titles(axes, line, groups)
        size = 8.0 if len(classes) <= 12 else 7.0
        axes.set_yticks(range(len(classes)), [with_name(c) for c in classes], fontsize=size)
        if i == 0:
            carried = (overview.counts > 0).sum(axis=0)
            for k, n in enumerate(carried):
                said = f"{n:,} of {counted(len(overview.records), 'record')}"
                axes.text(len(line) - 0.5 + per_line / 150, k, said, va="center", fontsize=size, color=INK)
        if named:
            names = [(x, shown(overview.records[r], 14)) for x, r in enumerate(line) if r is not None]
            axes.set_xticks([x for x, _ in names], [name for _, name in names], rotation=90, fontsize=7.5)
    _count_legend(figure, top, height)
    return figure


def _columns(groups: Mapping[str, Sequence[int]]) -> list[int | None]:
    """Places of records in the order of the groups, with an empty column between groups."""
    columns: list[int | None] = []
    for group in groups.values():
        if columns and len(group):
            columns.append(None)
        columns += [int(i) for i in group]
    return columns


def _shade(counts: npt.NDArray[Any], top: int) -> npt.NDArray[np.float64]:
    """0.22 for one beat up to 1 for the most there are, by the logarithm."""
    return np.asarray(0.22 + 0.78 * np.log(np.maximum(counts, 1)) / max(np.log(top), 1e-9))


def _cells(axes: Axes, overview: Overview, line: Sequence[int | None], per_line: int, top: int) -> None:
    places = [(x, record) for x, record in enumerate(line) if record is not None]
    counts = overview.counts[[record for _, record in places]]
    at, k = np.nonzero(counts)
    x, n = np.array([x for x, _ in places])[at], counts[at, k]
    # cells of their own and not an image: what is between them stays as transparent as the rest
    half = 0.45 if per_line <= 60 else 0.5
    corners = np.array([(-half, -0.45), (half, -0.45), (half, 0.45), (-half, 0.45)])
    colours = colormaps["Blues"](_shade(n, top))
    axes.add_collection(PolyCollection(np.stack([x, k], axis=1)[:, None] + corners, facecolors=colours))
    if per_line <= 60:
        at, k = np.nonzero(counts == 0)
        axes.scatter(np.array([x for x, _ in places])[at], k, s=2.5, color=GREY, linewidths=0)
    if per_line <= 24:
        for place, record in places:
            for row in np.flatnonzero(overview.counts[record]).tolist():
                beats = overview.counts[record, row]
                ink = "white" if _shade(beats, top) > 0.6 else INK
                axes.text(place, row, f"{beats:,}", ha="center", va="center", fontsize=7, color=ink)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.patch.set_alpha(0)
    axes.set_xlim(-0.5, per_line - 0.5)
    axes.set_ylim(len(overview.classes) - 0.5, -0.5)


def _group_titles(axes: Axes, line: Sequence[int | None], groups: Mapping[str, Sequence[int]]) -> None:
    for title, group in groups.items():
        places = [x for x, record in enumerate(line) if record is not None and record in set(group)]
        if title and places:
            axes.text(places[0] - 0.5, -0.75, title, va="bottom", fontsize=8.5, color=INK, clip_on=False)


def _count_legend(figure: Figure, top: int, height: float) -> None:
    levels = [n for n in (1, 10, 100, 1_000, 10_000, 100_000) if n <= top]
    entries = [
        Patch(facecolor=colormaps["Blues"](float(_shade(np.array(n), top))), label=f"{n:,}") for n in levels
    ]
    figure.legend(
        handles=entries,
        loc="upper left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=len(entries),
        frameon=False,
        fontsize=8,
        handlelength=1.3,
        columnspacing=1.4,
        borderaxespad=0.1,
    )
