"""Figures of a run. Each function takes scores or arrays and gives a `matplotlib.figure.Figure`.

Colours are those of Okabe & Ito (2008), which colour-blind people tell apart; lightness, line style or a
number beside the mark says the same again, for a print in grey. No pyplot: nothing global is touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ecgcli.files import whole
from ecgcli.recordings.aami import CLASS_NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, VERMILION, GREY, INK = "#0072B2", "#D55E00", "#8C8C8C", "#222222"
PARTS = {"train": ("#12466B", "o"), "validation": ("#56B4E9", "s"), "test": ("#F0E442", "^")}
"""Colour and mark of a part: dark, middle and light when printed in grey."""

LINES: dict[str, tuple[str, Any]] = {
    "S": ("#0072B2", "--"),
    "V": ("#D55E00", "-."),
    "F": ("#009E73", ":"),
    "Q": ("#CC79A7", (0, (6, 1))),
}
"""Colour and dashes of the curve of an abnormal class."""


def confusion_matrix(confusion: Sequence[Sequence[int]], classes: Sequence[str], title: str = "") -> Figure:
    """Counts and shares of each row: what became of the beats of a class.

    Args:
        confusion: (classes, classes) counts, the true class down and the predicted class across.
        classes: names of the classes.
        title: above the matrix.
    """
    counts = np.asarray(confusion)
    support = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, support, out=np.zeros(counts.shape), where=support > 0)
    size = 1.6 + 0.85 * len(classes)
    figure, axes = _figure((size + 0.9, size))
    # A square root, since what matters is the difference between 0, 1 and 10%.
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(*counts.shape):
        dark = shares[row, column] > 0.36
        style: dict[str, Any] = {"ha": "center", "va": "center", "color": "white" if dark else INK}
        if support[row, 0]:
            weight = "bold" if row == column else "normal"
            axes.text(column, row - 0.12, f"{counts[row, column]:,}", fontsize=9.5, weight=weight, **style)
            axes.text(column, row + 0.2, f"{shares[row, column]:.1%}", fontsize=7.5, **style)
        elif column == (len(classes) - 1) // 2:
            axes.text(column, row, "no beats", fontsize=8, style="italic", **style)
    axes.set_xticks(range(len(classes)), [str(name) for name in classes])
    axes.set_yticks(
        range(len(classes)), [f"{name}\n{n:,}" for name, n in zip(classes, support[:, 0], strict=True)]
    )
    axes.set_xticks(np.arange(len(classes) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(classes) - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class, beats")
    _title(axes, title)
    return figure


def class_bars(score: Mapping[str, Any], classes: Sequence[str], title: str = "") -> Figure:
    """Recall, share of wrong predictions and share called normal, a row a class.

    Args:
        score: what `ecgcli.evaluation.metrics.score` gave.
        classes: names of the classes.
        title: above the panels.
    """
    panels = (
        ("recall", "recall (%)", BLUE),
        ("wrong_share", "of its predictions\nwrong (%)", GREY),
        ("called_normal", "called normal (%)", VERMILION),
    )
    figure = Figure(figsize=(8.2, 1.5 + 0.42 * len(classes)), layout="constrained")
    rows: list[Axes] = list(figure.subplots(1, 3, sharey=True))
    for axes, (key, name, colour) in zip(rows, panels, strict=True):
        plain(axes)
        values = [score["per_class"][c][key] for c in classes]
        shown = [0 if value is None else 100 * value for value in values]
        axes.barh(range(len(classes)), shown, color=colour, height=0.62)
        limit = 100 if key == "recall" else next(top for top in (5, 10, 20, 40, 60, 100) if max(shown) <= top)
        for row, (c, value) in enumerate(zip(classes, values, strict=True)):
            text = _absent(c, key, score) if value is None else f"{100 * value:.1f}"
            style = "italic" if value is None else "normal"
            axes.text(shown[row] + 0.02 * limit, row, text, va="center", fontsize=8.5, style=style, color=INK)
        axes.set_xlim(0, 1.4 * limit)
        axes.set_xticks([0, limit / 2, limit], ["0", f"{limit / 2:.3g}", f"{limit:.3g}"])
        axes.spines["bottom"].set_bounds(0, limit)
        axes.set_xlabel(name)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
    rows[0].set_yticks(range(len(classes)), [f"{_full(c)}\n{_beats(c, score)}" for c in classes])
    rows[0].invert_yaxis()
    if title:
        figure.suptitle(title, fontsize=10.5, x=0.01, ha="left")
    return figure


def learning_curves(curves: Mapping[str, Any]) -> Figure:
    """Losses, macro-F1 and learning rate over the optimizer steps, a column a network, a line a fold.

    Args:
        curves: network name (`all`, or `fold0/all`) → table (DataFrame, lists by column, or a dictionary a
            row) with `step` and any of `train_loss`, `val_loss`, `val_macro_f1`, `lr`; NaN or None where a
            step has no value.
    """
    networks: dict[str, list[pd.DataFrame]] = {}
    for name, values in curves.items():
        networks.setdefault(name.rpartition("/")[2], []).append(pd.DataFrame(values))
    columns = max(1, len(networks))
    figure = Figure(figsize=(1.2 + 4.0 * columns, 6.2))
    grid: Any = figure.subplots(3, columns, sharex="col", squeeze=False, height_ratios=(3, 3, 2))
    margins(figure, left=0.95, right=0.2, bottom=0.55, top=0.4, between=(0.55, 0.2))
    for column, (network, folds) in enumerate(networks.items()):
        loss, f1, rate = grid[:, column]
        for axes in (loss, f1, rate):
            plain(axes)
            axes.grid(axis="y", color="#E5E5E5", linewidth=0.8)
        width = 1.8 if len(folds) == 1 else 1.0
        for fold, table in enumerate(folds):
            said = ("training", "validation") if fold == 0 else ("", "")
            _line(loss, table, "train_loss", said[0], color=GREY, linewidth=1.0, marker=".", markersize=3)
            _line(loss, table, "val_loss", said[1], color=BLUE, linewidth=width, marker="o", markersize=3)
            _line(f1, table, "val_macro_f1", "", color=BLUE, linewidth=width, marker="o", markersize=3)
            _line(rate, table, "lr", "", color=INK, linewidth=1.2)
        if loss.lines:
            loss.legend(frameon=False, fontsize=8.5)
        loss.set_ylim(bottom=0)
        rate.set_ylim(bottom=0)
        rate.set_xlabel("optimizer steps")
        _title(loss, network)
    for axes, name in zip(
        grid[:, 0], ("loss (nats)", "macro-F1\n(validation)", "learning rate"), strict=True
    ):
        axes.set_ylabel(name)
    return figure


def class_balance(support: Mapping[str, Mapping[str, int]], classes: Sequence[str]) -> Figure:
    """Beats of every class in every part, on a logarithmic scale.

    Args:
        support: part → class → number of beats.
        classes: names of the classes.
    """
    parts = [part for part in support if support[part]]
    figure, axes = _figure((7.0, 1.2 + 0.21 * (len(parts) + 1) * len(classes)))
    for i, part in enumerate(parts):
        at = np.arange(len(classes)) + (i - (len(parts) - 1) / 2) * 0.8 / len(parts)
        counts = [int(support[part].get(c, 0)) for c in classes]
        colour, mark = PARTS.get(part, ("#BBBBBB", "D"))
        axes.hlines(at, 1, np.maximum(counts, 1), color="#CCCCCC", linewidth=1)
        marked = np.array([n or np.nan for n in counts])
        axes.plot(marked, at, mark, color=colour, mec=INK, mew=0.6, ms=6.5, label=part)
        for y, count in zip(at, counts, strict=True):
            text = f"{count:,}  ({count / sum(counts):.1%})" if count else "no beats"
            axes.text(1.35 * max(count, 1), y, text, va="center", fontsize=8, color=INK)
    axes.set_xscale("log")
    axes.set_xlim(1, 14 * max([1, *(int(n) for part in parts for n in support[part].values())]))
    axes.set_ylim(len(classes) - 0.4, -0.6)
    axes.set_yticks(range(len(classes)), [_full(c) for c in classes])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("beats (share of the part), logarithmic")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.legend(frameon=False, fontsize=8.5, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    return figure


def save(figure: Figure, path: Path) -> Path:
    """Writes the figure as PNG, whole or not at all; equal figures give equal bytes."""
    with whole(path) as beside:
        figure.savefig(beside, format="png", dpi=120, metadata={"Software": None})
    return path


def margins(
    figure: Figure, left: float, right: float, bottom: float, top: float, between: tuple[float, float]
) -> None:
    """Sets margins and the gaps between columns and between rows, in inches.

    For figures of many panels: matplotlib's own layout engines take seconds for them.
    """
    width, height = figure.get_size_inches()
    grid = figure.axes[0].get_gridspec()
    assert grid is not None
    columns, rows = grid.ncols, grid.nrows
    across = (width - left - right - between[0] * (columns - 1)) / columns
    down = (height - bottom - top - between[1] * (rows - 1)) / rows
    figure.subplots_adjust(
        left=left / width,
        right=1 - right / width,
        bottom=bottom / height,
        top=1 - top / height,
        wspace=between[0] / across,
        hspace=between[1] / down,
    )


def _figure(size: tuple[float, float]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    plain(axes)
    return figure, axes


def plain(axes: Axes) -> None:
    """No frame, small figures, the grid behind what is drawn."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8.5)
    axes.set_axisbelow(True)


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=10.5, loc="left")


def _line(axes: Axes, table: pd.DataFrame, column: str, label: str, **style: Any) -> None:
    if column not in table:
        return
    known = table[["step", column]].astype(float).dropna()
    axes.plot(known["step"].to_numpy(), known[column].to_numpy(), label=label, **style)


def _full(name: str) -> str:
    return f"{name}  {CLASS_NAMES[name]}" if name in CLASS_NAMES else name


def _beats(name: str, score: Mapping[str, Any]) -> str:
    support = score["per_class"][name]["support"]
    return f"{support:,} beats" if support else "no beats"


def _absent(name: str, key: str, score: Mapping[str, Any]) -> str:
    if not score["per_class"][name]["support"]:
        return "no beats"
    return "–" if key == "called_normal" else "none predicted"
