"""Headers of WFDB records: what they say of the signal files, checked before it is believed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgcli.errors import EcgError
from ecgcli.recordings.units import mv_per
from ecgcli.recordings.wfdb_header_text import plain_header

BITS = {
    "8": 8,
    "16": 16,
    "24": 24,
    "32": 32,
    "61": 16,
    "80": 8,
    "160": 16,
    "212": 12,
    "310": 32 / 3,
    "311": 32 / 3,
}
"""Of each WFDB signal format that is not compressed: bits a sample."""

MISSING = {
    **{"80": -128, "508": -128, "310": -512, "311": -512, "212": -2048},
    **{"16": -32768, "61": -32768, "160": -32768, "516": -32768},
    **{"24": -(2**23), "524": -(2**23), "32": -(2**31)},
}
"""Of each WFDB signal format that has one: the value of a missing sample."""


def read_header(path: Path) -> Any:
    """The header of a record of one segment, as wfdb reads it, checked.

    Args:
        path: the record without an ending.

    Raises:
        EcgError: the header is missing, unreadable or of several segments, or it names a signal file outside
            the record's own folder.
    """
    hea = Path(f"{path}.hea")
    if not hea.is_file():
        raise EcgError(f"{hea}: no such header file; expected a WFDB record of that name")
    try:
        text = hea.read_text(encoding="utf-8", errors="replace")
        words = [line.split()[0] for line in text.splitlines() if line.strip() and not line.startswith("#")]
        for name in words[1:]:
            if not _of_own_folder(name):
                raise EcgError(f"{hea}: names the signal file {name!r}; expected a file of its own folder")
        header = plain_header(text) or _by_wfdb(path)
    except EcgError:
        raise
    except OSError as error:
        raise EcgError(f"{hea}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # the parser raises whatever a malformed line leads it to
        raise EcgError(
            f"{hea}: unreadable header; expected a first line such as '100 2 360 650000'"
        ) from error
    lines = len(header.file_name or [])
    if not header.n_sig or header.n_sig != lines:
        raise EcgError(
            f"{hea}: its first line announces {header.n_sig} signals, {lines} are described below it"
        )
    if not header.fs > 0:
        raise EcgError(f"{hea}: a sampling rate of {header.fs:g} Hz; expected one above 0")
    return header


def _by_wfdb(path: Path) -> Any:
    import wfdb

    header = wfdb.rdheader(str(path))
    if isinstance(header, wfdb.MultiRecord):
        raise EcgError(f"{path}.hea: a record of several segments; expected a record of one")
    return header


def segments(path: Path) -> list[tuple[str, int]]:
    """Names and lengths in samples of a record's segments; nothing where it is of one segment.

    Args:
        path: the record without an ending; what else is wrong with its header is not said here.

    Raises:
        EcgError: the header does not list the segments that it announces, or a segment is not in the record's
            own folder.
    """
    try:
        text = Path(f"{path}.hea").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    count = lines[0][0].partition("/")[2] if lines else ""
    if not count:
        return []
    listed = [(words[0], words[1]) for words in lines[1:] if len(words) == 2 and words[1].isdecimal()]
    if not count.isdecimal() or not 0 < int(count) == len(listed) == len(lines) - 1:
        raise EcgError(f"{path}.hea: announces {count} segments, {len(listed)} are listed below it")
    for name, _ in listed:
        if name != "~" and not _of_own_folder(name):
            raise EcgError(f"{path}.hea: names the segment {name!r}; expected a record of its own folder")
    return [(name, int(length)) for name, length in listed]


def _of_own_folder(name: str) -> bool:
    return name not in (".", "..", "~") and PurePosixPath(name).name == PureWindowsPath(name).name == name


def check_signal_files(path: Path, header: Any) -> None:
    """Compares the sizes of a record's signal files with what its header says.

    Raises:
        EcgError: a signal file is missing, truncated or too long.
    """
    bits: defaultdict[str, float] = defaultdict(float)
    for name, fmt, per_frame in zip(header.file_name, header.fmt, header.samps_per_frame, strict=True):
        if not (path.parent / name).is_file():
            raise EcgError(f"{path.parent / name}: no such signal file; {path.name}.hea names it")
        bits[name] += BITS.get(fmt, np.nan) * (per_frame or 1)
    for name, frame in bits.items():
        if not header.sig_len or np.isnan(frame):  # an unstated length, a compressed format
            continue
        offset = header.byte_offset[header.file_name.index(name)] or 0
        expected = offset + int(np.ceil(header.sig_len * frame / 8))
        size = (path.parent / name).stat().st_size
        said = f"{path.name}.hea says {header.sig_len} samples, which take {expected} bytes"
        if size < expected:
            raise EcgError(f"{path.parent / name}: truncated: {size} bytes; {said}")
        if size > expected + 4:  # the last few samples may be padded to a whole group
            raise EcgError(f"{path.parent / name}: disagrees with its header: {size} bytes; {said}")


def voltages(path: Path, header: Any) -> list[int]:
    """Which signals of a record are voltages.

    Raises:
        EcgError: none is.
    """
    kept = [i for i, unit in enumerate(header.units) if mv_per(unit)]
    if not kept:
        raise EcgError(f"{path}.hea: holds no voltage: units {', '.join(header.units)}; expected mV")
    return kept


def lead_name(header: Any, i: int) -> str:
    """Name of signal `i`: what the header calls it, else its number from 1."""
    return header.sig_name[i] or f"signal {i + 1}"


def millivolts(
    raw: Sequence[npt.NDArray[np.integer]] | npt.NDArray[np.integer],
    header: Any,
    signals: Sequence[int],
    units: str | None = None,
) -> npt.NDArray[np.float32]:
    """Turns stored values into mV; missing samples become NaN.

    Args:
        raw: (leads, time) as stored.
        header: the record's header.
        signals: which signals of the header the leads are; what is no voltage keeps its own unit.
        units: the unit to take every signal for, instead of the header's.
    """
    scaled = np.empty((len(signals), len(raw[0])), np.float32)
    for lead, stored, i in zip(scaled, raw, signals, strict=True):
        fine = stored if stored.itemsize <= 2 else stored.astype(np.float64)  # 24 and 32 bits
        gain = (header.adc_gain[i] or 200.0) / (mv_per(units or header.units[i]) or 1.0)
        lead[:] = (fine - np.float32(header.baseline[i] or 0)) / np.float32(gain)
        if header.fmt[i] in MISSING:
            lead[stored == MISSING[header.fmt[i]]] = np.nan
    return scaled
