"""The rows and sentences of a comparison, as text; terminal, Markdown, LaTeX and page lay them out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ecgcli.evaluation.comparable import name as run_name
from ecgcli.evaluation.comparison import Comparison
from ecgcli.evaluation.differences import Difference
from ecgcli.evaluation.recipes import differing
from ecgcli.evaluation.rows import Row, Score, mean
from ecgcli.reporting import tables
from ecgcli.reporting.headline import FEW_PATIENTS
from ecgcli.reporting.tables import Rows, part_name, spread
from ecgcli.reporting.words import counted

FEW_SEEDS = 5
"""Seeds below which how much they differ is hardly known."""

DIFFERENCE_HEADINGS = ("difference", "score", "by", "95% interval", "p", "p, Holm")


def headings(scores: Sequence[Score]) -> tuple[str, ...]:
    """One a column: the scores, shares in percent."""
    return tuple(f"{score.name}{' %' if score.percent else ''}" for score in scores)


def cell(row: Row, score: Score, part: str, digits: int | None = None) -> str:
    """Mean ± standard deviation over the seeds that have the score; `-` where none has."""
    values = row.values(score, part)
    return "-" if mean(values) is None else spread(values, score.percent, digits)


def absence_sentences(comparison: Comparison) -> list[str]:
    """The scores that not all seeds of a row have; a class that is never called has no +P."""
    said = []
    for row in comparison.rows:
        for score in comparison.scores:
            values = row.values(score, comparison.part)
            known = sum(value is not None for value in values)
            if known < len(values):
                which = f"{known} of {counted(len(values), 'seed')} of" if known else "no seed of"
                said.append(f"{score.name} exists in {which} {row.letter}: such beats are never called.")
    return said


def best(comparison: Comparison, score: Score) -> set[int]:
    """The rows with the best mean; none where there is one row, or all are equal."""
    means = [mean(row.values(score, comparison.part)) for row in comparison.rows]
    known = [value for value in means if value is not None]
    if len(known) < 2 or max(known) == min(known):
        return set()
    wanted = min(known) if score.low else max(known)
    return {place for place, value in enumerate(means) if value == wanted}


def cost_cells(row: Row) -> list[str]:
    """Weights, optimizer steps and seconds of training, the last as a mean over the seeds."""
    training = [run.metrics["training"] for run in row.runs]
    seconds = float(np.mean([one["seconds"] for one in training]))
    return [f"{training[0]['parameters']:,}", f"{training[0]['steps']:,}", f"{seconds:,.0f}"]


COST_HEADINGS = ("weights", "steps", "train s")


LONGEST = 30
"""Letters of a row's name beside its letter where there is little room."""


def title(row: Row) -> str:
    """`B  sampling=rebalanced`."""
    return f"{row.letter}  {row.name}"


def short_title(row: Row) -> str:
    """The same where the name is short, else the letter alone."""
    return title(row) if len(row.name) <= LONGEST else row.letter


def by(difference: Difference, score: Score) -> str:
    """`−2.10`: points of a share, or the score itself."""
    return "-" if difference.value is None else _signed(difference.value, score)


def ends(difference: Difference, score: Score) -> str:
    """`−3.00 to −1.20`."""
    if difference.interval is None:
        return "-"
    return " to ".join(_signed(end, score) for end in difference.interval)


def p_text(value: float | None) -> str:
    """`.004`, `<.001`; `-` where nothing was tested."""
    if value is None:
        return "-"
    return "<.001" if value < 0.0005 else f"{value:.3f}".removeprefix("0")


def pair(comparison: Comparison, difference: Difference) -> str:
    """`B − A`."""
    letters = [comparison.rows[place].letter for place in (difference.row, difference.reference)]
    return " − ".join(letters)


def difference_rows(comparison: Comparison) -> Rows:
    """All differences under `DIFFERENCE_HEADINGS`; shares in points."""
    return [
        [
            pair(comparison, one),
            comparison.scores[one.score].name,
            by(one, comparison.scores[one.score]),
            ends(one, comparison.scores[one.score]),
            p_text(one.p),
            p_text(one.corrected),
        ]
        for one in comparison.differences
    ]


def setting_rows(comparison: Comparison) -> Rows:
    """A row a setting in which the recipes differ, a column a recipe; `-` where one has no such setting."""
    recipes = [row.settings for row in comparison.rows]
    return [[key, *(recipe.get(key, "-") for recipe in recipes)] for key in differing(recipes)]


def equal_rows(comparison: Comparison) -> Rows:
    """The settings that all recipes share, and their value."""
    recipes = [row.settings for row in comparison.rows]
    apart = set(differing(recipes))
    return [[key, value] for key, value in sorted(recipes[0].items()) if key not in apart]


def run_rows(comparison: Comparison) -> Rows:
    """The folders behind each row."""
    return [[row.letter, *(run_name(run) for run in (one,))] for row in comparison.rows for one in row.runs]


def clear(comparison: Comparison) -> list[Difference]:
    """The differences that stand after the correction."""
    return [one for one in comparison.differences if one.clear]


def clear_sentence(comparison: Comparison, one: Difference) -> str:
    """What differs between two rows in one score, by how much, and which way is better."""
    score = comparison.scores[one.score]
    row, reference = (short_title(comparison.rows[place]) for place in (one.row, one.reference))
    value = one.value or 0.0
    size = f"{100 * abs(value):.2f} points" if score.percent else f"{abs(value):.3f}"
    way = "lower" if value < 0 else "higher"
    better = "better" if (value < 0) == score.low else "worse"
    interval = f"95% {ends(one, score)}, " if one.interval else ""
    return (
        f"{row} against {reference}: {score.name} {size} {way}, which is {better} "
        f"({interval}p {p_text(one.corrected)} after Holm)."
    )


def verdict(comparison: Comparison) -> str:
    """How many differences stand."""
    tested = [one for one in comparison.differences if one.p is not None]
    if not comparison.differences:
        return "One recipe alone: its seeds are averaged, there is nothing to compare it with."
    if not tested:
        return "Nothing could be tested: how these scores vary is not known."
    found = len(clear(comparison))
    of = f"{counted(len(tested), 'difference')} that were tested"
    if not found:
        return f"None of the {of} is clear: the rows cannot be told apart by these beats and seeds."
    return f"{found} of the {of} {'is' if found == 1 else 'are'} clear (p below .05 after Holm's correction)."


def method_sentences(comparison: Comparison) -> list[str]:
    """How the differences were judged, and what they do not cover."""
    if not comparison.differences:
        return []
    most = max(len(row.runs) for row in comparison.rows)
    said = [
        "Differences are paired on the same beats, each the mean over the seeds of a row less that of its "
        "reference; shares in points."
    ]
    if comparison.patients + comparison.unknown < 2:
        said.append("All beats are of one patient: how scores vary from patient to patient is not known.")
        return said
    drawn = f"{comparison.replicates:,} times"
    if comparison.patients:
        what = f"{comparison.patients} patients were drawn with replacement {drawn}, the same for all rows"
        if comparison.unknown:
            what += (
                f", and {comparison.unknown:,} beats of unknown patients one by one beside them, which makes "
                f"the intervals too narrow"
            )
    else:
        what = (
            f"The patients are not known, so {comparison.unknown:,} beats were drawn {drawn} one by one, as "
            f"if they were independent: the intervals are too narrow"
        )
    if most > 1:
        what += "; seeds were drawn along with them"
    said.append(f"{what}. An interval holds the middle 95% of what came out, each on its own.")
    if comparison.test == "mcnemar":
        means = ", over seeds twice the mean p" if most > 1 else ""
        said.append(
            f"p-values are of McNemar's test (mid-p) on pairs of runs with equal seed{means}; it knows "
            f"shares of the same beats alone, so +P and macro-F1 have none, and takes beats for independent."
        )
    else:
        said.append(
            "p is twice the smaller share of the draws on either side of no difference, and not below "
            "2^(1 − n) where n patients have such beats, which is the least that they can show."
        )
    tested = sum(one.p is not None for one in comparison.differences)
    said.append(f"Holm's correction is for all {tested} p-values.")
    return said


def warning_sentences(comparison: Comparison) -> list[str]:
    """What to know before any of it is believed."""
    said = []
    intra = tables.intra_patient_sentence(comparison.metrics)
    if intra:
        said.append(intra)
    if 1 < comparison.patients < FEW_PATIENTS:
        said.append(
            f"Only {comparison.patients} patients are behind these scores: the intervals are too narrow."
        )
    fewest = min(len(row.runs) for row in comparison.rows)
    if fewest == 1:
        said.append(
            "A row of one seed: how far another seed would move it is not known and not in the intervals."
        )
    elif fewest < FEW_SEEDS:
        said.append(f"With {fewest} seeds, how far they differ is hardly known.")
    if comparison.reference is not None and not comparison.chosen:
        row = comparison.rows[comparison.reference]
        said.append(
            f"All rows are compared with {row.letter}, the best macro-F1 here (against= chooses another). "
            f"What was picked because it came out best looks better than it is."
        )
    return said


def about_rows(comparison: Comparison) -> Rows:
    """What is equal for all rows: data, protocol, classes, beats."""
    facts = comparison.metrics
    beats = ", ".join(f"{n:,} {name}" for name, n in comparison.beats.items() if n)
    total = sum(comparison.beats.values())
    absent = [name for name, n in comparison.beats.items() if not n]
    missing = f"; none of {', '.join(absent)}, which no mean holds" if absent else ""
    return [
        ["data", tables.data_sentence(facts)],
        ["protocol", tables.protocol_sentence(facts)],
        ["classes", tables.class_sentence(facts)],
        [
            "scores of",
            f"{part_name(comparison.part)}, {total:,} beats: {beats}{missing}",
        ],
    ]


def _signed(value: float, score: Score) -> str:
    text = f"{100 * value:+.2f}" if score.percent else f"{value:+.3f}"
    return text.replace("-", "−")
