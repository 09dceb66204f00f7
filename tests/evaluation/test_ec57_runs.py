"""Couplets, short and long runs, and episodes of flutter, counted by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgcli.evaluation.ec57 import RecordScore
from tests.evaluation.ec57_cases import Mark, beats, scored, shares

KINDS = ("couplet", "short run", "long run")


def runs(score: RecordScore, letter: str = "V") -> dict[str, list[tuple[int, int]]]:
    """Kind → Se and +P as (hits, total), where there are any."""
    found = {kind: shares(score, f"{letter} {kind} Se", f"{letter} {kind} +P") for kind in KINDS}
    return {kind: both for kind, both in found.items() if any(total for _, total in both)}


@pytest.mark.promise
@pytest.mark.parametrize(("letter", "other"), [("V", "S"), ("S", "V")])
def test_runs_are_sorted_by_their_length(letter: str, other: str) -> None:
    symbols = "N" + "N".join(letter * n for n in (1, 2, 2, 3, 4, 5, 6, 9)) + "N"
    score = scored(beats(symbols), beats(symbols))
    assert runs(score, letter) == {
        "couplet": [(2, 2), (2, 2)],
        "short run": [(3, 3), (3, 3)],
        "long run": [(2, 2), (2, 2)],
    }
    assert runs(score, other) == {}


@pytest.mark.promise
def test_a_run_is_found_if_as_many_beats_as_its_kind_asks_for_are() -> None:
    #                        couplet   short  short    long        long
    reference = beats("N" + "VV" "N" "VVV" "N" "VVVVV" "N" "VVVVVV" "N" "VVVVVVVV" "N")  # fmt: skip
    test = beats(     "N" + "VN" "N" "VVN" "N" "VVVNV" "N" "VVVVVN" "N" "NVVVVVVN" "N")  # fmt: skip
    score = scored(reference, test)
    # of the reference's 2, 3, 5, 6 and 8 beats the test has 1, 2, 3, 5 and 6 in a row; the test's couplet
    # lies in a run of 3, its short runs of 3 and 5 in runs of 5 and 6, its long run of 6 in one of 8
    assert runs(score) == {
        "couplet": [(0, 1), (1, 1)],
        "short run": [(1, 2), (2, 2)],
        "long run": [(1, 2), (1, 1)],
    }
    lengths = score.ventricular.sensitivity
    assert [int(lengths[row, column]) for row, column in ((2, 1), (3, 2), (5, 3), (6, 5), (6, 6))] == [1] * 5
    assert int(lengths.sum()) == 5


@pytest.mark.promise
def test_a_false_run_is_false_by_its_own_length() -> None:
    score = scored(beats("NNNNVNNNNNNNNN"), beats("NVVNVVVNNNNNNN"))
    assert runs(score) == {"couplet": [(0, 0), (0, 1)], "short run": [(0, 0), (0, 1)]}
    assert int(score.ventricular.predictivity[0, 2]) == 1 and int(score.ventricular.predictivity[1, 3]) == 1


def test_the_window_of_a_run_reaches_one_match_window_beyond_it() -> None:
    reference: list[Mark] = [(1000, "V"), (1300, "V"), (1700, "N")]
    assert runs(scored(reference, [(946, "V"), (1354, "V"), (1700, "N")]))["couplet"] == [(1, 1), (1, 1)]
    # 945 lies outside the reference's window, the reference's beats inside that of the test
    assert runs(scored(reference, [(945, "V"), (1354, "V"), (1700, "N")]))["couplet"] == [(0, 1), (1, 1)]


def test_a_longer_test_run_still_finds_a_couplet() -> None:
    score = scored(beats("NNVVNN"), beats("NVVVVN"))
    assert runs(score) == {"couplet": [(1, 1), (0, 0)], "short run": [(0, 0), (0, 1)]}


def test_fusion_and_other_beats_break_a_run() -> None:
    assert runs(scored(beats("VFVQVSV"), beats("VVVVVVV"))) == {"long run": [(0, 0), (0, 1)]}


def test_a_beat_before_the_start_is_no_part_of_a_run() -> None:
    reference = beats("VVVN", first=100, apart=300)  # the first one in the learning period
    assert runs(scored(reference, reference, rate=100.0, start=2.0)) == {"couplet": [(1, 1), (1, 1)]}


def test_runs_do_not_reach_across_shutdown_or_flutter() -> None:
    shut: list[Mark] = [*beats("VV"), (1400, "~", -1), (1900, "~", 0), *beats("VV", first=2000)]
    assert runs(scored(shut, shut)) == {"couplet": [(2, 2), (2, 2)]}
    flutter: list[Mark] = [*beats("VV"), (1400, "["), (1900, "]"), *beats("VV", first=2000)]
    assert runs(scored(flutter, flutter)) == {"couplet": [(2, 2), (2, 2)]}


@given(st.text("NSVFQ", min_size=1, max_size=60))
def test_a_file_finds_all_its_own_runs(symbols: str) -> None:
    score = scored(beats(symbols), beats(symbols))
    lengths = [len(run) for run in "".join(s if s == "V" else " " for s in symbols).split()]
    expected = {
        "couplet": lengths.count(2),
        "short run": sum(3 <= n <= 5 for n in lengths),
        "long run": sum(n >= 6 for n in lengths),
    }
    assert runs(score) == {kind: [(n, n), (n, n)] for kind, n in expected.items() if n}


# -- flutter ---------------------------------------------------------------------------------------------

FLUTTER = ("flutter episode Se", "flutter episode +P", "flutter duration Se", "flutter duration +P")


@pytest.mark.promise
def test_flutter_by_episode_and_by_duration() -> None:
    """At 100 Hz: reference 10–20 s and 30–34 s, test 15–25 s, 31–32 s, 33–36 s and 50–51 s."""
    reference: list[Mark] = [(1000, "["), (2000, "]"), (3000, "["), (3400, "]")]
    test: list[Mark] = [(1500, "["), (2500, "]"), (3100, "["), (3200, "]")]
    test += [(3300, "["), (3600, "]"), (5000, "["), (5100, "]")]
    score = scored(reference, test, rate=100.0)
    # in milliseconds: 14 s of the reference, 15 s of the test; 5 + 1 + 1 s in both
    assert shares(score, *FLUTTER) == [(2, 2), (3, 4), (7000, 14000), (7000, 15000)]


def test_episodes_that_only_touch_do_not_overlap() -> None:
    score = scored([(1000, "["), (2000, "]")], [(2000, "["), (3000, "]")])
    assert shares(score, *FLUTTER)[:2] == [(0, 1), (0, 1)]


def test_only_the_scored_part_of_an_episode_counts() -> None:
    reference: list[Mark] = [(100, "["), (500, "]"), (800, "["), (1500, "]")]
    score = scored(reference, [], rate=100.0, start=10.0)
    assert shares(score, *FLUTTER) == [(0, 1), (0, 0), (0, 5000), (0, 0)]
