"""`report.html`: a run's report to hand over, one file that needs nothing else."""

from __future__ import annotations

from pathlib import Path

from ecgcli.reporting import cost_tables as cost
from ecgcli.reporting import page, tables
from ecgcli.reporting import report_figures as drawn
from ecgcli.reporting.headline import origin_sentence, three_lines
from ecgcli.reporting.page import Block, Figures, Lines, Page, Points, Prose, Section
from ecgcli.reporting.patient_sections import circumstances_section, patients_section, records_section
from ecgcli.reporting.score_sections import (
    calibration_section,
    confusion_section,
    cost_section,
    review_section,
    scores_section,
)
from ecgcli.reporting.tables import Facts, Rows, with_interval


def write_page(folder: Path, facts: Facts) -> Path:
    """Writes `<folder>/report.html`, whole or not at all.

    Args:
        folder: the run folder, or that of an evaluation.
        facts: as for `ecgcli.reporting.report.write_report`.

    Returns:
        Its path.
    """
    return page.write(report_page(facts), folder / "report.html")


def report_page(facts: Facts) -> Page:
    """The page: the three lines that matter, then the sections."""
    facts = drawn.with_figures(facts)
    warning = tables.intra_patient_sentence(facts)
    head: list[Block] = [Lines(tuple(three_lines(facts)))]
    head += [Prose(warning, "warning")] if warning else []
    head += [Figures(_key_figures(facts)), Prose(origin_sentence(facts), "quiet")]
    sections = (
        scores_section(facts),
        confusion_section(facts),
        cost_section(facts),
        calibration_section(facts),
        patients_section(facts),
        records_section(facts),
        circumstances_section(facts),
        review_section(facts),
        _why(facts),
        _learning(facts),
        _data(facts),
        _made(facts),
    )
    return Page(
        command=" ".join(facts["command"].split()[:2]),
        title=facts["title"],
        lead=(),
        head=tuple(head),
        sections=tuple(section for section in sections if section.blocks),
        footer=tables.NOT_A_DEVICE,
    )


def _key_figures(facts: Facts) -> tuple[tuple[str, str], ...]:
    """What a glance should take away."""
    part, intervals = tables.leading(facts), facts.get("intervals") or {}
    score, costs = facts["metrics"][part], cost.costs(facts)
    found = []
    for key, name, digits in (
        ("abnormal_called_normal", "of the abnormal beats are called normal", 1),
        ("accuracy", "of all beats are right", 1),
        ("macro_f1", "macro-F1", None),
    ):
        if score[key] is not None:
            said, _, ends = with_interval(score[key], intervals.get(key), digits).partition(" (")
            found.append((said, f"{name} ({ends}" if ends else name))
    if costs and costs["normal"]:
        number, _, unit = cost.alarms(costs).partition(" ")
        found.append((number, unit))
    patients = (facts.get("per_patient") or {}).get("patients")
    if patients:
        found.append(
            (
                f"{patients:,}",
                f"patient{'s' if patients > 1 else ''} behind these scores",
            )
        )
    return tuple(found)


def _why(facts: Facts) -> Section:
    blocks: list[Block] = []
    for *_, caption, figure in facts.get("gallery") or ():
        blocks.append(page.picture(figure, caption.partition(".")[0], caption))
    if not blocks:
        blocks = drawn.blocks(facts, "examples", "Beats of each class")
    return Section("why", "Why: the mistakes it was surest of", tuple(blocks))


def _learning(facts: Facts) -> Section:
    return Section("learning", "Learning curves", tuple(drawn.blocks(facts, "learning", "Learning curves")))


def _data(facts: Facts) -> Section:
    parts = [part for part in facts["support"] if facts["support"][part]]
    rows: Rows = [
        [tables.full_name(name), *(f"{facts['support'][part].get(name, 0):,}" for part in parts)]
        for name in facts["classes"]
    ]
    blocks: list[Block] = [
        Prose(f"{tables.data_sentence(facts)}; {tables.class_sentence(facts)}."),
        Prose(f"Protocol {tables.protocol_sentence(facts)}"),
        page.table(("beats", *parts), rows),
    ]
    for said, sentences in (
        ("What leaks between the parts:", facts["audit"]["sentences"] or ["Nothing was found."]),
        ("Limits of the protocol:", facts["protocol"]["caveats"]),
        ("Notes on the data:", facts["data"]["notes"]),
    ):
        if sentences:
            blocks += [Prose(said), Points(tuple(sentences))]
    return Section("data", "Data and leaks", tuple(blocks))


def _made(facts: Facts) -> Section:
    given = {"command": facts["command"], "data_fingerprint": facts["data"]["fingerprint"]}
    rows = list(tables.flat(given | dict(facts["provenance"])))
    return Section("made", "How this was made", (page.table(("what", "which"), rows, words=(1,)),))
