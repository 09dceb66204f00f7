"""From WFDB records to a BeatTable, one record at a time."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ecgcli.beats.in_parallel import in_order
from ecgcli.beats.segment import Segmenter
from ecgcli.beats.store import write_columns, write_signal
from ecgcli.errors import EcgError
from ecgcli.recordings.aami import BEAT_SYMBOLS, CLASS_MAPS, CLASSES
from ecgcli.recordings.record import Annotations, Record
from ecgcli.recordings.wfdb_io import (
    read_record,
    record_names,
    subject_of,
    subject_of_record,
    unknown_symbols,
)


class Recording(NamedTuple):
    """One recording of a table to be.

    Attributes:
        path: the record without an extension.
        name: what the table calls it.
        subject: who was recorded.
        told: whether a subject table says so; else the subject follows from the record's header, or from the
            names of record and database.
    """

    path: Path
    name: str
    subject: str
    told: bool = False


def recordings_of(folder: Path, database: str) -> list[Recording]:
    """Every record of a folder, under its own name.

    Args:
        folder: the folder.
        database: name of the database, by which subjects with several records are known.

    Raises:
        EcgError: there is no such folder, or no record in it.
    """
    names = record_names(folder)
    return [Recording(folder / name, name, subject_of_record(folder / name, database)) for name in names]


@dataclass
class _Found:
    """What is gathered while the records go by."""

    columns: defaultdict[str, list[npt.NDArray[Any]]] = field(default_factory=lambda: defaultdict(list))
    rates: list[float] = field(default_factory=list)
    unknown: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    stand_ins: defaultdict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    flutter: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    left_out: int = 0

    def add(self, other: _Found) -> None:
        """Takes in what was found in the next record."""
        for name, parts in other.columns.items():
            self.columns[name] += parts
        self.rates += other.rates
        for symbol, counts in other.unknown.items():
            self.unknown[symbol] += counts
        for pair, records in other.stand_ins.items():
            self.stand_ins[pair] += records
        self.flutter += other.flutter
        self.missing += other.missing
        self.left_out += other.left_out


def cut_recordings(
    recordings: list[Recording],
    annotator: str,
    source: str,
    class_map: str,
    segmenter: Segmenter,
    into: Path,
    notes: tuple[str, ...] = (),
) -> None:
    """Cuts the annotated beats of recordings into a table on disk.

    R positions and RR intervals are those of the beat annotations alone; rhythm and noise marks play no part.

    Args:
        recordings: the recordings, ascending by name; their rates may differ.
        annotator: extension of the annotation files.
        source: name of the data set.
        class_map: name of the map from symbols to classes.
        segmenter: what cuts the beats.
        into: an empty folder, to be read with `store.read_table`.
        notes: what was found worth saying before.

    Raises:
        EcgError: a record is damaged or does not have the leads asked for, or no record has a beat.
    """
    found = _Found()
    n = write_signal(into / "signal.npy", _cut_records(recordings, annotator, segmenter, found))
    if not n:
        raise EcgError(
            f"{source}: no beat in its {len(recordings)} records; expected beat annotations (.{annotator})"
        )
    columns = {name: np.concatenate(parts) for name, parts in found.columns.items()}
    index = {symbol: CLASSES.index(name) for symbol, name in CLASS_MAPS[class_map].items()}
    columns["label"] = np.array([index[symbol] for symbol in columns["symbol"].tolist()])
    columns["split"] = np.full(n, -1)
    facts = {
        "classes": CLASSES,
        "records": [recording.name for recording in recordings],
        "subjects": [recording.subject for recording in recordings],
        "rates": found.rates,
        "leads": segmenter.leads,
        "rate": segmenter.rate,
        "class_map": class_map,
        "source": source,
        "fingerprint": _fingerprint(recordings, annotator),
        "notes": [*notes, *_notes(found)],
        "feature_names": segmenter.feature_names,
    }
    write_columns(into, columns, facts)


def _cut_records(
    recordings: list[Recording], annotator: str, segmenter: Segmenter, found: _Found
) -> Iterator[npt.NDArray[np.float32]]:
    folders = {recording.path.parent for recording in recordings}
    size = sum(file.stat().st_size for folder in folders for file in folder.glob("*.*") if file.is_file())
    cut = in_order(partial(_cut_record, annotator=annotator, segmenter=segmenter), recordings, size)
    for number, (signal, here) in enumerate(cut):
        here.columns["record"] = [np.full(len(signal), number)]
        found.add(here)
        yield signal


def _cut_record(
    recording: Recording, annotator: str, segmenter: Segmenter
) -> tuple[npt.NDArray[np.float32], _Found]:
    record = replace(read_record(recording.path, annotator=annotator), name=recording.name)
    marks = record.annotations
    assert marks is not None
    beat = np.flatnonzero(np.isin(marks.symbol, list(BEAT_SYMBOLS)))
    try:
        signal, kept, span, features = segmenter.cut(
            record.signal, record.rate, record.leads, marks.sample[beat]
        )
    except EcgError as error:
        raise EcgError(f"{recording.path}: {error}") from error
    found = _Found(rates=[record.rate], left_out=len(beat) - len(kept))
    beat = beat[kept]
    for key, column in {
        "sample": marks.sample[beat],
        "symbol": marks.symbol[beat],
        "span": span,
        "features": features,
    }.items():
        found.columns[key].append(column)
    _look_at(record, marks, segmenter, found)
    return signal, found


def _look_at(record: Record, marks: Annotations, segmenter: Segmenter, found: _Found) -> None:
    for unknown, n in unknown_symbols(marks).items():
        found.unknown[unknown][record.name] = n
    for pair in segmenter.stand_ins(record.leads):
        found.stand_ins[pair].append(record.name)
    begin, end = marks.sample[marks.symbol == "["], marks.sample[marks.symbol == "]"]
    waves = int(np.sum(marks.symbol == "!"))
    if len(begin) or waves:
        lasting = f", {(end - begin).sum() / record.rate:.0f} s" if len(begin) == len(end) else ""
        episodes = f"{len(begin)} episode{'s' if len(begin) != 1 else ''}"
        found.flutter.append(f"record {record.name} has {waves} waves in {episodes}{lasting}")
    if not np.isfinite(record.signal).all():
        found.missing.append(record.name)


def _notes(found: _Found) -> Iterator[str]:
    for symbol, counts in found.unknown.items():
        where = ", ".join(f"{n} in record {name}" for name, n in counts.items())
        yield f"The annotation symbol {symbol!r} is unknown and counts as no beat: {where}."
    for (asked, lead), records in found.stand_ins.items():
        yield f"{lead} stands in for {asked} in {_listed(records)}."
    if found.flutter:
        yield f"Ventricular flutter is not cut into beats: {'; '.join(found.flutter)}."
    if found.missing:
        yield f"Missing samples are bridged in {_listed(found.missing)}."
    if found.left_out:
        yield f"{found.left_out:,} beats at the ends of records lack the next two that their window needs."


def _listed(records: list[str]) -> str:
    return f"record{'s' if len(records) > 1 else ''} {', '.join(records)}"


def _fingerprint(recordings: list[Recording], annotator: str) -> str:
    """Of headers, signals, annotations and subjects; not of where they lie."""
    digest = hashlib.blake2b(digest_size=16)
    for path, name, subject, told in recordings:
        for file in _files(path, annotator):
            size = file.stat().st_size if file.is_file() else 0
            digest.update(f"{name.removesuffix(path.name)}{file.name} {size}\n".encode())
            if size:
                with file.open("rb") as opened:
                    while block := opened.read(1 << 20):
                        digest.update(block)
        # a subject that the record's own name says, as it does in MIT-BIH, is in the digest with that name
        if told or subject != name.removesuffix(path.name) + subject_of("mitdb", path.name):
            digest.update(f"{name} {subject}\n".encode())
    return digest.hexdigest()


def _files(path: Path, annotator: str) -> tuple[Path, ...]:
    """Header, signals and annotations of a record."""
    header = path.with_name(f"{path.name}.hea")
    return header, *_signal_files(header), path.with_name(f"{path.name}.{annotator}")


def _signal_files(header: Path) -> list[Path]:
    lines = header.read_text(encoding="utf-8", errors="replace").splitlines()
    words = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
    return [header.with_name(name) for name in dict.fromkeys(words[1:])]
