"""DS1 and DS2: the records of de Chazal et al. 2004, and the variant without the subject on both sides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.beats.audit import audit
from ecgcli.beats.protocol import DS1, DS2, labels, parts
from ecgcli.beats.sources import beats
from ecgcli.beats.table import BeatTable
from ecgcli.choices.data import Mitdb
from ecgcli.choices.protocol import InterPatientStrict
from ecgcli.errors import EcgError
from ecgcli.recordings.wfdb_io import read_record
from tests.beats.test_protocol import CENTRED, MITBIH, a_table, inter_patient, sides


def strict(folds: int = 5, seed: int = 0) -> InterPatientStrict:
    return InterPatientStrict(name="inter_patient_strict", folds=folds, seed=seed)


def records(table: BeatTable, rows: np.ndarray) -> set[str]:
    return {table.records[i] for i in table.record[rows]}


@settings(max_examples=8, deadline=None)
@given(folds=st.integers(2, 11), seed=st.integers(0, 100))
def test_strict_has_no_subject_on_two_sides(folds: int, seed: int) -> None:
    table = a_table(MITBIH)
    (part,) = parts(table, strict(folds, seed))
    train, validation, test = (records(table, side) for side in sides(part))
    assert train | validation == set(DS1) - {"201"}
    assert not train & validation
    assert test == set(DS2)
    subjects = [{table.subjects[table.records.index(name)] for name in side} for side in (train, test)]
    assert not subjects[0] & subjects[1]
    assert part.leaks == frozenset()
    assert "no subject is on both sides" in part.statement


def test_strict_and_not_have_the_same_test_part_and_validate_on_ds1() -> None:
    table = a_table(MITBIH)
    (one,), (other,) = parts(table, strict()), parts(table, inter_patient())
    np.testing.assert_array_equal(one.test, other.test)
    assert one.classes == other.classes
    (without,) = parts(table, strict(), test=False)
    assert without.test is None
    assert without.caveats == ()
    np.testing.assert_array_equal(without.train, one.train)
    np.testing.assert_array_equal(without.validation, one.validation)


def test_strict_does_without_record_201_and_without_ds2_where_it_is_not_tested() -> None:
    some = {name: beats for name, beats in MITBIH.items() if name != "201"}
    assert len(parts(a_table(some), strict())) == 1
    ds1 = {name: beats for name, beats in some.items() if name in DS1}
    assert len(parts(a_table(ds1), strict(), test=False)) == 1
    with pytest.raises(EcgError, match="lacks 22 of the 43 records of DS1 and DS2: 100, 103"):
        parts(a_table(ds1), strict())


def test_classes_of_other_names_are_no_trouble() -> None:
    """A table of one's own may tell normal beats from others and no more."""
    table = replace(a_table(dict.fromkeys((*DS1, *DS2), "NS")), classes=("normal", "other"))
    (part,) = parts(table, inter_patient())
    assert part.classes == ("normal", "other")
    assert not [said for said in part.caveats if "holds" in said or "Class Q" in said]


@pytest.mark.promise
def test_strict_drops_the_beats_of_record_201_and_nothing_else(data_dir: Path) -> None:
    table = beats(Mitdb(name="mitdb", class_map="aami"), CENTRED, data_dir)
    (whole,), (part,) = parts(table, inter_patient()), parts(table, strict())
    np.testing.assert_array_equal(part.test, whole.test)
    ours, theirs = (np.concatenate([p.train, p.validation]) for p in (part, whole))
    dropped = np.setdiff1d(theirs, ours)
    assert records(table, dropped) == {"201"}
    assert len(ours) + len(dropped) == len(theirs)
    marks = read_record(data_dir / "mitdb" / "201").annotations
    assert marks is not None
    assert len(dropped) == np.isin(marks.symbol, list("NLRejBAaJSVEF")).sum() == 1963
    assert np.bincount(labels(table, part, part.validation), minlength=4).min() > 0
    found = audit(table, part)
    assert found.refused == ()
    assert [pair.subjects for pair in found.pairs] == [(), (), ()]
