"""The benchmark still runs on the code that it measures; its figures are not judged here."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))


@pytest.mark.slow
@pytest.mark.usefixtures("scripts")
def test_a_round_is_measured_against_bare_loops_over_the_same_network() -> None:
    training: Any = importlib.import_module("bench_training")
    training.BEATS, training.STEPS, training.REPEATS = 2500, 2, 1
    bench: Any = importlib.import_module("bench")
    measured = [bench.summary(figure) for figure in training.fit_figures()]
    assert [figure["goal"] for figure in measured] == [1.02, 0.65, 0.5]
    assert all(0 < figure["value"] < 100 for figure in measured)
    assert measured[0]["theirs"] != measured[1]["theirs"]


@pytest.mark.usefixtures("scripts")
def test_a_ratio_is_the_median_over_the_pairs_and_a_missed_goal_stays_in_the_table(tmp_path: Path) -> None:
    bench: Any = importlib.import_module("bench")
    # the third pair was measured while the machine was busy, on both sides
    figure = {"figure": "reading", "against": "wfdb", "ours": [2.0, 3.0, 30.0], "theirs": [1.0, 1.0, 10.0]}
    judged = bench.summary({**figure, "goal": 1.5, "compared": "ratio", "unit": "s"})
    assert (judged["value"], judged["least"], judged["most"], judged["met"]) == (3.0, 2.0, 3.0, False)
    document = tmp_path / "README.md"
    document.write_text("before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n")
    bench.filled(document, bench.table([judged], "A machine"))
    text = document.read_text()
    assert "| reading | wfdb | 3 s : 1 s | 3 (2–3) | ≤ 1.5, **missed** |" in text
    assert "old" not in text and text.startswith("before\n") and text.endswith("after\n")


@pytest.mark.usefixtures("scripts")
def test_what_no_opponent_has_is_judged_by_itself() -> None:
    bench: Any = importlib.import_module("bench")
    start = {"figure": "help", "against": "", "ours": [0.1, 0.2, 0.4], "theirs": [], "goal": 0.3}
    judged = bench.summary({**start, "compared": "value", "unit": "s"})
    assert judged["met"] and "| – | 0.2 s | 0.2 s (0.1–0.4) | ≤ 0.3 s |" in bench.row(judged)
