"""Where in a QRS complex its fiducial lies, as the annotators of MIT-BIH set it.

The annotators marked the major deflection: mostly R, but in wide, notched and inverted complexes not the
highest sample. The rule is to take the sharpest turn, up or down, at the scale of a QRS deflection: the
extremum of the second derivative under a Gaussian, with less weight on what is far from the middle of the
slope energy. That is blind to baseline, polarity and unit.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from ecgcli.recordings.qrs_candidates import averaged

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]

_RATE = 360.0  # Hz, about: that of the annotations; faster signals are averaged to it
_TURN = 0.020  # seconds: standard deviation of the Gaussian under which the signal turns
_NEAR = 0.115  # seconds: standard deviation of the weight around the expected place
_EXPECTED = -0.040  # seconds from the middle of the energy
_SEARCH = 0.150  # seconds searched to either side: EC57's match window
_UNREADABLE = 0.05  # a lead with a smaller weight says nothing of where the beat is


def place(trace: Floats, rate: float, middle: Ints, weight: Floats) -> Ints:
    """Places the R peaks.

    Args:
        trace: (leads, time), may hold NaN.
        rate: in Hz.
        middle: (n,) where the slope energy of each beat is highest, in samples.
        weight: (leads, n) what each lead has to say about each beat.

    Returns:
        (n,) positions in samples: in the first lead, or where that is missing or drowned in noise the best
        other one.
    """
    step = max(1, round(rate / _RATE))
    signal = averaged(trace, step)
    turns, reach = _weights(rate / step)
    edges = reach + turns.shape[1] // 2
    time = signal.shape[1]
    index = (middle // step)[:, None] + np.arange(-edges, edges + 1)
    index = np.clip(index, 0, time - 1)  # beyond its ends the signal goes on as it ends
    usable = weight * np.array([np.isfinite(lead[index]).all(axis=1) for lead in signal])
    lead = np.where(usable[0] > _UNREADABLE, 0, usable.argmax(axis=0))
    # in double precision: products of other sizes round otherwise, and pieces give what the whole gives
    turn = np.abs(np.nan_to_num(signal[lead[:, None], index]).astype(np.float64) @ turns)
    best = turn.argmax(axis=1)
    inner = np.clip(best, 1, turn.shape[1] - 2)
    before, at, after = (turn[np.arange(len(best)), inner + k] for k in (-1, 0, 1))
    curve = before - 2 * at + after
    peaked = (best == inner) & (curve < 0)
    between = np.where(peaked, 0.5 * (before - after) / np.where(peaked, curve, 1.0), 0.0)
    exact = middle // step + best - turns.shape[1] // 2 + between
    placed = np.rint(exact * step + (step - 1) / 2).astype(np.int64)
    return np.where(usable.max(axis=0) > 0, placed, middle).clip(0, trace.shape[1] - 1)


@cache
def _weights(rate: float) -> tuple[npt.NDArray[np.float64], int]:
    """(window, places) from a window of the signal to its weighted turn at each place; reach."""
    deviation = _TURN * rate
    reach = int(np.ceil(4 * deviation))
    time = np.arange(-reach, reach + 1)
    bell = np.exp(-(time**2) / (2 * deviation**2))
    second = bell * (time**2 / deviation**2 - 1)
    second -= bell * second.sum() / bell.sum()  # a constant has no turn
    places = np.arange(-int(_SEARCH * rate), int(_SEARCH * rate) + 1)
    near = np.exp(-((places / rate - _EXPECTED) ** 2) / (2 * _NEAR**2))
    matrix = np.zeros((len(places) + 2 * reach, len(places)))
    for k in range(len(places)):
        matrix[k : k + 2 * reach + 1, k] = second * near[k]
    return matrix, reach
