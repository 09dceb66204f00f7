"""Figures of how certain a run is: every mark stands where the numbers say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from ecgcli.reporting import certainty_plots, report_figures
from tests.reporting.conftest import CLASSES, FIND_95, made_up, older, run, run_of


def lines(axes: Axes) -> dict[str, list[tuple[float, float]]]:
    """Label → points of a line."""
    return {
        str(line.get_label()): [(float(x), float(y)) for x, y in line.get_xydata()] for line in axes.lines
    }


def drawn(facts: dict[str, Any], what: str) -> Figure:
    one = getattr(report_figures, what)(facts)
    assert one is not None
    one[1].draw_without_rendering()
    return one[1]  # type: ignore[no-any-return]


@pytest.mark.promise
def test_the_trade_off_is_the_roc_curve_turned_over_with_the_decision_on_it(facts: dict[str, Any]) -> None:
    beats = facts["predictions"]["test"]
    shown = lines(drawn(facts, "trade_off").axes[0])
    abnormal = beats["label"] != "N"
    false, found, _ = roc_curve(abnormal, 1 - beats["p_N"], drop_intermediate=False)
    corners = {(round(1000 * f, 6), round(100 * (1 - t), 6)) for f, t in zip(false, found, strict=True)}
    assert {(round(x, 6), round(y, 6)) for x, y in shown["all abnormal beats"]} <= corners
    decided = beats["predicted"] != "N"
    ((x, y),) = shown["the most probable class"]
    assert x == pytest.approx(1000 * decided[~abnormal].mean())
    assert y == pytest.approx(100 * (~decided[abnormal]).mean())
    # the curve of V alone against the normal beats
    v = beats[beats["label"].isin(["N", "V"])]
    false, found, _ = roc_curve(v["label"] == "V", 1 - v["p_N"], drop_intermediate=False)
    corners = {(round(1000 * f, 6), round(100 * (1 - t), 6)) for f, t in zip(false, found, strict=True)}
    assert {(round(x, 6), round(y, 6)) for x, y in shown["V alone"]} <= corners
    assert "F alone" not in shown, "no beats of this class"


@pytest.mark.promise
def test_another_run_is_drawn_on_the_same_axes_at_matched_sensitivity() -> None:
    facts = run(FIND_95)
    other = {"missed": [1.0, 0.2, 0.0], "false_alarms_per_1000_normal": [0.0, 4.0, 1000.0]}
    matched = {"aim": 0.95, "other": {"missed_share": 0.06, "false_alarms_per_1000_normal": 9.0}}
    facts["beside"] = {"title": "a single network", "curve": other, "matched": matched}
    shown = lines(drawn(facts, "trade_off").axes[0])
    assert shown["a single network"] == [(0, 100), (4, 20), (1000, 0)]
    assert shown["the other, as sensitive on validation as this run"] == [(9, 6)]
    costs = facts["operating_point"]["costs"]["test"]
    here = (costs["false_alarms_per_1000_normal"], 100 * costs["missed_share"])
    assert shown["operating point sensitivity"] == [pytest.approx(here)]
    assert shown["this run"] and shown["the most probable class"] and "V alone" not in shown


def test_without_missed_beats_or_false_alarms_there_is_no_trade_off() -> None:
    assert report_figures.trade_off(older(run())) is None
    only_normal = run_of({"validation": made_up(2, {"N": 200})})
    assert report_figures.trade_off(only_normal) is None
    classes = ("A", "B")
    assert (
        report_figures.trade_off(run_of({"test": made_up(3, {"A": 90, "B": 80}, classes)}, classes)) is None
    )


@pytest.mark.promise
def test_the_reliability_diagram_shows_how_often_beats_of_a_bin_are_right(facts: dict[str, Any]) -> None:
    beats = facts["predictions"]["test"]
    axes, counts = drawn(facts, "reliability").axes
    for prefix, when in (("raw_", "before"), ("p_", "after")):
        p = beats[[f"{prefix}{c}" for c in CLASSES]].to_numpy()
        right = np.array(CLASSES)[p.argmax(axis=1)] == beats["label"]
        place = np.minimum((15 * p.max(axis=1)).astype(int), 14)
        expected = {
            (100 * p.max(axis=1)[place == b].mean(), 100 * right[place == b].mean())
            for b in range(15)
            if (place == b).sum() >= certainty_plots.FEW
        }
        got = lines(axes)[f"{when} calibration"]
        assert len(got) == len(expected) > 2, when
        for point, other in zip(sorted(got), sorted(expected), strict=True):
            assert point == pytest.approx(other)
    assert counts.get_yscale() == "log"


def test_without_calibration_there_is_one_curve(facts: dict[str, Any]) -> None:
    facts["calibration"]["method"] = "none"
    shown = lines(drawn(facts, "reliability").axes[0])
    assert "the model's probabilities" in shown and "before calibration" not in shown


@pytest.mark.promise
def test_the_review_is_counted_beat_by_beat(facts: dict[str, Any]) -> None:
    beats = facts["predictions"]["test"]
    shown = lines(drawn(facts, "risk_coverage").axes[0])
    p = beats[[f"p_{c}" for c in CLASSES]].to_numpy()
    sure = np.sort(p.max(axis=1))
    abnormal, missed = beats["label"] != "N", (beats["label"] != "N") & (beats["predicted"] == "N")
    for x, y in shown["of all abnormal beats, missed"][::20]:
        kept = p.max(axis=1) >= sure[round(x / 100 * len(beats))]
        assert y == pytest.approx(100 * (missed & kept).sum() / abnormal.sum())
    aims = {point for name, points in shown.items() if name.startswith("_") for point in points}
    shares = facts["review"]["shares"]
    assert aims == {(100 * one["shown"]["handed_over"], 100 * one["shown"]["missed"]) for one in shares}


def test_without_a_class_n_nothing_is_missed_and_errors_are_still_shown() -> None:
    classes = ("A", "B")
    facts = run_of({"test": made_up(3, {"A": 90, "B": 80}, classes)}, classes)
    assert [name for name in lines(drawn(facts, "risk_coverage").axes[0]) if name[0] != "_"] == [
        "of the beats kept, wrong"
    ]
