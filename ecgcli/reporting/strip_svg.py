"""A strip as SVG: the same paper as `strip.py`, drawn in a millisecond instead of a third of a second.

A page of a recording shows dozens of strips, whose lines stay sharp at any size.
"""

from __future__ import annotations

from html import escape
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from ecgcli.evaluation.predictions import NORMAL
from ecgcli.reporting.page import CSS_DPI, Picture
from ecgcli.reporting.strip import CLOCK, GUTTER, INCHES, RAIL, SPEED, Layout, Strip, layout
from ecgcli.reporting.words import clock

TALLEST = 70.0
"""What a lead may fill, in mm, before the gain is halved: on a page there is room for 10 mm/mV."""

_UNIT = 0.05  # mm, in which traces are written
_DENSEST = 400.0  # points of a trace per second
_TEXT = 0.284  # mm a point of text, at the size of the page


def strip_picture(strip: Strip, alt: str, caption: str = "", heading: str = "", anchor: str = "") -> Picture:
    """A strip as a picture of a page."""
    paper = layout(strip, TALLEST, doubled=False)
    source = "data:image/svg+xml," + quote(strip_svg(strip, paper), safe=" ,/:;=()'-.")
    scale = INCHES * CSS_DPI
    width, height = round(scale * paper.width), round(scale * _height(strip, paper))
    return Picture(source, width, height, alt, caption, heading, anchor)


def strip_svg(strip: Strip, paper: Layout) -> str:
    """The strip on a transparent ground, a unit a millimetre of paper.

    Args:
        strip: what to draw.
        paper: what `layout` gave for it.
    """
    from ecgcli.reporting.plots import GREY, INK

    height, scale = _height(strip, paper), INCHES * CSS_DPI
    begin, end = strip.reach
    bottom, top = CLOCK + RAIL, paper.height - RAIL  # as `strip.py` has it: from the bottom up

    def across(seconds: float) -> float:
        return GUTTER + SPEED * (seconds - begin)

    def down(y: float) -> float:
        return height - y

    def write(x: float, y: float, text: str, size: float = 7, colour: str = GREY, more: str = "") -> str:
        return (
            f'<text x="{x:.2f}" y="{down(y):.2f}" font-size="{_TEXT * size:.2f}" fill="{colour}"{more}>'
            f"{escape(text)}</text>"
        )

    field = f'x="{GUTTER}" y="{down(top):.2f}" width="{paper.width - GUTTER:.2f}" height="{top - bottom:.2f}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {paper.width:.2f} {height:.2f}" '
        f'width="{scale * paper.width:.0f}" height="{scale * height:.0f}" '
        f'font-family="system-ui,Segoe UI,Roboto,Helvetica,Arial,sans-serif">',
        _grid(down(bottom)),
    ]
    if strip.window is not None:
        left, right = (min(max(across(t), GUTTER), paper.width) for t in strip.window)
        tint = f'y="{down(top):.2f}" width="{right - left:.2f}" height="{top - bottom:.2f}" fill="#FFF3C4"'
        parts.append(f'<rect x="{left:.2f}" {tint}/>')
    parts.append(f'<rect {field} fill="url(#small)"/><rect {field} fill="url(#large)"/>')
    for i, (lead, name) in enumerate(zip(strip.signal, strip.leads, strict=True)):
        colour, weight = (GREY, "") if i in strip.unread else (INK, ' font-weight="bold"')
        x = across(strip.start) + SPEED * np.arange(len(lead)) / strip.rate
        y = height - (paper.zero[i] + paper.gain * (lead - paper.middle[i]))
        parts.append(
            f'<path transform="scale({_UNIT})" d="{trace_path(x, y, strip.rate)}" fill="none" '
            f'stroke="{colour}" '
            f'stroke-width="{0.22 / _UNIT:.1f}" stroke-linejoin="round"/>'
        )
        parts.append(write(0.3, paper.zero[i] + 1, name, 7.5, colour, weight))
    parts.append(_calibration(paper, height, GREY))
    parts.append(write(0.3, CLOCK + RAIL / 2 - 0.8, "called", 6.5))
    middle = ' text-anchor="middle"'
    for k, at in enumerate(strip.beats.seconds.tolist()):
        parts.append(
            _letter(
                strip, k, min(max(across(at), GUTTER + 1.5), paper.width - 1.5), height - CLOCK - RAIL / 2
            )
        )
    for second in range(int(np.ceil(begin)), int(end) + 1):
        parts.append(write(min(across(second), paper.width - 2), 0.7, clock(second), more=middle))
    note = f"{SPEED:g} mm/s  {paper.gain:g} mm/{strip.unit}"
    strong = "" if paper.gain == 10 else ' font-weight="bold"'
    parts.append(write(paper.width - 0.5, bottom + 0.6, note, 7, INK, f' text-anchor="end"{strong}'))
    return "".join(parts) + "</svg>"


def trace_path(x: npt.NDArray[np.floating], y: npt.NDArray[np.floating], rate: float) -> str:
    """A trace as the data of an SVG path, in whole units of 0.05 mm; missing samples interrupt it.

    Args:
        x: (time,) in mm.
        y: (time,) in mm; NaN where samples are missing.
        rate: samples per second; of more than 400, the lowest and the highest of each few are kept.
    """
    few = int(np.ceil(2 * rate / _DENSEST)) if rate > _DENSEST else 1
    if few > 1 and len(y) >= few:
        n = len(y) // few
        some = y[: n * few].reshape(n, few)
        filled = np.where(np.isfinite(some), some, 0.0)
        kept = np.sort(np.stack([filled.argmin(axis=1), filled.argmax(axis=1)], axis=1), axis=1)
        places = (kept + few * np.arange(n)[:, None]).ravel()
        x, y = x[places], y[places]
    known = np.isfinite(y)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(np.int8)))
    path = []
    for first, after in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        points = np.rint(np.stack([x[first:after], y[first:after]], axis=1) / _UNIT).astype(np.int64)
        steps = np.diff(points, axis=0)
        steps = steps[steps.any(axis=1)]
        path.append(f"M{points[0, 0]} {points[0, 1]}l" + " ".join(map(str, steps.ravel().tolist() or (0, 0))))
    return "".join(path).replace(" -", "-")


def _height(strip: Strip, paper: Layout) -> float:
    """Of the strip, in mm: without the rail of annotations, which nobody made."""
    return paper.height - RAIL + 0.5


def _grid(y: float) -> str:
    """The squares of the paper, counted from its lower left corner."""
    return (
        "<defs>"
        + "".join(
            f'<pattern id="{name}" x="{GUTTER}" y="{y:.2f}" width="{step}" height="{step}" '
            f'patternUnits="userSpaceOnUse"><path d="M0 {step}V0H{step}" fill="none" stroke="{colour}" '
            f'stroke-width="{width}"/></pattern>'
            for name, step, colour, width in (("small", 1, "#F7E4E1", 0.22), ("large", 5, "#EDC9C3", 0.36))
        )
        + "</defs>"
    )


def _calibration(paper: Layout, height: float, colour: str) -> str:
    """The pulse before the first lead, as `strip.py` draws it."""
    high = paper.gain * (1 if paper.gain <= 10 else 0.5)
    y = height - paper.zero[0] + high / 2
    return (
        f'<path d="M{GUTTER - 6.5} {y:.2f}h1v{-high:g}h4v{high:g}h1" fill="none" stroke="{colour}" '
        f'stroke-width=".2"/>'
    )


def _letter(strip: Strip, k: int, x: float, y: float) -> str:
    """What a beat was called; "V?" where a person should look."""
    from ecgcli.reporting.plots import GREY, INK, LINES

    called = strip.beats.called[k]
    abnormal, focus = called.removesuffix("?") != NORMAL, k == strip.focus
    colour = LINES.get(called.removesuffix("?"), (INK, ""))[0] if abnormal else GREY
    weight = ' font-weight="bold"' if abnormal or focus else ""
    box = ""
    if focus:
        box = (
            f'<rect x="{x - 2.3:.2f}" y="{y - 2.2:.2f}" width="4.6" height="4.4" rx=".8" fill="none" '
            f'stroke="{INK}" stroke-width=".25"/>'
        )
    return (
        f'{box}<text x="{x:.2f}" y="{y + 0.9:.2f}" font-size="{_TEXT * 9:.2f}" fill="{colour}" '
        f'text-anchor="middle"{weight}>{escape(called)}</text>'
    )
