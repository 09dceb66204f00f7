"""Where a beat starts and ends, its rate and its scale."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.beats.morphology import MORPHOLOGY_CONTEXT, morphology_names, usual_beats
from ecgcli.beats.rhythm import RHYTHM_CONTEXT, RHYTHM_NAMES, rhythm_features
from ecgcli.beats.segment import Segmenter
from ecgcli.choices.beat import CentredBeat, KaggleBeat
from ecgcli.errors import EcgError
from ecgcli.recordings.aami import BEAT_SYMBOLS
from ecgcli.recordings.wfdb_io import read_record

KAGGLE = Segmenter(KaggleBeat(name="kaggle"))
TWO = ("MLII", "V1")


def centred(**choices: Any) -> Segmenter:
    defaults: dict[str, Any] = {
        "rate": 360.0,
        "before": 0.25,
        "after": 0.5,
        "leads": ("MLII",),
        "fallback": "other",
        "scaling": "none",
    }
    return Segmenter.from_config(CentredBeat(name="centred", **{**defaults, **choices}))


def a_signal(seconds: float = 20, rate: float = 360, seed: int = 0) -> np.ndarray:
    """(2, time) in mV: smooth noise, so that it has something at every rate."""
    noise = np.random.default_rng(seed).normal(size=(2, round(seconds * rate)))
    kernel = np.hanning(max(3, round(0.06 * rate)))
    return np.stack([np.convolve(lead, kernel / kernel.sum(), mode="same") for lead in noise]).astype(
        np.float32
    )


def recipe(d: np.ndarray, b: np.ndarray, j: int) -> np.ndarray:
    """The window of the Kaggle files as it is published, one beat at a time."""
    window = d[b[j] : b[j] + int((b[j + 1] - b[j]) + 0.2 * (b[j + 2] - b[j + 1])) : 3].astype(np.float64)
    low, high = window.min(), window.max()
    scaled = (window - low) / (high - low) if high > low else window * 0
    row = np.zeros(187, dtype=np.float32)
    row[: len(scaled)] = scaled[:187]
    return row


# -- kaggle --------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 900), min_size=0, max_size=30), st.integers(0, 500))
def test_kaggle_beats_follow_the_recipe(intervals: list[int], first: int) -> None:
    marks = first + np.cumsum([0, *intervals])
    signal = a_signal(80)
    marks = marks[marks < signal.shape[1]]
    beats, kept, span, _ = KAGGLE.cut(signal, 360, TWO, marks)
    assert beats.shape == (max(0, len(marks) - 2), 1, 187)
    assert beats.dtype == np.float32
    assert kept.tolist() == list(range(len(beats)))  # all but the last two, which lack two following marks
    for j in kept:
        np.testing.assert_allclose(beats[j, 0], recipe(signal[0], marks, j), atol=1e-6)
        width = int((marks[j + 1] - marks[j]) + 0.2 * (marks[j + 2] - marks[j + 1]))
        assert span[j].tolist() == [marks[j], marks[j] + width]


def test_kaggle_beats_of_a_real_record_follow_the_recipe(mitdb_dir: Path) -> None:
    record = read_record(mitdb_dir / "208")
    assert record.annotations is not None
    marks = record.annotations.sample[np.isin(record.annotations.symbol, list(BEAT_SYMBOLS))]
    beats, kept, _, _ = KAGGLE.cut(record.signal, 360, record.leads, marks)
    assert len(beats) == len(marks) - 2
    for j in kept[::50]:
        np.testing.assert_allclose(beats[j, 0], recipe(record.signal[0], marks, j), atol=1e-6)


def test_kaggle_beats_of_another_rate_are_resampled_to_360_hz_first() -> None:
    t = np.arange(0, 20, 1 / 250)
    wave = (np.sin(2 * np.pi * 3 * t) + 0.3 * np.sin(2 * np.pi * 8 * t))[None]
    beats, _, span, _ = KAGGLE.cut(wave, 250, ("II",), np.array([1000, 1250, 1500]))
    seconds = 4 + np.arange(144) / 120  # 1.2 s at 120 Hz
    expected = np.sin(2 * np.pi * 3 * seconds) + 0.3 * np.sin(2 * np.pi * 8 * seconds)
    expected = (expected - expected.min()) / np.ptp(expected)
    np.testing.assert_allclose(beats[0, 0, :144], expected, atol=5e-3)
    assert (beats[0, 0, 144:] == 0).all()
    assert span.tolist() == [[1000, 1300]]


def test_kaggle_beats_are_not_filtered_before_every_third_sample_is_taken() -> None:
    spike = np.zeros((1, 1000), dtype=np.float32)
    spike[0, 103] = 1  # one sample wide: any filter would spread it
    beats, _, _, _ = KAGGLE.cut(spike, 360, ("I",), np.array([100, 400, 700]))
    assert np.flatnonzero(beats[0, 0]).tolist() == [1]
    spike[0, 103], spike[0, 104] = 0, 1  # between two samples taken: not seen at all
    assert not KAGGLE.cut(spike, 360, ("I",), np.array([100, 400, 700]))[0].any()


# -- centred -------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    positions=st.lists(st.integers(0, 7199), max_size=20),
    before=st.floats(0.05, 1.5),
    after=st.floats(0.05, 1.5),
)
def test_centred_windows_hold_the_samples_around_r(positions: list[int], before: float, after: float) -> None:
    segmenter, signal, marks = (
        centred(before=before, after=after),
        a_signal(),
        np.sort(np.array(positions, int)),
    )
    beats, kept, span, _ = segmenter.cut(signal, 360, TWO, marks)
    assert beats.shape == (len(marks), 1, segmenter.length)
    assert kept.tolist() == list(range(len(marks)))  # beats at the edges are kept too
    for j, r in enumerate(marks):
        first = r - round(before * 360)
        inside = np.clip(np.arange(first, first + segmenter.length), 0, 7199)
        np.testing.assert_array_equal(beats[j, 0], signal[0, inside])
        assert span[j].tolist() == [max(first, 0), min(first + segmenter.length, 7200)]


@pytest.mark.parametrize("rate", [128, 250, 257, 360, 1000])
def test_a_beat_looks_the_same_whatever_the_rate_of_the_recording(rate: int) -> None:
    def wave(t: np.ndarray) -> np.ndarray:
        return np.exp(-(((t - 5) / 0.02) ** 2)) - 0.3 * np.exp(-(((t - 5.3) / 0.06) ** 2))

    segmenter = centred(rate=125.0)
    t = np.arange(0, 10, 1 / rate)
    beats, _, span, _ = segmenter.cut(wave(t)[None], rate, ("MLII",), np.array([5 * rate]))
    at = 5 + (np.arange(segmenter.length) - round(0.25 * 125)) / 125
    np.testing.assert_allclose(beats[0, 0], wave(at), atol=0.02)
    assert span[0] == pytest.approx([(5 - 0.25) * rate, (5 + 0.5) * rate], abs=rate / 100)


def test_leads_are_taken_by_name() -> None:
    signal = a_signal()
    marks = np.array([1000])
    for leads, rows in {
        ("V1",): [1],
        ("mlii",): [0],
        ("V1", "MLII"): [1, 0],
        ("MLII", "other"): [0, 1],
    }.items():
        beats, _, _, _ = centred(leads=leads, fallback="refuse").cut(signal, 360, TWO, marks)
        both, _, _, _ = centred(leads=TWO).cut(signal, 360, TWO, marks)
        np.testing.assert_array_equal(beats[0], both[0, rows])


@pytest.mark.parametrize(
    ("asked", "has", "taken"),
    [
        (("MLII",), ("V5", "V2"), (0,)),  # records 102 and 104 of MIT-BIH
        (("MLII", "other"), ("V5", "MLII"), (1, 0)),  # record 114
        (("V1", "MLII"), ("MLII", "V5"), (1, 0)),  # a stand-in never takes a lead that is asked for by name
        (("other", "MLII"), ("MLII", "V5"), (1, 0)),
        (("MLII", "V1"), ("V5", "V2"), (0, 1)),
    ],
)
def test_another_lead_stands_in(asked: tuple[str, ...], has: tuple[str, ...], taken: tuple[int, ...]) -> None:
    assert centred(leads=asked).leads_taken(has) == taken


def test_a_lead_that_is_not_there_is_refused_if_so_wished() -> None:
    with pytest.raises(EcgError, match="no lead MLII, only V5, V2"):
        centred(fallback="refuse").cut(a_signal(), 360, ("V5", "V2"), np.array([1000]))
    with pytest.raises(EcgError, match=r"1 leads \(MLII\), expected 2"):
        centred(leads=("MLII", "V1")).cut(a_signal()[:1], 360, ("MLII",), np.array([1000]))


@settings(max_examples=20, deadline=None)
@given(gain=st.floats(0.05, 20), offset=st.floats(-5, 5), seed=st.integers(0, 1000))
def test_scaling_by_the_record_undoes_gain_and_offset(gain: float, offset: float, seed: int) -> None:
    segmenter, marks = centred(scaling="record", leads=TWO, rate=125.0), np.arange(300, 7000, 300)
    signal = a_signal(seed=seed).astype(np.float64)
    plain, _, _, _ = segmenter.cut(signal, 360, TWO, marks)
    changed, _, _, _ = segmenter.cut(signal * gain + offset, 360, TWO, marks)
    np.testing.assert_allclose(changed, plain, atol=2e-3)


def test_scaling_by_the_record_keeps_what_differs_between_beats() -> None:
    signal, marks = a_signal(), np.arange(300, 7000, 300)
    plain, _, _, _ = centred().cut(signal, 360, TWO, marks)
    scaled, _, _, _ = centred(scaling="record").cut(signal, 360, TWO, marks)
    factor = (scaled[0, 0, 1] - scaled[0, 0, 0]) / (plain[0, 0, 1] - plain[0, 0, 0])
    np.testing.assert_allclose(scaled, (plain - np.median(signal[0])) * factor, atol=1e-4)


def test_scaling_by_the_beat_is_the_z_score_of_its_window() -> None:
    beats, _, _, _ = centred(scaling="beat", leads=TWO).cut(a_signal(), 360, TWO, np.arange(300, 7000, 300))
    np.testing.assert_allclose(beats.mean(axis=-1), 0, atol=1e-5)
    np.testing.assert_allclose(beats.std(axis=-1), 1, atol=1e-4)


# -- both ----------------------------------------------------------------------------------------------

EVERY = [
    KAGGLE,
    Segmenter(KaggleBeat(name="kaggle", rhythm=True)),
    *(centred(scaling=s, rate=r) for s in ("record", "beat", "none") for r in (125.0, 360.0)),
    *(centred(scaling=s, rhythm=True, morphology=True) for s in ("record", "beat", "none")),
]


@pytest.mark.parametrize("segmenter", EVERY, ids=lambda s: s.beat.name)
@pytest.mark.parametrize("rate", [250, 360])
@pytest.mark.parametrize("level", [0.0, -3.3, 7.123])
def test_a_flat_signal_gives_no_nan_and_no_blown_up_rounding(
    segmenter: Segmenter, rate: float, level: float
) -> None:
    flat = np.full((2, 20 * rate), level, dtype=np.float32)
    beats, _, _, features = segmenter.cut(flat, rate, TWO, np.arange(300, 4000, 300))
    assert len(beats)
    assert np.isfinite(beats).all()
    np.testing.assert_allclose(features, 0, atol=1e-6)  # a flat signal, a steady rhythm
    assert np.ptp(beats, axis=-1).max() < 1e-4


@pytest.mark.parametrize("segmenter", EVERY, ids=lambda s: s.beat.name)
@pytest.mark.parametrize("lost", [slice(1000, 1400), slice(0, 700), slice(0, None)])
def test_missing_samples_give_no_nan(segmenter: Segmenter, lost: slice) -> None:
    signal = a_signal()
    signal[:, lost] = np.nan
    beats, _, _, features = segmenter.cut(signal, 360, TWO, np.arange(300, 7000, 300))
    assert np.isfinite(beats).all()
    assert np.isfinite(features).all()


@pytest.mark.parametrize("segmenter", EVERY, ids=lambda s: s.beat.name)
def test_no_beats_give_an_empty_cut(segmenter: Segmenter) -> None:
    beats, kept, span, features = segmenter.cut(a_signal(), 360, TWO, np.array([], dtype=np.int64))
    assert beats.shape == (0, segmenter.channels, segmenter.length)
    assert features.shape == (0, len(segmenter.feature_names))
    assert kept.shape == (0,)
    assert span.shape == (0, 2)


# -- rhythm and morphology -----------------------------------------------------------------------------

UNEVEN = np.cumsum(np.random.default_rng(0).integers(60, 500, 900))


@pytest.mark.parametrize("scaling", ["record", "beat", "none"])
def test_rhythm_and_morphology_leave_the_beats_themselves_as_they_are(scaling: str) -> None:
    signal, marks = a_signal(), UNEVEN[UNEVEN < 7200]
    plain = centred(scaling=scaling, leads=TWO)
    rich = centred(scaling=scaling, leads=TWO, rhythm=True, morphology=True)
    cut, more = plain.cut(signal, 360, TWO, marks), rich.cut(signal, 360, TWO, marks)
    assert (plain.channels, plain.feature_names, cut.features.shape) == (2, (), (len(marks), 0))
    assert more.signal.shape == (len(marks), rich.channels, rich.length) == (len(marks), 4, plain.length)
    np.testing.assert_array_equal(more.signal[:, :2], cut.signal)
    np.testing.assert_array_equal(more.span, cut.span)


@pytest.mark.parametrize("scaling", ["record", "none"])
def test_behind_the_leads_stands_the_usual_beat_of_each(scaling: str) -> None:
    marks = np.arange(100, 7000, 150)
    beats = centred(scaling=scaling, leads=TWO, morphology=True).cut(a_signal(), 360, TWO, marks).signal
    np.testing.assert_array_equal(beats[:, 2:], usual_beats(beats[:, :2]))


def test_the_usual_beat_is_scaled_as_a_beat_is() -> None:
    beats = centred(scaling="beat", morphology=True).cut(a_signal(), 360, TWO, UNEVEN[:20]).signal
    np.testing.assert_allclose(beats.mean(axis=-1), 0, atol=1e-5)
    np.testing.assert_allclose(beats.std(axis=-1), 1, atol=1e-4)


def test_features_have_a_name_each_rhythm_first() -> None:
    both = centred(leads=TWO, rhythm=True, morphology=True)
    assert both.feature_names == (*RHYTHM_NAMES, *morphology_names(TWO))
    assert centred(leads=TWO, morphology=True).feature_names == morphology_names(TWO)
    assert len(set(both.feature_names)) == len(both.feature_names)
    marks = UNEVEN[:20]
    features = both.cut(a_signal(), 360, TWO, marks).features
    assert features.shape == (20, len(both.feature_names))
    np.testing.assert_array_equal(features[:, : len(RHYTHM_NAMES)], rhythm_features(marks, 360))


def test_rhythm_of_kaggle_beats_counts_the_beats_that_are_left_out() -> None:
    segmenter = Segmenter(KaggleBeat(name="kaggle", rhythm=True))
    marks = np.array([100, 400, 400, 700, 900, 1400, 1700])  # two in one place: the first has no window
    cut = segmenter.cut(a_signal(), 360, TWO, marks)
    assert len(cut.kept) == 5
    np.testing.assert_array_equal(cut.features, rhythm_features(marks, 360)[cut.kept])
    assert segmenter.feature_names == RHYTHM_NAMES
    assert segmenter.channels == 1


@pytest.mark.promise
@pytest.mark.parametrize(
    "segmenter",
    [
        KAGGLE,
        Segmenter(KaggleBeat(name="kaggle", rhythm=True)),
        centred(rhythm=True),
        centred(after=0.1, morphology=True, scaling="beat"),
        centred(after=0.1, leads=TWO, morphology=True, rhythm=True),
    ],
    ids=lambda s: f"{s.beat.name}-{s.context_beats}",
)
def test_a_recording_cut_in_pieces_gives_the_beats_of_the_whole(segmenter: Segmenter) -> None:
    signal = a_signal(UNEVEN[-1] / 360 + 5)
    whole = segmenter.cut(signal, 360, TWO, UNEVEN)
    cuts = [0, 250, 501, 700]  # the first and one past the last beat of each piece
    for first, last in itertools.pairwise(cuts):
        begin, end = max(first - segmenter.context_beats, 0), last + segmenter.context_beats
        start = max(UNEVEN[begin] - 180, 0)
        piece = segmenter.cut(
            signal[:, start : UNEVEN[min(end, 899)] + 180], 360, TWO, UNEVEN[begin:end] - start
        )
        wanted, got = [(c.kept >= a) & (c.kept < b) for c, a, b in (
            (whole, first, last), (piece, first - begin, last - begin)
        )]  # fmt: skip
        assert got.sum() == wanted.sum() > 190
        np.testing.assert_array_equal(piece.signal[got], whole.signal[wanted])
        np.testing.assert_array_equal(piece.features[got], whole.features[wanted])


def test_the_context_of_neighbours_is_said_in_words_and_as_a_number() -> None:
    assert (KAGGLE.context_beats, centred().context_beats) == (2, 0)
    assert centred(rhythm=True).context_beats == RHYTHM_CONTEXT
    assert centred(morphology=True).context_beats == MORPHOLOGY_CONTEXT
    rich = centred(rhythm=True, morphology=True)
    assert rich.context_beats == max(RHYTHM_CONTEXT, MORPHOLOGY_CONTEXT)
    assert f"the signal of {MORPHOLOGY_CONTEXT} beats before and after it" in rich.context
    assert f"the R peaks of {RHYTHM_CONTEXT} beats before and after it" in rich.context


def test_a_real_record_has_finite_features_and_a_usual_beat(mitdb_dir: Path) -> None:
    record = read_record(mitdb_dir / "207")  # flutter, three kinds of beats, noise
    assert record.annotations is not None
    marks = record.annotations.sample[np.isin(record.annotations.symbol, list(BEAT_SYMBOLS))]
    segmenter = centred(rate=125.0, leads=("MLII", "other"), scaling="record", rhythm=True, morphology=True)
    cut = segmenter.cut(record.signal, record.rate, record.leads, marks)
    assert cut.features.shape == (len(marks), len(segmenter.feature_names))
    assert np.isfinite(cut.features).all()
    np.testing.assert_array_equal(cut.signal[:, 2:], usual_beats(cut.signal[:, :2]))


# -- what is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize("segmenter", EVERY, ids=lambda s: s.beat.name)
@pytest.mark.parametrize(
    ("rate", "names", "samples", "said"),
    [
        (360, TWO, [10, 7200], "do not ascend within"),
        (360, TWO, [-1, 10], "do not ascend within"),
        (360, TWO, [500, 400], "do not ascend within"),
        (0, TWO, [500], "sampling rate of 0 Hz"),
        (float("nan"), TWO, [500], "sampling rate of nan Hz"),
        (360, ("MLII",), [500], "1 lead names"),
    ],
)
def test_what_cannot_be_cut_is_refused(
    segmenter: Segmenter, rate: float, names: tuple[str, ...], samples: list[int], said: str
) -> None:
    with pytest.raises(EcgError, match=said):
        segmenter.cut(a_signal(), rate, names, np.array(samples))


@pytest.mark.parametrize("segmenter", EVERY, ids=lambda s: s.beat.name)
def test_a_segmenter_travels_as_plain_json(segmenter: Segmenter) -> None:
    read = Segmenter.from_dict(json.loads(json.dumps(segmenter.to_dict())))
    assert read == segmenter
    assert (read.length, read.leads, read.rate, read.context) == (
        segmenter.length,
        segmenter.leads,
        segmenter.rate,
        segmenter.context,
    )


def test_a_segmenter_says_what_it_is() -> None:
    assert (KAGGLE.length, KAGGLE.rate, KAGGLE.leads) == (187, 120, ("first",))
    assert "R peaks that follow" in KAGGLE.context
    window = centred(rate=125.0, before=0.3, after=0.5, scaling="record")
    assert (window.length, window.rate, window.leads) == (100, 125, ("MLII",))
    assert window.context == "0.3 s before R to 0.5 s after it; scaled by the whole recording"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (None, "segmenter"),
        ([], "segmenter"),
        ({}, "segmenter"),
        ({"name": "wavelet"}, "wavelet"),
        ({"name": "kaggle", "length": 200}, "segmenter.length"),
        ({**centred().to_dict(), "rate": 1e9}, "segmenter.rate"),
        ({**centred().to_dict(), "rate": "360"}, "segmenter.rate"),
        ({**centred().to_dict(), "before": float("nan")}, "segmenter"),
        ({**centred().to_dict(), "leads": []}, "segmenter.leads"),
        ({**centred().to_dict(), "scaling": "os.system('id')"}, "segmenter.scaling"),
        ({k: v for k, v in centred().to_dict().items() if k != "after"}, "segmenter.after"),
    ],
)
def test_a_damaged_segmenter_is_refused_in_one_line(values: Any, said: str) -> None:
    with pytest.raises(EcgError) as caught:
        Segmenter.from_dict(values)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
