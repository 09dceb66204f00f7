"""WFDB records in pieces are what wfdb reads of the whole record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.errors import EcgError
from ecgcli.recordings.source import find_sources, open_source
from ecgcli.recordings.wfdb_io import write_record
from tests.recordings.test_source import in_pieces, refused, whole
from tests.recordings.test_wfdb_io import a_record

FORMATS = {"80": 8, "212": 12, "16": 16, "24": 24, "32": 32, "508": 8, "516": 16, "524": 24}
CUTS = st.lists(st.integers(0, 10_000), max_size=5)


def write(folder: Path, fmt: str, signal: npt.NDArray[np.float64], **how: object) -> Path:
    """Writes (time, leads) of mV by wfdb; NaN are missing samples."""
    import wfdb

    n = signal.shape[1]
    bits = FORMATS[fmt]
    wfdb.wrsamp(
        "r",
        fs=360,
        units=["mV"] * n,
        sig_name=[f"lead {i}" for i in range(n)],
        p_signal=signal,
        fmt=[fmt] * n,
        adc_gain=[2.0 ** (bits - 4)] * n,
        baseline=[i - 1 for i in range(n)],
        write_dir=str(folder),
        **how,
    )
    return folder / "r"


@pytest.mark.promise
@settings(max_examples=24, deadline=None)
@given(
    fmt=st.sampled_from(sorted(FORMATS)),
    leads=st.integers(1, 4),
    time=st.integers(1, 300),
    seed=st.integers(0, 2**32 - 1),
    cuts=CUTS,
)
def test_every_format_is_read_as_wfdb_reads_it(
    tmp_path_factory: pytest.TempPathFactory, fmt: str, leads: int, time: int, seed: int, cuts: list[int]
) -> None:
    import wfdb

    rng = np.random.default_rng(seed)
    signal = rng.uniform(-6, 6, (time, leads))
    if fmt not in ("508", "516", "524"):
        signal[rng.random(signal.shape) < 0.05] = np.nan
    path = write(tmp_path_factory.mktemp("record"), fmt, signal)
    source = open_source(path)
    expected = wfdb.rdrecord(str(path)).p_signal.T
    np.testing.assert_allclose(whole(source), expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(in_pieces(source, cuts), whole(source))
    assert source.leads == tuple(f"lead {i}" for i in range(leads))


@pytest.mark.parametrize("fmt", ["8", "61", "160", "310", "311"])
@pytest.mark.parametrize("leads", [1, 2, 3])
def test_formats_that_are_seldom_written_are_read_as_well(
    tmp_path: Path, fmt: str, leads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of arbitrary bytes: every format has a meaning for them."""
    import wfdb

    monkeypatch.setattr("ecgcli.recordings.wfdb_samples._BLOCK", 50)
    time = 240
    content = np.random.default_rng(leads).integers(0, 100, 2 * time * leads).astype(np.uint8)
    bits = {"8": 8, "61": 16, "160": 16, "310": 32 / 3, "311": 32 / 3}[fmt]
    (tmp_path / "r.dat").write_bytes(content[: int(time * leads * bits / 8)].tobytes())
    # an initial value means something in format 8 only
    lines = [f"r.dat {fmt} 200(3)" + (f" 12 0 {7 * i} 0 0 lead" if fmt == "8" else "") for i in range(leads)]
    (tmp_path / "r.hea").write_text("\n".join([f"r {leads} 360 {time}", *lines]) + "\n")
    source = open_source(tmp_path / "r")
    expected = wfdb.rdrecord(str(tmp_path / "r")).p_signal.T
    np.testing.assert_allclose(whole(source), expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(in_pieces(source, [1, 3, 49, 50, 51, 101, 200]), whole(source))


@pytest.mark.promise
@pytest.mark.parametrize("name", ["100", "114", "203"])
def test_mitbih_in_pieces_is_what_wfdb_reads(mitdb_dir: Path, name: str) -> None:
    import wfdb

    source = open_source(mitdb_dir / name)
    expected = wfdb.rdrecord(str(mitdb_dir / name)).p_signal.T
    np.testing.assert_allclose(in_pieces(source, [1, 2, 1001, 324_999, 649_999]), expected, rtol=1e-6)


def edited(path: Path, was: str, becomes: str) -> None:
    header = Path(f"{path}.hea")
    assert was in header.read_text()
    header.write_text(header.read_text().replace(was, becomes))


def test_a_signal_that_was_stored_late_is_put_in_time(tmp_path: Path) -> None:
    import wfdb

    signal = np.random.default_rng(0).uniform(-2, 2, (400, 2))
    path = write(tmp_path, "16", signal)
    header = Path(f"{path}.hea").read_text().splitlines()
    header[2] = header[2].replace(" 16 ", " 16:7 ")
    Path(f"{path}.hea").write_text("\n".join(header) + "\n")
    source = open_source(path)
    expected = wfdb.rdrecord(str(path)).p_signal.T
    assert np.isnan(expected[1, -7:]).all()
    np.testing.assert_allclose(whole(source), expected, rtol=1e-6)
    np.testing.assert_array_equal(in_pieces(source, [5, 100, 390, 394, 399]), whole(source))


def test_several_samples_a_frame_are_averaged(tmp_path: Path) -> None:
    values = np.arange(40, dtype="<i2")
    values[8] = -32768  # missing
    (tmp_path / "r.dat").write_bytes(values.tobytes())
    (tmp_path / "r.hea").write_text("r 2 100 8\nr.dat 16x4 100\nr.dat 16 100\n")
    source = open_source(tmp_path / "r")
    frames = values.reshape(8, 5).astype(float) / 100
    np.testing.assert_allclose(source.read(3, 8)[0], frames[3:, :4].mean(1), rtol=1e-6)
    np.testing.assert_allclose(whole(source)[1], frames[:, 4], rtol=1e-6)
    assert np.isnan(whole(source)[0]).tolist() == [False, True] + [False] * 6
    np.testing.assert_array_equal(in_pieces(source, [1, 3, 4]), whole(source))


def test_signals_of_several_files_and_offsets_are_put_together(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    one, two = rng.integers(-100, 100, (2, 50)).astype("<i2")
    (tmp_path / "a.dat").write_bytes(b"head" + one.tobytes())
    (tmp_path / "b.dat").write_bytes((two + 128).astype(np.uint8).tobytes())
    (tmp_path / "r.hea").write_text("r 2 100\na.dat 16+4 100\nb.dat 80 10\n")  # and no length
    source = open_source(tmp_path / "r")
    assert source.samples == 50
    np.testing.assert_allclose(whole(source), [one / 100, np.where(two == -128, np.nan, two / 10)], rtol=1e-6)


def test_signals_that_are_no_voltage_are_left_out_with_a_note(tmp_path: Path) -> None:
    write_record(tmp_path, a_record())
    kept = whole(open_source(tmp_path / "a1"))[1:]
    first, rest = (tmp_path / "a1.hea").read_text().split("MLII")
    (tmp_path / "a1.hea").write_text(first.replace("/mV", "/mmHg") + "ABP" + rest)
    source = open_source(tmp_path / "a1")
    assert source.leads == ("V1",)
    assert source.notes == ("left out, as they are no voltage: ABP (mmHg)",)
    np.testing.assert_array_equal(whole(source), kept)


def test_other_units_may_be_said_than_the_header_does(tmp_path: Path) -> None:
    write_record(tmp_path, a_record())
    said, other = open_source(tmp_path / "a1"), open_source(tmp_path / "a1", units="uV")
    np.testing.assert_allclose(whole(other), whole(said) / 1000, rtol=1e-6)
    assert other.notes == ("taken for uV; the header says mV",)
    assert open_source(tmp_path / "a1", units="mV").notes == ()


# -- records of several segments -----------------------------------------------------------------------


def segment(folder: Path, name: str, leads: list[str], time: int) -> None:
    import wfdb

    wfdb.wrsamp(
        name,
        fs=250,
        units=["mV"] * len(leads),
        sig_name=leads,
        p_signal=np.random.default_rng(time).uniform(-2, 2, (time, len(leads))),
        fmt=["16"] * len(leads),
        write_dir=str(folder),
    )


@pytest.mark.promise
@pytest.mark.parametrize("layout", ["fixed", "variable"])
def test_a_record_of_several_segments_is_read_as_wfdb_reads_it(tmp_path: Path, layout: str) -> None:
    import wfdb

    segment(tmp_path, "s1", ["II", "V"], 300)
    segment(tmp_path, "s2", ["II", "V"] if layout == "fixed" else ["V"], 170)
    first = "" if layout == "fixed" else "s_layout 0\n"
    count = 3 if layout == "fixed" else 4
    (tmp_path / "s.hea").write_text(f"s/{count} 2 250 500\n{first}s1 300\n~ 30\ns2 170\n")
    (tmp_path / "s_layout.hea").write_text(
        "s_layout 2 250 0\n" + "".join(f"~ 0 200/mV 16 0 0 0 0 {lead}\n" for lead in ("II", "V"))
    )
    if layout == "fixed":
        (tmp_path / "s_layout.hea").unlink()
    source = open_source(tmp_path / "s")
    assert (source.leads, source.samples, source.rate) == (("II", "V"), 500, 250)
    np.testing.assert_array_equal(in_pieces(source, [100, 299, 305, 315, 331, 400]), whole(source))
    expected = np.hstack(
        [
            wfdb.rdrecord(str(tmp_path / "s"), sampto=300, m2s=True).p_signal.T,
            np.full((2, 30), np.nan),
            wfdb.rdrecord(str(tmp_path / "s"), sampfrom=330, m2s=True, force_channels=True).p_signal.T,
        ]
    )
    np.testing.assert_allclose(whole(source), expected, rtol=1e-5, atol=1e-6)
    assert find_sources(tmp_path) == [tmp_path / "s"]


@pytest.mark.promise
@pytest.mark.parametrize(
    ("header", "said"),
    [
        (
            "s/2 2 250 600\ns1 300\n../s2 300\n",
            "names the segment '../s2'; expected a record of its own folder",
        ),
        ("s/2 2 250 600\ns1 300\n", "announces 2 segments, 1 are listed"),
        ("s/x 2 250 600\ns1 300\n", "announces x segments"),
        ("s/1 2 250 310\ns1 310\n", "says that segment s1 has 310 samples at 250 Hz, its own header 300"),
        ("s/1 2 360 300\ns1 300\n", "has 300 samples at 360 Hz, its own header 300 at 250 Hz"),
        ("s/1 2 250 999\ns1 300\n", "says 999 samples, its segments have 300"),
        ("s/1 2 250 300\ns9 300\n", "s9.hea: no such header file"),
        ("s/1 2 250 300\ns 300\n", "s.hea"),
        ("s/1 2 250 300\n~ 300\n", "no segment holds a voltage"),
    ],
)
def test_segments_that_do_not_fit_are_refused(tmp_path: Path, header: str, said: str) -> None:
    segment(tmp_path, "s1", ["II", "V"], 300)
    (tmp_path / "s.hea").write_text(header)
    refused(tmp_path / "s", said)


# -- what is refused -----------------------------------------------------------------------------------


@pytest.mark.promise
@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("a1.dat", "../a1.dat", "expected a file of its own folder"),
        ("a1.dat", "/etc/hostname", "expected a file of its own folder"),
        (" 1440", " 14400", "a1.dat: truncated"),
        (" 1440", " 1000", "a1.dat: disagrees with its header"),
        (" 360 ", " 0 ", "a sampling rate of 0 Hz"),
        ("/mV", "/mmHg", "holds no voltage"),
        ("a1 2 ", "a1/2 2 ", "a1.hea: announces 2 segments, 0 are listed"),
        ("a1 2 ", "a1 3 ", "announces 3 signals"),
    ],
)
def test_a_bad_header_is_refused_in_one_line(tmp_path: Path, was: str, becomes: str, said: str) -> None:
    write_record(tmp_path, a_record())
    edited(tmp_path / "a1", was, becomes)
    refused(tmp_path / "a1", said)


@pytest.mark.promise
def test_another_records_signal_is_noticed_by_its_first_sample(tmp_path: Path) -> None:
    write_record(tmp_path, a_record())
    dat = tmp_path / "a1.dat"
    content = bytearray(dat.read_bytes())
    content[0] ^= 1
    dat.write_bytes(content)
    refused(tmp_path / "a1", "a1.hea: disagrees with its signal: signal 1 starts with")


@pytest.mark.promise
def test_an_empty_record_and_a_missing_signal_are_refused(tmp_path: Path) -> None:
    (tmp_path / "r.hea").write_text("r 1 360\nr.dat 16 200\n")
    refused(tmp_path / "r", "r.dat: no such signal file")
    (tmp_path / "r.dat").write_bytes(b"")
    refused(tmp_path / "r", "holds no samples")
    (tmp_path / "r.hea").write_text("r 1 360\nr.dat 24 200\n")
    refused(tmp_path / "r", "states no length")


def test_a_signal_that_shrinks_while_it_is_read_is_named(tmp_path: Path) -> None:
    write_record(tmp_path, a_record())
    source = open_source(tmp_path / "a1")
    (tmp_path / "a1.dat").write_bytes(b"\0" * 30)
    with pytest.raises(EcgError, match=r"a1\.dat: ends before its last sample"):
        whole(source)
    (tmp_path / "a1.dat").unlink()
    with pytest.raises(EcgError, match=r"a1\.dat: cannot be read: No such file"):
        whole(source)
