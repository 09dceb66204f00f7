"""The Kaggle heartbeat files as files: rebuilt where they are not there, traced in either case.

Beside each file stands its trace table, which says of every row where it was cut and from whom.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ecgcli.beats.kaggle import FILES, UNKNOWN, kaggle_table
from ecgcli.beats.kaggle_csv import read_csv, write_csv
from ecgcli.beats.kaggle_recipe import RECORDS
from ecgcli.beats.kaggle_trace import Trace, load_trace, row_hashes
from ecgcli.errors import EcgError
from ecgcli.files import write_text
from ecgcli.recordings.download import sha256
from ecgcli.recordings.wfdb_io import subject_of

TEST_SHA256 = "f3fdb3fd318275e653fac082b617d8c1ef09fca619a0606dc22c863451c77333"
"""Of the published `mitbih_test.csv`."""

COLUMNS = ("row", "record", "sample", "symbol", "subject")
"""Of a trace table; rows are counted from 0."""

Rows = npt.NDArray[np.int64]


class Traced(NamedTuple):
    """What is known of the rows of one file.

    Attributes:
        path: the file.
        rows: how many beats it holds.
        beats: (rows,) index into the trace's beats; −1 where a row is none of MIT-BIH's as published.
        relabelled: rows whose label is not the published one.
        published: whether it is the published file, byte for byte; None where that cannot be told, as for
            the training file, whose row order is not known.
    """

    path: Path
    rows: int
    beats: Rows
    relabelled: int
    published: bool | None

    @property
    def known(self) -> int:
        """Rows that were traced."""
        return int(np.sum(self.beats >= 0))

    @property
    def elsewhere(self) -> int:
        """Rows that stand in the other one of the published files."""
        in_test = load_trace().test_row[self.beats[self.beats >= 0]] >= 0
        return int(np.sum(in_test != (self.path.name == FILES[1])))

    @property
    def unaltered(self) -> bool:
        """Whether every row is one of the published file of that name, with its label."""
        return self.known == self.rows and not self.elsewhere and not self.relabelled


def trace_file(path: Path) -> Path:
    """Where the trace table of a file stands."""
    return path.with_name(f"{path.stem}_trace.csv")


def trace_copy(path: Path) -> Traced:
    """Traces somebody's copy of one of the files, in any row order and any way of writing the numbers.

    The trace table is written beside it; the file itself is left alone.

    Raises:
        EcgError: the file is not in the form of the Kaggle files, or the table cannot be written.
    """
    signal, label = read_csv(path)
    trace = load_trace()
    beats = trace.locate(row_hashes(signal))
    known = beats >= 0
    relabelled = int(np.sum(trace.beats.label[beats[known]] != label[known]))
    _write_trace(trace_file(path), trace, beats)
    published = sha256(path) == TEST_SHA256 if path.name == FILES[1] else None
    return Traced(path, len(beats), beats, relabelled, published)


def rebuild_files(data_dir: Path, folder: Path, names: tuple[str, ...] = FILES) -> list[Traced]:
    """Writes the files, each with its trace table, as cut from the records in `<data_dir>/mitdb`.

    The test file has the published row order and is, byte for byte, the published one; the training file is
    ordered by record and sample, as its published order is not known.

    Args:
        data_dir: folder of the databases.
        folder: where to.
        names: which of `FILES`.

    Raises:
        EcgError: the records are not those of MIT-BIH 1.0.0, or a file cannot be written.
    """
    table = kaggle_table(data_dir, "rebuild")
    trace = load_trace()
    done = []
    for name in names:
        if name == FILES[0]:
            beats = np.flatnonzero(trace.test_row < 0)
        else:
            beats = np.argsort(trace.test_row, kind="stable")[np.sum(trace.test_row < 0) :]
        path = folder / name
        # the table holds every beat, in the trace's own order
        beside = path.with_name(f".{name}.new")
        try:
            write_csv(beside, table.signal[beats, 0], table.label[beats])
            if name == FILES[1] and sha256(beside) != TEST_SHA256:
                raise EcgError(f"{path}: what was rebuilt is not the published file; nothing was written")
            beside.replace(path)
        except OSError as error:
            raise EcgError(f"{path}: cannot be written: {error.strerror}") from error
        finally:
            beside.unlink(missing_ok=True)
        _write_trace(trace_file(path), trace, beats)
        done.append(Traced(path, len(beats), beats, 0, True if name == FILES[1] else None))
    return done


def remove_left_over(folder: Path) -> None:
    """Removes what a killed process left in a folder."""
    for name in FILES:
        for left in folder.glob(f".*{name.removesuffix('.csv')}*"):
            left.unlink(missing_ok=True)


def _write_trace(path: Path, trace: Trace, beats: Rows) -> None:
    subjects = [subject_of("mitdb", name) for name in RECORDS]
    known = trace.beats[np.maximum(beats, 0)]
    rows = zip(
        beats.tolist(), known.record.tolist(), known.sample.tolist(), known.symbol.tolist(), strict=True
    )
    lines = [",".join(COLUMNS)]
    for row, (beat, record, sample, symbol) in enumerate(rows):
        at = f"{RECORDS[record]},{sample},{symbol},{subjects[record]}" if beat >= 0 else f"{UNKNOWN},,,"
        lines.append(f"{row},{at}")
    try:
        write_text(path, "\n".join(lines) + "\n")
    except OSError as error:
        raise EcgError(f"{path}: cannot be written: {error.strerror}") from error
