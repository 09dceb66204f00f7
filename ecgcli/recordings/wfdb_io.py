"""WFDB records: signals and annotations as PhysioNet keeps them, checked before they are believed."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ecgcli.errors import EcgError
from ecgcli.recordings.aami import BEAT_SYMBOLS, NON_BEAT_SYMBOLS
from ecgcli.recordings.annotation_file import read_annotations
from ecgcli.recordings.annotation_writer import encoded
from ecgcli.recordings.record import Annotations, Record
from ecgcli.recordings.units import mv_per
from ecgcli.recordings.wfdb_header import (
    BITS,
    MISSING,
    check_signal_files,
    lead_name,
    millivolts,
    read_header,
    voltages,
)
from ecgcli.recordings.wfdb_samples import is_plain, stored_reader

_MITDB = {"202": "201"}
# noise was added to two recordings of MIT-BIH (Moody, Muldrow & Mark 1984)
_NSTDB = {f"{n}e{snr}": f"mitdb/{n}" for n in ("118", "119") for snr in ("24", "18", "12", "06", "00", "_6")}
# 90 records of 79 subjects
_EDB = {
    record: first
    for first, *others in (
        ("e0118", "e0119", "e0121", "e0122"),
        ("e0123", "e0124", "e0125", "e0126"),
        ("e0129", "e0133"),
        ("e0136", "e0139"),
        ("e0147", "e0148"),
        ("e0154", "e0155"),
        ("e0162", "e0163"),
    )
    for record in others
}
SHARED_SUBJECTS: dict[str, dict[str, str]] = {
    "mitdb": _MITDB,
    "mit-bih-arrhythmia-database-1.0.0": _MITDB,
    "nstdb": _NSTDB,
    "mit-bih-noise-stress-test-database-1.0.0": _NSTDB,
    "edb": _EDB,
    "european-st-t-database-1.0.0": _EDB,
}
"""Folder of a database → record → subject, for the records of a subject that has several.

A subject of another database has its name before the own one, as in a table of several databases.
"""

# the form of INCART's headers; its 75 records are of 32 patients
_PATIENT = re.compile(
    r"^#[ \t]*patient[ \t]*(?:number|no\.?|:|#)?[ \t]*(\d+)[ \t]*$", re.IGNORECASE | re.MULTILINE
)

_LIMIT = {"16": 32767, "212": 2047}
"""The largest value that each written format holds."""


def record_names(folder: Path) -> list[str]:
    """Names of the WFDB records of a folder, ascending.

    Raises:
        EcgError: there is no such folder, or no header file in it.
    """
    if not folder.is_dir():
        raise EcgError(f"{folder}: no such folder; expected WFDB records (.hea, .dat, .atr) in it")
    names = sorted(path.name.removesuffix(".hea") for path in folder.glob("[!.]*.hea") if path.is_file())
    if not names:
        raise EcgError(f"{folder}: holds no WFDB record; expected header files (.hea)")
    return names


def subject_of(database: str, record: str) -> str:
    """Who was recorded: the record's own name, but for subjects with several records.

    Args:
        database: name of the database's folder ("mitdb").
        record: name of the record ("202").
    """
    return SHARED_SUBJECTS.get(database, {}).get(record, record)


def subject_of_record(path: Path, database: str) -> str:
    """Who was recorded, by the header where it says so in a line of its own (`# patient 7`).

    Args:
        path: the record without an extension; what is wrong with its header is not said here.
        database: name of the database's folder.
    """
    try:
        header = Path(f"{path}.hea").read_text(encoding="utf-8", errors="replace")
    except OSError:
        header = ""
    patient = _PATIENT.search(header)
    return f"patient {int(patient[1])}" if patient else subject_of(database, path.name)


def unknown_symbols(annotations: Annotations) -> Counter[str]:
    """Counts the annotations whose symbol neither marks a beat nor is another one of the WFDB standard."""
    symbols, counts = np.unique(annotations.symbol, return_counts=True)
    known = BEAT_SYMBOLS | NON_BEAT_SYMBOLS
    return Counter({str(s): int(n) for s, n in zip(symbols, counts, strict=True) if s not in known})


def read_record(path: Path, digital: bool = False, annotator: str | None = "atr") -> Record:
    """Reads one WFDB record of one segment with its annotations.

    Signals that are no voltage (respiration, blood pressure) are left out. The header's sizes, first values
    and checksums are compared with the signal.

    Args:
        path: the record without an extension (`data/mitdb/100`).
        digital: raw ADC units as float64 instead of mV as float32.
        annotator: extension of the annotation file; None reads no annotations.

    Returns:
        The record. In mV, missing samples are NaN. An annotation code that the WFDB standard does not name
        has the symbol `<code>`, such as `<42>`.

    Raises:
        EcgError: a file is missing, unreadable or truncated, header and signal disagree, the header names a
            signal file outside its own folder, or an annotation lies outside the signal.
    """
    path = path.absolute()
    header = read_header(path)
    check_signal_files(path, header)
    signal = _read_signal(path, header, digital)
    kept = voltages(path, header)
    return Record(
        name=path.name,
        signal=signal if len(kept) == len(signal) else signal[kept],
        rate=float(header.fs),
        leads=tuple(lead_name(header, i) for i in kept),
        annotations=record_annotations(path, annotator, float(header.fs), signal.shape[1])
        if annotator
        else None,
        subject=subject_of_record(path, path.parent.name),
    )


def voltage_units(path: Path) -> tuple[str, ...]:
    """Units that the header states for the signals which `read_record` keeps and converts.

    Args:
        path: the record without an extension.

    Raises:
        EcgError: the header is missing or unreadable.
    """
    return tuple(unit for unit in read_header(path.absolute()).units if mv_per(unit))


def _read_signal(path: Path, header: Any, digital: bool) -> npt.NDArray[np.floating]:
    as_stored = not any(header.skew) and all((n or 1) == 1 for n in header.samps_per_frame)
    if as_stored and is_plain(header) and header.sig_len:
        raw = np.stack(
            stored_reader(path, header, list(range(header.n_sig)), header.sig_len)(0, header.sig_len)
        )
    else:
        raw = _by_wfdb(path, header)
    if not raw.size:
        raise EcgError(f"{path}: holds no samples")
    for i, lead in enumerate(raw if as_stored else ()):
        first, checksum = header.init_value[i], header.checksum[i]
        # the sum of a signal's samples in 16 bits; a header may leave it out
        if checksum is not None and (int(lead.sum(dtype=np.int64)) - checksum) % 65536:
            raise EcgError(f"{path}.hea: disagrees with its signal: the checksum of signal {i + 1} differs")
        if checksum is not None and first is not None and first != lead[0]:
            raise EcgError(
                f"{path}.hea: disagrees with its signal: signal {i + 1} starts with {lead[0]}, not {first}"
            )
    if digital:
        return raw.astype(np.float64)
    return millivolts(raw, header, range(len(raw)))


def _by_wfdb(path: Path, header: Any) -> npt.NDArray[np.integer]:
    """(leads, time) as stored, in whichever format."""
    import wfdb

    narrow = all(BITS.get(fmt, 32) <= 16 for fmt in header.fmt)
    try:
        read = wfdb.rdrecord(str(path), physical=False, return_res=16 if narrow else 32)
    except Exception as error:  # a damaged file fails anywhere in the decoder
        raise EcgError(f"{path}: its signal cannot be decoded: {' '.join(str(error).split())}") from error
    return np.ascontiguousarray(read.d_signal.T)


def record_annotations(path: Path, annotator: str, rate: float, time: int) -> Annotations:
    """The annotations of a record, checked against its signal.

    Args:
        path: the record, without an ending.
        annotator: ending of the annotation file.
        rate: sampling rate of the signal in Hz; positions are converted where the file states another.
        time: length of the signal in samples.

    Raises:
        EcgError: the file is missing, damaged, out of order or runs beyond the signal.
    """
    file = Path(f"{path}.{annotator}")
    if not file.is_file():
        raise EcgError(f"{file}: no such annotation file; expected the annotations of record {path.name}")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise EcgError(f"{file}: cannot be read: {error.strerror}") from error
    if len(content) % 2 or content[-2:] != b"\0\0":  # the standard closes every file with a null annotation
        raise EcgError(
            f"{file}: truncated: its closing mark is missing; expected a whole WFDB annotation file"
        )
    annotations, stated = read_annotations(file)
    sample = annotations.sample
    if stated and not np.isclose(stated, rate):
        sample = np.rint(sample * (rate / stated)).astype(np.int64)
    outside = np.flatnonzero((sample < 0) | (sample >= time) | (np.diff(sample, prepend=0) < 0))
    if len(outside):
        raise EcgError(
            f"{file}: annotation {outside[0] + 1} is at sample {sample[outside[0]]}; expected ascending "
            f"positions in a signal of {time} samples"
        )
    return replace(annotations, sample=sample)


def write_record(
    folder: Path,
    record: Record,
    fmt: Literal["16", "212"] = "212",
    gain: float = 200.0,
    annotator: str = "atr",
    comments: Sequence[str] = (),
) -> None:
    """Writes a record as WFDB files: signal, annotations (where it has some) and, last, the header.

    Args:
        folder: where to write; made where it is missing.
        record: the record; NaN becomes WFDB's mark of a missing sample.
        fmt: signal format, 12 or 16 bits a sample.
        gain: ADC units per mV.
        annotator: extension of the annotation file.
        comments: lines for the end of the header.

    Raises:
        EcgError: a sample does not fit the format, the record's name or an annotation cannot be written as
            WFDB, or the folder cannot be written.
    """
    import wfdb

    with np.errstate(invalid="ignore"):
        units = np.rint(record.signal.astype(np.float64).T * gain)  # (time, leads)
    if (np.abs(units[~np.isnan(units)]) > _LIMIT[fmt]).any():
        raise EcgError(
            f"record {record.name}: a sample of {np.nanmax(np.abs(record.signal)):.3g} mV does not fit "
            f"format {fmt} at {gain:g} units per mV; expected at most {_LIMIT[fmt] / gain:.3g} mV"
        )
    leads = len(record.leads)
    folder.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".", dir=folder))
    try:
        wfdb.wrsamp(
            record.name,
            fs=int(record.rate) if float(record.rate).is_integer() else record.rate,
            units=["mV"] * leads,
            sig_name=list(record.leads),
            d_signal=np.where(np.isnan(units), MISSING[fmt], units).astype(np.int64),
            fmt=[fmt] * leads,
            adc_gain=[float(gain)] * leads,
            baseline=[0] * leads,
            comments=list(comments),
            write_dir=str(beside),
        )
        if record.annotations is not None:
            (beside / f"{record.name}.{annotator}").write_bytes(encoded(record.annotations))
        for file in sorted(beside.iterdir(), key=lambda file: file.suffix == ".hea"):
            file.replace(folder / file.name)  # the header last: a record without one is not there
    except OSError as error:
        raise EcgError(
            f"{folder}: record {record.name} cannot be written: {error.strerror or error}"
        ) from error
    except Exception as error:  # the writer raises bare ones too
        raise EcgError(
            f"record {record.name} cannot be written as WFDB: {' '.join(str(error).split())}"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
