"""Which beats train, which choose and which test."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ecgcli.beats.protocol import DS1, DS2, Part, labels, parts
from ecgcli.beats.sources import beats
from ecgcli.beats.subjects import hold_out
from ecgcli.beats.table import UNKNOWN, BeatTable
from ecgcli.choices.beat import CentredBeat
from ecgcli.choices.data import Mitdb
from ecgcli.choices.protocol import BySubject, InterPatient, IntraPatient, KaggleProtocol
from ecgcli.errors import EcgError
from ecgcli.recordings.aami import CLASS_MAPS, CLASSES

CENTRED = CentredBeat(
    name="centred", rate=125.0, before=0.3, after=0.5, leads=("MLII",), fallback="other", scaling="record"
)


def kaggle(validation: float = 0.1, seed: int = 0) -> KaggleProtocol:
    return KaggleProtocol(name="kaggle", validation=validation, seed=seed)


def inter_patient(folds: int = 5, seed: int = 0) -> InterPatient:
    return InterPatient(name="inter_patient", folds=folds, seed=seed)


def intra_patient(test: float = 0.2, validation: float = 0.1, seed: int = 0) -> IntraPatient:
    return IntraPatient(name="intra_patient", test=test, validation=validation, seed=seed)


def by_subject(test: float = 0.25, validation: float = 0.2, seed: int = 0) -> BySubject:
    return BySubject(name="by_subject", test=test, validation=validation, seed=seed)


def a_table(per_record: dict[str, str], split: list[int] | None = None, source: str = "mitdb") -> BeatTable:
    """A table from the classes of each record's beats ("NNSV"); 201 and 202 are one subject."""
    names = tuple(sorted(per_record))
    counts = [len(per_record[name]) for name in names]
    label = np.array([CLASSES.index(c) for name in names for c in per_record[name]], dtype=np.int64)
    n = len(label)
    sample = np.concatenate([300 * np.arange(1, count + 1) for count in counts]).astype(np.int64)
    return BeatTable(
        signal=np.random.default_rng(0).normal(size=(n, 1, 4)).astype(np.float32),
        label=label,
        symbol=np.full(n, ""),
        record=np.repeat(np.arange(len(names)), counts),
        sample=sample,
        span=np.stack([sample - 50, sample + 100], axis=1),
        split=np.full(n, -1, dtype=np.int8) if split is None else np.array(split, dtype=np.int8),
        classes=CLASSES,
        records=names,
        subjects=tuple("201" if name == "202" else name for name in names),
        rates=(360.0,) * len(names),
        leads=("MLII",),
        rate=125.0,
        class_map="aami",
        source=source,
        fingerprint="",
    )


MITBIH = {name: "NNNNNSVF"[: 4 + int(name) % 5] + "SVFQ" for name in (*DS1, *DS2)} | {
    "102": "NQQ",
    "104": "NNQ",
}


def sides(part: Part) -> list[np.ndarray]:
    return [side for side in (part.train, part.validation, part.test) if side is not None]


def subjects(table: BeatTable, rows: np.ndarray) -> set[str]:
    return {table.subjects[i] for i in table.record[rows]}


# -- every protocol ------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(
    people=st.lists(st.text(alphabet="SVFQ", max_size=6).map("NV".__add__), min_size=8, max_size=14),
    test=st.floats(0.05, 0.4),
    validation=st.floats(0.05, 0.3),
    seed=st.integers(0, 2**31),
)
def test_no_subject_is_on_two_sides_of_a_hold_out(
    people: list[str], test: float, validation: float, seed: int
) -> None:
    table = a_table({f"{i:03}": beats for i, beats in enumerate(people, 195)})
    protocol = by_subject(test, validation, seed)
    (part,) = parts(table, protocol)
    rows = np.concatenate(sides(part))
    assert len(np.unique(rows)) == len(rows) == len(table)  # every beat on one side
    train, held, tested = (subjects(table, side) for side in sides(part))
    assert not train & held
    assert not train & tested
    assert not held & tested
    n = len(set(table.subjects))
    assert len(tested) == max(1, round(test * n))
    assert len(held) == max(1, round(validation * n))
    (again,) = parts(table, protocol)
    for side, same in zip(sides(part), sides(again), strict=True):
        np.testing.assert_array_equal(side, same)


@settings(max_examples=40, deadline=None)
@given(
    label=st.lists(st.integers(0, 4), min_size=30, max_size=120),
    validation=st.floats(0.05, 0.5),
    seed=st.integers(0, 2**31),
    data=st.data(),
)
def test_the_kaggle_split_is_kept_and_validation_is_stratified(
    label: list[int], validation: float, seed: int, data: st.DataObject
) -> None:
    n = len(label)
    split = data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    table = a_table({"100": "".join(CLASSES[i] for i in label)}, split, source="kaggle")
    try:
        (part,) = parts(table, kaggle(validation, seed))
    except EcgError as error:
        assert "empty" in str(error) or "no beat of class" in str(error)
        assume(False)
    np.testing.assert_array_equal(part.test, np.flatnonzero(table.split == 1))
    both = np.concatenate([part.train, part.validation])
    np.testing.assert_array_equal(np.sort(both), np.flatnonzero(table.split == 0))
    for c in range(5):
        all_of_it = np.sum(table.label[both] == c)
        assert np.sum(table.label[part.validation] == c) == round(validation * all_of_it)
    (again,) = parts(table, kaggle(validation, seed))
    np.testing.assert_array_equal(part.validation, again.validation)


@settings(max_examples=8, deadline=None)
@given(folds=st.integers(2, 11), seed=st.integers(0, 100))
def test_the_folds_of_ds1_never_reach_ds2(folds: int, seed: int) -> None:
    table = a_table(MITBIH)
    (part,) = parts(table, inter_patient(folds, seed))
    records = [{table.records[i] for i in table.record[side]} for side in sides(part)]
    assert records[0] | records[1] == set(DS1)
    assert not records[0] & records[1]
    assert records[2] == set(DS2)
    rows = np.concatenate(sides(part))
    assert len(np.unique(rows)) == len(rows)
    assert not (table.label[rows] == CLASSES.index("Q")).any()


def test_the_seeds_of_inter_patient_go_through_all_folds() -> None:
    table = a_table(MITBIH)
    held = [parts(table, inter_patient(5, seed))[0].validation for seed in range(6)]
    assert Counter(np.concatenate(held[:5]).tolist()).most_common(1)[0][1] == 1
    assert {table.records[i] for rows in held for i in table.record[rows]} == set(DS1)
    np.testing.assert_array_equal(held[5], held[0])


def test_another_seed_holds_out_other_subjects() -> None:
    table = a_table({f"{i}": "NNSV" for i in range(300, 320)})
    tested = {tuple(parts(table, by_subject(seed=seed))[0].test) for seed in range(5)}
    assert len(tested) == 5


@pytest.mark.parametrize(
    "protocol", [kaggle(), inter_patient(), intra_patient(), by_subject()], ids=lambda p: p.name
)
def test_the_test_part_is_not_built_unless_asked_for(
    protocol: KaggleProtocol | InterPatient | IntraPatient | BySubject,
) -> None:
    table = a_table(MITBIH, split=[i % 5 == 0 for i in range(sum(map(len, MITBIH.values())))])
    (without,), (with_test,) = parts(table, protocol, test=False), parts(table, protocol)
    assert without.test is None
    assert with_test.test is not None
    np.testing.assert_array_equal(without.train, with_test.train)
    np.testing.assert_array_equal(without.validation, with_test.validation)


@settings(max_examples=40, deadline=None)
@given(
    label=st.lists(st.integers(0, 4), min_size=30, max_size=200),
    test=st.floats(0.05, 0.5),
    validation=st.floats(0.05, 0.45),
    seed=st.integers(0, 2**64),
    known=st.booleans(),
)
def test_intra_patient_takes_the_same_shares_of_every_class(
    label: list[int], test: float, validation: float, seed: int, known: bool
) -> None:
    assume(len(set(label)) > 1)
    table = a_table({"100": "".join(CLASSES[i] for i in label)})
    table = table if known else of_unknown_origin(table)
    try:
        (part,) = parts(table, intra_patient(test, validation, seed))
    except EcgError as error:
        assert "part is empty" in str(error)  # small shares of small classes
        assume(False)
    np.testing.assert_array_equal(np.sort(np.concatenate(sides(part))), np.arange(len(table)))
    assert part.classes == tuple(CLASSES[i] for i in sorted(set(label)))
    for side, share in zip(sides(part), (1 - test - validation, validation, test), strict=True):
        assert (np.diff(side) > 0).all()
        for c in range(5):
            assert abs(np.sum(table.label[side] == c) - share * label.count(c)) <= 1
    assert set(label) == set(table.label[part.train])  # even of one beat a class, that one trains
    (again,) = parts(table, intra_patient(test, validation, seed))
    np.testing.assert_array_equal(part.test, again.test)


def of_unknown_origin(table: BeatTable) -> BeatTable:
    """The same beats, of which nobody knows whose they are."""
    nothing = np.zeros_like(table.record)
    spans = np.full_like(table.span, -1)
    one = {"records": (UNKNOWN,), "subjects": (UNKNOWN,), "rates": (360.0,)}
    return replace(table, record=nothing, sample=nothing - 1, span=spans, **one)


# -- hold-outs -----------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)
@given(
    people=st.lists(st.sets(st.integers(0, 4), min_size=1), min_size=4, max_size=6),
    seed=st.integers(0, 1000),
    data=st.data(),
)
def test_every_class_is_on_every_side_if_it_can_be(
    people: list[set[int]], seed: int, data: st.DataObject
) -> None:
    """Against all divisions there are."""
    counts = np.array([[3 * (c in classes) for c in range(5)] for classes in people])
    test = data.draw(st.integers(1, len(people) - 2))
    validation = data.draw(st.integers(1, len(people) - test - 1))
    sizes = [len(people) - test - validation, test, validation]

    def gaps(side: np.ndarray) -> tuple[int, int]:
        absent = np.stack([counts[side == s].sum(axis=0) == 0 for s in range(3)])[:, counts.sum(axis=0) > 0]
        return int(absent[0].sum()), int(absent[1:].sum())

    divisions = set(itertools.permutations(np.repeat(np.arange(3), sizes).tolist()))
    side = hold_out(counts, sizes, seed)
    assert np.bincount(side, minlength=3).tolist() == sizes
    assert gaps(side) == min(gaps(np.array(division)) for division in divisions)


@pytest.mark.parametrize("seed", range(10))
def test_a_rare_class_is_in_every_part_if_three_subjects_have_it(seed: int) -> None:
    people = {f"{i}": "N" * 20 for i in range(300, 340)}
    people |= {"303": "NNF", "317": "NNF", "331": "NNF", "305": "NQ", "306": "NQ", "307": "NQ"}
    table = a_table(people)
    (part,) = parts(table, by_subject(0.1, 0.1, seed))
    for side in sides(part):
        assert {"N", "F", "Q"} == {CLASSES[i] for i in table.label[side]}
    assert part.classes == ("N", "F", "Q")  # no beat is S or V


@pytest.mark.parametrize("seed", range(5))
def test_a_class_of_one_subject_trains(seed: int) -> None:
    table = a_table({f"{i}": "NNV" for i in range(300, 310)} | {"304": "NF"})
    (part,) = parts(table, by_subject(seed=seed))
    assert "304" in subjects(table, part.train)
    assert "F" in part.classes


def test_both_records_of_a_subject_go_to_one_side() -> None:
    for seed in range(10):
        table = a_table(dict.fromkeys(("200", "201", "202", "203", "205"), "NNV"))
        (part,) = parts(table, by_subject(seed=seed))
        rows = [{table.records[i] for i in table.record[side]} for side in sides(part)]
        assert any({"201", "202"} <= names for names in rows)


# -- what a protocol says of itself --------------------------------------------------------------------


def test_an_intra_patient_protocol_says_so() -> None:
    table = a_table({"100": "NSVFQ" * 20, "101": "NSVFQ" * 20}, [i % 4 == 0 for i in range(200)], "kaggle")
    (part,) = parts(table, kaggle())
    assert part.statement.startswith(
        "Intra-patient: training, validation and test hold beats of the same 2 subjects"
    )
    assert part.leaks == {"subjects", "records", "samples"}
    assert part.classes == CLASSES


@pytest.mark.promise
def test_beats_at_random_are_called_intra_patient() -> None:
    table = a_table({"100": "NV" * 20, "101": "NV" * 20, "103": "NV" * 20})
    (part,) = parts(table, intra_patient())
    assert part.statement.startswith(
        "Intra-patient: training, validation and test are drawn at random from the beats of the same 3 "
        "subjects. The scores say how well the model sorts further beats of patients it has seen"
    )
    assert part.leaks == {"subjects", "records", "samples"}
    (part,) = parts(of_unknown_origin(table), intra_patient())
    assert "subjects are not known, so that the same patients may stand on all sides" in part.statement
    assert part.leaks == {"subjects", "records", "samples"}


def test_inter_patient_names_its_one_shared_subject() -> None:
    (part,) = parts(a_table(MITBIH), inter_patient())
    assert part.leaks == {"subjects"}
    assert "201 (DS1) and 202 (DS2) are of one subject" in part.statement
    assert part.classes == ("N", "S", "V", "F")


def test_by_subject_shares_nothing() -> None:
    (part,) = parts(a_table({f"{i}": "NV" for i in range(300, 310)}), by_subject(0.2, 0.1))
    assert part.leaks == frozenset()
    assert "7 subjects train, 1 subject validate and 2 subjects test" in part.statement


def test_labels_count_the_classes_of_the_part() -> None:
    table = a_table({f"{i}": "NFQ" for i in range(300, 310)})
    (part,) = parts(table, by_subject())
    assert part.classes == ("N", "F", "Q")
    rows = part.train
    assert [part.classes[i] for i in labels(table, part, rows)] == [CLASSES[i] for i in table.label[rows]]
    (four,) = parts(a_table(MITBIH), inter_patient())
    with pytest.raises(EcgError, match="has no class Q; expected N S V F"):
        labels(table, four, rows)


# -- bad input -----------------------------------------------------------------------------------------


@pytest.mark.promise
def test_a_class_absent_from_training_is_named() -> None:
    without_f = {name: beats.replace("F", "N") if name in DS1 else beats for name, beats in MITBIH.items()}
    with pytest.raises(EcgError, match="protocol=inter_patient: no beat of class F to train on; expected"):
        parts(a_table(without_f), inter_patient())
    table = a_table({"100": "NSVFQ" * 4}, [0, 0, 1, 0, 1] * 4, "kaggle")
    with pytest.raises(EcgError, match="protocol=kaggle: no beat of class V or Q to train on"):
        parts(table, kaggle(0.3))


@pytest.mark.promise
@pytest.mark.parametrize(
    ("split", "said"), [(0, "the test part is empty"), (1, "the training part is empty")]
)
def test_an_empty_part_is_named(split: int, said: str) -> None:
    with pytest.raises(EcgError, match=f"protocol=kaggle: {said}"):
        parts(a_table({"100": "NSVFQ" * 20}, [split] * 100, "kaggle"), kaggle())


@pytest.mark.promise
def test_missing_records_of_ds1_and_ds2_are_listed() -> None:
    some = {name: beats for name, beats in MITBIH.items() if name not in ("106", "232", "234")}
    with pytest.raises(EcgError, match="lacks 3 of the 44 records of DS1 and DS2: 106, 232, 234"):
        parts(a_table(some), inter_patient())
    with pytest.raises(EcgError, match="lacks 1 of the 22 records of DS1: 106"):
        parts(a_table(some), inter_patient(), test=False)


def test_shares_that_leave_nothing_to_train_on_are_refused() -> None:
    with pytest.raises(EcgError, match=r"test=0.7 and protocol.validation=0.3 leave no beat to train on"):
        parts(a_table({"100": "NSVFQ" * 4}), intra_patient(0.7, 0.3))


def test_too_few_subjects_are_refused() -> None:
    with pytest.raises(EcgError, match="leave none of 2 for training"):
        parts(a_table({"100": "NV", "101": "NV"}), by_subject())


def test_whole_subjects_need_both_kaggle_files() -> None:
    table = a_table(MITBIH, [0] * sum(map(len, MITBIH.values())), "kaggle")
    for protocol in (inter_patient(), intra_patient(), by_subject()):
        with pytest.raises(EcgError, match="divides the beats of both Kaggle files"):
            parts(table, protocol, test=False)


# -- MIT-BIH -------------------------------------------------------------------------------------------


@pytest.mark.promise
def test_ds1_and_ds2_have_their_published_beats(data_dir: Path) -> None:
    """Against the annotations as wfdb reads them, and two figures of the literature."""
    wfdb = pytest.importorskip("wfdb")
    table = beats(Mitdb(name="mitdb", class_map="aami"), CENTRED, data_dir)
    (part,) = parts(table, inter_patient())
    counted = {}
    for name, records in {"DS1": DS1, "DS2": DS2}.items():
        symbols = [s for r in records for s in wfdb.rdann(str(data_dir / "mitdb" / r), "atr").symbol]
        counted[name] = Counter(CLASS_MAPS["aami"][s] for s in symbols if s in CLASS_MAPS["aami"])
    ds1 = np.concatenate([part.train, part.validation])
    assert part.test is not None
    for rows, count in ((ds1, counted["DS1"]), (part.test, counted["DS2"])):
        assert np.bincount(labels(table, part, rows)).tolist() == [count[c] for c in "NSVF"]
    assert np.bincount(labels(table, part, part.test)).tolist() == [44259, 1837, 3221, 388]
    assert np.bincount(labels(table, part, ds1)).tolist() == [45866, 944, 3788, 415]
    assert (np.bincount(labels(table, part, part.validation), minlength=4) > 0).all()
    assert "Record 232 holds 1,382 of the 1,837 S beats of DS2; 16 of its records have any." in part.caveats
    assert "Record 208 holds 373 of the 415 F beats of DS1; 10 of its records have any." in part.caveats
    assert "Class Q is dropped: it has 8 beats in DS1 and 7 in DS2." in part.caveats
