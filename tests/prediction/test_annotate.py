"""From a recording to its annotated beats."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.beats.segment import Segmenter
from ecgcli.choices.beat import Beat, CentredBeat, GivenBeat, KaggleBeat
from ecgcli.errors import EcgError
from ecgcli.learning.facts import ModelFacts
from ecgcli.prediction import annotate as module
from ecgcli.prediction import resampled
from ecgcli.prediction.annotate import Labels, annotate
from ecgcli.recordings.aami import BEAT_SYMBOLS
from ecgcli.recordings.source import Source, open_source
from ecgcli.recordings.wfdb_io import read_record
from tests.prediction.test_readable import an_ecg, at

RATE = 250.0


def centred(**changes: Any) -> CentredBeat:
    values = {"leads": ("MLII",), "rate": 125.0, "before": 0.3, "after": 0.5, "fallback": "other"}
    return CentredBeat(**{"name": "centred", "scaling": "record", **values, **changes})


class ByShape:
    """A classifier whose probabilities are a fixed function of what it is given, so that any change shows."""

    def __init__(self, beat: Beat) -> None:
        self.segmenter = Segmenter(beat)
        self.facts = ModelFacts.model_construct(classes=("N", "S", "V"), trained_on={}, review_below=0.6)

    def predict(
        self, signal: np.ndarray, index: None = None, device: str = "cpu", features: np.ndarray | None = None
    ) -> np.ndarray:
        flat = signal.reshape(len(signal), -1).astype(np.float64)
        said = np.stack([flat[:, ::3].sum(1), flat[:, 1::3].sum(1), flat[:, 2::3].sum(1)], axis=1)
        if features is not None and features.shape[1]:
            said += np.stack([features[:, i::3].sum(1) for i in range(3)], axis=1)
        said = np.exp(said - said.max(axis=1, keepdims=True))
        return np.asarray(said / said.sum(axis=1, keepdims=True))


def a_source(signal: np.ndarray, rate: float = RATE, leads: tuple[str, ...] = ("MLII",)) -> Source:
    return Source(
        name="somebody",
        path=Path("somebody"),
        rate=rate,
        leads=leads,
        samples=signal.shape[1],
        read=lambda start, end: signal[:, start:end],
        notes=(),
    )


@pytest.mark.promise
@settings(max_examples=6, deadline=None)
@given(
    block=st.integers(5, 700),
    piece=st.floats(20, 400),
    beat=st.sampled_from(
        [
            centred(),
            centred(rhythm=True, morphology=True),
            centred(scaling="beat", rate=100.0, rhythm=True, leads=("V1", "MLII")),
            KaggleBeat(name="kaggle", rhythm=True),
        ]
    ),
)
def test_beats_of_pieces_are_those_of_the_whole(
    mitdb_dir: Path, block: int, piece: float, beat: Beat
) -> None:
    record = read_record(mitdb_dir / "208")
    assert record.annotations is not None
    marks = record.annotations
    peaks = marks.sample[np.isin(marks.symbol, list(BEAT_SYMBOLS))]
    source, model = open_source(mitdb_dir / "208"), ByShape(beat)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resampled, "PIECE", piece)
        patch.setattr(module, "BLOCK", block)
        got = annotate(source, model, peaks=peaks)
    whole = model.segmenter.cut(record.signal, record.rate, record.leads, peaks)
    np.testing.assert_array_equal(got.sample, peaks[whole.kept])
    expected = model.predict(whole.signal, features=whole.features)
    # products of matrices differ in their last bits with the size of the piece
    np.testing.assert_allclose(got.probability, expected, atol=0.02)
    assert np.mean(got.called != expected.argmax(axis=1)) < 0.001


def test_no_beat_is_found_in_a_gap() -> None:
    signal = an_ecg(RATE)
    signal[:, at(20, 27)] = np.nan
    signal[:, at(40, 45)] = -1.0
    got = annotate(a_source(signal), ByShape(centred()))
    assert (got.unreadable / RATE).tolist() == [[20, 27], [40, 45]]
    assert len(got) > 50
    for start, end in got.unreadable:
        assert not ((got.sample >= start) & (got.sample < end)).any()
    between = np.isnan(got.rr)
    assert between.sum() == 2  # an interval that reaches over a gap is not known
    assert np.nanmax(got.rr) < 1.0


def test_a_model_learns_the_labels_of_the_beats_beside_them_and_of_no_others() -> None:
    signal = an_ecg(RATE)
    model = ByShape(centred(rhythm=True))
    whole = annotate(a_source(signal), model)
    own, shifted = whole.sample[:12], np.arange(12) % 2 * round(0.1 * RATE)
    far = (own[5] + own[6]) // 2  # between two beats, more than 150 ms from either
    sample = np.sort(np.append(own + shifted, far))
    label = np.where(sample == far, 2, np.searchsorted(own, sample, "right") % 2)
    told: list[np.ndarray] = []

    class Learned(ByShape):
        def predict(self, signal: np.ndarray, *args: Any, **more: Any) -> np.ndarray:
            return np.tile([0.0, 0.0, 1.0], (len(signal), 1))

    def learn(beats: np.ndarray, features: np.ndarray, known: np.ndarray) -> ByShape:
        told.extend((beats, features, known))
        return Learned(centred(rhythm=True))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", 7)
        got = annotate(a_source(signal), model, labels=Labels(sample, label, learn))
    cut = model.segmenter.cut(signal, RATE, ("MLII",), whole.sample)
    np.testing.assert_array_equal(told[2], np.arange(1, 13) % 2)
    np.testing.assert_allclose(told[0], cut.signal[:12], atol=0.01)
    assert told[1].shape == (12, cut.features.shape[1])
    assert (got.called == 2).all()
    assert (
        f"Adapted to 12 labelled beats (6 N, 6 S) of the first {sample[-1] / RATE / 60:.1f} minutes."
        in got.notes
    )


def test_labels_of_one_class_are_nothing_to_adapt_to() -> None:
    model = ByShape(centred())
    labels = Labels(np.array([10**6]), np.array([1]), lambda beats, features, known: model)
    got = annotate(a_source(an_ecg(RATE)), model, labels=labels)
    assert "Nothing to adapt to: the labelled beats that were found are of one class (none)." in got.notes
    assert len(annotate(a_source(np.zeros((1, 5000), np.float32)), model, labels=labels)) == 0


def test_beats_that_somebody_gives_are_kept_wherever_they_are() -> None:
    signal = an_ecg(RATE)
    signal[:, at(20, 27)] = np.nan
    peaks = np.array([1000, 2000, 5500, 9000])
    got = annotate(a_source(signal), ByShape(centred()), peaks=peaks)
    assert got.sample.tolist() == peaks.tolist()
    assert len(got.unreadable) == 0


def test_beats_below_the_threshold_are_for_review() -> None:
    source, model = a_source(an_ecg(RATE)), ByShape(centred())
    got = annotate(source, model)
    np.testing.assert_array_equal(got.review, got.confidence < 0.6)
    assert annotate(source, model, review_below=1.0).review.all()
    model.facts = model.facts.model_copy(update={"review_below": None})
    assert not annotate(source, model).review.any()


def test_leads_go_by_the_model_or_as_asked_for() -> None:
    signal = np.concatenate([an_ecg(RATE), -2 * an_ecg(RATE)])
    source, model = a_source(signal, leads=("V5", "mlii")), ByShape(centred(fallback="other"))
    assert annotate(source, model).read_leads == (1,)
    asked = annotate(source, model, leads=["v5"])
    assert asked.read_leads == annotate(source, model, leads=["0"]).read_leads == (0,)
    other = annotate(replace(source, leads=("V5", "V1")), model)
    assert other.read_leads == (0,) and "V5 stands in for MLII" in other.notes[0]
    with pytest.raises(EcgError, match="somebody: no lead II; expected one of V5, mlii"):
        annotate(source, model, leads=["II"])
    with pytest.raises(EcgError, match="somebody: leads=V5,mlii: the model reads 1: MLII"):
        annotate(source, model, leads=["V5", "mlii"])
    with pytest.raises(EcgError, match="no lead MLII, only V5, V1"):
        annotate(replace(source, leads=("V5", "V1")), ByShape(centred(fallback="refuse")))


def test_volts_taken_for_millivolts_are_noticed() -> None:
    with pytest.raises(EcgError, match=r"somebody: .*units=V"):
        annotate(a_source(an_ecg(RATE) / 1000), ByShape(centred()))


def test_a_model_of_ready_beats_cuts_none() -> None:
    with pytest.raises(EcgError, match="this model reads beats that are cut already"):
        annotate(a_source(an_ecg(RATE)), ByShape(GivenBeat(name="given", rate=250.0, scaling="none")))


def test_a_recording_shorter_than_a_beat_is_refused() -> None:
    with pytest.raises(EcgError, match="somebody: 100 samples at 250 Hz; expected 1 s or more"):
        annotate(a_source(an_ecg(RATE)[:, :100]), ByShape(centred()))


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_recording_without_a_beat_has_none(value: float) -> None:
    got = annotate(a_source(np.full((1, 5000), value, np.float32)), ByShape(centred(rhythm=True)))
    assert len(got) == 0 and got.unreadable.tolist() == [[0, 5000]]
    assert got.probability.shape == (0, 3)
