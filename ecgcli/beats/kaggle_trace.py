"""Where every beat of the Kaggle heartbeat files was cut, and in which of the two files it stands."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecgcli.beats.kaggle_recipe import Beats, beats_of, concatenate

TRACE_FILE = Path(__file__).with_name("kaggle_trace.npz")
"""What `scripts/make_kaggle_trace.py` made: annotations of all records, order of the test file, hashes."""

KEY_BYTES = 6
_KEY = np.uint64(2 ** (8 * KEY_BYTES) - 1)


@dataclass(frozen=True)
class Trace:
    """What is known of every Kaggle beat.

    Attributes:
        beats: all 109,446, ordered by (record, sample).
        test_row: (n,) int64, row of the published test file, from 0; −1 stands for the training file,
            whose published row order is not known.
        key: (n,) uint64, the low 48 bits of the row's hash. No two rows are equal, and no two keys.
    """

    beats: Beats
    test_row: npt.NDArray[np.int64]
    key: npt.NDArray[np.uint64]

    def locate(self, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
        """(m,) int64, index into `beats` of each row by its hash; −1 where the row is none of them."""
        order = np.argsort(self.key)
        wanted = hashes & _KEY
        place = order[np.minimum(np.searchsorted(self.key, wanted, sorter=order), len(order) - 1)]
        return np.where(self.key[place] == wanted, place, -1)


@functools.cache
def load_trace() -> Trace:
    """The trace that ships with this package."""
    with np.load(TRACE_FILE, allow_pickle=False) as file:
        ends = np.cumsum(file["annotations"], dtype=np.int64)
        steps = np.split(file["step"].astype(np.int64), ends[:-1])
        symbols = np.split(file["symbol"].view("S1").astype(np.str_), ends[:-1])
        lengths, test, key = file["length"].tolist(), file["test"], file["key"]
    records = enumerate(zip(steps, symbols, lengths, strict=True))
    beats = concatenate(
        [beats_of(i, np.cumsum(step), symbol, length) for i, (step, symbol, length) in records]
    )
    test_row = np.full(len(beats), -1, dtype=np.int64)
    test_row[test] = np.arange(len(test))
    padded = np.pad(key, ((0, 0), (0, 8 - KEY_BYTES)))
    return Trace(beats, test_row, padded.view("<u8")[:, 0].astype(np.uint64))


def row_hashes(signal: npt.NDArray[np.float32]) -> npt.NDArray[np.uint64]:
    """(n,) uint64, a hash (BLAKE2b of 64 bits) of each row of (n, time) float32."""
    rows = np.ascontiguousarray(signal, dtype="<f4")
    digests = b"".join(hashlib.blake2b(row, digest_size=8).digest() for row in rows)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)
