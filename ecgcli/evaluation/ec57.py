"""Beat-by-beat scoring after ANSI/AAMI EC57: which beats were found, and were they called what they are.

The rules are the standard's, with what the manuals of WFDB's `bxb` and `sumstats` add; where both leave a
choice, it is the one that gives their published numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ecgcli.errors import EcgError
from ecgcli.evaluation.ec57_beats import (
    LEARNING_PERIOD,
    MATCH_WINDOW,
    Beats,
    Ints,
    check,
    flutter_episodes,
    inside,
    scored_beats,
    shutdowns,
    window_samples,
)
from ecgcli.evaluation.ec57_runs import Flutter, Runs, compare_flutter, compare_runs
from ecgcli.recordings.aami import ClassMap
from ecgcli.recordings.record import Annotations

N, S, V, F, Q = range(5)
"""Rows and columns of the matrix: the five beat classes, in the order of `CLASSES`."""

ALONE, SHUT = 5, 6
"""Row and column O and X: beats that one side does not have, outside and inside of its shutdown."""

BEAT_MEASURES = ("QRS Se", "QRS +P", "VEB Se", "VEB +P", "SVEB Se", "SVEB +P")
"""Names of the measures of single beats, in the order of the standard's tables."""


@dataclass(frozen=True)
class Ratio:
    """A share with what it is made of."""

    hits: int
    total: int

    @property
    def percent(self) -> float | None:
        """The share in percent; None where there is nothing to share."""
        return 100.0 * self.hits / self.total if self.total else None


@dataclass(frozen=True)
class RecordScore:
    """Everything that is counted about one record.

    Attributes:
        record: the record's name.
        matrix: (7, 7) int64, reference class (N S V F Q O X) by test class (n s v f q o x). Row O holds beats
            that only the test file has, row X those of them in the reference's shutdown; column o beats that
            only the reference has, column x those of them in the test's shutdown.
        rr_error: root mean square of the RR intervals' differences in ms; None where there were none.
        shutdown: seconds that the test annotator declared unreadable, in the whole record.
        ventricular: runs of class V.
        supraventricular: runs of class S.
        flutter: episodes of ventricular flutter or fibrillation.
    """

    record: str
    matrix: Ints
    rr_error: float | None
    shutdown: float
    ventricular: Runs
    supraventricular: Runs
    flutter: Flutter

    @property
    def measures(self) -> dict[str, Ratio]:
        """Every sensitivity (Se) and positive predictivity (+P) of this record, by name."""
        return {**beat_measures(self.matrix), **_run_measures(self)}


def match(reference: Ints, test: Ints, window: int) -> tuple[Ints, Ints]:
    """Pairs the beats of two files.

    Both files are walked through together. The earlier of the two beats at hand is paired with the later one
    if they are no more than `window` apart and the next beat of the earlier one's file is no closer; else the
    earlier one stays alone.

    Args:
        reference: (n,) samples of the reference's beats, ascending.
        test: (m,) samples of the test's beats, ascending.
        window: greatest distance in samples.

    Returns:
        Two arrays with one entry a step: the index of the reference's beat and that of the test's beat,
        −1 where the other one stayed alone.
    """
    ref, tst = reference.tolist(), test.tolist()
    steps_ref: list[int] = []
    steps_tst: list[int] = []
    i = j = 0
    n, m = len(ref), len(tst)
    while i < n and j < m:
        gap = tst[j] - ref[i]
        if gap >= 0:
            alone = gap > window or (i + 1 < n and abs(ref[i + 1] - tst[j]) < gap)
            steps_ref.append(i)
            steps_tst.append(-1 if alone else j)
            i += 1
            j += not alone
        else:
            alone = -gap > window or (j + 1 < m and abs(tst[j + 1] - ref[i]) < -gap)
            steps_ref.append(-1 if alone else i)
            steps_tst.append(j)
            i += not alone
            j += 1
    steps_ref += [*range(i, n), *[-1] * (m - j)]
    steps_tst += [*[-1] * (n - i), *range(j, m)]
    return np.array(steps_ref, dtype=np.int64), np.array(steps_tst, dtype=np.int64)


def score_record(
    record: str,
    reference: Annotations,
    test: Annotations,
    rate: float,
    length: int | None,
    start: float = LEARNING_PERIOD,
    class_map: ClassMap = "ec57",
    window: float = MATCH_WINDOW,
) -> RecordScore:
    """Scores one record.

    Beats inside flutter that the reference marks with `[ ]` are not scored, nor are a file's own beats
    inside its own marks.

    Args:
        record: the record's name.
        reference: annotations that are taken for true.
        test: annotations that are scored.
        rate: samples per second of both, in Hz.
        length: the record's length in samples; None: it ends one match window after the last annotation
            of the reference.
        start: seconds at the start that are not scored.
        class_map: how symbols become classes.
        window: greatest distance in seconds of two annotations of one beat.

    Raises:
        EcgError: annotations out of order or beyond the record's end, an unknown symbol, or a start at which
            the record is over.
    """
    check(reference, length, f"record {record}, reference")
    check(test, length, f"record {record}, test")
    width = window_samples(window, rate)
    first = round(start * rate)
    stop = length if length is not None else (int(reference.sample[-1]) if len(reference) else 0) + width + 1
    if first >= stop:
        raise EcgError(
            f"record {record}: lasts {stop / rate:.0f} s, nothing is left to score after start={start:g} s; "
            f"expected an earlier start, such as start=0"
        )
    flutter_ref, flutter_test = flutter_episodes(reference, stop - 1), flutter_episodes(test, stop - 1)
    shut_ref, shut_test = shutdowns(reference, stop - 1, width), shutdowns(test, stop - 1, width)
    left_out = np.concatenate([flutter_ref, flutter_test])
    ref = scored_beats(
        reference, class_map, first, stop, flutter_ref, breaks=np.concatenate([flutter_ref, shut_ref])
    )
    tst = scored_beats(test, class_map, first, stop, left_out, breaks=np.concatenate([left_out, shut_test]))
    steps = match(ref.sample, tst.sample, width)
    return RecordScore(
        record=record,
        matrix=_matrix(ref, tst, steps, inside(shut_ref, tst.sample), inside(shut_test, ref.sample)),
        rr_error=_rr_error(ref, tst, steps, rate),
        shutdown=float(np.diff(shut_test).sum()) / rate,
        ventricular=compare_runs(ref, tst, V, width),
        supraventricular=compare_runs(ref, tst, S, width),
        flutter=compare_flutter(flutter_ref, flutter_test, first, rate),
    )


def _matrix(
    ref: Beats,
    tst: Beats,
    steps: tuple[Ints, Ints],
    unread_by_ref: npt.NDArray[np.bool_],
    unread_by_test: npt.NDArray[np.bool_],
) -> Ints:
    row = np.append(ref.label, 0)[steps[0]]  # index −1 takes the appended one, which is then replaced
    column = np.append(tst.label, 0)[steps[1]]
    extra, missed = steps[0] < 0, steps[1] < 0
    row[extra] = np.where(unread_by_ref[steps[1][extra]], SHUT, ALONE)
    column[missed] = np.where(unread_by_test[steps[0][missed]], SHUT, ALONE)
    return np.bincount(7 * row + column, minlength=49).astype(np.int64).reshape(7, 7)


def _rr_error(ref: Beats, tst: Beats, steps: tuple[Ints, Ints], rate: float) -> float | None:
    """Root mean square in ms, over all steps of the pairing, of the RR intervals of the two beats at hand.

    At hand are the first beats of both files that no earlier step has used, whether the step pairs them or
    not: a missed beat therefore counts more than once.
    """
    i: Ints = np.cumsum(steps[0] >= 0) - (steps[0] >= 0)
    j: Ints = np.cumsum(steps[1] >= 0) - (steps[1] >= 0)
    both = (i < len(ref)) & (j < len(tst))
    difference = ref.rr[i[both]] - tst.rr[j[both]]
    difference = difference[~np.isnan(difference)]
    if not len(difference):
        return None
    return float(np.sqrt(np.mean(np.square(difference)))) * 1000.0 / rate


def beat_measures(matrix: Ints) -> dict[str, Ratio]:
    """Sensitivity and positive predictivity for all beats (QRS), VEB and SVEB.

    By the standard, a fusion or unclassifiable beat called V is no false VEB, and an unclassifiable one
    called S no false SVEB.

    Args:
        matrix: (7, 7) counts as in `RecordScore`.
    """
    found = matrix[:5, :5].sum()
    return {
        "QRS Se": _ratio(found, matrix[:5].sum()),
        "QRS +P": _ratio(found, matrix[:, :5].sum()),
        "VEB Se": _ratio(matrix[V, V], matrix[V].sum()),
        "VEB +P": _ratio(matrix[V, V], matrix[[N, S, V, ALONE, SHUT], V].sum()),
        "SVEB Se": _ratio(matrix[S, S], matrix[S].sum()),
        "SVEB +P": _ratio(matrix[S, S], matrix[[N, S, V, F, ALONE, SHUT], S].sum()),
    }


def _run_measures(score: RecordScore) -> dict[str, Ratio]:
    measures: dict[str, Ratio] = {}
    for letter, runs in (("V", score.ventricular), ("S", score.supraventricular)):
        for kind, (se, pp) in runs.counts.items():
            measures[f"{letter} {kind} Se"] = _ratio(*se)
            measures[f"{letter} {kind} +P"] = _ratio(*pp)
    flutter = score.flutter
    measures["flutter episode Se"] = _ratio(flutter.detected, flutter.reference)
    measures["flutter episode +P"] = _ratio(flutter.true, flutter.test)
    measures["flutter duration Se"] = _ratio(flutter.overlap_ms, flutter.reference_ms)
    measures["flutter duration +P"] = _ratio(flutter.overlap_ms, flutter.test_ms)
    return measures


def _ratio(hits: int | np.integer, total: int | np.integer) -> Ratio:
    return Ratio(int(hits), int(total))
