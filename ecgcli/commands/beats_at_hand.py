"""Beats to try a model on: those that its run validated on, else simulated ones. Never a test part."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ecgcli.beats.protocol import parts
from ecgcli.beats.rhythm import rhythm_features
from ecgcli.beats.segment import Segmenter
from ecgcli.beats.sources import beats, data_dir
from ecgcli.choices.beat import GivenBeat
from ecgcli.learning.facts import ModelFacts
from ecgcli.recordings.aami import BEAT_SYMBOLS
from ecgcli.recordings.record import Record
from ecgcli.recordings.simulate import simulate
from ecgcli.runs import Run

MOST = 1024
"""Beats that are taken of a part, evenly over it."""


class Beats(NamedTuple):
    """Cut beats.

    Attributes:
        signal: (n, channels, time).
        features: (n, k) what the segmenter says of them beside.
        name: what they are, in words.
    """

    signal: npt.NDArray[np.float32]
    features: npt.NDArray[np.float32]
    name: str


def beats_of(run: Run, folder: str | None) -> Beats:
    """Beats of a run's own data that it validated on, or where there are none, that it was trained on.

    Args:
        run: the run.
        folder: `data_dir` as given.

    Raises:
        EcgError: the data is not at hand.
    """
    config = run.config
    test = config.protocol.name != "kaggle"  # only that protocol can leave the test file closed
    table = beats(config.data, config.beat, data_dir(folder), test)
    divisions = parts(table, config.protocol, test=False)
    rows, name = np.unique(np.concatenate([part.validation for part in divisions])), "validation"
    if not len(rows):
        rows, name = np.unique(np.concatenate([part.train for part in divisions])), "training"
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, MOST).astype(np.int64))]
    return Beats(np.array(table.signal[rows]), table.features[rows], f"{name} beats of {table.source}")


def simulated_beats(facts: ModelFacts) -> Beats:
    """Beats of simulated patients, cut as the model reads them, whatever leads it asks for."""
    segmenter = Segmenter.from_dict(facts.segmenter)
    need = next(iter(facts.networks.values()))
    cuts = []
    for patient in (1, 2, 3):
        record = simulate(patient, 2.0, 0)
        assert record.annotations is not None
        peaks = record.annotations.sample[np.isin(record.annotations.symbol, list(BEAT_SYMBOLS))]
        if isinstance(segmenter.beat, GivenBeat):
            cuts.append(_windows(record, peaks, need.leads, need.length, segmenter.beat.rhythm))
        else:
            names = _lead_names(segmenter)
            leads = record.signal[np.arange(len(names)) % len(record.signal)]
            signal, _, _, features = segmenter.cut(leads, record.rate, names, peaks)
            cuts.append((signal, features))
    signal, features = (np.concatenate(part)[:MOST] for part in zip(*cuts, strict=True))
    return Beats(signal, features, "simulated beats")


def _lead_names(segmenter: Segmenter) -> tuple[str, ...]:
    """Names of leads among which the segmenter finds all that it asks for, by name or by number."""
    asked = getattr(segmenter.beat, "leads", ())
    numbers = [lead + 1 for lead in asked if isinstance(lead, int)]
    names = [lead for lead in asked if isinstance(lead, str)] + ["MLII"] * (not asked)
    return (*names, *(f"lead{i}" for i in range(len(names), max([*numbers, len(names) + len(numbers)]))))


def _windows(
    record: Record, peaks: npt.NDArray[np.int64], channels: int, length: int, rhythm: bool
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Beats of a length that only a table knows: a third before R, standardised."""
    at = np.clip(peaks[:, None] - length // 3 + np.arange(length), 0, record.signal.shape[1] - 1)
    beat = record.signal[0][at]
    beat = (beat - beat.mean(1, keepdims=True)) / (beat.std(1, keepdims=True) + 1e-6)
    signal = np.repeat(beat[:, None].astype(np.float32), channels, axis=1)
    none = np.zeros((len(peaks), 0), np.float32)
    return signal, rhythm_features(peaks, record.rate) if rhythm else none
