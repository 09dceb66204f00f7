"""WFDB records read piece by piece, of one segment or of several."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgcli.errors import EcgError
from ecgcli.recordings.annotation_file import read_rate_and_length
from ecgcli.recordings.record import Source
from ecgcli.recordings.units import mv_per
from ecgcli.recordings.wfdb_header import (
    BITS,
    check_signal_files,
    lead_name,
    millivolts,
    read_header,
    segments,
    voltages,
)
from ecgcli.recordings.wfdb_samples import Stored, is_plain, stored_reader

_Read = Callable[[int, int], npt.NDArray[np.float32]]


def open_wfdb(path: Path, units: str | None = None) -> Source:
    """Opens a WFDB record.

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
    if segments(path):
        return _open_segments(path, units)
    return _open_one(path, units)


def _open_one(path: Path, units: str | None) -> Source:
    header = read_header(path)
    check_signal_files(path, header)
    kept = voltages(path, header)
    samples = header.sig_len or _length_of_files(path, header)
    if not samples:
        raise EcgError(f"{path}: holds no samples")
    skew = [header.skew[i] or 0 for i in kept]
    stored = stored_reader(path, header, kept, samples)
    read: _Read = partial(_millivolts, stored, header, kept, units)
    if any(skew):
        read = partial(_aligned, read, skew, samples)
    elif is_plain(header):
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


def _open_segments(path: Path, units: str | None) -> Source:
    """Opens a record of several segments; samples of a lead are missing where a segment lacks it."""
    rate, length = read_rate_and_length(Path(f"{path}.hea"))
    parts: list[tuple[int, Source]] = []  # where each segment starts
    start = 0
    for name, samples in segments(path):
        # "~" is a gap; a segment of length 0 describes those of a variable layout
        if name != "~" and samples and any(map(mv_per, read_header(path.parent / name).units)):
            part = _open_one(path.parent / name, units)
            if part.samples != samples or part.rate != rate:
                raise EcgError(
                    f"{path}.hea: says that segment {name} has {samples} samples at {rate:g} Hz, its own "
                    f"header {part.samples} at {part.rate:g} Hz"
                )
            parts.append((start, part))
        start += samples
    if length not in (None, start):
        raise EcgError(f"{path}.hea: says {length} samples, its segments have {start}")
    if not parts:
        raise EcgError(f"{path}.hea: no segment holds a voltage; expected mV")
    leads = tuple(dict.fromkeys(lead for _, part in parts for lead in part.leads))

    def read(first: int, end: int) -> npt.NDArray[np.float32]:
        signal = np.full((len(leads), end - first), np.nan, np.float32)
        for at, part in parts:
            a, b = max(first, at), min(end, at + part.samples)
            if a < b:
                signal[[leads.index(lead) for lead in part.leads], a - first : b - first] = part.read(
                    a - at, b - at
                )
        return signal

    return Source(
        name=path.name,
        path=path,
        rate=rate,
        leads=leads,
        samples=start,
        read=read,
        units=", ".join(dict.fromkeys(part.units for _, part in parts)),
        notes=tuple(dict.fromkeys(note for _, part in parts for note in part.notes)),
    )


def _length_of_files(path: Path, header: Any) -> int:
    """Samples of a record whose header leaves its length open."""
    if not is_plain(header):
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
    stored: Stored, header: Any, kept: list[int], units: str | None, start: int, end: int
) -> npt.NDArray[np.float32]:
    values = stored(start, end)
    if all(len(lead) == end - start for lead in values):
        return millivolts(values, header, kept, units)
    # of several samples a frame the mean is taken, as by wfdb, but a missing one makes it missing
    leads = [millivolts([lead], header, [i], units)[0] for lead, i in zip(values, kept, strict=True)]
    return np.stack([lead.reshape(end - start, -1).mean(axis=1) for lead in leads])


def _aligned(read: _Read, skew: list[int], samples: int, start: int, end: int) -> npt.NDArray[np.float32]:
    """Reads signals of which some were stored a few samples late."""
    signal = np.full((len(skew), end - start), np.nan, np.float32)
    for late in set(skew):
        if start + late < samples:
            these = np.array(skew) == late
            piece = read(start + late, min(end + late, samples))[these]
            signal[these, : piece.shape[1]] = piece
    return signal
