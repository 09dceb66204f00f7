"""Where a QRS complex may be: the peaks of the slope energy of all leads, and what is to be seen about each.

The signal is brought to about 120 Hz, differentiated, squared and averaged over the width of a QRS complex
(Pan & Tompkins, IEEE Trans. Biomed. Eng. 32(3):230-236, 1985). Each lead is divided by its own height of the
last and next seconds, so that neither units nor gains matter, and the leads are added with weights: a lead
counts the more, the further its QRS complexes stand out and the more alike they are.

Everything is local and lies on a fixed grid of blocks of two seconds that starts at the recording's start: a
piece of a recording gives what the whole gives. See docs/rpeaks.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.ndimage import correlate1d, maximum_filter1d

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]

WORKING_RATE = 120.0  # Hz, about: the rate itself over a whole number

_BLOCK = 2.0  # seconds: a block holds at least one beat at 30 a minute
_HEIGHT_REACH = 6  # blocks to either side that tell how high a QRS complex is
_NOISE_REACH = 2  # the same for what lies between them
_ALIKE_REACH = 3  # the same for how alike the highest peaks are
_SLOPE, _SLOW_SLOPE = 0.010, 0.030  # seconds: standard deviation of the Gaussians that differentiate
_WIDTH, _SLOW_WIDTH = 0.120, 0.160  # seconds over which squared slopes are averaged
_APART = 0.120  # seconds: of two peaks that are closer the higher one remains
_FLOOR = 0.2  # of the local height: lower peaks are not looked at
_SURE = 0.45  # of the local height: peaks that neighbours are measured by
_RR_REACH, _RR_COUNT = (
    8.0,
    8,
)  # seconds, and intervals to either side, that the usual RR interval is taken over
_BINS = (
    0.1,
    0.2,
    0.3,
    0.4,
    0.55,
    0.8,
)  # seconds to neighbours that may be the QRS complex of this T or P wave

REACH = (_HEIGHT_REACH + 2) * _BLOCK + _RR_REACH + 4.0
"""Seconds to either side that a candidate's facts depend on."""

FACTS = (
    "log height", "log height, at most 0.4", "log sharpness", "log quality", "mean log height of the leads",
    *(f"log height of {side} neighbour, {lo} to {hi} s" for lo, hi in pairwise(_BINS)
      for side in ("last", "next")),
    "seconds since sure peak", "seconds to sure peak", "RRs since sure peak", "RRs to sure peak",
    "log RRs since sure peak", "log RRs to sure peak", "usual RR",
)  # fmt: skip
"""Names of the columns of `Candidates.facts`."""


@dataclass(frozen=True)
class Candidates:
    """Peaks of the slope energy.

    Attributes:
        position: (n,) int64, in samples at the working rate, ascending.
        height: (n,) height in terms of the usual QRS complex of that time, all leads together.
        weight: (leads, n) what each lead has to say at each candidate, 1 in all.
        facts: (n, len(FACTS)) what the decision rests upon.
    """

    position: Ints
    height: Floats
    weight: Floats
    facts: Floats


def step_of(rate: float) -> int:
    """Samples that are averaged into one of the working rate."""
    return max(1, round(rate / WORKING_RATE))


def block_of(rate: float) -> int:
    """Samples of a block at the working rate: an even number."""
    return 2 * round(_BLOCK / 2 * rate / step_of(rate))


def averaged(signal: Floats, step: int) -> Floats:
    """(leads, time) → (leads, time // step): means of `step` samples; missing ones (NaN) stay missing."""
    if step == 1:
        return signal.astype(np.float32, copy=False)
    stop = signal.shape[1] // step * step
    total = signal[:, 0:stop:step].astype(np.float32)
    for first in range(1, step):
        total += signal[:, first:stop:step]
    return total / np.float32(step)


def candidates(trace: Floats, rate: float) -> Candidates:
    """Finds the peaks of the slope energy.

    Args:
        trace: (leads, time) at the working rate, beginning with a block; may hold NaN.
        rate: the working rate, in Hz.
    """
    block = 2 * round(_BLOCK / 2 * rate)
    energy, missing = slope_energy(trace, rate, _SLOPE, _WIDTH)
    height, quality = _lead_levels(energy, missing, block)
    weight = quality**2 / np.maximum((quality**2).sum(axis=0), 1e-30)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(height > 0, weight / height**2, 0.0)
    joint = _joined(energy, factor, block)
    at = _peaks(joint, int(_APART * rate))
    at = at[~missing[:, at].all(axis=0)]
    level, seen, good = (_at(levels, at, block) for levels in (height, weight, quality))
    peak = np.sqrt(joint[at].astype(np.float64))
    slow, _ = slope_energy(averaged(trace, 2), rate / 2, _SLOW_SLOPE, _SLOW_WIDTH)
    slow_at = slow[:, np.minimum(at // 2, slow.shape[1] - 1)]
    sharpness = peak / np.sqrt(np.maximum((_at(factor, at, block) * slow_at).sum(axis=0), 1e-12))
    own = np.sqrt(energy[:, at]) / np.where(level > 0, level, np.inf)
    tells = ~missing[:, at] & (level > 0)  # of the leads that have a say
    facts = np.column_stack(
        [
            np.log(peak),
            np.log(np.minimum(peak, 0.4)),
            np.log(sharpness),
            np.log(np.maximum(np.sqrt((seen * good**2).sum(axis=0)), 0.01)),
            (np.log(own + 0.02) * tells).sum(axis=0) / np.maximum(tells.sum(axis=0), 1),
            *_neighbours(at, peak, rate),
            *_rhythm(at, peak, rate),
        ]
    )
    return Candidates(at, peak, seen, facts)


def slope_energy(
    trace: Floats, rate: float, slope: float, width: float
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Squared slopes, averaged.

    Args:
        trace: (leads, time), may hold NaN.
        rate: in Hz.
        slope: standard deviation of the Gaussian whose derivative gives the slope, in seconds.
        width: whole width of the Hann window that averages, in seconds.

    Returns:
        (leads, time) energy, 0 where the slope cannot be told, and (leads, time) where samples are missing.
    """
    derivative = _derivative(slope * rate)
    missing = ~np.isfinite(trace)
    if missing.any():
        change = correlate1d(np.where(missing, np.float32(0), trace), derivative, axis=1, mode="nearest")
        change[maximum_filter1d(missing, len(derivative), axis=1)] = 0
    else:
        change = correlate1d(trace, derivative, axis=1, mode="nearest")
    np.square(change, out=change)
    hann = np.hanning((int(width * rate) | 1) + 2)[1:-1]
    return correlate1d(change, hann / hann.sum(), axis=1, mode="constant"), missing


def _derivative(deviation: float) -> npt.NDArray[np.float64]:
    reach = int(np.ceil(3.5 * deviation))
    time = np.arange(-reach, reach + 1)
    weights = time * np.exp(-(time**2) / (2 * deviation**2))
    return np.asarray(weights / (weights * time).sum(), dtype=np.float64)


def _lead_levels(energy: Floats, missing: npt.NDArray[np.bool_], block: int) -> tuple[Floats, Floats]:
    """(leads, blocks) the usual height of a QRS complex, and how well it stands out."""
    leads, time = energy.shape
    blocks = -(-time // block)
    padded = np.pad(energy, ((0, 0), (0, blocks * block - time))).reshape(leads, blocks, block)
    gone = np.pad(missing, ((0, 0), (0, blocks * block - time)), constant_values=True)
    seen = gone.reshape(leads, blocks, block).mean(axis=2) < 0.5
    top = np.where(seen, np.sqrt(padded.max(axis=2)), np.nan)
    between = np.where(seen, np.sqrt(np.median(padded[:, :, ::3], axis=2)), np.nan)
    height = _running(top, _HEIGHT_REACH, 0.5)
    rest = _running(between, _NOISE_REACH, 0.5)
    alike = _running(top, _ALIKE_REACH, 0.25) / np.maximum(_running(top, _ALIKE_REACH, 0.75), 1e-30)
    clear = np.maximum(height / np.maximum(rest, 1e-30) - 1, 0.1).clip(max=1e3)
    return height, np.where(seen & (height > 0), clear * alike, 0.0)


def _running(levels: Floats, reach: int, share: float) -> Floats:
    """(leads, blocks) a quantile of the blocks around each one; 0 where none of them was seen."""
    padded = np.pad(levels, ((0, 0), (reach, reach)), constant_values=np.nan)
    windows = np.sort(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=1), axis=2)
    last = (~np.isnan(windows)).sum(axis=2) - 1
    rank = np.rint(share * np.maximum(last, 0)).astype(np.int64)
    chosen = np.take_along_axis(windows, rank[..., None], axis=2)[..., 0]
    return np.where(last >= 0, chosen, 0.0)


def _joined(energy: Floats, factor: Floats, block: int) -> Floats:
    """(time,) the leads' energies added, each with its factor drawn from block centre to block centre."""
    time = energy.shape[1]
    ramp = np.arange(block, dtype=np.float32) / np.float32(block)
    edged = np.pad(factor.astype(np.float32), ((0, 0), (1, 1)), mode="edge")
    total = np.zeros(time, dtype=np.float32)
    for own, level in zip(energy, edged, strict=True):
        line = level[:-1, None] + np.diff(level)[:, None] * ramp  # from half a block before the start
        total += own * line.ravel()[block // 2 : block // 2 + time]
    return total


def _at(levels: Floats, at: Ints, block: int) -> Floats:
    """(leads, n) the blocks' levels at positions, drawn from block centre to block centre."""
    before, part = np.divmod(at - block // 2, block)
    edged = np.pad(levels, ((0, 0), (1, 1)), mode="edge")
    return edged[:, before + 1] + (edged[:, before + 2] - edged[:, before + 1]) * (part / block)


def _peaks(joint: Floats, apart: int) -> Ints:
    top = maximum_filter1d(joint, 2 * apart + 1, mode="constant")
    higher = np.empty(len(joint), dtype=bool)
    higher[0], higher[1:] = False, joint[1:] > joint[:-1]  # of a plateau the first sample
    return np.flatnonzero((joint == top) & higher & (joint > _FLOOR**2)).astype(np.int64)


# Differences are taken of whole samples before they become seconds: they must not round otherwise in a piece.


def _neighbours(at: Ints, height: Floats, rate: float) -> list[Floats]:
    """For each stretch of `_BINS`, before and after: log height of the highest one there, over this one."""
    reach = int(_BINS[-1] / _APART) + 1
    around = np.r_[-reach:0, 1 : reach + 1]
    index = np.arange(len(at))[:, None] + reach + around
    edged = np.pad(at.astype(np.float64), reach, constant_values=np.inf)
    distance = (edged[index] - at[:, None]) / rate
    other = np.pad(height, reach)[index]
    columns: list[Floats] = []
    for low, high in pairwise(_BINS):
        for side in (-1, 1):
            there = (side * distance >= low) & (side * distance < high)
            highest = np.where(there, other, 0.05).max(axis=1)
            columns.append(np.log(highest / height).clip(-3, 3))
    return columns


def _rhythm(at: Ints, height: Floats, rate: float) -> list[Floats]:
    """Seconds and RR intervals to the sure peaks before and after, and the usual RR interval there."""
    sure = at[height > _SURE].astype(np.float64)
    edged = np.r_[-np.inf, sure, np.inf]
    before = np.minimum((at - edged[np.searchsorted(sure, at, "left")]) / rate, 3.0)
    after = np.minimum((edged[np.searchsorted(sure, at, "right") + 1] - at) / rate, 3.0)
    usual = np.full(len(at), 0.8)
    if len(sure) > 2:
        end = np.pad(sure[1:], _RR_COUNT, constant_values=np.inf)
        interval = np.pad(np.diff(sure) / rate, _RR_COUNT, constant_values=np.nan)
        index = np.searchsorted(sure[1:], at)[:, None] + np.arange(2 * _RR_COUNT)
        near = np.abs(end[index] - at[:, None]) <= _RR_REACH * rate
        ordered = np.sort(np.where(near, interval[index], np.nan), axis=1)
        number = (~np.isnan(ordered)).sum(axis=1)
        middle = np.take_along_axis(ordered, np.maximum(number - 1, 0)[:, None] // 2, axis=1)[:, 0]
        usual = np.where(number > 2, np.clip(middle, 0.2, 3.0), usual)
    since, until = np.clip(before / usual, 0.05, 1.8), np.clip(after / usual, 0.05, 1.8)
    return [before, after, since, until, np.log(since), np.log(until), usual]
