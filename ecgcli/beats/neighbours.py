"""How much of a score can be memory: the nearest training beat of each beat that is scored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ecgcli.beats.part import Part
from ecgcli.beats.table import UNKNOWN, BeatTable

Signal = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

NEAR = 0.1
"""Beats are near-identical whose difference has less than this share of the beat's own size (RMS).

So close comes a patient to himself alone. Of 3,000 beats of the records of DS1, each against all the others,
none has another patient's beat within 0.1, be they cut as `centred` or as the Kaggle files are (0.2 % have
one within 0.15, 4 % within 0.2); 25 % and 41 % have one of their own patient, which is of their class in
99.8 % or more. Normal beats that follow one another differ by 0.24 and 0.39 on the median.
"""

_TESTED, _KNOWN = 4_000, 100_000  # beats that are drawn where there are more
_BLOCK = (512, 4096)  # tested by known beats that are compared at a time: 8 MB


@dataclass(frozen=True)
class Nearest:
    """What the nearest training beats say.

    Attributes:
        distance: (tested,) RMS of the difference to the nearest training beat over the RMS of the beat
            itself about its mean.
        near: share of tested beats with a near-identical training beat.
        accuracy: of the class of the nearest training beat.
        macro_f1: of the same, over the classes that the tested beats have.
    """

    distance: npt.NDArray[np.float32]
    near: float
    accuracy: float
    macro_f1: float


@dataclass(frozen=True)
class Memory:
    """1-nearest-neighbour classification of a part, with and without training beats of the same subject.

    Attributes:
        part: which part was classified.
        tested: how many of its beats, drawn at random.
        references: how many training beats, all of them or drawn at random.
        everyone: the nearest of all training beats.
        others: the nearest among training beats of other subjects; None where subjects are unknown, or where
            no tested beat has training beats of its own subject (then `everyone` says the same), or where
            the training beats are of one subject alone.
    """

    part: str
    tested: int
    references: int
    everyone: Nearest
    others: Nearest | None


def memory(
    table: BeatTable, part: Part, seed: int = 0, tests: int = _TESTED, references: int = _KNOWN
) -> Memory:
    """Classifies beats of the validation part by their nearest training beat (Cover and Hart 1967).

    Nothing is learned but the beats themselves: what such a classifier gets right with training beats of the
    same subject, and wrong without them, is memory of the patients. The test part plays no part.

    Args:
        table: the beats, compared in all leads as they stand there.
        part: one division of them.
        seed: of the beats that are drawn.
        tests: how many beats are classified, at most.
        references: how many training beats they are compared with, at most.
    """
    rng = np.random.default_rng(seed)
    known, rows = _drawn(rng, part.train, references), _drawn(rng, part.validation, tests)
    references_signal, signal = _signal(table, known), _signal(table, rows)
    subject = _subjects(table)
    everyone, others = nearest(signal, references_signal, subject[rows], subject[known])

    def said(found: Rows) -> Nearest:
        distance = relative_distance(signal, references_signal[found])
        truth, guess = table.label[rows], table.label[known[found]]
        return Nearest(
            distance=distance,
            near=float(np.mean(distance < NEAR)),
            accuracy=float(np.mean(truth == guess)),
            macro_f1=_macro_f1(truth, guess),
        )

    own = np.isin(subject[rows], subject[known]) & (subject[rows] >= 0)
    apart = own.any() and len(np.unique(subject[known])) > 1
    return Memory(
        part="validation",
        tested=len(rows),
        references=len(known),
        everyone=said(everyone),
        others=said(others) if apart else None,
    )


def near_between(
    table: BeatTable, first: Rows, second: Rows, seed: int = 0, tests: int = _TESTED, references: int = _KNOWN
) -> float:
    """Share of the beats of `second` that have a near-identical one in `first`; looks at no label.

    Args:
        table: the beats.
        first: rows of the one part, such as training.
        second: rows of the other, such as test.
        seed: of the beats that are drawn.
        tests: how many beats of `second` are looked at, at most.
        references: how many of `first` they are compared with, at most. Where `first` has more, the share
            comes out too small.
    """
    rng = np.random.default_rng(seed)
    known, signal = (_signal(table, _drawn(rng, *of)) for of in ((first, references), (second, tests)))
    found, _ = nearest(signal, known, np.full(len(signal), -1), np.full(len(known), -1))
    return float(np.mean(relative_distance(signal, known[found]) < NEAR))


def nearest(signal: Signal, known: Signal, subject: Rows, known_subject: Rows) -> tuple[Rows, Rows]:
    """The nearest known beat of each beat, in Euclidean distance, by products of matrices.

    Args:
        signal: (n, leads, time).
        known: (m, leads, time), m at least 1.
        subject: (n,) codes of the subjects of `signal`, negative where not known.
        known_subject: (m,) those of `known`.

    Returns:
        Two (n,) indices into `known`: the nearest of all, and the nearest of other subjects; any where there
        is none of other subjects.
    """
    # sorted by subject, a subject's beats are one slice of rows, and its known beats one of columns
    rows, columns = np.argsort(subject, kind="stable"), np.argsort(known_subject, kind="stable")
    subject, known_subject = subject[rows], known_subject[columns]
    beats, references = signal.reshape(len(signal), -1), known.reshape(len(known), -1)
    # about their middle, so that an offset common to all does not drown small distances in rounding
    middle = references.mean(axis=0, dtype=np.float64).astype(np.float32)
    everyone, others = (_Closest(len(beats)) for _ in range(2))
    for first in range(0, len(columns), _BLOCK[1]):
        theirs = references[columns[first : first + _BLOCK[1]]] - middle
        codes = known_subject[first : first + _BLOCK[1]]
        half = np.einsum("ij,ij->i", theirs, theirs) / 2
        for start in range(0, len(rows), _BLOCK[0]):
            here = slice(start, start + _BLOCK[0])
            # |a − b|² is smallest where a·b − |b|²/2 is largest
            closeness = (beats[rows[here]] - middle) @ theirs.T - half
            best = _best(closeness)
            everyone.update(here, first, *best)
            own = np.intersect1d(subject[here][subject[here] >= 0], codes)
            for code in own:
                closeness[_run(subject[here], code), _run(codes, code)] = -np.inf
            others.update(here, first, *(_best(closeness) if len(own) else best))
    back = np.argsort(rows)
    return columns[everyone.place[back]], columns[others.place[back]]


def _best(closeness: npt.NDArray[np.float32]) -> tuple[Rows, npt.NDArray[np.float32]]:
    """The closest column of each row, and how close."""
    place = closeness.argmax(axis=1)
    return place, np.take_along_axis(closeness, place[:, None], axis=1)[:, 0]


class _Closest:
    """The closest column of each row, over blocks of columns."""

    def __init__(self, rows: int):
        self.place = np.zeros(rows, np.int64)
        self._closeness = np.full(rows, -np.inf, np.float32)

    def update(self, rows: slice, first: int, place: Rows, value: npt.NDArray[np.float32]) -> None:
        """Takes the best of a block whose columns begin at `first`."""
        better = value > self._closeness[rows]
        self._closeness[rows][better] = value[better]
        self.place[rows][better] = first + place[better]


def relative_distance(signal: Signal, others: Signal) -> npt.NDArray[np.float32]:
    """RMS of the difference of beats over the RMS of the beat about its mean, in each lead.

    Args:
        signal: (n, leads, time).
        others: (n, leads, time), what each is compared with.

    Returns:
        (n,), infinite for beats that are flat in all leads: they say nothing of a patient.
    """
    size = np.sqrt(np.mean(np.var(signal, axis=2, dtype=np.float64), axis=1))
    apart = np.sqrt(np.mean(np.square(np.subtract(signal, others, dtype=np.float64)), axis=(1, 2)))
    relative = np.full(len(signal), np.inf, np.float32)
    relative[size > 0] = apart[size > 0] / size[size > 0]
    return relative


def _macro_f1(truth: Rows, guess: Rows) -> float:
    """Mean over the classes of `truth`."""
    hits = [np.sum((truth == c) & (guess == c)) for c in np.unique(truth)]
    sizes = [np.sum(truth == c) + np.sum(guess == c) for c in np.unique(truth)]
    return float(np.mean(2 * np.array(hits) / np.array(sizes)))


def _run(ordered: Rows, code: int) -> slice:
    """Where a code stands among ordered ones."""
    return slice(*np.searchsorted(ordered, [code, code + 1]))


def _drawn(rng: np.random.Generator, rows: Rows, most: int) -> Rows:
    return np.sort(rng.choice(rows, most, replace=False)) if len(rows) > most else rows


def _signal(table: BeatTable, rows: Rows) -> Signal:
    """(n, leads, time) of rows; channels behind the leads are the segmenter's."""
    return np.asarray(table.signal[rows, : len(table.leads)])


def _subjects(table: BeatTable) -> Rows:
    """(n,) code of each beat's subject, −1 where not known."""
    known = np.array([name != UNKNOWN for name in table.subjects])
    return np.where(known[table.record], table.subject, -1)
