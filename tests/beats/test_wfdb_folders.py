"""Folders of somebody else's WFDB recordings: other rates, leads and annotators, with and without people."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgcli.beats.folders import subject_table
from ecgcli.beats.segment import Segmenter
from ecgcli.beats.sources import beats, clean_cache
from ecgcli.beats.table import BeatTable
from ecgcli.choices.beat import CentredBeat, GivenBeat
from ecgcli.choices.data import Mitdb, Table, Wfdb, folder_name
from ecgcli.errors import EcgError
from ecgcli.recordings.record import Annotations, Record
from ecgcli.recordings.wfdb_io import read_record, write_record


def centred(**choices: Any) -> CentredBeat:
    defaults: dict[str, Any] = {"rate": 125.0, "before": 0.3, "after": 0.5, "leads": ("II",)}
    return CentredBeat(name="centred", **{"fallback": "other", "scaling": "none", **defaults, **choices})


def wfdb(*path: str | Path, **choices: Any) -> Wfdb:
    defaults: dict[str, Any] = {"annotator": "atr", "subjects": None, "class_map": "aami"}
    return Wfdb(name="wfdb", path=tuple(map(str, path)), **{**defaults, **choices})


def a_record(
    name: str, rate: float = 250, leads: tuple[str, ...] = ("II", "V5"), symbols: str = "NNVNA"
) -> Record:
    """A beat a second, each a bell of 50 ms whose height is its place; lead k is k + 1 times as high."""
    n = len(symbols)
    time = np.arange(round((n + 1) * rate)) / rate
    bells = sum((i + 1) * np.exp(-0.5 * ((time - i - 1) / 0.05) ** 2) for i in range(n))
    marks = Annotations(
        sample=np.rint(rate * np.arange(1, n + 1)).astype(np.int64),
        symbol=np.array(list(symbols)),
        subtype=np.zeros(n, dtype=np.int64),
        aux=np.full(n, ""),
    )
    signal = np.stack([(k + 1) * bells for k in range(len(leads))]).astype(np.float32)
    return Record(name, signal, rate, leads, marks, name)


def put(folder: Path, *records: Record, **how: Any) -> Path:
    for record in records:
        write_record(folder, record, fmt="16", gain=1000, **how)
    return folder


def read(data: Wfdb, beat: CentredBeat | None = None, data_dir: Path = Path("nowhere")) -> BeatTable:
    return beats(data, beat or centred(), data_dir)


# -- one folder ----------------------------------------------------------------------------------------


def test_a_folder_of_another_rate_other_leads_and_another_annotator(tmp_path: Path) -> None:
    folder = put(tmp_path / "clinic (2024)", a_record("p1"), a_record("p2"), annotator="ecg")
    table = read(wfdb(folder, annotator="ecg"), centred(leads=("V5", "II")))
    assert (table.records, table.subjects, table.rates) == (("p1", "p2"), ("p1", "p2"), (250.0, 250.0))
    assert "".join(table.symbol) == 2 * "NNVNA"
    assert (table.source, table.rate, table.signal.shape) == ("clinic (2024)", 125.0, (10, 2, 100))
    # R stands 0.3 s after the window's beginning; V5 is twice as high
    np.testing.assert_allclose(table.signal[:5, 1, 37], [1, 2, 3, 4, 5], rtol=0.02)
    np.testing.assert_allclose(table.signal[:, 0], 2 * table.signal[:, 1], atol=0.01)
    assert "No subject table (data.subjects): 2 records count as 2 people." in table.notes


def test_records_without_annotations_are_left_out_and_said(tmp_path: Path) -> None:
    folder = put(tmp_path / "own", a_record("a"), a_record("b"), a_record("c"))
    (folder / "b.atr").unlink()
    table = read(wfdb(folder))
    assert table.records == ("a", "c")
    assert "Without annotations (.atr), and left out: 1 of 3 records of own: b." in table.notes
    with pytest.raises(
        EcgError, match=r"none of its 3 records has annotations \(\.qrs\); .* there are \.atr$"
    ):
        read(wfdb(folder, annotator="qrs"))


def test_leads_go_by_number_too(tmp_path: Path) -> None:
    folder = put(tmp_path / "own", a_record("a", leads=("I", "II", "V1")))
    by_name = read(wfdb(folder), centred(leads=("V1", "I")))
    by_number = read(wfdb(folder), centred(leads=(2, 0)))
    np.testing.assert_array_equal(by_name.signal, by_number.signal)
    assert by_number.leads == ("2", "0")
    assert not [note for note in by_number.notes if "stands in" in note]
    beyond = read(wfdb(folder), centred(leads=(3,)))
    np.testing.assert_array_equal(beyond.signal[:, 0], by_name.signal[:, 1])
    assert "I stands in for 3 in record a." in beyond.notes
    with pytest.raises(EcgError, match="no lead 3, only I, II, V1; fallback=other takes another"):
        read(wfdb(folder), centred(leads=(3,), fallback="refuse"))


@pytest.mark.parametrize(
    ("asked", "there", "taken"),
    [
        ((1,), ("II", "V5"), (1,)),
        (("other", 0), ("II", "V5"), (1, 0)),
        ((0, "II"), ("II", "V5"), (0, 1)),  # II is taken: the next one
        ((1, 0), ("1", "0"), (0, 1)),  # names come first
    ],
)
def test_numbers_and_names_of_leads_mix(
    asked: tuple[str | int, ...], there: tuple[str, ...], taken: tuple[int, ...]
) -> None:
    assert Segmenter.from_config(centred(leads=asked)).leads_taken(there) == taken


@pytest.mark.promise
def test_a_folder_of_mitbih_is_the_mitbih_that_data_mitdb_reads(tmp_path: Path) -> None:
    put(tmp_path / "mitdb", a_record("201", 360), a_record("202", 360), a_record("100", 360))
    own, named = (
        read(wfdb(tmp_path / "mitdb")),
        beats(Mitdb(name="mitdb", class_map="aami"), centred(), tmp_path),
    )
    assert own.fingerprint == named.fingerprint
    assert own.subjects == named.subjects == ("100", "201", "201")
    np.testing.assert_array_equal(own.signal, named.signal)
    assert wfdb(tmp_path / "mitdb").database == Mitdb(name="mitdb", class_map="aami").database


def test_a_folder_is_found_as_typed_else_in_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "data" / "own", a_record("a"))
    monkeypatch.chdir(tmp_path)
    assert read(wfdb("own"), data_dir=Path("data")).records == ("a",)
    put(tmp_path / "own", a_record("b"))
    assert read(wfdb("own"), data_dir=Path("data")).records == ("b",)


def test_records_in_the_only_sub_folder_are_found(tmp_path: Path) -> None:
    put(tmp_path / "incartdb" / "files", a_record("I01"))
    assert read(wfdb(tmp_path / "incartdb")).records == ("I01",)
    put(tmp_path / "more" / "one", a_record("a"))
    put(tmp_path / "more" / "two", a_record("a"))
    with pytest.raises(EcgError, match=r"its records lie in 2 sub-folders .*'data\.path=\[a,b\]'"):
        read(wfdb(tmp_path / "more"))


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("mitdb", "mitdb"),
        ("/data/my folder/", "my folder"),
        ("physionet.org/files/svdb/1.0.0", "svdb"),
        ("incartdb/files", "incartdb"),
        ("beats.csv", "beats.csv"),
        ("/files", "/files"),
        (".", "."),
    ],
)
def test_a_database_has_the_name_of_its_folder(path: str, name: str) -> None:
    assert folder_name(path) == name


def test_the_cache_knows_its_own_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECG_CACHE", str(tmp_path / "cache"))
    read(wfdb(put(tmp_path / "own", a_record("a"))))
    (tmp_path / "own.csv").write_text("1,2,0\n3,4,1\n")
    columns = dict.fromkeys(("label", "record", "subject", "sample", "classes"))
    table = Table(name="table", path=str(tmp_path / "own.csv"), **columns)
    beats(table, GivenBeat(name="given", rate=125.0, scaling="none"), tmp_path)
    assert len(list((tmp_path / "cache").iterdir())) == 2
    assert clean_cache() > 0
    assert list((tmp_path / "cache").iterdir()) == []


# -- several folders -----------------------------------------------------------------------------------


@pytest.mark.promise
def test_several_databases_make_one_table_of_one_rate_with_subjects_apart(tmp_path: Path) -> None:
    put(tmp_path / "svdb", a_record("100", 128, leads=("ECG1", "ECG2")))
    put(tmp_path / "mitdb", a_record("100", 360, leads=("MLII", "V1")), a_record("202", 360))
    table = read(wfdb(tmp_path / "svdb", tmp_path / "mitdb"), centred(leads=("MLII",)))
    assert table.records == ("mitdb/100", "mitdb/202", "svdb/100")
    assert table.subjects == ("mitdb/100", "mitdb/201", "svdb/100")
    assert table.rates == (360.0, 360.0, 128.0)
    assert (table.source, table.rate) == ("svdb+mitdb", 125.0)
    order = np.lexsort((table.sample, table.record))
    assert (order == np.arange(len(table))).all()
    # the same bells at both rates, to the resampler's and the positions' precision
    np.testing.assert_allclose(table.signal[:5], table.signal[10:], atol=0.03)
    assert table.sample[:2].tolist() == [360, 720]
    assert table.sample[10:12].tolist() == [128, 256]
    assert wfdb(tmp_path / "svdb", tmp_path / "mitdb").database == "svdb+mitdb"


def test_the_same_name_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="two folders named 'x'"):
        wfdb("a/x", "b/x/files")


# -- people --------------------------------------------------------------------------------------------


def table_of(tmp_path: Path, text: str) -> Path:
    (tmp_path / "people.csv").write_text(text, encoding="utf-8")
    return tmp_path / "people.csv"


@pytest.mark.parametrize(
    "text",
    [
        "record,subject\n001,7\n2,7\nc,8\n",
        "\ufeffSubject;age;Record\n7;60;001\n7;61;2\n8;;c\n",
        '"record","subject"\r\n"001","7"\r\n"2","7"\r\n\r\n"c","8"\r\nnot here,9\r\n',
    ],
)
def test_people_come_from_a_table(text: str, tmp_path: Path) -> None:
    """Names that look like numbers stay as they are written."""
    folder = put(tmp_path / "own", a_record("001"), a_record("2"), a_record("c"))
    table = read(wfdb(folder, subjects=str(table_of(tmp_path, text))))
    assert table.records == ("001", "2", "c")
    assert table.subjects == ("7", "7", "8")
    assert table.fingerprint != read(wfdb(folder)).fingerprint


def test_of_several_folders_people_stay_apart(tmp_path: Path) -> None:
    put(tmp_path / "a", a_record("1"), a_record("2"))
    put(tmp_path / "b", a_record("1"))
    both = (tmp_path / "a", tmp_path / "b")
    bare = table_of(tmp_path, "record,subject\n1,x\n2,x\n")
    assert read(wfdb(*both, subjects=str(bare))).subjects == ("a/x", "a/x", "b/x")
    full = table_of(tmp_path, "record,subject\na/1,x\n2,y\nb/1,z\n1,w\n")
    assert read(wfdb(*both, subjects=str(full))).subjects == ("a/x", "a/y", "b/z")


@pytest.mark.promise
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty; expected the columns record and subject"),
        ("record,person\na,1\n", "expected one column subject, found record, person"),
        ("a,1\n", "expected one column record, found a, 1"),
        ("record,subject\na,1\n", "no entry for record b and 1 more records; expected one for each"),
        ("record,subject\na,1\nb,\nc,2\n", "row 3: expected a record and a subject"),
        ("record,subject\na,1\na,2\n", "row 3: record a has two subjects"),
    ],
)
def test_a_faulty_table_of_people_is_refused(text: str, said: str, tmp_path: Path) -> None:
    folder = put(tmp_path / "own", a_record("a"), a_record("b"), a_record("c"))
    with pytest.raises(EcgError, match=r"people\.csv") as caught:
        read(wfdb(folder, subjects=str(table_of(tmp_path, text))))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_of_people_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(EcgError, match=r"nobody\.csv: cannot be read: No such file"):
        subject_table(tmp_path / "nobody.csv")
    (tmp_path / "latin.csv").write_bytes("record,subject\na,é\n".encode("latin-1"))
    with pytest.raises(EcgError, match=r"latin\.csv: cannot be read: no UTF-8 text"):
        subject_table(tmp_path / "latin.csv")


# -- bad folders ---------------------------------------------------------------------------------------


@pytest.mark.promise
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: shutil.rmtree(f), "own: no such folder"),
        (lambda f: [p.unlink() for p in f.glob("*.hea")], "own: holds no WFDB record"),
        (lambda f: (f / "a.dat").write_bytes(b"\0" * 99), "a.dat: truncated"),
        (lambda f: (f / "a.atr").write_bytes(b"\1\2\3"), "a.atr: truncated"),
        (lambda f: [p.write_bytes(b"\0\0") for p in f.glob("*.atr")], "own: no beat in its 2 records"),
        (lambda f: (f / "a.hea").write_text("a/3 2 250 900\nb 300\nc 600\n"), "a record of several segments"),
    ],
)
def test_bad_recordings_are_named_in_one_line(spoil: Any, said: str, tmp_path: Path) -> None:
    folder = put(tmp_path / "own", a_record("a"), a_record("b"))
    assert read_record(folder / "a").rate == 250
    spoil(folder)
    with pytest.raises(EcgError) as caught:
        read(wfdb(folder))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_path_is_refused() -> None:
    with pytest.raises(EcgError, match="empty path"):
        read(wfdb(""))
