"""The Kaggle heartbeat files (Kachuee et al. 2018) as a table of beats with record and sample.

`mitbih_train.csv` and `mitbih_test.csv` hold 109,446 beats of the 48 records of the MIT-BIH Arrhythmia
Database without saying which. They can be rebuilt from the records bit for bit (`kaggle_recipe`), and a trace
that ships with this package says of every beat where it was cut and in which file it stands (`kaggle_trace`):
so somebody's own copy of the files is traced row by row, in any order and without the database at hand.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from ecgcli.beats.kaggle_csv import read_csv, write_csv
from ecgcli.beats.kaggle_recipe import (
    LENGTH,
    RECORD_RATE,
    RECORDS,
    STEP,
    annotation_file,
    beats_of,
    cut,
    read,
    rebuild,
)
from ecgcli.beats.kaggle_trace import Trace, load_trace, row_hashes
from ecgcli.beats.table import UNKNOWN, BeatTable
from ecgcli.errors import EcgError
from ecgcli.recordings.aami import CLASSES
from ecgcli.recordings.wfdb_io import subject_of

__all__ = ["FILES", "UNKNOWN", "Source", "kaggle_files", "kaggle_table", "read_csv", "rebuild", "write_csv"]

Source = Literal["auto", "csv", "rebuild"]

FILES = ("mitbih_train.csv", "mitbih_test.csv")
"""Names of the published files, in the order of `BeatTable.split`."""


def kaggle_files(data_dir: Path, source: Source, test: bool = True) -> list[Path]:
    """The files that determine the table.

    Args:
        data_dir: folder of the databases.
        source: "csv" for the files in `<data_dir>/kaggle`, "rebuild" for the records in `<data_dir>/mitdb`,
            "auto" for the files where they are, else the records.
        test: whether the test file is wanted too.

    Returns:
        The CSV files, training first; or header, signal and annotations of every record.

    Raises:
        EcgError: they are not there; the message says what was looked for and where to place it.
    """
    folder, mitdb = data_dir / "kaggle", data_dir / "mitdb"
    tables = [folder / name for name in (FILES if test else FILES[:1])]
    absent = [path.name for path in tables if not path.is_file()]
    if source != "rebuild" and not absent:
        return tables
    if source == "csv" or (source == "auto" and len(absent) < len(tables)):
        raise EcgError(
            f"{folder}: {' and '.join(absent)} not found; place {' and '.join(FILES)} of Kaggle's 'ECG "
            f"Heartbeat Categorization Dataset' there, or rebuild them from {mitdb} with data.source=rebuild"
        )
    parts = [
        mitdb / file for name in RECORDS for file in (f"{name}.hea", f"{name}.dat", annotation_file(name))
    ]
    missing = [path for path in parts if not path.is_file()]
    if missing:
        tables_too = f"{' and '.join(FILES)} in {folder}, or " if source == "auto" else ""
        raise EcgError(
            f"data=kaggle: expected {tables_too}the MIT-BIH Arrhythmia Database 1.0.0 in {mitdb}, of which "
            f"{len(missing)} of {len(parts)} files are missing, {missing[0].name} among them"
        )
    return parts


def kaggle_table(data_dir: Path, source: Source, test: bool = True) -> BeatTable:
    """The beats of the Kaggle files, ordered by (record, sample) whatever the row order of the source.

    Read from the CSV files or rebuilt from the records, the table is the same, bit for bit. Rows that are
    no beats of MIT-BIH as published come last, ordered by content: their record is "unknown", their
    sample −1, their span empty.

    Args:
        data_dir: folder of the databases.
        source: see `kaggle_files`.
        test: whether to build the beats of the test file too; without it that file is not read.

    Raises:
        EcgError: a file is missing or damaged, or the records are not those of MIT-BIH 1.0.0.
    """
    files = kaggle_files(data_dir, source, test)
    if files[0].suffix == ".csv":
        return _from_csv(files)
    return _from_records(data_dir / "mitdb", test)


def _from_csv(files: list[Path]) -> BeatTable:
    parts = [read_csv(path) for path in files]
    signal = np.concatenate([signal for signal, _ in parts])
    label = np.concatenate([label for _, label in parts])
    split = np.repeat(np.arange(len(parts), dtype=np.int8), [len(label) for _, label in parts])
    del parts
    trace = load_trace()
    hashes = row_hashes(signal)
    beat = trace.locate(hashes)
    return _table(signal, hashes, beat, label, split, _notes(trace, files, beat, label, split))


def _from_records(mitdb: Path, test: bool) -> BeatTable:
    trace = load_trace()
    in_test = trace.test_row >= 0
    wanted = np.flatnonzero(~in_test | test)
    signal = np.empty((len(wanted), LENGTH), dtype=np.float32)
    hashes = np.empty(len(wanted), dtype=np.uint64)
    for index, name in enumerate(RECORDS):
        lead, annotations = read(mitdb, name)
        found = beats_of(index, annotations.sample, annotations.symbol, len(lead))
        if not found.same_as(trace.beats[trace.beats.record == index]):
            raise EcgError(
                f"{mitdb / annotation_file(name)}: not the annotations of MIT-BIH 1.0.0, by which the Kaggle "
                f"files were cut"
            )
        here = np.flatnonzero(trace.beats.record[wanted] == index)
        beats = trace.beats[wanted[here]]
        signal[here] = cut(lead, beats.sample, beats.window)
        hashes[here] = row_hashes(signal[here])
        wrong = trace.locate(hashes[here]) != wanted[here]
        if wrong.any():
            first = beats.sample[wrong][0]
            raise EcgError(
                f"{mitdb / name}.dat: not the signal of MIT-BIH 1.0.0, from which the Kaggle files were cut: "
                f"{wrong.sum():,} of {len(here):,} beats differ, the first is at sample {first}"
            )
    label, split = trace.beats.label[wanted], in_test[wanted].astype(np.int8)
    return _table(signal, hashes, wanted, label, split, ())


def _notes(
    trace: Trace,
    files: list[Path],
    beat: npt.NDArray[np.int64],
    label: npt.NDArray[np.int64],
    split: npt.NDArray[np.int8],
) -> tuple[str, ...]:
    """What sets the files apart from the published ones."""
    notes = []
    part_of = (trace.test_row >= 0).astype(np.int8)
    for part, path in enumerate(files):
        rows, published = int(np.sum(split == part)), int(np.sum(part_of == part))
        known = beat[(split == part) & (beat >= 0)]
        if rows != published:
            notes.append(f"{path.name} holds {rows:,} beats, the published file {published:,}.")
        if len(known) == 0:
            notes.append(
                f"No row of {path.name} is a beat of MIT-BIH as published: its records and patients are not "
                f"known, and nothing can be said of patients that the parts share."
            )
        elif len(known) < rows:
            notes.append(
                f"{path.name}: {rows - len(known):,} of {rows:,} rows are not among the beats of MIT-BIH as "
                f"published (altered, or of another database); their record is {UNKNOWN!r}."
            )
        if moved := int(np.sum(part_of[known] != part)):
            notes.append(f"{path.name}: {moved:,} of {rows:,} rows stand in the other published file.")
        if repeated := len(known) - len(np.unique(known)):
            notes.append(f"{path.name}: {repeated:,} of {rows:,} rows repeat another of the file.")
    traced = beat >= 0
    if relabelled := int(np.sum(trace.beats.label[beat[traced]] != label[traced])):
        notes.append(f"Labels that differ from the published ones, and are kept: {relabelled:,}.")
    return tuple(notes)


def _table(
    signal: npt.NDArray[np.float32],
    hashes: npt.NDArray[np.uint64],
    beat: npt.NDArray[np.int64],
    label: npt.NDArray[np.int64],
    split: npt.NDArray[np.int8],
    notes: tuple[str, ...],
) -> BeatTable:
    """Rows in any order, each with its index into the trace (−1 unknown), as a table in order."""
    beats = load_trace().beats
    order = np.lexsort((label, split, hashes, np.where(beat < 0, len(beats), beat)))
    if (np.diff(order) < 0).any():  # rebuilt rows stand in order already: no second copy of them
        signal = signal[order]
    beat, label, split = beat[order], label[order], split[order]
    known, place = beat >= 0, beats[beat]
    present, record = np.unique(np.where(known, place.record, len(RECORDS)), return_inverse=True)
    record = record.astype(np.int64, copy=False)
    records = tuple((*RECORDS, UNKNOWN)[index] for index in present)
    sample = np.where(known, place.sample, -1)
    end = np.where(known, place.sample + place.window, -1)
    return BeatTable(
        signal=signal[:, None, :],
        label=label,
        symbol=np.where(known, place.symbol, ""),
        record=record,
        sample=sample,
        span=np.stack([sample, end], axis=1),
        split=split,
        classes=CLASSES,
        records=records,
        subjects=tuple(subject_of("mitdb", name) for name in records),
        rates=(RECORD_RATE,) * len(records),
        leads=("first",),
        rate=RECORD_RATE / STEP,
        class_map="aami",
        source="kaggle",
        fingerprint=_fingerprint(records, signal, label, record, sample, end, split),
        notes=notes,
    )


def _fingerprint(records: tuple[str, ...], *arrays: npt.NDArray[np.generic]) -> str:
    digest = hashlib.blake2b(" ".join(records).encode(), digest_size=16)
    for array in arrays:
        digest.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).data)
    return digest.hexdigest()
