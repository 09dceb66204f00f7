"""Simulated rhythms to train on: what a database of a few dozen patients does not hold (`augment.rhythm`)."""

from __future__ import annotations

import numpy as np
import torch

from ecgcli.beats.rhythm_prior import PRIOR_NAMES, rhythm_prior
from ecgcli.beats.simulated_intervals import simulated_intervals
from ecgcli.beats.table import BeatTable

SEED, PATIENTS = 3, 300
"""Other patients than those whom the network of `beats.rhythm_prior` has seen (seed 1)."""


def simulated_rhythms(table: BeatTable, classes: tuple[str, ...]) -> list[torch.Tensor]:
    """Of every class the first features, those of the rhythm, of simulated beats of this class.

    Args:
        table: the beats that are trained on, which have such features.
        classes: names of the outputs; what is not N counts as `abnormal`.

    Returns:
        (m, k) for every class; m is 0 for classes that are not simulated.
    """
    beats = simulated_intervals(SEED, PATIENTS)
    features = beats.features
    if PRIOR_NAMES[0] in table.feature_names:
        features = np.hstack([features, rhythm_prior(features)])
    kinds = {"abnormal": beats.label != "N"}
    return [torch.from_numpy(features[kinds.get(name, beats.label == name)]) for name in classes]
