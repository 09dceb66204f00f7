"""What a network that has only ever seen simulated rhythms makes of the RR intervals around a beat.

A database of some dozen patients holds few rhythms, and a classifier trained on it takes what it saw for all
there is: that most beats are sinus beats, say. This network has seen thousands of simulated patients
(`simulated_intervals`) and no recording; its log-probabilities stand beside the intervals as features, for a
classifier to trust as far as its training beats bear them out. `scripts/make_rhythm_prior.py` makes it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float32]

FILE = Path(__file__).with_name("rhythm_prior.npz")

PRIOR_CLASSES = ("N", "S", "V")

PRIOR_NAMES = tuple(f"rr_prior_{name}" for name in PRIOR_CLASSES)
"""Names of the columns of `rhythm_prior`."""

LEAST = 1e-4
"""Probability that the logarithm begins at: below it the simulation says nothing of real hearts."""

_BLOCK = 8192  # beats


def rhythm_prior(rhythm: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Log-probabilities of sinus (or conducted), supraventricular and ventricular, by the rhythm alone.

    Args:
        rhythm: (n, k) as `rhythm_features` gives them.

    Returns:
        (n, 3) float32, finite, columns as `PRIOR_NAMES` has them.
    """
    mean, deviation, layers = _network()
    said = np.empty((len(rhythm), len(PRIOR_CLASSES)), np.float32)
    for start in range(0, len(rhythm), _BLOCK):
        x = (rhythm[start : start + _BLOCK] - mean) / deviation
        for i, (weight, bias) in enumerate(layers):
            x = (np.maximum(x, 0) if i else x) @ weight.T + bias
        odds = np.exp(x - x.max(axis=1, keepdims=True))
        said[start : start + _BLOCK] = np.log(odds / odds.sum(axis=1, keepdims=True) + LEAST)
    return said


@cache
def _network() -> tuple[_Floats, _Floats, list[tuple[_Floats, _Floats]]]:
    with np.load(FILE, allow_pickle=False) as held:
        layers = [(held[f"weight{i}"], held[f"bias{i}"]) for i in range(3)]
        return held["mean"], held["deviation"], layers
