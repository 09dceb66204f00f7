"""WFDB records are read as they are, or refused in one line."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.errors import EcgError
from ecgcli.recordings.aami import BEAT_SYMBOLS, CLASS_MAPS, NON_BEAT_SYMBOLS
from ecgcli.recordings.record import Annotations, Record
from ecgcli.recordings.wfdb_io import read_record, record_names, subject_of, unknown_symbols, write_record


def a_record(name: str = "a1", seconds: float = 4, rate: float = 360) -> Record:
    time = round(seconds * rate)
    signal = np.random.default_rng(0).integers(-400, 400, size=(2, time)) / 200
    annotations = Annotations(
        sample=np.array([5, 300, 700, 1300]),
        symbol=np.array(["+", "N", "V", "~"]),
        subtype=np.array([0, 0, 0, -1]),
        aux=np.array(["(AFIB", "", "", ""]),
    )
    return Record(name, signal.astype(np.float32), rate, ("MLII", "V1"), annotations, name)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The path of a written record, without an extension."""
    write_record(tmp_path, a_record())
    return tmp_path / "a1"


def refused(path: Path, *said: str, annotator: str | None = "atr") -> None:
    with pytest.raises(EcgError) as caught:
        read_record(path, annotator=annotator)
    message = str(caught.value)
    assert "\n" not in message
    for words in said:
        assert words in message


# -- MIT-BIH -------------------------------------------------------------------------------------------


@pytest.mark.promise
def test_every_record_of_mitbih_reads_as_published(mitdb_dir: Path) -> None:
    """Signals against format 212 decoded by hand, beats against the published totals."""
    totals = dict.fromkeys("NSVFQ", 0)
    names = record_names(mitdb_dir)
    assert len(names) == 48
    for name in names:
        record = read_record(mitdb_dir / name)
        packed = np.fromfile(mitdb_dir / f"{name}.dat", np.uint8).reshape(-1, 3).astype(np.int32)
        raw = np.stack([packed[:, 0] | (packed[:, 1] & 15) << 8, packed[:, 2] | (packed[:, 1] >> 4) << 8])
        raw[raw > 2047] -= 4096
        np.testing.assert_array_equal(record.signal, ((raw - 1024) / 200).astype(np.float32))
        assert record.signal.dtype == np.float32
        assert record.rate == 360
        assert len(record.leads) == 2
        assert record.annotations is not None
        assert not unknown_symbols(record.annotations)
        for symbol, n in zip(*np.unique(record.annotations.symbol, return_counts=True), strict=True):
            if symbol in BEAT_SYMBOLS:
                totals[CLASS_MAPS["aami"][symbol]] += n
    assert totals == {"N": 90631, "S": 2781, "V": 7236, "F": 803, "Q": 8043}


def test_a_record_agrees_with_wfdb(mitdb_dir: Path) -> None:
    wfdb = pytest.importorskip("wfdb")
    ours, theirs = read_record(mitdb_dir / "114"), wfdb.rdrecord(str(mitdb_dir / "114"))
    marks = wfdb.rdann(str(mitdb_dir / "114"), "atr")
    assert ours.leads == ("V5", "MLII")
    np.testing.assert_allclose(ours.signal, theirs.p_signal.T, rtol=1e-6)
    assert ours.annotations is not None
    np.testing.assert_array_equal(ours.annotations.sample, marks.sample)
    assert ours.annotations.symbol.tolist() == marks.symbol
    assert ours.annotations.aux.tolist() == [note.rstrip("\0") for note in marks.aux_note]
    digital = read_record(mitdb_dir / "114", digital=True, annotator=None)
    assert digital.annotations is None
    assert digital.signal.dtype == np.float64
    np.testing.assert_array_equal(
        digital.signal, wfdb.rdrecord(str(mitdb_dir / "114"), physical=False).d_signal.T
    )


def test_records_201_and_202_are_of_one_subject(mitdb_dir: Path) -> None:
    subjects = {name: subject_of("mitdb", name) for name in record_names(mitdb_dir)}
    assert subjects["201"] == subjects["202"]
    assert len(set(subjects.values())) == 47
    assert read_record(mitdb_dir / "202").subject == read_record(mitdb_dir / "201").subject
    assert subject_of("another database", "202") == "202"


# -- written and read back -----------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    fmt=st.sampled_from(["16", "212"]),
    leads=st.integers(1, 3),
    time=st.integers(1, 400),
    rate=st.sampled_from([128.0, 250.0, 360.0, 333.25]),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_is_written_reads_back(
    tmp_path_factory: pytest.TempPathFactory, fmt: str, leads: int, time: int, rate: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    signal = (rng.integers(-2047, 2048, size=(leads, time)) / 200).astype(np.float32)
    signal[rng.random(signal.shape) < 0.02] = np.nan
    marks = np.sort(rng.choice(time, size=min(time, int(rng.integers(0, 9))), replace=False))
    symbols = sorted((BEAT_SYMBOLS | NON_BEAT_SYMBOLS) - set("\"`'"))  # comments; symbols without a code
    annotations = Annotations(
        sample=marks.astype(np.int64),
        symbol=rng.choice(symbols, size=len(marks)).astype(np.str_),
        subtype=rng.integers(-1, 4, size=len(marks)),
        aux=rng.choice(["", "(N", "(AFIB", "odd"], size=len(marks)).astype(np.str_),
    )
    written = Record("r-1", signal, rate, tuple(f"lead {i}" for i in range(leads)), annotations, "r-1")
    folder = tmp_path_factory.mktemp("record, with = odd ~ näme #")
    write_record(folder, written, fmt=fmt)
    read = read_record(folder / "r-1")
    np.testing.assert_array_equal(read.signal, written.signal)
    assert (read.name, read.rate, read.leads, read.subject) == ("r-1", rate, written.leads, "r-1")
    assert read.annotations is not None
    for field in ("sample", "symbol", "subtype", "aux"):
        np.testing.assert_array_equal(getattr(read.annotations, field), getattr(annotations, field))


def test_a_sample_beyond_the_format_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    record = a_record()
    record.signal[0, 7] = 11
    with pytest.raises(EcgError, match=r"record a1: a sample of 11 mV does not fit format 212"):
        write_record(tmp_path, record)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bad", ["name", "symbol", "order"])
def test_what_wfdb_cannot_hold_is_refused_and_nothing_is_written(tmp_path: Path, bad: str) -> None:
    record = a_record("a.1" if bad == "name" else "a1")
    assert record.annotations is not None
    if bad == "symbol":
        record.annotations.symbol[1] = "#"
    if bad == "order":
        record.annotations.sample[1] = 1
    with pytest.raises(EcgError, match="cannot be written as WFDB"):
        write_record(tmp_path, record)
    assert list(tmp_path.iterdir()) == []


def test_a_record_without_annotations_has_no_annotation_file(tmp_path: Path) -> None:
    record = a_record()
    write_record(tmp_path, Record("a1", record.signal, 360, record.leads, None, "a1"), comments=["made up"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a1.dat", "a1.hea"]
    assert read_record(tmp_path / "a1", annotator=None).annotations is None
    assert "# made up" in (tmp_path / "a1.hea").read_text()


# -- what is refused -----------------------------------------------------------------------------------


@pytest.mark.promise
@pytest.mark.parametrize("ending", [".hea", ".dat", ".atr"])
def test_a_missing_file_is_named(written: Path, ending: str) -> None:
    Path(f"{written}{ending}").unlink()
    refused(written, f"a1{ending}: no such")


@pytest.mark.promise
@pytest.mark.parametrize("bytes_kept", [0, 1, 4000])
def test_a_truncated_signal_is_refused(written: Path, bytes_kept: int) -> None:
    dat = Path(f"{written}.dat")
    dat.write_bytes(dat.read_bytes()[:bytes_kept])
    refused(written, "a1.dat: truncated", f"{bytes_kept} bytes", "1440 samples")


@pytest.mark.promise
@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        (" 1440", " 1000", "a1.dat: disagrees with its header"),
        (" 1440", " 14400", "a1.dat: truncated"),
        ("a1 2 ", "a1 3 ", "announces 3 signals, 2 are described"),
        ("a1 2 ", "a1 1 ", "announces 1 signals, 2 are described"),
        (" 212 ", " 16 ", "a1.dat: truncated"),
        (" 360 ", " 0 ", "a sampling rate of 0 Hz"),
        ("/mV", "/mmHg", "holds no voltage"),
    ],
)
def test_a_header_that_disagrees_with_its_signal_is_refused(
    written: Path, was: str, becomes: str, said: str
) -> None:
    header = Path(f"{written}.hea")
    assert was in header.read_text()
    header.write_text(header.read_text().replace(was, becomes))
    refused(written, "a1", said)


@pytest.mark.promise
def test_another_records_signal_is_noticed_by_its_checksum(written: Path) -> None:
    dat = Path(f"{written}.dat")
    content = bytearray(dat.read_bytes())
    content[1000] ^= 1
    dat.write_bytes(content)
    refused(written, "a1.hea: disagrees with its signal", "checksum of signal")


def test_a_checksum_that_is_not_there_is_not_asked_for(written: Path) -> None:
    Path(f"{written}.hea").write_text("a1 2 360 1440\na1.dat 212 200 12 0\na1.dat 212 200 12 0\n")
    read = read_record(written)
    np.testing.assert_array_equal(read.signal, a_record().signal)
    assert read.leads == ("signal 1", "signal 2")


@pytest.mark.promise
@pytest.mark.parametrize(
    "content", [b"", b"\0\xff\xfe\x01", b"# only a comment\n", b"no header at all", b"\n\n"]
)
def test_an_unreadable_header_is_refused(written: Path, content: bytes) -> None:
    Path(f"{written}.hea").write_bytes(content)
    refused(written, "a1.hea")


@pytest.mark.promise
@pytest.mark.parametrize("name", ["../secret.dat", "/etc/hostname", "sub/a1.dat", "..\\a1.dat", "~", ".."])
def test_a_signal_file_outside_the_folder_is_refused(written: Path, name: str) -> None:
    header = Path(f"{written}.hea")
    header.write_text(header.read_text().replace("a1.dat", name))
    refused(written, "a1.hea", "expected a file of its own folder")


def test_a_record_of_several_segments_is_refused(written: Path) -> None:
    Path(f"{written}.hea").write_text("a1/2 2 360 1440\nb1 720\nb2 720\n")
    refused(written, "a1.hea: a record of several segments")


def test_signals_that_are_no_voltage_are_left_out(written: Path) -> None:
    header = Path(f"{written}.hea")
    first, rest = header.read_text().split("MLII")
    header.write_text(first.replace("/mV", "/mmHg") + "ABP" + rest)
    read = read_record(written)
    assert read.leads == ("V1",)
    np.testing.assert_array_equal(read.signal, a_record().signal[1:])


@pytest.mark.promise
@pytest.mark.parametrize("kept", [0, 3, -1, -2])
def test_truncated_annotations_are_refused(written: Path, kept: int) -> None:
    atr = Path(f"{written}.atr")
    atr.write_bytes(atr.read_bytes()[:kept])
    refused(written, "a1.atr: truncated")


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=60))
def test_no_annotation_file_makes_the_reader_stumble(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("annotations")
    write_record(folder, a_record())
    (folder / "a1.atr").write_bytes(content + b"\0\0")
    try:
        marks = read_record(folder / "a1").annotations
    except EcgError as error:
        assert "a1.atr" in str(error)
        assert "\n" not in str(error)
    else:
        assert marks is not None
        assert ((marks.sample >= 0) & (marks.sample < 1440)).all()
        assert (np.diff(marks.sample) >= 0).all()


def test_annotations_of_a_longer_record_are_refused(written: Path) -> None:
    write_record(written.parent, a_record("b1", seconds=3.5))
    shutil.copy(f"{written}.atr", written.parent / "b1.atr")
    refused(written.parent / "b1", "b1.atr: annotation 4 is at sample 1300", "1260 samples")


@pytest.mark.promise
def test_unknown_annotation_symbols_are_counted(written: Path) -> None:
    codes = [1, 42, 5, 42, 50]  # N, undefined, V, undefined, undefined
    pairs = [struct.pack("<H", code << 10 | 200) for code in codes]
    Path(f"{written}.atr").write_bytes(b"".join(pairs) + b"\0\0")
    marks = read_record(written).annotations
    assert marks is not None
    assert marks.symbol.tolist() == ["N", "<42>", "V", "<42>", "<50>"]
    assert marks.sample.tolist() == [200, 400, 600, 800, 1000]
    assert unknown_symbols(marks) == {"<42>": 2, "<50>": 1}


def test_a_folder_lists_its_records(tmp_path: Path) -> None:
    with pytest.raises(EcgError, match="no such folder"):
        record_names(tmp_path / "mitdb")
    with pytest.raises(EcgError, match="holds no WFDB record"):
        record_names(tmp_path)
    for name in ("b2", "a10", "a2"):
        write_record(tmp_path, a_record(name))
    (tmp_path / "a2-0.atr").write_bytes(b"\0\0")
    assert record_names(tmp_path) == ["a10", "a2", "b2"]
