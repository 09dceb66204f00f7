"""What a table of beats holds: how many of which class where, what they look like, how they follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ecgcli.beats.rhythm import LONGEST, SHORTEST
from ecgcli.beats.table import UNKNOWN, BeatTable

Value = TypeVar("Value", bound=np.generic)
Means = npt.NDArray[np.float32]

_EXAMPLES = 40  # drawn of each class
_INTERVALS = 20_000  # drawn of each class where there are more
_BLOCK = 2**20  # values of the signal that are held at a time, 8 MB


@dataclass(frozen=True)
class ClassShape:
    """What the beats of one class look like; channels are those of `BeatTable.signal`, leads alone.

    Attributes:
        beats: how many there are, all of them exact.
        mean: (leads, time), over every beat.
        spread: (leads, time), standard deviation over every beat.
        examples: (k, leads, time), beats drawn at random.
    """

    beats: int
    mean: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float32]
    examples: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Overview:
    """A look at a table.

    Attributes:
        classes: names of the classes.
        records: names of the records.
        counts: (records, classes) beats.
        shapes: class → its shape, for classes with beats.
        record_means: (records, classes, leads, time) mean beat of each record and class; NaN where there is
            none.
        intervals: class → RR intervals before its beats, in seconds, at most some 20,000 drawn at random;
            empty where positions are not known.
    """

    classes: tuple[str, ...]
    records: tuple[str, ...]
    counts: npt.NDArray[np.int64]
    shapes: Mapping[str, ClassShape]
    record_means: npt.NDArray[np.float32]
    intervals: Mapping[str, npt.NDArray[np.float64]]


def overview(table: BeatTable, seed: int = 0) -> Overview:
    """Looks at every beat of a table once, in blocks; what is drawn at random follows from the seed.

    The RR intervals of beats that follow one another in a table are taken, in a record, so a table of some
    beats only gives some intervals too long; the Kaggle training file alone, which lacks every fifth beat,
    gives none. Intervals that no two heart beats have, as over a stretch without marks, are left out.
    """
    rng = np.random.default_rng(seed)
    counts, mean, spread, record_means = _moments(table)
    leads = len(table.leads)
    seconds = intervals_before(table)
    shapes, intervals = {}, {}
    for i, name in enumerate(table.classes):
        rows = np.flatnonzero(table.label == i)
        known = seconds[rows][np.isfinite(seconds[rows])]
        intervals[name] = _drawn(rng, known, _INTERVALS)
        if len(rows):
            examples = np.asarray(table.signal[np.sort(_drawn(rng, rows, _EXAMPLES)), :leads])
            shapes[name] = ClassShape(len(rows), mean[i], spread[i], examples)
    return Overview(table.classes, table.records, counts, shapes, record_means, intervals)


def intervals_before(table: BeatTable) -> npt.NDArray[np.float64]:
    """(n,) RR interval that ends at each beat, in seconds; NaN where it is not known."""
    seconds = np.full(len(table), np.nan)
    if table.source == "kaggle" and not (table.split == 1).any():
        return seconds
    rate = np.array(table.rates)[table.record]
    placed = np.array([name != UNKNOWN for name in table.records])[table.record] & (table.sample >= 0)
    rr = np.diff(table.sample) / rate[1:]
    follows = placed[:-1] & placed[1:] & (table.record[:-1] == table.record[1:])
    taken = follows & (rr >= SHORTEST) & (rr <= LONGEST)
    seconds[1:][taken] = rr[taken]
    return seconds


def _moments(table: BeatTable) -> tuple[npt.NDArray[np.int64], Means, Means, Means]:
    """Counts, (records, classes); mean and spread of classes; mean of every class in every record.

    Blocks are merged by their means and squared deviations (Chan, Golub and LeVeque 1979), which is exact to
    rounding whatever the offset; sums of squares are not.
    """
    shape = (len(table.leads), table.signal.shape[2])
    records, classes = len(table.records), len(table.classes)
    counts = np.zeros((records, classes), np.int64)
    record_means = np.zeros((records, classes, *shape), np.float32)
    seen = np.zeros(classes, np.int64)
    mean, squares = np.zeros((2, classes, *shape))
    step = max(1, _BLOCK // (shape[0] * shape[1]))
    for first in range(0, len(table), step):
        here = slice(first, first + step)
        group = table.record[here] * classes + table.label[here]
        order = np.argsort(group, kind="stable")
        groups, starts, sizes = np.unique(group[order], return_index=True, return_counts=True)
        beats = table.signal[here, : shape[0]][order].astype(np.float64)
        means = np.add.reduceat(beats, starts) / sizes[:, None, None]
        beats -= np.repeat(means, sizes, axis=0)
        deviations = np.add.reduceat(np.square(beats, out=beats), starts)
        for at, size, theirs, squared in zip(groups, sizes, means, deviations, strict=True):
            record, label = divmod(at, classes)
            seen[label] += size
            share = size / seen[label]
            apart = theirs - mean[label]
            mean[label] += share * apart
            squares[label] += squared + (1 - share) * size * apart**2
            counts[record, label] += size
            apart = theirs - record_means[record, label]
            record_means[record, label] += size / counts[record, label] * apart
    record_means[counts == 0] = np.nan
    spread = np.sqrt(squares / np.maximum(seen, 1)[:, None, None])
    return counts, mean.astype(np.float32), spread.astype(np.float32), record_means


def _drawn(rng: np.random.Generator, values: npt.NDArray[Value], most: int) -> npt.NDArray[Value]:
    return rng.choice(values, most, replace=False) if len(values) > most else values
