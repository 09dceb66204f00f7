"""Sections of `report.html` on whom a model works for: patients, records, circumstances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

from ecgcli.evaluation.by_circumstance import FEWEST
from ecgcli.evaluation.predictions import NORMAL
from ecgcli.reporting import page
from ecgcli.reporting import patient_tables as whom
from ecgcli.reporting.page import Bar, Block, Cell, Prose, Section
from ecgcli.reporting.tables import Facts, percent, short

MOST_RECORDS = 500
"""Records in the folded table, the worst first."""

MOST_RECALLS = 8
"""Classes beside N, at most, that have a column of their own in the table of records."""

CIRCUMSTANCES = {
    "heart_rate": "heart rate, beats per minute",
    "rhythm": "annotated rhythm",
    "fault": "fault of the signal",
}


def patients_section(facts: Facts) -> Section:
    """Patients, and classes that rest on one of them."""
    blocks: list[Block] = []
    patients, held, left_out = (
        f(facts) for f in (whom.patient_rows, whom.dominated_rows, whom.left_out_rows)
    )
    if patients:
        blocks.append(page.table(whom.PATIENT_HEADINGS, patients))
    elif facts.get("per_patient"):
        blocks.append(Prose("Whose beats these are is not known."))
    if held:
        blocks.append(Prose("Classes of which one record holds most beats, with and without that record:"))
        blocks.append(page.table(whom.DOMINATED_HEADINGS, held))
    if left_out:
        blocks.append(Prose("How far these scores move when a single patient is left out:"))
        blocks.append(page.table(whom.LEFT_OUT_HEADINGS, left_out))
        blocks.append(Prose(" ".join(whom.undrawn_sentences(facts)), "quiet"))
    return Section("patients", "For whom", tuple(blocks))


def records_section(facts: Facts) -> Section:
    """Every record, the worst first."""
    records, classes = whom.records(facts), facts["classes"]
    blocks: list[Block] = []
    if records is not None:
        held = [name for name in classes if name != NORMAL and records[f"support_{name}"].any()]
        known = held[:MOST_RECALLS]
        named = bool((records["record"] != records["subject"]).any())
        headings = ["record", *(["patient"] if named else []), "beats", "wrong", "accuracy"]
        headings += ["abnormal called normal", "false alarms", *(f"{name} recall" for name in known)]
        rows = [_record(row, known, named) for row in records.head(MOST_RECORDS).to_dict("records")]
        words = (1, 4) if named else (3,)
        blocks.append(page.table(headings, rows[: whom.WORST], words=words))
        if len(rows) > whom.WORST:
            every = "All" if len(rows) == len(records) else f"The worst {len(rows):,} of"
            blocks.append(page.table(headings, rows, f"{every} {len(records):,} records", words))
    blocks.append(Prose(f"{whom.worst_sentence(facts)} –: no beats of this class.", "quiet"))
    if records is None:
        blocks = [Prose(whom.worst_sentence(facts))]
    return Section("records", "Record by record, the worst first", tuple(blocks))


def _record(row: Mapping[Any, Any], classes: Sequence[str], named: bool) -> list[Cell]:
    cells: list[Cell] = [str(row["record"]), *([str(row["subject"])] if named else [])]
    cells += [
        f"{row['beats']:,}",
        f"{row['wrong']:,}",
        Bar(row["accuracy"], percent(row["accuracy"]), width=80),
    ]
    cells += [whom.called_normal(row), f"{row['false_alarms']:,}"]
    for name in classes:
        recall, beats = row[f"recall_{name}"], row[f"support_{name}"]
        cells.append("–" if isnan(recall) else f"{percent(recall, 0)} of {beats:,}")
    return cells


def circumstances_section(facts: Facts) -> Section:
    """How errors go with heart rate, rhythm and quality of the signal."""
    blocks: list[Block] = []
    if any((facts.get("circumstances") or {}).values()):
        blocks.append(
            Prose(f"Of fewer than {FEWEST} beats there is no rate: the counts stand instead.", "quiet")
        )
    for kind, name in CIRCUMSTANCES.items():
        groups = (facts.get("circumstances") or {}).get(kind)
        if groups:
            headings = (
                name,
                "beats",
                "records",
                "right",
                "abnormal called normal",
                "false alarms per 1,000 normal beats",
            )
            blocks.append(page.table(headings, [_group(one) for one in groups], words=(3, 4)))
    return Section("circumstances", "In which circumstances it fails", tuple(blocks))


def _group(one: Mapping[str, Any]) -> list[Cell]:
    """A row of circumstances; where beats are too few for a rate, how many there are."""
    right = _rate(one["accuracy"], one["beats"] - one["wrong"], one["beats"])
    cells: list[Cell] = [one["name"], f"{one['beats']:,}", f"{one['records']:,}"]
    cells.append(right if one["accuracy"] is None else Bar(one["accuracy"], right, width=80))
    missed = _rate(one["abnormal_called_normal"], one["missed"], one["abnormal"])
    rate = one["abnormal_called_normal"]
    cells.append(missed if rate is None else Bar(rate, missed, "strong", 80))
    alarms = one["false_alarms_per_1000"]
    cells.append(_rate(alarms, one["false_alarms"], one["normal"]) if alarms is None else short(alarms))
    return cells


def _rate(rate: float | None, part: int | None, whole: int | None) -> str:
    if rate is not None:
        return percent(rate)
    return f"{part:,} of {whole:,}" if whole else "none there"
