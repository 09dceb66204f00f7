"""Simulated recordings: what a cardiologist, a WFDB reader and a classifier find in them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.errors import EcgError
from ecgcli.recordings.aami import BEAT_SYMBOLS, CLASS_MAPS, CLASSES, NON_BEAT_SYMBOLS
from ecgcli.recordings.record import Record
from ecgcli.recordings.simulate import RANGE, simulate, sum_of_waves, write_demo
from ecgcli.recordings.simulated_patient import patient
from ecgcli.recordings.simulated_rhythm import Heart, sinus_cycle

AAMI = CLASS_MAPS["aami"]
SINUS = ("N", "L", "R")
RATE = 360


@pytest.fixture(scope="module")
def demo() -> list[Record]:
    """The default demo: 40 patients, 5 minutes each."""
    return [simulate(number, 5, seed=0) for number in range(1, 41)]


def beats(record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Samples and symbols of the beats, without rhythm and noise marks."""
    assert record.annotations is not None
    is_beat = np.isin(record.annotations.symbol, list(BEAT_SYMBOLS))
    return record.annotations.sample[is_beat], record.annotations.symbol[is_beat]


def triples(record: Record, middle: str) -> np.ndarray:
    """(n, 3): RR before the previous sinus beat, and before and after each lone premature beat."""
    sample, symbol = beats(record)
    rows = []
    for i in range(2, len(symbol) - 1):
        neighbours = [symbol[i - 2], symbol[i - 1], symbol[i + 1]]
        if symbol[i] == middle and all(s in SINUS for s in neighbours):
            rows.append(np.diff(sample[i - 2 : i + 2]) / record.rate)
    return np.array(rows).reshape(-1, 3)


def mean_beat(record: Record, name: str, half: float = 0.12) -> np.ndarray:
    """(leads, time) mean of the beats of a class about their fiducials."""
    sample, symbol = beats(record)
    width = round(half * record.rate)
    at = [s for s, y in zip(sample, symbol, strict=True) if AAMI[y] == name]
    at = [s for s in at if width <= s < record.signal.shape[1] - width]
    cut = np.stack([record.signal[:, s - width : s + width + 1] for s in at])
    return (cut - np.median(cut, axis=2, keepdims=True)).mean(axis=0)


# -- the model of McSharry et al. --


def test_a_wave_is_the_solution_of_the_dynamical_equation() -> None:
    """dz/dt = −ω·Σ a·Δθ/b²·exp(−Δθ²/2b²), integrated numerically, on the angles of their table I."""
    from scipy.integrate import solve_ivp

    theta = np.pi * np.array([-1 / 3, -1 / 12, 0, 1 / 12, 1 / 2])  # P, Q, R, S, T
    width = np.array([0.25, 0.1, 0.1, 0.1, 0.4])
    height = np.array([0.12, -0.05, 1.0, -0.08, 0.2])
    omega = 2 * np.pi

    def slope(t: float, z: np.ndarray) -> np.ndarray:
        delta = omega * (t - 1.0) - theta
        return np.array([-omega * np.sum(height * delta / width**2 * np.exp(-0.5 * (delta / width) ** 2))])

    time = np.arange(2 * RATE) / RATE
    oracle = solve_ivp(slope, (0, 2), [0.0], t_eval=time, rtol=1e-9, atol=1e-9, max_step=0.01).y[0]
    waves = np.stack([1 + theta / omega, width / omega, height, -height], axis=1)

    signal = sum_of_waves(waves, RATE, 2 * RATE)

    np.testing.assert_allclose(signal, [oracle, -oracle], atol=1e-4)


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_the_sinus_cycle_has_the_mean_the_spread_and_the_two_peaks_asked_for(number: int) -> None:
    person = patient(number, np.random.default_rng(number))

    cycle = sinus_cycle(person, 600, np.random.default_rng(0))

    assert cycle.mean() == pytest.approx(person.rr, rel=0.01)
    assert cycle.std() == pytest.approx(person.rr_sd, rel=0.05)
    f = np.fft.rfftfreq(len(cycle), 0.25)
    power = np.abs(np.fft.rfft(cycle - cycle.mean())) ** 2
    mayer = power[np.abs(f - 0.1) < 0.04].sum()
    respiration = power[np.abs(f - person.breath) < 0.04].sum()
    assert mayer + respiration > 0.95 * power.sum()
    assert mayer / respiration == pytest.approx(person.lf_hf, rel=0.2)


# -- what a cardiologist sees --


def test_hearts_beat_at_plausible_rates_and_not_all_alike(demo: list[Record]) -> None:
    rates = [60 / (np.median(np.diff(beats(record)[0])) / record.rate) for record in demo]

    assert 50 < min(rates) < 70 < 80 < max(rates) < 110


def test_sinus_beats_come_at_the_patients_own_rate() -> None:
    person = patient(2, np.random.default_rng(5))
    heart = Heart(person, 600, np.random.default_rng(6))
    heart.run()

    sinus = [
        b.before for a, b in zip(heart.beats, heart.beats[1:], strict=False) if a.symbol == b.symbol == "N"
    ]

    assert np.mean(sinus) == pytest.approx(person.rr, rel=0.03)


def test_a_premature_ventricular_beat_is_early_and_its_pause_fully_compensatory(demo: list[Record]) -> None:
    rr = np.concatenate([triples(record, "V") for record in demo])

    assert len(rr) > 200
    ratio = (rr[:, 1] + rr[:, 2]) / (2 * rr[:, 0])
    assert (rr[:, 1] < 0.85 * rr[:, 0]).mean() > 0.95
    assert np.median(ratio) == pytest.approx(1.0, abs=0.02)
    assert (np.abs(ratio - 1) < 0.15).mean() > 0.9


def test_a_premature_supraventricular_beat_is_early_and_its_pause_shorter(demo: list[Record]) -> None:
    rr = np.concatenate([triples(record, "A") for record in demo])

    assert len(rr) > 200
    ratio = (rr[:, 1] + rr[:, 2]) / (2 * rr[:, 0])
    assert (rr[:, 1] < 0.9 * rr[:, 0]).mean() > 0.95
    assert 0.8 < np.median(ratio) < 0.93
    assert (rr[:, 2] < 1.25 * rr[:, 0]).mean() > 0.9


def test_no_p_wave_leads_to_a_premature_ventricular_beat_and_one_to_every_supraventricular() -> None:
    for number in (1, 2, 3):
        heart = Heart(patient(number, np.random.default_rng(number)), 300, np.random.default_rng(number))
        heart.run()
        p = np.array([time for time, _ in heart.atrial])
        ectopic = np.array([time for time, other in heart.atrial if other])
        for last, beat in zip(heart.beats, heart.beats[1:], strict=False):
            if beat.symbol == "V" and last.symbol in SINUS:
                assert not ((p > last.time) & (p < beat.time)).any()
            if beat.symbol in ("A", "a"):
                assert ((ectopic > beat.time - 0.4) & (ectopic < beat.time - 0.1)).any()


def test_ventricular_and_paced_beats_are_wide_and_supraventricular_ones_are_not(demo: list[Record]) -> None:
    def width(record: Record, name: str) -> float:
        """Share of a quarter second about the fiducial in which the larger lead is above half its peak."""
        beat = mean_beat(record, name)
        lead = np.abs(beat[np.abs(beat).max(axis=1).argmax()])
        return float((lead > 0.5 * lead.max()).mean())

    narrow = [record for record in demo if "N" in beats(record)[1]]
    held = {name: [] for name in CLASSES}
    for record in narrow:
        for name in {AAMI[symbol] for symbol in beats(record)[1]}:
            held[name].append(width(record, name) / width(record, "N"))

    assert np.median(held["V"]) > 2
    assert np.median(held["Q"]) > 1.8
    assert np.median(held["S"]) == pytest.approx(1, abs=0.1)


def test_a_fusion_beat_lies_between_the_sinus_beat_and_the_ventricular_one(demo: list[Record]) -> None:
    shares = []
    for record in demo:
        if "F" in beats(record)[1]:
            normal, fusion, ventricular = (mean_beat(record, name) for name in "NFV")
            towards = ventricular - normal
            shares.append(((fusion - normal) * towards).sum() / (towards**2).sum())

    assert len(shares) >= 8
    assert 0.25 < np.median(shares) < 0.75
    assert np.mean([0.05 < share < 0.95 for share in shares]) > 0.8


def test_fiducials_of_conducted_beats_stand_on_the_r_peak(demo: list[Record]) -> None:
    distances = []
    for record in demo:
        reach = round(0.04 * record.rate)
        for at, symbol in zip(*beats(record), strict=True):
            if symbol == "N" and reach <= at < record.signal.shape[1] - reach:
                around = record.signal[0, at - reach : at + reach + 1]
                distances.append(abs(int(np.abs(around - np.median(around)).argmax()) - reach))

    assert np.mean(np.array(distances) <= 4) > 0.97  # 4 samples: 11 ms
    assert np.mean(np.array(distances) > 0) > 0.2  # a hand is not a ruler


def test_the_strip_says_which_rhythm_it_shows(demo: list[Record]) -> None:
    aux = Counter(str(a) for r in demo if r.annotations is not None for a in r.annotations.aux if a)

    assert set(aux) == {"(N", "(B", "(VT", "(SVTA", "(P"}
    for record in demo:
        assert record.annotations is not None
        assert record.annotations.symbol[record.annotations.symbol != "~"][0] == "+"


def test_patients_differ_in_shape_size_and_noise(demo: list[Record]) -> None:
    normal = np.stack([mean_beat(record, "N")[0] for record in demo])
    correlation = np.corrcoef(normal)[np.triu_indices(len(demo), 1)]
    height = np.abs(normal).max(axis=1)
    jump = [float(np.median(np.abs(np.diff(record.signal[0])))) for record in demo]

    assert correlation.max() < 0.9999
    assert np.quantile(correlation, 0.1) < 0.95
    assert height.max() > 2 * height.min()
    assert max(jump) > 2 * min(jump)


# -- what a data set needs --


def test_the_default_demo_holds_every_class_in_enough_patients_and_in_proportion(demo: list[Record]) -> None:
    held = [Counter(AAMI[symbol] for symbol in beats(record)[1]) for record in demo]
    total: Counter[str] = sum(held, Counter())
    share = {name: total[name] / total.total() for name in CLASSES}
    patients = {name: sum(name in one for one in held) for name in CLASSES}

    assert patients["N"] == 40
    assert patients["S"] >= 10 and patients["V"] >= 10 and patients["F"] >= 8 and patients["Q"] >= 6
    assert share["N"] > 0.75
    assert 0.03 < share["S"] < 0.06 and 0.06 < share["V"] < 0.11
    assert 0.01 < share["F"] < 0.03 and 0.04 < share["Q"] < 0.09


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_six_patients_for_half_a_minute_hold_every_class(seed: int) -> None:
    found = {AAMI[symbol] for number in range(1, 7) for symbol in beats(simulate(number, 0.5, seed))[1]}

    assert found == set(CLASSES)


@given(
    number=st.integers(1, 1000),
    minutes=st.floats(0.2, 0.7),
    seed=st.integers(0, 2**40),
    rate=st.sampled_from([125, 250, 257.3, 360, 500]),
)
@settings(max_examples=25, deadline=None)
def test_any_recording_is_whole(number: int, minutes: float, seed: int, rate: float) -> None:
    record = simulate(number, minutes, seed, rate)

    assert record.signal.shape == (2, round(minutes * 60 * rate))
    assert record.signal.dtype == np.float32
    assert np.isfinite(record.signal).all() and np.abs(record.signal).max() <= np.float32(RANGE)
    assert record.annotations is not None
    assert (np.diff(record.annotations.sample) > 0).all()
    assert record.annotations.sample[0] >= 0 and record.annotations.sample[-1] < record.signal.shape[1]
    assert set(record.annotations.symbol.tolist()) <= BEAT_SYMBOLS | NON_BEAT_SYMBOLS
    intervals = np.diff(beats(record)[0]) / record.rate
    assert intervals.min() > 0.28 and intervals.max() < 3


def test_wfdb_reads_what_was_written(tmp_path: Path) -> None:
    import wfdb

    write_demo(tmp_path / "demo", patients=4, minutes=0.5, seed=3)

    for number in range(1, 5):
        record = simulate(number, 0.5, seed=3)
        assert record.annotations is not None
        read = wfdb.rdrecord(str(tmp_path / "demo" / record.name))
        assert (read.sig_name, read.units, read.fs) == (["MLII", "V1"], ["mV", "mV"], 360)
        np.testing.assert_allclose(read.p_signal.T, record.signal, atol=1e-6)
        assert "simulated" in " ".join(read.comments)
        marks = wfdb.rdann(str(tmp_path / "demo" / record.name), "atr")
        np.testing.assert_array_equal(marks.sample, record.annotations.sample)
        assert marks.symbol == record.annotations.symbol.tolist()
        assert [aux.rstrip("\0") for aux in marks.aux_note] == record.annotations.aux.tolist()


@pytest.mark.promise
def test_the_same_seed_gives_the_same_files_however_many_patients(tmp_path: Path) -> None:
    write_demo(tmp_path / "a", patients=3, minutes=0.5, seed=7)
    write_demo(tmp_path / "b", patients=5, minutes=0.5, seed=7)
    write_demo(tmp_path / "c", patients=3, minutes=0.5, seed=8)

    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files == [f"p00{i}.{kind}" for i in (1, 2, 3) for kind in ("atr", "dat", "hea")]
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
        assert (tmp_path / "a" / name).read_bytes() != (tmp_path / "c" / name).read_bytes()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")

    with pytest.raises(EcgError, match="empty"):
        write_demo(tmp_path / "mine", patients=1, minutes=0.5, seed=0)

    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "notes.txt"]


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_at_three(number: int, *args: float) -> Record:
        if number == 3:
            raise OSError(28, "No space left on device")
        return simulate(number, *args)

    monkeypatch.setattr("ecgcli.recordings.simulate.simulate", full_at_three)

    with pytest.raises(EcgError, match="No space left"):
        write_demo(tmp_path / "demo", patients=4, minutes=0.5, seed=0)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "minutes", "rate"), [(0, 1, 360), (1, 0.1, 360), (1, 1, 50)])
def test_what_cannot_be_simulated_is_refused(number: int, minutes: float, rate: float) -> None:
    with pytest.raises(EcgError):
        simulate(number, minutes, 0, rate)


# -- what a classifier makes of it --


@pytest.mark.promise
@pytest.mark.slow
def test_the_demo_is_neither_trivial_nor_hopeless(demo: list[Record]) -> None:
    """Gradient boosting on raw beats (MLII, 125 Hz, 0.3 s before R to 0.5 s after), split by subject."""
    from scipy.signal import resample_poly
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import f1_score
    from threadpoolctl import threadpool_limits

    windows, labels, subjects = [], [], []
    for subject, record in enumerate(demo):
        lead = resample_poly(record.signal[0].astype(np.float64), 25, 72)
        low, high = np.quantile(lead, [0.25, 0.75])
        lead = (lead - np.median(lead)) / (high - low)
        for at, symbol in zip(*beats(record), strict=True):
            centre = round(at * 125 / record.rate)
            if 38 <= centre <= len(lead) - 62:
                windows.append(lead[centre - 38 : centre + 62])
                labels.append(AAMI[symbol])
                subjects.append(subject)
    x, y = np.stack(windows), np.array(labels)
    test = np.array(subjects) >= 30

    with threadpool_limits(1):  # its threads wait for each other by spinning: slow beside other tests
        model = HistGradientBoostingClassifier(random_state=0).fit(x[~test], y[~test])
    score = f1_score(y[test], model.predict(x[test]), average="macro")

    assert set(y[test]) == set(CLASSES)
    assert 0.6 < score < 0.95
