"""Couplets, runs, pauses and rates are those that one counts by hand."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.prediction.events import PAUSE, RATE_BEATS, RUN, Event, summarise
from tests.prediction.recordings import a_recording


def kinds(names: str, **more: object) -> list[tuple[str, str, int, int]]:
    events = summarise(a_recording(names, **more)).events  # type: ignore[arg-type]
    return [(event.kind, event.name, event.first, event.beats) for event in events]


@pytest.mark.promise
def test_two_ectopic_beats_are_a_couplet_and_three_a_run() -> None:
    assert kinds("NVNVVNVVVNVVVV") == [
        ("couplet", "V", 3, 2),
        ("run", "V", 6, 3),
        ("run", "V", 10, 4),
    ]
    assert kinds("SSNSSS") == [("couplet", "S", 0, 2), ("run", "S", 3, 3)]


def test_beats_of_another_class_end_a_run() -> None:
    assert kinds("VVSSSV") == [("couplet", "V", 0, 2), ("run", "S", 2, 3)]
    assert kinds("VFVQV") == []
    assert kinds("FFFQQQ") == [], "only ventricular and supraventricular beats make runs"


@pytest.mark.promise
def test_beats_that_an_unreadable_stretch_keeps_apart_are_in_no_run() -> None:
    # beats at 0.5, 1.0, 3.0 and 3.5 s
    apart = {"rr": [0.5, 2.0, 0.5], "unreadable": [(1.5, 2.5)]}
    assert kinds("VVVV", **apart) == [("couplet", "V", 0, 2), ("couplet", "V", 2, 2)]
    assert kinds("VVVV", rr=[0.5, 2.0, 0.5]) == [("run", "V", 0, 4)]


def test_a_pause_is_an_rr_interval_above_two_seconds() -> None:
    (pause,) = summarise(a_recording("NNNN", rr=[2.0, 2.004, 1.9])).events
    assert (pause.kind, pause.name, pause.first, pause.last, pause.rate) == ("pause", "", 1, 2, None)
    assert (pause.start, pause.seconds) == (2.5, pytest.approx(2.004))


def test_what_cannot_be_read_is_no_pause() -> None:
    assert kinds("NNN", rr=[5.0, 1.0], unreadable=[(2.0, 4.0)]) == []
    assert kinds("NNN", rr=[5.0, 3.0], unreadable=[(2.0, 2.1)]) == [("pause", "", 1, 2)]


def test_silence_beside_an_unreadable_stretch_is_told_though_it_is_no_pause() -> None:
    # beats at 0.5, 1.5, 10.5 and 11.5 s
    recording = a_recording("NNNN", rr=[1.0, 9.0, 1.0], unreadable=[(5.0, 9.0)])
    summary = summarise(recording)
    assert summary.silences == ((1.5, 5.0),), "from 9 to 10.5 s is too short"
    assert summary.longest_pause() is None
    assert summarise(a_recording("", unreadable=[(4.0, 9.0)])).silences == ((0.0, 4.0),)
    assert summarise(a_recording("N", samples=250 * 9)).silences == ((0.5, 9.0),)
    assert summarise(a_recording("NNN")).silences == ()


def test_burden_is_a_share_of_all_beats() -> None:
    summary = summarise(a_recording("NNNNNNVVSQ"))
    assert summary.counts == {"N": 6, "S": 1, "V": 2, "F": 0, "Q": 1}
    assert summary.burden == {"N": 0.6, "S": 0.1, "V": 0.2, "F": 0.0, "Q": 0.1}
    assert (summary.beats, summary.isolated("S"), summary.isolated("V")) == (10, 1, 0)


def test_rates_are_those_of_the_intervals() -> None:
    slow, fast = [1.2] * RATE_BEATS, [0.4] * RATE_BEATS
    summary = summarise(a_recording("N" * 17, rr=[*slow, *fast]))
    assert summary.mean_rate == pytest.approx(60 / 0.8)
    assert summary.lowest_rate is not None and summary.highest_rate is not None
    assert (summary.lowest_rate.bpm, summary.lowest_rate.start) == (pytest.approx(50), 0.5)
    assert (summary.highest_rate.bpm, summary.highest_rate.start) == (pytest.approx(150), pytest.approx(10.1))


def test_no_extreme_rate_spans_an_unreadable_stretch() -> None:
    # 8 intervals before the stretch, 7 after it
    recording = a_recording("N" * 17, rr=[1.0] * 8 + [3.0] + [0.4] * 7, unreadable=[(9.0, 11.0)])
    summary = summarise(recording)
    assert summary.highest_rate == summary.lowest_rate
    assert summary.highest_rate is not None and summary.highest_rate.bpm == pytest.approx(60)
    assert summarise(a_recording("N" * RATE_BEATS)).lowest_rate is None


def test_the_longest_and_the_fastest_run_are_found() -> None:
    rr = [0.5, 0.5, 0.5, 1.0, 1.0, 0.3, 0.3, 1.0]
    summary = summarise(a_recording("VVVVNVVVN", rr=rr))
    longest, fastest = summary.longest_run("V"), summary.fastest_run("V")
    assert longest is not None and fastest is not None
    assert (longest.beats, longest.rate, longest.start) == (4, pytest.approx(120), 0.5)
    assert (fastest.beats, fastest.rate, fastest.start) == (3, pytest.approx(60 / 0.3, rel=0.01), 4.0)
    assert summary.longest_run("S") is None and summary.fastest_run("S") is None


@settings(deadline=None)
@given(st.integers(2, 12), st.sampled_from([128.0, 250.0, 360.0, 333.3]))
def test_of_equal_events_the_first_is_named(times: int, rate: float) -> None:
    """Intervals are equal in samples; in seconds they differ in their last digits."""
    steps = ([30, 31, 400, 700] * times)[:-1]
    sample = np.cumsum([7, *steps])
    recording = a_recording("VVVN" * times, rate=rate, sample=sample, samples=int(sample[-1]) + 1)
    summary = summarise(recording)
    for event in (summary.longest_run("V"), summary.fastest_run("V")):
        assert event is not None and event.first == 0
    pause = summary.longest_pause()
    assert pause is None or pause.first == 3
    if summary.highest_rate and summary.lowest_rate:
        assert summary.highest_rate.start == 7 / rate
        assert summary.lowest_rate.start <= sample[3] / rate


@pytest.mark.parametrize("names", ["", "N"])
def test_one_beat_or_none_has_no_rate_and_no_events(names: str) -> None:
    summary = summarise(a_recording(names))
    assert summary.mean_rate is summary.lowest_rate is summary.highest_rate is None
    assert summary.events == ()
    assert summary.burden["V"] == (None if not names else 0.0)


def test_a_model_without_a_class_counts_no_runs_of_it() -> None:
    summary = summarise(a_recording("NVVVN", classes=("N", "V")))
    assert summary.longest_run("V") is not None and summary.of("run", "S") == []
    assert summarise(a_recording("aab", classes=("a", "b"))).events == ()


def test_a_summary_is_plain_data() -> None:
    summary = summarise(a_recording("NVVVN" * 5, rr=([0.8] * 5 + [2.5]) * 4))
    assert json.loads(json.dumps(asdict(summary)))["counts"]["V"] == 15


beats = st.lists(st.tuples(st.sampled_from("NSVFQ"), st.integers(20, 900), st.booleans()), max_size=40)


@settings(deadline=None)
@given(beats)
def test_events_are_those_of_a_walk_from_beat_to_beat(made: list[tuple[str, int, bool]]) -> None:
    """Each beat: its class, samples to the next, whether a part of these cannot be read."""
    names = "".join(name for name, _, _ in made)
    sample = 5 + np.cumsum([0, *(step for _, step, _ in made)])
    gaps = [(a + 3, b - 2) for (_, _, gap), a, b in zip(made, sample[:-1], sample[1:], strict=True) if gap]
    recording = a_recording(
        names,
        sample=sample[:-1],
        samples=int(sample[-1]),
        unreadable=np.array(gaps, np.int64).reshape(-1, 2) / 250.0,  # type: ignore[arg-type]
    )
    # stretches of beats in a row, a new one after every gap
    rows = np.concatenate([[0], np.cumsum([gap for _, _, gap in made])])[:-1] if made else []
    expected = []
    for (_, name), row in groupby(range(len(made)), key=lambda i: (rows[i], names[i])):
        members = list(row)
        if name in "SV" and len(members) > 1:
            kind = "couplet" if len(members) < RUN else "run"
            expected.append((members[0], members[-1], kind, name))
    for i, (_, step, gap) in enumerate(made[:-1]):
        if not gap and step > PAUSE * 250:
            expected.append((i, i + 1, "pause", ""))
    summary = summarise(recording)
    found = [(event.first, event.last, event.kind, event.name) for event in summary.events]
    assert sorted(found) == sorted(expected)
    assert found == sorted(found, key=lambda event: event[:2])
    assert sum(summary.counts.values()) == summary.beats == len(made)
    known = [step / 250 for _, step, gap in made[:-1] if not gap]
    assert summary.mean_rate == (pytest.approx(60 / np.mean(known)) if known else None)
    for event in summary.events:
        check_times(event, sample)


def check_times(event: Event, sample: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    seconds = (sample[event.last] - sample[event.first]) / 250
    assert (event.start, event.seconds) == (sample[event.first] / 250, seconds)
    if event.rate is not None:
        assert event.rate * seconds == pytest.approx(60 * (event.beats - 1))
