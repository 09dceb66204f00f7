"""Protocols that divide by whole subjects: a hold-out, folds, and one database against another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ecgcli.beats.de_chazal import DS1, DS2, refuse_absent, scored
from ecgcli.beats.part import Part, Rows, in_records, n_subjects, refuse_half, refuse_unknown
from ecgcli.beats.subjects import beats_per_class, hold_out, subject_folds
from ecgcli.beats.table import BeatTable
from ecgcli.choices.protocol import BySubject, CrossDatabase, KFold
from ecgcli.errors import EcgError


def by_subject(table: BeatTable, protocol: BySubject, test: bool) -> Part:
    """A hold-out of whole subjects, balanced by class.

    Raises:
        EcgError: subjects are unknown or too few.
    """
    refuse_half(table, "by_subject")
    refuse_unknown(table, "by_subject")
    counts, subject = beats_per_class(table, np.arange(len(table)))
    held = [max(1, round(share * len(counts))) for share in (protocol.test, protocol.validation)]
    if sum(held) >= len(counts):
        raise EcgError(
            f"protocol=by_subject: {held[0]} subjects for test and {held[1]} for validation leave none of "
            f"{len(counts)} for training; expected more subjects or smaller protocol.test and .validation"
        )
    side = hold_out(counts, [len(counts) - sum(held), *held], protocol.seed)[subject]
    sizes = [n_subjects(n) for n in (len(counts) - sum(held), held[1], held[0])]
    return Part(
        name="by_subject",
        classes=_present(table, np.arange(len(table))),
        train=np.flatnonzero(side == 0),
        validation=np.flatnonzero(side == 2),
        test=np.flatnonzero(side == 1) if test else None,
        leaks=frozenset(),
        statement=(
            f"Inter-patient: {sizes[0]} train, {sizes[1]} validate and {sizes[2]} test; no subject is in two "
            f"parts."
        ),
    )


# -- folds ---------------------------------------------------------------------------------------------


def k_fold(table: BeatTable, protocol: KFold, test: bool) -> list[Part]:
    """Folds of whole subjects: the i-th part tests fold i, validates on the next and trains on the rest.

    Raises:
        EcgError: subjects are unknown or fewer than folds, or a class is absent from a training part.
    """
    refuse_half(table, "k_fold")
    rows = np.arange(len(table))
    if protocol.records == "all":
        refuse_unknown(table, "k_fold")
    else:
        wanted = {"DS1": DS1} if protocol.records == "ds1" else {"DS1": DS1, "DS2": DS2}
        refuse_absent(table, "k_fold", wanted)
        rows = np.flatnonzero(in_records(table, sum(wanted.values(), ())) & scored(table))
    counts, subject = beats_per_class(table, rows)
    k = protocol.k
    if k > len(counts):
        way_out = (
            f"3 to {len(counts)}" if len(counts) > 2 else "3 subjects or more; see protocol=intra_patient"
        )
        raise EcgError(
            f"protocol=k_fold: protocol.k={k} is more than the {n_subjects(len(counts))} of the data; "
            f"expected {way_out}"
        )
    fold = subject_folds(counts, k, protocol.seed)[subject]
    classes = _present(table, rows)
    _refuse_rare(table, rows, fold, k, counts)
    return [
        Part(
            name="k_fold",
            classes=classes,
            train=rows[(fold != i) & (fold != (i + 1) % k)],
            validation=rows[fold == (i + 1) % k],
            test=rows[fold == i] if test else None,
            leaks=frozenset(),
            statement=_folds_statement(protocol, len(counts), test),
            caveats=_folds_caveats(k) if test else (),
            fold=i,
        )
        for i in range(k)
    ]


def _refuse_rare(table: BeatTable, rows: Rows, fold: Rows, k: int, counts: Rows) -> None:
    """Refuses folds of which one would train without a class."""
    for i in range(k):
        trained = np.unique(table.label[rows[(fold != i) & (fold != (i + 1) % k)]])
        for label in np.setdiff1d(np.unique(table.label[rows]), trained):
            have = int(np.sum(counts[:, label] > 0))
            more = "" if have == 1 or k == len(counts) else ", a larger protocol.k"
            raise EcgError(
                f"protocol=k_fold: {have} of the {n_subjects(len(counts))} have beats of class "
                f"{table.classes[label]}, so that one of the {k} models would train without it; expected "
                f"more such subjects{more}, or protocol=by_subject, which trains on them"
            )


def _folds_statement(protocol: KFold, subjects: int, test: bool) -> str:
    whose = {
        "all": "",
        "ds1": " of DS1, without class Q and without any beat of DS2",
        "unpaced": " of DS1 and DS2 (the paced records are left out), without class Q",
    }[protocol.records]
    scored = "saw none of its subject's beats" if test else "trained on none of its subject's beats"
    pooled = f"the scores pool {protocol.k} models"
    if not test:
        pooled += ", which may have been chosen by these beats, as no test part was built"
    return (
        f"Inter-patient: {protocol.k}-fold cross-validation over the {n_subjects(subjects)}{whose}. Each "
        f"beat was scored by a model that {scored}; {pooled}."
    )


def _folds_caveats(k: int) -> tuple[str, ...]:
    return (
        f"Each beat has the score of one of {k} models; their mean, with which the run predicts, is scored "
        f"nowhere here, since it has seen every subject.",
        "Every subject tests one model, validates another and trains the rest: what is chosen by these "
        "scores has to be tested on other subjects.",
    )


# -- databases -----------------------------------------------------------------------------------------


def cross_database(table: BeatTable, protocol: CrossDatabase, test: bool) -> Part:
    """Trained on some databases, a share of whose subjects validates, and tested on others.

    Raises:
        EcgError: the table is of one database, a name is none of its databases, or the training databases
            have one subject alone.
    """
    database = _databases(table, protocol)
    refuse_unknown(table, "cross_database")
    ours = np.flatnonzero(np.isin(database, protocol.train))
    counts, subject = beats_per_class(table, ours)
    held = max(1, round(protocol.validation * len(counts)))
    if held >= len(counts):
        raise EcgError(
            f"protocol=cross_database: {n_subjects(held)} for validation leave none of {len(counts)} of "
            f"{_listed(protocol.train)} for training; expected more subjects or a smaller protocol.validation"
        )
    side = hold_out(counts, [len(counts) - held, held], protocol.seed)[subject]
    theirs = np.flatnonzero(np.isin(database, protocol.test))
    known = np.isin(table.label[theirs], table.label[ours])
    tested = len(np.unique(table.subject[theirs]))
    return Part(
        name="cross_database",
        classes=_present(table, ours),
        train=ours[side == 0],
        validation=ours[side == 1],
        test=theirs[known] if test else None,
        leaks=frozenset(),
        statement=(
            f"Across databases: trained on {_listed(protocol.train)} ({n_subjects(len(counts) - held)} "
            f"train, {held} validate), tested on {_listed(protocol.test)} ({n_subjects(tested)}). No subject "
            f"is in two parts."
        ),
        caveats=tuple(_across_caveats(table, protocol, theirs[~known], database)) if test else (),
    )


def _databases(table: BeatTable, protocol: CrossDatabase) -> npt.NDArray[np.str_]:
    """(n,) database of each beat: what stands before the slash in the name of its record."""
    if not all("/" in name for name in table.records):
        raise EcgError(
            f"protocol=cross_database needs several databases, {table.source} is one; "
            f"use data=wfdb 'data.path=[folder_a,folder_b]'"
        )
    of_record = [name.split("/")[0] for name in table.records]
    database = np.array(of_record)[table.record]
    there = np.unique(database).tolist()
    for name in (*protocol.train, *protocol.test):
        if name not in there:
            raise EcgError(
                f"protocol=cross_database: no beat is of the database {name!r}; expected {' or '.join(there)}"
            )
    return database


def _across_caveats(
    table: BeatTable, protocol: CrossDatabase, dropped: Rows, database: npt.NDArray[np.str_]
) -> list[str]:
    said = ["Subjects are told apart by database: a person recorded for both would go unnoticed."]
    if len(dropped):
        n = np.bincount(table.label[dropped], minlength=len(table.classes))
        each = ", ".join(f"{n[i]:,} {table.classes[i]}" for i in np.flatnonzero(n))
        said.append(
            f"{len(dropped):,} beats of {_listed(protocol.test)} are left out, as no beat of their class "
            f"trains: {each}."
        )
    if unused := np.setdiff1d(database, (*protocol.train, *protocol.test)).tolist():
        said.append(f"The beats of {_listed(unused)} have no part in this.")
    return said


# -- words ---------------------------------------------------------------------------------------------


def _present(table: BeatTable, rows: Rows) -> tuple[str, ...]:
    return tuple(table.classes[label] for label in np.unique(table.label[rows]))


def _listed(names: tuple[str, ...] | list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
