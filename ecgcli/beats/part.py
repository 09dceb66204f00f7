"""Part: one division of a table into the beats that train, that choose and that test."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ecgcli.beats.table import UNKNOWN, BeatTable
from ecgcli.errors import EcgError

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Labelled:
    """Beats of held-out patients that somebody labelled: a copy of the model goes on training on each one's.

    Attributes:
        rows: of the table, ascending; in no other part.
        steps: optimizer steps on each patient's beats.
        lr: their learning rate.
    """

    rows: Rows
    steps: int
    lr: float


@dataclass(frozen=True)
class Part:
    """One division of a table.

    Attributes:
        name: name of the protocol.
        classes: the classes that are trained and scored, in the table's order.
        train: rows of the table that train, ascending.
        validation: rows that choose, ascending; none where the protocol was asked for none.
        test: rows that are scored once, ascending; None where the test part is not built.
        leaks: what the protocol itself shares between training and test: "subjects", "records", "samples".
        statement: what the protocol measures, for the head of the report.
        caveats: what has to stand beside scores of the test part, one sentence each.
        fold: which of several divisions of the same beats this is, from 0; None where there is but one. The
            test parts of all folds hold every beat once, and so do their validation parts.
        labelled: what the model may know of the patients that validate and test; None for nothing.
    """

    name: str
    classes: tuple[str, ...]
    train: Rows
    validation: Rows
    test: Rows | None
    leaks: frozenset[str]
    statement: str
    caveats: tuple[str, ...] = ()
    fold: int | None = None
    labelled: Labelled | None = None


def labels(table: BeatTable, part: Part, rows: Rows) -> Rows:
    """Labels of rows of a part, as indices into `part.classes`.

    Raises:
        EcgError: a row's class is none of the part's.
    """
    places = {name: k for k, name in enumerate(part.classes)}
    to_part = np.array([places.get(name, -1) for name in table.classes])
    mapped = to_part[table.label[rows]]
    if (mapped < 0).any():
        outside = table.classes[table.label[rows][mapped < 0][0]]
        raise EcgError(f"protocol={part.name} has no class {outside}; expected {' '.join(part.classes)}")
    return mapped


def pooled(divisions: list[Part]) -> Part:
    """One part for what several folds give together; one division is its own pool.

    Each of its parts holds, once and ascending, the beats that are in that part of any fold: of all folds
    together every beat trains, validates and tests, but by other models.
    """
    first = divisions[0]
    if len(divisions) == 1:
        return first
    tests = [part.test for part in divisions if part.test is not None]
    return replace(
        first,
        train=np.unique(np.concatenate([part.train for part in divisions])),
        validation=np.unique(np.concatenate([part.validation for part in divisions])),
        test=np.unique(np.concatenate(tests)) if tests else None,
        fold=None,
        labelled=first.labelled
        and replace(
            first.labelled,
            rows=np.unique(np.concatenate([part.labelled.rows for part in divisions if part.labelled])),
        ),
    )


def support(table: BeatTable, part: Part) -> dict[str, dict[str, int]]:
    """Part → class → beats, of the parts that have beats."""
    sides = {"train": part.train, "validation": part.validation, "test": part.test}
    return {
        name: dict(
            zip(
                part.classes,
                np.bincount(labels(table, part, rows), minlength=len(part.classes)).tolist(),
                strict=True,
            )
        )
        for name, rows in sides.items()
        if rows is not None and len(rows)
    }


def hours(table: BeatTable, rows: Rows) -> float | None:
    """How long the recordings last whose beats these are, from first to last beat.

    None where positions are not known, or where records are not there whole but for single beats: then beats
    follow no clock.
    """
    seconds = 0.0
    for number in np.unique(table.record[rows]):
        own = np.flatnonzero(table.record == number)
        sample = table.sample[own]
        if np.sum(table.record[rows] == number) < 0.9 * len(own) or sample.min(initial=0) < 0:
            return None
        seconds += float(sample.max() - sample.min()) / table.rates[number]
    return seconds / 3600 or None


def in_records(table: BeatTable, names: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """(n,) which beats are of these records."""
    return np.array([name in names for name in table.records])[table.record]


def n_subjects(n: int) -> str:
    """`1 subject`, `2 subjects`."""
    return f"{n} subject{'' if n == 1 else 's'}"


# -- what no protocol takes ----------------------------------------------------------------------------


def refuse_gaps(table: BeatTable, part: Part, validates: bool = True) -> None:
    """Refuses a division with an empty part, or with a class that has no beat to train on.

    Args:
        table: the beats.
        part: the division.
        validates: whether the protocol was asked for a validation part.

    Raises:
        EcgError: naming the part or the classes.
    """
    if len(part.classes) < 2:
        raise EcgError(
            f"protocol={part.name}: {table.source} has beats of class {part.classes[0]} alone; expected two "
            f"classes or more"
        )
    sides = {"training": part.train, "validation": part.validation, "test": part.test}
    for name, rows in sides.items():
        if rows is not None and not len(rows) and (validates or name != "validation"):
            raise EcgError(
                f"protocol={part.name}: the {name} part is empty; expected beats of {table.source}"
            )
    support = np.bincount(labels(table, part, part.train), minlength=len(part.classes))
    if absent := [name for name, n in zip(part.classes, support, strict=True) if not n]:
        raise EcgError(
            f"protocol={part.name}: no beat of class {' or '.join(absent)} to train on; expected beats of "
            f"{' '.join(part.classes)}"
        )


def refuse_half(table: BeatTable, name: str) -> None:
    """Refuses the Kaggle training file alone, for protocols that divide anew.

    Raises:
        EcgError: the test file is not in the table.
    """
    if table.source == "kaggle" and not (table.split == 1).any():
        raise EcgError(
            f"protocol={name} divides the beats of both Kaggle files; only the training file is there"
        )


def refuse_unknown(table: BeatTable, name: str) -> None:
    """Refuses beats of unknown subjects, for protocols that keep subjects apart.

    Rows of the Kaggle files that are no beats of MIT-BIH stand among thousands that are, and the audit counts
    them; elsewhere a single beat of an unknown subject is one too many.

    Raises:
        EcgError: naming the protocol that does without subjects.
    """
    unknown = int(np.sum(in_records(table, _of_subject(table, UNKNOWN))))
    if unknown == len(table) or (unknown and table.source != "kaggle"):
        which = "the beats" if unknown == len(table) else f"{unknown:,} of the {len(table):,} beats"
        raise EcgError(
            f"protocol={name} keeps subjects apart, but the subjects of {which} are unknown; "
            f"use protocol=intra_patient"
        )


def _of_subject(table: BeatTable, subject: str) -> tuple[str, ...]:
    return tuple(r for r, s in zip(table.records, table.subjects, strict=True) if s == subject)
