"""A user's own beats as CSV, with or without a header, read block by block."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgcli.beats.table_columns import USUAL, Block, Columns, find_columns
from ecgcli.choices.data import Table
from ecgcli.errors import EcgError

_BLOCK = 8 << 20  # bytes parsed at once: what bounds the memory
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class _Form:
    """How a file is written: its separator, its columns, and where its first beat stands."""

    separator: str
    width: int
    columns: Columns
    start: int  # byte
    row: int


def csv_blocks(file: Path, data: Table) -> tuple[tuple[str, ...], Iterator[Block]]:
    """Reads a CSV file: a row a beat, columns separated by commas (else semicolons or tabs).

    The first line is no header where every field, or every one but the last, is a number; column numbers in
    order (`0,1,…`, as pandas writes them) are a header all the same. Without a header, columns are named by
    their numbers from 0 and the last one is the label. Rows are counted as lines of the file, from 1.

    Args:
        file: the file.
        data: which columns are what.

    Returns:
        What is worth saying, and the blocks.

    Raises:
        EcgError: now or while reading: the file cannot be read or holds no beats, rows differ in length, or
            a sample is no finite number; the message names the file, the row and the column.
    """
    form = _form(file, data)
    return form.columns.notes, _blocks(file, form)


def _form(file: Path, data: Table) -> _Form:
    try:
        with file.open("rb") as opened:
            line = opened.readline()
    except OSError as error:
        raise EcgError(f"{file}: cannot be read: {error.strerror}") from error
    start = len(_BOM) if line.startswith(_BOM) else 0
    try:
        text = line[start:].decode("utf-8").strip("\r\n")
    except UnicodeDecodeError:
        raise EcgError(f"{file}, row 1: no UTF-8 text; expected a CSV file") from None
    separator = max(",;\t", key=text.count)
    # numpy marks its header as a comment
    fields = [field.strip() for field in next(csv.reader([text], delimiter=separator), [])]
    header = [fields[0].lstrip("# "), *fields[1:]] if fields else []
    if len(fields) < 2:
        raise EcgError(f"{file}, row 1: one column; expected samples and a label, separated by commas")
    if _is_header(header, data):
        columns = find_columns(header, data, file, last_is_label=True)
        return _Form(separator, len(header), columns, len(line), 2)
    numbers = [str(i) for i in range(len(fields))]
    return _Form(separator, len(fields), find_columns(numbers, data, file, last_is_label=True), start, 1)


def _is_header(fields: list[str], data: Table) -> bool:
    numbers = [_number(field) for field in fields[:-1]]
    if None in numbers or fields[-1].casefold() in USUAL["label"] or fields[-1] == data.label:
        return True
    return numbers in ([*range(len(numbers))], [*range(1, len(numbers) + 1)])


def _blocks(file: Path, form: _Form) -> Iterator[Block]:
    row = form.row
    try:
        with file.open("rb") as opened:
            opened.seek(form.start)
            while block := opened.read(_BLOCK):
                block += opened.readline()
                while block.count(b'"') % 2 and (more := opened.readline()):  # a line end within quotes
                    block += more
                lines, parsed = _parse(file, block, row, form)
                row += lines
                yield parsed
    except OSError as error:
        raise EcgError(f"{file}: cannot be read: {error.strerror}") from error


def _parse(file: Path, block: bytes, first_row: int, form: _Form) -> tuple[int, Block]:
    """The number of lines of a block of whole lines, and its rows."""
    import pandas as pd

    blank, fields = _fields(block, form.separator)
    places = [*form.columns.samples, *form.columns.roles.values()]
    kinds: dict[int, Any] = dict.fromkeys(form.columns.samples, np.float32)
    kinds |= dict.fromkeys(form.columns.roles.values(), str)
    # pandas fills short lines and loses the end of long ones: the columns are counted here
    if (fields[~blank] == form.width).all():
        try:
            with warnings.catch_warnings():  # what float32 cannot hold becomes infinity, which is refused
                warnings.simplefilter("ignore", RuntimeWarning)
                frame = pd.read_csv(
                    io.BytesIO(block),
                    sep=form.separator,
                    header=None,
                    names=range(form.width),
                    usecols=places,
                    dtype=kinds,
                    index_col=False,
                    na_filter=False,
                    low_memory=False,
                )
        except ValueError:
            pass  # said below, with the row
        else:
            signal = np.ascontiguousarray(frame[list(form.columns.samples)].to_numpy(np.float32))
            words = {
                role: frame[place].str.strip().to_numpy(object) for role, place in form.columns.roles.items()
            }
            row = first_row + np.flatnonzero(~blank)
            if len(signal) == len(row) and np.isfinite(signal).all():
                return len(blank), Block(signal[:, None, :], row, words)
    raise EcgError(f"{file}, {_first_fault(block, first_row, form)}")


def _fields(block: bytes, separator: str) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """Of each line: whether it is blank, and its number of fields; what stands in quotes is one field."""
    characters = np.frombuffer(block, np.uint8)
    end, mark = characters == ord("\n"), characters == ord(separator)
    if b'"' in block:
        inside = np.bitwise_xor.accumulate(characters == ord('"'))
        end, mark = end & ~inside, mark & ~inside
    ends = np.flatnonzero(end)
    if not block.endswith(b"\n"):
        ends = np.append(ends, len(block))
    starts = np.append(0, ends[:-1] + 1)
    returned = (ends > starts) & (characters[np.maximum(ends - 1, 0)] == ord("\r"))
    blank = ends - starts - returned == 0
    return blank, np.diff(np.searchsorted(np.flatnonzero(mark), ends), prepend=0) + 1


def _first_fault(block: bytes, first_row: int, form: _Form) -> str:
    """What is wrong with the first bad row of a block in which one is."""
    try:
        text = block.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"row {first_row + block[: error.start].count(10)}: no UTF-8 text"
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=form.separator)
    try:
        for fields in reader:
            row = first_row + reader.line_num - 1
            if fields and len(fields) != form.width:
                return f"row {row}: expected {form.width} columns, found {len(fields)}"
            for place in form.columns.samples if fields else ():
                value = _number(fields[place])
                where = f"row {row}, column {place + 1}: {fields[place][:24]!r} is no"
                if value is None:
                    return f"{where} number; expected a sample"
                if not abs(value) < float(np.finfo(np.float32).max):
                    return f"{where} finite number; expected a sample"
    except csv.Error as error:
        return f"row {first_row + reader.line_num - 1}: {error}"
    return f"rows from {first_row} on: no table of numbers"


def _number(field: str) -> float | None:
    try:
        return float(field)
    except ValueError:
        return None
