"""CSV files with a column for each lead; they are turned into a nameless array on disk, a part at a time."""

from __future__ import annotations

import csv
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import pandas as pd

from ecgcli.errors import EcgError
from ecgcli.files import closed_on_error
from ecgcli.recordings.array_source import piece_reader
from ecgcli.recordings.record import Source

_SECONDS = {"time", "t", "s", "sec", "seconds", "time (s)", "time [s]", "time_s", "elapsed time"}
_OTHER_TIMES = {"ms", "msec", "date", "datetime"}  # and whatever else begins with "time"
_COUNTERS = {"", "index", "sample", "samples", "sample #", "unnamed: 0"}
_CELLS = 1_000_000  # that are held at a time


def open_csv(path: Path, rate: float | None, units: str | None) -> Source:
    """Opens a CSV file with a row for each sample and a column for each lead.

    A first row that is not of numbers names the leads. A column named `time`, `t` or `seconds` holds seconds
    and tells the rate; it has to be regular. A column that only counts (`sample`, `index`, or without a name)
    is left out. Cells are separated by commas, semicolons or tabs; an empty one is a missing sample.

    Args:
        path: the file.
        rate: samples per second in Hz; None where a column of time tells it.
        units: "uV", "mV" or "V"; None means mV, unless all values are whole numbers.

    Raises:
        EcgError: the file cannot be read or is empty, a cell is no number, rate or units are not known, or
            the column of time is not regular.
    """
    try:
        separator, names, skipped = _columns(path)
        clock = next((i for i, name in enumerate(names) if name.lower() in _SECONDS), None)
        leads = [i for i, name in enumerate(names) if i != clock and name.lower() not in _COUNTERS]
        for i in leads:
            if names[i].lower() in _OTHER_TIMES or names[i].lower().startswith("time"):
                raise EcgError(
                    f"{path}: column {names[i]!r} is no lead; expected seconds, in a column 'time'"
                )
        if not leads:
            raise EcgError(f"{path}: holds no column of a lead")
        if clock is None and rate is None:
            raise EcgError(
                f"{path}: does not say its sampling rate; expected rate= in Hz, or seconds in a column 'time'"
            )
    except OSError as error:
        raise EcgError(f"{path}: cannot be read: {error.strerror or error}") from error
    file = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the reader
    with closed_on_error(file):
        return _stored(path, file, (separator, names, skipped), clock, leads, rate, units)


def _stored(
    path: Path,
    file: IO[bytes],
    layout: tuple[str, list[str], int],
    clock: int | None,
    leads: list[int],
    rate: float | None,
    units: str | None,
) -> Source:
    """The columns of the leads, put into a file from which they are read piece by piece."""
    names = layout[1]
    samples, first, last, step = 0, 0.0, None, 0.0
    fractions = units is not None
    try:
        for part in _parts(path, *layout):
            if clock is not None and len(part):
                if last is None:
                    first, step = float(part[0, clock]), _step(part[:, clock])
                last = _last_time(path, names[clock], part[:, clock], last, step, samples)
            with np.errstate(over="ignore", invalid="ignore"):  # too large: infinite, and that is missing
                fractions = fractions or bool((part[:, leads] % 1 > 0).any())
                part[:, leads].astype(np.float32, order="C").tofile(file)
            samples += len(part)
        file.flush()
    except OSError as error:
        raise EcgError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not samples:
        raise EcgError(f"{path}: holds no samples")
    if not fractions:
        raise EcgError(
            f"{path}: whole numbers only, which may be raw ADC values; say units=uV, mV or V if not"
        )
    if last is not None:
        rate = _rate(samples, last - first) or rate
    if rate is None:
        raise EcgError(f"{path}: one sample does not tell the rate; expected rate=, in Hz")
    return Source(
        name=path.stem,
        path=path,
        rate=rate,
        leads=tuple(names[i] for i in leads),
        samples=samples,
        read=piece_reader(path, file, 0, np.dtype(np.float32), (samples, len(leads)), 0, units or "mV"),
        units=units or "mV",
    )


def _columns(path: Path) -> tuple[str, list[str], int]:
    """Separator, names of the columns, and lines before the first row of numbers."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        line, text = next(((i, text) for i, text in enumerate(file) if text.strip()), (0, ""))
    if not text:
        raise EcgError(f"{path}: empty; expected a column for each lead")
    separator = max(",;\t", key=text.count)
    cells = [cell.strip().strip("'") for cell in next(csv.reader([text.strip("\r\n")], delimiter=separator))]
    if any(_is_number(cell) for cell in cells) and all(_is_number(cell) for cell in cells if cell):
        return separator, [f"signal {i + 1}" for i in range(len(cells))], line
    return separator, cells, line + 1


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _parts(path: Path, separator: str, names: list[str], skipped: int) -> Iterator[npt.NDArray[np.float64]]:
    """The rows as arrays of (rows, columns); what is no number is named."""
    try:
        for part in _read(path, separator, names, skipped, np.float64):
            yield part.to_numpy(np.float64)
    except pd.errors.ParserError as error:
        raise EcgError(f"{path}: cannot be read as CSV: {' '.join(str(error).split())}") from error
    except pd.errors.ParserWarning:
        raise EcgError(
            f"{path}: a row of more cells than {len(names)}; expected one for each column"
        ) from None
    except pd.errors.EmptyDataError:
        return
    except ValueError as error:
        raise EcgError(f"{path}: {_no_number(path, separator, names, skipped)}") from error


def _read(path: Path, separator: str, names: list[str], skipped: int, dtype: type) -> Iterator[pd.DataFrame]:
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        with pd.read_csv(
            path,
            sep=separator,
            header=None,
            names=list(range(len(names))),
            skiprows=skipped,
            dtype=dtype,
            index_col=False,
            skipinitialspace=True,
            encoding="utf-8-sig",
            encoding_errors="replace",
            chunksize=max(1, _CELLS // len(names)),
        ) as parts:
            yield from parts


def _no_number(path: Path, separator: str, names: list[str], skipped: int) -> str:
    """Which cell is no number, in words: a second reading, as text."""
    row = 0
    for part in _read(path, separator, names, skipped, str):
        for i, name in enumerate(names):
            wrong = part[i].notna() & pd.to_numeric(part[i], errors="coerce").isna()
            if wrong.any():
                at = int(np.argmax(wrong.to_numpy()))
                return f"row {row + at + 1}, column {name!r}: {part[i].iloc[at]!r} is no number"
        row += len(part)
    return "a cell is no number"


def _step(seconds: npt.NDArray[np.float64]) -> float:
    steps = np.diff(seconds)
    steps = steps[np.isfinite(steps)]
    return float(np.median(steps)) if len(steps) else 0.0


def _last_time(
    path: Path, name: str, seconds: npt.NDArray[np.float64], last: float | None, step: float, row: int
) -> float:
    """Checks that time goes on in equal steps, to half of one: times may be rounded."""
    steps = np.diff(seconds) if last is None else np.diff(seconds, prepend=last)
    wrong = np.flatnonzero(~(np.abs(steps - step) <= step / 2) | (steps <= 0))
    if len(wrong):
        at = row + int(wrong[0]) + (2 if last is None else 1)
        expected = f"equal steps of {step:g} s" if step > 0 else "times that ascend in equal steps"
        raise EcgError(
            f"{path}: row {at}: column {name!r} goes on by {steps[wrong[0]]:g} s; expected {expected}"
        )
    return float(seconds[-1])


def _rate(samples: int, duration: float) -> float | None:
    if not duration > 0:
        return None
    rate = (samples - 1) / duration
    # a whole number, where the rounding of the first and last time explains the rest
    whole = round(rate)
    return float(whole) if abs(rate - whole) <= 0.5 * rate / (samples - 1) else rate
