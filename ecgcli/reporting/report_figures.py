"""The figures of a run's report, each with its caption, drawn from the facts about the run."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgcli.evaluation.predictions import NORMAL, labels, probabilities
from ecgcli.evaluation.trade_off import trade_off_curve
from ecgcli.files import whole
from ecgcli.reporting import certainty_plots, plots
from ecgcli.reporting.page import Block, picture, rendered
from ecgcli.reporting.tables import Facts, leading, part_name, trained_here

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Drawn = tuple[str, "Figure"]
"""A caption and its figure."""

MOST_CLASSES = 12
"""Up to so many classes there is a confusion matrix."""

MARKDOWN_SCALE = 0.625
"""Size of a picture beside `report.md` over that of one in a page."""

MOST_CURVES = 5
"""Abnormal classes, at most, that have a curve of their own in the trade-off."""


def confusion(facts: Facts) -> Drawn | None:
    """What became of the beats of each class; None for classes too many to read."""
    if len(facts["classes"]) > MOST_CLASSES:
        return None
    score, where = facts["metrics"][leading(facts)], part_name(leading(facts))
    caption = f"What became of the beats of each class, {where}: counts and shares of the row."
    return caption, plots.confusion_matrix(score["confusion"], facts["classes"])


def trade_off(facts: Facts) -> Drawn | None:
    """The whole trade-off with the chosen point on it; None where there is nothing to trade."""
    point, part = facts.get("operating_point") or {}, leading(facts)
    curve, costs = (point.get("curve") or {}).get(part), (point.get("costs") or {}).get(part)
    if not curve or not costs or len(curve["missed"]) == 0:
        return None
    argmax = "the most probable class"
    points = {argmax if point["name"] == "argmax" else f"operating point {point['name']}": costs}
    other = (point.get("argmax") or {}).get(part)
    if other and point["name"] != "argmax":
        points[argmax] = other
    given = facts.get("beside")
    beside = None
    if given:
        beside = (given["title"], given["curve"], (given.get("matched") or {}).get("other"))
    figure = certainty_plots.trade_off(curve, points, None if given else _by_class(facts), beside)
    caption = (
        f"Missed beats against false alarms as the threshold on 1 − p({NORMAL}) moves, {part_name(part)}: "
        f"down and to the left is better. The full dot is where this run decides."
    )
    if given:
        caption += " Where the curves cross, neither model is better throughout."
    elif figure.axes[0].get_lines()[0].get_label() != "all abnormal beats":
        caption += " The thin lines are the beats of one class against all normal ones."
    return caption, figure


def _by_class(facts: Facts) -> dict[str, Any]:
    """The curve of each abnormal class that has beats, unless there are too many classes."""
    predictions, classes = (facts.get("predictions") or {}).get(leading(facts)), facts["classes"]
    if predictions is None or not 2 < len(classes) <= MOST_CURVES + 1:
        return {}
    probability, truth = probabilities(predictions, classes), labels(predictions, classes)
    normal = list(classes).index(NORMAL)
    curves = {}
    for k, name in enumerate(classes):
        beats = (truth == k) | (truth == normal)
        curve = trade_off_curve(probability[beats], truth[beats], classes)
        if k != normal and len(curve["missed"]):
            curves[name] = curve
    return curves


def reliability(facts: Facts) -> Drawn | None:
    """How much the probabilities are to be believed."""
    fitted, part = facts.get("calibration") or {}, leading(facts)
    bins = (fitted.get("reliability") or {}).get(part)
    if not bins:
        return None
    before, after = bins.get("before"), bins.get("after")
    if not (before or after):
        return None
    caption = (
        f"How sure the model is of the most probable class and how often it is right, {part_name(part)}. On "
        f"the dashed line it is as sure as it is right, above it too modest, below it too sure. Open points "
        f"are of fewer than {certainty_plots.FEW} beats; below, how many beats there are (logarithmic)."
    )
    both = before if fitted.get("method") != "none" else None
    return caption, certainty_plots.reliability(both, after or before)


def risk_coverage(facts: Facts) -> Drawn | None:
    """What a review by a person would save."""
    review = facts.get("review") or {}
    if not review.get("curve"):
        return None
    caption = (
        f"What stays wrong when a person takes over the beats that the model is least sure of, "
        f"{part_name(leading(facts))}. What the person sees counts as found. The scale is wider on the left."
    )
    return caption, certainty_plots.risk_coverage(review["curve"], review.get("shares") or ())


def examples(facts: Facts) -> Drawn | None:
    """Beats of each class, right and wrong."""
    beats, predictions = facts.get("examples"), (facts.get("predictions") or {}).get(leading(facts))
    if not beats or predictions is None:
        return None
    from ecgcli.reporting.examples import example_beats

    caption = (
        f"Beats of each class, {part_name(leading(facts))}: two that were right with usual confidence "
        f"(black), and the three most confident mistakes (orange). Thin and grey: the second lead."
    )
    return caption, example_beats(predictions=predictions, classes=facts["classes"], **beats)


def learning(facts: Facts) -> Drawn | None:
    """Learning curves; None for a model that was not trained on these data."""
    curves = facts["training"].get("curves") if trained_here(facts) else None
    if not curves:
        return None
    caption = (
        "Learning curves. The training loss is what was optimised, with weights and label smoothing where "
        "there are any; the validation loss is plain cross-entropy."
    )
    return caption, plots.learning_curves(curves)


def balance(facts: Facts) -> Drawn:
    """Beats of each class in each part."""
    return "Beats of each class in each part.", plots.class_balance(facts["support"], facts["classes"])


def classes(facts: Facts) -> Drawn:
    """Recall, wrong predictions and missed beats of each class."""
    caption = f"The three columns of the table, {part_name(leading(facts))}."
    return caption, plots.class_bars(facts["metrics"][leading(facts)], facts["classes"])


def with_figures(facts: Facts) -> Facts:
    """The facts with `figures`: name → (caption, PNG), each drawn once for all the reports."""
    if "figures" in facts:
        return facts
    figures = {}
    for draw in (classes, confusion, trade_off, reliability, risk_coverage, examples, learning, balance):
        if one := draw(facts):
            figures[draw.__name__] = (one[0], rendered(one[1]))
    return {**facts, "figures": figures}


def blocks(facts: Facts, name: str, alt: str) -> list[Block]:
    """A figure of `with_figures` as it stands on a page; none where there is nothing to draw."""
    one = facts["figures"].get(name)
    return [picture(one[1], alt, one[0])] if one else []


def save(drawn: bytes, path: Path) -> Path:
    """Writes a rendered figure on white, whole or not at all, in the size that reports in Markdown have."""
    from PIL import Image

    image = Image.open(io.BytesIO(drawn))
    paper = Image.new("RGBA", image.size, "white")
    paper.alpha_composite(image.convert("RGBA"))
    size = (round(image.width * MARKDOWN_SCALE), round(image.height * MARKDOWN_SCALE))
    with whole(path) as beside:
        paper.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(beside, "PNG")
    return path
