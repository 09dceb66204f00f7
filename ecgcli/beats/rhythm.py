"""Rhythm: RR intervals of a beat, relative to those of the same patient around it.

Everything is a difference of logarithms of RR intervals, so it does not depend on the patient's heart rate,
and follows from positions alone: no labels, nothing learned. Local medians fail where most beats are
premature, as in long runs of supraventricular beats; the other quantiles find the sinus rhythm there too.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Number = TypeVar("Number", bound=np.generic)

WINDOWS = (4, 25, 150)
"""Beats to either side: 9, 51 and 301 RR intervals."""

QUANTILES = (0.1, 0.5, 0.75, 0.9)

SHORTEST, LONGEST = 0.15, 6.0
"""RR intervals in seconds: what is outside is a double mark or a stretch without marks."""

_CLIP = 1.5  # log ratio: 4.5 times, or less than a quarter


def _names() -> tuple[str, ...]:
    names = ["rr_before_to_previous", "rr_after_to_before", "rr_next_to_after"]
    for half in WINDOWS:
        width = 2 * half + 1
        names += [f"rr_{which}_to_q{100 * q:.0f}_{width}" for which in ("before", "after") for q in QUANTILES]
        names += [f"rr_next_to_q50_{width}", f"rr_pause_{width}", f"rr_irregularity_{width}"]
    return tuple(names)


RHYTHM_NAMES = _names()
"""Names of the columns of `rhythm_features`, all log ratios of RR intervals.

`before`, `after` and `next` are the intervals that end at the beat, begin at it, and follow that one.
`q50_51` is the median of the 51 intervals around. `pause` is before plus after to twice the median: 0 with a
fully compensatory pause. `irregularity` is the median size of the step from one interval to the next.
"""

RHYTHM_CONTEXT = max(WINDOWS) + 2
"""Beats before and after a beat on which its features depend."""


def rhythm_features(samples: npt.NDArray[np.integer], rate: float) -> npt.NDArray[np.float32]:
    """RR features of the beats of one recording.

    Where an interval does not exist, before the first beat or after the last, the median of the nine
    intervals around stands for it. Windows that reach over an end of the recording are mirrored there.

    Args:
        samples: (n,) ascending positions of the R peaks, of beats alone, in samples.
        rate: samples per second, in Hz.

    Returns:
        (n, k) float32, finite, columns as `RHYTHM_NAMES` has them.
    """
    n = len(samples)
    if n < 2:
        return np.zeros((n, len(RHYTHM_NAMES)), np.float32)
    seconds = np.diff(np.asarray(samples, np.int64)) / rate
    known = np.log(np.clip(seconds, SHORTEST, LONGEST))  # (n − 1,); known[i − 1] ends at beat i
    # quantiles are taken of known intervals alone: beat 0 shares those of the first interval
    quantile = {
        half: [np.append(q[:1], q) for q in (local_quantile(known, half, q) for q in QUANTILES)]
        for half in WINDOWS
    }
    median = quantile[WINDOWS[0]][QUANTILES.index(0.5)]
    # (n + 3,) from the interval before the one that ends at the first beat to the second after the last
    rr = np.concatenate([median[:2], known, median[-1:], median[-1:]])
    previous, before, after, following = (rr[i : i + n] for i in range(4))
    columns: list[npt.NDArray[Any]] = [before - previous, after - before, following - after]
    step = np.abs(np.diff(known, prepend=known[:1]))
    pause = np.logaddexp(before, after) - np.log(2)
    for half in WINDOWS:
        columns += [which - q for which in (before, after) for q in quantile[half]]
        middle = quantile[half][QUANTILES.index(0.5)]
        irregularity = local_quantile(step, half, 0.5)
        columns += [following - middle, pause - middle, np.append(irregularity[:1], irregularity)]
    features: npt.NDArray[np.float32] = np.clip(np.stack(columns, axis=1), -_CLIP, _CLIP).astype(np.float32)
    return features


def local_quantile(values: npt.NDArray[Number], half: int, quantile: float) -> npt.NDArray[Number]:
    """The quantile of each value and its `half` neighbours to either side; mirrored at the ends.

    Args:
        values: (..., n) finite, n at least 1; each row is filtered by itself.
        half: neighbours to either side.
        quantile: 0.5 for the median; one of the values, not between two.

    Returns:
        (..., n) of the type of `values`.
    """
    from scipy.ndimage import rank_filter

    # padded by hand: scipy's own mirror is wrong for arrays much shorter than the window
    around = [(0, 0)] * (values.ndim - 1) + [(half, half)]
    padded = np.pad(values, around, mode="symmetric")
    # the rows one behind another in one call, which takes 0.6 of the time: where they meet is padding
    filtered: npt.NDArray[Number] = rank_filter(
        padded.ravel(), round(2 * half * quantile), size=2 * half + 1
    ).reshape(padded.shape)
    return filtered[..., half : padded.shape[-1] - half]
