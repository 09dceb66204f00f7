"""The first minutes of a held-out recording are labelled, the rest of it is tested."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.beats.audit import audit
from ecgcli.beats.protocol import DS2, parts
from ecgcli.beats.sources import beats
from ecgcli.beats.table import BeatTable
from ecgcli.choices.data import Mitdb
from ecgcli.choices.protocol import LabelledMinutes
from ecgcli.errors import EcgError
from tests.beats.test_protocol import CENTRED, MITBIH, a_table, inter_patient

RATE = 360.0


def minutes(of: float = 5, records: str = "ds2", k: int = 5, seed: int = 0) -> LabelledMinutes:
    return LabelledMinutes.model_validate(
        {
            "name": "labelled_minutes",
            "minutes": of,
            "steps": 10,
            "lr": 0.001,
            "records": records,
            "k": k,
            "seed": seed,
        }
    )


def long_table() -> BeatTable:
    """A beat every 20 seconds, the windows of neighbours overlapping: the third lies at one minute."""
    table = a_table({name: classes * 3 for name, classes in MITBIH.items()})
    sample = table.sample // 300 * round(20 * RATE)
    return replace(table, sample=sample, span=np.stack([sample - 4000, sample + 4000], axis=1))


@settings(max_examples=10, deadline=None)
@given(of=st.floats(0.4, 3), records=st.sampled_from(["ds2", "ds1", "unpaced"]), seed=st.integers(0, 9))
def test_no_labelled_window_reaches_into_what_is_tested_and_no_patient_of_it_trains(
    of: float, records: str, seed: int
) -> None:
    table = long_table()
    for part in parts(table, minutes(of, records, seed=seed)):
        assert part.test is not None
        assert part.labelled is not None
        assert (table.sample[part.test] >= of * 60 * RATE).all()
        for rows in (part.validation, part.test):
            for record in np.unique(table.record[rows]):
                ours = rows[table.record[rows] == record]
                known = part.labelled.rows[table.record[part.labelled.rows] == record]
                assert record not in table.record[part.train]
                assert table.span[known, 1].max(initial=0) <= table.span[ours, 0].min()
        assert not set(part.labelled.rows) & {*part.train, *part.validation, *part.test}
        assert audit(table, part).refused == ()


def test_by_hand_two_beats_are_labelled_and_the_third_lies_across_the_border() -> None:
    table = long_table()
    (part,), (whole,) = parts(table, minutes(1.05)), parts(table, inter_patient())
    assert part.test is not None
    assert part.labelled is not None
    assert whole.test is not None
    np.testing.assert_array_equal(part.train, whole.train)
    for record in DS2:
        ours = np.flatnonzero(table.record == table.records.index(record))
        tested = np.intersect1d(ours, whole.test)
        # beats lie at 20, 40, 60 and 80 s; that at 60 s reaches into the window of that at 80 s
        np.testing.assert_array_equal(np.intersect1d(ours, part.labelled.rows), tested[:2])
        np.testing.assert_array_equal(np.intersect1d(ours, part.test), tested[3:])
    assert set(part.classes) == {"N", "S", "V", "F"}
    assert part.leaks == {"subjects", "records"}


@pytest.mark.parametrize("records", ["ds2", "ds1"])
def test_without_the_test_part_the_others_are_the_same(records: str) -> None:
    table = long_table()
    for closed, opened in zip(
        parts(table, minutes(1, records), test=False), parts(table, minutes(1, records)), strict=True
    ):
        assert closed.test is None
        assert closed.caveats == ()
        np.testing.assert_array_equal(closed.train, opened.train)
        assert closed.labelled is not None
        assert opened.labelled is not None
        np.testing.assert_array_equal(closed.labelled.rows, opened.labelled.rows)
        np.testing.assert_array_equal(closed.validation, opened.validation)


def test_without_steps_it_is_the_same_beats_and_nothing_is_known_of_the_patients() -> None:
    table = long_table()
    adapting = minutes(1)
    (one,), (other,) = parts(table, adapting), parts(table, adapting.model_copy(update={"steps": 0}))
    np.testing.assert_array_equal(one.test, other.test)
    assert other.labelled is None
    assert other.leaks == {"subjects"}  # 201 and 202 are one
    assert one.statement.startswith("Adapted to the patient")
    assert other.statement.startswith("Inter-patient")


def test_recordings_that_are_shorter_and_beats_of_unknown_place_are_refused() -> None:
    table = long_table()
    with pytest.raises(EcgError, match="no validation beat lies after the first 30 minutes; expected longer"):
        parts(table, minutes(30))
    nowhere = replace(table, sample=np.where(table.label == 1, -1, table.sample))
    with pytest.raises(EcgError, match="beats of mitdb lie in their recordings is not known"):
        parts(nowhere, minutes(1))


@pytest.mark.promise
def test_five_minutes_of_ds2_are_labelled_and_the_other_twenty_five_tested(data_dir: Path) -> None:
    table = beats(Mitdb(name="mitdb", class_map="aami"), CENTRED, data_dir)
    (part,), (whole,) = parts(table, minutes()), parts(table, inter_patient())
    assert part.test is not None
    assert whole.test is not None
    later = whole.test[table.sample[whole.test] >= 5 * 60 * 360]
    np.testing.assert_array_equal(part.test, later)
    np.testing.assert_array_equal(part.train, whole.train)
    assert part.labelled is not None
    theirs = np.isin(table.record[part.labelled.rows], [table.records.index(name) for name in DS2])
    early = len(whole.test) - len(later)
    assert early - 2 * len(DS2) <= theirs.sum() <= early  # of each record at most two lie across the border
    found = audit(table, part)
    assert found.refused == ()
    (known,) = (pair for pair in found.pairs if (pair.first, pair.second) == ("labelled", "test"))
    assert known.records == DS2
    assert known.samples == 0
