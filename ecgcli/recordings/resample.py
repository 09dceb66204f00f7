"""A signal at another sampling rate."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

AnyFloat = TypeVar("AnyFloat", bound=np.floating)

_CROSSINGS = 10  # zero crossings of the low-pass to either side


def rate_ratio(rate: float, wanted: float) -> Fraction:
    """New samples for each old one, as a fraction of numbers up to about 1000.

    Args:
        rate: the rate that a signal has, in Hz.
        wanted: the rate that it shall have, in Hz. An odd ratio of the two is met to within 0.1%: positions
            have to be converted by the returned ratio, so that nothing drifts.
    """
    fast, slow = max(rate, wanted), min(rate, wanted)
    ratio = (Fraction(fast) / Fraction(slow)).limit_denominator(max(1, int(1000 * slow / fast)))
    return ratio if wanted > rate else 1 / ratio


def resample(signal: npt.NDArray[AnyFloat], ratio: Fraction) -> npt.NDArray[AnyFloat]:
    """Resamples without aliasing; beyond its edges the signal goes on as it ends.

    The filter is that of `scipy.signal.resample_poly`: a low-pass of ten zero crossings to either side under
    a Kaiser window (β = 5). Written as one matrix from a run of old samples to a run of new ones it takes a
    quarter of the time, and its columns sum to 1, so that a constant stays constant.

    Args:
        signal: (leads, time), finite.
        ratio: new samples for each old one.

    Returns:
        (leads, ceil(time · ratio)), of the type of `signal`; old sample `i` lies at new position `i · ratio`.
    """
    if ratio == 1:
        return signal
    weights, down = _weights(ratio)
    weights = weights.astype(signal.dtype)  # (down + 2 reach, up)
    reach, up = (len(weights) - down) // 2, weights.shape[1]
    leads, time = len(signal), -(-signal.shape[1] * ratio.numerator // ratio.denominator)
    blocks = -(-time // up)
    edges = (reach, blocks * down + reach - signal.shape[1])
    padded = np.pad(signal, ((0, 0), edges), mode="edge")
    old = np.lib.stride_tricks.sliding_window_view(padded, down + 2 * reach, axis=1)[:, ::down]
    new = np.empty((leads, blocks, up), dtype=signal.dtype)
    for start in range(0, blocks, 4096):  # the product copies overlapping runs: not all at once
        new[:, start : start + 4096] = old[:, start : start + 4096] @ weights
    return new.reshape(leads, -1)[:, :time]


@cache
def _weights(ratio: Fraction) -> tuple[npt.NDArray[np.float64], int]:
    """(down + 2 reach, up) from a run of old samples, and what lies around it, to the new ones; down."""
    runs = -(-128 // ratio.denominator)  # short runs are joined: wide matrices are quick
    up, down = ratio.numerator * runs, ratio.denominator * runs
    crossing = max(ratio.numerator, ratio.denominator)  # on the grid that holds old and new samples
    reach = _CROSSINGS * crossing // ratio.numerator + 1  # old samples the filter sees to either side
    distance = np.arange(up) * ratio.denominator - np.arange(-reach, down + reach)[:, None] * ratio.numerator
    within = np.clip(1 - (distance / (_CROSSINGS * crossing)) ** 2, 0, None)
    weights = np.where(within > 0, np.i0(5.0 * np.sqrt(within)) * np.sinc(distance / crossing), 0.0)
    return weights / weights.sum(axis=0), down
