"""Strips are drawn to the scale of paper, every beat with its annotation and its call."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from ecgcli.reporting.plots import GREY, INK, VERMILION
from ecgcli.reporting.strip import GUTTER, SPEED, TALLEST, Strip, StripBeats, layout, strip_figure
from ecgcli.reporting.words import clock

RATE = 250.0
BEATS = StripBeats(
    np.array([61.0, 62.0, 62.5, 64.0]), ["N", "L", "A", "V"], ["N", "N", "S", "V"], ["N", "N", "N", ""]
)


def a_strip(height: float = 1.0, leads: int = 2, **more: object) -> Strip:
    """Five seconds from 1:00, R waves of some height in mV at the beats; lead k is k + 1 times as high."""
    time = 60 + np.arange(round(5 * RATE)) / RATE
    trace = sum(np.exp(-0.5 * ((time - at) / 0.02) ** 2) for at in BEATS.seconds)
    signal = height * np.arange(1, leads + 1)[:, None] * trace
    return Strip(signal, RATE, ["MLII", "V1", "V5"][:leads], BEATS, start=60.0, **more)


def written(figure: Figure) -> list[tuple[str, float, float]]:
    return [(text.get_text(), *text.get_position()) for text in figure.axes[0].texts]


def test_a_second_is_25_mm_wide_and_a_millivolt_10_mm_high_in_square_squares() -> None:
    strip = a_strip(height=1.0)
    figure = strip_figure(strip)
    axes = figure.axes[0]
    trace = axes.lines[0]
    assert np.diff(trace.get_xdata()).sum() == pytest.approx(SPEED * (5 - 1 / RATE))
    assert np.ptp(trace.get_ydata()) == pytest.approx(10, abs=0.01)
    assert np.ptp(axes.lines[1].get_ydata()) == pytest.approx(20, abs=0.02), "both leads at one gain"
    figure.draw_without_rendering()
    box = axes.get_window_extent()
    across, up = np.ptp(axes.get_xlim()) / box.width, np.ptp(axes.get_ylim()) / box.height
    assert across == pytest.approx(up), "a millimetre is as wide as it is high"
    assert any(text == "25 mm/s  10 mm/mV" for text, _, _ in written(figure))
    small, large = axes.collections
    steps = np.unique(
        np.diff(sorted({line[0][0] for line in large.get_segments() if line[0][0] == line[1][0]}))
    )
    assert steps == pytest.approx(np.full(len(steps), 5))
    assert len(small.get_segments()) > 4 * len(large.get_segments())


@settings(max_examples=30, deadline=None)
@given(st.floats(0.01, 50), st.integers(1, 3), st.floats(-20, 20))
def test_whatever_the_amplitude_the_leads_fit_the_paper_and_do_not_overlap(
    height: float, leads: int, shift: float
) -> None:
    strip = a_strip(height, leads)
    strip = Strip(strip.signal + shift, RATE, strip.leads, BEATS)
    paper = layout(strip)
    assert np.log2(paper.gain / 10) == int(np.log2(paper.gain / 10)), "10 mm/mV, halved or doubled"
    drawn = [paper.zero[i] + paper.gain * (lead - paper.middle[i]) for i, lead in enumerate(strip.signal)]
    assert max(np.ptp(lead) for lead in drawn) <= TALLEST + 1e-6
    for upper, lower in pairwise(drawn):
        assert upper.min() > lower.max()
    assert drawn[0].max() < paper.height and drawn[-1].min() > 0


def test_half_the_gain_is_said_in_bold() -> None:
    figure = strip_figure(a_strip(height=2.0))
    note = next(text for text in figure.axes[0].texts if "mm/mV" in text.get_text())
    assert (note.get_text(), note.get_weight()) == ("25 mm/s  5 mm/mV", "bold")


def test_every_beat_has_its_annotation_above_and_its_call_under_it() -> None:
    figure = strip_figure(a_strip())
    top, bottom = max(y for _, _, y in written(figure)), 15.0
    above = {
        round((x - GUTTER) / SPEED + 60, 3): text for text, x, y in written(figure) if y == top and x > 1
    }
    assert above == {61.0: "N", 62.0: "L", 62.5: "A (S)", 64.0: "V"}
    calls = [
        text for text in figure.axes[0].texts if 4 < text.get_position()[1] < 9 and text.get_position()[0] > 1
    ]
    assert [text.get_text() for text in calls] == ["N", "N", "N"], f"none at 64 s, under {bottom} mm"
    wrong = [text for text in calls if text.get_bbox_patch() is not None]
    assert [round((text.get_position()[0] - GUTTER) / SPEED + 60, 3) for text in wrong] == [62.5]
    assert to_hex(wrong[0].get_bbox_patch().get_facecolor()).upper() == VERMILION
    colour = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert colour["A (S)"] != GREY != colour["V"], "abnormal beats stand out"


def test_window_focus_marks_unread_leads_and_time_are_shown() -> None:
    figure = strip_figure(a_strip(window=(61.7, 62.5), focus=1, marks=[(63.0, "AFIB")], unread=[1]))
    axes = figure.axes[0]
    (window,) = axes.patches
    assert (window.get_x() - GUTTER) / SPEED == pytest.approx(1.7)
    assert window.get_width() / SPEED == pytest.approx(0.8)
    assert [line.get_color() for line in axes.lines[:2]] == [INK, GREY]
    pointer = next(line for line in axes.lines if line.get_marker() == "v")
    assert (pointer.get_xdata()[0] - GUTTER) / SPEED == pytest.approx(2.0)
    assert {"AFIB", "1:00", "1:01", "1:05"} <= {text for text, _, _ in written(figure)}


def test_missing_samples_a_flat_lead_and_no_beats_can_be_drawn() -> None:
    signal = np.full((3, 500), np.nan)
    signal[0, 100:] = 0.3
    nothing = StripBeats(np.empty(0), [], [], [])
    strip = Strip(signal, RATE, ["$x_1$", "b", "c"], nothing)
    assert layout(strip).gain == 10
    strip_figure(strip).draw_without_rendering()


def test_the_clock_says_minutes_and_hours() -> None:
    said = [clock(5), clock(754.5, 1), clock(59.96, 1), clock(3600), clock(86399.99, 1)]
    assert said == ["0:05", "12:34.5", "1:00.0", "1:00:00", "24:00:00.0"]
