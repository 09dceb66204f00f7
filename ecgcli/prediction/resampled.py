"""The leads that a model reads, at the model's rate, in a file that is not kept in memory."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import IO

import numpy as np
import numpy.typing as npt

from ecgcli.beats.segment import LONGEST_BRIDGE, bridged
from ecgcli.files import closed_on_error
from ecgcli.prediction.readable import Frames, frame_length, frames
from ecgcli.recordings.resample import resample

PIECE = 300
"""Seconds of a recording that are in memory at a time, about."""

Floats = npt.NDArray[np.float32]
Read = Callable[[int, int], Floats]


@dataclass(frozen=True)
class Resampled:
    """Leads of a recording at another rate.

    Attributes:
        file: where they lie, float32, sample by sample.
        leads: how many.
        length: in samples of the new rate.
        frames: what is known of each half second of the leads as recorded.
    """

    file: IO[bytes]
    leads: int
    length: int
    frames: Frames

    def piece(self, start: int, end: int) -> Floats:
        """(leads, end − start) of the leads."""
        self.file.seek(4 * self.leads * start)
        values = np.fromfile(self.file, np.float32, self.leads * (end - start))
        return np.ascontiguousarray(values.reshape(-1, self.leads).T)

    def mapped(self) -> Floats:
        """(leads, length) all of it, as a memory map."""
        shape = (self.length, self.leads)
        return np.memmap(self.file, np.float32, "r", shape=shape).T


def resampled(read: Read, samples: int, leads: tuple[int, ...], rate: float, ratio: Fraction) -> Resampled:
    """Resamples leads of a recording piece by piece; the same as in one piece.

    Args:
        read: gives (all leads, end − start) in mV of the recording, from start to end, NaN where missing.
        samples: its length.
        leads: which leads to take.
        rate: its samples per second, in Hz.
        ratio: new samples for each old one.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115  (it lives as long as what is returned)
    kept: list[Frames] = []
    length = 0
    with closed_on_error(file):
        for raw, new in _pieces(read, samples, leads, rate, ratio):
            kept.append(frames(raw, rate))
            np.ascontiguousarray(new.T, dtype=np.float32).tofile(file)
            length += new.shape[1]
        file.flush()
    found = Resampled(file, len(leads), length, Frames.joined(kept))
    weakref.finalize(found, file.close)
    return found


def _pieces(
    read: Read, samples: int, leads: tuple[int, ...], rate: float, ratio: Fraction
) -> Iterator[tuple[Floats, Floats]]:
    """Pieces of the leads as recorded, in whole frames, and resampled."""
    block = int(np.lcm(ratio.denominator, frame_length(rate)))
    step = block * max(1, round(PIECE * rate) // block)
    # what the filter of `resample` sees, and what a gap's neighbours are known by
    need = 10 * max(ratio.numerator, ratio.denominator) // ratio.numerator + round(LONGEST_BRIDGE * rate) + 3
    margin = ratio.denominator * -(-need // ratio.denominator)
    before: list[float | None] = [None] * len(leads)  # the last value before the margin
    for start in range(0, samples, step):
        end = min(start + step, samples)
        first = max(0, start - margin)
        part = read(first, min(end + margin, samples))[list(leads)]
        whole = np.stack([bridged(lead, rate, last) for lead, last in zip(part, before, strict=True)])
        skip = (start - first) * ratio
        new = resample(whole, ratio)[:, int(skip) :]
        if end < samples:
            new = new[:, : int((end - start) * ratio)]
        yield part[:, start - first : end - first], new
        for i, lead in enumerate(part[:, : max(0, end - margin - first)]):
            there = np.flatnonzero(np.isfinite(lead))
            before[i] = float(lead[there[-1]]) if len(there) else before[i]
