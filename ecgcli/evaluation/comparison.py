"""Runs side by side: a row a recipe, scores over its seeds, and the differences between rows.

What is computed here is plain arrays and numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ecgcli.evaluation import comparable, paired
from ecgcli.evaluation.confusion import confusions, patients_of
from ecgcli.evaluation.differences import Difference, by_mcnemar, differences_of
from ecgcli.evaluation.predictions import decisions, labels, probabilities
from ecgcli.evaluation.rows import Row, Score, best_row, columns
from ecgcli.evaluation.trade_off import trade_off_curve
from ecgcli.runs import Run

ALL_PAIRS = 5
"""Up to so many rows every one is compared with every other, more with one alone."""


@dataclass(frozen=True)
class Comparison:
    """What `ecg compare` found.

    Attributes:
        part: the part that was scored.
        classes: names of the classes.
        rows: the recipes.
        scores: the columns that come first, whose differences are judged.
        more: the other columns.
        differences: of all pairs, or of all from `reference`.
        reference: the row that all others are compared with; None where every pair is.
        chosen: whether `reference` was asked for; else it is the row with the best macro-F1.
        test: what the p-values are of.
        replicates: how often the patients (or beats) were drawn.
        patients: how many patients are known.
        unknown: beats of nobody known.
        beats: how many there are of each class.
        curves: for each run of each row, `missed` and `false_alarms_per_1000_normal` of `trade_off_curve`.
    """

    part: str
    classes: tuple[str, ...]
    rows: tuple[Row, ...]
    scores: tuple[Score, ...]
    more: tuple[Score, ...]
    differences: tuple[Difference, ...]
    reference: int | None
    chosen: bool
    test: Literal["bootstrap", "mcnemar"]
    replicates: int
    patients: int
    unknown: int
    beats: dict[str, int]
    curves: tuple[tuple[dict[str, npt.NDArray[np.float64]], ...], ...]

    @property
    def metrics(self) -> dict[str, Any]:
        """What `metrics.json` of the first run says: data, protocol and classes are those of all."""
        return self.rows[0].runs[0].metrics


def compared(
    rows: Sequence[Row],
    part: str,
    reference: int | None,
    replicates: int,
    tell: Callable[[int], object] = lambda done: None,
) -> Comparison:
    """Scores the rows on the same beats and judges their differences.

    Args:
        rows: what `rows_of` gave of runs that passed `comparable.check`.
        part: `test` or `validation`.
        reference: the row to compare all others with; None for every pair, or, of many rows, the best one.
        replicates: how often the patients are drawn.
        tell: is told how many replicates were added.

    Raises:
        EcgError: if the runs were not scored on the same beats, or predictions are damaged.
    """
    runs = [run for row in rows for run in row.runs]
    classes = tuple(runs[0].metrics["classes"])
    first = runs[0].predictions(part)
    who, truth = patients_of(first), labels(first, classes)
    counts, decided, curves = [], [], []
    for run in runs:
        frame = run.predictions(part) if run is not runs[0] else first
        comparable.check_beats((runs[0], first), (run, frame))
        counts.append(confusions(frame, classes, who.of_beat, who.units))
        decided.append(decisions(frame, classes).astype(np.int16))
        curves.append(_curve(run, part, frame, classes))
    beats = {name: int((truth == k).sum()) for k, name in enumerate(classes)}
    scores, more = columns(classes, beats)
    chosen = reference is not None
    if reference is None and len(rows) > ALL_PAIRS:
        reference = best_row(rows, part)
    if reference is None:
        pairs = [(b, a) for a, b in combinations(range(len(rows)), 2)]
    else:
        pairs = [(row, reference) for row in range(len(rows)) if row != reference]
    mcnemar = not who.names
    differences = differences_of(rows, part, classes, scores, pairs, counts, who, replicates, tell)
    if mcnemar:
        differences = [by_mcnemar(one, rows, scores, classes, truth, decided) for one in differences]
    corrected = paired.holm([one.p for one in differences])
    starts = np.cumsum([0, *(len(row.runs) for row in rows)])
    return Comparison(
        part=part,
        classes=classes,
        rows=tuple(rows),
        scores=scores,
        more=more,
        differences=tuple(replace(one, corrected=p) for one, p in zip(differences, corrected, strict=True)),
        reference=reference,
        chosen=chosen,
        test="mcnemar" if mcnemar else "bootstrap",
        replicates=replicates,
        patients=len(who.names),
        unknown=who.unknown,
        beats=beats,
        curves=tuple(tuple(curves[a:b]) for a, b in pairwise(starts)),
    )


def _curve(
    run: Run, part: str, frame: pd.DataFrame, classes: Sequence[str]
) -> dict[str, npt.NDArray[np.float64]]:
    """The trade-off of a run as it was reported; drawn up anew where it was not."""
    known = ((run.metrics.get("operating_point") or {}).get("curve") or {}).get(part)
    if known is None:
        known = trade_off_curve(probabilities(frame, classes), labels(frame, classes), classes)
    return {key: np.asarray(known[key], dtype=float) for key in ("missed", "false_alarms_per_1000_normal")}
