"""`search.html`: what a search tried, what came of it, and how far that is to be believed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from ecgcli.reporting import page
from ecgcli.reporting.page import Block, Figures, Page, Points, Prose, Section
from ecgcli.reporting.tables import NOT_A_DEVICE
from ecgcli.reporting.words import counted

Facts = Mapping[str, Any]

CAPTIONS = {
    "history": "What every trial reached on the validation part, and the best so far.",
    "importances": "How much of the differences between the complete trials each setting explains "
    "(functional ANOVA; Hutter et al. 2014). With few trials this is a hint, no more.",
    "pareto": "A trial of the front, with its number, is beaten by no other trial in every goal.",
}


def write_page(folder: Path, facts: Facts, drawn: Mapping[str, Figure]) -> Path:
    """Writes `<folder>/search.html`, a file that needs nothing else, whole or not at all.

    Args:
        folder: of the study.
        facts: as `ecgcli.reporting.search_plots.figures`, with `title`, `command`, `space`, `settings`,
            `sampler`, `pruner`, `complete` (trials), `dashboard` and `next` (commands).
        drawn: the pictures.

    Returns:
        Its path.
    """
    return page.write(search_page(facts, drawn), folder / "search.html")


def search_page(facts: Facts, drawn: Mapping[str, Figure]) -> Page:
    """The page: the best trial, the pictures, every trial."""
    best = _trial(facts, facts["best"][0])
    numbers = [
        (said(value), f"{one['key']} on validation, trial {best['number']}")
        for one, value in zip(facts["goals"], best["values"], strict=True)
    ]
    sections = [
        Section(name, heading, (page.picture(drawn[name], CAPTIONS[name], CAPTIONS[name]),))
        for name, heading in (
            ("pareto", "What one goal costs in the other"),
            ("history", "One trial after the other"),
            ("importances", "What mattered"),
        )
        if name in drawn
    ]
    return Page(
        command="ecg search",
        title=facts["title"],
        lead=tuple(best_sentence(facts)),
        head=(
            Figures((*numbers, (f"{facts['complete']:,}", "complete trials"))),
            Prose(caution(facts), "warning"),
        ),
        sections=(_best(facts), *sections, *_failed(facts), _all(facts), _on(facts)),
        footer=NOT_A_DEVICE,
    )


def best_sentence(facts: Facts) -> list[str]:
    """The best trial and its settings; with several goals, which other trials are on the front."""
    best = _trial(facts, facts["best"][0])
    told = ", ".join(
        f"{one['key']} {said(value)}" for one, value in zip(facts["goals"], best["values"], strict=True)
    )
    settings = " ".join(f"{name}={value}" for name, value in best["settings"].items())
    several = len(facts["goals"]) > 1
    first = f" (best in {facts['goals'][0]['key']})" if several else ""
    lines = [f"Best         trial {best['number']}{first}: {told}", f"Settings     {settings}"]
    if several:
        lines.append(f"Front        {counted(len(facts['best']), 'trial')}: {_front(facts)}")
    return lines


def importance_sentence(facts: Facts) -> str:
    """How much each setting explains of the first goal that there is something to explain of."""
    key, shares = next(iter(facts["importances"].items()))
    return f"of {key}: " + ", ".join(f"{name} {100 * share:.0f}%" for name, share in shares.items())


def caution(facts: Facts) -> str:
    """What the best of many is worth."""
    return (
        f"The best of {counted(facts['complete'], 'complete trial')} was chosen on the validation part, so "
        f"that its score there flatters it. No test part was opened: opened once, for the one recipe that is "
        f"chosen, it says what that is worth."
    )


def said(value: float) -> str:
    """A value of a goal: counts whole, the rest with four digits."""
    return f"{value:,.0f}" if value == int(value) and abs(value) >= 10 else f"{value:.4f}"


def _front(facts: Facts) -> str:
    return ", ".join(str(number) for number in sorted(facts["best"]))


def _best(facts: Facts) -> Section:
    shown = facts["best"][:8]
    trials = [_trial(facts, number) for number in shown]
    heading = "The best settings" if len(facts["goals"]) == 1 else "Trials of the Pareto front"
    rows: list[list[page.Cell]] = [
        [one["key"], *(said(trial["values"][place]) for trial in trials)]
        for place, one in enumerate(facts["goals"])
    ]
    rows += [[name, *(trial["settings"].get(name, "") for trial in trials)] for name in facts["settings"]]
    table = page.table(("", *(f"trial {number}" for number in shown)), rows)
    more = len(facts["best"]) - len(shown)
    blocks: list[Block] = [table]
    blocks += (
        [Prose(f"{counted(more, 'further trial')} of the front in the table below.", "quiet")] if more else []
    )
    return Section("best", heading, tuple(blocks))


def _failed(facts: Facts) -> list[Section]:
    failed = [trial for trial in facts["trials"] if trial["state"] == "failed"]
    if not failed:
        return []
    reasons = tuple(f"Trial {trial['number']}: {trial['reason']}" for trial in failed)
    return [Section("failed", "Trials that failed", (Points(reasons),))]


def _all(facts: Facts) -> Section:
    keys = [one["key"] for one in facts["goals"]]
    headings = ("trial", "", *keys, "s", *facts["settings"])
    rows: list[list[page.Cell]] = []
    for trial in facts["trials"]:
        values = trial["values"] or [None] * len(keys)
        row: list[page.Cell] = [str(trial["number"]), trial["state"]]
        row += ["" if value is None else said(value) for value in values]
        row.append("" if trial["seconds"] is None else f"{trial['seconds']:.0f}")
        rows.append([*row, *(trial["settings"].get(name, "") for name in facts["settings"])])
    folded = counted(len(rows), "trial") if len(rows) > 20 else None
    blocks: list[Block] = [page.table(headings, rows, folded=folded, words=(1,))]
    blocks.append(
        Prose(
            f"Space {facts['space']}, sampler {facts['sampler']}, pruner {facts['pruner']}; s is seconds of "
            f"training."
        )
    )
    return Section("trials", "Every trial", tuple(blocks))


def _on(facts: Facts) -> Section:
    rows = (
        ("the best settings, on the test part", facts["next"]),
        ("this search again, or more of it with a higher trials=", facts["command"]),
        ("the trials in Optuna's dashboard", facts["dashboard"]),
    )
    return Section("on", "How to go on", (page.table(("what", "command"), rows, words=(1,)),))


def _trial(facts: Facts, number: int) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(trial for trial in facts["trials"] if trial["number"] == number)
    return found
