"""What is to know about recordings before their beats are used, and in what they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ecgcli.beats.from_records import Recording
from ecgcli.beats.quality import FAULTS, RecordFacts, quality
from ecgcli.recordings.aami import BEAT_SYMBOLS
from ecgcli.recordings.wfdb_io import read_record, unknown_symbols, voltage_units

_LISTED = 12  # more records than that are counted, not named
_PLACES = ("first", "second", "third", "fourth", "fifth", "sixth")


def record_facts(recordings: Sequence[Recording], annotator: str) -> Iterator[RecordFacts]:
    """Looks at recordings, one at a time.

    Args:
        recordings: the recordings.
        annotator: extension of the annotation files.

    Raises:
        EcgError: a record is missing or damaged.
    """
    for recording in recordings:
        record = read_record(recording.path, annotator=annotator)
        marks = record.annotations
        assert marks is not None
        beats = marks.sample[np.isin(marks.symbol, list(BEAT_SYMBOLS))]
        found = quality(record.signal, record.rate, beats)
        n = max(1, len(beats))
        yield RecordFacts(
            name=recording.name,
            subject=recording.subject,
            seconds=record.signal.shape[1] / record.rate,
            rate=record.rate,
            units=voltage_units(recording.path),
            leads=record.leads,
            beats=len(beats),
            faulty={fault: tuple((found[fault].sum(axis=0) / n).tolist()) for fault in FAULTS},
            any_faulty={fault: float(found[fault].any(axis=1).sum() / n) for fault in FAULTS},
            unknown=unknown_symbols(marks),
        )


def leads_that_differ(facts: Sequence[RecordFacts]) -> list[str]:
    """Sentences on what is not the same in all records: rate, units, number and names of leads, order."""
    sentences = [
        *_differing(facts, "rate", lambda record: f"{record.rate:g} Hz"),
        *_differing(facts, "units", lambda record: ", ".join(dict.fromkeys(record.units))),
        *_differing(facts, "number of leads", lambda record: str(len(record.leads))),
    ]
    for lead, n in Counter(lead for record in facts for lead in dict.fromkeys(record.leads)).most_common():
        having = [record for record in facts if lead in record.leads]
        lacking = [record.name for record in facts if lead not in record.leads]
        said = []
        if lacking and n >= len(facts) / 2:
            said.append(f"is missing in {_records(lacking, len(facts))}")
        elif lacking:
            said.append(f"is only in {_records([record.name for record in having], len(facts))}")
        places = [record.leads.index(lead) for record in having]
        usual = Counter(sorted(places)).most_common(1)[0][0]
        for place in sorted(set(places) - {usual}):
            there = [record.name for record, at in zip(having, places, strict=True) if at == place]
            number = f"the {_PLACES[place]} lead" if place < len(_PLACES) else f"lead {place + 1}"
            said.append(f"{'it ' if said else ''}is {number} of {_records(there, len(facts))}")
        if said:
            sentences.append(f"{lead} {'; '.join(said)}.")
    return sentences


def _differing(facts: Sequence[RecordFacts], what: str, of: Callable[[RecordFacts], str]) -> Iterator[str]:
    kinds: dict[str, list[str]] = {}
    for record in facts:
        kinds.setdefault(of(record), []).append(record.name)
    if len(kinds) > 1:
        ranked = sorted(kinds.items(), key=lambda kind: -len(kind[1]))
        said = "; ".join(f"{kind} in {_records(names, len(facts))}" for kind, names in ranked)
        yield f"Records differ in {what}: {said}."


def _records(names: Sequence[str], of: int) -> str:
    if len(names) > _LISTED:
        return f"{len(names)} of {of} records"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
