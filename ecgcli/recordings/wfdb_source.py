"""WFDB records read piece by piece.

The formats 16, 61, 80 and 212, those of most ECGs, are decoded here: 24 hours of two leads in pieces of five
minutes take a fifth of the time that wfdb takes. wfdb reads every other format.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgcli.errors import EcgError
from ecgcli.recordings.record import Source
from ecgcli.recordings.wfdb_header import (
    BITS,
    check_signal_files,
    lead_name,
    millivolts,
    read_header,
    voltages,
)

_Read = Callable[[int, int], npt.NDArray[np.float32]]
_Stored = Callable[[int, int], list[npt.NDArray[np.integer]]]  # as stored, before baseline and gain
_OWN = {"16", "61", "80", "212"}
_BLOCK = 65536  # frames between known values of a signal kept as differences


def open_wfdb(path: Path, units: str | None = None) -> Source:
    """Opens a WFDB record of one segment.

    Signals that are no voltage are left out. The header is compared with the sizes of the signal files and
    with the first samples; its checksums, which take the whole signal, are not.

    Args:
        path: the record without an ending.
        units: "uV", "mV" or "V" instead of the units that the header states.

    Raises:
        EcgError: a file is missing, unreadable or truncated, header and signal disagree, no signal is a
            voltage, or the header names a signal file outside its own folder.
    """
    path = path.absolute()
    header = read_header(path)
    check_signal_files(path, header)
    kept = voltages(path, header)
    own = set(header.fmt) <= _OWN and all(n in (None, 1) for n in header.samps_per_frame)
    samples = header.sig_len or _length_of_files(path, header, own)
    if not samples:
        raise EcgError(f"{path}: holds no samples")
    skew = [header.skew[i] or 0 for i in kept]
    stored: _Stored = partial(_stored if own else _stored_by_wfdb, path, header, kept)
    if "8" in header.fmt:
        stored = _from_differences(stored, header, kept, samples)
    read: _Read = partial(_millivolts, stored, header, kept, units)
    if any(skew):
        read = partial(_aligned, read, skew, samples)
    elif own:
        _check_first_samples(path, header, kept, stored(0, 1))
    left_out = [f"{lead_name(header, i)} ({header.units[i]})" for i in range(header.n_sig) if i not in kept]
    notes = [f"left out, as they are no voltage: {', '.join(left_out)}"] if left_out else []
    stated = sorted({header.units[i] for i in kept})
    if units and stated != [units]:
        notes.append(f"taken for {units}; the header says {', '.join(stated)}")
    return Source(
        name=path.name,
        path=path,
        rate=float(header.fs),
        leads=tuple(lead_name(header, i) for i in kept),
        samples=samples,
        read=read,
        units=units or ", ".join(stated),
        notes=tuple(notes),
    )


def _length_of_files(path: Path, header: Any, own: bool) -> int:
    """Samples of a record whose header leaves its length open."""
    if not own:
        raise EcgError(f"{path}.hea: states no length; expected the number of samples in its first line")
    lengths = []
    for name in dict.fromkeys(header.file_name):
        of_file = [i for i in range(header.n_sig) if header.file_name[i] == name]
        size = (path.parent / name).stat().st_size - (header.byte_offset[of_file[0]] or 0)
        lengths.append(max(size, 0) * 8 // (BITS[header.fmt[of_file[0]]] * len(of_file)))
    return int(min(lengths))


def _check_first_samples(
    path: Path, header: Any, kept: list[int], first: list[npt.NDArray[np.integer]]
) -> None:
    for i, values in zip(kept, first, strict=True):
        said = header.init_value[i]
        # a header written by hand has no checksum, and a 0 here that is only a filler
        if said is not None and header.checksum[i] is not None and said != values[0]:
            raise EcgError(
                f"{path}.hea: disagrees with its signal: signal {i + 1} starts with {values[0]}, not {said}"
            )


def _millivolts(
    stored: _Stored, header: Any, kept: list[int], units: str | None, start: int, end: int
) -> npt.NDArray[np.float32]:
    values = stored(start, end)
    if all(len(lead) == end - start for lead in values):
        return millivolts(values, header, kept, units)
    # of several samples a frame the mean is taken, as by wfdb, but a missing one makes it missing
    leads = [millivolts([lead], header, [i], units)[0] for lead, i in zip(values, kept, strict=True)]
    return np.stack([lead.reshape(end - start, -1).mean(axis=1) for lead in leads])


def _stored(
    path: Path, header: Any, signals: list[int], start: int, end: int
) -> list[npt.NDArray[np.integer]]:
    """Values as stored, of signals in the formats above with one sample a frame."""
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


def _from_differences(stored: _Stored, header: Any, kept: list[int], samples: int) -> _Stored:
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


def _aligned(read: _Read, skew: list[int], samples: int, start: int, end: int) -> npt.NDArray[np.float32]:
    """Reads signals of which some were stored a few samples late."""
    signal = np.full((len(skew), end - start), np.nan, np.float32)
    for late in set(skew):
        if start + late < samples:
            these = np.array(skew) == late
            piece = read(start + late, min(end + late, samples))[these]
            signal[these, : piece.shape[1]] = piece
    return signal
