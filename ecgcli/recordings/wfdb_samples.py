"""Samples of WFDB records as they are stored, before baseline and gain, piece by piece.

The formats 16, 61, 80 and 212, those of most ECGs, are decoded here: 24 hours of two leads in pieces of five
minutes take a seventh of the time that wfdb takes. wfdb reads every other format.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgcli.errors import EcgError

Stored = Callable[[int, int], list[npt.NDArray[np.integer]]]
"""(start, end) in frames → the values of each signal, (end - start) times its samples a frame."""

_PLAIN = {"16", "61", "80", "212"}
_BLOCK = 65536  # frames between known values of a signal kept as differences


def is_plain(header: Any) -> bool:
    """Whether a record is decoded here: its formats are, and it has one sample a frame of every signal."""
    return set(header.fmt) <= _PLAIN and all(n in (None, 1) for n in header.samps_per_frame)


def stored_reader(path: Path, header: Any, signals: list[int], samples: int) -> Stored:
    """How the signals of a record are read, not aligned where some were stored late.

    Args:
        path: the record without an ending.
        header: its header, checked.
        signals: which signals of the header to read.
        samples: length of the record in frames.

    Raises:
        EcgError: a signal cannot be decoded (so does the reader).
    """
    stored: Stored = partial(_stored if is_plain(header) else _stored_by_wfdb, path, header, signals)
    return _from_differences(stored, header, signals, samples) if "8" in header.fmt else stored


def _stored(
    path: Path, header: Any, signals: list[int], start: int, end: int
) -> list[npt.NDArray[np.integer]]:
    """Values as stored, of plain signals."""
    found: dict[int, npt.NDArray[np.integer]] = {}
    for name in dict.fromkeys(header.file_name[i] for i in signals):
        of_file = [i for i in range(header.n_sig) if header.file_name[i] == name]
        frame = len(of_file)
        offset = header.byte_offset[of_file[0]] or 0
        flat = _decoded(path.parent / name, header.fmt[of_file[0]], offset, start * frame, end * frame)
        for column, i in enumerate(of_file):
            found[i] = flat[column::frame]
    return [found[i] for i in signals]


def _decoded(file: Path, fmt: str, offset: int, start: int, end: int) -> npt.NDArray[np.int16]:
    """Values `start` to `end` of a signal file, counted over all of its signals."""
    if fmt in ("16", "61"):
        order = "<i2" if fmt == "16" else ">i2"
        return _values(file, order, offset + 2 * start, end - start).astype(np.int16, copy=False)
    if fmt == "80":
        return _values(file, "u1", offset + start, end - start).astype(np.int16) - np.int16(128)
    # 212: two values of 12 bits in three bytes; a last value without a partner may end after two of them
    first, last = start // 2, -(-end // 2)
    size = 3 * (last - first) - end % 2
    three = np.zeros((last - first, 3), np.uint8)
    three.reshape(-1)[:size] = _values(file, "u1", offset + 3 * first, size)
    pair = np.empty((last - first, 2), np.int16)
    middle = three[:, 1].astype(np.int16)
    # shifted up to the sign bit and down again, which carries the sign along
    pair[:, 0] = (middle << 12) >> 4 | three[:, 0]
    pair[:, 1] = (middle >> 4 << 12) >> 4 | three[:, 2]
    return pair.reshape(-1)[start - 2 * first :][: end - start]


def _values(file: Path, dtype: str, offset: int, count: int) -> npt.NDArray[Any]:
    try:
        values = np.fromfile(file, dtype, count, offset=offset)
    except OSError as error:
        raise EcgError(f"{file}: cannot be read: {error.strerror or error}") from error
    if len(values) < count:
        raise EcgError(f"{file}: ends before its last sample; was it changed meanwhile?")
    return values


def _stored_by_wfdb(
    path: Path, header: Any, kept: list[int], start: int, end: int
) -> list[npt.NDArray[np.integer]]:
    import wfdb

    try:
        read = wfdb.rdrecord(
            str(path),
            sampfrom=start,
            sampto=end,
            channels=kept,
            physical=False,
            ignore_skew=True,
            smooth_frames=False,
            return_res=32,
        )
    except Exception as error:  # a damaged file fails anywhere in the decoder
        raise EcgError(f"{path}: its signal cannot be decoded: {' '.join(str(error).split())}") from error
    return list(read.e_d_signal)


def _from_differences(stored: Stored, header: Any, kept: list[int], samples: int) -> Stored:
    """Signals of format 8 hold differences: the value before each block is found once, by reading them all.

    wfdb, which `stored` asks, starts every piece from the header's initial value.
    """
    initial = np.array([header.init_value[i] or 0 for i in kept])
    differences = np.array([header.fmt[i] == "8" for i in kept])
    before = [np.zeros(len(kept), np.int64)]  # of each block: what to add to each signal
    for start in range(0, samples, _BLOCK):
        last = np.array([values[-1] for values in stored(start, min(start + _BLOCK, samples))])
        before.append(before[-1] + np.where(differences, last - initial, 0))

    def absolute(start: int, end: int) -> list[npt.NDArray[np.integer]]:
        block = start // _BLOCK
        first = block * _BLOCK
        pieces = zip(stored(first, end), before[block], strict=True)
        return [(values + more)[len(values) // (end - first) * (start - first) :] for values, more in pieces]

    return absolute
