"""Record: one recording with its annotations."""

from __future__ import annotations

from dataclasses import dataclass

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
    """

    sample: npt.NDArray[np.int64]
    symbol: npt.NDArray[np.str_]
    subtype: npt.NDArray[np.int64]
    aux: npt.NDArray[np.str_]

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
