"""DS1 and DS2: the inter-patient division of the MIT-BIH Arrhythmia Database.

De Chazal, O'Dwyer & Reilly, IEEE Trans. Biomed. Eng. 51(7):1196-1206, 2004. The four paced records are left
out, and so is class Q, of which hardly a beat remains without them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ecgcli.beats.part import Part, Rows, in_records, refuse_half
from ecgcli.beats.subjects import subject_fold
from ecgcli.beats.table import BeatTable
from ecgcli.choices.protocol import InterPatient, InterPatientStrict
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

TWICE = "201"
"""The record of DS1 whose subject is that of record 202 of DS2."""


def inter_patient(table: BeatTable, protocol: InterPatient | InterPatientStrict, test: bool) -> Part:
    """DS1 → DS2; the strict variant drops record 201 from DS1, so that no subject is on both sides.

    `seed` tells which of the subject folds of DS1 validates: 0 the one most like DS1, then the others.
    Without folds all of DS1 trains.

    Raises:
        EcgError: records are missing.
    """
    strict = isinstance(protocol, InterPatientStrict)
    first, second = tuple(name for name in DS1 if not (strict and name == TWICE)), DS2
    refuse_half(table, protocol.name)
    refuse_absent(table, protocol.name, {"DS1": first, "DS2": second} if test else {"DS1": first})
    ds1, ds2 = (np.flatnonzero(in_records(table, names) & scored(table)) for names in (first, second))
    fold = np.zeros(len(ds1), dtype=bool)
    if protocol.folds is not None:
        fold = subject_fold(table.label[ds1], table.subject[ds1], protocol.folds, protocol.seed)
    if strict:
        said = (
            "Inter-patient, strict: trained on 21 of the 22 records of DS1, tested on the 22 of DS2 (de "
            "Chazal 2004); the paced records and class Q are left out. Record 201 is dropped from DS1, as "
            "its subject is that of record 202 in DS2: no subject is on both sides."
        )
    else:
        said = (
            "Inter-patient: trained on the 22 records of DS1, tested on the 22 of DS2 (de Chazal 2004); the "
            "paced records and class Q are left out. No record is on both sides, but records 201 (DS1) and "
            "202 (DS2) are of one subject."
        )
    if protocol.folds is None:
        said += " Nothing validates: all beats of DS1 train."
    return Part(
        name=protocol.name,
        classes=tuple(name for name in table.classes if name != "Q"),
        train=ds1[~fold],
        validation=ds1[fold],
        test=ds2 if test else None,
        leaks=frozenset() if strict else frozenset({"subjects"}),
        statement=said,
        caveats=tuple(_caveats(table, ds1, ds2, strict)) if test else (),
    )


def scored(table: BeatTable) -> npt.NDArray[np.bool_]:
    """(n,) which beats DS1 and DS2 are made of: all but those of class Q."""
    q = table.classes.index("Q") if "Q" in table.classes else -1
    kept: npt.NDArray[np.bool_] = table.label != q
    return kept


def refuse_absent(table: BeatTable, name: str, wanted: dict[str, tuple[str, ...]]) -> None:
    """Refuses a table that lacks records of DS1 or DS2.

    Raises:
        EcgError: naming the records.
    """
    records = sorted(record for names in wanted.values() for record in names)
    present = {table.records[i] for i in np.unique(table.record)}
    if absent := [record for record in records if record not in present]:
        raise EcgError(
            f"protocol={name}: the data lacks {len(absent)} of the {len(records)} records of "
            f"{' and '.join(wanted)}: {', '.join(absent)}"
        )


def _caveats(table: BeatTable, ds1: Rows, ds2: Rows, strict: bool) -> Iterable[str]:
    """What limits any DS2 score, counted in the table itself."""
    for name, rows, what in (("S", ds2, "DS2"), ("F", ds1, "DS1")):
        here = rows[[table.classes[label] == name for label in table.label[rows]]]
        if len(here):
            per_record = np.bincount(table.record[here], minlength=len(table.records))
            most = int(per_record.argmax())
            yield (
                f"Record {table.records[most]} holds {per_record[most]:,} of the {len(here):,} {name} beats "
                f"of {what}; {np.sum(per_record > 0)} of its records have any."
            )
    if "Q" in table.classes:
        dropped = [int(np.sum(~scored(table) & in_records(table, names))) for names in (DS1, DS2)]
        yield f"Class Q is dropped: it has {dropped[0]} beats in DS1 and {dropped[1]} in DS2."
    if strict:
        yield (
            f"Record {TWICE} is dropped from DS1, so that training is on fewer beats than under "
            f"protocol=inter_patient; the test part is the same."
        )
    else:
        yield "Records 201 (DS1) and 202 (DS2) are of one subject."
    yield (
        "Performance on held-out records of DS1 hardly predicts that on DS2: differences between models that "
        "were chosen on validation may not carry over."
    )
