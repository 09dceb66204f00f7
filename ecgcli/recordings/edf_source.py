"""EDF and EDF+ files read piece by piece (Kemp et al. 1992; Kemp & Olivan 2003).

An EDF file is a header of fixed-width text and data records of equal duration, each with the same number of
16-bit samples of every signal. EDF+ adds a signal of annotations, and in its discontinuous form (EDF+D) says
there when each data record starts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgcli.errors import EcgError
from ecgcli.recordings.record import Source
from ecgcli.recordings.units import mv_per

_ANNOTATIONS = "EDF Annotations"
_FIELDS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)  # widths of what is said of a signal, in bytes
_ECG = ("ECG", "EKG")


@dataclass(frozen=True)
class _Signal:
    label: str
    unit: str
    gain: float  # physical units per stored one
    offset: float  # of a stored 0, in physical units
    first: int  # of its samples within a data record
    count: int  # of its samples in a data record


@dataclass(frozen=True)
class _Header:
    signals: tuple[_Signal, ...]
    size: int  # bytes
    records: int  # as stated; -1 where it was left open
    duration: float  # of a data record, in s
    discontinuous: bool

    @property
    def frame(self) -> int:
        """Samples of all signals in a data record."""
        return sum(signal.count for signal in self.signals)


def open_edf(path: Path, units: str | None = None) -> Source:
    """Opens an EDF or EDF+ file.

    Its leads are the signals in a unit of voltage; where some of them are labelled as ECG, only these. Of
    several sampling rates the one of most leads is taken. Where an EDF+ recording was interrupted, samples
    are missing (NaN).

    Args:
        path: the file.
        units: "uV", "mV" or "V" instead of the units that the file states.

    Raises:
        EcgError: the file is missing, truncated or no EDF, or it holds no voltage.
    """
    header = _read_header(path)
    frame = header.frame
    data = path.stat().st_size - header.size
    if header.records >= 0 and data < header.records * 2 * frame:
        raise EcgError(
            f"{path}: truncated: {data + header.size} bytes; its header says {header.records} data records, "
            f"which take {header.size + header.records * 2 * frame} bytes"
        )
    records = data // (2 * frame) if header.records < 0 else header.records
    leads = [signal for signal in header.signals if signal.label != _ANNOTATIONS]
    if not leads:
        raise EcgError(f"{path}: holds annotations only; expected an EDF with an ECG signal")
    leads, left_out = _chosen(path, leads)
    if not header.duration > 0 or not records:
        raise EcgError(f"{path}: holds no samples")
    start = np.arange(records) * leads[0].count  # first sample of each data record
    if header.discontinuous:
        start = _starts(path, header, records, leads[0].count / header.duration)
    notes = [f"left out: {'; '.join(left_out)}"] if left_out else []
    stated = sorted({signal.unit for signal in leads})
    if units and [mv_per(unit) for unit in stated] != [mv_per(units)]:
        notes.append(f"taken for {units}; the file says {', '.join(stated)}")

    def read(first: int, end: int) -> npt.NDArray[np.float32]:
        return _read(path, header, leads, start, units, first, end)

    return Source(
        name=path.stem,
        path=path,
        rate=leads[0].count / header.duration,
        leads=tuple(_lead_name(signal.label) for signal in leads),
        samples=int(start[-1]) + leads[0].count,
        read=read,
        units=units or ", ".join(stated),
        notes=tuple(notes),
    )


def _read_header(path: Path) -> _Header:
    try:
        with path.open("rb") as file:
            main = file.read(256).decode("latin-1")
            if len(main) < 256 or main[:8].strip() != "0":
                raise EcgError(f"{path}: no EDF file: it does not begin with the header of one")
            signals = int(main[252:256])
            if not 0 < signals <= 9999:
                raise ValueError
            text = file.read(256 * signals)
        if len(text) < 256 * signals:
            raise EcgError(f"{path}: truncated: it ends within its header")
        columns: list[list[str]] = []
        for width in _FIELDS:
            cells = [text[i * width : (i + 1) * width] for i in range(signals)]
            columns.append([_text(cell) for cell in cells])
            text = text[width * signals :]
        label, _, unit, low, high, stored_low, stored_high, _, count, _ = columns
        found: list[_Signal] = []
        for i in range(signals):
            first = found[-1].first + found[-1].count if found else 0
            gain = offset = 0.0
            if label[i] != _ANNOTATIONS:
                gain = (float(high[i]) - float(low[i])) / (int(stored_high[i]) - int(stored_low[i]))
                offset = float(low[i]) - gain * int(stored_low[i])
            if int(count[i]) < 1 or not np.isfinite([gain, offset]).all():
                raise ValueError
            found.append(_Signal(label[i], unit[i], gain, offset, first, int(count[i])))
        return _Header(
            tuple(found),
            256 * (signals + 1),
            int(main[236:244]),
            float(main[244:252]),
            main[192:197] == "EDF+D",
        )
    except OSError as error:
        raise EcgError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, ZeroDivisionError):
        raise EcgError(f"{path}: its header is damaged; expected an EDF file") from None


def _text(cell: bytes) -> str:
    """The standard allows ASCII only; µ is found in files all the same, in either encoding."""
    try:
        return cell.decode("utf-8").strip(" \0")
    except UnicodeDecodeError:
        return cell.decode("latin-1").strip(" \0")


def _chosen(path: Path, signals: list[_Signal]) -> tuple[list[_Signal], list[str]]:
    """The leads to read, and what of the others a person should know."""
    voltages = [signal for signal in signals if mv_per(signal.unit)]
    if not voltages:
        units = ", ".join(sorted({signal.unit or "none" for signal in signals}))
        raise EcgError(f"{path}: holds no voltage: units {units}; expected mV")
    leads = [signal for signal in voltages if _is_ecg(signal.label)] or voltages
    count = Counter(signal.count for signal in leads).most_common(1)[0][0]  # the first of equally many
    left_out = []
    for signal in signals:
        if signal not in voltages:
            left_out.append(f"{signal.label} is in {signal.unit or 'no unit'}")
        elif signal not in leads:
            left_out.append(f"{signal.label} is no ECG")
        elif signal.count != count:
            left_out.append(f"{signal.label} has another sampling rate")
    return [signal for signal in leads if signal.count == count], left_out


def _is_ecg(label: str) -> bool:
    return any(word in label.upper() for word in _ECG)


def _lead_name(label: str) -> str:
    """The standard's labels are of the form "ECG II"; the lead is II."""
    kind, _, lead = label.partition(" ")
    return lead.strip() if kind.upper() in _ECG and lead.strip() else label


def _starts(path: Path, header: _Header, records: int, rate: float) -> npt.NDArray[np.int64]:
    """First sample of each data record, by the time that its first annotation states."""
    marks = next((signal for signal in header.signals if signal.label == _ANNOTATIONS), None)
    if marks is None:
        raise EcgError(f"{path}: an EDF+D that does not say when its data records start")
    stored = np.memmap(path, np.uint8, "r", header.size, (records, 2 * header.frame))
    try:
        texts = [
            bytes(row).partition(b"\x14")[0] for row in stored[:, 2 * marks.first :][:, : 2 * marks.count]
        ]
        onset = np.array([float(text.partition(b"\x15")[0]) for text in texts])
    except ValueError:
        raise EcgError(f"{path}: an EDF+D that does not say when its data records start") from None
    steps = np.diff(onset) * rate
    count = round(header.duration * rate)
    if not np.isfinite(onset).all() or (steps < count - 1).any():
        raise EcgError(f"{path}: its data records overlap in time; expected one after the other")
    # a start that is rounded to less than a sample is no gap
    steps = np.where(steps < count + 1, count, np.rint(steps)).astype(np.int64)
    return np.concatenate([[0], np.cumsum(steps)])


def _read(
    path: Path,
    header: _Header,
    leads: list[_Signal],
    start: npt.NDArray[np.int64],
    units: str | None,
    first: int,
    end: int,
) -> npt.NDArray[np.float32]:
    count, frame = leads[0].count, header.frame
    i = int(np.searchsorted(start, first, side="right")) - 1
    j = int(np.searchsorted(start, end, side="left"))
    try:
        stored = np.fromfile(path, "<i2", (j - i) * frame, offset=header.size + 2 * i * frame)
    except OSError as error:
        raise EcgError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(stored) < (j - i) * frame:
        raise EcgError(f"{path}: ends before its last sample; was it changed meanwhile?")
    stored = stored.reshape(j - i, frame)
    where: Any = slice(None)
    taken: Any = slice(first - int(start[i]), end - int(start[i]))
    if header.discontinuous:  # each data record goes to its place, as far as that lies in the piece
        index = (start[i:j, None] - first + np.arange(count)).reshape(-1)
        taken = (index >= 0) & (index < end - first)
        where = index[taken]
    piece = np.full((len(leads), end - first), np.nan, np.float32)
    for lead, about in zip(piece, leads, strict=True):
        scale = mv_per(units or about.unit) or 1.0
        values = stored[:, about.first : about.first + count].reshape(-1)[taken]
        lead[where] = values * np.float32(about.gain * scale) + np.float32(about.offset * scale)
    return piece
