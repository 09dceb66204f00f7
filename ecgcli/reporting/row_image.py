"""A row of a recording as a small picture, its abnormal beats marked and in the colour of their class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgcli.evaluation.predictions import NORMAL
from ecgcli.prediction.annotated import AnnotatedRecording
from ecgcli.reporting import trace_image

Read = Callable[[int, int], npt.NDArray[np.float32]]
"""(start, end) in samples → (leads, end − start) in mV, NaN where samples are missing."""

WIDTH = 1008
"""Of a row on the page, in pixels."""

INKS = {"N": "#222222", "S": "#0072B2", "V": "#D55E00", "F": "#009E73", "Q": "#CC79A7"}
"""Ink of a class; `OTHER` is that of any other abnormal class. Those of `plots.LINES`."""

OTHER, PALE = "#8A5A00", "#A9AFB6"
PALETTE = (*INKS.values(), OTHER, PALE)
_PALE = len(PALETTE) - 1

BEFORE, AFTER = 0.2, 0.4
"""Of a beat in seconds, that have its colour, where no other beat is nearer."""

_WANDER = 2.0  # s, over which the baseline is estimated
_LOOK = 10.0  # s, of each look at the recording from which the scale is chosen
_HIGHEST = 40.0  # pixels of the page for 1 mV, at most
_MARGIN = 8.5  # pixels of the page above and below the trace, for the marks
_MANY = 400  # rows, above which a pixel of the picture is one of the page


def _shape(*lines: str) -> npt.NDArray[np.bool_]:
    return np.array([[c == "#" for c in line] for line in lines])


# a mark a class, so that a print in grey tells them apart
_DOWN = _shape("#########", ".#######.", "..#####..", "...###...", "....#....")
_DISC = _shape(".###.", "#####", "#####", "#####", ".###.")
_DIAMOND = _shape("...#...", "..###..", ".#####.", "..###..", "...#...")
_SQUARE = _shape("#####", "#####", "#####", "#####", "#####")
BAR = _shape("##", "##", "##", "##", "##")
_QUESTION = _shape(".###.", "##.##", "...##", "..##.", ".....", "..##.")
MARKS = {"S": (_DISC, "●"), "V": (_DOWN, "▼"), "F": (_DIAMOND, "◆"), "Q": (_SQUARE, "■")}


@dataclass(frozen=True)
class Paper:
    """How every row is drawn.

    Attributes:
        lead: index of the lead.
        step: seconds of a row.
        height: of a row, in pixels of the page.
        sharpness: pixels of the picture per pixel of the page.
        gain: pixels of the page for 1 mV.
        zero: pixels of the page from the top to the baseline.
        unreadable: (m, 2) stretches in seconds.
    """

    lead: int
    step: int
    height: int
    sharpness: int
    gain: float
    zero: float
    unreadable: npt.NDArray[np.float64]


def paper_for(recording: AnnotatedRecording, read: Read, n: int, step: int) -> Paper:
    """One scale for all rows, so that beats can be compared: from 24 looks at the recording."""
    lead = recording.read_leads[0] if recording.read_leads else 0
    height = 76 if n <= 12 else 60 if n <= 62 else 44
    look = round(_LOOK * recording.rate)
    reach = []
    for start in np.unique(np.linspace(0, max(0, recording.samples - look), 24).astype(np.int64)).tolist():
        signal = read(start, min(start + look, recording.samples))[lead]
        signal = signal - np.interp(np.arange(len(signal)), *_wander(signal, recording.rate))
        inside = np.searchsorted(recording.unreadable.ravel(), start + np.arange(len(signal)), "right") % 2
        known = signal[np.isfinite(signal) & (inside == 0)]
        if len(known):
            reach.append((-float(known.min()), float(known.max())))
    # a wave that is higher than nearly all others may reach into the marks
    down, up = np.maximum(np.percentile(reach, 90, axis=0), 0.05).tolist() if reach else (0.5, 1.0)
    room = height - 2 * _MARGIN
    gain = min(room / (down + up), _HIGHEST)
    zero = _MARGIN + (room - gain * (down + up)) / 2 + gain * up
    return Paper(
        lead, step, height, 2 if n <= _MANY else 1, gain, zero, recording.unreadable / recording.rate
    )


def _wander(signal: npt.NDArray[np.floating], rate: float) -> tuple[Any, Any]:
    """The wander of the baseline: samples, and the median of the two seconds around each."""
    size = max(1, round(_WANDER * rate))
    n = max(1, len(signal) // size)
    if len(signal) < size:
        blocks = signal[None]
    else:
        every = max(1, int(rate / 90))  # enough of the samples for a median
        blocks = signal[: n * size].reshape(n, size)[:, ::every]
    middle = np.median(blocks, axis=1)
    for i in np.flatnonzero(np.isnan(middle)).tolist():
        known = blocks[i][np.isfinite(blocks[i])]
        middle[i] = np.median(known) if len(known) else np.nan
    some = np.isfinite(middle)
    return ((np.arange(n) + 0.5) * size)[some] if some.any() else [0.0], middle[some] if some.any() else [0.0]


def row_image(
    recording: AnnotatedRecording,
    paper: Paper,
    start: float,
    signal: npt.NDArray[np.float32],
    shaded: Sequence[tuple[float, float]],
) -> trace_image.Image:
    """The trace of a row, its beats coloured and marked."""
    rate, sharp = recording.rate, paper.sharpness
    width = WIDTH * sharp
    per_second = width / paper.step
    low, high = trace_image.columns(signal, width, paper.step * rate)
    wander = np.interp((np.arange(width) + 0.5) * paper.step * rate / width, *_wander(signal, rate))
    around = beats_between(recording, start - AFTER, start + paper.step + BEFORE)
    beats = np.arange(around.start, around.stop)
    beats = beats[recording.called[beats] != _normal(recording)]
    at, called = recording.sample[beats], recording.called[beats]
    # not beyond the middle between two beats
    before = recording.sample[np.maximum(beats - 1, 0)]
    after = recording.sample[np.minimum(beats + 1, len(recording) - 1)]
    left = np.where(beats > 0, np.maximum(at - BEFORE * rate, (at + before) / 2), at - BEFORE * rate)
    right = np.where(after > at, np.minimum(at + AFTER * rate, (at + after) / 2), at + AFTER * rate)
    ends = np.clip(np.rint((np.stack([left, right]) / rate - start) * per_second), 0, width).astype(int)
    inks = [_ink(recording.classes[k]) for k in called.tolist()]
    ink = np.zeros(width, np.uint8)
    for a, b, colour in zip(*ends.tolist(), inks, strict=True):
        ink[a:b] = colour
    for a, b in shaded:
        ink[int((a - start) * per_second) : int(np.ceil((b - start) * per_second))] = _PALE
    gain, zero = paper.gain * sharp, paper.zero * sharp
    pen = np.where(ink == 0, 1.0, 1.4) * max(1.0, 0.6 * sharp)
    image = trace_image.draw(
        zero - gain * (low - wander), zero - gain * (high - wander), ink, paper.height * sharp, pen
    )
    top = max(0, round(zero - gain))
    image[top : round(zero), : 2 * sharp] = trace_image.full(0)  # 1 mV
    x = np.floor((at / rate - start) * per_second).astype(int)
    for k in np.unique(called).tolist():
        mark, number = _mark(recording.classes[k]), _ink(recording.classes[k])
        trace_image.stamp(image, _enlarged(mark, sharp), x[called == k], sharp, number)
    around = beats_between(recording, start, start + paper.step)
    unsure = recording.sample[around.start : around.stop][recording.review[around.start : around.stop]]
    x = np.floor((unsure / rate - start) * per_second).astype(int)
    question = _enlarged(_QUESTION, sharp)
    trace_image.stamp(image, question, x, len(image) - len(question) - sharp, 0)
    return image


def _normal(recording: AnnotatedRecording) -> int:
    return recording.classes.index(NORMAL) if NORMAL in recording.classes else -1


def _ink(name: str) -> int:
    return list(INKS).index(name) if name in INKS else len(INKS)


def _mark(name: str) -> npt.NDArray[np.bool_]:
    return MARKS[name][0] if name in MARKS else BAR


def _enlarged(shape: npt.NDArray[np.bool_], by: int) -> npt.NDArray[np.bool_]:
    return shape.repeat(by, axis=0).repeat(by, axis=1)


def beats_between(recording: AnnotatedRecording, start: float, end: float) -> range:
    """The beats from one time to another, in seconds."""
    # whole numbers: for others numpy converts all positions at every call
    ends = [int(np.ceil(seconds * recording.rate)) for seconds in (start, end)]
    return range(*np.searchsorted(recording.sample, ends).tolist())
