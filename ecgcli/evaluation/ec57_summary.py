"""EC57 scores of several records: gross (all beats weigh the same) and average (all records do)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ecgcli.evaluation.ec57 import ALONE, SHUT, N, Ratio, RecordScore, S, V
from ecgcli.evaluation.ec57_beats import LEARNING_PERIOD, MATCH_WINDOW, Ints
from ecgcli.recordings.aami import CLASSES, ClassMap


@dataclass(frozen=True)
class Scores:
    """The scores of several records, and how they were made.

    Attributes:
        records: one entry a record.
        reference_annotator: extension of the reference's annotation files.
        test_annotator: extension of the test's annotation files.
        class_map: how symbols became classes.
        start: seconds at the start of each record that were not scored.
        window: the match window in seconds.
        notes: what a reader has to know besides, one sentence each.
    """

    records: tuple[RecordScore, ...]
    reference_annotator: str = "atr"
    test_annotator: str = "tst"
    class_map: ClassMap = "ec57"
    start: float = LEARNING_PERIOD
    window: float = MATCH_WINDOW
    notes: tuple[str, ...] = ()


def gross(scores: Sequence[RecordScore]) -> dict[str, Ratio]:
    """Every measure over all records pooled: each beat, run or episode weighs the same.

    As `sumstats` does, SVEB +P here leaves out fusion beats called S, which a record's own value counts.
    """
    each = [_for_sums(score) for score in scores]
    names = list(each[0])
    return {name: Ratio(sum(m[name].hits for m in each), sum(m[name].total for m in each)) for name in names}


def average(scores: Sequence[RecordScore]) -> dict[str, float | None]:
    """Every measure in percent, averaged over the records that have it: each record weighs the same.

    SVEB +P leaves out fusion beats called S, as in `gross`.
    """
    each = [_for_sums(score) for score in scores]
    return {name: _mean(m[name].percent for m in each) for name in each[0]}


def average_rr_error(scores: Sequence[RecordScore]) -> float | None:
    """The RR error in ms, averaged over the records that have one."""
    return _mean(score.rr_error for score in scores)


def _for_sums(score: RecordScore) -> dict[str, Ratio]:
    called = score.matrix[[N, S, V, ALONE, SHUT], S].sum()
    return {**score.measures, "SVEB +P": Ratio(int(score.matrix[S, S]), int(called))}


def pooled_matrix(scores: Iterable[RecordScore]) -> Ints:
    """(7, 7) int64, the records' matrices added up."""
    total: Ints = np.sum([score.matrix for score in scores], axis=0, dtype=np.int64)
    return total


def beats_of(matrix: Ints) -> dict[str, int]:
    """Class → number of beats that the reference has of it, found or not."""
    return {name: int(matrix[k].sum()) for k, name in enumerate(CLASSES)}


def _mean(values: Iterable[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else None
