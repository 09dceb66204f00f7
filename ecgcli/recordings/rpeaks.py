"""R-peak detection: which peaks of the slope energy are QRS complexes, and where their R peaks lie.

A detector of the project's own, with bounded sight: what is found at a place depends on the signal within
`RPEAK_CONTEXT` seconds of it, on a grid that starts at the recording's start. A long recording can therefore
be gone through in pieces and gives the same R peaks. Its sources and what it achieves: docs/rpeaks.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ecgcli.recordings.fiducial import place
from ecgcli.recordings.qrs_candidates import REACH, averaged, block_of, candidates, step_of

Floats = npt.NDArray[np.floating]

RPEAK_CONTEXT: float = REACH + 4.0
"""Seconds of signal before and after a stretch that decide on the R peaks in it."""

PIECE = 1200.0
"""Seconds of a piece, unless another length is asked for."""

# logistic regression on the candidates of the records of DS1 and the paced ones, with both leads and with the
# first alone (scripts/rpeaks.py --fit); in the order of `qrs_candidates.FACTS`
_WEIGHTS = (
    -1.468, -0.3748, 2.372, 0.9562, 5.113,
    -1.047, -0.6194, -1.206, -0.8281, -0.7136,
    -0.1092, -0.2614, -0.08004, -0.1188, 0.2862,
    1.071, 0.5609, -10.37, 0.3, 9.677, 2.673, 3.594,
)  # fmt: skip
_BIAS = -0.1169


def find_rpeaks(signal: npt.ArrayLike, rate: float) -> npt.NDArray[np.int64]:
    """Finds the R peaks of a recording.

    All leads are used; the R peak is placed in the first one, wherever the leads agree that a beat is.

    Args:
        signal: (time,) or (leads, time), in any unit; NaN where samples are missing.
        rate: samples per second, in Hz (50 to 2000).

    Returns:
        (n,) positions in samples, ascending.
    """
    trace = np.atleast_2d(np.asarray(signal))

    def read(start: int, end: int) -> Floats:
        return trace[:, start:end]

    return find_rpeaks_in_pieces(read, trace.shape[1], range(len(trace)), rate)


def find_rpeaks_in_pieces(
    read: Callable[[int, int], Floats],
    samples: int,
    leads: Sequence[int],
    rate: float,
    piece: float = PIECE,
) -> npt.NDArray[np.int64]:
    """Finds the R peaks of a recording that is read piece by piece; they are those of `find_rpeaks`.

    Args:
        read: gives (leads, end − start) of the recording for `start` and `end` in samples.
        samples: length of the recording in samples.
        leads: which rows of what `read` gives are used; R peaks are placed in the first of them.
        rate: samples per second, in Hz (50 to 2000).
        piece: seconds between the pieces; each is read with `RPEAK_CONTEXT` before and after it.

    Returns:
        (n,) positions in samples, ascending.
    """
    block = block_of(rate) * step_of(rate)
    context = -int(-RPEAK_CONTEXT * rate // block) * block
    length = max(1, round(piece * rate / block)) * block
    found = [np.zeros(0, dtype=np.int64)]
    for start in range(0, samples, length):
        first, last = max(0, start - context), min(samples, start + length + context)
        trace = np.asarray(read(first, last))[list(leads)].astype(np.float32, copy=False)
        found.append(_in_piece(trace, rate, start - first, start + length - first) + first)
    return np.unique(np.concatenate(found))


def _in_piece(trace: Floats, rate: float, start: int, end: int) -> npt.NDArray[np.int64]:
    """R peaks, in samples of the piece, of the QRS complexes that lie from `start` to before `end`."""
    step = step_of(rate)
    slow = averaged(trace, step)
    if slow.shape[1] < 4:
        return np.zeros(0, dtype=np.int64)
    seen = candidates(slow, rate / step)
    beat = seen.facts @ np.array(_WEIGHTS) + _BIAS > 0
    beat &= (seen.position >= start // step) & (seen.position < -(-end // step))
    return place(trace, rate, seen.position[beat] * step + step // 2, seen.weight[:, beat])
