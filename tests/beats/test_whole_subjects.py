"""Folds of whole subjects, and one database against another."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ecgcli.beats.audit import audit
from ecgcli.beats.protocol import DS1, DS2, Part, labels, parts, pooled
from ecgcli.beats.sources import beats
from ecgcli.beats.subjects import subject_folds
from ecgcli.beats.table import UNKNOWN, BeatTable
from ecgcli.choices.data import Mitdb
from ecgcli.choices.protocol import CrossDatabase, KFold
from ecgcli.errors import EcgError
from ecgcli.recordings.aami import CLASSES
from tests.beats.test_protocol import CENTRED, MITBIH, a_table, by_subject, of_unknown_origin, sides, subjects


def k_fold(k: int = 5, records: str = "all", seed: int = 0) -> KFold:
    return KFold.model_validate({"name": "k_fold", "k": k, "records": records, "seed": seed})


def cross(
    train: tuple[str, ...] = ("a",), test: tuple[str, ...] = ("b",), validation: float = 0.2, seed: int = 0
) -> CrossDatabase:
    return CrossDatabase(name="cross_database", train=train, test=test, validation=validation, seed=seed)


def databases(**people: list[str]) -> BeatTable:
    """A table of several databases, as `data=wfdb` with several folders gives it."""
    table = a_table(
        {f"{name}/{i:03}": beats for name, all_ in people.items() for i, beats in enumerate(all_)}
    )
    return replace(table, subjects=table.records, source="+".join(people))


def scored(part: Part) -> np.ndarray:
    assert part.test is not None
    return part.test


# -- folds ---------------------------------------------------------------------------------------------


@pytest.mark.promise
@settings(max_examples=12, deadline=None)
@given(
    people=st.lists(st.text(alphabet="SVFQ", max_size=6).map("NV".__add__), min_size=3, max_size=14),
    seed=st.integers(0, 2**64),
    data=st.data(),
)
def test_every_beat_is_tested_once_by_a_model_that_saw_none_of_its_subject(
    people: list[str], seed: int, data: st.DataObject
) -> None:
    table = a_table({f"{i:03}": beats for i, beats in enumerate(people, 195)})
    k = data.draw(st.integers(3, min(12, max(3, len(set(table.subjects))))))
    assume(k <= len(set(table.subjects)))
    try:
        folds = parts(table, k_fold(k, seed=seed))
    except EcgError as error:
        assert "would train without it" in str(error)
        assume(False)
    everything = np.arange(len(table))
    assert [part.fold for part in folds] == list(range(k))
    for which in (scored, lambda part: part.validation):
        np.testing.assert_array_equal(np.sort(np.concatenate([which(part) for part in folds])), everything)
    for i, part in enumerate(folds):
        np.testing.assert_array_equal(np.sort(np.concatenate(sides(part))), everything)
        train, held, test = (subjects(table, side) for side in sides(part))
        assert not train & held and not train & test and not held & test
        assert set(table.label[part.train]) == set(table.label)
        np.testing.assert_array_equal(part.validation, folds[(i + 1) % k].test)
        assert part.leaks == frozenset()
    sizes = [len(subjects(table, scored(part))) for part in folds]
    assert max(sizes) - min(sizes) <= 1


@settings(max_examples=15, deadline=None)
@given(
    people=st.lists(st.sets(st.integers(0, 3), min_size=1), min_size=4, max_size=6),
    seed=st.integers(0, 1000),
    data=st.data(),
)
def test_no_class_is_absent_from_a_training_part_if_it_can_be(
    people: list[set[int]], seed: int, data: st.DataObject
) -> None:
    """Against all divisions there are."""
    counts = np.array([[3 * (c in classes) for c in range(4)] for classes in people])
    k = data.draw(st.integers(3, len(people)))
    sizes = [len(people) // k + (i < len(people) % k) for i in range(k)]

    def gaps(fold: np.ndarray) -> int:
        trained = [counts[(fold != i) & (fold != (i + 1) % k)].sum(axis=0) for i in range(k)]
        return int(np.sum((np.array(trained) == 0) & (counts.sum(axis=0) > 0)))

    divisions = {
        division
        for order in set(itertools.permutations(sizes))
        for division in itertools.permutations(np.repeat(np.arange(k), order).tolist())
    }
    fold = subject_folds(counts, k, seed)
    assert sorted(np.bincount(fold, minlength=k).tolist(), reverse=True) == sizes
    assert gaps(fold) == min(gaps(np.array(division)) for division in divisions)


@pytest.mark.parametrize("seed", range(5))
def test_a_rare_class_is_in_every_fold_if_as_many_subjects_have_it(seed: int) -> None:
    people = {f"{i}": "N" * 20 for i in range(300, 340)}
    people |= {f"{i}": "NNF" for i in (303, 308, 317, 331, 333)} | {
        f"{i}": "NQ" for i in (305, 306, 307, 318)
    }
    table = a_table(people)
    held = [
        Counter(CLASSES[i] for i in table.label[scored(part)]) for part in parts(table, k_fold(5, seed=seed))
    ]
    assert [count["F"] for count in held] == [1] * 5
    assert sorted(count["Q"] for count in held) == [0, 1, 1, 1, 1]


def test_a_class_of_two_subjects_is_never_held_out_whole() -> None:
    table = a_table({f"{i}": "NNV" for i in range(300, 312)} | {"304": "NF", "309": "NF"})
    for seed in range(5):
        for part in parts(table, k_fold(4, seed=seed)):
            assert "F" in {CLASSES[i] for i in table.label[part.train]}


def test_the_seed_decides_who_goes_to_which_fold() -> None:
    """Other than the random state of scikit-learn's StratifiedGroupKFold."""
    table = a_table({f"{i}": "N" * (i - 290) + "V" * (320 - i) for i in range(300, 315)})
    found = {tuple(tuple(scored(part)) for part in parts(table, k_fold(5, seed=seed))) for seed in range(6)}
    assert len(found) == 6
    one, again = (parts(table, k_fold(5, seed=3)) for _ in range(2))
    for part, same in zip(one, again, strict=True):
        np.testing.assert_array_equal(part.test, same.test)


def test_as_many_folds_as_subjects_leave_out_one_subject_each() -> None:
    table = a_table(dict.fromkeys(("200", "201", "202", "203", "205"), "NNSV"))
    folds = parts(table, k_fold(4))  # 201 and 202 are one subject
    assert sorted(sorted(subjects(table, scored(part))) for part in folds) == [
        ["200"],
        ["201"],
        ["203"],
        ["205"],
    ]


def test_folds_without_a_test_part_validate_every_beat_once() -> None:
    table = a_table({f"{i}": "NNSV" for i in range(300, 310)})
    without, with_test = parts(table, k_fold(), test=False), parts(table, k_fold())
    for part, other in zip(without, with_test, strict=True):
        assert part.test is None
        assert part.caveats == ()
        np.testing.assert_array_equal(part.train, other.train)
        np.testing.assert_array_equal(part.validation, other.validation)
    assert "may have been chosen by these beats, as no test part was built" in without[0].statement


def test_folds_say_what_their_scores_pool() -> None:
    (part, *_) = parts(a_table({f"{i}": "NNV" for i in range(300, 310)}), k_fold())
    assert part.statement == (
        "Inter-patient: 5-fold cross-validation over the 10 subjects. Each beat was scored by a model that "
        "saw none of its subject's beats; the scores pool 5 models."
    )
    assert part.caveats[0].startswith("Each beat has the score of one of 5 models; their mean")
    assert part.classes == ("N", "V")


def test_folds_pool_to_every_beat_and_one_division_is_its_own_pool() -> None:
    table = a_table({f"{i}": "NNSV" for i in range(300, 310)})
    folds = parts(table, k_fold())
    whole = pooled(folds)
    for side in (whole.train, whole.validation, scored(whole)):
        np.testing.assert_array_equal(side, np.arange(len(table)))
    assert (whole.fold, whole.statement) == (None, folds[0].statement)
    assert pooled(parts(table, k_fold(), test=False)).test is None
    (one,) = parts(table, by_subject())
    assert pooled([one]) is one


# -- folds of DS1 --------------------------------------------------------------------------------------


@pytest.mark.promise
@settings(max_examples=5, deadline=None)
@given(k=st.integers(3, 22), seed=st.integers(0, 1000))
def test_the_folds_of_ds1_hold_no_beat_of_ds2(k: int, seed: int) -> None:
    table = a_table(MITBIH)
    ds1 = np.flatnonzero([table.records[i] in DS1 for i in table.record])
    kept = ds1[table.label[ds1] != CLASSES.index("Q")]
    folds = parts(table, k_fold(k, "ds1", seed))
    for part in folds:
        rows = np.concatenate(sides(part))
        np.testing.assert_array_equal(np.sort(rows), kept)
        assert not {table.records[i] for i in table.record[rows]} & set(DS2)
        assert part.classes == ("N", "S", "V", "F")
    np.testing.assert_array_equal(np.sort(np.concatenate([scored(part) for part in folds])), kept)
    assert "22 subjects of DS1, without class Q and without any beat of DS2" in folds[0].statement
    alone = a_table({name: beats for name, beats in MITBIH.items() if name in DS1})
    for part, other in zip(folds, parts(alone, k_fold(k, "ds1", seed)), strict=True):
        beats_of = [
            set(zip(np.array(t.records)[t.record[scored(p)]], t.sample[scored(p)], strict=True))
            for t, p in ((table, part), (alone, other))
        ]
        assert beats_of[0] == beats_of[1]  # what stands in DS2 plays no part


def test_unpaced_folds_are_of_ds1_and_ds2_together() -> None:
    table = a_table(MITBIH)
    folds = parts(table, k_fold(5, "unpaced"))
    wanted = np.flatnonzero([table.records[i] in DS1 + DS2 for i in table.record])
    kept = wanted[table.label[wanted] != CLASSES.index("Q")]
    np.testing.assert_array_equal(np.sort(np.concatenate([scored(part) for part in folds])), kept)
    assert folds[0].classes == ("N", "S", "V", "F")
    assert "DS1 and DS2 (the paced records are left out), without class Q" in folds[0].statement


def test_folds_of_ds1_need_its_records() -> None:
    some = {name: beats for name, beats in MITBIH.items() if name not in ("106", "232", "230")}
    with pytest.raises(
        EcgError, match="protocol=k_fold: the data lacks 2 of the 22 records of DS1: 106, 230"
    ):
        parts(a_table(some), k_fold(records="ds1"))


@pytest.mark.promise
def test_five_folds_of_ds1_have_all_its_beats_and_share_nothing(data_dir: Path) -> None:
    table = beats(Mitdb(name="mitdb", class_map="aami"), CENTRED, data_dir)
    folds = parts(table, k_fold(5, "ds1"))
    counts = sum(np.bincount(labels(table, part, scored(part)), minlength=4) for part in folds)
    assert np.asarray(counts).tolist() == [45866, 944, 3788, 415]
    for part in folds:
        assert np.bincount(labels(table, part, scored(part)), minlength=4).min() > 0
    found = audit(table, folds[0])
    assert found.refused == ()
    assert [pair.leaks for pair in found.pairs] == [frozenset()] * 3


# -- what folds refuse ---------------------------------------------------------------------------------


def test_more_folds_than_subjects_are_refused() -> None:
    with pytest.raises(
        EcgError, match=r"protocol.k=5 is more than the 4 subjects of the data; expected 3 to 4"
    ):
        parts(a_table(dict.fromkeys(("100", "101", "201", "202", "203"), "NV")), k_fold())
    with pytest.raises(
        EcgError, match=r"k=3 is more than the 1 subject of the data; expected 3 subjects or more"
    ):
        parts(a_table({"201": "NV", "202": "NV"}), k_fold(3))


@pytest.mark.promise
def test_a_class_that_one_fold_would_train_without_is_named() -> None:
    table = a_table({f"{i}": "NNV" for i in range(300, 310)} | {"304": "NF"})
    with pytest.raises(
        EcgError, match="1 of the 10 subjects have beats of class F, so that one of the 5 models"
    ):
        parts(table, k_fold())


@pytest.mark.promise
@pytest.mark.parametrize("protocol", [by_subject(), k_fold()], ids=lambda p: p.name)
def test_unknown_subjects_cannot_be_kept_apart(protocol: KFold) -> None:
    table = a_table({f"{i}": "NNV" for i in range(300, 310)})
    with pytest.raises(EcgError, match="the subjects of the beats are unknown; use protocol=intra_patient"):
        parts(of_unknown_origin(table), protocol)
    some = replace(table, subjects=(*table.subjects[:-1], UNKNOWN))
    with pytest.raises(EcgError, match="the subjects of 3 of the 30 beats are unknown"):
        parts(some, protocol)
    # rows of the Kaggle files that are no beats of MIT-BIH stand among those that are
    both = replace(some, source="kaggle", split=np.arange(30, dtype=np.int8) % 2)
    assert len(parts(both, protocol)) in (1, 5)


# -- databases -----------------------------------------------------------------------------------------


@pytest.mark.promise
@settings(max_examples=12, deadline=None)
@given(
    ours=st.lists(st.text(alphabet="SVFQ", max_size=6).map("NV".__add__), min_size=2, max_size=12),
    theirs=st.lists(st.text(alphabet="NSVFQ", min_size=1, max_size=6), min_size=1, max_size=6),
    validation=st.floats(0.05, 0.45),
    seed=st.integers(0, 2**64),
)
def test_a_model_is_tested_on_a_database_that_it_never_saw(
    ours: list[str], theirs: list[str], validation: float, seed: int
) -> None:
    table = databases(a=ours, b=theirs, c=["NNSV"])
    try:
        (part,) = parts(table, cross(validation=validation, seed=seed))
    except EcgError as error:
        assert "no beat of class" in str(error) or "test part is empty" in str(error)
        assume(False)
    origin = np.array([name[0] for name in table.records])[table.record]
    train, held, test = sides(part)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, held])), np.flatnonzero(origin == "a"))
    assert not subjects(table, train) & subjects(table, held)
    assert len(subjects(table, held)) == max(1, round(validation * len(ours)))
    known = np.isin(table.label, table.label[train])
    np.testing.assert_array_equal(test, np.flatnonzero((origin == "b") & known))
    left_out = int(np.sum((origin == "b") & ~known))
    assert (f"{left_out:,} beats of b are left out" in " ".join(part.caveats)) == (left_out > 0)
    (without,) = parts(table, cross(validation=validation, seed=seed), test=False)
    assert without.test is None
    np.testing.assert_array_equal(without.validation, held)
    assert part.leaks == frozenset()


def test_the_test_database_plays_no_part_in_the_choice_of_validation() -> None:
    ours = ["NNSV", "NNV", "NSF", "NF", "NSVF", "NV"]
    one = parts(databases(a=ours, b=["NSVF"]), cross())[0]
    other = parts(databases(a=ours, b=["NQQQ", "VVV", "N"]), cross())[0]
    np.testing.assert_array_equal(one.validation, other.validation)


def test_both_databases_are_named() -> None:
    table = databases(a=["NNSV"] * 5, b=["NSVQ"] * 3, c=["NN"], d=["NV"])
    (part,) = parts(table, cross(train=("a", "d"), test=("b",)))
    assert part.statement == (
        "Across databases: trained on a and d (5 subjects train, 1 validate), tested on b (3 subjects). No "
        "subject is in two parts."
    )
    assert part.classes == ("N", "S", "V")
    assert "3 beats of b are left out, as no beat of their class trains: 3 Q." in part.caveats
    assert "The beats of c have no part in this." in part.caveats
    assert audit(table, part).refused == ()


@pytest.mark.promise
def test_a_database_that_is_not_there_is_named() -> None:
    table = databases(a=["NNSV"] * 5, b=["NSV"] * 3)
    with pytest.raises(EcgError, match="no beat is of the database 'svdb'; expected a or b"):
        parts(table, cross(test=("svdb",)))
    with pytest.raises(EcgError, match="no beat is of the database 'mitdb'; expected a or b"):
        parts(table, cross(train=("mitdb",)))
    with pytest.raises(EcgError, match=r"needs several databases, mitdb is one; use data=wfdb 'data.path=\["):
        parts(a_table(MITBIH), cross())
    with pytest.raises(EcgError, match="1 subject for validation leave none of 1 of a for training"):
        parts(databases(a=["NNSV"], b=["NSV"]), cross())
