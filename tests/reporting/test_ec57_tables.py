"""EC57 tables in every format say the same."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from ecgcli.evaluation.ec57 import score_record
from ecgcli.evaluation.ec57_summary import Scores
from ecgcli.recordings.record import Annotations
from ecgcli.reporting.ec57_lines import shutdown_lines
from ecgcli.reporting.ec57_tables import FORMATS


def annotations(symbols: str, *marks: tuple[int, str, int]) -> Annotations:
    """Beats every 300 samples from 1000 on (`.` leaves one out), and other marks."""
    rows = [(1000 + 300 * k, symbol, 0) for k, symbol in enumerate(symbols) if symbol != "."]
    sample, symbol, subtype = zip(*sorted([*rows, *marks]), strict=True)
    return Annotations(np.array(sample), np.array(symbol), np.array(subtype), np.array([""] * len(sample)))


@pytest.fixture
def scores() -> Scores:
    """Record 1: V called N, F called S, a missed S, an extra V. Record 2: one N missed in shutdown of 5 s."""
    one = score_record(
        "1", annotations("NNVVVFSN."), annotations("NNVVNS.NV"), rate=360.0, length=10_000, start=0.0
    )
    shut = annotations("NN.N", (1450, "~", -1), (1750, "~", 0))
    two = score_record("2", annotations("NNNN"), shut, rate=60.0, length=10_000, start=0.0)
    return Scores(records=(one, two), start=0.0, notes=("A note.",))


def test_the_line_format_by_hand(scores: Scores) -> None:
    heading, one, two, rule, total, gross, average, beats, empty, last = FORMATS["line"](scores).splitlines()
    names = heading.split()[1:20]
    for row, record, expected in (
        (one, "1", {"Nn'": 3, "Vn'": 1, "Fs'": 1, "Vv": 2, "Ov'": 1, "So'": 1}),
        (two, "2", {"Nn'": 3, "No'": 1}),
        (total, "Sum", {"Nn'": 6, "Vn'": 1, "Fs'": 1, "Vv": 2, "Ov'": 1, "No'": 1, "So'": 1}),
    ):
        first, *counts = row.split()[:20]
        assert first == record
        assert {n: int(count) for n, count in zip(names, counts, strict=True) if count != "0"} == expected
    # 7 of 8 beats, 7 of 8 detections; V 2 of 3, 2 of 3; S 0 of 1, 0 of 1
    assert one.split()[20:26] == ["87.50", "87.50", "66.67", "66.67", "0.00", "0.00"]
    assert two.split()[20:26] == ["75.00", "100.00", "-", "-", "-", "-"]
    assert rule == "_" * 132
    # 10 of 12, 10 of 11; fusion called S is left out of the sums: S has no positive predictivity any more
    assert gross.split() == ["Gross", "83.33", "90.91", "66.67", "66.67", "0.00", "-"]
    assert average.split()[:7] == ["Average", "81.25", "93.75", "66.67", "66.67", "0.00", "-"]
    assert beats == "Total QRS complexes: 12  Total VEBs: 3  Total SVEBs: 1"
    assert (empty, last) == ("", "Summary of results from 2 records")


def test_the_standard_format_by_hand(scores: Scores) -> None:
    rows = FORMATS["standard"](scores).splitlines()
    assert rows[0] == "Beat-by-beat comparison results for record 1"
    assert rows[1:3] == ["Reference annotator: atr", "     Test annotator: tst"]
    assert rows[7] == " N |    3    0    0    0    0    0    0"
    assert rows[9] == " V |    1    0    2    0    0    0    0"
    assert rows[12] == " O |    0    0    1    0    0"
    assert "          SVEB sensitivity:   0.00% (0/1)" in rows
    assert "           VEB sensitivity:      -  (0/0)" in rows  # record 2


def test_shutdown_by_hand(scores: Scores) -> None:
    one, two = shutdown_lines(scores).splitlines()[2:]
    assert one.split() == ["1", *"00000", *["0.00"] * 5, "0", "seconds", *"31310"]
    assert two.split() == ["2", *"10000", "25.00", "25.00", "-", "-", "-", "5", "seconds", *"40000"]


def test_csv_and_json_hold_the_same_numbers(scores: Scores) -> None:
    one, two, gross, average = csv.DictReader(FORMATS["csv"](scores).splitlines())
    values = json.loads(FORMATS["json"](scores))
    for row, record in ((one, "1"), (two, "2")):
        for r, cells in values["records"][record]["matrix"].items():
            for column, count in cells.items():
                if r + column in row:
                    assert int(row[r + column]) == count
        for name, measure in values["records"][record]["measures"].items():
            assert int(row[f"{name} of"]) == measure["total"]
            percent = row[f"{name} (%)"]
            assert (percent == "") == (measure["percent"] is None)
            assert not percent or float(percent) == pytest.approx(measure["percent"], abs=1e-4)
    assert {row["record"] for row in (one, two, gross, average)} == {"1", "2", "gross", "average"}
    assert int(gross["Nn"]) == int(one["Nn"]) + int(two["Nn"]) == 6
    assert float(average["QRS Se (%)"]) == values["average"]["QRS Se"] == pytest.approx((87.5 + 75) / 2)
    assert float(two["shutdown (s)"]) == values["records"]["2"]["shutdown_s"] == 5.0
    assert values["notes"] == ["A note."]
    assert values["settings"]["class_map"] == "ec57"
    assert values["beats"] == {"N": 7, "S": 1, "V": 3, "F": 1, "Q": 0}


def test_markdown_has_tables_only_for_what_there_is(scores: Scores) -> None:
    text = FORMATS["markdown"](scores)
    assert "## Shutdown" in text and "## Runs of ventricular" in text and "A note." in text
    assert "flutter" not in text.lower() and "## Runs of supraventricular" not in text
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 3
    for table in tables:
        assert len({row.count("|") for row in table.splitlines()}) == 1
        assert len({len(row) for row in table.splitlines()}) == 1
    assert "| gross   |    12 |   3 |    1 |      2 |     1 |  83.33 |" in text
