"""A user's own beats, cut already: from CSV, Parquet or NPZ to a BeatTable on disk."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgcli.beats.rhythm import RHYTHM_NAMES, rhythm_features
from ecgcli.beats.store import write_columns, write_signal
from ecgcli.beats.table import UNKNOWN
from ecgcli.beats.table_binary import ROWS, npz_blocks, parquet_blocks
from ecgcli.beats.table_columns import Block
from ecgcli.beats.table_csv import csv_blocks
from ecgcli.beats.table_labels import class_of, plain_numbers
from ecgcli.choices.beat import GivenBeat
from ecgcli.choices.data import Table
from ecgcli.errors import EcgError

_LARGEST = 4096
_FLAT = 1e-6  # what varies by less, of its largest value, is the rounding of numbers

Words = npt.NDArray[np.object_]


def read_file(file: Path, data: Table, beat: GivenBeat, into: Path) -> None:
    """Reads a user's table into a table on disk, ordered by record and sample, else as the file is.

    Args:
        file: .csv, .parquet or .npz; an NPZ file has the arrays signal, (n, time) or (n, leads, time), and
            label, and may have record, subject and sample.
        data: which columns are what, and the classes.
        beat: how the rows are scaled, their rate, and whether rhythm features are wanted.
        into: an empty folder, to be read with `store.read_table`.

    Raises:
        EcgError: the file cannot be read or its columns be understood; a sample is missing or no finite
            number, a label is none; or rhythm is wanted where the order of beats is not known.
    """
    said, blocks = _open(file, data)
    unsorted = into / "unsorted.f4"
    shape, words, row, fingerprint = _pour(file, blocks, beat, unsorted)
    classes, label, notes = class_of(file, words.pop("label"), row, data)
    records, subjects, record, more = _origin(file, words, row)
    sample = _positions(file, words["sample"], row) if "sample" in words else np.full(len(row), -1)
    for column in (label, record, sample):
        fingerprint.update(np.ascontiguousarray(column, "<i8").data)
    fingerprint.update("\n".join([*classes, *records, *subjects]).encode())
    order = np.lexsort((sample, record))
    signal = np.memmap(unsorted, "<f4", "r", shape=(len(row), *shape))
    write_signal(into / "signal.npy", (signal[order[i : i + ROWS]] for i in range(0, len(order), ROWS)))
    del signal
    unsorted.unlink()
    columns: dict[str, npt.NDArray[Any]] = {
        "label": label[order],
        "symbol": np.full(len(order), ""),
        "record": record[order],
        "sample": sample[order],
        "span": np.zeros((len(order), 2), np.int64),
        "split": np.full(len(order), -1),
        "features": np.zeros((len(order), 0), np.float32),
    }
    if beat.rhythm:
        if lacking := [name for name in ("record", "sample") if name not in words]:
            raise EcgError(
                f"{file}: the order of beats is not known: beat.rhythm needs the columns record and sample, "
                f"there is no {' and no '.join(lacking)}"
            )
        starts = np.flatnonzero(np.diff(columns["record"], prepend=-1))
        parts = np.split(columns["sample"], starts[1:])
        columns["features"] = np.concatenate([rhythm_features(part, beat.rate) for part in parts])
    facts = {
        "classes": classes,
        "records": records,
        "subjects": subjects,
        "rates": [beat.rate] * len(records),
        "leads": [str(i) for i in range(shape[0])],
        "rate": beat.rate,
        "class_map": "own",
        "source": data.database,
        "fingerprint": fingerprint.hexdigest(),
        "notes": [*said, *notes, *more],
        "feature_names": RHYTHM_NAMES if beat.rhythm else (),
    }
    write_columns(into, columns, facts)


def _open(file: Path, data: Table) -> tuple[tuple[str, ...], Iterator[Block]]:
    readers = {".csv": csv_blocks, ".tsv": csv_blocks, ".txt": csv_blocks}
    readers |= {".parquet": parquet_blocks, ".pq": parquet_blocks, ".npz": npz_blocks}
    reader = readers.get(file.suffix.lower())
    if reader is None:
        raise EcgError(f"{file}: a table of beats is .csv, .parquet or .npz")
    return reader(file, data)


def _pour(
    file: Path, blocks: Iterator[Block], beat: GivenBeat, unsorted: Path
) -> tuple[tuple[int, int], dict[str, Words], npt.NDArray[np.int64], Any]:
    """Writes the scaled signal to a file, block by block; returns its shape, all else, and its hash."""
    shape = (0, 0)
    rows: list[npt.NDArray[np.int64]] = []
    words: defaultdict[str, list[Words]] = defaultdict(list)
    digest = hashlib.blake2b(digest_size=16)
    with unsorted.open("wb") as opened:
        for block in blocks:
            shape = (block.signal.shape[1], block.signal.shape[2])
            if not (shape[0] <= _LARGEST and 2 <= shape[1] <= _LARGEST):
                raise EcgError(f"{file}: {shape[1]} samples a beat; expected 2 to {_LARGEST}")
            wrong = np.argwhere(~np.isfinite(block.signal))
            if len(wrong):
                i, lead, time = wrong[0]
                value = block.signal[i, lead, time]
                raise EcgError(
                    f"{file}, row {block.row[i]}: sample {time + 1} is {value}; expected finite numbers"
                )
            rows.append(block.row)
            digest.update(np.ascontiguousarray(block.signal, "<f4").data)
            for role, column in block.words.items():
                words[role].append(column)
            opened.write(np.ascontiguousarray(_scaled(block.signal, beat.scaling), "<f4").data)
    if not sum(map(len, rows)):
        raise EcgError(f"{file}: holds no beats; expected a row a beat")
    digest.update(repr(shape).encode())
    joined = {role: np.concatenate(columns) for role, columns in words.items()}
    return shape, joined, np.concatenate(rows), digest


def _scaled(signal: npt.NDArray[np.float32], scaling: str) -> npt.NDArray[np.float32]:
    if scaling == "none":
        return signal
    if scaling == "beat":
        low, spread = signal.mean(axis=-1, keepdims=True), signal.std(axis=-1, keepdims=True)
    else:
        low, spread = signal.min(axis=-1, keepdims=True), np.ptp(signal, axis=-1, keepdims=True)
    flat = spread <= _FLAT * np.abs(signal).max(axis=-1, keepdims=True)
    scaled: npt.NDArray[np.float32] = (signal - low) / np.where(flat, np.float32(1), spread)
    return scaled


# -- what a row says of its beat -----------------------------------------------------------------------


def _origin(
    file: Path, words: dict[str, Words], row: npt.NDArray[np.int64]
) -> tuple[list[str], list[str], npt.NDArray[np.int64], list[str]]:
    """Names of the records and their subjects, the record of each row, and what is worth saying."""
    import pandas as pd

    for role in ("record", "subject"):
        if role in words:
            _refuse_empty(file, words[role], row, role)
            words[role] = plain_numbers(words[role])
    if "record" not in words and "subject" not in words:
        said = "The file has no column record or subject: nothing is known of patients that parts share."
        return [UNKNOWN], [UNKNOWN], np.zeros(len(row), np.int64), [said]
    code, names = pd.factorize(words["record"] if "record" in words else words["subject"], sort=True)
    records = [str(name) for name in names]
    if "subject" not in words:
        said = "The file has no column subject: every record counts as one of another person."
        return records, records, code.astype(np.int64), [said]
    first = np.unique(code, return_index=True)[1]
    subject = words["subject"][first]
    if len(two := np.flatnonzero(words["subject"] != subject[code])):
        name = records[code[two[0]]]
        raise EcgError(
            f"{file}, row {row[two[0]]}: record {name} has two subjects, {subject[code[two[0]]]} and "
            f"{words['subject'][two[0]]}; expected one"
        )
    return records, [str(name) for name in subject], code.astype(np.int64), []


def _positions(file: Path, words: Words, row: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    import pandas as pd

    values = pd.to_numeric(pd.Series(words, dtype=object), errors="coerce").to_numpy(np.float64)
    wrong = np.flatnonzero(~((values >= 0) & (values < 2**53) & (values == np.floor(values))))
    if len(wrong):
        raise EcgError(
            f"{file}, row {row[wrong[0]]}: {str(words[wrong[0]])[:24]!r} is no position in a record; "
            f"expected whole numbers from 0"
        )
    return values.astype(np.int64)


def _refuse_empty(file: Path, words: Words, row: npt.NDArray[np.int64], role: str) -> None:
    if len(empty := np.flatnonzero(words == "")):
        raise EcgError(f"{file}, row {row[empty[0]]}: no {role}; expected one in every row")
