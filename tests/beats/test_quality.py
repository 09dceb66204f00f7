"""A beat with a known fault is found, a clean one of whatever class and rate is not."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.beats.from_records import Recording
from ecgcli.beats.quality import FAULTS, RecordFacts, quality, row_quality
from ecgcli.beats.record_facts import leads_that_differ, record_facts
from ecgcli.errors import EcgError
from ecgcli.recordings.aami import BEAT_SYMBOLS, CLASS_MAPS
from ecgcli.recordings.record import Annotations, Record
from ecgcli.recordings.simulate import simulate, sum_of_waves
from ecgcli.recordings.wfdb_io import read_record, write_record

STEP = 0.005  # mV, that of the MIT-BIH recorder
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# centre and width in seconds, height in mV in a limb lead and in V1
SINUS = [
    (-0.17, 0.02, 0.12, 0.05),
    (-0.025, 0.008, -0.1, 0.1),
    (0, 0.011, 1.1, -0.8),
    (0.28, 0.045, 0.3, 0.1),
]
TALL_T = [*SINUS[:3], (0.28, 0.045, 1.4, -1.0)]
VENTRICULAR = [(0, 0.035, 2.2, -1.6), (0.07, 0.03, -0.9, 0.4), (0.33, 0.06, -0.9, 0.7)]
PACED = [(-0.09, 0.002, 3.0, -2.0), (0, 0.04, -1.9, 1.4), (0.33, 0.06, 0.8, -0.5)]


def recording(
    rate: float = 360,
    beats: int = 60,
    per_minute: float = 70,
    every_third: list | None = None,
    noise: float = 0.01,
) -> tuple[Floats, Ints]:
    """(leads, time) in mV and R positions; every third beat of another kind."""
    times = 1 + np.arange(beats) * 60 / per_minute
    length = round((times[-1] + 1) * rate)
    shrink = min(1.0, np.sqrt(60 / per_minute))  # T waves come sooner in fast rhythms
    waves = [
        (time + centre * (shrink if centre > 0.2 else 1), width, *heights)
        for i, time in enumerate(times)
        for centre, width, *heights in (every_third if every_third and i % 3 == 2 else SINUS)
    ]
    signal = sum_of_waves(np.array(waves), rate, length)
    rng = np.random.default_rng(0)
    signal += noise * rng.normal(size=signal.shape)
    signal += 0.1 * np.sin(2 * np.pi * 0.25 * np.arange(length) / rate)  # breathing
    return np.round(signal / STEP) * STEP, np.rint(times * rate).astype(np.int64)


def faults_of(found: dict[str, npt.NDArray[np.bool_]]) -> dict[str, int]:
    """Fault → how many, without those that are not there."""
    return {fault: int(mask.sum()) for fault, mask in found.items() if mask.any()}


def where(mask: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(beat, lead) of each fault."""
    return [tuple(at) for at in np.argwhere(mask).tolist()]


# -- clean beats ---------------------------------------------------------------------------------------


@pytest.mark.promise
@pytest.mark.parametrize("rate", [100, 125, 128, 250, 257, 333.3, 360, 500, 1000])
@pytest.mark.parametrize("kind", [None, TALL_T, VENTRICULAR, PACED], ids=["sinus", "T", "V", "paced"])
def test_clean_beats_have_no_fault_whatever_their_shape_and_rate(rate: float, kind: list | None) -> None:
    signal, samples = recording(rate, every_third=kind)
    found = quality(signal.astype(np.float32), rate, samples)
    assert list(found) == list(FAULTS)
    assert all(mask.shape == (60, 2) for mask in found.values())
    assert faults_of(found) == {}


@pytest.mark.parametrize("per_minute", [35, 120, 180, 200])
@pytest.mark.parametrize("rate", [100, 360])
def test_slow_and_fast_rhythms_are_no_fault(rate: float, per_minute: float) -> None:
    assert faults_of(quality(*_with_rate(recording(rate, 80, per_minute), rate))) == {}


@pytest.mark.parametrize("rate", [250, 360])
def test_ventricular_tachycardia_is_no_fault(rate: float) -> None:
    signal, samples = recording(rate, 60)
    fast, at = recording(rate, 20, 170, every_third=None)
    run = [(1 + i * 60 / 170, w, a, b) for i in range(20) for _, w, a, b in [(0, 0.05, 2.0, -1.5)]]
    fast = sum_of_waves(np.array(run), rate, fast.shape[1]) + 0.01 * np.random.default_rng(1).normal(
        size=fast.shape
    )
    both, positions = np.hstack([signal, fast]), np.concatenate([samples, at + signal.shape[1]])
    assert faults_of(quality(both, rate, positions)) == {}


def test_a_noise_free_recording_has_no_fault() -> None:
    signal, samples = recording(noise=0)
    assert faults_of(quality(signal, 360, samples)) == {}


@pytest.mark.promise
def test_the_highest_beat_of_a_recording_is_not_clipped() -> None:
    signal, samples = recording()
    for at, height in ((samples[7], 3.0), (samples[30], -4.0)):
        signal[:, at - 20 : at + 21] += height * np.exp(-0.5 * (np.arange(-20, 21) / 4) ** 2)
    found = quality(np.round(signal / STEP) * STEP, 360, samples)
    assert not found["clipped"].any()


def test_simulated_patients_are_clean_between_their_spells_of_bad_contact() -> None:
    noisy = {"inside": [0, 0], "outside": [0, 0]}
    for patient in range(1, 9):
        record = simulate(patient, 6, seed=3)
        assert record.annotations is not None
        marks = record.annotations
        samples = marks.sample[np.isin(marks.symbol, list(BEAT_SYMBOLS))]
        found = quality(record.signal, record.rate, samples)
        assert faults_of({fault: found[fault] for fault in ("missing", "flat", "clipped")}) == {}
        edges = marks.sample[marks.symbol == "~"]
        inside = np.searchsorted(edges, samples) % 2 == 1
        for name, chosen in (("inside", inside), ("outside", ~inside)):
            noisy[name][0] += int(found["noisy"][chosen].any(axis=1).sum())
            noisy[name][1] += int(chosen.sum())
    share = {name: found / beats for name, (found, beats) in noisy.items()}
    assert noisy["outside"][1] > 2000
    assert noisy["inside"][1] > 50
    assert share["outside"] < 0.005
    assert share["inside"] > 0.2  # not every spell is extreme


# -- one fault at a known beat -------------------------------------------------------------------------


@pytest.mark.promise
@pytest.mark.parametrize("rate", [100, 250, 360, 1000])
def test_one_missing_sample_is_found_in_its_lead(rate: float) -> None:
    signal, samples = recording(rate)
    signal[1, samples[12] + round(0.2 * rate)] = np.nan
    signal[0, samples[40] - round(0.1 * rate)] = np.inf
    found = quality(signal, rate, samples)
    assert where(found.pop("missing")) == [(12, 1), (40, 0)]
    assert faults_of(found) == {}


@pytest.mark.promise
@pytest.mark.parametrize("rate", [100, 250, 360, 1000])
@pytest.mark.parametrize("rest", [0.0, 0.005])
def test_a_dead_lead_is_flat(rate: float, rest: float) -> None:
    """With and without the flicker of the last bit."""
    signal, samples = recording(rate)
    dead = slice(samples[20] - round(0.4 * rate), samples[24] + round(0.6 * rate))
    length = signal[1, dead].shape
    signal[1, dead] = 0.05 + rest * np.random.default_rng(2).integers(0, 3, length)
    found = quality(signal, rate, samples)
    assert where(found["flat"]) == [(beat, 1) for beat in range(20, 25)]
    assert not found["clipped"].any()
    assert not found["noisy"].any()


@pytest.mark.parametrize("dead", [0.0, np.nan])
def test_where_most_of_a_lead_is_dead_the_rest_is_still_judged_by_its_own_qrs(dead: float) -> None:
    signal, samples = recording()
    signal[0, : samples[40]] = dead
    found = quality(signal, 360, samples)
    assert not found["noisy"][42:].any()
    assert found["missing" if np.isnan(dead) else "flat"][:40, 0].all()


def test_a_lead_that_drops_out_after_the_qrs_is_flat() -> None:
    signal, samples = recording()
    after = slice(samples[9] + 60, samples[9] + 60 + 72)
    signal[0, after] = signal[0, after.start]
    assert where(quality(signal, 360, samples)["flat"]) == [(9, 0)]
    shorter = recording()[0]
    shorter[0, after.start : after.stop - 20] = shorter[0, after.start]
    assert not quality(shorter, 360, samples)["flat"].any()


@pytest.mark.promise
@pytest.mark.parametrize("rate", [100, 250, 360, 1000])
def test_beats_at_the_rail_are_clipped(rate: float) -> None:
    """A drifting baseline takes some beats out of the recorder's range, upwards and downwards."""
    signal, samples = recording(rate)
    time = np.arange(signal.shape[1]) / rate
    for beat, height in ((15, 5.0), (45, -5.0)):
        signal[0] += height * np.exp(-0.5 * ((time - samples[beat] / rate) / 1.0) ** 2)
    clipped = signal.clip(-4, 4)
    lost = (signal[0] >= 4) | (signal[0] <= -4)
    expected = [
        (i, 0)
        for i, at in enumerate(samples)
        if lost[max(0, at - round(0.3 * rate)) : at + round(0.5 * rate) + 1].any()
    ]
    assert 2 <= len(expected) < 20
    assert where(quality(clipped, rate, samples)["clipped"]) == expected


@pytest.mark.promise
@pytest.mark.parametrize("rate", [128, 250, 360, 1000])
@pytest.mark.parametrize(("decibels", "called"), [(5, True), (14, False)])
def test_muscle_noise_is_judged_by_its_ratio_to_the_qrs(rate: float, decibels: float, called: bool) -> None:
    """The ratio as WFDB's `nst` defines it: the square of the QRS height over 8 over the noise's power."""
    signal, samples = recording(rate, every_third=VENTRICULAR)
    window = signal[:, samples[0] - round(0.05 * rate) : samples[0] + round(0.05 * rate)]
    rms = np.ptp(window, axis=1) / np.sqrt(8) / 10 ** (decibels / 20)
    loud = slice(samples[30] - round(0.5 * rate), samples[39] + round(0.6 * rate))
    length = loud.stop - loud.start
    spectrum = np.fft.rfft(np.random.default_rng(4).normal(size=(2, length)))
    spectrum[:, np.fft.rfftfreq(length, 1 / rate) < 20] = 0  # muscle noise: 20 Hz and more
    noise = np.fft.irfft(spectrum, length)
    signal[:, loud] += rms[:, None] * noise / noise.std(axis=1, keepdims=True)
    found = quality(signal, rate, samples)["noisy"]
    assert found[30:40].all() if called else not found.any()
    assert not found[:29].any() and not found[41:].any()


@pytest.mark.parametrize("hertz", [50, 60])
def test_mains_hum_as_high_as_the_qrs_is_noise(hertz: float) -> None:
    signal, samples = recording(250)
    loud = slice(samples[20] - 125, samples[22] + 150)
    signal[0, loud] += 0.5 * np.sin(2 * np.pi * hertz * np.arange(loud.stop - loud.start) / 250)
    assert where(quality(signal, 250, samples)["noisy"]) == [(20, 0), (21, 0), (22, 0)]


@pytest.mark.parametrize("rate", [100, 360])
def test_a_baseline_that_runs_away_is_noise_and_breathing_is_not(rate: float) -> None:
    signal, samples = recording(rate)
    time = np.arange(signal.shape[1]) / rate
    breathing = signal + 0.4 * np.sin(2 * np.pi * 0.3 * time)
    assert faults_of(quality(breathing, rate, samples)) == {}
    signal[1] += 4 / (1 + np.exp(-(time - samples[25] / rate) / 0.15))  # 4 mV within about a second
    found = quality(signal, rate, samples)["noisy"]
    assert found[25, 1] and not found[:24].any() and not found[27:].any() and not found[:, 0].any()


@pytest.mark.parametrize("colour", ["white", "pink"])
def test_a_lead_of_noise_alone_is_noisy(colour: str) -> None:
    """The height of the QRS complex is not that of noise: pink noise has most of its power below 12 Hz."""
    signal, samples = recording()
    spectrum = np.fft.rfft(np.random.default_rng(5).normal(size=signal.shape[1]))
    hertz = np.fft.rfftfreq(signal.shape[1], 1 / 360)
    if colour == "pink":
        spectrum *= ((hertz > 1) & (hertz < 60)) / np.sqrt(hertz.clip(1))
    signal[1] = np.fft.irfft(spectrum, signal.shape[1])
    found = quality(signal, 360, samples)["noisy"]
    assert found[:, 1].mean() > 0.9
    assert not found[:, 0].any()


def test_a_beat_with_missing_samples_is_not_called_noisy() -> None:
    signal, samples = recording()
    signal[:, samples[9] - 200 : samples[9] + 250] += np.random.default_rng(6).normal(size=(2, 450))
    assert quality(signal, 360, samples)["noisy"][9].all()
    signal[1, samples[9] + 50 : samples[9] + 60] = np.nan
    found = quality(signal, 360, samples)
    assert found["noisy"][9].tolist() == [True, False]
    assert found["missing"][9].tolist() == [False, True]


@settings(max_examples=40, deadline=None)
@given(
    rate=st.sampled_from([100.0, 128.0, 250.0, 360.0, 1000.0]),
    seconds=st.floats(0.01, 6),
    seed=st.integers(0, 2**32 - 1),
)
def test_missing_flat_and_clipped_are_what_a_look_at_each_window_gives(
    rate: float, seconds: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    time = max(1, round(seconds * rate))
    signal = (
        np.repeat(rng.integers(-3, 4, size=(2, time)), rng.integers(1, 40, time), axis=1)[:, :time] * 0.02
    )
    signal[rng.random(signal.shape) < rng.choice([0, 0.002])] = np.nan
    samples = np.sort(rng.integers(0, time, size=rng.integers(0, 6)))
    found = quality(signal, rate, samples)
    for lead in range(2):
        values = signal[lead]
        rails = (
            [
                value
                for value in (np.nanmin(values), np.nanmax(values))
                if _longest(values == value) >= max(4, round(0.025 * rate))
                and np.nanmin(values) < np.nanmax(values)
            ]
            if not np.isnan(values).all()
            else []
        )
        for beat, at in enumerate(samples):
            window = values[max(0, at - round(0.3 * rate)) : at + round(0.5 * rate) + 1]
            assert found["missing"][beat, lead] == np.isnan(window).any()
            assert found["clipped"][beat, lead] == bool(np.isin(window, rails).any())
            constant = max(
                (_longest(window == value) for value in np.unique(window[~np.isnan(window)])), default=0
            )
            if constant >= round(0.2 * rate):
                assert found["flat"][beat, lead] or time < 2
            elif np.isnan(window).any() or np.ptp(window) > 0.05:
                assert not found["flat"][beat, lead]


def test_a_recording_without_beats_or_hardly_a_sample_has_no_fault() -> None:
    for time, samples in ((1000, []), (1, [0]), (5, [0, 4])):
        found = quality(np.full((3, time), 0.3), 360, np.array(samples, dtype=np.int64))
        assert all(mask.shape == (len(samples), 3) for mask in found.values())
        assert not found["noisy"].any()


def test_a_long_recording_needs_less_than_its_own_memory() -> None:
    signal = np.random.default_rng(0).normal(size=(4, 1_500_000)).astype(np.float32)
    samples = np.arange(1000, 1_499_000, 800)
    quality(signal[:, :5000], 360, samples[:3])  # imports
    tracemalloc.start()
    quality(signal, 360, samples)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < signal.nbytes


# -- rows of a table -----------------------------------------------------------------------------------


def rows_like_kaggle() -> npt.NDArray[np.float32]:
    """(8, 1, 187) at 120 Hz, min-max scaled, padded with zeros at the end."""
    signal, samples = recording(120, beats=10)
    rows = np.zeros((8, 1, 187), np.float32)
    for row, begin, end in zip(rows[:, 0], samples, samples[1:], strict=False):
        beat = signal[0, begin : end + 20]
        row[: len(beat)] = (beat - beat.min()) / np.ptp(beat)
    assert (rows[:, :, 130:] == 0).all()
    return rows


@pytest.mark.promise
def test_padding_is_no_fault() -> None:
    assert faults_of(row_quality(rows_like_kaggle(), 120)) == {}


@pytest.mark.promise
def test_faults_of_rows_are_found() -> None:
    rows = rows_like_kaggle()
    rows[1, 0, 30] = np.nan
    rows[2, 0, 30] = -np.inf
    rows[3] = 0
    rows[4] = 0.7
    rows[5, 0, 40:64] = rows[5, 0, 40]  # 0.2 s of 120 Hz
    rows[6, 0, :7] = 1  # the R peak is cut off
    found = row_quality(rows, 120)
    assert "noisy" not in found  # cannot be told of a single beat
    assert np.flatnonzero(found["missing"]).tolist() == [1, 2]
    assert np.flatnonzero(found["flat"]).tolist() == [3, 4, 5]
    assert np.flatnonzero(found["clipped"]).tolist() == [6]


def test_a_fault_in_one_lead_counts_and_padding_is_common_to_the_leads() -> None:
    rows = np.concatenate([rows_like_kaggle(), rows_like_kaggle()], axis=1)
    assert faults_of(row_quality(rows, 120)) == {}
    rows[2, 1] = 0  # a dead lead
    assert np.flatnonzero(row_quality(rows, 120)["flat"]).tolist() == [2]


def test_no_rows_have_no_fault() -> None:
    assert all(len(mask) == 0 for mask in row_quality(np.zeros((0, 1, 187), np.float32), 120).values())


# -- MIT-BIH -------------------------------------------------------------------------------------------


@pytest.mark.promise
@pytest.mark.parametrize("name", ["103", "116", "119", "223"])
def test_beats_at_the_ends_of_the_11_bit_converter_are_clipped(mitdb_dir: Path, name: str) -> None:
    record, raw = read_record(mitdb_dir / name), read_record(mitdb_dir / name, digital=True)
    assert record.annotations is not None
    samples = record.annotations.sample[np.isin(record.annotations.symbol, list(BEAT_SYMBOLS))]
    at_end = (raw.signal == 0) | (raw.signal == 2047)
    expected = [[lead[max(0, at - 108) : at + 181].any() for lead in at_end] for at in samples]
    found = quality(record.signal, record.rate, samples)
    np.testing.assert_array_equal(found["clipped"], expected)
    assert found["clipped"].any() == (name != "119")
    assert found["flat"].mean() < 0.003
    assert not found["missing"].any()


@pytest.mark.promise
@pytest.mark.parametrize("name", ["106", "107", "119", "208", "217", "223"])
def test_ventricular_and_paced_beats_are_not_taken_for_noise(mitdb_dir: Path, name: str) -> None:
    """Records with many of them; the first lead of all six is good."""
    record = read_record(mitdb_dir / name)
    assert record.annotations is not None
    beat = np.isin(record.annotations.symbol, list(BEAT_SYMBOLS))
    kind = np.array([CLASS_MAPS["aami"][symbol] for symbol in record.annotations.symbol[beat]])
    noisy = quality(record.signal, record.rate, record.annotations.sample[beat])["noisy"][:, 0]
    unusual = noisy[np.isin(kind, ["V", "Q", "F"])]
    assert len(unusual) > 400
    assert unusual.mean() < 0.003
    assert noisy.mean() < 0.003


@pytest.mark.promise
def test_the_records_known_as_noisy_are_noisier_than_the_clean_ones(mitdb_dir: Path) -> None:
    facts = record_facts(
        [Recording(mitdb_dir / n, n, n) for n in ("104", "105", "108", "203", "122", "220")], "atr"
    )
    share = {record.name: record.any_faulty["noisy"] for record in facts}
    assert min(share[name] for name in ("104", "105", "108", "203")) > 10 * max(share["122"], share["220"])
    assert max(share.values()) < 0.1


# -- facts on records ----------------------------------------------------------------------------------


@pytest.fixture
def two_records(tmp_path: Path) -> list[Recording]:
    signal, samples = recording()
    signal[0, samples[5]] = np.nan
    n = len(samples) + 2
    symbol = np.array(["N"] * n, dtype="<U4")
    symbol[[0, -1]] = ["+", "~"]
    marks = Annotations(
        np.concatenate([[5], samples, [samples[-1] + 5]]), symbol, np.zeros(n, np.int64), np.array([""] * n)
    )
    for name, rate, leads in (("a1", 360.0, ("MLII", "V1")), ("b2", 250.0, ("V1", "V5"))):
        write_record(tmp_path, Record(name, signal.astype(np.float32), rate, leads, marks, name))
    header = tmp_path / "b2.hea"
    header.write_text(header.read_text().replace("/mV", "/uV", 1))
    return [Recording(tmp_path / "a1", "study/a1", "Ann"), Recording(tmp_path / "b2", "study/b2", "Bob")]


def test_facts_say_what_the_header_and_the_beats_say(two_records: list[Recording]) -> None:
    first, second = record_facts(two_records, "atr")
    assert (first.name, first.subject, first.rate, first.leads) == ("study/a1", "Ann", 360, ("MLII", "V1"))
    assert (first.units, second.units) == (("mV", "mV"), ("uV", "mV"))
    assert first.beats == 60
    assert first.seconds == pytest.approx(1 + 59 * 60 / 70 + 1, abs=0.01)
    assert first.faulty["missing"] == (1 / 60, 0)
    assert first.any_faulty == {"missing": 1 / 60, "flat": 0, "clipped": 0, "noisy": 0}
    assert not first.unknown
    assert second.faulty["flat"] == (59 / 60, 0)  # the lead in microvolts


def test_facts_on_a_damaged_record_are_refused(two_records: list[Recording]) -> None:
    two_records[1].path.with_name("b2.dat").write_bytes(b"")
    with pytest.raises(EcgError, match=r"b2\.dat"):
        list(record_facts(two_records, "atr"))


def test_records_that_differ_are_told(two_records: list[Recording]) -> None:
    assert leads_that_differ(list(record_facts(two_records, "atr"))) == [
        "Records differ in rate: 360 Hz in study/a1; 250 Hz in study/b2.",
        "Records differ in units: mV in study/a1; uV, mV in study/b2.",
        "V1 is the second lead of study/a1.",
        "MLII is missing in study/b2.",
        "V5 is missing in study/a1.",
    ]


def some_facts(leads: dict[str, tuple[str, ...]]) -> list[RecordFacts]:
    return [RecordFacts(n, n, 1, 360, ("mV",) * len(x), x, 0, {}, {}, {}) for n, x in leads.items()]


def test_leads_that_differ_are_told_as_a_person_would() -> None:
    both = {str(n): ("MLII", "V1") for n in range(105, 114)}
    facts = some_facts({"102": ("V5", "V1"), "104": ("V5", "V1"), **both, "114": ("V1", "MLII")})
    assert leads_that_differ(facts) == [
        "V1 is the first lead of 114.",
        "MLII is missing in 102 and 104; it is the second lead of 114.",
        "V5 is only in 102 and 104.",
    ]
    assert leads_that_differ(some_facts(both)) == []
    assert leads_that_differ([]) == []


def test_many_records_are_counted_and_not_named() -> None:
    facts = some_facts({f"r{n}": ("I", "II")[: 1 + (n < 20)] for n in range(50)})
    assert leads_that_differ(facts) == [
        "Records differ in number of leads: 1 in 30 of 50 records; 2 in 20 of 50 records.",
        "II is only in 20 of 50 records.",
    ]


def _with_rate(made: tuple[Floats, Ints], rate: float) -> tuple[Floats, float, Ints]:
    return made[0], rate, made[1]


def _longest(mask: npt.NDArray[np.bool_]) -> int:
    longest = run = 0
    for value in mask.tolist():
        run = run + 1 if value else 0
        longest = max(longest, run)
    return longest
