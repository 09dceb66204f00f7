"""What leaks between the parts is found and, unless the protocol names it, refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.beats.audit import Shared, audit, check
from ecgcli.beats.protocol import Part, parts
from ecgcli.beats.sources import beats
from ecgcli.beats.table import UNKNOWN, BeatTable
from ecgcli.choices.beat import CentredBeat
from ecgcli.choices.data import Mitdb
from ecgcli.choices.protocol import InterPatient
from ecgcli.errors import EcgError


def a_table(record: list[int], span: list[tuple[int, int]], names: tuple[str, ...]) -> BeatTable:
    n = len(record)
    spans = np.array(span, dtype=np.int64).reshape(n, 2)
    return BeatTable(
        signal=np.random.default_rng(0).normal(size=(n, 2, 5)).astype(np.float32),
        label=np.zeros(n, dtype=np.int64),
        symbol=np.full(n, "N"),
        record=np.array(record, dtype=np.int64),
        sample=spans[:, 0].copy(),
        span=spans,
        split=np.full(n, -1, dtype=np.int8),
        classes=("N", "V"),
        records=names,
        subjects=tuple("201" if name == "202" else name for name in names),
        rates=(360.0,) * len(names),
        leads=("MLII", "V1"),
        rate=125.0,
        class_map="aami",
        source="mitdb",
        fingerprint="",
    )


def a_part(train: list[int], validation: list[int], test: list[int] | None, *leaks: str) -> Part:
    rows = [np.array(side, dtype=np.int64) for side in (train, validation)]
    tested = None if test is None else np.array(test, dtype=np.int64)
    return Part("by_subject", ("N", "V"), *rows, tested, frozenset(leaks), "")


def between(table: BeatTable, part: Part, first: str = "training", second: str = "test") -> Shared:
    (pair,) = (p for p in audit(table, part).pairs if (p.first, p.second) == (first, second))
    return pair


APART = [(100, 200), (300, 400), (100, 200), (300, 400), (100, 200), (300, 400)]
THREE = a_table([0, 0, 1, 1, 2, 2], APART, ("100", "101", "103"))


def test_parts_of_different_patients_share_nothing() -> None:
    part = a_part([0, 1], [2, 3], [4, 5])
    found = audit(THREE, part)
    assert found.refused == ()
    assert all(not pair.leaks for pair in found.pairs)
    assert found.sentences() == [
        "Training and validation share no subject, no record and no equal row.",
        "Training and test share no subject, no record and no equal row.",
        "Validation and test share no subject, no record and no equal row.",
    ]
    check(found, part, allow_leak=False)
    assert json.loads(json.dumps(found.to_dict()))["refused"] == []


def test_without_a_test_part_nothing_is_refused() -> None:
    found = audit(THREE, a_part([0, 2], [1, 3], None))
    assert [(pair.first, pair.second) for pair in found.pairs] == [("training", "validation")]
    assert found.pairs[0].records == ("100", "101")
    assert found.refused == ()


@pytest.mark.promise
def test_a_leak_that_the_protocol_does_not_name_is_refused() -> None:
    part = a_part([0, 2], [3], [1, 4, 5])  # record 100 trains and tests
    found = audit(THREE, part)
    assert found.refused == ("records", "subjects")
    with pytest.raises(EcgError) as caught:
        check(found, part, allow_leak=False)
    assert "Training and test share 1 subject (100) and 1 record (100)." in str(caught.value)
    assert "allow_leak=true" in str(caught.value)
    assert "\n" not in str(caught.value)
    check(found, part, allow_leak=True)
    named = dataclasses.replace(part, leaks=frozenset({"subjects", "records"}))
    check(audit(THREE, named), named, allow_leak=False)
    half = dataclasses.replace(part, leaks=frozenset({"subjects"}))
    assert audit(THREE, half).refused == ("records",)


def test_a_subject_with_two_records_is_found() -> None:
    table = a_table([0, 1, 2], [(0, 9)] * 3, ("201", "202", "203"))
    pair = between(table, a_part([0], [2], [1]))
    assert pair.subjects == ("201",)
    assert pair.records == ()
    assert pair.leaks == {"subjects"}


def test_equal_rows_are_found_bit_for_bit() -> None:
    table = dataclasses.replace(THREE, signal=THREE.signal.copy())
    part = a_part([0, 1], [2, 3], [4, 5])
    table.signal[5] = table.signal[0]
    assert between(table, part).rows == 1
    assert audit(table, part).refused == ("rows",)
    assert "share 1 equal row." in between(table, part).sentence
    table.signal[5, 0, 0] = np.nextafter(table.signal[5, 0, 0], np.float32(9))
    assert between(table, part).rows == 0


def test_flat_rows_are_no_leak() -> None:
    """Where the electrodes are off, beats of all patients look the same."""
    table = dataclasses.replace(THREE, signal=THREE.signal.copy())
    table.signal[[0, 5]] = 0
    assert between(table, a_part([0, 1], [2, 3], [4, 5])).rows == 0


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 60), st.integers(0, 12)), min_size=3, max_size=30)
)
def test_shared_samples_are_those_that_a_search_of_all_pairs_finds(beats: list[tuple[int, int, int]]) -> None:
    beats = sorted(beats)
    table = a_table([r for r, _, _ in beats], [(s, s + w) for _, s, w in beats], ("100", "101", "103"))
    sides = np.random.default_rng(len(beats)).integers(0, 3, len(beats))
    train, held, test = (np.flatnonzero(sides == s).tolist() for s in range(3))

    def overlap(i: int, j: int) -> bool:
        (a, b), (c, d) = table.span[i], table.span[j]
        return bool(table.record[i] == table.record[j] and set(range(a, b)) & set(range(c, d)))

    pair = between(table, a_part(train, held, test))
    assert pair.samples == sum(any(overlap(i, j) for i in train) for j in test)
    assert pair.beats == len(test)


def test_windows_that_touch_do_not_share_samples() -> None:
    table = a_table([0, 0, 0], [(0, 100), (100, 200), (199, 300)], ("100",))
    assert between(table, a_part([0], [], [1])).samples == 0
    pair = between(table, a_part([1], [], [0, 2]))
    assert pair.samples == 1
    assert pair.sentence == (
        "Training and test share 1 subject (100) and 1 record (100); 1 of the 2 test windows share raw "
        "samples with training windows."
    )


def test_nothing_is_said_of_beats_whose_origin_is_unknown() -> None:
    table = a_table([0, 1, 1, 1], [(0, 9), (-1, -1), (-1, -1), (-1, -1)], ("100", UNKNOWN))
    pair = between(table, a_part([0, 1], [2], [3]))
    assert pair.leaks == frozenset()
    assert pair.unknown == 2
    assert "(of 2 beats the record is not known)" in pair.sentence


@pytest.mark.promise
def test_ds1_and_ds2_share_one_subject_and_nothing_else(data_dir: Path) -> None:
    beat = CentredBeat(
        name="centred", rate=125.0, before=0.3, after=0.5, leads=("MLII",), fallback="other", scaling="record"
    )
    table = beats(Mitdb(name="mitdb", class_map="aami"), beat, data_dir)
    (part,) = parts(table, InterPatient(name="inter_patient", folds=5, seed=0))
    found = audit(table, part)
    assert [pair.leaks for pair in found.pairs] == [frozenset(), {"subjects"}, frozenset()]
    assert found.pairs[1].subjects == ("201",)
    check(found, part, allow_leak=False)
