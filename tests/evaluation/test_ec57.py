"""Beat-by-beat scoring: cases that no published output contains, with the counts worked out here."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgcli.errors import EcgError
from ecgcli.evaluation.ec57 import match
from ecgcli.evaluation.ec57_beats import inside
from ecgcli.evaluation.ec57_summary import average, average_rr_error, gross
from tests.evaluation.ec57_cases import Mark, annotations, beats, cells, scored, shares

# -- which beats are one beat ----------------------------------------------------------------------------


@pytest.mark.promise
@pytest.mark.parametrize(
    ("rate", "within"),
    [(360.0, 54), (250.0, 37), (128.0, 19), (200.0, 30), (257.0, 38), (500.0, 75), (1000.0, 150)],
)
def test_beats_match_up_to_150_ms_at_any_rate(rate: float, within: int) -> None:
    assert within / rate <= 0.150 < (within + 1) / rate
    for shift in (within, -within):
        assert cells(scored([(1000, "N")], [(1000 + shift, "N")], rate=rate)) == {"Nn": 1}
    for shift in (within + 1, -within - 1):
        assert cells(scored([(1000, "N")], [(1000 + shift, "N")], rate=rate)) == {"No": 1, "On": 1}


def test_of_two_beats_within_the_window_the_closer_one_matches() -> None:
    # the reference's V at 1030 is 5 samples from the test's beat, its N at 1000 is 35
    assert cells(scored([(1000, "N"), (1030, "V")], [(1035, "V")])) == {"No": 1, "Vv": 1}
    assert cells(scored([(1035, "V")], [(1000, "N"), (1030, "V")])) == {"On": 1, "Vv": 1}


def test_of_two_equally_close_beats_the_earlier_one_matches() -> None:
    assert cells(scored([(1000, "N"), (1040, "V")], [(1020, "N")])) == {"Nn": 1, "Vo": 1}
    assert cells(scored([(1020, "N")], [(1000, "N"), (1040, "V")])) == {"Nn": 1, "Ov": 1}


def test_annotations_that_mark_no_beat_are_not_scored() -> None:
    marks: list[Mark] = [(1010, "+"), (1020, "~", 1), (1030, "|"), (1040, "x"), (1050, '"'), (1060, "!")]
    assert cells(scored([(1000, "N"), *marks], [(1000, "N")])) == {"Nn": 1}
    assert cells(scored([(1000, "N")], [(1000, "N"), *marks])) == {"Nn": 1}


STRETCHES = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=6)


@given(STRETCHES, st.lists(st.integers(-5, 80), max_size=20))
def test_a_sample_is_inside_if_some_stretch_holds_it(
    stretches: list[tuple[int, int]], samples: list[int]
) -> None:
    pairs = np.array([(first, first + n) for first, n in stretches], dtype=np.int64).reshape(-1, 2)
    expected = [any(first <= s <= last for first, last in pairs) for s in samples]
    assert inside(pairs, np.array(samples, dtype=np.int64)).tolist() == expected


SPACED = st.lists(st.integers(110, 400), max_size=30).map(lambda gaps: np.cumsum([0, *gaps]))


@given(SPACED, SPACED, st.integers(0, 54))
def test_where_beats_lie_far_apart_matching_is_looking_for_a_neighbour(
    reference: np.ndarray, test: np.ndarray, window: int
) -> None:
    pairs = {(i, j) for i, r in enumerate(reference) for j, t in enumerate(test) if abs(r - t) <= window}
    i, j = match(reference.astype(np.int64), test.astype(np.int64), window)
    assert {(int(a), int(b)) for a, b in zip(i, j, strict=True) if a >= 0 and b >= 0} == pairs
    assert sorted(i[i >= 0]) == list(range(len(reference)))
    assert sorted(j[j >= 0]) == list(range(len(test)))


CROWDED = st.lists(st.tuples(st.integers(0, 3000), st.sampled_from("NSVFQ")), max_size=40).map(sorted)


@given(CROWDED, CROWDED)
def test_exchanging_the_two_files_turns_the_matrix_over(reference: list[Mark], test: list[Mark]) -> None:
    one, other = scored(reference, test), scored(test, reference)
    assert np.array_equal(one.matrix, other.matrix.T)
    assert one.matrix[:5].sum() == len(reference) and one.matrix[:, :5].sum() == len(test)
    assert (one.rr_error is None) == (other.rr_error is None)
    if one.rr_error is not None and other.rr_error is not None:
        assert math.isclose(one.rr_error, other.rr_error)


# -- what is right and what is wrong ---------------------------------------------------------------------


@pytest.mark.promise
def test_every_measure_of_a_record_with_one_of_everything() -> None:
    """Each class is called everything once and missed once, each is extra once: 25 + 5 + 5 beats."""
    reference = beats("NNNNNN" "SSSSSS" "VVVVVV" "FFFFFF" "QQQQQQ" ".....")  # fmt: skip
    test = beats("NSVFQ." "NSVFQ." "NSVFQ." "NSVFQ." "NSVFQ." "NSVFQ")  # fmt: skip
    score = scored(reference, test)
    assert cells(score) == {
        **{row + column: 1 for row in "NSVFQ" for column in "nsvfqo"},
        **{"O" + column: 1 for column in "nsvfq"},
    }
    assert shares(score, "QRS Se", "QRS +P") == [(25, 30), (25, 30)]
    # called V: N, S, V and the extra one count, F and Q do not
    assert shares(score, "VEB Se", "VEB +P") == [(1, 6), (1, 4)]
    # called S: N, S, V, F and the extra one count, Q does not
    assert shares(score, "SVEB Se", "SVEB +P") == [(1, 6), (1, 5)]


@pytest.mark.promise
def test_sums_leave_out_fusion_beats_called_s() -> None:
    one = scored(beats("SSF"), beats("SSS"))
    other = scored(beats("SNN"), beats("SSN"))
    assert shares(one, "SVEB +P") == [(2, 3)]
    assert shares(other, "SVEB +P") == [(1, 2)]
    pooled = gross([one, other])["SVEB +P"]
    assert (pooled.hits, pooled.total) == (3, 4)
    assert average([one, other])["SVEB +P"] == pytest.approx((100 + 50) / 2)


def test_gross_weighs_beats_and_average_weighs_records() -> None:
    long, short = scored(beats("N" * 8), beats("N" * 8)), scored(beats("NV"), beats(".V"))
    none = scored(beats("N"), [])
    pooled, mean = gross([long, short, none]), average([long, short, none])
    assert (pooled["QRS Se"].hits, pooled["QRS Se"].total) == (9, 11)
    assert mean["QRS Se"] == pytest.approx((100 + 50 + 0) / 3)
    assert mean["QRS +P"] == pytest.approx((100 + 100) / 2)  # where nothing was called, nothing is averaged
    assert mean["VEB Se"] == 100 and mean["SVEB Se"] is None
    assert average_rr_error([long, none]) == 0


def test_escape_beats_are_supraventricular_by_the_standard_and_normal_in_the_literature() -> None:
    reference, test = beats("ejnAE"), beats("NNSSV")
    assert cells(scored(reference, test)) == {"Sn": 2, "Ss": 2, "Vv": 1}
    assert cells(scored(reference, test, class_map="aami")) == {"Nn": 2, "Ss": 2, "Vv": 1}


# -- flutter ---------------------------------------------------------------------------------------------


@pytest.mark.promise
def test_detections_inside_the_references_flutter_are_not_scored() -> None:
    reference = [*beats("NN"), (1600, "["), (1700, "!"), (1900, "!"), (2500, "]"), *beats("NV", first=2600)]
    test = [(1000, "N"), (1300, "N"), (1550, "N")]  # the third one comes before flutter: extra
    test += [(1600, "V"), (1800, "V"), (2100, "N"), (2500, "N")]  # inside, the ends included
    test += [(2520, "V"), (2600, "N"), (2900, "V")]  # the first one comes after flutter: extra
    score = scored(reference, test)
    assert cells(score) == {"Nn": 3, "Vv": 1, "On": 1, "Ov": 1}
    assert shares(score, "QRS +P", "VEB +P") == [(4, 6), (1, 2)]


def test_no_rr_interval_reaches_across_flutter() -> None:
    reference = [*beats("NN"), (1400, "["), (3000, "]"), *beats("NN", first=3100)]
    exact = [*beats("NN"), (2000, "N"), *beats("NN", first=3100)]
    assert scored(reference, exact).rr_error == 0
    # the first beat after flutter is missed: the test's interval from 1300 to 3400 is no interval either
    late = scored(reference, [*beats("NN"), (3400, "N")])
    assert cells(late) == {"Nn": 3, "No": 1}
    assert late.rr_error == 0


def test_flutter_that_does_not_end_lasts_to_the_end() -> None:
    reference: list[Mark] = [*beats("NN"), (1500, "[")]
    assert cells(scored(reference, [*beats("NN"), (1600, "V"), (99_999, "V")])) == {"Nn": 2}


def test_flutter_that_begins_in_the_learning_period_goes_on() -> None:
    reference: list[Mark] = [(100, "N"), (200, "["), (1500, "]"), (2000, "N")]
    test: list[Mark] = [(100, "N"), (1200, "V"), (2000, "N")]
    assert cells(scored(reference, test, rate=100.0, start=10.0)) == {"Nn": 1}


def test_beats_inside_the_tests_own_flutter_are_missed() -> None:
    test: list[Mark] = [(1000, "N"), (1200, "["), (1300, "N"), (1400, "]"), (1600, "N")]
    assert cells(scored(beats("NNN"), test)) == {"Nn": 2, "No": 1}


# -- shutdown --------------------------------------------------------------------------------------------


@pytest.mark.promise
@pytest.mark.parametrize("subtype", [-1, 0x30, 0x33, 0x7F])
@pytest.mark.parametrize("end", [0, 1, 0x10, 0x20])
def test_extra_beats_in_the_references_shutdown_are_row_x(subtype: int, end: int) -> None:
    reference = [*beats("NN"), (1400, "~", subtype), (2400, "~", end), *beats("NN", first=2500)]
    test = [
        *beats("NN"),
        (1400, "N"),
        (1600, "V"),
        (2000, "S"),
        (2400, "Q"),
        (2440, "V"),
        *beats("NN", first=2500),
    ]
    score = scored(reference, test)
    assert cells(score) == {"Nn": 4, "Xn": 1, "Xv": 1, "Xs": 1, "Xq": 1, "Ov": 1}
    # they count as extra beats in every positive predictivity
    assert shares(score, "QRS Se", "QRS +P", "VEB +P", "SVEB +P") == [(4, 4), (4, 9), (0, 2), (0, 1)]
    assert score.shutdown == 0  # the time is the test's


@pytest.mark.parametrize("subtype", [0, 1, 2, 3, 0x10, 0x20])
def test_other_noise_marks_are_no_shutdown(subtype: int) -> None:
    reference: list[Mark] = [*beats("NN"), (1400, "~", subtype), (1700, "~", 0)]
    assert cells(scored(reference, [*beats("NN"), (1600, "N")])) == {"Nn": 2, "On": 1}
    assert cells(scored([*beats("NN"), (1600, "N")], reference)) == {"Nn": 2, "No": 1}


@pytest.mark.promise
def test_beats_missed_in_the_tests_shutdown_are_column_x() -> None:
    reference = beats("NNVSFQNN")  # at 1000, 1300, ... 3100
    test: list[Mark] = [(1000, "N"), (1500, "~", -1), (1600, "V"), (2500, "~", 0), (2800, "N"), (3100, "N")]
    score = scored(reference, test)
    # N at 1300 is missed before it; V at 1600 is found although inside; S at 1900 and F at 2200 are inside,
    # Q at 2500 is at its very end
    assert cells(score) == {"Nn": 3, "No": 1, "Vv": 1, "Sx": 1, "Fx": 1, "Qx": 1}
    assert shares(score, "QRS Se", "SVEB Se") == [(4, 8), (0, 1)]
    assert score.shutdown == pytest.approx(1000 / 360)


def test_shutdown_without_an_end_lasts_to_the_records_end() -> None:
    score = scored(beats("NNNN"), [(1000, "N"), (1200, "~", -1)], length=3600)
    # the mark has no annotation after it: shutdown from one window after 1000 to the last sample
    assert cells(score) == {"Nn": 1, "Nx": 3}
    assert score.shutdown == pytest.approx((3599 - 1054) / 360)


def test_a_lone_mark_between_beats_is_shutdown_up_to_150_ms_from_them() -> None:
    """The custom of the AHA database: no end is marked."""
    reference: list[Mark] = [(1000, "N"), (2000, "~", -1), (3000, "N"), (3300, "N")]
    test: list[Mark] = [(1000, "N"), (1060, "V"), (1999, "V"), (2940, "V"), (3000, "N"), (3300, "N")]
    assert cells(scored(reference, test)) == {"Nn": 3, "Xv": 3}  # 1054 to 2946
    beyond: list[Mark] = [(1000, "N"), (1053, "V"), (2947, "V"), (3000, "N"), (3300, "N")]
    assert cells(scored(reference, beyond)) == {"Nn": 3, "Ov": 2}
    again: list[Mark] = [(1000, "N"), (2000, "~", -1), (3000, "N"), (4000, "~", -1), (5000, "N")]
    assert cells(scored(again, [(1000, "N"), (2500, "V"), (3000, "N"), (4500, "V"), (5000, "N")])) == {
        "Nn": 3,
        "Xv": 2,
    }


# -- RR intervals ----------------------------------------------------------------------------------------


@pytest.mark.promise
def test_rr_error_by_hand() -> None:
    """Reference 1000 1300 1600 1900, test 1000 1310 1600 1900: intervals differ by −10, 10 and 0 samples."""
    score = scored(beats("NNNN"), [(1000, "N"), (1310, "N"), (1600, "N"), (1900, "N")])
    assert score.rr_error == pytest.approx(math.sqrt((10**2 + 10**2 + 0) / 3) / 360 * 1000)


@pytest.mark.promise
def test_a_missed_beat_counts_in_two_steps() -> None:
    """Reference 1000 1300 1600 1900, test without 1300.

    The steps after the first: 1300 against 1600 (300 − 600), no match, the reference moves on; 1600 against
    1600 (300 − 600), a match; 1900 against 1900 (300 − 300).
    """
    score = scored(beats("NNNN"), beats("N.NN"))
    assert score.rr_error == pytest.approx(math.sqrt((300**2 + 300**2 + 0) / 3) / 360 * 1000)


def test_an_extra_beat_counts_in_two_steps() -> None:
    """Test 1000 1300 1450 1600: 1600 against 1450 (300 − 150), then against 1600 (300 − 150)."""
    score = scored(beats("NNN"), [(1000, "N"), (1300, "N"), (1450, "N"), (1600, "N")])
    assert score.rr_error == pytest.approx(math.sqrt((0 + 150**2 + 150**2) / 3) / 360 * 1000)


def test_rr_error_is_in_ms_at_any_rate() -> None:
    test: list[Mark] = [(1000, "N"), (1310, "N")]
    assert scored(beats("NN"), test, rate=250.0).rr_error == pytest.approx(40)
    assert scored(beats("NN"), test, rate=1000.0).rr_error == pytest.approx(10)


def test_no_rr_interval_reaches_across_a_files_own_shutdown() -> None:
    shut: list[Mark] = [*beats("NN"), (1350, "~", -1), (2000, "~", 0), *beats("NN", first=2100)]
    other: list[Mark] = [(1000, "N"), (1300, "N"), (2130, "N"), (2400, "N")]
    # 1300 − 300 twice 0; the interval of 2100 against that of 2130 is left out; then 300 against 270
    wanted = math.sqrt((0 + 30**2) / 2) / 360 * 1000
    assert scored(shut, other).rr_error == pytest.approx(wanted)
    assert scored(other, shut).rr_error == pytest.approx(wanted)


def test_without_two_beats_in_a_row_there_is_no_rr_error() -> None:
    assert scored(beats("N"), beats("N")).rr_error is None
    assert scored(beats("NNN"), []).rr_error is None


# -- the learning period and the record's end ------------------------------------------------------------


@pytest.mark.promise
@pytest.mark.parametrize("rate", [360.0, 250.0, 128.0])
def test_the_first_five_minutes_are_not_scored(rate: float) -> None:
    start = round(300 * rate)
    before, after = [(start - 200, "N"), (start - 1, "V")], [(start, "S"), (start + 200, "N")]
    score = scored([*before, *after], [*before, *after], rate=rate, start=300.0, length=start + 1000)
    assert cells(score) == {"Ss": 1, "Nn": 1}


def test_each_file_is_cut_at_the_start_by_itself() -> None:
    """Nine samples apart, and yet no pair: one of the two lies in the learning period."""
    reference, test = [(995, "N"), (1400, "N")], [(1004, "N"), (1400, "N")]
    assert cells(scored(reference, test, rate=100.0, start=10.0)) == {"Nn": 1, "On": 1}


def test_the_first_rr_interval_reaches_back_into_the_learning_period() -> None:
    reference, test = [(900, "N"), (1200, "N")], [(890, "N"), (1200, "N")]
    assert scored(reference, test, rate=1000.0, start=1.0).rr_error == pytest.approx(10)


def test_a_record_of_unknown_length_ends_with_the_references_annotations() -> None:
    test: list[Mark] = [(1000, "N"), (1310, "N"), (5000, "V")]
    assert cells(scored(beats("NN"), test, length=None)) == {"Nn": 2}


def test_a_record_that_is_over_before_the_start_is_refused() -> None:
    with pytest.raises(EcgError, match=r"record hand: lasts 10 s.*start=300 s.*start=0"):
        scored(beats("N"), beats("N"), length=3600, start=300.0)


def test_files_without_beats_have_no_measures() -> None:
    score = scored([], [])
    assert not score.matrix.any()
    assert {ratio.percent for ratio in score.measures.values()} == {None}


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (
            [(1300, "N"), (1000, "N")],
            r"annotation 2 \(N\) is at sample 1000, after sample 1300; expected ascending",
        ),
        ([(-5, "N")], r"annotation 1 \(N\) is at sample -5, after the record's start"),
        ([(99_999, "N"), (100_000, "V")], r"annotation 2 \(V\) is at sample 100000.*below 100000"),
        (
            [(1000, "N"), (1300, "<42>")],
            r"annotation 2 at sample 1300 has the unknown symbol '<42>'; expected",
        ),
    ],
)
def test_annotations_that_cannot_be_scored_are_named(test: list[Mark], message: str) -> None:
    with pytest.raises(EcgError, match=message) as caught:
        scored(beats("NN"), test)
    assert "record hand, test" in str(caught.value) and "\n" not in str(caught.value)


def test_two_annotations_of_one_sample_are_in_order() -> None:
    assert cells(scored([(1000, "+"), (1000, "N")], [(1000, "N"), (1000, "~")])) == {"Nn": 1}
    assert len(annotations()) == 0
