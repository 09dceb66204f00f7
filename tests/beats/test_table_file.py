"""A user's own beats: CSV, Parquet and NPZ give one table, and whatever is wrong is said in one line."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecgcli.beats import table_csv
from ecgcli.beats.rhythm import RHYTHM_NAMES, rhythm_features
from ecgcli.beats.segment import Segmenter
from ecgcli.beats.sources import beats
from ecgcli.beats.table import UNKNOWN, BeatTable
from ecgcli.choices.beat import GivenBeat
from ecgcli.choices.data import Table
from ecgcli.errors import EcgError

GIVEN = GivenBeat(name="given", rate=250.0, scaling="none")


def choice(path: Path | str, **more: Any) -> Table:
    defaults = dict.fromkeys(("label", "record", "subject", "sample", "classes"))
    return Table(name="table", path=str(path), **{**defaults, **more})


def read(path: Path, beat: GivenBeat = GIVEN, **more: Any) -> BeatTable:
    return beats(choice(path, **more), beat, Path("nowhere"))


def frame(n: int = 12, time: int = 30, seed: int = 0) -> pd.DataFrame:
    """Beats of three classes, three records of two people, in no order."""
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal((n, time)).astype(np.float32)
    columns = pd.DataFrame(signal, columns=[f"s{i}" for i in range(time)])
    columns["label"] = np.array(["V", "N", "S"])[np.arange(n) % 3]
    columns["record"] = np.array(["101", "100", "7"])[rng.permutation(n) % 3]
    columns["subject"] = columns["record"].map({"101": "b", "100": "a", "7": "a"})
    columns["sample"] = rng.permutation(n * 10)[:n]
    return columns


def same(a: BeatTable, b: BeatTable) -> bool:
    arrays = ("signal", "label", "record", "sample", "span", "features")
    names = ("classes", "records", "subjects", "rates", "fingerprint", "feature_names")
    return all(np.array_equal(getattr(a, x), getattr(b, x)) for x in arrays) and all(
        getattr(a, x) == getattr(b, x) for x in names
    )


# -- what is read --------------------------------------------------------------------------------------


def test_a_table_is_ordered_by_record_and_sample_and_keeps_each_beat_together(tmp_path: Path) -> None:
    given = frame()
    given.to_csv(tmp_path / "own.csv", index=False)
    table = read(tmp_path / "own.csv")
    expected = given.sort_values(["record", "sample"], kind="stable")
    np.testing.assert_array_equal(table.signal[:, 0], expected.filter(regex=r"^s\d+$").to_numpy(np.float32))
    assert [table.classes[i] for i in table.label] == expected["label"].tolist()
    assert [table.records[i] for i in table.record] == expected["record"].tolist()
    assert [table.subjects[i] for i in table.record] == expected["subject"].tolist()
    assert table.sample.tolist() == expected["sample"].tolist()
    assert table.classes == ("N", "S", "V")
    assert (table.source, table.class_map, table.rate, set(table.rates)) == ("own.csv", "own", 250.0, {250.0})
    assert (table.span == 0).all()
    assert (table.split == -1).all()
    assert table.notes == ("A beat is 30 columns, s0 to s29.",)


@pytest.mark.promise
def test_csv_parquet_and_npz_of_the_same_beats_give_the_same_table(tmp_path: Path) -> None:
    given = frame()
    given.to_csv(tmp_path / "own.csv", index=False)
    given.to_parquet(tmp_path / "own.parquet")
    signal = given.filter(regex=r"^s\d+$").to_numpy(np.float32)
    texts = {name: given[name].to_numpy(str) for name in ("label", "record", "subject")}
    np.savez(tmp_path / "own.npz", signal=signal, **texts, sample=given["sample"].to_numpy())
    first = read(tmp_path / "own.csv")
    assert same(first, read(tmp_path / "own.parquet"))
    assert same(first, read(tmp_path / "own.npz"))


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_missing_numbers_and_floats_do_not_change_what_labels_and_records_are_called(
    suffix: str, tmp_path: Path
) -> None:
    given = frame()
    given["label"] = given["label"].map({"N": 0, "S": 1, "V": 2}).astype(float)
    given["record"] = given["record"].astype(float)
    given = given.drop(columns="subject")
    path = tmp_path / f"own{suffix}"
    if suffix == ".npz":
        arrays = {name: given[name].to_numpy() for name in ("label", "record", "sample")}
        np.savez(path, signal=given.filter(regex=r"^s\d+$").to_numpy(), **arrays)
    else:
        given.to_csv(path, index=False) if suffix == ".csv" else given.to_parquet(path)
    table = read(path)
    assert table.classes == ("0", "1", "2")
    assert table.records == table.subjects == ("100", "101", "7")
    assert read(path, classes=("N", "S", "V")).classes == ("N", "S", "V")


def written(given: pd.DataFrame, how: str) -> str:
    """The same table as various programs write it."""
    if how == "row numbers of pandas":
        return given.to_csv()
    if how == "a byte order mark":
        return "\ufeff" + given.to_csv(index=False)
    if how == "line ends of Windows":
        return given.to_csv(index=False, lineterminator="\r\n")
    if how == "everything in quotes":
        return given.to_csv(index=False, quoting=1)
    if how == "spaces":
        return given.to_csv(index=False).replace(",", ", ")
    if how == "blank lines":
        return given.to_csv(index=False).replace("\n", "\n\n") + "\n"
    if how == "a marked header":
        return "# " + given.to_csv(index=False)
    return given.to_csv(index=False, sep={"semicolons": ";", "tabs": "\t"}[how])


@pytest.mark.parametrize(
    "how",
    [
        *("row numbers of pandas", "a byte order mark", "line ends of Windows", "everything in quotes"),
        *("spaces", "blank lines", "a marked header", "semicolons", "tabs"),
    ],
)
def test_whatever_program_wrote_a_csv_file(how: str, tmp_path: Path) -> None:
    frame().to_csv(tmp_path / "own.csv", index=False)
    (tmp_path / "other.csv").write_text(written(frame(), how), encoding="utf-8", newline="")
    assert same(read(tmp_path / "own.csv"), read(tmp_path / "other.csv"))


def test_a_file_without_a_header_has_the_label_last(tmp_path: Path) -> None:
    """The form of the Kaggle heartbeat files, and pandas' column numbers above it."""
    rng = np.random.default_rng(1)
    rows = np.column_stack([rng.random((20, 9)).astype(np.float32), np.arange(20) % 3])
    np.savetxt(tmp_path / "bare.csv", rows, delimiter=",", fmt="%.18e")
    numbered = ",".join(map(str, range(10)))
    np.savetxt(tmp_path / "numbered.csv", rows, delimiter=",", fmt="%.18e", header=numbered, comments="")
    table = read(tmp_path / "bare.csv")
    np.testing.assert_array_equal(table.signal[:, 0], rows[:, :9].astype(np.float32))
    assert table.label.tolist() == (np.arange(20) % 3).tolist()
    assert same(table, read(tmp_path / "numbered.csv"))
    text = "\n".join(f"{i / 7},{i / 9},{'NV'[i % 2]}" for i in range(6))
    (tmp_path / "names.csv").write_text(text)
    assert read(tmp_path / "names.csv").classes == ("N", "V")
    assert len(read(tmp_path / "names.csv")) == 6


def test_nothing_is_known_of_beats_without_record_and_subject(tmp_path: Path) -> None:
    frame().drop(columns=["record", "subject", "sample"]).to_csv(tmp_path / "own.csv", index=False)
    table = read(tmp_path / "own.csv")
    assert (table.records, table.subjects) == ((UNKNOWN,), (UNKNOWN,))
    assert (table.sample == -1).all()
    np.testing.assert_array_equal(table.signal[:, 0], frame().filter(regex=r"^s\d+$").to_numpy())
    frame().drop(columns="record").to_csv(tmp_path / "people.csv", index=False)
    assert read(tmp_path / "people.csv").records == ("a", "b")


def test_columns_are_found_by_their_usual_names_or_by_those_given(tmp_path: Path) -> None:
    usual = {"label": "Target", "subject": "PATIENT"}
    own = {"label": "kind", "record": "file", "subject": "who", "sample": "r"}
    frame().to_csv(tmp_path / "a.csv", index=False)
    frame().rename(columns=usual).to_csv(tmp_path / "b.csv", index=False)
    frame().rename(columns=own).to_csv(tmp_path / "c.csv", index=False)
    first = read(tmp_path / "a.csv")
    assert same(first, read(tmp_path / "b.csv"))
    assert same(first, read(tmp_path / "c.csv", **own))


def test_a_column_that_is_no_sample_is_left_out_and_said(tmp_path: Path) -> None:
    given = frame()
    given.insert(0, "age", 63)
    given["comment"] = "fine"
    given.to_csv(tmp_path / "own.csv", index=False)
    table = read(tmp_path / "own.csv")
    assert table.signal.shape[2] == 30
    assert "Columns that are neither samples nor have a role, and are left out: age, comment." in table.notes


def test_classes_are_as_given_else_found_with_n_first(tmp_path: Path) -> None:
    given = frame()
    given["label"] = given["label"].map({"N": "N", "S": "AF", "V": "PVC"})
    given.to_csv(tmp_path / "own.csv", index=False)
    found = read(tmp_path / "own.csv")
    assert found.classes == ("N", "AF", "PVC")
    ordered = read(tmp_path / "own.csv", classes=("PVC", "F", "N", "AF"))
    assert ordered.classes == ("PVC", "N", "AF")
    assert "Classes without a beat are left out: F." in ordered.notes
    assert [found.classes[i] for i in found.label] == [ordered.classes[i] for i in ordered.label]


def test_several_leads_come_from_npz(tmp_path: Path) -> None:
    signal = np.random.default_rng(2).standard_normal((9, 3, 20)).astype(np.float32)
    np.savez_compressed(tmp_path / "own.npz", signal=signal, y=np.arange(9) % 2)
    table = read(tmp_path / "own.npz")
    np.testing.assert_array_equal(table.signal, signal)
    assert len(table.leads) == 3


def test_beats_are_scaled_as_asked(tmp_path: Path) -> None:
    given = frame()
    given.iloc[0, :30] = 5.0  # a flat beat
    given.to_csv(tmp_path / "own.csv", index=False)
    z = read(tmp_path / "own.csv", GivenBeat(name="given", rate=250.0, scaling="beat")).signal
    unit = read(tmp_path / "own.csv", GivenBeat(name="given", rate=250.0, scaling="min_max")).signal
    flat = np.ptp(read(tmp_path / "own.csv").signal, axis=-1).ravel() == 0
    assert flat.sum() == 1
    np.testing.assert_allclose(z[~flat].mean(axis=-1), 0, atol=1e-6)
    np.testing.assert_allclose(z[~flat].std(axis=-1), 1, rtol=1e-5)
    assert (unit[~flat].min(axis=-1) == 0).all()
    assert (unit[~flat].max(axis=-1) == 1).all()
    assert np.abs(z[flat]).max() < 1e-5
    assert (unit[flat] == 0).all()


def test_rhythm_needs_records_and_positions(tmp_path: Path) -> None:
    rhythm = GivenBeat(name="given", rate=250.0, scaling="none", rhythm=True)
    given = frame(n=40)
    given["sample"] *= 30
    given.to_parquet(tmp_path / "own.parquet")
    table = read(tmp_path / "own.parquet", rhythm)
    assert table.feature_names == RHYTHM_NAMES == Segmenter.from_config(rhythm).feature_names
    for record in range(3):
        here = table.record == record
        np.testing.assert_array_equal(table.features[here], rhythm_features(table.sample[here], 250.0))
    for absent in ("record", "sample"):
        given.drop(columns=absent).to_parquet(tmp_path / f"{absent}.parquet")
        with pytest.raises(EcgError, match=f"order of beats is not known.* there is no {absent}$"):
            read(tmp_path / f"{absent}.parquet", rhythm)


def test_a_model_of_given_beats_cuts_no_recordings() -> None:
    with pytest.raises(EcgError, match="cut already"):
        Segmenter.from_config(GIVEN).cut(np.zeros((1, 1000), np.float32), 250, ("II",), np.array([500]))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(n=st.integers(2, 60), time=st.integers(2, 12), block=st.integers(20, 400), seed=st.integers(0, 99))
def test_the_size_of_the_blocks_does_not_matter(
    n: int, time: int, block: int, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against pandas reading the file in one go."""
    given = frame(n, time, seed)
    given["label"] = np.where(np.arange(n) % 2, "no, not\nthis", "this")
    text = given.to_csv(index=False)
    (tmp_path / "own.csv").write_text(text)
    monkeypatch.setenv("ECG_CACHE", tempfile.mkdtemp(dir=tmp_path))
    monkeypatch.setattr(table_csv, "_BLOCK", block)
    table = read(tmp_path / "own.csv")
    expected = pd.read_csv(io.StringIO(text), dtype={"record": str})
    expected = expected.sort_values(["record", "sample"], kind="stable")
    np.testing.assert_array_equal(table.signal[:, 0], expected.iloc[:, :time].to_numpy(np.float32))
    assert [table.classes[i] for i in table.label] == expected["label"].tolist()


# -- what is refused -----------------------------------------------------------------------------------

HEAD = "s0,s1,s2,label,record\n"
ROW = "1,2,3,N,a\n4,5,6,V,b\n"

BAD_CSV = {
    "1,x,3,N,a\n": r"row 2, column 2: 'x' is no number",
    ROW + "1,,3,N,a\n": r"row 4, column 2: '' is no number",
    ROW + "1,nan,3,N,a\n": r"row 4, column 2: 'nan' is no finite number",
    ROW + "1,2,inf,N,a\n": r"row 4, column 3: 'inf' is no finite number",
    ROW + "1,2,1e99,N,a\n": r"row 4, column 3: '1e99' is no finite number",
    ROW + "1,2,3,N\n": r"row 4: expected 5 columns, found 4",
    ROW + "1,2,3,N,a,b\n": r"row 4: expected 5 columns, found 6",
    ROW + "\n1,2\n": r"row 5: expected 5 columns, found 2",
    ROW + "1,2,3,,a\n": r"row 4: no label",
    ROW + "1,2,3,N,\n": r"row 4: no record",
    ROW + '1,2,3,"N,a\n': r"row 4: expected 5 columns, found 4",
    "": r"holds no beats",
}


@pytest.mark.promise
@pytest.mark.parametrize("rows", BAD_CSV)
def test_a_faulty_row_is_named(rows: str, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text(HEAD + rows)
    with pytest.raises(EcgError, match=BAD_CSV[rows]) as caught:
        read(tmp_path / "own.csv")
    assert str(caught.value).startswith(str(tmp_path / "own.csv"))
    assert "\n" not in str(caught.value)


BAD_FILES: dict[str, tuple[str | bytes, str]] = {
    "own.csv": ("", "row 1: one column"),
    "one.csv": ("a\n1\n2\n", "row 1: one column"),
    "twice.csv": ("a,a,label\n1,2,N\n", "two columns are named 'a'"),
    "few.csv": ("a,label\n1,N\n", "1 columns of samples"),
    "latin.csv": ("a,b,label\n1,2,é\n".encode("latin-1"), "row 2: no UTF-8 text"),
    "utf16.csv": ("a,b,label\n1,2,N\n".encode("utf-16"), "row 1: no UTF-8 text"),
    "half.csv": ("a,b,label\n1,2,0.5\n1,2,0\n", "row 2: label '0.5' is no whole number"),
    "sample.csv": ("a,b,label,sample\n1,2,N,x\n", "row 2: 'x' is no position"),
    "two.csv": (
        "a,b,label,record,subject\n1,2,N,r,p\n3,4,V,r,q\n",
        "row 3: record r has two subjects, p and q",
    ),
    "own.parquet": (b"PAR1 but not really", "cannot be read as Parquet"),
    "own.npz": (b"PK but not really", "own.npz: "),
    "own.xlsx": (b"", "is .csv, .parquet or .npz"),
}


@pytest.mark.promise
@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_table_of_beats_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    content, said = BAD_FILES[name]
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(EcgError) as caught:
        read(tmp_path / name)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_was_asked_for_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(EcgError, match=r"own\.csv: no such file"):
        read(tmp_path / "own.csv")
    frame().to_csv(tmp_path / "own.csv", index=False)
    with pytest.raises(EcgError, match=r"no column 'kind' \(data.label\); there are s0, .*, sample \(34\)"):
        read(tmp_path / "own.csv", label="kind")
    with pytest.raises(EcgError, match=r"'record' is both data.record and data.subject"):
        read(tmp_path / "own.csv", subject="record")
    with pytest.raises(EcgError, match=r"row 2: label 'V'; expected one of data.classes, N, S,"):
        read(tmp_path / "own.csv", classes=("N", "S"))
    frame().rename(columns={"label": "kind"}).to_parquet(tmp_path / "own.parquet")
    with pytest.raises(EcgError, match=r"no column named label, class, target or y; data\.label names"):
        read(tmp_path / "own.parquet")


def test_parquet_and_npz_name_what_is_no_number(tmp_path: Path) -> None:
    given = frame()
    given.loc[4, "s2"] = np.nan
    given.to_parquet(tmp_path / "nan.parquet")
    with pytest.raises(EcgError, match=r"nan.parquet, row 5: sample 3 is nan"):
        read(tmp_path / "nan.parquet")
    given["s2"] = "text"
    given.to_parquet(tmp_path / "text.parquet")
    with pytest.raises(EcgError, match=r"column 's2' holds .*string; expected numbers"):
        read(tmp_path / "text.parquet")
    signal = np.zeros((5, 4))
    signal[3, 1] = np.inf
    np.savez(tmp_path / "inf.npz", signal=signal, label=np.arange(5))
    with pytest.raises(EcgError, match=r"inf.npz, row 4: sample 2 is inf"):
        read(tmp_path / "inf.npz")


@pytest.mark.promise
@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"signal": np.zeros((4, 9)), "label": np.array([{}] * 4, object)}, "pickled objects"),
        ({"signal": np.zeros((4, 9)), "label": np.arange(3)}, r"label is int64 of shape (3,); expected (4,)"),
        ({"signal": np.zeros((4, 9), complex), "label": np.arange(4)}, "signal is complex128"),
        ({"signal": np.zeros((4, 9, 2)), "label": np.arange(4)}, "time last"),
        ({"signal": np.zeros(4), "label": np.arange(4)}, "of shape (4,)"),
        ({"signal": np.zeros((4, 5000)), "label": np.arange(4)}, "5000 samples a beat; expected 2 to 4096"),
        ({"signal": np.zeros((0, 9)), "label": np.arange(0)}, "holds no beats"),
        ({"x": np.zeros((4, 9)), "label": np.arange(4)}, "no array 'signal'; there are x, label"),
        ({"signal": np.zeros((4, 9))}, "no array named label, class, target or y"),
        ({"signal": np.zeros((2000, 2)), "label": np.arange(2000)}, "2,000 different labels"),
    ],
)
def test_arrays_that_are_no_beats_are_refused(arrays: dict[str, Any], said: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", **arrays)
    with pytest.raises(EcgError) as caught:
        read(tmp_path / "own.npz")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
