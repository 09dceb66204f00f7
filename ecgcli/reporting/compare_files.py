"""The files of a comparison: for reading, for a spreadsheet, for a paper, for another program."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from ecgcli.evaluation.comparable import name as run_name
from ecgcli.evaluation.comparison import Comparison
from ecgcli.evaluation.rows import mean
from ecgcli.files import write_json, write_text
from ecgcli.reporting import compare_tables as told
from ecgcli.reporting import latex, page
from ecgcli.reporting import markdown as md
from ecgcli.reporting.compare_page import compare_page, figures
from ecgcli.reporting.report_figures import save

Drawn = dict[str, tuple[str, bytes]]

FILES = ("compare.html", "compare.md", "compare.csv", "differences.csv", "compare.tex", "compare.json")


def write_comparison(folder: Path, comparison: Comparison, command: str) -> Path:
    """Writes all files of a comparison into a folder.

    Args:
        folder: where to.
        comparison: what was found.
        command: the command line that repeats it.

    Returns:
        The page.
    """
    drawn = figures(comparison)
    for name, (_, image) in drawn.items():
        save(image, folder / "figures" / f"{name}.png")
    write_text(folder / "compare.md", markdown(comparison, drawn, command))
    write_text(folder / "compare.csv", scores_csv(comparison))
    write_text(folder / "differences.csv", differences_csv(comparison))
    write_text(folder / "compare.tex", tex(comparison))
    write_json(folder / "compare.json", facts(comparison, command))
    return page.write(compare_page(comparison, drawn, command), folder / "compare.html")


def markdown(comparison: Comparison, drawn: Drawn, command: str) -> str:
    """`compare.md`."""
    lines = ["# Comparison", ""]
    lines += [f"- **{name}**: {md.text(said)}" for name, said in told.about_rows(comparison)]
    lines += ["", f"**{md.text(told.verdict(comparison))}**"]
    lines += [""] + [f"> {md.text(said)}" for said in told.warning_sentences(comparison)]
    lines += [f"- {md.text(told.clear_sentence(comparison, one))}" for one in told.clear(comparison)]
    lines += ["", "## Scores", "", _markdown_scores(comparison)]
    lines += [
        "",
        "Mean ± standard deviation over the seeds; the best of each column in bold, be it clear or not.",
    ]
    differ = told.setting_rows(comparison)
    if differ:
        letters = [row.letter for row in comparison.rows]
        lines += ["", "## Settings that differ", "", md.table(["setting", *letters], differ, right=False)]
    if comparison.differences:
        lines += ["", "## Differences", ""]
        lines += [md.table(told.DIFFERENCE_HEADINGS, told.difference_rows(comparison))]
        lines += ["", " ".join(told.method_sentences(comparison))]
    for name, (caption, _) in drawn.items():
        lines += ["", f"![{name}](figures/{name}.png)", "", f"*{caption}*"]
    lines += ["", "## Runs", "", md.table(("row", "run"), told.run_rows(comparison), right=False)]
    return "\n".join([*lines, "", md.code(command, "sh"), ""])


def _markdown_scores(comparison: Comparison) -> str:
    scores = (*comparison.scores, *comparison.more)
    best = [told.best(comparison, score) for score in scores]
    headings = ["row", "seeds", *told.headings(scores), *told.COST_HEADINGS]
    lines = [f"| {' | '.join(map(md.text, headings))} |", f"|{'-|' * len(headings)}"]
    for place, row in enumerate(comparison.rows):
        cells = [md.text(told.title(row)), str(len(row.runs))]
        for score, winners in zip(scores, best, strict=True):
            text = md.text(told.cell(row, score, comparison.part))
            cells.append(f"**{text}**" if place in winners else text)
        lines.append(f"| {' | '.join([*cells, *told.cost_cells(row)])} |")
    return "\n".join(lines)


def scores_csv(comparison: Comparison) -> str:
    """`compare.csv`: a line a row, numbers in full; mean and standard deviation of each score."""
    scores = (*comparison.scores, *comparison.more)
    names = [score.key if score.of is None else f"{score.of}_{score.key}" for score in scores]
    head = ["row", "name", "seeds", *(f"{name}_{what}" for name in names for what in ("mean", "sd"))]
    lines: list[list[Any]] = [[*head, "parameters", "steps", "train_seconds"]]
    for row in comparison.rows:
        cells: list[Any] = [row.letter, row.name, len(row.runs)]
        for score in scores:
            known = [value for value in row.values(score, comparison.part) if value is not None]
            cells += [mean(known), float(np.std(known, ddof=1)) if len(known) > 1 else None]
        training = [run.metrics["training"] for run in row.runs]
        cells += [training[0]["parameters"], training[0]["steps"]]
        lines.append([*cells, float(np.mean([one["seconds"] for one in training]))])
    return _csv(lines)


def differences_csv(comparison: Comparison) -> str:
    """`differences.csv`: a line a difference, numbers in full."""
    lines: list[list[Any]] = [
        ["row", "reference", "score", "difference", "low", "high", "p", "p_holm", "skipped_replicates"]
    ]
    for one in comparison.differences:
        low, high = one.interval or (None, None)
        row, reference = comparison.rows[one.row].letter, comparison.rows[one.reference].letter
        score = comparison.scores[one.score].name
        lines.append([row, reference, score, one.value, low, high, one.p, one.corrected, one.skipped])
    return _csv(lines)


def tex(comparison: Comparison) -> str:
    """`compare.tex`: scores and differences as floating tables."""
    scores = comparison.scores
    best = [told.best(comparison, score) for score in scores]
    rows = [
        [told.title(row), str(len(row.runs)), *(told.cell(row, score, comparison.part) for score in scores)]
        for row in comparison.rows
    ]
    bold = frozenset((i, k + 2) for k, winners in enumerate(best) for i in winners)
    about = dict(told.about_rows(comparison))
    caption = (
        f"Mean ± standard deviation over the seeds, best in bold. {about['data']}; protocol "
        f"{about['protocol']} Classes {about['classes']}; {about['scores of']}."
    )
    parts = ["% needs \\usepackage{booktabs}, and \\usepackage[T1]{fontenc} under pdfLaTeX"]
    headings = ("row", "seeds", *told.headings(scores))
    parts.append(latex.table(headings, rows, caption, "tab:scores", bold))
    if comparison.differences:
        caption = " ".join(told.method_sentences(comparison))
        found = told.difference_rows(comparison)
        parts.append(latex.table(told.DIFFERENCE_HEADINGS, found, caption, "tab:differences"))
    return "\n\n".join(parts) + "\n"


def facts(comparison: Comparison, command: str) -> dict[str, Any]:
    """`compare.json`: everything above as plain data."""
    scores = (*comparison.scores, *comparison.more)
    return {
        "command": command,
        "part": comparison.part,
        "data": comparison.metrics["data"],
        "protocol": comparison.metrics["protocol"],
        "class_map": comparison.metrics["class_map"],
        "classes": list(comparison.classes),
        "beats": comparison.beats,
        "patients": comparison.patients,
        "unknown_beats": comparison.unknown,
        "replicates": comparison.replicates,
        "test": comparison.test,
        "reference": None if comparison.reference is None else comparison.rows[comparison.reference].letter,
        "rows": [
            {
                "letter": row.letter,
                "name": row.name,
                "runs": [run_name(run) for run in row.runs],
                "seeds": list(row.seeds),
                "settings": row.settings,
                "scores": {score.name: row.values(score, comparison.part) for score in scores},
            }
            for row in comparison.rows
        ],
        "differences": [
            {
                "row": comparison.rows[one.row].letter,
                "reference": comparison.rows[one.reference].letter,
                "score": comparison.scores[one.score].name,
                "difference": one.value,
                "interval": one.interval and list(one.interval),
                "p": one.p,
                "p_holm": one.corrected,
                "skipped": one.skipped,
            }
            for one in comparison.differences
        ],
    }


def _csv(lines: list[list[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
