"""The recipe of the Kaggle files by hand, and the shipped trace against what is published of the files."""

from __future__ import annotations

import numpy as np
import pytest

from ecgcli.beats.kaggle_recipe import RECORDS, beats_of, cut
from ecgcli.beats.kaggle_trace import TRACE_FILE, load_trace, row_hashes

ALL = {"N": 90_589, "S": 2_779, "V": 7_236, "F": 803, "Q": 8_039}
TRAINING = {"N": 72_471, "S": 2_223, "V": 5_788, "F": 641, "Q": 6_431}


def test_a_window_reaches_over_the_next_mark_whatever_it_marks() -> None:
    sample, symbol = np.array([100, 460, 820, 1000, 1500]), np.array(["N", "+", "V", "~", "N"])
    beats = beats_of(7, sample, symbol, length=2000)
    assert beats.record.tolist() == [7, 7]
    assert beats.sample.tolist() == [100, 820]  # the last annotation is never cut
    assert beats.symbol.tolist() == ["N", "V"]
    assert beats.window.tolist() == [360 + 72, 180 + 100]
    assert beats.label.tolist() == [0, 2]


def test_the_end_of_the_record_stands_for_the_mark_after_the_last() -> None:
    beats = beats_of(0, np.array([0, 1000, 1300]), np.array(["A", "/", "N"]), length=1402)
    assert beats.window.tolist() == [1060, 320]  # 300 + 0.2 * 102 = 320.4
    assert beats.label.tolist() == [1, 4]


def test_a_row_is_every_third_sample_scaled_by_all_of_the_window() -> None:
    signal = np.arange(3000.0)
    signal[1561] = 5000.0  # not one of every third: unseen
    signal[1000 + 3 * 187] = 1000 + 3 * 300.0  # past the 187 samples that are kept, still sets the scale
    short, long = cut(signal, np.array([0, 1000]), np.array([300, 600]))
    np.testing.assert_array_equal(short[:100], (np.arange(100) / 99).astype(np.float32))
    assert (short[100:] == 0).all()
    np.testing.assert_array_equal(long, (np.arange(187) / 300).astype(np.float32))


def test_a_flat_window_gives_zeros() -> None:
    assert (cut(np.full(400, 950.0), np.array([0]), np.array([300])) == 0).all()


@pytest.mark.promise
def test_the_trace_holds_the_published_numbers_of_beats() -> None:
    trace = load_trace()
    training = trace.test_row < 0
    assert np.bincount(trace.beats.label).tolist() == list(ALL.values())
    assert np.bincount(trace.beats.label[training]).tolist() == list(TRAINING.values())
    assert sorted(trace.test_row[~training]) == list(range(21_892))


def test_the_trace_is_ordered_and_every_window_lies_in_its_record() -> None:
    beats = load_trace().beats
    assert (np.diff(beats.record * 1_000_000 + beats.sample) > 0).all()
    assert set(beats.record) == set(range(48)) and len(RECORDS) == 48
    assert beats.sample.min() >= 0 and beats.window.min() > 0
    assert (beats.sample + beats.window <= 650_000).all()


def test_every_beat_has_a_key_of_its_own_and_the_file_is_small() -> None:
    trace = load_trace()
    assert len(np.unique(trace.key)) == len(trace.beats) == 109_446
    assert (trace.locate(trace.key) == np.arange(109_446)).all()
    assert TRACE_FILE.stat().st_size < 1_000_000


def test_every_record_has_beats_in_both_files_and_neighbours_straddle_the_split() -> None:
    trace = load_trace()
    in_test = trace.test_row >= 0
    assert set(trace.beats.record[in_test]) == set(trace.beats.record[~in_test]) == set(range(48))
    one_record = np.diff(trace.beats.record) == 0
    assert int(np.sum(one_record & np.diff(in_test))) == 35_113


def test_a_beat_of_another_database_is_not_found() -> None:
    rows = np.random.default_rng(0).random((1000, 187), dtype=np.float32)
    assert (load_trace().locate(row_hashes(rows)) == -1).all()


def test_one_changed_bit_changes_the_hash() -> None:
    rows = np.random.default_rng(0).random((2, 187), dtype=np.float32)
    rows[1] = rows[0]
    assert row_hashes(rows)[0] == row_hashes(rows)[1]
    rows[1, 100] = np.nextafter(rows[1, 100], np.float32(2))
    assert row_hashes(rows)[0] != row_hashes(rows)[1]
