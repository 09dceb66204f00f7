"""`ecg score` from a configuration to the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgcli.commands.score import score, seconds
from ecgcli.config import ScoreConfig
from ecgcli.errors import EcgError
from ecgcli.parsing import parse


def config(reference: Path, test: Path, **changes: Any) -> ScoreConfig:
    values: dict[str, Any] = {
        "reference": str(reference),
        "test": str(test),
        "records": None,
        "reference_annotator": "atr",
        "test_annotator": "tst",
        "start": "5:00",
        "class_map": "ec57",
        "window": 0.15,
        "format": "line",
        "shutdown": False,
        "output": None,
    }
    return parse(ScoreConfig, {**values, **changes})


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_times_are_read_as_they_are_written(hours: int, minutes: int, s: int) -> None:
    assert seconds(f"{hours}:{minutes:02}:{s:02}") == 3600 * hours + 60 * minutes + s
    assert seconds(f"{minutes}:{s:02}") == seconds(60 * minutes + s) == 60 * minutes + s
    assert seconds("0:01.5") == seconds(1.5) == 1.5


@pytest.mark.parametrize("time", ["", "five", "1:2:3:4", "-1", -1, "5:", ":00", "nan", float("nan"), "1e3"])
def test_what_is_no_time_is_refused(time: Any) -> None:
    with pytest.raises(EcgError, match="expected a time such as 5:00"):
        seconds(time)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "pdf"}, "format"),
        ({"class_map": "EC57"}, "class_map"),
        ({"window": 0}, "window"),
        ({"records": 100}, "records"),
        ({"colour": 1}, "unknown setting colour"),
    ],
)
def test_settings_that_make_no_sense_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(EcgError, match=message):
        config(tmp_path, tmp_path, **changes)


def test_the_table_is_printed_or_written(
    mitdb_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    itself = {"test_annotator": "atr", "records": [100, "207"]}
    score(config(mitdb_dir, mitdb_dir, **itself))
    printed = capsys.readouterr().out
    assert printed.startswith("Record Nn'") and "Summary of results from 2 records" in printed
    assert "Shutdown" not in printed
    score(config(mitdb_dir, mitdb_dir, **itself, shutdown=True))
    assert capsys.readouterr().out.startswith(printed + "\nRecord Nx ")
    score(config(mitdb_dir, mitdb_dir, **itself, output=str(tmp_path / "table.json"), format="json"))
    assert capsys.readouterr().out == ""
    assert list(json.loads((tmp_path / "table.json").read_text())["records"]) == ["100", "207"]


def test_records_left_out_are_told_beside_the_table(
    mitdb_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    score(config(mitdb_dir, mitdb_dir, test_annotator="atr", start=1700))
    captured = capsys.readouterr()
    assert "Summary of results from 48 records" in captured.out
    assert captured.err == "Not scored, as they have no header: 1 records (102-0).\n"
