"""Record: one recording with its annotations; Source: one that is read piece by piece."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Annotations:
    """What somebody (or a program) wrote beside a recording.

    Attributes:
        sample: (n,) int64, positions in samples of the recording, ascending.
        symbol: (n,) one-character strings (WFDB annotation codes): beats, rhythm changes, noise marks.
        subtype: (n,) int64, WFDB subtype (−1 with `~` marks unreadable stretches).
        aux: (n,) strings, such as `(AFIB` at a rhythm change; empty where there is none.
        num: (n,) int64, WFDB's `num`, from −128 to 127 (a program may keep a percentage in it); None where
            nobody gave any, which a file holds as zeros.
    """

    sample: npt.NDArray[np.int64]
    symbol: npt.NDArray[np.str_]
    subtype: npt.NDArray[np.int64]
    aux: npt.NDArray[np.str_]
    num: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.sample)


@dataclass(frozen=True)
class Record:
    """One recording.

    Attributes:
        name: name of the record, unique in its database ("100").
        signal: (leads, time) float32 in mV (raw ADC units as float64 where `digital` was asked for).
        rate: samples per second, in Hz.
        leads: names of the leads ("MLII", "V1"), in the order of `signal`.
        annotations: the annotations, or None where the recording has none.
        subject: who was recorded; records of one person carry the same subject.
    """

    name: str
    signal: npt.NDArray[np.floating]
    rate: float
    leads: tuple[str, ...]
    annotations: Annotations | None
    subject: str


@dataclass(frozen=True)
class Source:
    """A recording that is read piece by piece, so that its length costs no memory.

    Attributes:
        name: name of the recording ("100"): its file name without the ending.
        path: what was opened; for a WFDB record, the record without an ending.
        rate: samples per second, in Hz.
        leads: names of the leads.
        samples: length in samples.
        read: `read(start, end)` gives the samples from `start` up to `end`, 0 <= start < end <= samples, as
            (leads, end - start) float32 in mV, NaN where a sample is missing; raises EcgError where the file
            cannot be read any more.
        units: what the values of the file are taken for: "mV", "uV" or "V", or several of them.
        notes: what a person should know, such as signals that were left out.
    """

    name: str
    path: Path
    rate: float
    leads: tuple[str, ...]
    samples: int
    read: Callable[[int, int], npt.NDArray[np.float32]]
    units: str = "mV"
    notes: tuple[str, ...] = ()
