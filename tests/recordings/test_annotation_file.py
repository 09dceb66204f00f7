"""Reading annotation files without wfdb gives what wfdb reads."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.errors import EcgError
from ecgcli.recordings.aami import BEAT_SYMBOLS, NON_BEAT_SYMBOLS
from ecgcli.recordings.annotation_file import read_annotations, read_rate_and_length


def same_as_wfdb(file: Path) -> None:
    import wfdb

    expected = wfdb.rdann(str(file.with_suffix("")), file.suffix[1:])
    found, _ = read_annotations(file)
    assert np.array_equal(found.sample, expected.sample)
    assert found.symbol.tolist() == expected.symbol
    assert found.subtype.tolist() == expected.subtype.tolist()
    assert found.aux.tolist() == [note.rstrip("\0") for note in expected.aux_note]


@pytest.mark.promise
@pytest.mark.parametrize("record", ["100", "101", "102-0", "105", "114", "203", "207", "208", "222", "232"])
def test_real_annotations_are_those_that_wfdb_reads(record: str, mitdb_dir: Path) -> None:
    same_as_wfdb(mitdb_dir / f"{record}.atr")


CODED = sorted((BEAT_SYMBOLS | NON_BEAT_SYMBOLS) - set("`'"))  # these two are other names of ( and )
MARKS = st.lists(
    st.tuples(
        st.integers(0, 900) | st.sampled_from([1023, 1024, 65_535, 65_536, 3_000_000]),
        st.sampled_from(CODED),
        st.integers(-128, 127),
        st.sampled_from(["", "(AFIB", "(N", "MISSB", "odd"]),
    ),
    min_size=1,
    max_size=15,
)


@settings(max_examples=30, deadline=None)
@given(MARKS)
def test_written_annotations_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, marks: list[tuple[int, str, int, str]]
) -> None:
    import wfdb

    folder = tmp_path_factory.mktemp("annotations")
    sample = np.cumsum([gap for gap, *_ in marks])
    wfdb.wrann(
        "r",
        "tst",
        sample=sample,
        symbol=[symbol for _, symbol, _, _ in marks],
        subtype=np.array([subtype for *_, subtype, _ in marks]),
        aux_note=[aux for *_, aux in marks],
        write_dir=str(folder),
    )
    found, rate = read_annotations(folder / "r.tst")
    assert rate is None
    assert found.sample.tolist() == sample.tolist()
    assert found.symbol.tolist() == [symbol for _, symbol, _, _ in marks]
    assert found.subtype.tolist() == [subtype for *_, subtype, _ in marks]
    assert found.aux.tolist() == [aux for *_, aux in marks]


def test_a_file_may_state_its_rate_and_define_codes(tmp_path: Path) -> None:
    import pandas as pd
    import wfdb

    wfdb.wrann(
        "r",
        "tst",
        sample=np.array([10, 500, 900]),
        symbol=["N", "z", "V"],
        fs=250,
        custom_labels=pd.DataFrame({"label_store": [45], "symbol": ["z"], "description": ["a beat of ours"]}),
        write_dir=str(tmp_path),
    )
    found, rate = read_annotations(tmp_path / "r.tst")
    assert rate == 250
    assert (found.sample.tolist(), found.symbol.tolist()) == ([10, 500, 900], ["N", "z", "V"])


def test_a_code_without_a_name_keeps_its_number(tmp_path: Path) -> None:
    (tmp_path / "r.tst").write_bytes(struct.pack("<HHH", 45 << 10 | 7, 1 << 10 | 3, 0))
    found, _ = read_annotations(tmp_path / "r.tst")
    assert (found.sample.tolist(), found.symbol.tolist()) == ([7, 10], ["<45>", "N"])


def test_a_file_without_annotations_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "r.tst").write_bytes(b"\0\0")
    found, rate = read_annotations(tmp_path / "r.tst")
    assert len(found) == 0 and rate is None


def test_a_comment_at_the_start_is_an_annotation(tmp_path: Path) -> None:
    import wfdb

    wfdb.wrann(
        "r", "tst", np.array([0, 5]), symbol=['"', "N"], aux_note=["by hand", ""], write_dir=str(tmp_path)
    )
    assert read_annotations(tmp_path / "r.tst")[0].symbol.tolist() == ['"', "N"]


@given(st.binary(max_size=60))
def test_arbitrary_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.mktemp("bytes") / "r.tst"
    for end in (b"", b"\0\0"):
        file.write_bytes(content + end)
        try:
            found, _ = read_annotations(file)
        except EcgError as error:
            assert str(file) in str(error)
        else:
            assert len(found.sample) == len(found.symbol) == len(found.subtype) == len(found.aux)


def test_the_header_tells_rate_and_length(tmp_path: Path, mitdb_dir: Path) -> None:
    assert read_rate_and_length(mitdb_dir / "100.hea") == (360.0, 650000)
    file = tmp_path / "r.hea"
    for text, expected in (
        ("# made by hand\n\nr 2 128/10(5) 500 12:00:00\n", (128.0, 500)),
        ("r 2 257.5 0\n", (257.5, None)),
        ("r 2\n", (250.0, None)),
        ("r/3 2 360 1000\n", (360.0, 1000)),
    ):
        file.write_text(text)
        assert read_rate_and_length(file) == expected
