"""Sections of `report.html` on scores and decisions: what is right, what it costs, what to believe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ecgcli.reporting import certainty_tables as certainty
from ecgcli.reporting import cost_tables as cost
from ecgcli.reporting import page, tables
from ecgcli.reporting import report_figures as drawn
from ecgcli.reporting.page import Bar, Block, Cell, Prose, Section
from ecgcli.reporting.tables import Facts, part_name


def scores_section(facts: Facts) -> Section:
    """Scores of every class and of the whole set, with intervals."""
    metrics, classes, intervals = facts["metrics"], facts["classes"], facts.get("intervals")
    part, *others = tables.scored_parts(metrics)
    score, headings = metrics[part], _headings(tables.CLASS_HEADINGS)
    rows = [_with_bar(row, score, name) for row, name in _named(score, classes, intervals)]
    blocks: list[Block] = [page.table(headings, rows, words=(4,))]
    blocks += [Prose(said) for said in tables.absence_sentences(score, classes)]
    blocks.append(page.table(("whole set", part, *others), tables.whole_rows(metrics, intervals)))
    notes = [certainty.interval_sentence(facts), tables.fold_sentence(facts) or ""]
    notes.append("Macro means, AUROC and AUPRC go over the classes that have beats.")
    blocks.append(Prose(" ".join(filter(None, notes)), "quiet"))
    for other in others:
        rows = [_with_bar(row, metrics[other], name) for row, name in _named(metrics[other], classes, None)]
        folded = f"Classes in {part_name(other)}"
        blocks.append(page.table(headings, rows, folded, words=(4,)))
    budget = facts.get("error_budget")
    if budget:
        blocks.append(page.table(_headings(tables.BUDGET_HEADINGS), tables.budget_rows(budget, classes)))
        blocks.append(Prose(tables.budget_sentence(budget), "quiet"))
    return Section("scores", f"Scores by class, {part_name(part)}", tuple(blocks))


def _named(
    score: Mapping[str, Any], classes: Sequence[str], intervals: Mapping[str, Any] | None
) -> list[tuple[list[str], str]]:
    return list(zip(tables.class_rows(score, classes, intervals), classes, strict=True))


def _with_bar(row: list[str], score: Mapping[str, Any], name: str) -> list[Cell]:
    """A row of the class table, its share called normal drawn."""
    one, cells = score["per_class"][name], list[Cell](row)
    if one["called_normal"] is not None:
        cells[4] = Bar(one["called_normal"], row[4], "strong", 60)
    return cells


def confusion_section(facts: Facts) -> Section:
    """What became of the beats of each class; of many classes, the most frequent mistakes."""
    blocks = drawn.blocks(facts, "confusion", "Confusion matrix")
    if not blocks:
        rows = tables.mistake_rows(facts)
        blocks = [page.table(tables.MISTAKE_HEADINGS, rows, words=(1,))] if rows else []
    return Section("confusion", "What beats are taken for", tuple(blocks))


def cost_section(facts: Facts) -> Section:
    """The whole trade-off, and where the run decides."""
    point, rows, asked = facts.get("operating_point"), cost.trade_off_rows(facts), cost.asked_rows(facts)
    blocks: list[Block] = [Prose(point["sentence"])] if point and point.get("sentence") else []
    blocks += drawn.blocks(facts, "trade_off", "Missed abnormal beats against false alarms")
    if rows:
        blocks.append(page.table(cost.trade_off_headings(facts), rows))
        blocks.append(Prose(cost.threshold_note(facts), "quiet"))
    if asked:
        blocks.append(page.table(asked[0], asked[1:]))
    beside = cost.beside_rows(facts)
    if beside:
        blocks += [Prose(cost.beside_sentence(facts)), page.table(cost.BESIDE_HEADINGS, beside)]
    return Section("cost", "Missed beats against false alarms", tuple(blocks))


def calibration_section(facts: Facts) -> Section:
    """What the probabilities are worth."""
    said, rows = certainty.calibration_sentence(facts), certainty.calibration_rows(facts)
    blocks: list[Block] = [Prose(said)] if said else []
    blocks += drawn.blocks(facts, "reliability", "Reliability diagram")
    if rows:
        blocks.append(page.table(certainty.CALIBRATION_HEADINGS, rows))
        blocks.append(Prose(certainty.CALIBRATION_NOTE, "quiet"))
    return Section("calibration", "Can the probabilities be believed", tuple(blocks))


def review_section(facts: Facts) -> Section:
    """What a person who looks at some beats would save."""
    rows = certainty.review_rows(facts)
    blocks = drawn.blocks(facts, "risk_coverage", "Errors left when a person sees the least certain beats")
    if rows:
        blocks += [page.table(certainty.REVIEW_HEADINGS, rows), Prose(cost.threshold_note(facts), "quiet")]
    return Section("review", "If a person looks at the least certain beats", tuple(blocks))


def _headings(headings: Sequence[str]) -> list[str]:
    return [" ".join(heading.split()) for heading in headings]
