"""`compare.html`: runs side by side, one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from ecgcli.evaluation.comparison import Comparison
from ecgcli.evaluation.rows import Score
from ecgcli.reporting import compare_plots as plots
from ecgcli.reporting import compare_tables as told
from ecgcli.reporting import page
from ecgcli.reporting.page import Block, Cell, Grid, Lines, Page, Points, Prose, Section, Strong
from ecgcli.reporting.tables import NOT_A_DEVICE

MOST_POINTS = 8
"""Clear differences, at most, that are said at the top."""

FOREST = (
    "Differences with 95% intervals, shares in points; right of zero is better for the row named first. "
    "Filled: clear after Holm's correction, blue for better, orange for worse. Grey: not to be told apart."
)
SEEDS = "Every ring is a seed, the bar their mean; scales differ from panel to panel."
MISSES = (
    "Missed beats against false alarms: down and to the left is better. A thin line is the whole trade-off "
    "of a run, the small marks are where its seeds decide, the large one is their mean. Rows whose lines "
    "lie on each other are one model at different operating points."
)


def figures(comparison: Comparison) -> dict[str, tuple[str, bytes]]:
    """Name → (caption, PNG); what cannot be drawn is left out."""
    found = {}
    if comparison.differences:
        found["differences"] = (FOREST, page.rendered(plots.differences(comparison)))
    found["seeds"] = (SEEDS, page.rendered(plots.seeds(comparison)))
    curve = plots.misses(comparison)
    if curve:
        found["misses"] = (MISSES, page.rendered(curve))
    return found


def compare_page(comparison: Comparison, drawn: dict[str, tuple[str, bytes]], command: str) -> Page:
    """The page: what stands after correction, the table, then everything behind it.

    Args:
        comparison: what was found.
        drawn: what `figures` gave.
        command: the command line that repeats it.
    """
    about = dict(told.about_rows(comparison))
    head: list[Block] = [
        Lines(
            (
                ("What differs", told.verdict(comparison)),
                ("On what", f"{about['data']}; {about['scores of']}."),
                ("Under what", f"Protocol {about['protocol']} Classes {about['classes']}."),
            )
        )
    ]
    clear = told.clear(comparison)
    if clear:
        said = [told.clear_sentence(comparison, one) for one in clear[:MOST_POINTS]]
        if len(clear) > MOST_POINTS:
            said.append(f"{len(clear) - MOST_POINTS} more in the table of differences.")
        head.append(Points(tuple(said)))
    head += [Prose(sentence, "warning") for sentence in told.warning_sentences(comparison)]
    sections = (
        _scores(comparison),
        _settings(comparison),
        _differences(comparison, drawn),
        Section("seeds", "Every seed", tuple(_picture(drawn, "seeds", "Scores of every seed"))),
        Section("misses", "Misses against false alarms", tuple(_picture(drawn, "misses", "Trade-off"))),
        _made(comparison, command),
    )
    facts = comparison.metrics
    rows, runs = len(comparison.rows), sum(len(row.runs) for row in comparison.rows)
    return Page(
        command="ecg compare",
        title=f"{runs} runs of {rows} {'recipe' if rows == 1 else 'recipes'} on {facts['data']['name']}",
        lead=(),
        head=tuple(head),
        sections=tuple(section for section in sections if section.blocks),
        footer=NOT_A_DEVICE,
    )


def _scores(comparison: Comparison) -> Section:
    caveats = tuple(comparison.metrics["protocol"]["caveats"])
    blocks: list[Block] = []
    if any(told.short_title(row) != told.title(row) for row in comparison.rows):
        names = [[row.letter, row.name] for row in comparison.rows]
        blocks.append(page.table(("row", "settings in which it differs"), names, words=(1,)))
    blocks += [
        Prose(
            "Mean ± standard deviation over the seeds, shares in percent; the best of a column in bold, be "
            "it clear or not.",
            "quiet",
        ),
        _grid(comparison, comparison.scores),
        _grid(comparison, comparison.more, costs=True, folded="All other scores, and what training cost"),
    ]
    if lacking := told.absence_sentences(comparison):
        blocks.append(Points(tuple(lacking)))
    if caveats:
        blocks += [Prose("Limits of the protocol:"), Points(caveats)]
    return Section("scores", "Scores", tuple(blocks))


def _grid(
    comparison: Comparison, scores: Sequence[Score], costs: bool = False, folded: str | None = None
) -> Grid:
    best = [told.best(comparison, score) for score in scores]
    rows: list[list[Cell]] = []
    for place, row in enumerate(comparison.rows):
        cells: list[Cell] = [told.short_title(row), str(len(row.runs))]
        for score, winners in zip(scores, best, strict=True):
            text = told.cell(row, score, comparison.part).replace(" ± ", "\u2009±\u2009")
            cells.append(Strong(text) if place in winners else text)
        rows.append([*cells, *(told.cost_cells(row) if costs else ())])
    names = [score.name.replace("called normal", "called N") for score in scores]
    headings = ["row", "seeds", *names, *(told.COST_HEADINGS if costs else ())]
    return page.table(headings, rows, folded)


def _settings(comparison: Comparison) -> Section:
    blocks: list[Block] = []
    letters = [row.letter for row in comparison.rows]
    differ, equal = told.setting_rows(comparison), told.equal_rows(comparison)
    if differ:
        blocks.append(page.table(["setting", *letters], differ))
    blocks.append(page.table(["setting", "in all rows"], equal, "Settings that are equal", words=(1,)))
    return Section("settings", "Settings that differ", tuple(blocks))


def _differences(comparison: Comparison, drawn: dict[str, tuple[str, bytes]]) -> Section:
    if not comparison.differences:
        return Section("differences", "Differences", ())
    rows: list[list[Cell]] = [
        [Strong(text) if one.clear else text for text in cells]
        for one, cells in zip(comparison.differences, told.difference_rows(comparison), strict=True)
    ]
    folded = f"All {len(rows)} differences" if len(rows) > 30 else None
    blocks = [
        *_picture(drawn, "differences", "Differences with their intervals"),
        page.table(told.DIFFERENCE_HEADINGS, rows, folded, words=(1,)),
        Prose(" ".join(told.method_sentences(comparison)), "quiet"),
    ]
    return Section("differences", "Differences", tuple(blocks))


def _picture(drawn: dict[str, tuple[str, bytes]], name: str, alt: str) -> list[Block]:
    if name not in drawn:
        return []
    caption, image = drawn[name]
    return [page.picture(image, alt, caption)]


def _made(comparison: Comparison, command: str) -> Section:
    rows = [["command", command], ["data fingerprint", comparison.metrics["data"]["fingerprint"]]]
    return Section(
        "made",
        "How this was made",
        (
            page.table(("what", "which"), rows, words=(1,)),
            page.table(("row", "run"), told.run_rows(comparison), "The runs", words=(1,)),
        ),
    )
