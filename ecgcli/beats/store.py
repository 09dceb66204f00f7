"""A BeatTable on disk: one folder of plain arrays, memory-mapped in milliseconds."""

from __future__ import annotations

import json
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
    "label": "i8",
    "symbol": "U1",
    "record": "i8",
    "sample": "i8",
    "span": "i8",
    "split": "i1",
    "features": "f4",
}
"""Columns that are kept beside the signal, and their types."""

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
    sums = {}
    for name, kind in COLUMNS.items():
        column = np.ascontiguousarray(columns[name], dtype=kind)
        np.save(folder / f"{name}.npy", column, allow_pickle=False)
        sums[name] = zlib.crc32(column.view(np.uint8).data)
    meta = {"facts": {name: facts[name] for name in _FACTS}, "crc32": sums}
    (folder / "meta.json").write_text(json.dumps(meta, ensure_ascii=False), encoding="utf-8")


def write_table(folder: Path, table: BeatTable) -> None:
    """Writes a table that is in memory."""
    write_signal(folder / "signal.npy", [table.signal])
    write_columns(folder, vars(table), vars(table))


def read_table(folder: Path) -> BeatTable | None:
    """Maps a table; None where there is none, or a damaged one."""
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        facts = {name: _tuples(meta["facts"][name]) for name in _FACTS}
        columns = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in COLUMNS}
        signal = np.load(folder / "signal.npy", mmap_mode="r", allow_pickle=False)
        sums = {name: zlib.crc32(column.view(np.uint8).data) for name, column in columns.items()}
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None
    whole = (
        sums == meta["crc32"] and signal.ndim == 3 and len({len(signal), *map(len, columns.values())}) == 1
    )
    return BeatTable(signal=signal, **columns, **facts) if whole else None


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
