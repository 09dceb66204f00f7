"""Stretches of a recording that cannot be read."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.prediction.readable import Frames, frame_length, frames, unreadable
from ecgcli.recordings.wfdb_io import read_record

RATE = 250.0
SECONDS = 60


def an_ecg(rate: float = RATE, seconds: int = SECONDS) -> np.ndarray:
    """(1, time) in mV: a sharp wave of 1 mV every 0.8 s over a quiet baseline, as a clean recorder has it."""
    time = np.arange(round(seconds * rate)) / rate
    waves = np.exp(-0.5 * (((time + 0.4) % 0.8 - 0.4) / 0.015) ** 2)
    rng = np.random.default_rng(0)
    return (waves + 0.003 * rng.standard_normal(len(time))).astype(np.float32)[None]


def stretches(signal: np.ndarray, rate: float = RATE, height: float = 1.0) -> list[tuple[float, float]]:
    """What cannot be read, in seconds."""
    found = unreadable(frames(signal, rate), rate, signal.shape[1], np.full(len(signal), height))
    return [(start / rate, end / rate) for start, end in found]


def at(start: float, end: float, rate: float = RATE) -> slice:
    return slice(round(start * rate), round(end * rate))


def test_a_clean_recording_is_readable_throughout() -> None:
    assert stretches(an_ecg()) == []


def test_a_gap_is_unreadable_from_its_first_to_its_last_half_second() -> None:
    signal = an_ecg()
    signal[:, at(20, 27)] = np.nan
    assert stretches(signal) == [(20, 27)]


def test_a_lost_moment_is_left_to_the_judgement_of_beats() -> None:
    signal = an_ecg()
    signal[:, at(20, 20.2)] = np.nan
    assert stretches(signal) == []


def test_a_flat_line_is_unreadable() -> None:
    signal = an_ecg()
    signal[:, at(30, 34)] = 0.25
    assert stretches(signal) == [(30, 34)]


def test_a_lead_that_is_off_is_unreadable_though_its_noise_moves() -> None:
    signal = an_ecg()
    signal[:, at(30, 45)] = 0.003 * np.random.default_rng(1).standard_normal((1, round(15 * RATE)))
    ((start, end),) = stretches(signal)
    assert 29 <= start <= 31 and 44 <= end <= 46


def test_a_standstill_of_the_heart_is_not_taken_for_a_lead_that_is_off() -> None:
    signal = an_ecg()
    signal[:, at(30, 38)] = 0.003 * np.random.default_rng(1).standard_normal((1, round(8 * RATE)))
    assert stretches(signal) == []


def test_a_saturated_signal_is_unreadable() -> None:
    signal = an_ecg()
    wave = np.sign(np.sin(2 * np.pi * 1.5 * np.arange(round(5 * RATE)) / RATE))  # from rail to rail
    signal[:, at(30, 35)] = 5.0 * np.where(wave == 0, 1, wave)
    assert stretches(signal) == [(30, 35)]


def test_noise_that_hides_the_beats_is_unreadable_if_it_lasts() -> None:
    signal = an_ecg()
    noise = 0.6 * np.random.default_rng(2).standard_normal((1, len(signal[0]))).astype(np.float32)
    signal[:, at(20, 30)] += noise[:, at(20, 30)]
    assert stretches(signal) == [(20, 30)]
    short = an_ecg()
    short[:, at(20, 23)] += noise[:, at(20, 23)]
    assert stretches(short) == []


def test_stretches_less_than_a_second_apart_are_one() -> None:
    signal = an_ecg()
    signal[:, at(20, 22)] = np.nan
    signal[:, at(22.5, 25)] = np.nan
    assert stretches(signal) == [(20, 25)]


def test_any_lead_that_the_model_reads_can_make_a_stretch_unreadable() -> None:
    both = np.concatenate([an_ecg(), an_ecg()])
    both[0, at(10, 12)], both[1, at(40, 43)] = np.nan, np.nan
    assert stretches(both) == [(10, 12), (40, 43)]


def test_nothing_at_all_is_unreadable_from_end_to_end() -> None:
    assert stretches(np.full((1, 1000), np.nan, np.float32)) == [(0, 4)]
    assert stretches(np.zeros((1, 1000), np.float32), height=0.0) == [(0, 4)]
    assert stretches(np.zeros((1, 130), np.float32), height=0.0) == [(0, 130 / RATE)]


@settings(max_examples=30, deadline=None)
@given(cut=st.lists(st.integers(1, 119), max_size=5), rate=st.sampled_from([125.0, 250.0, 360.0]))
def test_frames_of_pieces_are_those_of_the_whole(cut: list[int], rate: float) -> None:
    signal = an_ecg(rate)
    signal[:, at(3, 9.3, rate)] = np.nan
    edges = [0, *sorted({n * frame_length(rate) for n in cut}), signal.shape[1]]
    pieces = [frames(signal[:, a:b], rate) for a, b in pairwise(edges) if a < b]
    joined, whole = Frames.joined(pieces), frames(signal, rate)
    for name in ("low", "high", "missing", "held", "noise"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name), err_msg=name)


@pytest.mark.promise
def test_little_of_mitbih_is_unreadable(mitdb_dir: Path) -> None:
    lost, seconds = 0.0, 0.0
    for name in ("100", "105", "108", "200", "203", "207", "228", "232"):  # clean and noisy ones
        record = read_record(mitdb_dir / name, annotator=None)
        found = stretches(record.signal[:1], record.rate, height=1.0)
        lost += sum(end - start for start, end in found)
        seconds += record.signal.shape[1] / record.rate
    assert lost / seconds < 0.02
