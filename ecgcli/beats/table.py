"""BeatTable: every beat of a data set in one table, ordered by (record, sample)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

UNKNOWN = "unknown"
"""Name of the record and subject of beats whose origin is not known: nothing can be said of them."""


@dataclass(frozen=True)
class BeatTable:
    """The beats of a data set, one row a beat, ordered by (record, sample).

    Attributes:
        signal: (n, leads, time) float32; often a read-only memory map. Behind the leads may stand further
            channels that the segmenter made of them.
        label: (n,) int64, index into `classes`.
        symbol: (n,) one-character strings, the annotation symbol of the beat ("" where unknown).
        record: (n,) int64, index into `records` (names in ascending order).
        sample: (n,) int64, position of the beat's annotation, in samples of its recording.
        span: (n, 2) int64, first and one past the last raw sample the row was cut from.
        split: (n,) int8, the part that the source itself names: 0 training, 1 test, −1 none.
        classes: names of the classes.
        records: names of the records.
        subjects: subject of each record, parallel to `records`.
        rates: sampling rate in Hz of each record, parallel to `records`.
        leads: names of the leads of `signal`, as asked for.
        rate: samples per second of `signal`, in Hz.
        class_map: name of the map from symbols to classes ("aami", "ec57").
        source: name of the data set ("mitdb").
        fingerprint: hex digest of the content of the source; equal content, equal fingerprint.
        notes: what the reader found worth saying (unknown symbols, lead fallbacks, beats left out),
            one sentence each.
        features: (n, k) float32, what the segmenter says of a beat beside its signal (rhythm, distance from
            the patient's usual beat); k is 0 where it says nothing.
        feature_names: names of the features.
    """

    signal: npt.NDArray[np.float32]
    label: npt.NDArray[np.int64]
    symbol: npt.NDArray[np.str_]
    record: npt.NDArray[np.int64]
    sample: npt.NDArray[np.int64]
    span: npt.NDArray[np.int64]
    split: npt.NDArray[np.int8]
    classes: tuple[str, ...]
    records: tuple[str, ...]
    subjects: tuple[str, ...]
    rates: tuple[float, ...]
    leads: tuple[str, ...]
    rate: float
    class_map: str
    source: str
    fingerprint: str
    notes: tuple[str, ...] = ()
    features: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    feature_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.feature_names:
            object.__setattr__(self, "features", np.zeros((len(self.label), 0), np.float32))

    def __len__(self) -> int:
        return len(self.label)

    @property
    def subject(self) -> npt.NDArray[np.int64]:
        """(n,) int64, index of each beat's subject into `sorted(set(subjects))`."""
        codes = {name: i for i, name in enumerate(sorted(set(self.subjects)))}
        return np.array([codes[name] for name in self.subjects], dtype=np.int64)[self.record]
