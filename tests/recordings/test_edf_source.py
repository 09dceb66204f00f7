"""EDF files in pieces are what edfio reads of the whole file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from edfio import Edf, EdfAnnotation, EdfSignal, read_edf
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.recordings.source import open_source
from tests.recordings.test_source import in_pieces, refused, whole


def a_signal(
    label: str = "ECG II",
    unit: str = "mV",
    rate: float = 200,
    seconds: float = 6,
    size: float = 1,
    seed: int = 0,
) -> EdfSignal:
    values = size * np.random.default_rng(seed).uniform(-2, 2, round(seconds * rate))
    return EdfSignal(values, rate, label=label, physical_dimension=unit)


@pytest.mark.promise
@settings(max_examples=25, deadline=None)
@given(
    rates=st.sampled_from([(128, 1), (256, 1), (100, 2), (333, 3)]),
    units=st.lists(st.sampled_from(["mV", "uV", "V"]), min_size=1, max_size=4),
    records=st.integers(1, 7),
    annotated=st.booleans(),
    cuts=st.lists(st.integers(0, 10_000), max_size=5),
)
def test_an_edf_is_read_as_edfio_reads_it(
    tmp_path_factory: pytest.TempPathFactory,
    rates: tuple[int, int],
    units: list[str],
    records: int,
    annotated: bool,
    cuts: list[int],
) -> None:
    rate, duration = rates
    path = tmp_path_factory.mktemp("edf") / "r.edf"
    to_mv = {"mV": 1, "uV": 1e-3, "V": 1e3}
    signals = [
        a_signal(f"lead {i}", unit, rate, records * duration, 1 / to_mv[unit], i)
        for i, unit in enumerate(units)
    ]
    notes = [EdfAnnotation(0.5, None, "a note")] if annotated else None
    Edf(signals, data_record_duration=duration, annotations=notes).write(path)
    source = open_source(path)
    read = read_edf(path)
    expected = np.stack([s.data * to_mv[s.physical_dimension] for s in read.signals])
    np.testing.assert_allclose(whole(source), expected, atol=1e-5)
    np.testing.assert_array_equal(in_pieces(source, cuts), whole(source))
    assert (source.name, source.rate) == ("r", rate)
    assert source.leads == tuple(f"lead {i}" for i in range(len(units)))


def test_wfdb_reads_the_same(tmp_path: Path) -> None:
    from wfdb.io.convert.edf import read_edf as wfdb_reads

    Edf([a_signal("ECG II"), a_signal("ECG V1", seed=1)]).write(tmp_path / "r.edf")
    source = open_source(tmp_path / "r.edf")
    theirs = wfdb_reads(str(tmp_path / "r.edf"))
    np.testing.assert_allclose(whole(source), theirs.p_signal.T, atol=2e-3)  # it rounds the gain
    assert source.leads == ("II", "V1")


def test_the_ecg_is_found_among_other_signals(tmp_path: Path) -> None:
    signals = [
        a_signal("EEG Fpz-Cz", "uV", 100, size=50),
        a_signal("EEG Pz-Oz", "uV", 100, size=50),
        a_signal("ECG I", "uV", 250, size=1000),
        a_signal("ECG II", "uV", 250, size=1000),
        a_signal("EKG", "mV", 500),
        a_signal("Resp", "cmH2O", 25),
    ]
    Edf(signals, data_record_duration=1).write(tmp_path / "night.edf")
    source = open_source(tmp_path / "night.edf")
    assert (source.leads, source.rate, source.samples) == (("I", "II"), 250, 1500)
    assert source.notes == (
        "left out: EEG Fpz-Cz is no ECG; EEG Pz-Oz is no ECG; EKG has another sampling rate; "
        "Resp is in cmH2O",
    )
    np.testing.assert_allclose(whole(source)[1], signals[3].data / 1000, atol=1e-5)


@pytest.mark.parametrize("micro", ["\N{MICRO SIGN}V".encode("latin-1"), "\N{MICRO SIGN}V".encode()])
def test_microvolts_may_be_written_with_the_greek_letter(tmp_path: Path, micro: bytes) -> None:
    signal = a_signal(unit="uV", size=1000)
    Edf([signal]).write(tmp_path / "r.edf")
    content = bytearray((tmp_path / "r.edf").read_bytes())
    content[256 + 96 : 256 + 104] = micro.ljust(8)
    (tmp_path / "r.edf").write_bytes(content)
    np.testing.assert_allclose(whole(open_source(tmp_path / "r.edf"))[0], signal.data / 1000, atol=1e-5)


def test_other_units_may_be_said_than_the_file_does(tmp_path: Path) -> None:
    signal = a_signal(unit="V")
    Edf([signal]).write(tmp_path / "r.edf")
    source = open_source(tmp_path / "r.edf", units="mV")
    np.testing.assert_allclose(whole(source)[0], signal.data, atol=1e-5)
    assert source.notes == ("taken for mV; the file says V",)


def interrupted(path: Path, onsets: list[int]) -> npt.NDArray[np.float64]:
    """An EDF+D of data records of one second that start at the given seconds."""
    signal = a_signal(seconds=len(onsets))
    Edf([signal], data_record_duration=1, annotations=[]).write(path)
    content = bytearray(path.read_bytes())
    content[192:197] = b"EDF+D"
    frame = (len(content) - 768) // len(onsets)
    for i, onset in enumerate(onsets):
        at = 768 + i * frame + 400  # the annotations follow 200 samples
        assert content[at:].startswith(b"+%d\x14\x14" % i)
        content[at : at + 2] = b"+%d" % onset
    path.write_bytes(content)
    return signal.data


def test_samples_are_missing_where_a_recording_was_interrupted(tmp_path: Path) -> None:
    values = interrupted(tmp_path / "r.edf", [0, 1, 4, 5, 9])
    source = open_source(tmp_path / "r.edf")
    assert source.samples == 2000
    signal = whole(source)[0]
    there = np.repeat([1, 1, 0, 0, 1, 1, 0, 0, 0, 1], 200).astype(bool)
    np.testing.assert_array_equal(~np.isnan(signal), there)
    np.testing.assert_allclose(signal[there], values, atol=1e-4)
    np.testing.assert_array_equal(in_pieces(source, [100, 450, 500, 799, 801, 1300, 1750]), whole(source))
    assert not read_edf(tmp_path / "r.edf").is_continuous


@pytest.mark.promise
@pytest.mark.parametrize("onsets", [[0, 1, 1], [5, 4, 3]])
def test_data_records_that_overlap_are_refused(tmp_path: Path, onsets: list[int]) -> None:
    interrupted(tmp_path / "r.edf", onsets)
    refused(tmp_path / "r.edf", "r.edf: its data records overlap in time")


@pytest.mark.promise
def test_an_edf_without_an_ecg_is_refused(tmp_path: Path) -> None:
    Edf([], annotations=[EdfAnnotation(0, None, "only words")]).write(tmp_path / "notes.edf")
    refused(tmp_path / "notes.edf", "notes.edf: holds annotations only")
    Edf([a_signal("Resp", "cmH2O"), a_signal("SpO2", "")]).write(tmp_path / "r.edf")
    refused(tmp_path / "r.edf", "holds no voltage: units cmH2O, none")


@pytest.mark.promise
@pytest.mark.parametrize(
    ("at", "becomes", "said"),
    [
        (slice(0, None), b"", "no EDF file"),
        (slice(100, None), b"", "no EDF file"),
        (slice(300, None), b"", "truncated: it ends within its header"),
        (slice(1000, None), b"", "truncated: 1000 bytes"),
        (slice(0, 8), b"BIOSEMI ", "no EDF file"),
        (slice(252, 256), b"zero", "its header is damaged"),
        (slice(252, 256), b"0   ", "its header is damaged"),
        (slice(236, 244), b"9       ", "truncated"),
        (slice(236, 244), b"0       ", "holds no samples"),
        (slice(244, 252), b"0       ", "holds no samples"),
        (slice(244, 252), b"1e9     ", "a sampling rate of"),
        (slice(244, 252), b"nan     ", "holds no samples"),
        (slice(256 + 120, 256 + 128), b"32767   ", "its header is damaged"),  # digital minimum and maximum
        (slice(256 + 104, 256 + 112), b"nan     ", "its header is damaged"),
    ],
)
def test_a_damaged_edf_is_refused(tmp_path: Path, at: slice, becomes: bytes, said: str) -> None:
    Edf([a_signal()], data_record_duration=1).write(tmp_path / "r.edf")
    content = bytearray((tmp_path / "r.edf").read_bytes())
    content[at] = becomes
    (tmp_path / "r.edf").write_bytes(content)
    refused(tmp_path / "r.edf", "r.edf", said)


@settings(max_examples=40, deadline=None)
@given(content=st.binary(max_size=800))
def test_arbitrary_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("edf") / "r.edf"
    path.write_bytes(b"0       " + content)
    refused(path, "r.edf")
