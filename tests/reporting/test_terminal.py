"""The terminal's report: readable at 80 columns, and as plain text."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console

from ecgcli.evaluation.metrics import score
from ecgcli.reporting.tables import percent
from ecgcli.reporting.terminal import print_report
from tests.reporting.conftest import FIND_95, older, run


def printed(facts: dict[str, Any], **console: Any) -> str:
    output = io.StringIO()
    print_report(facts, Console(file=output, **({"width": 80} | console)))
    return output.getvalue()


@pytest.mark.promise
def test_plain_text_of_80_columns_without_colours_or_boxes(facts: dict[str, Any]) -> None:
    text = printed(facts)
    assert max(map(len, text.splitlines())) <= 80
    assert text.isascii() and "\x1b" not in text
    assert "demo: 3,000 beats of 20 records and 20 subjects" in text
    assert "by_subject: a hold-out of whole subjects." in text
    assert "N S V F, by the class map aami" in text
    assert "No subject stands on both sides." in text
    assert text.index("No subject stands") < text.index("recall"), "the leak statement stands above the table"


@pytest.mark.promise
def test_the_table_holds_the_three_columns_with_support_and_f1(facts: dict[str, Any]) -> None:
    facts["score"] = facts["metrics"]["test"]
    text = printed(facts, width=100)
    one, ends = (facts[key]["per_class"]["S"] for key in ("score", "intervals"))
    said = {
        key: f"{100 * one[key]:.1f}% ({100 * ends[key][0]:.1f}-{100 * ends[key][1]:.1f})"
        for key in ("recall", "called_normal")
    }
    expected = ["50", said["recall"], f"{100 * one['wrong_share']:.1f}%", said["called_normal"]]
    expected = " ".join([*expected, f"{one['f1']:.3f}"]).split()
    (row,) = (line for line in text.splitlines() if line.startswith("S Supraventricular"))
    assert row.split()[3:] == expected
    row = next(line for line in printed(facts, width=80).splitlines() if line.startswith("S "))
    assert row.split() == ["S", *expected], "the intervals come before the whole names"
    for name, key in (("macro-F1", "macro_f1"), ("MCC", "mcc"), ("Cohen's kappa", "kappa")):
        (row,) = (line for line in text.splitlines() if line.startswith(name))
        for part in ("test", "validation"):
            assert f"{facts['metrics'][part][key]:.3f}" in row.split()
    called = facts["metrics"]["test"]["abnormal_called_normal"]
    (row,) = (line for line in text.splitlines() if line.startswith("abnormal beats called normal"))
    assert f"{100 * called:.2f}%" in row


@pytest.mark.promise
def test_what_does_not_exist_is_said_in_words(facts: dict[str, Any]) -> None:
    beats = facts["predictions"]["test"].copy()
    beats["p_N"] += beats["p_V"]
    beats["p_V"] = 0
    facts["metrics"]["test"] = score(beats.drop(columns="predicted"), facts["classes"])
    facts["intervals"] = None
    text = printed(facts, width=100)
    (fusion,) = (line for line in text.splitlines() if line.startswith("F Fusion"))
    assert fusion.split()[-2:] == ["no", "beats"]
    (ventricular,) = (line for line in text.splitlines() if line.startswith("V Ventricular"))
    assert "none predicted" in ventricular and "0.0%" in ventricular
    assert "nan" not in text.lower() and "None" not in text
    assert "leave out F: no beats" in text


def test_the_intervals_say_what_was_drawn(facts: dict[str, Any]) -> None:
    said = " ".join(printed(facts).split())
    low, high = (f"{100 * end:.2f}" for end in facts["intervals"]["accuracy"])
    assert f"{100 * facts['metrics']['test']['accuracy']:.2f}% ({low}-{high})" in said
    assert "In brackets 95% intervals. Whole patients were drawn (5 patients)" in said
    assert max(map(len, printed(facts, width=200).splitlines())) <= 100


def test_an_operating_point_is_told_where_it_is_another_than_the_most_probable_class() -> None:
    assert "sensitivity of 95% was asked for" in " ".join(printed(run(FIND_95)).split())
    assert "is called what is most probable" not in " ".join(printed(run()).split())


@pytest.mark.promise
def test_a_run_of_before_is_shown_as_it_was(facts: dict[str, Any]) -> None:
    text = printed(older(facts))
    (row,) = (line for line in text.splitlines() if line.startswith("S Supraventricular"))
    assert len(row.split()) == 8 and "(" not in row and "In brackets" not in text


def test_the_error_budget_stands_below_for_two_stages_only(facts: dict[str, Any]) -> None:
    counts = facts["error_budget"]["abnormal"]["counts"]
    (row,) = (line for line in printed(facts).splitlines() if line.startswith("all "))
    assert [word for word in row.split() if "(" not in word] == [
        "all",
        "140",
        *(str(counts[cause]) for cause in ("missed", "lost", "mistyped", "right")),
    ]
    assert "stage one" not in " ".join(printed(facts | {"error_budget": None}).split())


def test_a_finished_run_is_shown_from_its_json_alone(facts: dict[str, Any]) -> None:
    kept = ["title", "data", "protocol", "class_map", "classes", "audit", "metrics", "error_budget"]
    kept += ["intervals", "operating_point"]
    read_back = json.loads(json.dumps({key: facts[key] for key in kept}))
    assert printed(read_back) == printed(facts)


@pytest.mark.promise
def test_an_intra_patient_protocol_says_so_above_the_table(facts: dict[str, Any]) -> None:
    assert "intra-patient" not in printed(facts)
    facts["protocol"]["intra_patient"] = True
    text = printed(facts)
    assert text.index("intra-patient") < text.index("recall")
    assert "nothing about new patients" in " ".join(text.split())


def test_without_test_scores_those_of_validation_are_named_as_such(facts: dict[str, Any]) -> None:
    facts["metrics"]["test"] = None
    text = printed(facts)
    assert "the validation part, 410 beats; the test part was not scored" in text
    assert "whole set" in text and "test  validation" not in text


def test_names_are_shown_as_typed(facts: dict[str, Any]) -> None:
    facts["data"]["name"] = "ECG [red]2024[/red] :heart:"
    assert "ECG [red]2024[/red] :heart:: 3,000 beats" in printed(facts, width=120)


def test_a_terminal_gets_colour_and_an_old_one_ascii(facts: dict[str, Any]) -> None:
    facts["protocol"]["statement"] = "DS1 → DS2"
    assert "\x1b[1m" in printed(facts, force_terminal=True, color_system="standard")
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    print_report(facts, Console(file=file, width=80, force_terminal=True))
    file.flush()
    assert b"DS1 -> DS2" in raw.getvalue()


@pytest.mark.parametrize(
    ("value", "said"),
    [(1.0, "100.0%"), (0.99999, ">99.9%"), (0.0, "0.0%"), (0.0001, "<0.1%"), (0.9697, "97.0%"), (None, "-")],
)
def test_only_all_reads_as_100_percent_and_only_none_as_0(value: float | None, said: str) -> None:
    assert percent(value) == said
