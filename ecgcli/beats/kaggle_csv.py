"""The text form of the Kaggle heartbeat files: one beat a row, 187 samples and a label."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from ecgcli.beats.kaggle_digits import numbers
from ecgcli.beats.kaggle_recipe import LENGTH
from ecgcli.errors import EcgError
from ecgcli.files import whole
from ecgcli.recordings.aami import CLASSES

_COLUMNS = LENGTH + 1
_BLOCK = 4 << 20  # bytes that a thread parses at once: what bounds the memory above the resulting array
_WORKERS = min(4, os.cpu_count() or 1)  # threads; numpy and pandas work outside of Python's lock
_ROWS = 2048  # rows written at once


def write_csv(path: Path, rows: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> None:
    r"""Write beats in the published text form: `%.18e`, commas, label last, `\n`, no header.

    Args:
        path: the file; it appears under this name only when it is complete.
        rows: (n, 187) float32.
        labels: (n,) int64.

    Raises:
        EcgError: the file cannot be written.
    """
    try:
        with whole(path) as beside, beside.open("wb") as file:
            for start in range(0, len(rows), _ROWS):
                part = np.ascontiguousarray(rows[start : start + _ROWS], dtype=np.float32)
                label = np.asarray(labels[start : start + _ROWS], dtype=np.float32)
                cells = np.hstack([_words(part, ","), _words(label[:, None], "\n")])
                file.write(cells.tobytes().replace(b"\0", b""))  # NULs fill up the shorter words
    except OSError as error:
        raise EcgError(f"{path}: cannot be written: {error.strerror}") from error


def _words(values: npt.NDArray[np.float32], separator: str) -> npt.NDArray[np.bytes_]:
    """Every value as text; beats are quotients of small integers, so each distinct one is formatted once."""
    import pandas as pd

    codes, bits = pd.factorize(values.view(np.uint32).ravel())  # bits, as -0.0 == 0.0
    words = np.array([f"{value:.18e}{separator}" for value in bits.view(np.float32).tolist()], dtype="S")
    return words[codes.reshape(values.shape)]


def read_csv(path: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Read a file in the form of the Kaggle heartbeat files.

    Any way of writing the same float32 (other precision, CRLF, a byte order mark) gives the same array. A
    first line is taken for a header where no field of it is a number other than its own column number
    (`0,1,…,187` is what pandas puts there); it is skipped. Rows are counted as lines of the file, from 1.

    Args:
        path: the file; 187 samples and the label (0 to 4) a row, separated by commas.

    Returns:
        The samples, (n, 187) float32, and the labels, (n,) int64, in the order of the file.

    Raises:
        EcgError: the file cannot be read or is empty, or a row has another number of columns, text, NaN or
            infinity, or a label that is none; the message names the file and the first such row.
    """
    signals, labels = [], []
    try:
        with path.open("rb") as file, ThreadPoolExecutor(_WORKERS) as pool:
            blocks = _blocks(file, _skip_header(file))
            while some := list(islice(blocks, _WORKERS)):  # no more are held at once
                for values in pool.map(lambda block: _parse(path, *block), some):
                    signals.append(np.ascontiguousarray(values[:, :LENGTH]))
                    labels.append(values[:, LENGTH].astype(np.int64))
    except OSError as error:
        raise EcgError(f"{path}: cannot be read: {error.strerror}") from error
    if not labels:
        raise EcgError(f"{path}: holds no beats; expected rows of {LENGTH} samples and a label")
    return np.concatenate(signals), np.concatenate(labels)


def _skip_header(file: BinaryIO) -> int:
    """Places `file` at its first beat; returns the row number of that line."""
    start = 3 if file.read(3) == b"\xef\xbb\xbf" else 0
    file.seek(start)
    fields = file.readline().decode("latin-1").strip().split(",")
    named = all(field == str(i) or _number(field) is None for i, field in enumerate(fields))
    if named and len(fields) == _COLUMNS:
        return 2
    file.seek(start)
    return 1


def _blocks(file: BinaryIO, row: int) -> Iterator[tuple[int, bytes]]:
    """Whole lines, some MB at a time, each block with the number of its first row."""
    while block := file.read(_BLOCK):
        block += file.readline()
        yield row, block
        row += int(np.count_nonzero(np.frombuffer(block, np.uint8) == ord("\n")))


def _parse(path: Path, first_row: int, block: bytes) -> npt.NDArray[np.float32]:
    """(rows, 188) float32 of whole lines; `first_row` is the number of the first one."""
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinity, which is refused
        values = numbers(block, _COLUMNS)
        if values is None:
            values = _by_pandas(block)
    if values is not None:
        known = np.isin(values[:, LENGTH], np.arange(len(CLASSES)))
        if np.isfinite(values).all() and known.all():
            return values
    raise EcgError(f"{path}, {_first_fault(block, first_row)}")


def _by_pandas(block: bytes) -> npt.NDArray[np.float32] | None:
    """Lines in any way of writing numbers; None where they are not of 188 numbers each."""
    import pandas as pd

    lines = block.count(b"\n") + (not block.endswith(b"\n"))
    # pandas fills short lines and can lose the end of a long one; where both are, their commas add up, and
    # what was filled is no number
    if block.count(b",") != lines * (_COLUMNS - 1):
        return None
    try:
        values: npt.NDArray[np.float32] = pd.read_csv(
            io.BytesIO(block),
            engine="c",
            header=None,
            dtype=np.float32,
            na_filter=False,
            quoting=csv.QUOTE_NONE,
            low_memory=False,
        ).to_numpy()
    except ValueError:
        return None
    return values if values.shape == (lines, _COLUMNS) else None


def _first_fault(block: bytes, first_row: int) -> str:
    """What is wrong with the first bad line of a block in which one is."""
    lines = block.decode("latin-1").removesuffix("\n").split("\n")
    for row, line in enumerate(lines, first_row):
        cut_off = row == first_row + len(lines) - 1 and not block.endswith(b"\n")
        ending = "; the file ends there: is it truncated?" if cut_off else ""
        fields = line.removesuffix("\r").split(",")
        if len(fields) != _COLUMNS:
            expected = f"{_COLUMNS} columns ({LENGTH} samples and a label)"
            return f"row {row}: expected {expected}, found {len(fields)}{ending}"
        for column, field in enumerate(fields, 1):
            number = _number(field)
            if number is None:
                return f"row {row}, column {column}: {field[:24]!r} is no number{ending}"
            if not np.isfinite(number):
                return f"row {row}, column {column}: {field[:24]!r} is no finite number"
        if number not in range(len(CLASSES)):
            return f"row {row}: label {field[:24]!r}, expected a whole number from 0 to {len(CLASSES) - 1}"
    return f"rows {first_row} to {first_row + len(lines) - 1}: not in the form of the Kaggle files"


def _number(field: str) -> np.float32 | None:
    try:
        with np.errstate(over="ignore"):
            return np.float32(field)
    except ValueError:
        return None
