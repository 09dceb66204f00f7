"""How the Kaggle heartbeat files were cut from the records of MIT-BIH, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecgcli.recordings.aami import CLASS_MAPS, CLASSES
from ecgcli.recordings.record import Annotations
from ecgcli.recordings.wfdb_io import read_record, record_annotations

_NUMBERS = (
    "100 101 102 103 104 105 106 107 108 109 111 112 113 114 115 116 117 118 119 121 122 123 124 200 "
    "201 202 203 205 207 208 209 210 212 213 214 215 217 219 220 221 222 223 228 230 231 232 233 234"
)

RECORDS: tuple[str, ...] = tuple(_NUMBERS.split())
"""The records of the MIT-BIH Arrhythmia Database, all of which both files draw from."""

RECORD_RATE = 360.0
"""Sampling rate of the records, in Hz."""

STEP = 3
"""Every third sample is taken, with no filter before it: the rows run at 120 Hz."""

LENGTH = 187
"""Samples of a row; shorter beats are padded with zeros, longer ones cut."""


@dataclass(frozen=True)
class Beats:
    """Where beats were cut, ordered by (record, sample).

    Attributes:
        record: (n,) int64, index into `RECORDS`.
        sample: (n,) int64, the beat's annotation, where its window starts; in samples of the record.
        window: (n,) int64, length of the window in samples of the record.
        symbol: (n,) one-character strings, the annotation's symbol.
    """

    record: npt.NDArray[np.int64]
    sample: npt.NDArray[np.int64]
    window: npt.NDArray[np.int64]
    symbol: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.sample)

    def __getitem__(self, rows: npt.NDArray[np.bool_ | np.int64]) -> Beats:
        return Beats(self.record[rows], self.sample[rows], self.window[rows], self.symbol[rows])

    def same_as(self, other: Beats) -> bool:
        """Whether both name the same beats with the same windows and symbols."""
        return all(
            np.array_equal(getattr(self, field.name), getattr(other, field.name)) for field in fields(self)
        )

    @property
    def label(self) -> npt.NDArray[np.int64]:
        """(n,) int64, index into `CLASSES`."""
        kinds, where = np.unique(self.symbol, return_inverse=True)
        labels = [CLASSES.index(CLASS_MAPS["aami"][kind]) for kind in kinds.tolist()]
        return np.array(labels, dtype=np.int64)[where]


def rebuild(mitdb: Path) -> tuple[npt.NDArray[np.float32], Beats]:
    """Every Kaggle beat, cut from the records.

    Args:
        mitdb: folder of the MIT-BIH Arrhythmia Database, version 1.0.0.

    Returns:
        The rows, (109446, 187) float32, and where they were cut, both ordered by (record, sample).

    Raises:
        EcgError: a record cannot be read.
    """
    rows, beats = [], []
    for index, name in enumerate(RECORDS):
        signal, annotations = read(mitdb, name)
        beats.append(beats_of(index, annotations.sample, annotations.symbol, len(signal)))
        rows.append(cut(signal, beats[-1].sample, beats[-1].window))
    return np.concatenate(rows), concatenate(beats)


def annotation_file(name: str) -> str:
    """Name of the annotations behind the Kaggle files: for record 102 the older ones of its two."""
    return "102-0.atr" if name == "102" else f"{name}.atr"


def read(mitdb: Path, name: str) -> tuple[npt.NDArray[np.float64], Annotations]:
    """First signal of a record in ADC units, (time,) float64, and the annotations behind the Kaggle files.

    Raises:
        EcgError: the record or its annotations cannot be read.
    """
    signal = read_record(mitdb / name, digital=True, annotator=None).signal[0].astype(np.float64, copy=False)
    stem = annotation_file(name).removesuffix(".atr")
    return signal, record_annotations(mitdb / stem, "atr", RECORD_RATE, len(signal))


def beats_of(index: int, sample: npt.NDArray[np.int64], symbol: npt.NDArray[np.str_], length: int) -> Beats:
    """The beats of one record and their windows.

    A window reaches from the beat's annotation over the interval to the next one and a fifth of the interval
    after that, whatever these annotations are: rhythm and noise marks count too. The end of the record
    stands for the annotation after the last one, which itself is never cut.

    Args:
        index: the record, as index into `RECORDS`.
        sample: (m,) positions of all annotations of the record.
        symbol: (m,) their symbols.
        length: length of the record in samples.
    """
    beat = np.flatnonzero(np.isin(symbol[:-1], list(CLASS_MAPS["aami"])))
    interval = np.diff(np.append(sample, length))
    window = (interval[beat] + 0.2 * interval[beat + 1]).astype(np.int64)
    return Beats(np.full(len(beat), index, dtype=np.int64), sample[beat], window, symbol[beat])


def cut(
    signal: npt.NDArray[np.float64], start: npt.NDArray[np.int64], window: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """(n, 187) float32: every third sample of each window, scaled to 0..1, then cut or padded with zeros.

    Args:
        signal: (time,) float64, first signal of a record, in ADC units.
        start: (n,) first sample of each window.
        window: (n,) length of each window in samples of the record. Where the signal is flat in all of it,
            the row is zeros.
    """
    rows = np.zeros((len(start), LENGTH), dtype=np.float32)
    for row, first, length in zip(rows, start.tolist(), window.tolist(), strict=True):
        values = signal[first : first + length : STEP]
        low, high = values.min(), values.max()
        if high > low:
            row[: len(values)] = (values[:LENGTH] - low) / (high - low)
    return rows


def concatenate(parts: Sequence[Beats]) -> Beats:
    """The beats of several records, one after the other."""
    return Beats(
        np.concatenate([part.record for part in parts]),
        np.concatenate([part.sample for part in parts]),
        np.concatenate([part.window for part in parts]),
        np.concatenate([part.symbol for part in parts]),
    )
