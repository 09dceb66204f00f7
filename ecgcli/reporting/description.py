"""What `ecg describe` has found out about a data set, and how it is put into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ecgcli.beats.neighbours import NEAR, Memory, Nearest
from ecgcli.beats.overview import Overview
from ecgcli.beats.quality import RecordFacts
from ecgcli.recordings.aami import CLASS_NAMES
from ecgcli.reporting.tables import percent
from ecgcli.reporting.words import counted

PARTS = {"train": "training", "validation": "validation", "test": "test"}
"""Name of a part in a table → in a sentence."""


@dataclass(frozen=True)
class DataFacts:
    """Where the beats come from and how they were cut.

    Attributes:
        name: name of the data set ("mitdb").
        beats: how many.
        records: how many known records; 0 where none is known.
        subjects: how many known subjects; 0 where none is known.
        class_map: by which map symbols became classes; "own" for the classes of a table.
        rate: samples per second of the beats, in Hz.
        leads: names of the leads of the beats.
        unit: of the beats ("mV", "spreads", "z", "0 to 1").
        offset: where R stands in each beat, in seconds from its first sample; None where that is not known.
        fingerprint: hex digest of the content.
        notes: what the reader found worth saying, one sentence each.
        windows: how the beats were cut, in words.
    """

    name: str
    beats: int
    records: int
    subjects: int
    class_map: str
    rate: float
    leads: tuple[str, ...]
    unit: str
    offset: float | None
    fingerprint: str
    notes: tuple[str, ...] = ()
    windows: str = ""


@dataclass(frozen=True)
class ProtocolFacts:
    """By which rule the beats are divided, and into what.

    Attributes:
        name: name of the protocol.
        statement: what it measures.
        caveats: what has to stand beside its scores, one sentence each.
        intra_patient: whether beats of one patient stand in training and in what is scored.
        support: part ("train", "validation", "test") → class → beats; of several folds, all of them together.
        folds: how many divisions there are.
        of_record: record → its part; None where records are divided among several parts.
    """

    name: str
    statement: str
    caveats: tuple[str, ...]
    intra_patient: bool
    support: Mapping[str, Mapping[str, int]]
    folds: int = 1
    of_record: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Description:
    """All that a page about a data set is made of.

    Attributes:
        title: what the page is about ("mitdb, protocol inter_patient").
        command: the command that made it, as it can be typed again.
        version: of ecgcli.
        seed: of everything drawn at random.
        data: where the beats come from.
        overview: counts, shapes and intervals.
        protocol: how they are divided.
        audit: what the parts share, one sentence each.
        memory: how well the nearest training beat says the class; None where there is no such part.
        near: (first, second, share of the beats of `second` that have a near-identical beat in `first`).
        records: the recordings; None for beats that come without.
        row_faults: fault → share of the beats that have it, for beats that come without recordings.
        differences: what differs between records (leads, rates, units), one sentence each.
    """

    title: str
    command: str
    version: str
    seed: int
    data: DataFacts
    overview: Overview
    protocol: ProtocolFacts
    audit: Sequence[str]
    memory: Memory | None = None
    near: Sequence[tuple[str, str, float]] = ()
    records: Sequence[RecordFacts] | None = None
    row_faults: Mapping[str, float] | None = None
    differences: Sequence[str] = ()


# -- numbers -------------------------------------------------------------------------------------------


def class_counts(overview: Overview) -> dict[str, int]:
    """Class → beats, of all records."""
    return dict(zip(overview.classes, overview.counts.sum(axis=0).tolist(), strict=True))


def between_records(overview: Overview) -> dict[str, float]:
    """Class → share of its variance that lies between the means of its records, for classes in several.

    By the law of total variance, with the sums over all leads and samples: 0 where all records have the same
    mean beat, 1 where all beats of a record are the same.
    """
    shares = {}
    for k, name in enumerate(overview.classes):
        counts = overview.counts[:, k]
        if np.count_nonzero(counts) < 2:
            continue
        shape, present = overview.shapes[name], counts > 0
        apart = (overview.record_means[present, k].astype(np.float64) - shape.mean) ** 2
        between = np.tensordot(counts[present] / counts.sum(), apart, axes=1).sum()
        total = (shape.spread.astype(np.float64) ** 2).sum()
        if total > 0:
            shares[name] = min(1.0, float(between / total))
    return shares


def faults(description: Description) -> dict[str, float] | None:
    """Fault → share of all beats that have it in some lead; None where nobody looked."""
    records = description.records
    if not records:
        return None if description.row_faults is None else dict(description.row_faults)
    beats = sum(record.beats for record in records)
    names = dict.fromkeys(name for record in records for name in record.any_faulty)
    return {
        name: sum(record.any_faulty.get(name, 0) * record.beats for record in records) / max(beats, 1)
        for name in names
    }


def unknown_symbols(records: Sequence[RecordFacts]) -> dict[str, tuple[int, int]]:
    """Symbol that the WFDB standard does not name → (how many, in how many records)."""
    found: dict[str, tuple[int, int]] = {}
    for record in records:
        for symbol, count in record.unknown.items():
            times, places = found.get(symbol, (0, 0))
            found[symbol] = (times + count, places + 1)
    return found


# -- words ---------------------------------------------------------------------------------------------


def class_name(name: str) -> str:
    """`S` → `S · Supraventricular ectopic`; own classes as they are."""
    return f"{name} · {CLASS_NAMES[name]}" if name in CLASS_NAMES else name


def origin_sentence(description: Description) -> str:
    """`109,494 beats of 48 records and 47 subjects, in 5 classes (…); …`."""
    data, classes = description.data, description.overview.classes
    whose = [counted(n, noun) for n, noun in ((data.records, "record"), (data.subjects, "subject")) if n]
    by = "as the table has them" if data.class_map == "own" else f"by the class map {data.class_map}"
    leads = f"leads {', '.join(data.leads)}" if len(data.leads) > 1 else f"lead {data.leads[0]}"
    leads = "the first lead of each record" if data.leads == ("first",) else leads
    return (
        f"{counted(data.beats, 'beat')} of {' and '.join(whose) or 'unknown origin'}, in "
        f"{len(classes)} classes {by}; {leads} at {data.rate:g} Hz."
    )


def imbalance_sentence(overview: Overview) -> str:
    """How much more of the most frequent class there is than of the rarest."""
    counts = {name: n for name, n in class_counts(overview).items() if n}
    if len(counts) < 2:
        return f"All beats are of class {next(iter(counts), 'unknown')}."
    most, least = max(counts, key=lambda c: counts[c]), min(counts, key=lambda c: counts[c])
    share = percent(counts[most] / sum(counts.values()))
    return (
        f"{share} of all beats are {most}: {counts[most] / counts[least]:,.0f} beats of class {most} for "
        f"each of class {least}. Who always says {most} is right {share} of the time."
    )


def memory_sentence(description: Description) -> str | None:
    """What a classifier that only remembers gets right, and what of it is memory of the patient."""
    memory, subjects = description.memory, description.data.subjects
    if memory is None:
        return None
    everyone, others = memory.everyone, memory.others
    said = (
        f"Of {memory.tested:,} {memory.part} beats, each given the class of its nearest of "
        f"{memory.references:,} training beats: {_scores(everyone)}"
    )
    if others is not None:
        lost = max(everyone.accuracy - others.accuracy, everyone.macro_f1 - others.macro_f1)
        meaning = (
            "the difference is memory of the patient."
            if lost >= 0.02
            else "hardly a difference, so memory of the patient plays little part."
        )
        return f"{said}; without beats of the same patient {_scores(others)}: {meaning}"
    if not subjects:
        return f"{said}. Whose beats they are is not known, so how much of this is memory cannot be said."
    if description.protocol.intra_patient:
        return f"{said}. There are no training beats of other patients to compare with."
    return (
        f"{said}. None of them has training beats of its own patient, so none of this is memory of patients."
    )


def _scores(nearest: Nearest) -> str:
    return f"accuracy {percent(nearest.accuracy)}, macro-F1 {nearest.macro_f1:.2f}"


def near_sentences(near: Sequence[tuple[str, str, float]]) -> list[str]:
    """How many beats of a part have a near-identical one in another, one sentence a pair."""
    what = f"(one that differs by less than {NEAR:.0%} of the beat's own size)"
    sentences = []
    for first, second, share in near:
        beats, twin = (
            f"of the {PARTS.get(second, second)} beats",
            f"near-identical {PARTS.get(first, first)} beat",
        )
        sentences.append(f"{percent(share)} {beats} have a {twin}" if share else f"None {beats} has a {twin}")
    return [f"{said} {what}." if i == 0 else f"{said}." for i, said in enumerate(sentences)]


def fault_sentence(found: Mapping[str, float]) -> str:
    """`Faulty beats: 0.2% flat, 1.3% noisy; none missing, clipped.`."""
    some = [f"{percent(share)} {name}" for name, share in found.items() if share]
    none = ", ".join(name for name, share in found.items() if not share)
    if not some:
        return f"Faulty beats: none ({none})." if none else "Faulty beats: none."
    return f"Faulty beats: {', '.join(some)}{f'; none {none}' if none else ''}."


def unknown_sentence(records: Sequence[RecordFacts]) -> str | None:
    """Which annotation symbols nobody knows; None where there are none."""
    said = [
        f"{symbol} ({counted(times, 'time')} in {counted(places, 'record')})"
        for symbol, (times, places) in unknown_symbols(records).items()
    ]
    return f"Annotation symbols that the WFDB standard does not name: {', '.join(said)}." if said else None
