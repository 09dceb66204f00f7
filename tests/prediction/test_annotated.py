"""An annotated recording says when its beats are, how sure they are, and which of them follow each other."""

from __future__ import annotations

import numpy as np
import pytest

from tests.prediction.recordings import a_recording


def test_beats_have_times_names_and_the_probability_of_what_they_were_called() -> None:
    recording = a_recording("NVS", rr=[1.0, 0.5], confidence=0.9)
    assert recording.seconds.tolist() == [0.5, 1.5, 2.0]
    assert recording.names.tolist() == ["N", "V", "S"]
    assert recording.confidence == pytest.approx(np.full(3, 0.9))
    assert len(recording) == 3


def test_a_beat_called_otherwise_than_most_probable_has_the_probability_of_its_call() -> None:
    recording = a_recording("N", probability=np.array([[0.3, 0.0, 0.7, 0.0, 0.0]]))
    assert recording.confidence.tolist() == [0.3]


def test_rr_intervals_are_from_each_beat_to_the_next() -> None:
    assert a_recording("NNNN", rr=[0.8, 1.2, 0.4]).rr == pytest.approx([0.8, 1.2, 0.4])


def test_no_rr_interval_spans_an_unreadable_stretch() -> None:
    # beats at 0.5, 1.5, 4.5 and 5.5 s
    recording = a_recording("NNNN", rr=[1.0, 3.0, 1.0], unreadable=[(2.0, 3.0)])
    assert recording.rr.tolist() == [1.0, pytest.approx(np.nan, nan_ok=True), 1.0]
    twice = a_recording("NNNN", rr=[1.0, 3.0, 1.0], unreadable=[(2.0, 2.5), (3.0, 3.5)])
    assert np.isnan(twice.rr).tolist() == [False, True, False]
    touching = a_recording("NN", rr=1.0, unreadable=[(0.504, 1.5)])
    assert np.isnan(touching.rr).all(), "a stretch that reaches from one beat to the next"


def test_stretches_before_the_first_and_after_the_last_beat_part_nothing() -> None:
    recording = a_recording("NNN", rr=1.0, unreadable=[(0, 0.4), (2.6, 2.9)])
    assert recording.rr.tolist() == [1.0, 1.0]


def test_what_is_unreadable_is_not_readable() -> None:
    recording = a_recording("NN", rr=9.0, unreadable=[(1.0, 2.5), (4, 5)])
    assert recording.readable_seconds == pytest.approx(10.0 - 2.5)
    assert a_recording("").readable_seconds == 10.0


@pytest.mark.parametrize("names", ["", "V"])
def test_one_beat_or_none_has_no_rr_interval(names: str) -> None:
    recording = a_recording(names)
    assert recording.rr.shape == (0,)
    assert recording.names.tolist() == list(names)
    assert recording.confidence.shape == (len(names),)
