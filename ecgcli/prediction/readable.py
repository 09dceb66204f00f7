"""Which stretches of a recording can be read at all.

A recording is judged in frames of half a second by fixed rules on the signal alone, as single beats are in
`beats.quality`; a stretch is unreadable if a fault lasts. What is said of a frame depends on the frame alone
until the whole recording is known, so a recording can go by in pieces.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ecgcli.beats.noise import NOISE_TO_QRS
from ecgcli.beats.quality import FLAT_MV

FRAME = 0.5
"""In seconds."""

SHORTEST = 1.0
"""In seconds: what is shorter is left to the judgement of single beats; stretches less apart are one."""

LOW_SECONDS = 10.0
"""A lead that moves by less than `FLAT_MV` for so long is off. A pause of the heart is shorter."""

NOISY_SECONDS = 5.0
"""Noise that hides beats for so long makes a stretch unreadable."""

_STEP = 0.02  # s: the difference to the mean of what is so far before and after is high frequency
_PART = 0.05  # s, shorter than a QRS complex: the median over such parts passes it by

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Frames:
    """What is known of each frame of a recording, (leads, n) each.

    Attributes:
        low: least value, in mV; NaN where all of it is missing.
        high: greatest value.
        missing: share of missing samples.
        held: share of samples that are equal to their neighbour and the least or greatest of the frame.
        noise: RMS of the high frequencies, in mV, in the median part of the frame.
    """

    low: Floats
    high: Floats
    missing: Floats
    held: Floats
    noise: Floats

    @staticmethod
    def joined(pieces: list[Frames]) -> Frames:
        """The frames of pieces that follow one another."""
        columns = ("low", "high", "missing", "held", "noise")
        return Frames(*(np.concatenate([getattr(p, c) for p in pieces], axis=1) for c in columns))


def frame_length(rate: float) -> int:
    """Samples of a frame at a rate in Hz."""
    return max(2, round(FRAME * rate))


def frames(signal: Floats, rate: float) -> Frames:
    """Measures the frames of a piece of a recording that begins at the start of a frame.

    Args:
        signal: (leads, time) in mV, NaN where it is missing; what does not fill a frame at the end makes a
            shorter one.
        rate: samples per second, in Hz.
    """
    leads, time = signal.shape
    length = frame_length(rate)
    whole = time // length
    found = [_measured(signal[:, : whole * length].reshape(leads, whole, length), rate)] if whole else []
    if time > whole * length:
        found.append(_measured(signal[:, None, whole * length :], rate))
    return Frames.joined(found)


def _measured(x: Floats, rate: float) -> Frames:
    absent = ~np.isfinite(x)
    missing = absent.mean(axis=2, dtype=np.float32)
    if gaps := bool(missing.any()):
        low = np.fmin.reduce(np.where(absent, np.nan, x), axis=2)
        high = np.fmax.reduce(np.where(absent, np.nan, x), axis=2)
        x = np.where(absent, np.nan_to_num(low)[..., None], x)
    else:
        low, high = x.min(axis=2), x.max(axis=2)
    held = np.zeros_like(missing)
    for end in (low, high) if x.shape[2] > 1 else ():
        at_end = x == end[..., None]
        held += (at_end[..., 1:] & at_end[..., :-1]).mean(axis=2, dtype=np.float32)
    step, part = max(1, round(_STEP * rate)), max(2, round(_PART * rate))
    noise = np.zeros_like(missing)
    parts = (x.shape[2] - 2 * step) // part
    if parts > 0:
        rest = x[..., step:-step] - (x[..., : -2 * step] + x[..., 2 * step :]) / 2
        rest = rest[..., : parts * part].reshape(*missing.shape, parts, part)
        noise = np.sqrt(np.median(np.square(rest).mean(axis=3), axis=2))
    if gaps:
        noise[missing > 0] = 0
    return Frames(low, high, missing, held, noise.astype(np.float32))


def unreadable(
    found: Frames, rate: float, samples: int, height: npt.NDArray[np.floating]
) -> npt.NDArray[np.int64]:
    """The stretches of a recording that cannot be read.

    In any of the leads: half of the samples are missing; the signal does not move at all for a second, or by
    less than 0.05 mV for ten; more than half of it lies at an end of the recorder's range; or for five
    seconds high-frequency noise is out of proportion to the QRS complex (`beats.noise`).

    Args:
        found: the frames of the whole recording.
        rate: its samples per second, in Hz.
        samples: its length.
        height: (leads,) height of the usual QRS complex in mV; 0 where there is none, which noise cannot be
            measured against.

    Returns:
        (m, 2) first and one past the last sample of each, ascending and apart.
    """
    n = found.low.shape[1]
    bad = np.zeros(n, dtype=np.bool_)
    for low, high, missing, held, noise, qrs in zip(
        found.low, found.high, found.missing, found.held, found.noise, height, strict=True
    ):
        bad |= missing > 0.5
        bad |= _lasting(high == low, SHORTEST)
        top, bottom = np.fmax.reduce(high), np.fmin.reduce(low)
        bad |= _lasting((held > 0.5) & ((high == top) | (low == bottom)), SHORTEST)
        bad |= _low(low, high)
        if qrs > 0:
            bad |= _lasting(noise > NOISE_TO_QRS * qrs, NOISY_SECONDS)
    close = round(SHORTEST / FRAME)
    edges = _edges(bad)
    for (_, end), (start, _) in pairwise(edges.tolist()):
        if start - end < close:
            bad[end:start] = True
    edges = _edges(bad)
    edges = edges[edges[:, 1] - edges[:, 0] >= min(close, n)]
    found_edges: npt.NDArray[np.int64] = np.minimum(edges * frame_length(rate), samples)
    return found_edges


def _edges(mask: Bools) -> npt.NDArray[np.int64]:
    """(k, 2): begin and end of the runs of True."""
    return np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]))).reshape(-1, 2)


def _lasting(mask: Bools, seconds: float) -> Bools:
    """What of the mask lasts so long, in frames; all of a shorter recording is enough."""
    least = min(round(seconds / FRAME), len(mask))
    kept = np.zeros_like(mask)
    for start, end in _edges(mask):
        if end - start >= least:
            kept[start:end] = True
    return kept


def _low(low: Floats, high: Floats) -> Bools:
    """Frames of stretches of `LOW_SECONDS` over which the signal hardly moves."""
    width = round(LOW_SECONDS / FRAME)
    kept = np.zeros(len(low), dtype=np.bool_)
    if len(low) < width:
        return kept
    windows = np.lib.stride_tricks.sliding_window_view
    moves = windows(high, width).max(axis=1) - windows(low, width).min(axis=1)
    for start in np.flatnonzero(moves < FLAT_MV):  # NaN is no low signal but a missing one
        kept[start : start + width] = True
    return kept
