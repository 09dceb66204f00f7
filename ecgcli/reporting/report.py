"""`report.md`: what was trained on what, what it gets wrong and on whom, with its figures."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ecgcli.files import write_text
from ecgcli.reporting import certainty_tables as certainty
from ecgcli.reporting import cost_tables as cost
from ecgcli.reporting import markdown as md
from ecgcli.reporting import patient_tables as whom
from ecgcli.reporting import report_figures as drawn
from ecgcli.reporting import tables
from ecgcli.reporting.headline import origin_sentence, three_lines
from ecgcli.reporting.tables import part_name


def write_report(folder: Path, facts: Mapping[str, Any]) -> Path:
    """Writes `report.md` and `figures/` into `folder`.

    Scores of the test part lead where there are any, else those of validation.

    Args:
        folder: the run folder, or that of an evaluation.
        facts: plain data and tables:
            `title`: the run's identity; `command`: the command line that repeats it;
            `data`: `name`, `beats`, `records`, `subjects`, `fingerprint`, `notes` (sentences);
            `protocol`: `name`, `statement`, `caveats` (sentences), `intra_patient`;
            `class_map`, `classes`; `audit`: `sentences`;
            `support`: part → class → beats;
            `training` (may be left out): `steps`, `parameters`, `seconds`, `weights` ("best" or "last"),
            `curves` (network → table, see `plots.learning_curves`); told where `support` has `train`;
            `metrics`: part → what `score` gave, or None;
            `folds` (may be left out): what `by_fold` gave for the leading part, or None;
            `error_budget`: what `error_budget` gave for the leading part, or None;
            `predictions`: part → table, or None, for the parts of `metrics`;
            `examples` (may be left out): `signal`, `rate`, `start`, `unit`, as for
            `examples.example_beats`, of the leading part;
            `provenance`: anything that JSON holds.
            How certain all of it is (each may be left out or None, see `ecgcli.commands.results`):
            `calibration`, `operating_point`, `intervals`, `without_each`, `dominated`, `per_patient`,
            `review`, `circumstances`; `beside`, another run on the same beats: `title`, `curve`, `matched`;
            `gallery`: figures of mistakes with their captions, for `report.html`.

    Returns:
        The path of `report.md`.
    """
    facts = drawn.with_figures(facts)
    pages = [
        _opening(facts),
        _scores(facts),
        _mistakes(facts),
        _trade_off(facts),
        _budget(facts),
        _calibration(facts),
        _for_whom(facts),
        _review(facts),
        _figures(folder / "figures", facts),
        _data(facts),
        _provenance(facts),
        [f"*{tables.NOT_A_DEVICE}*"],
    ]
    report = folder / "report.md"
    write_text(report, "\n\n".join(block for page in pages for block in page) + "\n")
    return report


def _opening(facts: Mapping[str, Any]) -> Iterator[str]:
    yield f"# {md.text(facts['title'])}"
    yield "\n".join(f"- **{name}**: {md.text(said)}" for name, said in three_lines(facts))
    yield md.text(origin_sentence(facts))
    warning = tables.intra_patient_sentence(facts)
    if warning:
        yield f"> **{md.text(warning)}**"
    lines = {
        "Data": tables.data_sentence(facts),
        "Protocol": tables.protocol_sentence(facts),
        "Classes": tables.class_sentence(facts),
        "Leaks": " ".join(facts["audit"]["sentences"]) or "none found",
    }
    yield "\n".join(f"- **{name}**: {md.text(sentence)}" for name, sentence in lines.items())
    yield md.code(facts["command"], "sh")


def _scores(facts: Mapping[str, Any]) -> Iterator[str]:
    metrics, classes, intervals = facts["metrics"], facts["classes"], facts.get("intervals")
    leading, *others = tables.scored_parts(metrics)
    yield f"## Scores of {md.text(part_name(leading))}"
    yield md.table(tables.CLASS_HEADINGS, tables.class_rows(metrics[leading], classes, intervals))
    absent = tables.absence_sentences(metrics[leading], classes)
    if absent:
        yield md.text(" ".join(absent))
    yield "Over the whole set; macro means, AUROC and AUPRC go over the classes that have beats:"
    yield md.table(("", leading, *others), tables.whole_rows(metrics, intervals))
    said = [certainty.interval_sentence(facts), tables.fold_sentence(facts) or ""]
    if any(said):
        yield md.text(" ".join(filter(None, said)))
    for part in others:
        yield f"<details><summary>Classes in {html.escape(part_name(part))}</summary>"
        yield md.table(tables.CLASS_HEADINGS, tables.class_rows(metrics[part], classes))
        yield "</details>"


def _mistakes(facts: Mapping[str, Any]) -> Iterator[str]:
    """Where there is no confusion matrix to look at."""
    if len(facts["classes"]) > drawn.MOST_CLASSES:
        yield "## The most frequent mistakes"
        yield md.table(tables.MISTAKE_HEADINGS, tables.mistake_rows(facts))


def _trade_off(facts: Mapping[str, Any]) -> Iterator[str]:
    point, rows, asked = facts.get("operating_point"), cost.trade_off_rows(facts), cost.asked_rows(facts)
    if not point or not (rows or asked or point["name"] != "argmax"):
        return
    yield "## What missed beats and false alarms cost"
    yield md.text(point["sentence"])
    if rows:
        yield md.table(cost.trade_off_headings(facts), rows)
        yield md.text(cost.threshold_note(facts))
    if asked:
        yield md.table(asked[0], asked[1:])
    beside = cost.beside_rows(facts)
    if beside:
        yield md.text(cost.beside_sentence(facts))
        yield md.table(cost.BESIDE_HEADINGS, beside)


def _budget(facts: Mapping[str, Any]) -> Iterator[str]:
    budget = facts.get("error_budget")
    if budget:
        yield "## Error budget of the two stages"
        yield md.table(("class", *tables.BUDGET_HEADINGS[1:]), tables.budget_rows(budget, facts["classes"]))
        yield md.text(tables.budget_sentence(budget))


def _calibration(facts: Mapping[str, Any]) -> Iterator[str]:
    said, rows = certainty.calibration_sentence(facts), certainty.calibration_rows(facts)
    if said:
        yield "## Calibration"
        yield md.text(said)
        if rows:
            yield md.table(certainty.CALIBRATION_HEADINGS, rows)


def _for_whom(facts: Mapping[str, Any]) -> Iterator[str]:
    leading = tables.leading(facts)
    yield f"## For whom, {md.text(part_name(leading))}"
    patients, held = whom.patient_rows(facts), whom.dominated_rows(facts)
    if patients:
        yield md.table(whom.PATIENT_HEADINGS, patients)
    if held:
        yield "Classes of which one record holds most beats:"
        yield md.table(whom.DOMINATED_HEADINGS, held)
    left_out = whom.left_out_rows(facts)
    if left_out:
        yield md.table(whom.LEFT_OUT_HEADINGS, left_out)
        yield md.text(" ".join(whom.undrawn_sentences(facts)))
    rows = whom.worst_records(facts)
    if rows:
        yield "**Records with the most wrong beats**"
        yield md.table(whom.RECORD_HEADINGS, rows)
    yield md.text(whom.worst_sentence(facts))


def _review(facts: Mapping[str, Any]) -> Iterator[str]:
    rows = certainty.review_rows(facts)
    if rows:
        yield "## If a person looks at the least certain beats"
        yield md.table(certainty.REVIEW_HEADINGS, rows)
        yield md.text(cost.threshold_note(facts))


def _figures(folder: Path, facts: Mapping[str, Any]) -> Iterator[str]:
    if facts["figures"]:
        yield "## Figures"
    for name, (caption, image) in facts["figures"].items():
        path = drawn.save(image, folder / f"{name}.png")
        yield f"![{name}]({folder.name}/{path.name})\n\n*{md.text(caption)}*"


def _data(facts: Mapping[str, Any]) -> Iterator[str]:
    yield "## Data and leaks"
    parts = [part for part in facts["support"] if facts["support"][part]]
    rows = [
        [tables.full_name(name), *(f"{facts['support'][part].get(name, 0):,}" for part in parts)]
        for name in facts["classes"]
    ]
    yield md.table(("beats", *parts), rows)
    for name, sentences in (
        ("What leaks between the parts", facts["audit"]["sentences"] or ["Nothing was found."]),
        ("Limits of the protocol", facts["protocol"]["caveats"]),
        ("Notes on the data", facts["data"]["notes"]),
    ):
        if sentences:
            yield f"**{name}**"
            yield "\n".join(f"- {md.text(sentence)}" for sentence in sentences)


def _provenance(facts: Mapping[str, Any]) -> Iterator[str]:
    yield "## Provenance"
    rows = [*tables.flat({"data_fingerprint": facts["data"]["fingerprint"]} | facts["provenance"])]
    yield md.table(("", ""), rows, right=False)
