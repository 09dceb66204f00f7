"""Protocols: which beats train, which choose and which test.

Validation is carved as the test part was: at random where the test part shares its patients with training, by
whole subjects where it does not.
"""

from __future__ import annotations

import numpy as np

from ecgcli.beats.de_chazal import DS1, DS2, inter_patient
from ecgcli.beats.labelled_minutes import labelled_minutes
from ecgcli.beats.part import Part, Rows, labels, n_subjects, pooled, refuse_gaps, refuse_half
from ecgcli.beats.table import UNKNOWN, BeatTable
from ecgcli.beats.whole_subjects import by_subject, cross_database, k_fold
from ecgcli.choices.protocol import (
    BySubject,
    CrossDatabase,
    InterPatient,
    InterPatientStrict,
    IntraPatient,
    KaggleProtocol,
    KFold,
    LabelledMinutes,
    Protocol,
)
from ecgcli.errors import EcgError

__all__ = ["DS1", "DS2", "Part", "Rows", "labels", "parts", "pooled"]


def parts(table: BeatTable, protocol: Protocol, test: bool = True) -> list[Part]:
    """Divides a table.

    Args:
        table: the beats.
        protocol: by which rule.
        test: whether to build the test part. The other parts are the same either way.

    Returns:
        One part, or one for each fold.

    Raises:
        EcgError: the table is none for this protocol, a part is empty or a class is absent from training.
    """
    match protocol:
        case KaggleProtocol():
            found = [_kaggle(table, protocol, test)]
        case IntraPatient():
            found = [_intra_patient(table, protocol, test)]
        case InterPatient() | InterPatientStrict():
            found = [inter_patient(table, protocol, test)]
        case BySubject():
            found = [by_subject(table, protocol, test)]
        case CrossDatabase():
            found = [cross_database(table, protocol, test)]
        case KFold():
            found = k_fold(table, protocol, test)
        case LabelledMinutes():
            found = labelled_minutes(table, protocol, test)
    for part in found:
        refuse_gaps(table, part, validates=getattr(protocol, "folds", 0) is not None)
    return found


# -- at random -----------------------------------------------------------------------------------------

_SEEN = (
    "The scores say how well the model sorts further beats of patients it has seen, not how it does on a new "
    "patient."
)


def _kaggle(table: BeatTable, protocol: KaggleProtocol, test: bool) -> Part:
    """The published split, with a stratified random share of the training file for validation."""
    rng = np.random.default_rng(protocol.seed)
    validation = []
    for label in range(len(table.classes)):
        rows = np.flatnonzero((table.split == 0) & (table.label == label))
        validation.append(rng.permutation(rows)[: round(protocol.validation * len(rows))])
    chosen = np.sort(np.concatenate(validation))
    subjects = _known_subjects(table)
    return Part(
        name="kaggle",
        classes=table.classes,
        train=np.setdiff1d(np.flatnonzero(table.split == 0), chosen, assume_unique=True),
        validation=chosen,
        test=np.flatnonzero(table.split == 1) if test else None,
        leaks=frozenset({"subjects", "records", "samples"}),
        statement=(
            f"Intra-patient: training, validation and test hold beats of the same "
            f"{n_subjects(subjects) if subjects else 'subjects'}, cut from overlapping stretches of the same "
            f"recordings. {_SEEN}"
        ),
    )


def _intra_patient(table: BeatTable, protocol: IntraPatient, test: bool) -> Part:
    """Beats at random, the same shares of every class; whose they are plays no part."""
    refuse_half(table, "intra_patient")
    shares = (protocol.test, protocol.validation)
    if sum(shares) >= 1:
        raise EcgError(
            f"protocol=intra_patient: protocol.test={shares[0]:g} and protocol.validation={shares[1]:g} "
            f"leave no beat to train on; expected less than 1 together"
        )
    rng = np.random.default_rng(protocol.seed)
    side = np.zeros(len(table), dtype=np.int64)
    present = np.unique(table.label)
    for label in present:
        rows = rng.permutation(np.flatnonzero(table.label == label))
        tested, held = np.minimum(np.rint(np.cumsum(shares) * len(rows)).astype(int), len(rows) - 1)
        side[rows[:tested]], side[rows[tested:held]] = 1, 2
    subjects = _known_subjects(table)
    whose = f"the beats of the same {n_subjects(subjects)}. {_SEEN}"
    if not subjects:
        whose = (
            "beats whose subjects are not known, so that the same patients may stand on all sides. The "
            "scores do not say how the model does on a new patient."
        )
    return Part(
        name="intra_patient",
        classes=tuple(table.classes[label] for label in present),
        train=np.flatnonzero(side == 0),
        validation=np.flatnonzero(side == 2),
        test=np.flatnonzero(side == 1) if test else None,
        leaks=frozenset({"subjects", "records", "samples"}),
        statement=f"Intra-patient: training, validation and test are drawn at random from {whose}",
    )


def _known_subjects(table: BeatTable) -> int:
    return len({table.subjects[i] for i in np.unique(table.record)} - {UNKNOWN})
