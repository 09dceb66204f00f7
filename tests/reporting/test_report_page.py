"""`report.html`: the three lines first, every number the run's own, and no run breaks the page."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from ecgcli.reporting.headline import certainty_sentence, cost_sentence, missed_sentence
from ecgcli.reporting.page import html
from ecgcli.reporting.report import write_report
from ecgcli.reporting.report_page import report_page, write_page
from ecgcli.reporting.terminal import print_report
from tests.reporting.browser import Tables, needs_browser, stands_whole
from tests.reporting.conftest import (
    CERTAIN,
    CLASSES,
    FIND_95,
    RECORDS,
    made_up,
    nothing_painted,
    older,
    run,
    run_of,
)

MANY = ("N", *(f"class {k}" for k in range(29)))


def complete() -> dict[str, Any]:
    """A run with everything a report can hold."""
    facts = run(FIND_95)
    figure = Figure(figsize=(10, 3))
    figure.subplots().plot(np.sin(np.arange(500) / 5))
    facts["gallery"] = [("S called N, the surest of 3 beats of 2 subjects.", figure)]
    curve = {"missed": [1.0, 0.2, 0.0], "false_alarms_per_1000_normal": [0.0, 4.0, 1000.0]}
    counts = {"missed": 8, "abnormal": 140, "missed_share": 8 / 140, "false_alarms": 6, "normal": 600}
    counts |= {"false_alarms_per_1000": 6000 / 740, "false_alarms_per_1000_normal": 10.0}
    matched = {"aim": 0.95, "threshold": 0.2, "reference": counts, "other": counts | {"missed": 7}}
    facts["beside"] = {"title": "a single network", "curve": curve, "matched": matched}
    return facts


def invented(what: str) -> dict[str, Any]:
    """Runs that lack something."""
    if what == "complete":
        return complete()
    if what == "of before":
        return older(run())
    if what == "nothing known":
        return run() | dict.fromkeys((*CERTAIN, "gallery", "beside", "training", "folds", "error_budget"))
    if what == "from JSON":
        facts = run()
        kept = {key: value for key, value in facts.items() if key not in ("predictions", "training")}
        return json.loads(json.dumps(kept)) | {key: facts[key] for key in ("predictions", "training")}
    if what == "two classes":
        return run_of({"test": made_up(1, {"N": 200, "V": 40}, ("N", "V"))}, ("N", "V"))
    if what == "thirty classes":
        beats = made_up(1, dict.fromkeys(MANY, 12), MANY)
        return run_of({"validation": beats, "test": beats}, MANY)
    if what == "no class N":
        return run_of({"test": made_up(1, {"A": 90, "B": 40, "C": 9}, ("A", "B", "C"))}, ("A", "B", "C"))
    if what == "nobody known":
        beats = made_up(1, {"N": 300, "S": 40, "V": 40, "F": 20})
        beats = beats.assign(record="unknown", subject="unknown", sample=-1, heart_rate=np.nan, fault="")
        return run_of({"test": beats.assign(rhythm="")})
    if what == "one patient":
        return run_of({"test": made_up(1, {"N": 300, "S": 40, "V": 40, "F": 20}, records=("208",))})
    if what == "only normal beats":
        return run_of({"validation": made_up(1, {"N": 300})})
    if what == "only abnormal beats":
        return run_of({"test": made_up(1, {"S": 50, "V": 60})})
    if what == "all right":
        beats = made_up(1, {"N": 300, "S": 40, "V": 40})
        for k, name in enumerate(CLASSES):
            beats[f"p_{name}"] = np.where(beats["label"] == name, 0.97 - 1e-4 * k, 0.01)
        return run_of({"test": beats})
    raise ValueError(what)


KINDS = [
    "complete",
    "of before",
    "nothing known",
    "from JSON",
    "two classes",
    "thirty classes",
    "no class N",
    "nobody known",
    "one patient",
    "only normal beats",
    "only abnormal beats",
    "all right",
]


@pytest.mark.promise
@pytest.mark.parametrize("what", KINDS)
def test_no_run_breaks_the_page_and_what_does_not_exist_is_no_number(what: str, tmp_path: Path) -> None:
    facts = invented(what)
    if what != "complete" and facts["training"]:
        facts["training"]["curves"] = None  # the same for all of them
    with nothing_painted(laid_out=True):
        made = report_page(facts)
    with nothing_painted():
        report = write_report(tmp_path, facts)
    markup = html(made)
    page = Tables(markup)
    assert markup.count("<section") == len(made.sections) > 3
    text = page.text + report.read_text(encoding="utf-8")
    for word in ("nan", "None", "inf", "np.float64"):
        assert not re.search(rf"(?<!\w){word}(?!\w)", text), word
    assert "Not a medical device" in page.text
    printed = io.StringIO()
    print_report(facts, Console(file=printed, width=100))
    assert not re.search("nan|None", printed.getvalue())


# -- the three lines -----------------------------------------------------------------------------------


@pytest.mark.promise
@pytest.mark.usefixtures("unpainted")
def test_the_page_opens_with_what_is_missed_for_whom_and_at_what_cost(facts: dict[str, Any]) -> None:
    words = Tables(html(report_page(facts))).words
    lines = [word for word in words if word.strip()]
    title = lines.index(facts["title"], lines.index("ecg train"))
    assert lines[title + 1 : title + 6 : 2] == [
        "What it misses",
        "How sure that is, and for whom",
        "What it costs",
    ]
    beats = facts["predictions"]["test"]
    abnormal = beats[beats["label"] != "N"]
    missed = int((abnormal["predicted"] == "N").sum())
    low, high = (100 * end for end in facts["intervals"]["abnormal_called_normal"])
    assert missed and lines[title + 2].startswith(
        f"Of 140 abnormal beats {missed} are called normal: {100 * missed / 140:.1f}% "
        f"(95% interval {low:.1f}–{high:.1f}%). The worst class is "
    )


def counted(beats: list[tuple[str, str, str]]) -> dict[str, Any]:
    """A run whose test part holds these beats: (patient, label, what it is called)."""
    patient, label, called = (np.array(column) for column in zip(*beats, strict=True))
    table = pd.DataFrame({"record": patient, "subject": patient, "sample": np.arange(len(beats)) * 300})
    for name in CLASSES:
        table[f"p_{name}"] = np.where(called == name, 0.7, 0.1)
    return run_of({"test": table.assign(label=label)}, hours=2.0)


TWENTY = [
    *[("100", "N", "N")] * 8,
    *[("100", "N", "V")] * 2,  # two false alarms
    *[("100", "V", "V")] * 3,
    ("100", "V", "N"),  # a miss
    *[("232", "S", "N")] * 3,  # three more
    *[("232", "S", "S")] * 2,
    ("232", "N", "N"),
]


@pytest.mark.promise
def test_the_three_lines_are_those_one_counts_by_hand() -> None:
    facts = counted(TWENTY)
    said = re.sub(r" \([^)]*–[^)]*\)", "", missed_sentence(facts))
    assert said == (
        "Of 9 abnormal beats 4 are called normal: 44.4%. The worst class is S Supraventricular ectopic: "
        "60.0% of its 5 beats."
    )
    assert certainty_sentence(facts) == (
        "The scores rest on 2 patients, whom the model had not met in training (inter-patient). With so few "
        "patients the intervals are too narrow. Record 232 holds 5 of the 5 S beats: no other has any. "
        "Record 100 holds 4 of the 4 V beats: no other has any."
    )
    assert "most probable gives 1 false alarms per hour (normal beats called abnormal)." in cost_sentence(
        facts
    )


def test_whether_the_patients_were_met_before_is_said_in_plain_words(facts: dict[str, Any]) -> None:
    assert "5 patients, whom the model had not met in training (inter-patient)" in certainty_sentence(facts)
    facts["audit"]["pairs"] = [{"first": "training", "second": "test", "subjects": ["201"]}]
    assert "of whom the model was trained on 1 (201), from other recordings" in certainty_sentence(facts)
    facts["protocol"]["intra_patient"] = True
    assert "they say nothing about new patients" in certainty_sentence(facts)
    facts = invented("nobody known")
    assert certainty_sentence(facts).startswith("Whose beats these are is not known.")


def test_another_decision_is_priced_against_the_most_probable_class() -> None:
    facts = run(FIND_95)
    costs, argmax = (facts["operating_point"][key]["test"] for key in ("costs", "argmax"))
    said = cost_sentence(facts)
    assert said.startswith("The operating point sensitivity, fixed on validation (410 beats), gives ")
    assert f"{costs['false_alarms'] / 0.5:.3g} false alarms per hour" in said
    assert f"{argmax['false_alarms'] / 0.5:.3g} false alarms per hour and call" in said
    facts["operating_point"]["costs"]["test"]["false_alarms_per_hour"] = None
    assert f"{1000 * costs['false_alarms'] / 740:.3g} false alarms per 1,000 beats (" in cost_sentence(facts)


def test_a_threshold_that_is_set_where_it_is_counted_says_nothing_of_other_beats() -> None:
    facts = run_of({"test": made_up(4, {"N": 300, "V": 100})})
    assert "A threshold that misses at most 1% of the abnormal beats of test would give" in cost_sentence(
        facts
    )


# -- the sections --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole() -> Tables:
    """The page of the complete run."""
    with nothing_painted():
        return Tables(html(report_page(complete())))


def test_classes_have_intervals_and_those_without_beats_say_so(whole: Tables) -> None:
    facts = complete()
    v, ends = (x["per_class"]["V"] for x in (facts["metrics"]["test"], facts["intervals"]))
    recall = f"{100 * v['recall']:.1f}% ({100 * ends['recall'][0]:.1f}–{100 * ends['recall'][1]:.1f})"
    assert whole.row("V Ventricular ectopic")[:3] == ["V Ventricular ectopic", "90", recall]
    assert whole.row("F Fusion of ventricular and normal")[1:3] == ["no beats", ""]


def test_records_stand_worst_first_with_the_recall_of_every_abnormal_class(whole: Tables) -> None:
    beats = complete()["predictions"]["test"]
    wrong = (beats["predicted"] != beats["label"]).groupby(beats["record"]).sum()
    at = next(i for i, row in enumerate(whole.rows) if row[0] == "record" and "wrong" in row)
    rows = whole.rows[at + 1 : at + 1 + len(RECORDS)]
    assert [int(row[2]) for row in rows] == sorted(wrong, reverse=True)
    name, s = rows[0][0], beats[beats["label"] == "S"]
    s = s[s["record"] == name]
    assert rows[0][6] == f"{100 * (s['predicted'] == 'S').mean():.0f}% of {len(s)}"


@pytest.mark.usefixtures("unpainted")
def test_circumstances_of_few_beats_have_counts_instead_of_rates() -> None:
    facts = run()
    groups = facts["circumstances"]["rhythm"]
    groups.append(dict(groups[0]) | {"name": "rare", "beats": 3, "wrong": 1, "accuracy": None})
    groups[-1] |= {"abnormal": 0, "missed": 0, "abnormal_called_normal": None}
    groups[-1] |= {"normal": 3, "false_alarms": 1, "false_alarms_per_1000": None}
    page = Tables(html(report_page(facts)))
    assert page.row("rare")[3:] == ["2 of 3", "none there", "1 of 3"]
    known = page.row(groups[0]["name"])
    assert known[3] == f"{100 * groups[0]['accuracy']:.1f}%"


def test_the_other_run_stands_beside_this_one(whole: Tables) -> None:
    assert whole.row("this run")[1:] == ["5.7%", "8 of 140", "10", "6 of 600"]
    assert whole.row("a single network")[2] == "7 of 140"


@pytest.mark.usefixtures("unpainted")
def test_mistakes_are_shown_with_their_caption_and_else_the_examples(whole: Tables) -> None:
    assert "S called N, the surest of 3 beats of 2 subjects." in whole.text
    facts = run()
    assert "Why: the mistakes" not in Tables(html(report_page(facts))).text
    beats = len(facts["predictions"]["test"])
    facts["examples"] = {"signal": np.zeros((beats, 1, 20), np.float32), "rate": 120.0, "unit": "mV"}
    assert "two that were right with usual confidence" in Tables(html(report_page(facts))).text


@pytest.mark.usefixtures("unpainted")
def test_of_many_classes_the_most_frequent_mistakes_are_listed() -> None:
    facts = invented("thirty classes")
    facts["training"] = None
    page = Tables(html(report_page(facts)))
    beats = facts["predictions"]["test"]
    wrong = beats[beats["predicted"] != beats["label"]].groupby(["label", "predicted"]).size()
    at = next(i for i, row in enumerate(page.rows) if row[:2] == ["beats of class", "called"])
    assert page.rows[at + 1][2] == f"{wrong.max()} of 12"


@pytest.mark.usefixtures("unpainted")
def test_classes_with_a_target_show_what_every_part_gave() -> None:
    from ecgcli.choices.operating_point import SensitivityPoint

    point = SensitivityPoint(name="sensitivity", of=("S", "F"), target=(0.8, 0.9))
    facts = run(point)
    page = Tables(html(report_page(facts)))
    asked = next(row for row in page.rows if row[0][:2] == "F " and "sensitivity" in row[1])
    assert asked[1] == "sensitivity 90.0%" and asked[-1] == "no beats of this class"
    given = facts["operating_point"]["costs"]["validation"]["per_class"]["F"]
    assert asked[3] == f"Se {100 * given['sensitivity']:.1f}%, +P {100 * given['precision']:.1f}%"


@pytest.mark.usefixtures("unpainted")
def test_names_of_the_data_are_text_and_nothing_else(facts: dict[str, Any]) -> None:
    facts["title"] = "<b>run</b>"
    facts["data"]["notes"] = ["<script>alert(1)</script> & more"]
    markup = html(report_page(facts))
    assert "<script" not in markup and "<b>run" not in markup
    assert "<script>alert(1)</script> & more" in Tables(markup).text


# -- in a browser --------------------------------------------------------------------------------------


@needs_browser
@pytest.mark.slow
@pytest.mark.promise
def test_the_report_stands_whole_in_a_browser_without_a_network(tmp_path: Path) -> None:
    assert stands_whole(write_page(tmp_path, complete())) == 6


def sections(facts: Mapping[str, Any]) -> list[str]:
    return [section.anchor for section in report_page(facts).sections]


@pytest.mark.usefixtures("unpainted")
def test_sections_without_content_are_left_out() -> None:
    every = ["scores", "confusion", "cost", "calibration", "patients", "records", "circumstances"]
    every += ["review", "why", "learning", "data", "made"]
    assert sections(complete()) == every
    assert sections(older(run())) == ["scores", "confusion", "records", "learning", "data", "made"]
