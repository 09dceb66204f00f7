"""Protocols: which beats train, which choose and which test.

Validation is carved as the test part was: at random where the test part shares its patients with training, by
whole subjects where it does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ecgcli.beats.subjects import hold_out, subject_fold
from ecgcli.beats.table import BeatTable
from ecgcli.choices import BySubject, InterPatient, KaggleProtocol
from ecgcli.errors import EcgError

# in one string each: as lists of quoted names they take half a page (hence the noqa)
DS1: tuple[str, ...] = tuple(
    "101 106 108 109 112 114 115 116 118 119 122 124 201 203 205 207 208 209 215 220 223 230".split()  # noqa: SIM905
)
"""Training records of de Chazal et al. 2004."""

DS2: tuple[str, ...] = tuple(
    "100 103 105 111 113 117 121 123 200 202 210 212 213 214 219 221 222 228 231 232 233 234".split()  # noqa: SIM905
)
"""Test records of de Chazal et al. 2004."""

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """One division of a table.

    Attributes:
        name: name of the protocol.
        classes: the classes that are trained and scored, in the table's order.
        train: rows of the table that train, ascending.
        validation: rows that choose, ascending.
        test: rows that are scored once, ascending; None where the test part is not built.
        leaks: what the protocol itself shares between training and test: "subjects", "records", "samples".
        statement: what the protocol measures, for the head of the report.
        caveats: what has to stand beside scores of the test part, one sentence each.
    """

    name: str
    classes: tuple[str, ...]
    train: Rows
    validation: Rows
    test: Rows | None
    leaks: frozenset[str]
    statement: str
    caveats: tuple[str, ...] = ()


def parts(
    table: BeatTable, protocol: KaggleProtocol | InterPatient | BySubject, test: bool = True
) -> list[Part]:
    """Divides a table.

    Args:
        table: the beats.
        protocol: by which rule.
        test: whether to build the test part.

    Returns:
        One part.

    Raises:
        EcgError: records are missing, a part is empty or a class is absent from training.
    """
    if isinstance(protocol, KaggleProtocol):
        part = _kaggle(table, protocol, test)
    elif isinstance(protocol, InterPatient):
        part = _inter_patient(table, protocol, test)
    else:
        part = _by_subject(table, protocol, test)
    _refuse_gaps(table, part)
    return [part]


def labels(table: BeatTable, part: Part, rows: Rows) -> Rows:
    """Labels of rows of a part, as indices into `part.classes`.

    Raises:
        EcgError: a row's class is none of the part's.
    """
    to_part = np.full(len(table.classes), -1)
    to_part[[table.classes.index(name) for name in part.classes]] = np.arange(len(part.classes))
    mapped = to_part[table.label[rows]]
    if (mapped < 0).any():
        outside = table.classes[table.label[rows][mapped < 0][0]]
        raise EcgError(f"protocol={part.name} has no class {outside}; expected {' '.join(part.classes)}")
    return mapped


# -- the protocols -------------------------------------------------------------------------------------


def _kaggle(table: BeatTable, protocol: KaggleProtocol, test: bool) -> Part:
    """The published split, with a stratified random share of the training file for validation."""
    rng = np.random.default_rng(protocol.seed)
    validation = []
    for label in range(len(table.classes)):
        rows = np.flatnonzero((table.split == 0) & (table.label == label))
        validation.append(rng.permutation(rows)[: round(protocol.validation * len(rows))])
    chosen = np.sort(np.concatenate(validation))
    subjects = len({table.subjects[i] for i in np.unique(table.record)} - {"unknown"})
    return Part(
        name="kaggle",
        classes=table.classes,
        train=np.setdiff1d(np.flatnonzero(table.split == 0), chosen, assume_unique=True),
        validation=chosen,
        test=np.flatnonzero(table.split == 1) if test else None,
        leaks=frozenset({"subjects", "records", "samples"}),
        statement=(
            f"Intra-patient: training, validation and test hold beats of the same "
            f"{_subjects(subjects) if subjects else 'subjects'}, cut from overlapping stretches of the same "
            f"recordings. The scores say how well the model sorts further beats of patients it has seen, not "
            f"how it does on a new patient."
        ),
    )


def _inter_patient(table: BeatTable, protocol: InterPatient, test: bool) -> Part:
    """DS1 → DS2 (de Chazal, O'Dwyer & Reilly, IEEE Trans. Biomed. Eng. 51(7):1196-1206, 2004).

    `seed` tells which of the subject folds of DS1 validates: 0 the one most like DS1, then the others.
    """
    _refuse_half(table, "inter_patient")
    wanted = (*DS1, *DS2) if test else DS1
    present = {table.records[i] for i in np.unique(table.record)}
    if absent := [name for name in sorted(wanted) if name not in present]:
        raise EcgError(
            f"protocol=inter_patient: the data lacks {len(absent)} of the {len(wanted)} records of "
            f"{'DS1 and DS2' if test else 'DS1'}: {', '.join(absent)}"
        )
    classes = tuple(name for name in table.classes if name != "Q")
    scored = table.label != (table.classes.index("Q") if "Q" in table.classes else -1)
    ds1, ds2 = (np.flatnonzero(scored & _of(table, names)) for names in (DS1, DS2))
    fold = subject_fold(table.label[ds1], table.subject[ds1], protocol.folds, protocol.seed)
    return Part(
        name="inter_patient",
        classes=classes,
        train=ds1[~fold],
        validation=ds1[fold],
        test=ds2 if test else None,
        leaks=frozenset({"subjects"}),
        statement=(
            "Inter-patient: trained on the 22 records of DS1, tested on the 22 of DS2 (de Chazal 2004); the "
            "paced records and class Q are left out. No record is on both sides, but records 201 (DS1) and "
            "202 (DS2) are of one subject."
        ),
        caveats=tuple(_caveats(table, ds1, ds2)) if test else (),
    )


def _by_subject(table: BeatTable, protocol: BySubject, test: bool) -> Part:
    """A hold-out of whole subjects, balanced by class."""
    _refuse_half(table, "by_subject")
    codes, subject = np.unique(table.subject, return_inverse=True)
    counts = np.zeros((len(codes), len(table.classes)), dtype=np.int64)  # beats of each subject and class
    np.add.at(counts, (subject, table.label), 1)
    held = [max(1, round(share * len(codes))) for share in (protocol.test, protocol.validation)]
    if sum(held) >= len(codes):
        raise EcgError(
            f"protocol=by_subject: {held[0]} subjects for test and {held[1]} for validation leave none of "
            f"{len(codes)} for training; expected more subjects or smaller protocol.test and .validation"
        )
    side = hold_out(counts, [len(codes) - sum(held), *held], protocol.seed)[subject]
    sizes = [_subjects(n) for n in (len(codes) - sum(held), held[1], held[0])]
    return Part(
        name="by_subject",
        classes=tuple(name for name, n in zip(table.classes, counts.sum(axis=0), strict=True) if n),
        train=np.flatnonzero(side == 0),
        validation=np.flatnonzero(side == 2),
        test=np.flatnonzero(side == 1) if test else None,
        leaks=frozenset(),
        statement=(
            f"Inter-patient: {sizes[0]} train, {sizes[1]} validate and {sizes[2]} test; no subject is in two "
            f"parts."
        ),
    )


# -- what has to be said -------------------------------------------------------------------------------


def _refuse_gaps(table: BeatTable, part: Part) -> None:
    sides = {"training": part.train, "validation": part.validation, "test": part.test}
    for name, rows in sides.items():
        if rows is not None and not len(rows):
            raise EcgError(
                f"protocol={part.name}: the {name} part is empty; expected beats of {table.source}"
            )
    support = np.bincount(labels(table, part, part.train), minlength=len(part.classes))
    if absent := [name for name, n in zip(part.classes, support, strict=True) if not n]:
        raise EcgError(
            f"protocol={part.name}: no beat of class {' or '.join(absent)} to train on; expected beats of "
            f"{' '.join(part.classes)}"
        )


def _refuse_half(table: BeatTable, name: str) -> None:
    if table.source == "kaggle" and not (table.split == 1).any():
        raise EcgError(
            f"protocol={name} divides the beats of both Kaggle files; only the training file is there"
        )


def _subjects(n: int) -> str:
    return f"{n} subject{'' if n == 1 else 's'}"


def _of(table: BeatTable, names: Iterable[str]) -> npt.NDArray[np.bool_]:
    wanted = set(names)
    return np.array([name in wanted for name in table.records])[table.record]


def _caveats(table: BeatTable, ds1: Rows, ds2: Rows) -> Iterable[str]:
    """What limits any DS2 score, counted in the table itself."""
    for name, rows, what in (("S", ds2, "DS2"), ("F", ds1, "DS1")):
        here = rows[table.label[rows] == table.classes.index(name)]
        per_record = np.bincount(table.record[here], minlength=len(table.records))
        most = int(per_record.argmax())
        yield (
            f"Record {table.records[most]} holds {per_record[most]:,} of the {len(here):,} {name} beats of "
            f"{what}; {np.sum(per_record > 0)} of its records have any."
        )
    if "Q" in table.classes:
        q = table.label == table.classes.index("Q")
        dropped = [int(np.sum(q & _of(table, names))) for names in (DS1, DS2)]
        yield f"Class Q is dropped: it has {dropped[0]} beats in DS1 and {dropped[1]} in DS2."
    yield "Records 201 (DS1) and 202 (DS2) are of one subject."
    yield (
        "Performance on held-out records of DS1 hardly predicts that on DS2: differences between models that "
        "were chosen on validation may not carry over."
    )
