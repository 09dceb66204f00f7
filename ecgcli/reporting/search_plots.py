"""Pictures of a search: how its trials came out one after the other, what mattered, and the Pareto front."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ecgcli.reporting.plots import BLUE, GREY, INK, VERMILION, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Facts = Mapping[str, Any]


def figures(facts: Facts) -> dict[str, Figure]:
    """The pictures of a search: `history`, `importances` and, with several goals, `pareto`.

    Args:
        facts: `goals` (each with its `key` and whether `more` is better), `trials` (each with `number`,
            `state` and `values`), `best` (numbers of the best trials, the first goal's best first) and
            `importances` (goal → setting → share).
    """
    drawn = {"history": history(facts)}
    if facts["importances"]:
        drawn["importances"] = importances(facts)
    if len(facts["goals"]) > 1:
        drawn["pareto"] = pareto(facts)
    return drawn


def history(facts: Facts) -> Figure:
    """What every trial reached, and the best so far, a panel a goal; below, which trials did not end."""
    goals = facts["goals"]
    figure = Figure(figsize=(7.6, 0.6 + 2.3 * len(goals)), layout="constrained")
    panels: list[Axes] = list(figure.subplots(len(goals), 1, sharex=True, squeeze=False)[:, 0])
    complete = [trial for trial in facts["trials"] if trial["values"] is not None]
    numbers = [trial["number"] for trial in complete]
    for place, (one, axes) in enumerate(zip(goals, panels, strict=True)):
        plain(axes)
        values = [trial["values"][place] for trial in complete]
        so_far = list(accumulate(values, max if one["more"] else min))
        axes.step(numbers, so_far, where="post", color=INK, linewidth=1.2, label="best so far")
        axes.plot(numbers, values, "o", color=BLUE, ms=4.5, label="complete")
        for state, mark, colour in (("pruned", "|", GREY), ("failed", "x", VERMILION)):
            at = [trial["number"] for trial in facts["trials"] if trial["state"] == state]
            if at:
                low = [0.03] * len(at)
                axes.plot(
                    at, low, mark, color=colour, ms=7, label=state, transform=axes.get_xaxis_transform()
                )
        axes.set_ylabel(f"{one['key']}\n({'more' if one['more'] else 'less'} is better)")
        axes.margins(y=0.15)
    panels[0].legend(frameon=False, fontsize=8.5, loc="lower left", bbox_to_anchor=(0, 1), ncols=4)
    panels[-1].set_xlabel("trial")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True, nbins=12))
    return figure


def importances(facts: Facts) -> Figure:
    """How much of the differences between the trials each setting explains, a panel a goal."""
    goals = list(facts["importances"])
    settings = list(facts["importances"][goals[0]])
    size = (2.6 + 2.8 * len(goals), 1.0 + 0.32 * len(settings))
    figure = Figure(figsize=size, layout="constrained")
    panels: list[Axes] = list(figure.subplots(1, len(goals), sharey=True, squeeze=False)[0])
    for key, axes in zip(goals, panels, strict=True):
        plain(axes)
        shares = [100 * facts["importances"][key].get(name, 0.0) for name in settings]
        axes.barh(range(len(settings)), shares, color=BLUE, height=0.62)
        for row, share in enumerate(shares):
            axes.text(share + 2, row, f"{share:.0f}%", va="center", fontsize=8.5, color=INK)
        axes.set_xlim(0, 118)
        axes.set_xticks([0, 50, 100])
        axes.set_xlabel(f"% of the differences in {key}")
        axes.tick_params(axis="y", length=0)
    panels[0].set_yticks(range(len(settings)), settings)
    panels[0].invert_yaxis()
    return figure


def pareto(facts: Facts) -> Figure:
    """The first two goals against each other; trials of the front are better than all others in some way."""
    across, up = facts["goals"][1], facts["goals"][0]
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    plain(axes)
    complete = [trial for trial in facts["trials"] if trial["values"] is not None]
    front = sorted(
        (trial for trial in complete if trial["number"] in facts["best"]), key=lambda one: one["values"][1]
    )
    rest = [trial for trial in complete if trial not in front]
    axes.plot(
        [trial["values"][1] for trial in rest],
        [trial["values"][0] for trial in rest],
        "o",
        color=GREY,
        ms=4.5,
        label="other trials",
    )
    line = "-" if len(facts["goals"]) == 2 else ""
    points = [[trial["values"][place] for trial in front] for place in (1, 0)]
    axes.plot(*points, "o" + line, color=VERMILION, linewidth=1, ms=6, label="Pareto front")
    for trial, x, y in zip(front, *points, strict=True):
        axes.annotate(
            str(trial["number"]), (x, y), (4, 5), textcoords="offset points", fontsize=8.5, color=INK
        )
    values = [trial["values"][1] for trial in complete]
    if min(values) > 0 and max(values) > 20 * min(values):
        axes.set_xscale("log")
    axes.set_xlabel(f"{across['key']} ({'more' if across['more'] else 'less'} is better)")
    axes.set_ylabel(f"{up['key']} ({'more' if up['more'] else 'less'} is better)")
    axes.margins(0.08)
    axes.legend(frameon=False, fontsize=8.5)
    return figure
