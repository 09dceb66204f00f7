"""The circumstances of a beat are those that its recording was made with, and those that wfdb reads there."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgcli.beats import circumstances as module
from ecgcli.beats.circumstances import AROUND, RHYTHMS, annotated_rhythm, circumstances, heart_rate
from ecgcli.beats.from_records import Recording, recordings_of
from ecgcli.beats.quality import quality
from ecgcli.beats.rhythm import LONGEST, SHORTEST
from ecgcli.beats.segment import Segmenter
from ecgcli.beats.table import UNKNOWN, BeatTable
from ecgcli.choices.beat import CentredBeat
from ecgcli.recordings.aami import BEAT_SYMBOLS
from ecgcli.recordings.record import Annotations, Record
from ecgcli.recordings.wfdb_io import read_record, write_record

RATE = 360.0


def table_of(samples: dict[str, list[int]], rate: float = RATE, source: str = "wfdb") -> BeatTable:
    """A table of beats at these samples of these records; their signal plays no part."""
    n = sum(map(len, samples.values()))
    names = tuple(sorted(samples))
    return BeatTable(
        signal=np.zeros((n, 1, 4), dtype=np.float32),
        label=np.zeros(n, dtype=np.int64),
        symbol=np.full(n, "N"),
        record=np.repeat(np.arange(len(names)), [len(samples[name]) for name in names]),
        sample=np.array([at for name in names for at in samples[name]], dtype=np.int64),
        span=np.zeros((n, 2), dtype=np.int64),
        split=np.zeros(n, dtype=np.int8),
        classes=("N", "S", "V"),
        records=names,
        subjects=names,
        rates=(rate,) * len(names),
        leads=("II",),
        rate=120.0,
        class_map="aami",
        source=source,
        fingerprint="",
    )


def centred(*leads: str) -> Segmenter:
    return Segmenter(
        CentredBeat(
            name="centred", rate=360, before=0.2, after=0.3, leads=leads, fallback="other", scaling="none"
        )
    )


def marks(*entries: tuple[int, str, str]) -> Annotations:
    """Annotations from (sample, symbol, aux)."""
    return Annotations(
        sample=np.array([sample for sample, _, _ in entries], dtype=np.int64),
        symbol=np.array([symbol for _, symbol, _ in entries], dtype=np.str_),
        subtype=np.zeros(len(entries), dtype=np.int64),
        aux=np.array([aux for _, _, aux in entries], dtype=np.str_),
    )


BEATS = list(range(200, 10_400, 300))  # 72 a minute


def a_recording(folder: Path, name: str, beats: list[int], rhythms: list[tuple[int, str]] = ()) -> Recording:  # type: ignore[assignment]
    """Clean beats in leads I and II; lead II is off (flat) during the third to fifth second."""
    rng = np.random.default_rng(1)
    signal = rng.normal(0, 0.01, (2, 10_800))
    for at in beats:
        signal[:, at - 15 : at + 15] += np.hanning(30)
    signal[1, 1080:1800] = 0.2
    entries = [(at, "N", "") for at in beats] + [(at, "+", aux) for at, aux in rhythms]
    record = Record(name, signal.astype(np.float32), RATE, ("I", "II"), marks(*sorted(entries)), name)
    write_record(folder, record)
    return Recording(folder / name, name, name)


def every(table: BeatTable) -> npt.NDArray[np.int64]:
    return np.arange(len(table))


# -- heart rate ----------------------------------------------------------------------------------------


def test_bigeminy_at_seventy_five_a_minute_is_that_on_every_beat() -> None:
    """The median of these intervals would say 120 on one beat and 55 on the next."""
    intervals = np.tile([0.5, 1.1], 20)
    assert heart_rate(intervals, np.arange(AROUND, 36)) == pytest.approx(75)


@given(
    st.lists(st.sampled_from([0.05, 0.3, 0.8, 1.1, 2.0, 7.0, float("nan")]), max_size=20), st.integers(0, 25)
)
def test_the_heart_rate_is_that_of_the_intervals_around(intervals: list[float], beat: int) -> None:
    beat = min(beat, len(intervals) + 1)  # one past the last, as a search for a position may give
    around = intervals[max(0, min(beat, len(intervals)) - AROUND) : beat + AROUND]
    known = [seconds for seconds in around if SHORTEST <= seconds <= LONGEST]
    (found,) = heart_rate(np.array(intervals, dtype=np.float64), np.array([beat]))
    if known:
        assert found == pytest.approx(60 * len(known) / sum(known))
    else:
        assert np.isnan(found)


def test_without_recordings_the_heart_rate_follows_from_the_table() -> None:
    table = table_of({"a": BEATS, "b": [at * 2 for at in BEATS], UNKNOWN: [-1] * 5})
    rows = np.array([40, 3, 70])
    found = circumstances(table, rows, {}, centred("II"))
    assert found["heart_rate"].tolist() == pytest.approx([36, 72, np.nan], nan_ok=True)
    assert found["rhythm"].tolist() == found["fault"].tolist() == [""] * 3


def test_a_kaggle_table_without_its_test_file_has_no_heart_rate_of_its_own() -> None:
    table = table_of({"100": BEATS}, source="kaggle")  # every fifth beat may be missing
    assert circumstances(table, every(table), {}, centred("II"))["heart_rate"].isna().all()


# -- rhythm --------------------------------------------------------------------------------------------


def test_a_rhythm_lasts_until_the_next_and_noise_does_not_end_it() -> None:
    annotations = marks(
        (10, "N", ""),
        (20, "+", "(AFIB\0"),
        (20, "N", ""),
        (30, "~", ""),
        (40, "+", "(NOISE"),
        (45, "+", "a remark"),
        (60, "+", "(N"),
    )
    found = annotated_rhythm(annotations, np.array([19, 20, 41, 50, 59, 60, 999]))
    assert found.tolist() == ["", "AFIB", "AFIB", "AFIB", "AFIB", "N", "N"]
    assert annotated_rhythm(marks((5, "N", "")), np.array([5])).tolist() == [""]


def test_every_rhythm_of_the_arrhythmia_database_has_a_name(mitdb_dir: Path) -> None:
    import wfdb

    codes = {
        aux.strip("\0").removeprefix("(")
        for name in ("106", "201", "203", "207", "220", "223", "230")
        for aux in wfdb.rdann(str(mitdb_dir / name), "atr").aux_note
        if aux.startswith("(")
    }
    assert codes >= {"N", "AFIB", "B", "T", "VT", "PREX", "IVR", "VFL"}
    assert codes <= set(RHYTHMS)


# -- one record after the other ------------------------------------------------------------------------


def test_the_circumstances_of_two_recordings(tmp_path: Path) -> None:
    recordings = {
        "a": a_recording(tmp_path, "a", BEATS, [(3000, "(AFIB"), (6000, "(N")]),
        "b": a_recording(tmp_path, "b", BEATS),
    }
    table = table_of({"a": BEATS, "b": BEATS})
    rows = np.random.default_rng(0).permutation(len(table))
    found = circumstances(table, rows, recordings, centred("II"))
    where = pd.DataFrame({"record": table.record[rows], "sample": table.sample[rows]})
    assert found["heart_rate"].to_numpy() == pytest.approx(72)
    assert (found["rhythm"] == "AFIB").equals(
        (where["record"] == 0) & where["sample"].between(3000, 5999)  # record b has no rhythm marks
    )
    assert set(found["rhythm"][where["record"] == 1]) == {""}
    assert (found["fault"] == "flat").equals(where["sample"].between(1080 - 0.1 * RATE, 1800 + 0.1 * RATE))
    assert set(found["fault"]) == {"flat", "none"}
    # a model that does not read lead II is not hindered by it
    assert set(circumstances(table, rows, recordings, centred("I"))["fault"]) == {"none"}


def test_the_first_fault_is_named(tmp_path: Path) -> None:
    recording = a_recording(tmp_path, "a", BEATS)
    record = read_record(recording.path)
    signal = record.signal.copy()
    signal[1, 1500:1600] = np.nan  # missing, where the lead is flat too
    write_record(tmp_path, Record("a", signal, RATE, ("I", "II"), record.annotations, "a"))
    table = table_of({"a": BEATS})
    fault = circumstances(table, every(table), {"a": recording}, centred("II"))["fault"]
    judged = quality(read_record(recording.path).signal[1:], RATE, table.sample)
    both = judged["missing"][:, 0] & judged["flat"][:, 0]
    assert both.any()
    assert set(fault[both]) == {"missing"}
    assert set(fault[judged["flat"][:, 0] & ~both]) == {"flat"}


def test_only_the_records_that_are_needed_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recordings = {name: a_recording(tmp_path, name, BEATS) for name in "abc"}
    read: list[str] = []
    monkeypatch.setattr(
        module, "read_record", lambda path, annotator: read.append(path.name) or read_record(path)
    )
    table = table_of(dict.fromkeys("abc", BEATS))
    circumstances(table, np.flatnonzero(table.record == 1), recordings, centred("II"))
    assert read == ["b"]


def test_a_recording_that_cannot_be_read_leaves_its_beats_unknown(tmp_path: Path) -> None:
    recording = a_recording(tmp_path, "a", BEATS, [(100, "(N")])
    table = table_of({"a": BEATS})
    (tmp_path / "a.atr").unlink()  # the signal is there still
    found = circumstances(table, every(table), {"a": recording}, centred("II"))
    assert set(found["fault"]) == {"flat", "none"}
    assert set(found["rhythm"]) == {""}
    assert found["heart_rate"].to_numpy() == pytest.approx(72)  # by the table
    (tmp_path / "a.dat").unlink()
    found = circumstances(table, every(table), {"a": recording}, centred("II"))
    assert set(found["fault"]) == {""}
    assert found["heart_rate"].to_numpy() == pytest.approx(72)


@pytest.mark.promise
def test_record_207_is_what_wfdb_reads_there(mitdb_dir: Path) -> None:
    """Of DS1; it has bigeminy, tachycardia, an idioventricular rhythm and flutter."""
    import wfdb

    read = wfdb.rdann(str(mitdb_dir / "207"), "atr")
    rhythm, expected, samples = "", [], []
    for sample, symbol, aux in zip(read.sample, read.symbol, read.aux_note, strict=True):
        if symbol == "+":
            rhythm = aux.strip("\0(")
        elif symbol in BEAT_SYMBOLS:
            samples.append(int(sample))
            expected.append(rhythm)
    table = table_of({"207": samples})
    recordings = {r.name: r for r in recordings_of(mitdb_dir, "mitdb") if r.name == "207"}
    found = circumstances(table, every(table), recordings, centred("MLII"))
    assert found["rhythm"].tolist() == expected
    assert {"B", "VT", "IVR", "SVTA"} <= set(expected)
    i = 1000
    seconds = (samples[i + AROUND] - samples[i - AROUND]) / RATE
    assert found["heart_rate"][i] == pytest.approx(60 * 2 * AROUND / seconds)
    tachycardia = found["heart_rate"][found["rhythm"] == "SVTA"]
    assert tachycardia.median() > 100


def test_twenty_two_half_hours_take_less_than_three_seconds(mitdb_dir: Path) -> None:
    names = ("101", "106", "203", "207")
    recordings = {r.name: r for r in recordings_of(mitdb_dir, "mitdb") if r.name in names}
    annotations = {name: read_record(mitdb_dir / name).annotations for name in names}
    beats = {
        name: a.sample[np.isin(a.symbol, list(BEAT_SYMBOLS))].tolist() for name, a in annotations.items() if a
    }
    table = table_of(beats)
    start = time.process_time()
    circumstances(table, every(table), recordings, centred("MLII", "other"))
    assert (time.process_time() - start) / len(names) * 22 < 3
