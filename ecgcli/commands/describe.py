"""`ecg describe`: what a data set holds, how good its signals are, and what its protocol lets leak."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from ecgcli import __version__
from ecgcli.beats.audit import audit, summary
from ecgcli.beats.neighbours import Memory, memory, near_between
from ecgcli.beats.overview import overview
from ecgcli.beats.part import Part, pooled, support
from ecgcli.beats.protocol import parts
from ecgcli.beats.quality import RecordFacts, row_quality
from ecgcli.beats.record_facts import leads_that_differ, record_facts
from ecgcli.beats.segment import Segmenter
from ecgcli.beats.sources import annotator_of, beats, data_dir, recordings
from ecgcli.beats.table import UNKNOWN, BeatTable
from ecgcli.config import DescribeConfig
from ecgcli.files import as_typed
from ecgcli.runs import command_line


def describe(config: DescribeConfig) -> None:
    """Looks at a data set as a protocol divides it, prints what matters and writes `describe.html`.

    The labels of the test part are counted, and nothing else is done with them.

    Raises:
        EcgError: the data is missing or damaged, or does not suit the protocol.
    """
    folder = data_dir(config.data_dir)
    table = beats(config.data, config.beat, folder)
    divisions = parts(table, config.protocol)
    _say("reading the beats")
    seen = overview(table, config.seed)
    _say("comparing the parts")
    leaks = summary([audit(table, part) for part in divisions])["sentences"]
    first = divisions[0]
    remembered = memory(table, first, config.seed) if len(first.validation) else None
    near = list(_near(table, first, remembered, config.seed))
    facts: list[RecordFacts] | None = None
    if config.data.name not in ("kaggle", "table"):
        _say("reading the recordings")
        found = list(recordings(config.data, folder).values())
        facts = list(record_facts(found, annotator_of(config.data)))

    # here and not at the top: drawing costs a second, which a mistake above should not
    from ecgcli.reporting.describe_page import write_page
    from ecgcli.reporting.describe_terminal import print_description
    from ecgcli.reporting.description import DataFacts, Description, ProtocolFacts

    segmenter = Segmenter.from_config(config.beat)
    part = pooled(divisions)
    description = Description(
        title=f"{table.source}, protocol {part.name}",
        command=command_line(),
        version=__version__,
        seed=config.seed,
        data=DataFacts(
            name=table.source,
            beats=len(table),
            records=len(set(table.records) - {UNKNOWN}),
            subjects=len(set(table.subjects) - {UNKNOWN}),
            class_map=table.class_map,
            rate=table.rate,
            leads=table.leads,
            unit=segmenter.unit,
            offset=segmenter.offset,
            fingerprint=table.fingerprint,
            notes=table.notes,
            windows=segmenter.context,
        ),
        overview=seen,
        protocol=ProtocolFacts(
            name=part.name,
            statement=part.statement,
            caveats=part.caveats,
            intra_patient="records" in part.leaks and part.labelled is None,  # of training, before it adapts
            support=support(table, part),
            folds=len(divisions),
            of_record=_of_record(table, divisions),
        ),
        audit=leaks,
        memory=remembered,
        near=near,
        records=facts,
        row_faults=None if facts is not None else _row_faults(table),
        differences=leads_that_differ(facts) if facts else (),
    )
    _say("drawing the page")
    page = write_page(description, as_typed(config.output) / f"{table.source}-{part.name}")
    print_description(description, page=page)


def _near(
    table: BeatTable, part: Part, remembered: Memory | None, seed: int
) -> Iterator[tuple[str, str, float]]:
    """Near-identical beats between the parts; of several folds, in the first."""
    if remembered:
        yield "training", "validation", remembered.everyone.near
    if part.test is not None:
        yield "training", "test", near_between(table, part.train, part.test, seed)


def _of_record(table: BeatTable, divisions: list[Part]) -> dict[str, str] | None:
    """Which part each record is in, where no record is in two."""
    (part, *others) = divisions
    if others:
        return None
    sides = {"train": part.train, "validation": part.validation, "test": part.test}
    found: dict[str, str] = {}
    for side, rows in sides.items():
        for number in np.unique(table.record[rows]) if rows is not None else ():
            if found.setdefault(table.records[number], side) != side:
                return None
    return found


_BLOCK = 16384


def _row_faults(table: BeatTable) -> dict[str, float]:
    """Fault → share of the beats of a table that have it."""
    counts: dict[str, int] = {}
    for start in range(0, len(table), _BLOCK):
        rows = np.asarray(table.signal[start : start + _BLOCK, : len(table.leads)])
        for fault, having in row_quality(rows, table.rate).items():
            counts[fault] = counts.get(fault, 0) + int(having.sum())
    return {fault: n / len(table) for fault, n in counts.items()}


def _say(text: str) -> None:
    if sys.stderr.isatty():
        print(f"ecg: {text} …", file=sys.stderr, flush=True)
