"""A BeatTable on disk: one folder of plain arrays, memory-mapped in milliseconds."""

from __future__ import annotations

import json
import math
import mmap
import os
import shutil
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgcli.beats.table import BeatTable

COLUMNS = {
    "label": "<i8",
    "record": "<i8",
    "sample": "<i8",
    "span": "<i8",
    "symbol": "<U1",
    "features": "<f4",
    "split": "<i1",
}
"""Columns that are kept beside the signal, and their types; those of wide numbers first, so that all lie
aligned one behind another in `columns.bin`."""

LARGE = 256 * 2**20
"""Bytes of a mapped signal above which its beats are read from the file: no page of it is then our memory."""

_FACTS = tuple(f.name for f in fields(BeatTable) if f.name not in COLUMNS and f.name != "signal")


@contextmanager
def put_beside(folder: Path) -> Iterator[Path]:
    """Gives an empty folder beside `folder`; what was put there takes its place at the end.

    If the block fails, `folder` stays as it was. If another process was quicker, its work stands: somebody
    may have mapped it by now.
    """
    outdated = folder.exists()
    beside = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        yield beside
        if outdated and folder.exists():
            old = beside / "replaced"
            folder.rename(old)
            shutil.rmtree(old)
        try:
            beside.rename(folder)
        except OSError:
            if not folder.exists():
                raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_signal(path: Path, blocks: Iterable[npt.NDArray[np.float32]]) -> int:
    """Writes blocks of beats, each (m, leads, time), one behind another into one `.npy`.

    The blocks are held one at a time; there has to be at least one.

    Returns:
        The number of beats.
    """
    n, shape = 0, (0, 0)
    with path.open("wb") as file:
        for block in blocks:
            shape = block.shape[1:]
            if not n and not file.tell():
                _write_header(file, 0, shape)
            file.write(np.ascontiguousarray(block, dtype="<f4").data)
            n += len(block)
        end = file.tell()
        file.seek(0)
        _write_header(file, n, shape)
        assert end == file.tell() + 4 * n * shape[0] * shape[1], "numpy pads headers so that n can grow"
    return n


def _write_header(file: Any, n: int, shape: tuple[int, ...]) -> None:
    header = {"descr": "<f4", "fortran_order": False, "shape": (n, *shape)}
    np.lib.format.write_array_header_1_0(file, header)


def write_columns(folder: Path, columns: dict[str, npt.NDArray[Any]], facts: dict[str, Any]) -> None:
    """Writes all of a table but its signal; `facts` are its other fields, plain values."""
    shapes, crc32 = {}, 0
    with (folder / "columns.bin").open("wb") as file:
        for name, kind in COLUMNS.items():
            column = np.ascontiguousarray(columns[name], dtype=kind)
            shapes[name] = column.shape
            data = column.reshape(-1).view(np.uint8).data
            crc32 = zlib.crc32(data, crc32)
            file.write(data)
    meta = {
        "facts": {name: facts[name] for name in _FACTS},
        "shapes": shapes,
        "stamp": _stamp(folder / "columns.bin"),
        "crc32": crc32,
    }
    (folder / "meta.json").write_text(json.dumps(meta, ensure_ascii=False), encoding="utf-8")


def write_table(folder: Path, table: BeatTable) -> None:
    """Writes a table that is in memory."""
    write_signal(folder / "signal.npy", [table.signal])
    write_columns(folder, vars(table), vars(table))


def read_table(folder: Path) -> BeatTable | None:
    """Maps a table; None where there is none, one of an older form, or a damaged one.

    Files that are missing or cut short are seen by their sizes. The columns are compared with their check sum
    where their file has another time of change than was noted as they were written (it was overwritten, or
    copied); where it has the same, no byte of them is read. So what changed behind the back of the file
    system, as on a failing disk, is not seen, nor are other numbers in a signal of the same size.
    """
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        facts = {name: _tuples(meta["facts"][name]) for name in _FACTS}
        signal = np.load(folder / "signal.npy", mmap_mode="r", allow_pickle=False)
        with (folder / "columns.bin").open("rb") as file:
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        columns: dict[str, Any] = {}
        start = 0
        for name, kind in COLUMNS.items():
            shape = meta["shapes"][name]
            columns[name] = np.frombuffer(data, kind, math.prod(shape), start).reshape(shape)
            start += columns[name].nbytes
        unchanged = _stamp(folder / "columns.bin") == meta["stamp"] or zlib.crc32(data) == meta["crc32"]
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None
    fits = signal.ndim == 3 and {len(signal)} == {len(column) for column in columns.values()}
    whole = unchanged and fits and start == len(data)
    return BeatTable(signal=signal, **columns, **facts) if whole else None


def _stamp(file: Path) -> list[int]:
    """Size and time of the last change."""
    stat = file.stat()
    return [stat.st_size, stat.st_mtime_ns]


def is_large(signal: npt.NDArray[np.float32]) -> bool:
    """Whether beats of this signal are read from its file rather than mapped."""
    return isinstance(signal, np.memmap) and signal.nbytes > LARGE and signal.filename is not None


def taken(signal: npt.NDArray[np.float32], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Some beats of a table's signal, (len(rows), leads, time), copied.

    Of a mapped file above `LARGE` they are read, not mapped: the system counts every page that was looked at
    through a map as memory of this process, and with random rows that is soon the whole file.
    """
    if not isinstance(signal, np.memmap) or not is_large(signal):
        return np.asarray(signal[rows])
    beats = np.empty((len(rows), *signal.shape[1:]), signal.dtype)
    size = signal.nbytes // len(signal)
    with Path(str(signal.filename)).open("rb", buffering=0) as file:
        if len(rows) and (np.diff(rows) == 1).all():
            runs = [(beats, int(rows[0]))]
        else:
            runs = list(zip(beats, rows.tolist(), strict=True))
        for run, first in runs:
            os.preadv(file.fileno(), [run.data], signal.offset + first * size)
    return beats


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
