"""The sections of `describe.html` that count: beats by class and record, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence

from ecgcli.beats.quality import RecordFacts
from ecgcli.reporting import page
from ecgcli.reporting.description import (
    PARTS,
    Description,
    class_counts,
    class_name,
    faults,
    imbalance_sentence,
    unknown_sentence,
)
from ecgcli.reporting.page import Bar, Block, Cell, Legend, Points, Prose, Section, Stack
from ecgcli.reporting.record_map import names_records, records_by_class
from ecgcli.reporting.tables import percent
from ecgcli.reporting.words import counted

WORST = 10
"""Records that are shown in the table of the worst signals."""

FEW = 6
"""Classes that are named because few records carry them."""

LEFT_OUT = "not in the protocol"

# -- how many ------------------------------------------------------------------------------------------


def classes_section(description: Description) -> Section:
    """Beats of every class, and how the protocol divides them."""
    support = {part: dict(counts) for part, counts in description.protocol.support.items()}
    counts = class_counts(description.overview)
    total, most = sum(counts.values()), max([1, *counts.values()])
    sums = {part: max(1, sum(of.values())) for part, of in support.items()}
    # folds take turns: there, the parts of one class add up to more than its beats
    divided = description.protocol.folds == 1
    rows: list[list[Cell]] = []
    left_out = 0
    for name, n in counts.items():
        share, colour = percent(n / max(total, 1)), "strong" if n < total / 20 else "plain"
        row: list[Cell] = [
            class_name(name),
            f"{n:,}" if n else "none",
            Bar(n / most, share, colour, width=96),
        ]
        inside = {part: of.get(name, 0) for part, of in support.items()}
        rest = n - sum(inside.values())
        left_out += max(rest, 0) if divided else 0
        if divided:
            pieces = [(part, k / n, f"{PARTS.get(part, part)}: {k:,}") for part, k in inside.items() if k]
            pieces += [("rest", rest / n, f"{LEFT_OUT}: {rest:,}")] if rest > 0 else []
            row.append(Stack(tuple(pieces)))
        row += [
            f"{k:,} ({percent(k / sums[part])})" if k else ("none" if name in support[part] else "")
            for part, k in inside.items()
        ]
        rows.append(row)
    row = ["all classes", f"{total:,}", "", *([""] if divided else [])]
    rows.append([*row, *(f"{sum(of.values()):,}" for of in support.values())])
    names = [PARTS.get(part, part) for part in support]
    headings = ["class", "beats", "share of all beats", *(["where they go"] if divided else []), *names]
    legend = [(part, PARTS.get(part, part)) for part in support]
    legend += [("rest", LEFT_OUT)] if left_out else []
    if any(0 < n < total / 20 for n in counts.values()):
        legend.append(("strong", "a class with less than 5% of all beats"))
    blocks: list[Block] = [Prose(imbalance_sentence(description.overview))]
    if divided:
        blocks.append(Legend(tuple(legend)))
    else:
        blocks.append(
            Prose(
                f"Each beat is in the training, the validation and the test part of some of the "
                f"{description.protocol.folds} folds; the numbers are of all folds together.",
                "quiet",
            )
        )
    blocks.append(page.table(headings, rows, words=(2, 3) if divided else (2,)))
    blocks += [Points(tuple(description.protocol.caveats))] if description.protocol.caveats else []
    return Section("classes", "Beats of each class", tuple(blocks))


def records_section(description: Description) -> Section:
    """Which records carry which class."""
    overview = description.overview
    if not description.data.records:
        nameless = Prose("Which recordings the beats come from is not known.")
        return Section("records", "Which records carry which class", (nameless,))
    of_record = description.protocol.of_record
    groups: dict[str, list[int]] = {}
    for i, name in enumerate(overview.records):
        part = of_record.get(name, "rest") if of_record else ""
        groups.setdefault(part, []).append(i)
    order = ["", "train", "validation", "test"]
    ordered = sorted(groups, key=lambda part: order.index(part) if part in order else len(order))
    titled = {_group_title(part): groups[part] for part in ordered}
    carried = (overview.counts > 0).sum(axis=0)
    figure = records_by_class(overview, titled)
    few = [
        f"{name} in {counted(int(n), 'record')}"
        for name, n in zip(overview.classes, carried, strict=True)
        if 0 < n <= len(overview.records) // 4
    ]
    more = f" and {len(few) - FEW} more" if len(few) > FEW else ""
    rare = f" Few records carry some classes: {', '.join(few[:FEW])}{more}." if few else ""
    rows = [
        [name, *(f"{n:,}" if n else "·" for n in counts), f"{counts.sum():,}"]
        for name, counts in zip(overview.records, overview.counts, strict=True)
    ]
    rows.append(
        ["all records", *(f"{n:,}" for n in overview.counts.sum(axis=0)), f"{overview.counts.sum():,}"]
    )
    how = "a dot is none."
    if not names_records(overview):
        how = "nothing is none. A column is a record; their names are in the table."
    return Section(
        "records",
        "Which records carry which class",
        (
            Prose(
                f"The patients with beats of a class are what a model can learn it from, however many beats "
                f"they have.{rare}"
            ),
            page.picture(
                figure,
                f"Beats of {len(overview.classes)} classes in {counted(len(overview.records), 'record')}",
                f"Beats of each class in each record: the stronger the colour, the more, by the logarithm; "
                f"{how}",
            ),
            page.table(
                ["record", *overview.classes, "beats"],
                rows,
                f"Exact counts of {counted(len(rows) - 1, 'record')}",
            ),
        ),
    )


def _group_title(part: str) -> str:
    return LEFT_OUT if part == "rest" else PARTS.get(part, part)


# -- what is wrong with them ---------------------------------------------------------------------------


def quality_section(description: Description) -> Section:
    """Faulty beats, the worst records, and what differs between records."""
    found, records = faults(description), description.records
    blocks: list[Block] = []
    if found:
        most = max(0.01, *found.values())
        rows: list[list[Cell]] = [
            [name, Bar(share / most, percent(share, 2) if share else "none")] for name, share in found.items()
        ]
        blocks.append(page.table(["fault", "share of all beats, in any lead"], rows, words=(1,)))
    if found and "noisy" not in found:
        blocks.append(
            Prose("Whether a beat is noisy is told from the recording around it, which is not here.", "quiet")
        )
    if records:
        blocks += _records_quality(records)
    notes = [*description.differences]
    if records and (unknown := unknown_sentence(records)):
        notes.append(unknown)
    notes += description.data.notes
    if notes:
        blocks.append(Points(tuple(notes)))
    return Section("quality", "Signal quality", tuple(blocks))


def _records_quality(records: Sequence[RecordFacts]) -> list[Block]:
    names = list(dict.fromkeys(fault for record in records for fault in record.any_faulty))
    ranked = sorted(records, key=lambda record: -max(record.any_faulty.values(), default=0))
    worst = [record for record in ranked if any(record.any_faulty.values())][:WORST]
    blocks: list[Block] = []
    if worst:
        most = max(worst[0].any_faulty.values())
        found = [fault for fault in names if any(record.any_faulty.get(fault) for record in worst)]
        rows: list[list[Cell]] = [
            [record.name, *(_fault_cell(record, fault, most) for fault in found), f"{record.beats:,}"]
            for record in worst
        ]
        blocks.append(
            Prose(
                "The records with the largest shares of faulty beats, and the lead that is worst (orange: 5% "
                "of the beats or more):"
            )
        )
        blocks.append(page.table(["record", *found, "beats"], rows, words=range(1, 1 + len(found))))
    every: list[list[Cell]] = [
        [
            record.name,
            record.subject,
            _clock(record.seconds),
            f"{record.rate:g}",
            ", ".join(record.leads),
            ", ".join(dict.fromkeys(record.units)),
            f"{record.beats:,}",
            *(
                percent(record.any_faulty.get(fault, 0)) if record.any_faulty.get(fault) else "·"
                for fault in names
            ),
        ]
        for record in records
    ]
    headings = ["record", "subject", "length", "rate (Hz)", "leads", "units", "beats", *names]
    blocks.append(page.table(headings, every, f"All {counted(len(every), 'record')}", words=(1, 4, 5)))
    return blocks


def _fault_cell(record: RecordFacts, fault: str, most: float) -> Cell:
    share = record.any_faulty.get(fault, 0)
    if not share:
        return ""
    of_lead = record.faulty.get(fault, ())
    lead = ""
    if len(record.leads) > 1 and len(of_lead) == len(record.leads):
        lead = f" {record.leads[max(range(len(of_lead)), key=lambda k: of_lead[k])]}"
    return Bar(share / most, f"{percent(share)}{lead}", "strong" if share >= 0.05 else "plain", width=60)


def _clock(seconds: float) -> str:
    """`30:05.6` → `0:30:06`, hours, minutes and seconds."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
