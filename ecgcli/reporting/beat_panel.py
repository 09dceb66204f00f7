"""A beat as a model read it, with the regions that drove its decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.colors import to_rgb
from matplotlib.patches import Polygon

from ecgcli.reporting.plots import BLUE, GREY, INK, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMOOTH = 0.01
"""Standard deviation of the Gaussian by which attributions are smoothed over time, in seconds."""

_STRONGEST = 0.75  # opacity of the colour where an attribution is at the scale's end
_COLUMNS = 300  # of colour across a beat, about the pixels of the panel
_ROOM = 0.12  # above and under each lead, as a share of its range

Signal = npt.NDArray[np.floating]


def regions(attribution: Signal, leads: int, rate: float) -> Signal:
    """What each lead's region adds to a decision, fit to be drawn.

    Channels behind the leads (the patient's usual beat, lead by lead) stand at the same time as the leads, so
    what they add is added to them; then a Gaussian of 10 ms smooths over time: single samples mean nothing.

    Args:
        attribution: (..., channels, time).
        leads: how many channels are leads.
        rate: samples per second, in Hz.

    Returns:
        (..., leads, time), with the same sum but for what is smoothed over the ends.
    """
    *before, channels, time = attribution.shape
    summed = attribution.reshape(*before, channels // leads, leads, time).sum(axis=-3)
    width = max(1, round(4 * SMOOTH * rate))
    bell = np.exp(-0.5 * (np.arange(-width, width + 1) / (SMOOTH * rate)) ** 2)
    bell /= bell.sum()
    padded = np.pad(summed, [(0, 0)] * (summed.ndim - 1) + [(width, width)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * width + 1, axis=-1)
    smooth: Signal = windows @ bell
    return smooth


def draw_beat(
    axes: Axes,
    signal: Signal,
    seconds: Signal,
    leads: Sequence[str],
    unit: str,
    usual: Signal | None = None,
    drove: Signal | None = None,
    between: tuple[str, str] = ("", ""),
) -> None:
    """Draws a beat, its leads one above another on one scale.

    Args:
        axes: where to.
        signal: (leads, time) as the model read them.
        seconds: (time,) from R.
        leads: their names.
        unit: of the signal.
        usual: (leads, time) the patient's usual beat, where the model reads it; dashed.
        drove: (leads, time) from −1 to 1: what speaks for the class that was called colours the paper above
            the trace, what speaks for the true one that under it.
        between: the two classes, the one that was called first, for the legend of these colours.
    """
    reach = [(lead.min(), lead.max()) for lead in (signal if usual is None else np.hstack([signal, usual]))]
    room = max(max(_ROOM * (high - low) for low, high in reach), 1e-3)
    top = 0.0
    step = seconds[1] - seconds[0] if len(seconds) > 1 else 1.0
    ends = (seconds[0] - step / 2, seconds[-1] + step / 2)
    for i, (low, high) in enumerate(reach):
        shift = top - high - room
        floor = low + shift - room
        trace = signal[i] + shift
        if drove is not None:
            for colour, part, edge in ((VERMILION, drove[i], top), (BLUE, -drove[i], floor)):
                _shade(axes, seconds, trace, np.clip(part, 0, 1), colour, (*ends, floor, top), edge)
        if usual is not None:
            axes.plot(seconds, usual[i] + shift, color=GREY, linewidth=0.8, linestyle=(0, (3, 2)))
        axes.plot(seconds, trace, color=INK, linewidth=1.2)
        if len(reach) > 1:
            axes.text(ends[0], top - room / 2, f" {leads[i]}", fontsize=6.5, color=GREY, va="top")
        top = floor
    axes.set_xlim(*ends)
    axes.set_ylim(top, 0)
    axes.axvline(0, color=GREY, linewidth=0.6, linestyle=(0, (2, 2)), zorder=0.8)
    _scale(axes, unit, -top)
    if drove is not None:
        legend: dict[str, Any] = {"transform": axes.transAxes, "fontsize": 7.5, "parse_math": False}
        axes.text(0, 1.03, f"▲ speaks for {between[0]}", color=VERMILION, **legend)
        axes.text(1, 1.03, f"▼ for {between[1]}", color=BLUE, ha="right", **legend)


def _shade(
    axes: Axes,
    seconds: Signal,
    trace: Signal,
    strength: Signal,
    colour: str,
    box: tuple[float, float, float, float],
    edge: float,
) -> None:
    """Colours the paper between a trace and an edge of its box, the more the greater the strength."""
    columns = np.linspace(box[0], box[1], _COLUMNS)
    pixels = np.empty((1, _COLUMNS, 4))
    pixels[0, :, :3] = to_rgb(colour)
    pixels[0, :, 3] = _STRONGEST * np.interp(columns, seconds, strength)
    image = axes.imshow(pixels, extent=box, aspect="auto", interpolation="nearest", zorder=1)
    corners = [(box[0], edge), (box[0], trace[0]), *zip(seconds, trace, strict=True)]
    corners += [(box[1], trace[-1]), (box[1], edge)]
    image.set_clip_path(Polygon(corners, closed=True, transform=axes.transData))


def _scale(axes: Axes, unit: str, height: float) -> None:
    """Ticks in seconds from R; a bar of one round amount at the right stands for the vertical axis."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_yticks([])
    axes.tick_params(labelsize=6.5, length=2, colors=GREY)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}" + (" s" if value == 0 else ""))
    axes.locator_params(axis="x", nbins=6)
    axes.spines["bottom"].set_color(GREY)
    round_amounts: Any = [a * b for b in (1e-2, 0.1, 1.0, 10.0, 100.0) for a in (1, 2, 5)]
    bar = next((a for a in reversed(round_amounts) if a <= height / 3), round_amounts[0])
    x = 1.02
    middle = -height / 2
    style: dict[str, Any] = {"color": GREY, "transform": axes.get_yaxis_transform()}
    ends = [middle - bar / 2, middle + bar / 2]
    axes.plot([x, x], ends, linewidth=1.4, clip_on=False, solid_capstyle="butt", **style)
    said = f"{bar:g} mV" if unit == "mV" else f"{bar:g} ({unit})"
    axes.text(x + 0.02, middle, said, fontsize=6.5, va="center", rotation=90, **style)
