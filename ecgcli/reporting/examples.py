"""Figures of beats as the network saw them: what it got right, and where it was surely wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from ecgcli.evaluation.predictions import decisions, labels, probabilities
from ecgcli.reporting.plots import GREY, INK, VERMILION, margins

TYPICAL, MISTAKES = 2, 3
SUREST = 15
"""Mistakes in the figure of the most confident ones."""


def example_beats(
    signal: npt.NDArray[np.floating],
    predictions: pd.DataFrame,
    classes: Sequence[str],
    rate: float,
    start: float = 0.0,
    unit: str = "mV",
) -> Figure:
    """Beats of every class: two that were right with usual confidence, and the three most confident mistakes.

    Args:
        signal: (n, leads, time), the row of every beat of `predictions`; only the rows shown are read.
        predictions: the predictions of one part.
        classes: names of the classes.
        rate: samples per second of `signal`, in Hz.
        start: time of the first sample from R, in seconds (negative where the window starts before R).
        unit: of `signal`, for the axis.
    """
    probability, truth = probabilities(predictions, classes), labels(predictions, classes)
    decided = decisions(predictions, classes)
    confidence = np.take_along_axis(probability, decided[:, None], axis=1)[:, 0]
    rows = [k for k in range(len(classes)) if (truth == k).any()]
    figure = Figure(figsize=(10, 0.7 + 1.45 * len(rows)))
    grid: Any = figure.subplots(len(rows), TYPICAL + MISTAKES, sharex=True, squeeze=False)
    margins(figure, left=0.75, right=0.1, bottom=0.5, top=0.4, between=(0.35, 0.5))
    seconds = start + np.arange(signal.shape[-1]) / rate
    for line, k in zip(grid, rows, strict=True):
        right = np.flatnonzero((truth == k) & (decided == k))
        wrong = np.flatnonzero((truth == k) & (decided != k))
        usual = np.abs(confidence[right] - np.median(confidence[right])) if len(right) else confidence[right]
        shown = [right[i] for i in np.argsort(usual, kind="stable")[:TYPICAL]]
        shown += [None] * (TYPICAL - len(shown))
        shown += [wrong[i] for i in np.argsort(-confidence[wrong], kind="stable")[:MISTAKES]]
        shown += [None] * (len(line) - len(shown))
        for axes, beat in zip(line, shown, strict=True):
            if beat is None:
                _nothing(axes)
                continue
            said = "right" if decided[beat] == k else f"called {classes[decided[beat]]}"
            _draw(axes, seconds, signal[beat], INK if decided[beat] == k else VERMILION)
            _say(axes, f"{said}, p = {confidence[beat]:.2f}", predictions, beat)
        line[0].set_ylabel(f"{classes[k]} ({unit})", fontsize=8.5)
    figure.supxlabel("time from R (s)", fontsize=9)
    return figure


def confident_mistakes(
    signal: npt.NDArray[np.floating],
    predictions: pd.DataFrame,
    classes: Sequence[str],
    rate: float,
    start: float = 0.0,
    unit: str = "mV",
) -> Figure:
    """The mistakes that the model was surest of, whatever the class, the surest first.

    They are where a network has learnt something wrong, or where an annotation may be.

    Args:
        signal: as for `example_beats`.
        predictions: the predictions of one part.
        classes: names of the classes.
        rate: as for `example_beats`.
        start: as for `example_beats`.
        unit: as for `example_beats`.
    """
    probability, truth = probabilities(predictions, classes), labels(predictions, classes)
    decided = decisions(predictions, classes)
    confidence = np.take_along_axis(probability, decided[:, None], axis=1)[:, 0]
    wrong = np.flatnonzero(truth != decided)
    shown = wrong[np.argsort(-confidence[wrong], kind="stable")[:SUREST]]
    lines = max(1, -(-len(shown) // 5))
    figure = Figure(figsize=(10, 0.7 + 1.45 * lines))
    grid: Any = figure.subplots(lines, 5, sharex=True, squeeze=False)
    margins(figure, left=0.75, right=0.1, bottom=0.5, top=0.4, between=(0.35, 0.5))
    seconds = start + np.arange(signal.shape[-1]) / rate
    for axes in grid.flat[len(shown) :]:
        _nothing(axes)
    for axes, beat in zip(grid.flat, shown, strict=False):
        _draw(axes, seconds, signal[beat], VERMILION)
        said = f"{classes[truth[beat]]} called {classes[decided[beat]]}, p = {confidence[beat]:.2f}"
        _say(axes, said, predictions, beat)
    figure.supxlabel("time from R (s)", fontsize=9)
    figure.supylabel(unit, fontsize=9)
    return figure


def _draw(axes: Any, seconds: npt.NDArray[np.floating], beat: npt.NDArray[np.floating], colour: str) -> None:
    """The first two leads of a beat, the first in colour."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7)
    axes.axvline(0, color="#DDDDDD", linewidth=0.8, zorder=0)
    for lead, trace in enumerate(beat[:2]):
        style: dict[str, Any] = {"color": colour, "linewidth": 1.1} if lead == 0 else {"color": GREY}
        axes.plot(seconds, trace, **{"linewidth": 0.7, **style})


def _say(axes: Any, said: str, predictions: pd.DataFrame, beat: int) -> None:
    where = f"{predictions['record'].iloc[beat]}, sample {predictions['sample'].iloc[beat]:,}"
    colour = axes.lines[1].get_color()
    axes.set_title(f"{said}\n{where}", fontsize=7, loc="left", color=colour)


def _nothing(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7)
    axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", fontsize=8, color=GREY)
    axes.set_yticks([])
