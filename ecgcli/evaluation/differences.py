"""Differences between the rows of a comparison: how large, how certain, and which of them stand.

`ecgcli.evaluation.paired` says how a difference is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt

from ecgcli.evaluation import paired
from ecgcli.evaluation.confusion import Patients
from ecgcli.evaluation.predictions import NORMAL
from ecgcli.evaluation.rows import Row, Score, mean


@dataclass(frozen=True)
class Difference:
    """How much a row lies above another in one score.

    Attributes:
        row: index of the row.
        reference: index of the row that is taken away from it.
        score: index of the score.
        value: mean of the row less mean of the reference; None where a seed has no such score.
        interval: 95%; None where it is not known.
        p: of no difference; None where it was not tested.
        corrected: the same for as many looks as there are (Holm).
        skipped: share of the replicates in which the difference does not exist.
    """

    row: int
    reference: int
    score: int
    value: float | None
    interval: tuple[float, float] | None
    p: float | None
    corrected: float | None
    skipped: float

    @property
    def clear(self) -> bool:
        """Whether it stands after the correction."""
        return self.corrected is not None and self.corrected < 0.05


def differences_of(
    rows: Sequence[Row],
    part: str,
    classes: Sequence[str],
    scores: Sequence[Score],
    pairs: Sequence[tuple[int, int]],
    counts: Sequence[paired.Array],
    who: Patients,
    replicates: int,
    tell: Callable[[int], object],
) -> list[Difference]:
    """The difference of every pair in every score, with its interval and an uncorrected p-value.

    Args:
        rows: the rows of the comparison.
        part: `test` or `validation`.
        classes: names of the classes.
        scores: the columns whose differences are judged.
        pairs: indices of a row, and of the row that is taken away from it.
        counts: (units, classes, classes) confusions of each run, the runs of a row one after the other.
        who: the patients behind the units.
        replicates: how often the patients are drawn.
        tell: is told how many replicates were added.
    """
    if not pairs:
        return []
    keys = [(one.key, None if one.of is None else list(classes).index(one.of)) for one in scores]
    held = [_held(counts[0], score, classes) for score in scores]  # by how many units
    drawn = paired.replicated(counts, who, classes, keys, replicates, tell=tell)
    means = paired.recipe_means(drawn, [row.seeds for row in rows])
    found = []
    for row, reference in pairs:
        for k, (score, units) in enumerate(zip(scores, held, strict=True)):
            here = [rows[place].values(score, part) for place in (row, reference)]
            known = all(value is not None for values in here for value in values)
            replicate = means[row, :, k] - means[reference, :, k]
            judged = known and units > 1
            found.append(
                Difference(
                    row=row,
                    reference=reference,
                    score=k,
                    value=(mean(here[0]) or 0.0) - (mean(here[1]) or 0.0) if known else None,
                    interval=paired.interval(replicate) if judged else None,
                    p=paired.p_value(replicate, units) if judged else None,
                    corrected=None,
                    skipped=float(np.isnan(replicate).mean()),
                )
            )
    return found


def _held(counts: paired.Array, score: Score, classes: Sequence[str]) -> int:
    """How many patients (and beats of nobody known) have beats that a score is of."""
    support = counts.sum(axis=2)  # (units, classes)
    if score.of is not None:
        support = support[:, [list(classes).index(score.of)]]
    elif score.key == "abnormal_called_normal":
        support = support[:, [name != NORMAL for name in classes]]
    return int(support.any(axis=1).sum())


def by_mcnemar(
    one: Difference,
    rows: Sequence[Row],
    scores: Sequence[Score],
    classes: Sequence[str],
    truth: npt.NDArray[np.int64],
    decided: Sequence[npt.NDArray[np.int16]],
) -> Difference:
    """The same difference with the p-value of McNemar's test; None for what is no share of the same beats.

    Args:
        one: the difference.
        rows: the rows of the comparison.
        scores: its columns.
        classes: names of the classes.
        truth: (n,) labels of the beats, as indices into `classes`.
        decided: (n,) what each run calls them, the runs of a row one after the other.
    """
    score = scores[one.score]
    normal = list(classes).index(NORMAL) if NORMAL in classes else -1
    if score.key == "accuracy":
        beats, holds = np.ones(len(truth), dtype=bool), [calls == truth for calls in decided]
    elif score.key == "abnormal_called_normal":
        beats, holds = truth != normal, [calls == normal for calls in decided]
    elif score.key == "recall" and score.of is not None:
        beats, holds = truth == list(classes).index(score.of), [calls == truth for calls in decided]
    else:
        return replace(one, p=None)
    starts = np.cumsum([0, *(len(row.runs) for row in rows)])
    mine, theirs = rows[one.row].seeds, rows[one.reference].seeds
    places = list(product(range(len(mine)), range(len(theirs))))
    equal = [(a, b) for a, b in places if mine[a] == theirs[b]]
    values = [
        paired.mcnemar(holds[starts[one.row] + a][beats], holds[starts[one.reference] + b][beats])
        for a, b in equal or places
    ]
    return replace(one, p=paired.merged(values))
