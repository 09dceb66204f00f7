"""The stretch of a recording around a beat: what a reader of ECGs wants to see before judging it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ecgcli.beats.from_records import Recording
from ecgcli.errors import EcgError
from ecgcli.recordings.aami import BEAT_SYMBOLS
from ecgcli.recordings.record import Annotations, Record
from ecgcli.recordings.wfdb_io import read_record

REACH = 2.5
"""Seconds shown to either side of a beat."""


@dataclass(frozen=True)
class Stretch:
    """A stretch of a recording.

    Attributes:
        signal: (leads, time) in mV; NaN where samples are missing.
        rate: samples per second, in Hz.
        start: sample of the recording at which it starts.
        leads: names of the leads.
        marks: (sample of the recording, text) of what is annotated beside beats: rhythm changes, noise.
        rhythm: the annotated rhythm at the beat ("AFIB"), "" where none is annotated.
    """

    signal: npt.NDArray[np.floating]
    rate: float
    start: int
    leads: tuple[str, ...]
    marks: tuple[tuple[int, str], ...] = ()
    rhythm: str = ""

    @property
    def end(self) -> int:
        """One past the last sample, in samples of the recording."""
        return self.start + int(self.signal.shape[1])


def stretches(
    recordings: Mapping[str, Recording],
    records: Sequence[str],
    samples: Sequence[int],
    annotator: str = "atr",
    reach: float = REACH,
) -> list[Stretch | None]:
    """What the recordings hold around some beats. Each recording is read once.

    Args:
        recordings: record name → recording (`sources.recordings`).
        records: the record of each beat.
        samples: where each beat is, in samples of its recording.
        annotator: extension of the annotation files; recordings without one have no marks and no rhythm.
        reach: seconds to either side.

    Returns:
        A stretch for each beat, shorter at an end of the recording; None where the recording is not at hand,
        cannot be read, or ends before the beat.
    """
    found: list[Stretch | None] = [None] * len(records)
    for name in sorted(set(records) & set(recordings)):
        record = _read(recordings[name], annotator)
        for i, sample in enumerate(samples):
            if record is not None and records[i] == name and 0 <= sample < record.signal.shape[1]:
                found[i] = _around(record, sample, reach)
    return found


def _read(recording: Recording, annotator: str) -> Record | None:
    """The recording; a picture that cannot be drawn shall not stop what it is to illustrate."""
    for extension in (annotator, None):
        try:
            return read_record(recording.path, annotator=extension)
        except EcgError:
            continue
    return None


def _around(record: Record, sample: int, reach: float) -> Stretch:
    width = round(reach * record.rate)
    start, end = max(0, sample - width), min(record.signal.shape[1], sample + width + 1)
    marks, rhythm = _marks(record.annotations, sample, start, end)
    # a copy, so that the whole recording is not kept for the sake of its stretch
    return Stretch(record.signal[:, start:end].copy(), record.rate, start, record.leads, marks, rhythm)


def _marks(
    annotations: Annotations | None, sample: int, start: int, end: int
) -> tuple[tuple[tuple[int, str], ...], str]:
    if annotations is None:
        return (), ""
    here = slice(*np.searchsorted(annotations.sample, [start, end]))
    symbols, auxes = annotations.symbol[here].tolist(), annotations.aux[here].tolist()
    marks = tuple(
        (int(at), _said(aux) or symbol)
        for at, symbol, aux in zip(annotations.sample[here], symbols, auxes, strict=True)
        if symbol not in BEAT_SYMBOLS
    )
    changes = np.flatnonzero((annotations.symbol == "+") & (annotations.sample <= sample))
    rhythm = next(
        (_said(str(annotations.aux[i])) for i in changes[::-1] if annotations.aux[i][:1] == "("), ""
    )
    return marks, rhythm


def _said(aux: str) -> str:
    return aux.strip("\0 ").removeprefix("(")
