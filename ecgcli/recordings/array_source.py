"""NPY and NPZ files read piece by piece, and the reader of plain arrays that CSV files become."""

from __future__ import annotations

import shutil
import tempfile
import weakref
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ecgcli.errors import EcgError
from ecgcli.files import closed_on_error
from ecgcli.recordings.record import Source
from ecgcli.recordings.units import UNITS, mv_per

_SAID = ("rate", "fs", "leads", "units")


def open_array(path: Path, rate: float | None, units: str | None) -> Source:
    """Opens an NPY or NPZ file with an array of (time,), (leads, time) or (time, leads).

    The longer axis is time. An NPZ file holds the array as `signal` or as its only one, and may say beside it
    `rate` or `fs` (Hz), `leads` and `units`.

    Args:
        path: the file.
        rate: samples per second in Hz; None where an NPZ says.
        units: "uV", "mV" or "V"; None where an NPZ says or where floating-point values are mV.

    Raises:
        EcgError: the file cannot be read or is truncated, its array is no signal, or rate or units are not
            known.
    """
    said: dict[str, Any] = {}
    try:
        if path.suffix.lower() == ".npz":
            file, said = _from_npz(path)
        else:
            file = path.open("rb")
    except EcgError:
        raise
    except OSError as error:
        raise EcgError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # a damaged file fails in many ways
        raise EcgError(f"{path}: cannot be read as {path.suffix[1:].upper()}: {_line(error)}") from error
    with closed_on_error(file):
        return _source(path, file, rate, units, said)


def _source(
    path: Path, file: IO[bytes], rate: float | None, units: str | None, said: dict[str, Any]
) -> Source:
    try:
        shape, fortran, dtype = _described(file)
        offset, size = file.tell(), file.seek(0, 2)
    except Exception as error:
        raise EcgError(f"{path}: cannot be read as {path.suffix[1:].upper()}: {_line(error)}") from error
    if dtype.kind not in "fiu" or len(shape) not in (1, 2) or not all(shape):
        raise EcgError(
            f"{path}: an array of {dtype} and shape {shape}; expected numbers of (time,), (leads, time) or "
            "(time, leads)"
        )
    if size - offset < int(np.prod(shape)) * dtype.itemsize:
        raise EcgError(f"{path}: truncated: {size - offset} bytes for an array of {dtype} and shape {shape}")
    if len(shape) == 2 and shape[0] == shape[1] > 1:
        raise EcgError(f"{path}: an array of shape {shape}; which axis is time? expected the longer one")
    rate = _rate(path, rate, said)
    units = units or _units(path, said)
    if units is None and dtype.kind != "f":
        raise EcgError(
            f"{path}: whole numbers ({dtype}), which may be raw ADC values; say units=uV, mV or V if not"
        )
    shape = shape if len(shape) == 2 else (1, *shape)
    axis = 0 if shape[0] > shape[1] else 1
    leads = _leads(path, said, shape[1 - axis])
    return Source(
        name=path.stem,
        path=path,
        rate=rate,
        leads=leads,
        samples=shape[axis],
        read=piece_reader(path, file, offset, dtype, shape, axis, units or "mV", fortran),
        units=units or "mV",
    )


def piece_reader(
    path: Path,
    file: IO[bytes],
    offset: int,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    axis: int,
    units: str,
    fortran: bool = False,
) -> Callable[[int, int], npt.NDArray[np.float32]]:
    """The `read` of a Source for an array that lies in a file.

    Args:
        path: what messages name.
        file: the open file; it stays open as long as the reader lives.
        offset: of the array in it, in bytes.
        dtype: of its values.
        shape: (leads, time) or (time, leads).
        axis: which axis is time.
        units: unit of its values.
        fortran: whether the first axis runs fastest.
    """
    scale = np.float32(mv_per(units) or 1.0)

    def read(start: int, end: int) -> npt.NDArray[np.float32]:
        try:  # mapped anew for each piece, so that the pages of the last one are given back
            values = np.memmap(file, dtype, "r", offset, shape, "F" if fortran else "C")
        except (OSError, ValueError) as error:
            raise EcgError(f"{path}: cannot be read: {_line(error)}") from error
        piece = values[:, start:end] if axis else values[start:end].T
        with np.errstate(over="ignore"):
            signal = np.array(piece, np.float32, order="C") * scale  # (leads, time)
        signal[~np.isfinite(signal)] = np.nan
        return signal

    weakref.finalize(read, file.close)
    return read


def _described(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, order and type of an array in numpy's format; the file is left at its first value."""
    file.seek(0)
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


def _from_npz(path: Path) -> tuple[IO[bytes], dict[str, Any]]:
    """The signal of an NPZ, unpacked into a nameless temporary file, and what is said beside it."""
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
        arrays = [name for name in names if name not in _SAID]
        name = "signal" if "signal" in arrays else arrays[0] if len(arrays) == 1 else None
        if name is None:
            raise EcgError(
                f"{path}: holds the arrays {', '.join(arrays) or 'none'}; expected one, or one named signal"
            )
        with np.load(path, allow_pickle=False) as all_of_them:
            said = {key: all_of_them[key] for key in _SAID if key in names}
        file = tempfile.TemporaryFile()  # noqa: SIM115  # gone when the reader is
        with closed_on_error(file), archive.open(f"{name}.npy") as packed:
            shutil.copyfileobj(packed, file, 1 << 20)
            file.flush()
    return file, said


def _rate(path: Path, rate: float | None, said: dict[str, Any]) -> float:
    stated = said.get("rate", said.get("fs"))
    if stated is None:
        if rate is None:
            raise EcgError(f"{path}: does not say its sampling rate; expected rate= in Hz")
        return rate
    try:
        return float(np.asarray(stated).item())
    except (TypeError, ValueError):
        raise EcgError(f"{path}: its rate is no number; expected one, in Hz") from None


def _units(path: Path, said: dict[str, Any]) -> str | None:
    if "units" not in said:
        return None
    stated = str(said["units"]) if said["units"].ndim == 0 else ", ".join(map(str, said["units"]))
    for name in UNITS:
        if mv_per(stated) == mv_per(name):
            return name
    raise EcgError(f"{path}: its units are {stated}; expected one of {', '.join(UNITS)}")


def _leads(path: Path, said: dict[str, Any], count: int) -> tuple[str, ...]:
    if "leads" not in said:
        return tuple(f"signal {i + 1}" for i in range(count))
    leads = tuple(map(str, np.atleast_1d(said["leads"]).tolist()))
    if len(leads) != count:
        raise EcgError(f"{path}: names {len(leads)} leads, its signal has {count}")
    return leads


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
