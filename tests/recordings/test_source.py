"""Somebody's recording is read in pieces as it would be as a whole, whatever it is kept as."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ecgcli.errors import EcgError
from ecgcli.recordings.source import Source, find_sources, open_source
from ecgcli.recordings.units import amplitude_fault, mv_per
from ecgcli.recordings.wfdb_io import read_record, write_record
from tests.recordings.test_wfdb_io import a_record


def whole(source: Source) -> npt.NDArray[np.float32]:
    return source.read(0, source.samples)


def in_pieces(source: Source, cuts: list[int]) -> npt.NDArray[np.float32]:
    edges = sorted({0, source.samples, *(cut % source.samples for cut in cuts)})
    return np.hstack([source.read(a, b) for a, b in pairwise(edges)])


def refused(path: Path, *said: str, rate: float | None = None, units: str | None = None) -> None:
    """In one line that names the file (or the setting) and says what is wrong."""
    with pytest.raises(EcgError) as caught:
        open_source(path, rate, units)
    message = str(caught.value)
    assert "\n" not in message
    assert "Traceback" not in message
    for words in said:
        assert words in message


# -- what is opened ------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["", ".hea", ".dat"])
def test_a_record_is_opened_by_any_of_its_files(tmp_path: Path, ending: str) -> None:
    write_record(tmp_path, a_record("r.1".replace(".", "_")))
    source = open_source(tmp_path / f"r_1{ending}")
    assert (source.name, source.path, source.rate) == ("r_1", tmp_path / "r_1", 360)
    assert (source.leads, source.samples, source.units) == (("MLII", "V1"), 1440, "mV")
    np.testing.assert_array_equal(whole(source), read_record(tmp_path / "r_1").signal)


def test_a_folder_gives_its_recordings_by_name(tmp_path: Path) -> None:
    for name in ("b.edf", "a.csv", "c.NPY", "notes.txt", ".hidden.csv"):
        (tmp_path / name).write_text("")
    (tmp_path / "inner.edf").mkdir()
    assert [path.name for path in find_sources(tmp_path)] == ["a.csv", "b.edf", "c.NPY"]
    for name in ("r2", "r10"):
        write_record(tmp_path, a_record(name))
    assert find_sources(tmp_path) == [tmp_path / "r10", tmp_path / "r2"]
    assert find_sources(tmp_path / "r2") == [tmp_path / "r2"]
    assert find_sources(tmp_path / "a.csv") == [tmp_path / "a.csv"]


@pytest.mark.promise
def test_a_folder_without_recordings_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(EcgError, match=r"holds no recording; expected a WFDB record, \.edf, \.csv"):
        find_sources(tmp_path)
    for name in ("a.csv", "a.npy"):
        (tmp_path / name).write_text("")
    with pytest.raises(EcgError, match=r"a\.csv and a\.npy share a name"):
        find_sources(tmp_path)


@pytest.mark.promise
def test_what_is_no_recording_is_refused_in_one_line(tmp_path: Path) -> None:
    refused(tmp_path / "none", "none: no such recording")
    refused(tmp_path / "none.edf", "none.edf: no such recording")
    refused(tmp_path / "none.dat", "none.hea: no such header file")
    refused(tmp_path, "a folder")
    (tmp_path / "r.mp3").write_text("")
    refused(tmp_path / "r.mp3", "no known kind of recording; expected a WFDB record, .edf, .csv")


@pytest.mark.promise
def test_a_rate_that_no_ecg_has_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "r.npy", np.zeros((2, 40_000), np.float32))
    for rate in (0, -360, 49.9, 10_001, float("nan"), float("inf")):
        refused(
            tmp_path / "r.npy", f"rate={rate:g}: a sampling rate of", "expected 50 to 10,000 Hz", rate=rate
        )
    for good in (50, 10_000):
        assert open_source(tmp_path / "r.npy", good).rate == good
    write_record(tmp_path, a_record("slow", rate=40))
    refused(tmp_path / "slow", "a sampling rate of 40 Hz")


@pytest.mark.promise
def test_a_rate_that_contradicts_the_file_is_refused(tmp_path: Path) -> None:
    write_record(tmp_path, a_record())
    refused(tmp_path / "a1", "rate=250 contradicts the file, which says 360 Hz", rate=250)
    assert open_source(tmp_path / "a1", 360).rate == 360


# -- units ---------------------------------------------------------------------------------------------


def test_units_are_known_by_any_spelling() -> None:
    assert [
        mv_per(unit) for unit in ("mV", " uV ", "\N{MICRO SIGN}V", "\N{GREEK SMALL LETTER MU}V", "V")
    ] == [
        1,
        1e-3,
        1e-3,
        1e-3,
        1e3,
    ]
    assert [mv_per(unit) for unit in ("mmHg", "", "kV", "NU")] == [None] * 4


@pytest.mark.promise
def test_units_other_than_those_of_voltage_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "r.npy", np.zeros(400, np.float32))
    refused(tmp_path / "r.npy", "units=kV", "expected one of uV, mV, V", rate=100, units="kV")


@pytest.mark.promise
@pytest.mark.parametrize(
    ("true", "taken"), [("V", "mV"), ("uV", "mV"), ("mV", "V"), ("mV", "uV"), ("V", "uV")]
)
@pytest.mark.parametrize("record", ["100", "101", "107", "116", "205"])
def test_units_taken_for_others_are_noticed(mitdb_dir: Path, true: str, taken: str, record: str) -> None:
    """Record 101 has the smallest lead of MIT-BIH, 107 and 116 the largest ones."""
    read = read_record(mitdb_dir / record, annotator=None)
    believed = read.signal * ((mv_per(taken) or 0) / (mv_per(true) or 1))
    fault = amplitude_fault(believed[:, :36_000], read.rate, read.leads, taken)
    assert fault is not None and "\n" not in fault
    assert fault.endswith(f"they were taken for {taken}; try units={true}")
    assert amplitude_fault(read.signal[:, :36_000], read.rate, read.leads) is None


def test_artefacts_gaps_and_flat_leads_are_no_wrong_units() -> None:
    rng = np.random.default_rng(0)
    beats = np.where(np.arange(36_000) % 360 < 20, 1.0, 0.0) + rng.normal(0, 0.01, 36_000)
    signal = np.stack([beats, np.full(36_000, np.nan), np.zeros(36_000)])
    signal[0, 5000:8000] = np.nan
    signal[0, 9000] = 4000
    assert amplitude_fault(signal, 360, ("I", "II", "III")) is None
    assert amplitude_fault(signal[1:], 360, ("II", "III")) is None
    assert amplitude_fault(signal[:, :100], 360, ("I", "II", "III")) is None
    assert amplitude_fault(signal * 1e9, 360, ("I", "II", "III")) is not None


# -- memory --------------------------------------------------------------------------------------------

READ = """
import resource, sys
from pathlib import Path
import wfdb, pandas
from ecgcli.recordings.source import open_source
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    source = open_source(Path(path), rate=1000)
    for start in range(0, source.samples, 30_000):
        source.read(start, min(start + 30_000, source.samples))
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.promise
@pytest.mark.slow
def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    """80 MB of samples each; a file that is read or mapped as a whole would show."""
    from edfio import Edf, EdfSignal

    signal = np.random.default_rng(0).standard_normal((2, 100_000)).astype(np.float32)
    np.savez(tmp_path / "z.npz", signal=np.tile(signal, 100))
    np.save(tmp_path / "n.npy", np.tile(signal, 100))
    (tmp_path / "w.dat").write_bytes(bytes(80_000_000))
    (tmp_path / "w.hea").write_text("w 2 1000 20000000\nw.dat 16 200\nw.dat 16 200\n")
    leads = [EdfSignal(lead, 1000, label="ECG", physical_dimension="mV") for lead in signal.astype(float)]
    Edf(leads).write(tmp_path / "e.edf")
    content = (tmp_path / "e.edf").read_bytes()
    header, data = bytearray(content[: 256 * 3]), content[256 * 3 :]
    header[236:244] = f"{int(header[236:244]) * 200:<8}".encode()
    (tmp_path / "e.edf").write_bytes(bytes(header) + data * 200)
    np.savetxt(tmp_path / "c.csv", signal.T, "%.3f", ",")
    (tmp_path / "c.csv").write_bytes((tmp_path / "c.csv").read_bytes() * 20)
    paths = [str(tmp_path / name) for name in ("w", "n.npy", "z.npz", "e.edf", "c.csv")]
    run = subprocess.run([sys.executable, "-c", READ, *paths], capture_output=True, text=True, check=True)
    unit = 1024 if sys.platform == "darwin" else 1  # where it is counted in bytes
    grown = [int(line) / unit for line in run.stdout.split()]
    assert max(grown[:4]) < 30
    assert grown[4] < 100  # pandas' own working memory, whatever the length
