"""What is said of a table is what counting by pandas and numpy says."""

from __future__ import annotations

import dataclasses
import time
import tracemalloc
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.beats import overview as module
from ecgcli.beats.overview import intervals_before, overview
from ecgcli.beats.rhythm import LONGEST, SHORTEST
from ecgcli.beats.sources import beats
from ecgcli.beats.table import UNKNOWN, BeatTable
from ecgcli.choices.beat import CentredBeat
from ecgcli.choices.data import Mitdb
from ecgcli.recordings.wfdb_io import read_record

CLASSES = ("N", "S", "V", "F")


def a_table(
    record: list[int],
    label: list[int],
    sample: list[int] | None = None,
    offset: float = 0,
    leads: int = 2,
    channels: int = 3,
) -> BeatTable:
    """Beats of random samples; of the channels but the first are leads. Record 2 is of another rate."""
    n = len(record)
    signal = np.random.default_rng(n).normal(size=(n, channels, 4)) * [[0.5], [2], [9]][:channels]
    positions = np.arange(n) * 250 if sample is None else np.array(sample)
    return BeatTable(
        signal=(signal + offset).astype(np.float32),
        label=np.array(label, dtype=np.int64),
        symbol=np.full(n, "N"),
        record=np.array(record, dtype=np.int64),
        sample=positions.astype(np.int64),
        span=np.zeros((n, 2), dtype=np.int64),
        split=np.full(n, -1, dtype=np.int8),
        classes=CLASSES,
        records=("100", "101", "I01"),
        subjects=("100", "101", "I01"),
        rates=(360.0, 360.0, 257.0),
        leads=("MLII", "V1", "V5")[:leads],
        rate=125.0,
        class_map="aami",
        source="wfdb",
        fingerprint="",
    )


some_beats = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40).map(sorted)


@settings(max_examples=60, deadline=None)
@given(some_beats, st.integers(1, 100), st.sampled_from([0.0, -3.0, 1e6]))
def test_counts_means_and_spreads_are_those_of_pandas(
    found: list[tuple[int, int]], block: int, offset: float
) -> None:
    """In blocks of any size, and where the signal rides on an offset a million times its size."""
    table = a_table([r for r, _ in found], [c for _, c in found], offset=offset)
    with mock.patch.object(module, "_BLOCK", block):
        seen = overview(table)
    frame = pd.DataFrame(table.signal[:, :2].reshape(len(table), 8).astype(float))
    grouped = frame.groupby([table.record, table.label])
    sizes = grouped.size()
    assert seen.counts.shape == (3, 4)
    assert {(r, c): n for (r, c), n in np.ndenumerate(seen.counts) if n} == sizes.to_dict()
    for (record, label), mean in grouped.mean().iterrows():
        np.testing.assert_allclose(seen.record_means[record, label].ravel(), mean, rtol=3e-7, atol=1e-6)
    assert (np.isnan(seen.record_means).all(axis=(2, 3)) == (seen.counts == 0)).all()
    per_class = frame.groupby(table.label)
    assert set(seen.shapes) == {CLASSES[c] for c in per_class.groups}
    for label, rows in per_class:
        shape = seen.shapes[CLASSES[int(str(label))]]
        assert shape.beats == len(rows)
        np.testing.assert_allclose(shape.mean.ravel(), rows.mean(), rtol=1e-7, atol=1e-6)
        np.testing.assert_allclose(shape.spread.ravel(), rows.std(ddof=0), rtol=1e-6, atol=1e-9)


def test_examples_are_beats_of_the_class_and_follow_from_the_seed() -> None:
    table = a_table([0] * 300, [0] * 200 + [2] * 100)
    seen = overview(table, seed=3)
    for name, label in (("N", 0), ("V", 2)):
        beats_there = {b.tobytes() for b in table.signal[table.label == label, :2]}
        drawn = [b.tobytes() for b in seen.shapes[name].examples]
        assert len(set(drawn)) == len(drawn) == 40
        assert set(drawn) <= beats_there
    again, other = overview(table, seed=3), overview(table, seed=4)
    assert np.array_equal(seen.shapes["V"].examples, again.shapes["V"].examples)
    assert not np.array_equal(seen.shapes["V"].examples, other.shapes["V"].examples)
    few = overview(a_table([0] * 7, [1] * 7))
    assert few.shapes["S"].examples.shape == (7, 2, 4)


# -- RR intervals --------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.one_of(st.just(-1), st.integers(0, 9000)), st.integers(0, 2)),
        min_size=1,
        max_size=40,
    ).map(sorted)
)
def test_an_interval_ends_at_its_beat_and_stays_in_its_record(found: list[tuple[int, int, int]]) -> None:
    record, sample, label = (list(column) for column in zip(*found, strict=True))
    table = dataclasses.replace(a_table(record, label, sample), records=("100", "101", UNKNOWN))
    expected: dict[str, list[float]] = {name: [] for name in CLASSES}
    for i in range(1, len(found)):
        seconds = (sample[i] - sample[i - 1]) / 360
        known = record[i] == record[i - 1] != 2 and sample[i - 1] >= 0
        if known and SHORTEST <= seconds <= LONGEST:
            expected[CLASSES[label[i]]].append(seconds)
    seen = overview(table).intervals
    assert {name: values.tolist() for name, values in seen.items()} == expected


def test_intervals_are_in_seconds_of_each_recording() -> None:
    table = a_table([0, 0, 2, 2], [0, 0, 0, 2], [360, 720, 100, 357])
    assert overview(table).intervals["N"].tolist() == [1.0]
    assert overview(table).intervals["V"].tolist() == [1.0]


def test_no_interval_reaches_over_a_stretch_without_marks() -> None:
    table = a_table([0] * 5, [0] * 5, [0, 360, 360 * 7 + 1, 360 * 7 + 20, 360 * 8 + 20])
    np.testing.assert_array_equal(intervals_before(table), [np.nan, 1, np.nan, np.nan, 1])


def test_beats_without_positions_have_no_intervals() -> None:
    table = a_table([0] * 5, [0] * 5, [-1] * 5)
    assert all(len(values) == 0 for values in overview(table).intervals.values())


def test_the_kaggle_training_file_alone_has_none_as_it_lacks_beats_between() -> None:
    both = dataclasses.replace(a_table([0] * 3, [0] * 3), source="kaggle", split=np.array([0, 1, 0], np.int8))
    assert len(overview(both).intervals["N"]) == 2
    half = dataclasses.replace(both, split=np.zeros(3, np.int8))
    assert len(overview(half).intervals["N"]) == 0


def test_of_many_intervals_some_are_drawn_at_random() -> None:
    n = 30_000
    table = a_table([0] * n, [0] * n, np.cumsum(np.random.default_rng(0).integers(200, 500, n)).tolist())
    every = np.diff(table.sample) / 360
    drawn = overview(table, seed=1).intervals["N"]
    assert len(drawn) == 20_000
    assert np.isin(drawn, every).all()
    assert drawn.mean() == pytest.approx(every.mean(), rel=0.005)
    assert np.array_equal(drawn, overview(table, seed=1).intervals["N"])


# -- size ----------------------------------------------------------------------------------------------


def test_a_table_on_disk_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    n, shape = 30_000, (2, 300)  # 72 MB
    signal = np.lib.format.open_memmap(tmp_path / "s.npy", "w+", np.float32, (n, *shape))
    table = dataclasses.replace(
        a_table(np.repeat([0, 1, 2], n // 3).tolist(), np.tile([0, 1], n // 2).tolist(), channels=1),
        signal=signal,
    )
    tracemalloc.start()
    seen = overview(table)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seen.counts[:, :2].tolist() == [[n // 6, n // 6]] * 3
    assert peak < 32e6


@pytest.mark.promise
def test_the_beats_of_mitbih_at_a_glance(data_dir: Path) -> None:
    """Exact counts as published, of 109 k beats, in little time."""
    centred = CentredBeat(
        name="centred",
        rate=125.0,
        before=0.3,
        after=0.5,
        leads=("MLII",),
        fallback="other",
        scaling="record",
    )
    table = beats(Mitdb(name="mitdb", class_map="aami"), centred, data_dir)
    before = time.process_time()
    seen = overview(table)
    assert time.process_time() - before < 2  # seconds
    assert dict(zip(seen.classes, seen.counts.sum(axis=0).tolist(), strict=True)) == {
        "N": 90631,
        "S": 2781,
        "V": 7236,
        "F": 803,
        "Q": 8043,
    }
    assert seen.counts[seen.records.index("232"), seen.classes.index("S")] == 1382
    assert seen.counts[seen.records.index("208"), seen.classes.index("F")] == 373
    for i, name in enumerate(seen.classes):
        rows = table.signal[table.label == i].astype(float)
        np.testing.assert_allclose(seen.shapes[name].mean, rows.mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(seen.shapes[name].spread, rows.std(axis=0), atol=1e-6)
    assert len(seen.intervals["N"]) == 20_000
    median = {name: np.median(values) for name, values in seen.intervals.items()}
    assert max(median["S"], median["V"], median["F"]) < median["N"]  # premature
    marks = read_record(data_dir / "mitdb" / "100").annotations  # its only mark that is no beat comes first
    expected = np.diff(marks.sample[1:]) / 360
    np.testing.assert_allclose(intervals_before(table)[table.record == 0][1:], expected)
