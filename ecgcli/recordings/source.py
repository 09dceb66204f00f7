"""Opening somebody's recording, whatever it is kept as: WFDB, EDF, CSV, NPY or NPZ."""

from __future__ import annotations

from pathlib import Path

from ecgcli.errors import EcgError
from ecgcli.recordings.record import Source
from ecgcli.recordings.units import UNITS, mv_per
from ecgcli.recordings.wfdb_header import segments

__all__ = ["Source", "find_sources", "open_source"]

_OTHERS = (".edf", ".csv", ".npy", ".npz")
_EXPECTED = "a WFDB record, .edf, .csv, .npy or .npz"
_SLOWEST, _FASTEST = 50, 10_000  # Hz: below, a QRS complex is a few samples; above, no ECG is recorded


def find_sources(path: Path) -> list[Path]:
    """What `open_source` opens at a path: one recording, or those of a folder, ascending by name.

    Of a folder these are its WFDB records (but not the segments of others) or, where it holds none, its EDF,
    CSV, NPY and NPZ files; folders in it are not searched.

    Raises:
        EcgError: the folder holds no recording, or two of one name.
    """
    if not path.is_dir() or Path(f"{path}.hea").is_file():
        return [path]
    files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    found = [file.with_suffix("") for file in files if file.suffix == ".hea"]
    parts = {part for record in found for part, _ in segments(record)}
    found = [record for record in found if record.name not in parts]
    found = found or [file for file in files if file.suffix.lower() in _OTHERS]
    if not found:
        raise EcgError(f"{path}: holds no recording; expected {_EXPECTED}")
    names: dict[str, Path] = {}
    for file in found:
        same = names.setdefault(file.stem if file.suffix.lower() in _OTHERS else file.name, file)
        if same is not file:
            raise EcgError(f"{path}: {same.name} and {file.name} share a name, which names what is written")
    return found


def open_source(path: Path, rate: float | None = None, units: str | None = None) -> Source:
    """Opens a recording; its signal is read later, piece by piece.

    Args:
        path: a WFDB record (with or without `.hea` or `.dat`), or an EDF, CSV, NPY or NPZ file.
        rate: samples per second in Hz, where the file does not say.
        units: "uV", "mV" or "V", where the file does not say or says it wrongly. CSV, NPY and NPZ are taken
            for mV.

    Raises:
        EcgError: there is no such recording, it cannot be read or holds no ECG, or `rate` and `units` are no
            rate and units for it.
    """
    unit = next((name for name in UNITS if units and mv_per(name) == mv_per(units)), None)
    if units and not unit:
        raise EcgError(f"units={units}: no unit of an ECG; expected one of {', '.join(UNITS)}")
    if rate is not None:
        _check_rate(f"rate={rate:g}", rate)
    source = _opened(path, rate, unit)
    if source.samples < 1:
        raise EcgError(f"{path}: holds no samples")
    _check_rate(str(path), source.rate)
    if rate is not None and abs(source.rate - rate) > 1e-3 * rate:
        raise EcgError(f"{path}: rate={rate:g} contradicts the file, which says {source.rate:g} Hz")
    return source


def _check_rate(where: str, rate: float) -> None:
    if not _SLOWEST <= rate <= _FASTEST:
        raise EcgError(f"{where}: a sampling rate of {rate:g} Hz; expected {_SLOWEST:,} to {_FASTEST:,} Hz")


def _opened(path: Path, rate: float | None, unit: str | None) -> Source:
    ending = path.suffix.lower()
    if ending in _OTHERS and path.is_file():
        if ending == ".edf":
            from ecgcli.recordings.edf_source import open_edf

            return open_edf(path, unit)
        if ending == ".csv":
            from ecgcli.recordings.csv_source import open_csv

            return open_csv(path, rate, unit)
        from ecgcli.recordings.array_source import open_array

        return open_array(path, rate, unit)
    from ecgcli.recordings.wfdb_source import open_wfdb

    if Path(f"{path}.hea").is_file():
        return open_wfdb(path, unit)
    if ending in (".hea", ".dat"):
        return open_wfdb(path.with_suffix(""), unit)
    if path.is_dir():
        raise EcgError(f"{path}: a folder; expected {_EXPECTED}")
    if path.exists():
        raise EcgError(f"{path}: no known kind of recording; expected {_EXPECTED}")
    raise EcgError(f"{path}: no such recording; expected {_EXPECTED}")
