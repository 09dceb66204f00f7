"""`report.md`, read as a forge would render it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ecgcli.reporting.report import write_report
from tests.reporting.conftest import CLASSES, FIND_95, made_up, older, run, run_of

pytestmark = pytest.mark.usefixtures("unpainted")


def parsed(report: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(report.read_text(encoding="utf-8"))


def tables(report: Path) -> list[list[list[str]]]:
    """The tables of the report: rows of cells, as a reader sees them."""
    found: list[list[list[str]]] = []
    inside = False
    for token in parsed(report):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type in ("th_open", "td_open", "th_close", "td_close"):
            inside = token.type.endswith("open")
        elif inside and token.type == "inline":
            found[-1][-1].append("".join(child.content for child in token.children or ()))
    return found


def words(report: Path) -> str:
    tokens = (child for token in parsed(report) for child in token.children or ())
    return " ".join(token.content for token in tokens)


@pytest.mark.promise
def test_the_first_lines_say_what_was_trained_on_what(report: Path) -> None:
    lines = report.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# demo-by_subject-two_stage-cnn-s0-0a1b2c3d"
    matters = ("What it misses", "How sure that is, and for whom", "What it costs")
    assert [line.split("**")[1] for line in lines[2:5]] == [*matters]
    assert "trained on 2,010 beats of demo under the protocol by_subject: 600 optimizer steps" in lines[6]
    assert "Scores are of the test part, 740 beats." in lines[6]
    assert "intra-patient" not in "\n".join(lines)


@pytest.mark.promise
def test_an_intra_patient_protocol_says_so_in_the_first_lines(tmp_path: Path, facts: dict[str, Any]) -> None:
    facts["protocol"]["intra_patient"] = True
    opening = "\n".join(write_report(tmp_path, facts).read_text(encoding="utf-8").splitlines()[:9])
    assert "(intra-patient): they say nothing about new patients" in opening
    assert "These scores are intra-patient" in opening
    assert "They say nothing about new patients." in opening


@pytest.mark.promise
def test_the_tables_hold_the_scores_that_were_given(report: Path, facts: dict[str, Any]) -> None:
    classes, whole, *_ = tables(report)
    score = facts["metrics"]["test"]
    heading = ["class", "beats", "recall", "of its predictions wrong", "called normal", "F1"]
    assert classes[0] == heading
    assert [row[0] for row in classes[1:]] == [
        "N Normal",
        "S Supraventricular ectopic",
        "V Ventricular ectopic",
        "F Fusion of ventricular and normal",
    ]
    v, ends = score["per_class"]["V"], facts["intervals"]["per_class"]["V"]
    shares = [
        f"{100 * v[key]:.1f}% ({100 * ends[key][0]:.1f}–{100 * ends[key][1]:.1f})"
        for key in ("recall", "wrong_share", "called_normal")
    ]
    assert classes[3][1:] == ["90", *shares, f"{v['f1']:.3f} ({ends['f1'][0]:.3f}–{ends['f1'][1]:.3f})"]
    assert classes[4][1:] == ["no beats", "", "", "", ""]
    assert whole[0] == ["", "test", "validation"]
    low, high = (f"{100 * end:.2f}" for end in facts["intervals"]["accuracy"])
    test, validation = (f"{100 * facts['metrics'][part]['accuracy']:.2f}%" for part in whole[0][1:])
    assert whole[2] == ["accuracy", f"{test} ({low}–{high})", validation], "intervals are of what leads"


def test_every_row_of_every_table_has_all_its_cells(tmp_path: Path, facts: dict[str, Any]) -> None:
    facts["data"]["notes"] = ["A | B <script>alert(1)</script> *c* `d` [e](http://f) ![g](h)"]
    facts["title"] = "a|b_c_<d>"
    report = write_report(tmp_path, facts)
    for table in tables(report):
        assert len({len(row) for row in table}) == 1
    seen = words(report)
    assert facts["data"]["notes"][0] in seen and facts["title"] in seen, "shown as it is, not interpreted"
    kinds = {child.type for token in parsed(report) for child in token.children or ()}
    assert "link_open" not in kinds and "html_inline" not in kinds


@pytest.mark.promise
def test_every_picture_is_there_under_a_relative_name(tmp_path: Path, facts: dict[str, Any]) -> None:
    beats = len(facts["predictions"]["test"])
    facts["examples"] = {"signal": np.zeros((beats, 1, 20), np.float32), "rate": 120.0, "unit": "scaled"}
    report = write_report(tmp_path, facts)
    pictures = [
        str(child.attrs["src"])
        for token in parsed(report)
        for child in token.children or ()
        if child.type == "image"
    ]
    names = ["classes", "confusion", "trade_off", "reliability", "risk_coverage"]
    names += ["examples", "learning", "balance"]
    assert pictures == [f"figures/{name}.png" for name in names]
    for picture in pictures:
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figures", "report.md"]


def test_the_records_with_the_most_wrong_beats_are_counted(report: Path, facts: dict[str, Any]) -> None:
    (records,) = (table for table in tables(report) if table[0][0] == "record")
    beats = facts["predictions"]["test"]
    p = beats[[f"p_{c}" for c in facts["classes"]]].to_numpy()
    beats = beats.assign(decided=np.array(facts["classes"])[p.argmax(axis=1)])
    wrong = (beats["decided"] != beats["label"]).groupby(beats["record"]).sum()
    assert [int(row[2]) for row in records[1:]] == sorted(wrong[wrong > 0], reverse=True)
    name = records[1][0]
    abnormal = beats[(beats["record"] == name) & (beats["label"] != "N")]
    assert records[1][4] == f"{(abnormal['decided'] == 'N').sum()} of {len(abnormal)}"


def test_the_trade_off_begins_where_the_model_decides(report: Path, facts: dict[str, Any]) -> None:
    (costs,) = (t for t in tables(report) if t[0][0].startswith("a beat is called"))
    score = facts["metrics"]["test"]
    beats = facts["predictions"]["test"]
    alarm, abnormal = (beats[column] != "N" for column in ("predicted", "label"))
    assert costs[0][3] == "false alarms per hour" and (alarm & ~abnormal).sum() > 0
    assert costs[1] == [
        "the most probable class",
        f"{100 * score['abnormal_called_normal']:.1f}%",
        f"{100 * alarm[~abnormal].mean():.1f}%",
        f"{(alarm & ~abnormal).sum() / 0.5:.3g}",
        f"{100 * abnormal[alarm].mean():.1f}%",
    ]
    validation = facts["predictions"]["validation"]
    scores = sorted(1 - validation.loc[validation["label"] != "N", "p_N"].astype(float))
    assert len(scores) == 110, "so that 5, 2 and 1% allow for 5, 2 and 1 missed beats of validation"
    for row, allowed in zip(costs[2:], (5, 2, 1), strict=True):
        assert f"≥ {scores[allowed]:.3g}, to miss at most {allowed}%" in row[0]
        missed = (1 - beats.loc[abnormal, "p_N"] < scores[allowed]).mean()
        assert row[1] == (f"{100 * missed:.1f}%" if missed else "0.0%")


@pytest.mark.promise
def test_an_operating_point_stands_beside_the_most_probable_class(tmp_path: Path) -> None:
    facts = run(FIND_95)
    report = write_report(tmp_path, facts)
    (costs,) = (t for t in tables(report) if t[0][0].startswith("a beat is called"))
    assert [row[0] for row in costs[1:3]] == ["the operating point sensitivity", "the most probable class"]
    assert costs[1][1] == f"{100 * facts['metrics']['test']['abnormal_called_normal']:.1f}%"
    beats = facts["predictions"]["test"]
    argmax = beats[[f"p_{c}" for c in CLASSES]].to_numpy().argmax(axis=1) == 0
    assert costs[2][1] == f"{100 * argmax[beats['label'] != 'N'].mean():.1f}%"
    assert "sensitivity of 95% was asked for (reached)" in words(report)


def test_how_sure_it_is_stands_in_tables(report: Path, facts: dict[str, Any]) -> None:
    found = {table[0][1]: table for table in tables(report)}
    after = facts["calibration"]["after"]
    row = found["ECE"][2]
    assert row[0] == "test, after" and row[4].startswith(f"{after['test']['nll']:.3f} (")
    (aim, *_), share = found["a person sees beats less sure than"][1:], facts["review"]["shares"][0]
    assert aim[2:4] == [f"{100 * share['shown'][key]:.1f}%" for key in ("handed_over", "missed")]
    patients = {row[0]: row for row in found["over all beats"]}
    assert patients["F recall"][1] == "no beats"
    assert patients["accuracy"][2] == f"{100 * facts['per_patient']['accuracy']['mean']:.1f}%"


def test_a_class_that_rests_on_one_record_is_shown_without_it(tmp_path: Path) -> None:
    test = made_up(1, {"N": 600, "S": 60, "V": 90, "F": 30})
    moved = (test["label"] == "S") & (test.groupby("label").cumcount() < 40)
    test.loc[moved, ["record", "subject"]] = "232"
    test.loc[(test["label"] == "S") & ~moved, ["record", "subject"]] = "208"
    test = test.sort_values(["record", "sample"], ignore_index=True)
    facts = run_of({"validation": made_up(0, {"N": 300, "S": 30, "V": 60, "F": 20}), "test": test})
    report = write_report(tmp_path, facts)
    held = int(((test["label"] == "S") & (test["record"] == "232")).sum())
    (row,) = next(t[1:] for t in tables(report) if "of the beats" in t[0])
    assert row[:3] == ["S", "232", f"{held} of 60"]
    others = facts["predictions"]["test"].query("label == 'S' and record != '232'")
    assert row[4] == f"{100 * (others['predicted'] == 'S').mean():.1f}%"
    ranges = next(t for t in tables(report) if "lowest, one patient left out" in t[0])
    assert ranges[1][0] == "S recall" and "(without " in ranges[1][3]
    assert f"Record 232 holds {held} of the 60 S beats" in words(report)


@pytest.mark.promise
def test_a_run_of_before_is_reported_without_what_nobody_asked_it(tmp_path: Path) -> None:
    report = write_report(tmp_path, older(run()))
    text = report.read_text(encoding="utf-8")
    assert "## Scores of the test part" in text and "None" not in text
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert not [h for h in headings if "Calibration" in h or "cost" in h or "certain" in h]


@pytest.mark.promise
def test_without_test_scores_the_report_is_of_validation_and_says_so(
    tmp_path: Path, facts: dict[str, Any]
) -> None:
    facts = run_of({"validation": facts["predictions"]["validation"].drop(columns="predicted")})
    facts["error_budget"] = None
    report = write_report(tmp_path, facts)
    text = report.read_text(encoding="utf-8")
    assert "Scores are of the validation part, 410 beats; the test part was not scored." in text
    assert "## Scores of the validation part" in text and "Error budget" not in text
    assert "Set and counted on the same beats, they flatter." in text


def test_an_evaluation_on_other_data_has_no_training_to_tell_of(
    tmp_path: Path, facts: dict[str, Any]
) -> None:
    facts["support"] = {"test": facts["support"]["test"]}
    facts["metrics"] = {"all of mitdb": facts["metrics"]["test"]}
    facts["predictions"] = {"all of mitdb": facts["predictions"]["test"]}
    text = write_report(tmp_path, facts).read_text(encoding="utf-8")
    assert (
        "A model of 91,234 weights, trained before, applied to demo" in text
        and "## Scores of all of mitdb" in text
    )
    assert not (tmp_path / "figures" / "learning.png").exists()


def test_a_report_that_fails_leaves_the_old_one(tmp_path: Path, facts: dict[str, Any]) -> None:
    (tmp_path / "report.md").write_bytes(before := b"what stood there")
    del facts["provenance"]
    with pytest.raises(KeyError):
        write_report(tmp_path, facts)
    assert (tmp_path / "report.md").read_bytes() == before


@pytest.mark.promise
def test_the_report_is_not_for_diagnosis(report: Path) -> None:
    last = report.read_text(encoding="utf-8").splitlines()[-1]
    assert "Not a medical device" in last
