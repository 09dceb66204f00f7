"""A user's own beats as Parquet and NPZ, given block by block."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgcli.beats.table_columns import Block, find_columns, find_roles, no_label, shown
from ecgcli.choices.data import Table
from ecgcli.errors import EcgError

ROWS = 4096
"""Rows handled at once: what bounds the memory."""


def parquet_blocks(file: Path, data: Table) -> tuple[tuple[str, ...], Iterator[Block]]:
    """Reads a Parquet file: a row a beat, a column a sample; rows are counted from 1.

    Args:
        file: the file.
        data: which columns are what.

    Returns:
        What is worth saying, and the blocks.

    Raises:
        EcgError: now or while reading: the file is damaged, or its columns are not those of beats.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        opened = pq.ParquetFile(file)
    except (OSError, pa.ArrowException) as error:
        raise EcgError(f"{file}: cannot be read as Parquet: {str(error).splitlines()[0]}") from error
    schema = opened.schema_arrow
    columns = find_columns(schema.names, data, file, last_is_label=False)
    for place in columns.samples:
        kind = schema.types[place]
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
            raise EcgError(
                f"{file}: column {schema.names[place]!r} holds {kind}; expected numbers, one a row"
            )

    def blocks() -> Iterator[Block]:
        names = [schema.names[place] for place in (*columns.samples, *columns.roles.values())]
        row = 1
        try:
            for batch in opened.iter_batches(ROWS, columns=names):
                arrays = [batch.column(schema.names[i]) for i in columns.samples]
                with np.errstate(over="ignore"):  # infinity is refused
                    signal = np.stack(
                        [a.to_numpy(zero_copy_only=False).astype(np.float32) for a in arrays], axis=1
                    )
                words = {
                    role: _words(batch.column(schema.names[place]).to_pandas().to_numpy(object))
                    for role, place in columns.roles.items()
                }
                yield Block(signal[:, None, :], np.arange(row, row + len(signal)), words)
                row += len(signal)
        except (OSError, pa.ArrowException) as error:
            raise EcgError(f"{file}: cannot be read as Parquet: {str(error).splitlines()[0]}") from error

    return columns.notes, blocks()


def npz_blocks(file: Path, data: Table) -> tuple[tuple[str, ...], Iterator[Block]]:
    """Reads an NPZ file: arrays signal, (n, time) or (n, leads, time), and label; (n,) what else there is.

    Args:
        file: the file.
        data: which arrays are what.

    Returns:
        Nothing worth saying, and the blocks.

    Raises:
        EcgError: the file is damaged, holds pickled objects, or its arrays are not those of beats.
    """
    try:
        with np.load(file, allow_pickle=False) as opened:
            if not isinstance(opened, np.lib.npyio.NpzFile):
                raise EcgError(f"{file}: a single array; expected an NPZ file of signal and label")
            names = list(opened)
            roles = find_roles(names, data, file, "array")
            if "signal" not in names:
                raise EcgError(f"{file}: no array 'signal'; there are {shown(names)}")
            if "label" not in roles:
                raise no_label(names, file, "array")
            signal = opened["signal"]
            arrays = {role: opened[names[place]] for role, place in roles.items()}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        if "allow_pickle" in str(error):
            raise EcgError(
                f"{file}: holds pickled objects, which may run code and are not read; expected arrays of "
                f"numbers and texts"
            ) from error
        raise EcgError(f"{file}: cannot be read as NPZ: {' '.join(str(error).split())}") from error
    if signal.dtype.kind not in "fiub" or signal.ndim not in (2, 3):
        raise EcgError(
            f"{file}: signal is {signal.dtype} of shape {signal.shape}; expected numbers, (n, time) or "
            f"(n, leads, time)"
        )
    signal = signal[:, None, :] if signal.ndim == 2 else signal
    if signal.shape[1] > signal.shape[2]:
        raise EcgError(f"{file}: signal has shape {signal.shape}; expected (n, leads, time), time last")
    for role, array in arrays.items():
        if array.shape != (len(signal),) or array.dtype.kind not in "fiubUS":
            raise EcgError(
                f"{file}: {role} is {array.dtype} of shape {array.shape}; expected ({len(signal)},), an "
                f"entry for each beat"
            )

    def blocks() -> Iterator[Block]:
        for start in range(0, len(signal), ROWS):
            part = slice(start, start + ROWS)
            with np.errstate(over="ignore"):  # infinity is refused
                values = signal[part].astype(np.float32)
            words = {role: _words(array[part].astype(object)) for role, array in arrays.items()}
            yield Block(values, np.arange(start + 1, start + 1 + len(values)), words)

    return (), blocks()


def _words(values: npt.NDArray[Any]) -> npt.NDArray[np.object_]:
    """Values of a column as texts; what is missing is empty."""
    words = np.empty(len(values), object)
    for i, value in enumerate(values.tolist()):
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # whole numbers that a missing one has made floats
        missing = value is None or value != value
        words[i] = "" if missing else value.decode() if isinstance(value, bytes) else str(value).strip()
    return words
