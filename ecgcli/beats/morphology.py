"""Morphology relative to the patient: the usual beat around a beat, and how far the beat is from it.

QRS complexes differ more between patients than between classes; what is unusual *for a patient* differs
less. The usual beat is the running median of the beats around, ectopic ones included: as long as they are a
minority, the median passes them by. No labels, nothing learned; only ratios are kept, so gain and offset of
the recording do not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgcli.beats.rhythm import local_quantile

HALF = 150
"""Beats to either side of which the usual beat is the median."""

MORPHOLOGY_CONTEXT = 2 * HALF
"""Beats before and after a beat on which its features depend: they see medians of what rests on medians."""

REGIONS = {"p": (-0.25, -0.08), "qrs": (-0.08, 0.08), "t": (0.1, 0.4)}
"""Seconds around R; a region counts as far as the window holds it."""

FLAT = 1e-5
"""In mV: what varies by less is the rounding of numbers, not a signal."""

_WIDE = (-0.12, 0.16)  # seconds around R that hold wide QRS complexes too
_CLIP = 4.0  # log ratio: 55 times
_BLOCK = 4096  # beats

_SHAPE = ("qrs_correlation", "beat_correlation", "qrs_distance")
_TO_USUAL = ("qrs_distance", "p_distance", "t_distance", "amplitude", "area", "energy", "slope", "width")
_PER_LEAD = (*_SHAPE, *(f"{name}_to_usual" for name in _TO_USUAL))

Beats = npt.NDArray[np.float32]


def morphology_names(leads: Sequence[str]) -> tuple[str, ...]:
    """Names of the columns of `morphology_features`."""
    return tuple(f"{name}_{lead}" for lead in leads for name in _PER_LEAD)


def usual_beats(beats: Beats) -> Beats:
    """The running median beat: sample by sample over the beats up to `HALF` to either side.

    At the ends of the recording the window is mirrored.

    Args:
        beats: (n, leads, length) all beats of a recording, in their order.

    Returns:
        (n, leads, length), aligned with the beats.
    """
    if not beats.size:
        return beats.copy()
    usual = np.empty_like(beats)
    for lead in range(beats.shape[1]):
        usual[:, lead] = local_quantile(beats[:, lead].T, HALF, 0.5).T  # of (length, n): a sample a row
    return usual


def morphology_features(beats: Beats, usual: Beats, rate: float, before: float) -> npt.NDArray[np.float32]:
    """How far each beat is from the usual one around it.

    Args:
        beats: (n, leads, length) all beats of a recording, in their order, each on the same scale.
        usual: what `usual_beats` gave for them.
        rate: samples per second of the beats, in Hz.
        before: seconds from the start of a beat to R.

    Returns:
        (n, leads · k) float32, finite, columns as `morphology_names` has them. Correlations are Pearson's (0
        with a flat signal); everything else is the logarithm of a ratio: the distance in the QRS complex to
        the usual complex itself, and (`…_to_usual`) each quantity to its own running median.
    """
    n, leads, length = beats.shape
    if not n:
        return np.zeros((0, leads * len(_PER_LEAD)), np.float32)
    cuts = {name: _region(*span, rate, before, length) for name, span in {**REGIONS, "wide": _WIDE}.items()}
    columns: list[npt.NDArray[Any]] = []
    for lead in range(leads):
        blocks = [
            _measure(beats[i : i + _BLOCK, lead], usual[i : i + _BLOCK, lead], cuts)
            for i in range(0, n, _BLOCK)
        ]
        found = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
        columns += [found["qrs_correlation"], found["beat_correlation"]]
        columns += [found["qrs_distance"] - found["usual_energy"]]
        measured = np.stack([found[name] for name in _TO_USUAL])
        columns += list(measured - local_quantile(measured, HALF, 0.5))
    features: npt.NDArray[np.float32] = np.clip(np.stack(columns, axis=1), -_CLIP, _CLIP).astype(np.float32)
    return features


def _region(start: float, end: float, rate: float, before: float, length: int) -> slice:
    r = round(before * rate)
    return slice(max(r + round(start * rate), 0), max(min(r + round(end * rate) + 1, length), 0))


def _measure(x: Beats, m: Beats, cuts: dict[str, slice]) -> dict[str, Beats]:
    """Measures of beats x and their usual beats m, (n, length); all but the correlations as logarithms."""
    p, qrs, t, wide = (cuts[name] for name in ("p", "qrs", "t", "wide"))
    slope = np.diff(x[:, wide], axis=1, prepend=x[:, wide][:, :1])
    return {
        "qrs_correlation": _correlation(x[:, qrs], m[:, qrs]),
        "beat_correlation": _correlation(x, m),
        "qrs_distance": _spread(x[:, qrs] - m[:, qrs]),
        "p_distance": _spread(x[:, p] - m[:, p]),
        "t_distance": _spread(x[:, t] - m[:, t]),
        "usual_energy": _spread(m[:, qrs]),
        "amplitude": _log(np.ptp(x[:, wide], axis=1)),
        "area": _log(np.abs(x[:, wide] - np.median(x, axis=1, keepdims=True)).mean(axis=1)),
        "energy": _spread(x[:, qrs]),
        "slope": _log(np.abs(slope).max(axis=1)),
        "width": _width(slope),
    }


def _correlation(a: Beats, b: Beats) -> Beats:
    if a.shape[1] < 2:
        return np.zeros(len(a), np.float32)
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    norm = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    there = norm > a.shape[1] * FLAT**2
    return np.where(there, (a * b).sum(axis=1) / np.where(there, norm, 1), 0).astype(np.float32)


def _spread(values: Beats) -> Beats:
    """Log of the standard deviation over time; 0 for an empty region."""
    return _log(values.std(axis=1)) if values.shape[1] else np.zeros(len(values), np.float32)


def _width(slope: Beats) -> Beats:
    """Log of how far, in samples, the energy of the slope spreads around its centre."""
    energy = slope**2
    total = energy.sum(axis=1)
    steep = total > slope.shape[1] * FLAT**2
    weight = energy / np.where(steep, total, 1)[:, None]
    time: Beats = np.arange(slope.shape[1], dtype=np.float32)
    centre = (weight * time).sum(axis=1, keepdims=True)
    spread = np.sqrt((weight * (time - centre) ** 2).sum(axis=1))
    return np.where(steep, _log(np.maximum(spread, 0.5)), 0.0).astype(np.float32)


def _log(values: Beats) -> Beats:
    return np.log(np.maximum(values, FLAT)).astype(np.float32)
