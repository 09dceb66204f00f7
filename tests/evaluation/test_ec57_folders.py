"""Scoring folders of annotation files: which records, and what is refused in one line."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from ecgcli.errors import EcgError
from ecgcli.evaluation.ec57_folders import score_folders


def write_annotations(file: Path, *beats: tuple[int, str], rate: float | None = None) -> None:
    import wfdb

    file.parent.mkdir(exist_ok=True)
    wfdb.wrann(
        file.stem,
        file.suffix[1:],
        sample=np.array([sample for sample, _ in beats]),
        symbol=[symbol for _, symbol in beats],
        fs=rate,
        write_dir=str(file.parent),
    )


def write_header(file: Path, rate: str = "360", length: str = "100000") -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"{file.stem} 1 {rate} {length}\n{file.stem}.dat 212 200 11 1024 0 0 0 MLII\n")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two records on both sides, each with a beat that is found and one that is missed."""
    reference, test = tmp_path / "reference", tmp_path / "test"
    for name in ("a1", "b2"):
        write_header(reference / f"{name}.hea")
        write_annotations(reference / f"{name}.atr", (1000, "N"), (1300, "V"))
        write_annotations(test / f"{name}.tst", (1003, "N"))
    return reference, test


def refused(
    folders: tuple[Path, Path], message: str, records: list[str] | None = None, **settings: float
) -> None:
    with pytest.raises(EcgError, match=message) as caught:
        score_folders(*folders, records=records, **{"start": 0.0, **settings})  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_without_names_all_records_of_both_folders_are_scored(folders: tuple[Path, Path]) -> None:
    reference, test = folders
    write_annotations(reference / "c3.atr", (1000, "N"))
    write_annotations(test / "d4.tst", (1000, "N"))
    for side in (reference / "e5.atr", test / "e5.tst"):
        write_annotations(side, (1000, "N"))
    scores = score_folders(reference, test, start=0)
    assert [score.record for score in scores.records] == ["a1", "b2"]
    assert scores.records[0].matrix[0, 0] == 1 and scores.records[0].matrix[2, 5] == 1
    assert scores.notes == (
        "Not scored, as they have no tst annotations: 1 records (c3).",
        "Not scored, as they have no atr annotations: 1 records (d4).",
        "Not scored, as they have no header: 1 records (e5).",
    )


def test_named_records_are_scored_in_the_order_given(folders: tuple[Path, Path]) -> None:
    scores = score_folders(*folders, records=["b2", "a1"], start=0)
    assert [score.record for score in scores.records] == ["b2", "a1"]
    assert scores.notes == ()


def test_other_annotators_have_other_files(folders: tuple[Path, Path]) -> None:
    reference, _ = folders
    scores = score_folders(reference, reference, ["a1"], test_annotator="atr", start=0)
    assert int(scores.records[0].matrix.trace()) == 2


def test_what_is_missing_is_named(folders: tuple[Path, Path], tmp_path: Path) -> None:
    reference, test = folders
    refused((tmp_path / "nowhere", test), r"nowhere: no such folder; expected")
    refused((reference, tmp_path / "nowhere"), r"nowhere: no such folder; expected")
    refused(folders, r"c3\.hea: no such header file", records=["c3"])
    write_header(reference / "c3.hea")
    refused(folders, r"reference.c3\.atr: no such annotation file; expected the reference", records=["c3"])
    write_annotations(reference / "c3.atr", (1000, "N"))
    refused(folders, r"test.c3\.tst: no such annotation file; expected the test", records=["c3"])
    refused((test, reference), r"no record in common: expected <record>\.hea and <record>\.atr in the one")


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], r"records=\[\] names no record"),
        (["a1", "b2", "a1"], r"records names a1 twice; expected each record once"),
        (["../reference/a1"], r"'\.\./reference/a1' is no record's name"),
        ([""], r"'' is no record's name"),
    ],
)
def test_record_names_that_make_no_sense_are_refused(
    folders: tuple[Path, Path], records: list[str], message: str
) -> None:
    refused(folders, message, records=records)


@pytest.mark.promise
def test_rates_that_differ_are_refused(folders: tuple[Path, Path]) -> None:
    reference, test = folders
    write_annotations(test / "a1.tst", (1003, "N"), rate=250)
    refused(folders, r"test.a1\.tst: says 250 Hz, .*a1\.hea says 360 Hz; expected one rate")
    write_annotations(test / "a1.tst", (1003, "N"), rate=360)
    assert len(score_folders(reference, test, start=0).records) == 2
    write_header(test / "a1.hea", rate="128")
    refused(folders, r"test.a1\.hea: says 128 Hz, .*reference.a1\.hea says 360 Hz")
    write_header(test / "a1.hea", rate="360/500(3)")  # a counter's rate may follow
    assert len(score_folders(reference, test, start=0).records) == 2
    write_annotations(reference / "a1.atr", (1000, "N"), rate=250)
    refused(folders, r"reference.a1\.atr: says 250 Hz")


@pytest.mark.promise
def test_annotations_out_of_order_or_beyond_the_end_are_refused(folders: tuple[Path, Path]) -> None:
    reference, test = folders
    back = struct.pack("<HHHHHH", 1 << 10 | 1000, 59 << 10, 0xFFFF, 0x10000 - 500, 5 << 10, 0)
    (test / "a1.tst").write_bytes(back)
    refused(folders, r"a1\.tst: annotation 2 \(V\) is at sample 500, after sample 1000; expected ascending")
    write_annotations(test / "a1.tst", (1003, "N"), (100_000, "N"))
    refused(
        folders, r"a1\.tst: annotation 2 \(N\) is at sample 100000, beyond the record's end.* below 100000"
    )
    write_annotations(reference / "a1.atr", (1003, "N"), (100_010, "V"))
    refused(folders, r"a1\.atr: annotation 2 \(V\) is at sample 100010, beyond")


@pytest.mark.promise
def test_an_unknown_symbol_is_refused(folders: tuple[Path, Path]) -> None:
    (folders[1] / "b2.tst").write_bytes(struct.pack("<HHH", 1 << 10 | 1000, 45 << 10 | 10, 0))
    refused(folders, r"b2\.tst: annotation 2 at sample 1010 has the unknown symbol '<45>'")


def test_damaged_files_are_named(folders: tuple[Path, Path]) -> None:
    reference, test = folders
    whole = (test / "a1.tst").read_bytes()
    for damaged in (whole[:-2], whole[:-1], b"", b"record,sample\n"):
        (test / "a1.tst").write_bytes(damaged)
        refused(folders, r"a1\.tst: truncated: its closing mark is missing")
    (test / "a1.tst").write_bytes(struct.pack("<HHH", 59 << 10, 1, 0))
    refused(folders, r"a1\.tst: damaged; expected a WFDB annotation file")
    (test / "a1.tst").write_bytes(whole)
    for header in (
        "",
        "a1 1 x 100\n",
        "a1 1 -360 100\n",
        "a1\n",
        "a1 1 360 -5\n",
        "a1 1 nan 5\n",
        "a1 1 inf 5\n",
    ):
        (reference / "a1.hea").write_text(header)
        refused(folders, r"a1\.hea: unreadable header; expected a first line such as")


def test_a_header_without_a_length_is_scored_to_the_last_annotation(folders: tuple[Path, Path]) -> None:
    reference, test = folders
    (reference / "a1.hea").write_text("# a comment\na1 1 360\n")
    write_annotations(test / "a1.tst", (1003, "N"), (200_000, "N"))
    assert int(score_folders(reference, test, ["a1"], start=0).records[0].matrix[5].sum()) == 0
