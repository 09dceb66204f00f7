"""Signal quality of beats: missing, flat, clipped or extremely noisy, by fixed rules on the signal alone.

No rule looks at a label or was fitted to one. They follow the kinds of fault that ECG signal quality indices
look for (flat line, saturation, high-frequency noise, baseline wander), but judge one beat instead of ten
seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ecgcli.beats.noise import bridged, noisy_windows, qrs_height

FAULTS = ("missing", "flat", "clipped", "noisy")
"""What can be wrong with a beat."""

BEFORE, AFTER = 0.3, 0.5
"""Seconds before and after R that are judged."""

FLAT_SECONDS = 0.2
"""A signal without any variation for so long has no electrode; the quiet of a clean ECG is never so long."""

FLAT_MV = 0.05
"""In mV: a beat that moves by less is none. Low voltage in the limb leads begins at ten times as much."""

RAIL_SECONDS, RAIL_SAMPLES = 0.025, 4
"""An extreme value is where the recorder ends when it is held for so long; the top of a wave is not. The
extremes of a single beat are weaker witnesses: there it takes twice as long."""

_BLOCK = 1 << 20  # samples

Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RecordFacts:
    """What is to know about one recording before its beats are used.

    Attributes:
        name: name of the record, as the table calls it.
        subject: who was recorded.
        seconds: length.
        rate: in Hz.
        units: units of its signals, as the header has them.
        leads: names of its leads.
        beats: annotated beats.
        faulty: fault → (leads,) share of the beats that have it in that lead.
        any_faulty: fault → share of the beats that have it in any lead.
        unknown: annotation symbols that the WFDB standard does not name → how many.
    """

    name: str
    subject: str
    seconds: float
    rate: float
    units: tuple[str, ...]
    leads: tuple[str, ...]
    beats: int
    faulty: Mapping[str, tuple[float, ...]]
    any_faulty: Mapping[str, float]
    unknown: Mapping[str, int]


def quality(signal: Floats, rate: float, samples: Ints) -> dict[str, Bools]:
    """Which beats of a recording have which fault, in each lead.

    A beat is judged from 0.3 s before R to 0.5 s after it, as far as the recording goes.

    - missing: a sample is NaN or infinite. Such a beat is never called noisy.
    - flat: no variation at all for 0.2 s, or less than 0.05 mV between lowest and highest sample.
    - clipped: a sample at the end of the recorder's range. That is the lead's highest or lowest value if it
      is held for 25 ms (and 4 samples) anywhere in the recording.
    - noisy: high-frequency noise with an RMS above an eighth of the lead's usual QRS complex, or a baseline
      that moves by more than that complex's height during the beat. The RMS is the median over frames of
      50 ms, so that QRS complexes and pacing spikes do not count; the baseline is the running median over a
      second. Disturbances between 1 and 12 Hz look like waves of the heart and are not found.

    Args:
        signal: (leads, time) in mV, NaN where it is missing.
        rate: samples per second, in Hz.
        samples: (n,) R positions, ascending.

    Returns:
        Fault → (n, leads).
    """
    leads, time = signal.shape
    found = {fault: np.zeros((len(samples), leads), dtype=np.bool_) for fault in FAULTS}
    if not len(samples) or time < 2:
        return found
    begin = np.clip(samples - round(BEFORE * rate), 0, time - 2)
    end = np.clip(samples + round(AFTER * rate) + 1, begin + 1, time)
    for i, lead in enumerate(signal):
        missing = ~np.isfinite(lead)
        if missing.any():
            lead = np.where(missing, np.nan, lead)
        found["missing"][:, i] = _touches(missing, begin, end)
        runs = _equal_runs(lead, max(2, round(RAIL_SECONDS * rate)))
        flat = _holds_flat(runs, begin, end, round(FLAT_SECONDS * rate)) | _low(lead, begin, end)
        found["flat"][:, i] = flat
        for rail in _rails(lead, runs):
            found["clipped"][:, i] |= _touches(lead == rail, begin, end)
        if missing.any():
            lead = bridged(lead)
        height = qrs_height(lead, samples[~flat & ~found["missing"][:, i]], rate)
        noisy = noisy_windows(lead, rate, begin, BEFORE + AFTER, max(height, FLAT_MV))
        found["noisy"][:, i] = noisy & ~found["missing"][:, i]
    return found


def row_quality(rows: Floats, rate: float) -> dict[str, Bools]:
    """Which ready beats have which fault, in any lead: beats of a table, on any scale.

    Zeros at the end of a row, in all leads, are padding and no fault. What needs millivolts or the recording
    around the beat cannot be judged: a beat is flat if it does not vary for 0.2 s, or at all; clipped if its
    own highest or lowest value is held for 50 ms and 4 samples; whether it is noisy is left open, as the QRS
    complex of the patient is not known.

    Args:
        rows: (n, leads, time).
        rate: samples per second, in Hz.

    Returns:
        Fault → (n,), without "noisy".
    """
    n, leads, time = rows.shape
    found = {fault: np.zeros(n, dtype=np.bool_) for fault in FAULTS if fault != "noisy"}
    step = max(1, _BLOCK // max(1, leads * time))
    still, held = max(2, round(FLAT_SECONDS * rate)), max(RAIL_SAMPLES, round(2 * RAIL_SECONDS * rate))
    for start in range(0, n, step):
        block, part = np.asarray(rows[start : start + step]), slice(start, start + step)
        found["missing"][part] = ~np.isfinite(block).all(axis=(1, 2))
        used = time - np.argmax((block != 0).any(axis=1)[:, ::-1], axis=1)  # without the padding
        inside = np.arange(time) < used[:, None, None]
        high = np.where(inside, block, -np.inf).max(axis=2, keepdims=True)
        low = np.where(inside, block, np.inf).min(axis=2, keepdims=True)
        equal = (block[..., 1:] == block[..., :-1]) & inside[..., 1:]
        constant = high == low
        found["flat"][part] = (_longest(equal) >= still - 1).any(axis=1) | constant.any(axis=(1, 2))
        at_end = equal & ~constant & ((block == high) | (block == low))[..., 1:]
        found["clipped"][part] = (_longest(at_end) >= held - 1).any(axis=1)
    return found


def _longest(mask: Bools) -> Ints:
    """Length of the longest run of True along the last axis."""
    longest = run = np.zeros(mask.shape[:-1], dtype=np.int64)
    for column in np.moveaxis(mask, -1, 0):
        run = (run + 1) * column
        longest = np.maximum(longest, run)
    return longest


def _touches(mask: Bools, begin: Ints, end: Ints) -> Bools:
    """Whether the mask is True anywhere in each window."""
    changes = np.flatnonzero(mask[1:] != mask[:-1]) + 1
    within = np.searchsorted(changes, begin, "right") < np.searchsorted(changes, end, "left")
    return np.asarray(mask[begin] | within)


def _equal_runs(lead: Floats, least: int) -> Ints:
    """(k, 2): begin and end of the runs of at least so many equal samples, two or more."""
    same, steps = lead[1:] == lead[:-1], 1  # same[i]: the samples from i on are equal for so many steps
    while steps < least - 1:
        more = min(steps, least - 1 - steps)
        same = same[more:] & same[:-more]
        steps += more
    edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]])))
    return np.stack([edges[::2], edges[1::2] + steps], axis=1)


def _holds_flat(runs: Ints, begin: Ints, end: Ints, least: int) -> Bools:
    """Whether a run covers at least so many samples of each window."""
    runs = runs[runs[:, 1] - runs[:, 0] >= least]
    if not len(runs):
        return np.zeros(len(begin), dtype=np.bool_)
    # of windows and runs that are long enough themselves, the first run that ends late enough decides
    first = np.searchsorted(runs[:, 1], begin + least)
    starts = np.append(runs[:, 0], np.iinfo(np.int64).max)[first]
    return np.asarray((starts <= end - least) & (end - begin >= least))


def _low(lead: Floats, begin: Ints, end: Ints) -> Bools:
    """Whether the signal hardly moves in each window."""
    edges = np.stack([begin, np.minimum(end, len(lead) - 1)], axis=1).ravel()
    with np.errstate(invalid="ignore"):  # NaN moves by NaN
        moves = np.maximum.reduceat(lead, edges)[::2] - np.minimum.reduceat(lead, edges)[::2]
    return np.asarray(moves < FLAT_MV)


def _rails(lead: Floats, runs: Ints) -> list[float]:
    """The extreme values at which the recorder ends."""
    high, low = np.fmax.reduce(lead), np.fmin.reduce(lead)
    held = lead[runs[runs[:, 1] - runs[:, 0] >= RAIL_SAMPLES, 0]]
    return [float(end) for end in (low, high) if low < high and (held == end).any()]
