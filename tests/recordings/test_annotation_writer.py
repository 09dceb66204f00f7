"""What is written here is what wfdb would have written, and wfdb reads it back."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.errors import EcgError
from ecgcli.recordings.aami import BEAT_SYMBOLS, NON_BEAT_SYMBOLS
from ecgcli.recordings.annotation_file import read_annotations
from ecgcli.recordings.annotation_writer import encoded, write_annotations
from ecgcli.recordings.record import Annotations

CODED = sorted((BEAT_SYMBOLS | NON_BEAT_SYMBOLS) - set("`'"))  # these two are other names of ( and )
GAPS = [1023, 1024, 65_535, 65_536, 31_104_000, 2**31 - 1, 2**31, 2**31 + 1023, 2**31 + 1024, 3 * 2**31]
MARKS = st.lists(
    st.tuples(
        st.integers(0, 900) | st.sampled_from(GAPS),
        st.sampled_from(CODED),
        st.sampled_from([0, 0, -1, 127, -128]) | st.integers(-128, 127),
        st.sampled_from([0, 87, 100]) | st.integers(-128, 127),
        st.sampled_from(["", "", "(AFIB", "(N", "odd", "Müller", "x" * 255]),
    ),
    max_size=15,
)
Mark = tuple[int, str, int, int, str]


def annotations_of(marks: list[Mark], first: int = 1) -> Annotations:
    """At sample 0 the format keeps notes about the file itself, so the first mark comes later."""
    gap, symbol, subtype, num, aux = zip(*marks, strict=True) if marks else ((), (), (), (), ())
    return Annotations(
        np.cumsum(gap, dtype=np.int64) + first,
        np.array(symbol, np.str_),
        np.array(subtype, np.int64),
        np.array(aux, np.str_),
        np.array(num, np.int64),
    )


@pytest.mark.promise
@settings(max_examples=60, deadline=None)
@given(marks=MARKS, rate=st.none() | st.sampled_from([360.0, 128.0, 333.25, 257.5, 10_000.0, 100.123]))
def test_wfdb_reads_back_what_is_written(
    tmp_path_factory: pytest.TempPathFactory, marks: list[Mark], rate: float | None
) -> None:
    """Without a header beside it, as for a recording that is no WFDB record."""
    import wfdb

    folder = tmp_path_factory.mktemp("annotations")
    written = annotations_of(marks)
    write_annotations(folder, "r", written, "prd", rate)
    read = wfdb.rdann(str(folder / "r"), "prd")
    assert read.fs == rate
    assert read.sample.tolist() == written.sample.tolist()
    assert read.symbol == written.symbol.tolist()
    assert read.subtype.tolist() == written.subtype.tolist()
    assert written.num is not None
    assert read.num.tolist() == written.num.tolist()
    assert read.aux_note == written.aux.tolist()
    again, stated = read_annotations(folder / "r.prd")
    assert stated == rate
    for field in ("sample", "symbol", "subtype", "aux", "num"):
        np.testing.assert_array_equal(getattr(again, field), getattr(written, field))


@settings(max_examples=30, deadline=None)
@given(
    marks=MARKS.filter(len),
    rate=st.none() | st.sampled_from([360, 128, 333.25, 10_000]),
    first=st.integers(0, 2),
)
def test_every_byte_is_the_one_that_wfdb_writes(
    tmp_path_factory: pytest.TempPathFactory, marks: list[Mark], rate: float | None, first: int
) -> None:
    import wfdb

    folder = tmp_path_factory.mktemp("annotations")
    # wfdb writes no negative num
    ours = annotations_of([(*mark[:3], abs(mark[3]) & 127, mark[4]) for mark in marks], first)
    content = encoded(ours, rate)
    assert ours.num is not None
    wfdb.wrann(
        "r",
        "atr",
        sample=ours.sample,
        symbol=ours.symbol.tolist(),
        subtype=ours.subtype.copy(),
        num=ours.num.copy(),
        aux_note=ours.aux.tolist(),
        fs=rate,
        write_dir=str(folder),
    )
    assert content == (folder / "r.atr").read_bytes()


def test_the_reference_annotations_are_rewritten_as_they_are(mitdb_dir: Path, tmp_path: Path) -> None:
    import wfdb

    for record in ("104", "207"):
        annotations, _ = read_annotations(mitdb_dir / f"{record}.atr")
        write_annotations(tmp_path, record, annotations)
        original = wfdb.rdann(str(mitdb_dir / record), "atr")
        again = wfdb.rdann(str(tmp_path / record), "atr")
        for field in ("sample", "subtype", "num"):
            np.testing.assert_array_equal(getattr(again, field), getattr(original, field))
        assert again.symbol == original.symbol
        assert again.aux_note == [note.rstrip("\0") for note in original.aux_note]


def test_a_day_of_beats_is_written_in_a_moment(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n = 110_000
    day = Annotations(
        np.sort(rng.choice(24 * 3600 * 360, n, replace=False)),
        rng.choice(list("NSVFQ"), n),
        np.zeros(n, np.int64),
        np.full(n, ""),
        rng.integers(0, 101, n),
    )
    taken = []
    for _ in range(3):  # the machine may be busy
        start = time.perf_counter()
        write_annotations(tmp_path, "day", day, "prd", 360)
        taken.append(time.perf_counter() - start)
    assert min(taken) < 0.5
    read, rate = read_annotations(tmp_path / "day.prd")
    assert rate == 360
    np.testing.assert_array_equal(read.sample, day.sample)
    np.testing.assert_array_equal(read.symbol, day.symbol)
    np.testing.assert_array_equal(read.num, day.num)


@pytest.mark.parametrize(
    ("field", "values", "said"),
    [
        ("sample", [-1, 5], "do not ascend"),
        ("sample", [9, 5], "do not ascend"),
        ("symbol", ["N", "#"], "no annotation symbol of the standard: #"),
        ("subtype", [0, 128], "a subtype outside"),
        ("num", [0, -129], "a num outside"),
        ("aux", ["", "x" * 256], "a note of 256 characters"),
        ("aux", ["", "心"], "a note beyond Latin-1"),
    ],
)
def test_what_the_format_cannot_hold_is_refused_and_nothing_is_written(
    tmp_path: Path, field: str, values: list[int | str], said: str
) -> None:
    fields = {
        "sample": np.array([1, 5]),
        "symbol": np.array(["N", "V"]),
        "subtype": np.zeros(2, np.int64),
        "aux": np.array(["", ""]),
        "num": np.zeros(2, np.int64),
    }
    with pytest.raises(EcgError, match=said) as caught:
        write_annotations(tmp_path, "r", Annotations(**{**fields, field: np.array(values)}), "prd", 360)
    assert "\n" not in str(caught.value) and "r.prd" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EcgError, match=r"r\.prd: cannot be written"):
        write_annotations(tmp_path / "file", "r", annotations_of([]), "prd")
