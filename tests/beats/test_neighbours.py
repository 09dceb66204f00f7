"""The nearest training beat is the one that a search of all pairs finds, and tells memory from skill."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from ecgcli.beats import neighbours as module
from ecgcli.beats.neighbours import Memory, memory, near_between, nearest, relative_distance
from ecgcli.beats.protocol import Part, parts
from ecgcli.beats.sources import beats
from ecgcli.beats.table import UNKNOWN, BeatTable
from ecgcli.choices.beat import CentredBeat, KaggleBeat
from ecgcli.choices.data import Kaggle, Mitdb
from ecgcli.choices.protocol import InterPatient, KaggleProtocol


def a_table(signal: np.ndarray, label: np.ndarray, record: np.ndarray, leads: int | None = None) -> BeatTable:
    """Beats, (n, channels, time), of three records of two subjects: 201 and 202 are one."""
    n = len(signal)
    return BeatTable(
        signal=signal.astype(np.float32),
        label=label.astype(np.int64),
        symbol=np.full(n, "N"),
        record=record.astype(np.int64),
        sample=np.arange(n),
        span=np.zeros((n, 2), dtype=np.int64),
        split=np.full(n, -1, dtype=np.int8),
        classes=("N", "S", "V"),
        records=("100", "201", "202"),
        subjects=("100", "201", "201"),
        rates=(360.0,) * 3,
        leads=("MLII", "V1")[: leads or signal.shape[1]],
        rate=125.0,
        class_map="aami",
        source="mitdb",
        fingerprint="",
    )


def a_part(train: np.ndarray, validation: np.ndarray, test: np.ndarray | None = None) -> Part:
    return Part("intra_patient", ("N", "S", "V"), train, validation, test, frozenset(), "")


def random_beats(n: int, seed: int = 0, offset: float = 0) -> BeatTable:
    """Beats in clouds around a shape for each class, so that the nearest beat says something of the class."""
    rng = np.random.default_rng(seed)
    label, record = rng.integers(0, 3, n), np.sort(rng.integers(0, 3, n))
    signal = 0.4 * rng.normal(size=(3, 2, 10))[label] + 0.7 * rng.normal(size=(n, 2, 10)) + offset
    return a_table(signal, label, record)


def halves(n: int) -> Part:
    return a_part(np.arange(0, n, 2), np.arange(1, n, 2))


# -- against a search of all pairs ---------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 60),
    st.tuples(st.integers(1, 50), st.integers(1, 50)),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0, 100]),
)
def test_the_nearest_beat_is_that_of_scikit_learn(
    n: int, m: int, block: tuple[int, int], seed: int, offset: float
) -> None:
    rng = np.random.default_rng(seed)
    signal, known = (rng.normal(offset, 1, size=(k, 2, 6)).astype(np.float32) for k in (n, m))
    subject, known_subject = rng.integers(-1, 4, n), rng.integers(-1, 4, m)
    with mock.patch.object(module, "_BLOCK", block):
        everyone, others = nearest(signal, known, subject, known_subject)

    def distances(found: np.ndarray) -> np.ndarray:
        return np.linalg.norm((signal - known[found]).astype(float), axis=(1, 2))

    def oracle(rows: np.ndarray, among: np.ndarray) -> np.ndarray:
        fitted = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(known[among].reshape(-1, 12))
        return fitted.kneighbors(signal[rows].reshape(-1, 12))[0][:, 0]

    np.testing.assert_allclose(distances(everyone), oracle(np.arange(n), np.arange(m)), rtol=1e-4)
    for code in np.unique(subject):
        rows = np.flatnonzero(subject == code)
        among = np.flatnonzero((known_subject != code) | (known_subject == -1))
        if len(among):
            np.testing.assert_allclose(distances(others)[rows], oracle(rows, among), rtol=1e-4)
            assert np.isin(others[rows], among).all()


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_scikit_learn(seed: int) -> None:
    table, part = random_beats(400, seed), halves(400)
    found = memory(table, part)
    x, y = table.signal.reshape(400, -1), table.label
    by_all = KNeighborsClassifier(1, algorithm="brute").fit(x[part.train], y[part.train])
    guess = by_all.predict(x[part.validation])
    truth = y[part.validation]
    assert 0.4 < found.everyone.accuracy < 1
    assert found.everyone.accuracy == pytest.approx(np.mean(guess == truth))
    assert found.everyone.macro_f1 == pytest.approx(f1_score(truth, guess, average="macro"))
    guess = np.empty_like(truth)
    for subject in (0, 1):
        train = part.train[table.subject[part.train] != subject]
        here = table.subject[part.validation] == subject
        by_others = KNeighborsClassifier(1, algorithm="brute").fit(x[train], y[train])
        guess[here] = by_others.predict(x[part.validation][here])
    assert found.others is not None
    assert found.others.accuracy == pytest.approx(np.mean(guess == truth))
    assert found.others.macro_f1 == pytest.approx(f1_score(truth, guess, average="macro"))
    assert (found.part, found.tested, found.references) == ("validation", 200, 200)
    assert found.everyone.near == np.mean(found.everyone.distance < 0.1)


def test_macro_f1_is_over_the_classes_that_the_tested_beats_have() -> None:
    table = random_beats(300)
    part = a_part(np.arange(0, 300, 2), np.flatnonzero((table.label < 2) & (np.arange(300) % 2 == 1)))
    x = table.signal.reshape(300, -1)
    guess = KNeighborsClassifier(1).fit(x[part.train], table.label[part.train]).predict(x[part.validation])
    assert (guess == 2).any()
    expected = f1_score(table.label[part.validation], guess, average="macro", labels=[0, 1])
    assert memory(table, part).everyone.macro_f1 == pytest.approx(expected)


# -- distances -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0, 5000])
def test_beats_that_are_there_twice_are_at_no_distance(offset: float) -> None:
    table = random_beats(200, offset=offset)
    table.signal[1::2] = table.signal[::2]
    found = memory(table, halves(200)).everyone
    np.testing.assert_allclose(found.distance, 0, atol=1e-6)
    assert found.near == 1


def test_distances_are_shares_of_a_beats_own_size() -> None:
    """Neither the unit nor the baselines of the leads matter: only how much of the beat is different."""
    rng = np.random.default_rng(0)
    beat = rng.normal(size=(1, 2, 5000))
    noise = 0.05 * rng.normal(size=(1, 2, 5000))
    for unit, baseline in ((1, 0), (200, 1024)):
        first = unit * beat + np.array([[baseline], [-baseline]])
        distance = relative_distance(first, first + unit * noise)
        assert distance == pytest.approx([0.05], rel=0.03)


def test_flat_beats_say_nothing_of_a_patient() -> None:
    """Where the electrodes are off, beats of all patients look the same."""
    table = random_beats(200)
    table.signal[:, 0], table.signal[:, 1] = 0.3, -1
    found = memory(table, halves(200)).everyone
    assert np.isinf(found.distance).all()
    assert found.near == 0


def test_only_leads_are_compared() -> None:
    table = random_beats(200)
    more = np.concatenate([table.signal, 9 * np.random.default_rng(1).normal(size=(200, 1, 10))], axis=1)
    wider = a_table(more, table.label, table.record, leads=2)
    np.testing.assert_array_equal(
        memory(wider, halves(200)).everyone.distance, memory(table, halves(200)).everyone.distance
    )


# -- memory and skill ----------------------------------------------------------------------------------


def test_what_is_known_of_a_patient_alone_is_memory() -> None:
    """Patients whose beats have a shape of their own, which tells nothing of the class in the other one."""
    rng = np.random.default_rng(0)
    label, record = rng.integers(0, 2, 400), np.repeat([0, 1], 200)
    shapes = rng.normal(size=(2, 2, 1, 30))
    shapes[1] = shapes[0, ::-1] + 0.1 * rng.normal(size=(2, 1, 30))  # N of the one looks like S of the other
    table = a_table(shapes[record, label] + 0.01 * rng.normal(size=(400, 1, 30)), label, record)
    found = memory(table, halves(400))
    assert found.others is not None
    assert found.everyone.accuracy == found.everyone.macro_f1 == found.everyone.near == 1
    assert found.others.accuracy == found.others.macro_f1 == 0


def test_both_records_of_a_subject_are_his_own() -> None:
    table = random_beats(300)
    one, two = (np.flatnonzero(table.record == r) for r in (1, 2))
    zero = np.flatnonzero(table.record == 0)
    found = memory(table, a_part(np.concatenate([zero, one]), two))
    assert found.others is not None
    alone = memory(table, a_part(zero, two))
    np.testing.assert_array_equal(found.others.distance, alone.everyone.distance)


def test_between_strangers_everyone_says_it_all() -> None:
    table = random_beats(300)
    train, held = np.flatnonzero(table.record > 0), np.flatnonzero(table.record == 0)
    assert memory(table, a_part(train, held)).others is None


def test_nothing_is_said_of_others_where_there_are_none_or_nobody_is_known() -> None:
    table = random_beats(300)
    alone = np.flatnonzero(table.record == 0)
    assert memory(table, a_part(alone[::2], alone[1::2])).others is None
    unknown = dataclasses.replace(table, subjects=(UNKNOWN,) * 3)
    assert memory(unknown, halves(300)).others is None
    half = dataclasses.replace(table, subjects=("100", UNKNOWN, UNKNOWN))
    found = memory(half, halves(300))
    assert found.others is not None
    stranger = half.record[halves(300).validation] > 0
    np.testing.assert_array_equal(found.others.distance[stranger], found.everyone.distance[stranger])
    assert (found.others.distance[~stranger] > found.everyone.distance[~stranger]).any()


@pytest.mark.promise
def test_the_test_part_plays_no_part() -> None:
    table = random_beats(300)
    train, held, test = (np.arange(i, 300, 3) for i in range(3))
    other = dataclasses.replace(table, signal=table.signal.copy(), label=table.label.copy())
    other.signal[test], other.label[test] = np.nan, -9
    found, again = memory(table, a_part(train, held, test)), memory(other, a_part(train, held, test))
    without = memory(table, a_part(train, held))
    for one in (again, without):
        assert (one.everyone.accuracy, one.everyone.macro_f1) == (
            found.everyone.accuracy,
            found.everyone.macro_f1,
        )
        np.testing.assert_array_equal(one.everyone.distance, found.everyone.distance)


def test_beats_are_drawn_by_the_seed_where_there_are_many() -> None:
    table, part = random_beats(400), halves(400)
    first, again, other = (memory(table, part, seed=s, tests=50, references=120) for s in (1, 1, 2))
    assert (first.tested, first.references, len(first.everyone.distance)) == (50, 120, 50)
    np.testing.assert_array_equal(first.everyone.distance, again.everyone.distance)
    assert not np.array_equal(first.everyone.distance, other.everyone.distance)


# -- near-identical beats of two parts -----------------------------------------------------------------


def test_near_identical_beats_of_two_parts_are_counted_without_labels() -> None:
    table = random_beats(300)
    first, second = np.arange(200), np.arange(200, 300)
    assert near_between(table, first, second) == 0
    rng = np.random.default_rng(0)
    table.signal[200:230] = table.signal[:30] + 0.02 * rng.normal(size=(30, 2, 10))
    unlabelled = dataclasses.replace(table, label=np.full(300, -9))
    assert near_between(unlabelled, first, second) == 0.3
    assert near_between(table, second, first) == 0.15
    assert near_between(table, first, second, tests=50) == pytest.approx(0.3, abs=0.15)
    assert near_between(table, first, second, references=50) < 0.3


# -- real patients -------------------------------------------------------------------------------------


@pytest.mark.promise
@pytest.mark.slow
def test_most_of_a_kaggle_score_is_memory_of_the_patients(data_dir: Path) -> None:
    """A nearest neighbour scores as published (.98, .88) and hardly knows S and F of patients not seen."""
    table = beats(Kaggle(name="kaggle", source="auto"), KaggleBeat(name="kaggle"), data_dir, test=False)
    (part,) = parts(table, KaggleProtocol(name="kaggle", validation=0.1, seed=0), test=False)
    found = memory(table, part, tests=2000)
    assert (found.tested, found.references) == (2000, 78_799)
    assert found.others is not None
    assert found.everyone.accuracy > 0.96
    assert found.everyone.macro_f1 > 0.8
    assert found.everyone.macro_f1 - found.others.macro_f1 > 0.3
    assert found.everyone.near > 0.2
    assert found.others.near < 0.01


@pytest.mark.promise
@pytest.mark.slow
def test_between_patients_there_are_no_near_identical_beats(data_dir: Path) -> None:
    """DS1 by whole subjects: nothing that a score could owe to memory."""
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
    (part,) = parts(table, InterPatient(name="inter_patient", folds=5, seed=0), test=False)
    found: Memory = memory(table, part, tests=1000)
    assert found.others is None
    assert found.everyone.near < 0.005
    assert near_between(table, part.train, part.validation, tests=1000) < 0.005
    own = part.train[::2], part.train[1::2]
    assert near_between(table, *own, tests=1000) > 0.1
