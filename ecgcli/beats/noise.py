"""Noise in a lead, measured against its QRS complexes.

That the height of the QRS complex is the yardstick is the idea of WFDB's `nst`: Moody, Muldrow & Mark, "A
noise stress test for arrhythmia detectors", Computers in Cardiology 11:381-384, 1984, and the manual of
nst(1). With QRS complexes of height a (peak to peak) and noise of RMS n, its signal-to-noise ratio is a²/8
over n².
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

NOISE_TO_QRS = 1 / 8
"""RMS of high-frequency noise over the height of the QRS complex: 9 dB in `nst`. Such noise, peak to peak, is
more than half as high as the complex."""

WANDER_TO_QRS = 1.0
"""How far the baseline moves during a beat, over the height of the QRS complex. Wander of the same power
troubles less than other noise (nst(1) says so too) and has a limit of its own."""

_SMOOTH = 0.02  # s to either side: what a mean over this leaves is high frequency, from about 12 Hz on
_FRAME = 0.05  # s, shorter than a QRS complex
_BASELINE = 21  # frames, about a second: longer than QRS and T together
_QRS = 0.1  # s to either side of R
_BEATS = 1000  # enough for a median
_BLOCK = 1 << 20  # samples

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]


def bridged(lead: Floats) -> Floats:
    """(time,) the lead with straight lines where it is NaN."""
    there = np.flatnonzero(~np.isnan(lead))
    gaps = np.flatnonzero(np.isnan(lead))
    lead = lead.copy()
    lead[gaps] = np.interp(gaps, there, lead[there]) if len(there) else 0
    return lead


def qrs_height(lead: Floats, samples: Ints, rate: float) -> float:
    """Height of the usual QRS complex of a lead: the median over its beats.

    Args:
        lead: (time,), finite.
        samples: (n,) R positions, ascending.
        rate: samples per second, in Hz.

    Returns:
        Peak to peak within 0.1 s of R, in the unit of the lead; 0 without beats.
    """
    around = np.arange(-round(_QRS * rate), round(_QRS * rate) + 1)
    samples = samples[(samples >= around[-1]) & (samples < len(lead) - around[-1])]
    if not len(samples):
        return 0.0
    evenly = np.linspace(0, len(samples) - 1, min(_BEATS, len(samples))).astype(np.int64)
    return float(np.median(np.ptp(lead[samples[evenly, None] + around], axis=1)))


def noisy_windows(
    lead: Floats, rate: float, begin: Ints, seconds: float, height: float
) -> npt.NDArray[np.bool_]:
    """Where noise is out of proportion to the QRS complex.

    High-frequency noise is what a moving mean over 40 ms leaves; its RMS is that of the median frame of
    50 ms, so that QRS complexes and pacing spikes, which fill fewer than half of them, do not count. The
    baseline is the running median of a second. Disturbances in between look like waves of the heart and are
    not found.

    Args:
        lead: (time,), finite.
        rate: samples per second, in Hz.
        begin: (n,) first sample of each window.
        seconds: length of the windows.
        height: of the lead's usual QRS complex, in its unit.

    Returns:
        (n,).
    """
    from scipy.ndimage import median_filter

    frame = max(1, round(_FRAME * rate))
    power, level = _frames(lead, rate, frame)
    baseline = median_filter(level, _BASELINE, mode="nearest")
    at = (begin // frame)[:, None] + np.arange(-(-round(seconds * rate) // frame) + 1)
    at = at.clip(0, len(level) - 1)  # (n, frames)
    noise = np.sqrt(np.median(power[at], axis=1))
    wander = np.ptp(baseline[at], axis=1)
    return np.asarray((noise > NOISE_TO_QRS * height) | (wander > WANDER_TO_QRS * height))


def _frames(lead: Floats, rate: float, frame: int) -> tuple[Floats, Floats]:
    """Power of the high frequencies and mean of each frame."""
    from scipy.ndimage import uniform_filter1d

    half = max(1, int(_SMOOTH * rate))
    n = max(1, len(lead) // frame)
    if len(lead) < frame:
        lead = np.pad(lead, (0, frame - len(lead)), mode="edge")
    power, level = np.empty(n), np.empty(n)
    step = max(1, _BLOCK // frame)
    for start in range(0, n, step):
        stop = min(n, start + step)
        low, high = max(0, start * frame - half), min(len(lead), stop * frame + half)
        part = lead[low:high]
        rest = part - uniform_filter1d(part, 2 * half + 1, mode="nearest")
        own = slice(start * frame - low, stop * frame - low)
        framed = rest[own].reshape(-1, frame)
        power[start:stop] = np.einsum("ij,ij->i", framed, framed) / frame
        level[start:stop] = part[own].reshape(-1, frame) @ np.full(frame, 1 / frame, part.dtype)
    return power, level
