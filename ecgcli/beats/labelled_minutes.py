"""A cardiologist labels the first minutes of a new recording: those train too, and the rest is tested.

The patient-specific protocol of Hu, Palreddy & Tompkins, IEEE Trans. Biomed. Eng. 44(9):891-900, 1997, with
the five minutes that ANSI/AAMI EC57 leaves to learning.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ecgcli.beats.de_chazal import inter_patient
from ecgcli.beats.part import Part, Rows
from ecgcli.beats.table import BeatTable
from ecgcli.beats.whole_subjects import k_fold
from ecgcli.choices import InterPatient, KFold, LabelledMinutes
from ecgcli.errors import EcgError


def labelled_minutes(table: BeatTable, protocol: LabelledMinutes, test: bool) -> list[Part]:
    """Inter-patient parts whose validation and test records give their first minutes to training.

    Raises:
        EcgError: positions of beats are not known, no beat is left after the minutes, or what the protocol
            without the minutes raises.
    """
    if (table.sample < 0).any():
        raise EcgError(
            f"protocol=labelled_minutes: where {np.sum(table.sample < 0):,} beats of {table.source} lie in "
            f"their recordings is not known; expected beats cut from recordings"
        )
    # with the test part even where it stays closed: its first minutes belong to training
    if protocol.records == "ds2":
        whole = [inter_patient(table, InterPatient(name="inter_patient", **_folds(protocol, "folds")), True)]
    else:
        choice = KFold(name="k_fold", records=protocol.records, **_folds(protocol, "k"))
        whole = k_fold(table, choice, True)
    return [_with_minutes(table, part, protocol.minutes, test) for part in whole]


def _folds(protocol: LabelledMinutes, name: str) -> dict[str, int]:
    return {name: protocol.k, "seed": protocol.seed}


def _with_minutes(table: BeatTable, part: Part, minutes: float, test: bool) -> Part:
    assert part.test is not None
    rate = np.array(table.rates)[table.record]
    late = table.sample >= minutes * 60 * rate  # EC57 scores from there on
    # no training window reaches into what is tested
    begins = np.full(len(table.records), np.iinfo(np.int64).max)
    np.minimum.at(begins, table.record[late], table.span[late, 0])
    labelled = ~late & (table.span[:, 1] <= begins[table.record])

    def after(rows: Rows, name: str) -> Rows:
        if not late[rows].any():
            raise EcgError(
                f"protocol=labelled_minutes: no {name} beat lies after the first {minutes:g} minutes; "
                f"expected longer recordings or a smaller protocol.minutes"
            )
        return rows[late[rows]]

    held = np.concatenate([part.validation, part.test])
    known = held[labelled[held]]
    per_patient = f"the first {minutes:g} minutes of every tested recording, with their labels"
    caveats = (
        f"{np.sum(labelled[part.test]):,} beats of the tested records train the model that is tested on "
        f"their other {np.sum(late[part.test]):,}: somebody has to label so many beats of a new patient.",
    )
    return replace(
        part,
        name="labelled_minutes",
        train=np.sort(np.concatenate([part.train, known])),
        validation=after(part.validation, "validation"),
        test=after(part.test, "test") if test else None,
        leaks=frozenset({"subjects", "records"}),
        statement=(
            f"Adapted to the patient: trained on other patients and on {per_patient}; tested on the rest of "
            f"these recordings. The scores do not say how the model does on a patient of whom nothing is "
            f"labelled. The parts otherwise: {part.statement}"
        ),
        caveats=(*caveats, *part.caveats) if test else (),
    )
