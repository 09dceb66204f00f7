"""Somebody labels the first minutes of a new recording: the model adapts to the patient, the rest is tested.

The patient-specific protocol of Hu, Palreddy & Tompkins, IEEE Trans. Biomed. Eng. 44(9):891-900, 1997, with
the five minutes that ANSI/AAMI EC57 leaves to learning: it scores from there on.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ecgcli.beats.de_chazal import inter_patient
from ecgcli.beats.part import Labelled, Part, Rows
from ecgcli.beats.table import BeatTable
from ecgcli.beats.whole_subjects import k_fold
from ecgcli.choices.protocol import InterPatient, KFold, LabelledMinutes
from ecgcli.errors import EcgError


def labelled_minutes(table: BeatTable, protocol: LabelledMinutes, test: bool) -> list[Part]:
    """Inter-patient parts; of every validation and test record the first minutes are labelled.

    Raises:
        EcgError: positions of beats are not known, no beat is left after the minutes, or what the protocol
            without the minutes raises.
    """
    if (table.sample < 0).any():
        raise EcgError(
            f"protocol=labelled_minutes: where {np.sum(table.sample < 0):,} beats of {table.source} lie in "
            f"their recordings is not known; expected beats cut from recordings"
        )
    # with the test part even where it stays closed: its first minutes are known
    if protocol.records == "ds2":
        whole = [inter_patient(table, InterPatient(name="inter_patient", **_folds(protocol, "folds")), True)]
    else:
        choice = KFold(name="k_fold", records=protocol.records, **_folds(protocol, "k"))
        whole = k_fold(table, choice, True)
    return [_with_minutes(table, part, protocol, test) for part in whole]


def _folds(protocol: LabelledMinutes, name: str) -> dict[str, int]:
    return {name: protocol.k, "seed": protocol.seed}


def _with_minutes(table: BeatTable, part: Part, protocol: LabelledMinutes, test: bool) -> Part:
    assert part.test is not None
    minutes = protocol.minutes
    rate = np.array(table.rates)[table.record]
    late = table.sample >= minutes * 60 * rate
    # no labelled window reaches into what is tested
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
    others = {
        "ds2": "the 22 records of DS1 (de Chazal 2004)",
        "ds1": f"the other {protocol.k - 2} of {protocol.k} folds of the subjects of DS1",
        "unpaced": f"the other {protocol.k - 2} of {protocol.k} folds of the subjects of DS1 and DS2",
        "all": f"the other {protocol.k - 2} of {protocol.k} folds of the subjects",
    }[protocol.records]
    theirs = "DS2" if protocol.records == "ds2" else "the fold that is tested"
    without = "" if protocol.records == "all" else " The paced records and class Q are left out."
    adapts = protocol.steps > 0
    if adapts:
        said = (
            f"Adapted to the patient: trained on {others}; then, for each recording of {theirs}, a copy of "
            f"the model went on training on its first {minutes:g} minutes, with their labels, and was tested "
            f"on its rest.{without} The scores do not say how a model does on a patient of whom nothing is "
            f"labelled."
        )
        count = (
            f"{np.sum(labelled[part.test]):,} beats of the tested recordings were labelled by hand for the "
            f"{np.sum(late[part.test]):,} that are tested."
        )
    else:
        said = (
            f"Inter-patient: trained on {others} and tested on each recording of {theirs} from {minutes:g} "
            f"minutes on, to set beside models that adapt to the minutes before.{without}"
        )
        count = f"The first {minutes:g} minutes of each recording are not tested, and taught nothing."
    return replace(
        part,
        name="labelled_minutes",
        validation=after(part.validation, "validation"),
        test=after(part.test, "test") if test else None,
        labelled=Labelled(np.sort(held[labelled[held]]), protocol.steps, protocol.lr) if adapts else None,
        leaks=frozenset({"subjects", "records"}) if adapts else part.leaks,
        statement=said,
        caveats=(count, *part.caveats) if test else (),
    )
