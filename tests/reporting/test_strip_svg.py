"""Strips of a page keep the scale of paper: 25 mm/s and 10 mm/mV."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest

from ecgcli.reporting import strip_svg as svg
from ecgcli.reporting.strip import CLOCK, GUTTER, INCHES, RAIL, Strip, StripBeats, layout
from ecgcli.reporting.strip_svg import strip_picture, strip_svg, trace_path

RATE = 250.0
CALLED = ("N", "V", "S?", "N")
BEATS = StripBeats(np.array([61.0, 62.0, 62.5, 64.0]), [""] * 4, [""] * 4, CALLED)


def a_strip(height: float = 1.0, leads: int = 2, rate: float = RATE) -> Strip:
    """Five seconds from 1:00, R waves of some height in mV at the beats."""
    time = 60 + np.arange(round(5 * rate)) / rate
    trace = sum(np.exp(-0.5 * ((time - at) / 0.02) ** 2) for at in BEATS.seconds)
    signal = height * np.ones((leads, 1)) * trace
    return Strip(signal, rate, ["MLII", "V1", "V5"][:leads], BEATS, start=60.0)


def points(path: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(n, 2) points of a path in mm."""
    found = []
    for part in path.split("M")[1:]:
        first, steps = part.split("l")
        start = [int(v) for v in re.findall(r"-?\d+", first)]
        moves = np.array([int(v) for v in re.findall(r"-?\d+", steps)]).reshape(-1, 2)
        found.append(np.concatenate([[start], start + np.cumsum(moves, axis=0)]))
    return np.concatenate(found) * 0.05


def traces(source: str) -> list[np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
    root = ElementTree.fromstring(source)
    return [points(path.attrib["d"]) for path in root.iter() if "transform" in path.attrib]


@pytest.mark.promise
def test_a_second_is_25_mm_and_a_millivolt_10_mm() -> None:
    for height in (0.3, 1.0, 4.0, 6.5):
        strip = a_strip(height)
        paper = layout(strip, svg.TALLEST, doubled=False)
        source = strip_svg(strip, paper)
        assert "25 mm/s  10 mm/mV" in source
        for trace in traces(source):
            assert np.ptp(trace[:, 0]) == pytest.approx(25 * (5 - 1 / RATE), abs=0.06)
            assert np.ptp(trace[:, 1]) == pytest.approx(10 * height, abs=0.06)
            peak = trace[trace[:, 1].argmin(), 0]
            assert min(abs(peak - GUTTER - 25 * (BEATS.seconds - 60))) < 0.06


def test_the_picture_is_a_quarter_larger_than_paper_in_both_directions() -> None:
    strip = a_strip()
    picture = strip_picture(strip, "a strip", anchor="strip-1")
    root = ElementTree.fromstring(unquote(picture.source.removeprefix("data:image/svg+xml,")))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    assert width == pytest.approx(GUTTER + 125)
    for pixels, mm in ((picture.width, width), (picture.height, height)):
        assert pixels == pytest.approx(96 * INCHES * mm, abs=0.6)


def test_waves_too_high_for_the_page_are_drawn_at_half_the_gain_and_said_so() -> None:
    strip = a_strip(height=9.0)
    source = strip_svg(strip, layout(strip, svg.TALLEST, doubled=False))
    assert re.search(r'font-weight="bold">25 mm/s  5 mm/mV', source)


def test_every_beat_stands_under_its_wave() -> None:
    strip = a_strip()
    root = ElementTree.fromstring(strip_svg(strip, layout(strip)))
    texts = [t for t in root.iter() if t.tag.endswith("text") and (t.text or "").rstrip("?") in set("NSV")]
    assert [t.text for t in texts] == list(CALLED)
    assert [float(t.attrib["x"]) for t in texts] == pytest.approx(
        (GUTTER + 25 * (BEATS.seconds - 60)).tolist()
    )
    assert len({t.attrib["fill"] for t in texts}) == 3, "grey, and a colour a class"
    bottom = float(root.attrib["viewBox"].split()[3])
    assert all(bottom - CLOCK - RAIL < float(t.attrib["y"]) < bottom - CLOCK for t in texts)


def test_nobody_annotated_and_nothing_says_so() -> None:
    strip = a_strip()
    source = strip_svg(strip, layout(strip))
    assert ">called<" in source and ">annotated<" not in source


def test_missing_samples_interrupt_the_trace() -> None:
    strip = a_strip(leads=1)
    signal = strip.signal.copy()
    signal[0, 500:600] = np.nan
    path = trace_path(np.arange(1250) / 10, signal[0], RATE)
    assert path.count("M") == 2
    gap = np.diff(points(path)[:, 0]).max()
    assert gap == pytest.approx(10.1, abs=0.06)
    empty = replace(strip, signal=np.full_like(signal, np.nan))
    assert "nan" not in strip_svg(empty, layout(empty))


def test_of_dense_samples_the_lowest_and_the_highest_are_kept() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=8000)
    y[[4001, 4002]] = 30, -30
    kept = points(trace_path(np.arange(8000) / 40, y, 1000.0))
    assert len(kept) < 8000 / 2
    assert (kept[:, 1].min(), kept[:, 1].max()) == (-30, 30)


def test_names_are_words_and_no_markup() -> None:
    strip = replace(a_strip(), leads=["<b>&", "\"'"], beats=replace(BEATS, called=["<i>"] * 4))
    source = strip_svg(strip, layout(strip))
    said = {t.text for t in ElementTree.fromstring(source).iter() if t.text}
    assert {"<b>&", "\"'", "<i>"} <= said
