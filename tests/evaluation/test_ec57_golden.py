"""What WFDB's `bxb` and `sumstats` printed for 53 annotation files of MIT-BIH: every number of every row."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

from ecgcli.evaluation.ec57_folders import score_folders
from ecgcli.evaluation.ec57_summary import Scores
from ecgcli.reporting.ec57_lines import line, shutdown_lines, standard

pytestmark = pytest.mark.promise

ROOT = Path(__file__).resolve().parents[2]
ANNOTATORS = {"DS1": "tst", "SHD": "shd", "GQ": "gq"}
FILES = {
    "line": ("DS1_from0", "DS1_from5", "SHD_from0", "SHD_from5", "GQ_from0"),
    "sum": ("DS1_from0", "DS1_from5", "SHD_from0", "SHD_from5", "GQ_from0"),
    "std": ("DS1_from0", "DS1_from5", "SHD_from0"),
    "shut": ("SHD_from0", "SHD_from5"),
}


@pytest.fixture(scope="module")
def golden_dir() -> Path:
    """Folder with the expected outputs: `$ECG_GOLDEN`, else `../shared/golden/ec57` beside the checkout."""
    for candidate in (os.environ.get("ECG_GOLDEN"), ROOT.parent / "shared" / "golden" / "ec57"):
        if candidate and (Path(candidate) / "DS1_from0.line").is_file():
            return Path(candidate)
    pytest.skip("needs the expected outputs of WFDB's programs in $ECG_GOLDEN")


@cache
def scored(reference: Path, test: Path, name: str) -> Scores:
    records, _, minute = name.partition("_from")
    return score_folders(reference, test, test_annotator=ANNOTATORS[records], start=60.0 * int(minute))


def expected(golden_dir: Path, name: str, kind: str) -> list[str]:
    return (golden_dir / f"{name}.{kind}").read_text().splitlines()


@pytest.mark.parametrize("name", FILES["line"])
def test_the_line_of_every_record_is_that_of_bxb(name: str, mitdb_dir: Path, golden_dir: Path) -> None:
    wanted = expected(golden_dir, name, "line")
    found = line(scored(mitdb_dir, golden_dir, name)).splitlines()
    assert found[: len(wanted)] == wanted


@pytest.mark.parametrize("name", FILES["sum"])
def test_sums_gross_and_average_are_those_of_sumstats(name: str, mitdb_dir: Path, golden_dir: Path) -> None:
    assert line(scored(mitdb_dir, golden_dir, name)).splitlines() == expected(golden_dir, name, "sum")


@pytest.mark.parametrize("name", FILES["std"])
def test_the_matrix_of_every_record_is_that_of_bxb(name: str, mitdb_dir: Path, golden_dir: Path) -> None:
    assert standard(scored(mitdb_dir, golden_dir, name)).splitlines() == expected(golden_dir, name, "std")


@pytest.mark.parametrize("name", FILES["shut"])
def test_beats_missed_in_shutdown_are_those_of_bxb(name: str, mitdb_dir: Path, golden_dir: Path) -> None:
    assert shutdown_lines(scored(mitdb_dir, golden_dir, name)).splitlines() == expected(
        golden_dir, name, "shut"
    )


def test_every_expected_output_is_compared(golden_dir: Path) -> None:
    there = {(file.stem, file.suffix[1:]) for file in golden_dir.glob("*_from*")}
    assert there == {(name, kind) for kind, names in FILES.items() for name in names}


def test_reference_against_itself_is_perfect(mitdb_dir: Path) -> None:
    scores = score_folders(mitdb_dir, mitdb_dir, test_annotator="atr", start=0)
    assert len(scores.records) == 48
    for record in scores.records:
        off_diagonal = record.matrix.copy()
        off_diagonal[range(5), range(5)] = 0
        assert not off_diagonal.any()
        assert record.rr_error == 0
        assert all(ratio.hits == ratio.total for ratio in record.measures.values())
    beats = sum(int(record.matrix.sum()) for record in scores.records)
    assert beats == 90631 + 2781 + 7236 + 803 + 8043
    supraventricular = sum(int(record.matrix[1].sum()) for record in scores.records)
    assert supraventricular == 3026  # escape beats e and j among them: what the standard's map counts


def test_under_the_map_of_the_literature_escape_beats_are_normal(mitdb_dir: Path) -> None:
    scores = score_folders(mitdb_dir, mitdb_dir, test_annotator="atr", start=0, class_map="aami")
    counts = sum(record.matrix for record in scores.records).sum(axis=1).tolist()
    assert counts == [90631, 2781, 7236, 803, 8043, 0, 0]
