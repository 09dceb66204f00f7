"""Runs side by side: a row a recipe, scores over its seeds, and the differences between rows.

What is computed here is plain arrays and numbers; `ecgcli.evaluation.paired` says how differences are judged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise, product
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ecgcli.evaluation import comparable, paired
from ecgcli.evaluation.confusion import Patients, confusions, patients_of
from ecgcli.evaluation.predictions import NORMAL, decisions, labels, probabilities
from ecgcli.evaluation.recipes import Settings, grouped, label
from ecgcli.evaluation.trade_off import trade_off_curve
from ecgcli.runs import Run

ALL_PAIRS = 5
"""Up to so many rows every one is compared with every other, more with one alone."""

FEW_CLASSES = 4
"""Abnormal classes with columns of their own where the data know neither S nor V."""


@dataclass(frozen=True)
class Score:
    """A column of the comparison.

    Attributes:
        key: its name in `ecgcli.evaluation.metrics.score`.
        of: the class it is of; None for all classes together.
        name: in words.
        percent: whether it is a share.
        low: whether less is better.
    """

    key: str
    of: str | None
    name: str
    percent: bool = True
    low: bool = False

    def read(self, scored: Mapping[str, Any]) -> float | None:
        """The score of a run, from what `metrics.json` holds of a part."""
        value = scored[self.key] if self.of is None else scored["per_class"][self.of][self.key]
        return None if value is None else float(value)


@dataclass(frozen=True)
class Row:
    """A recipe: runs that differ in nothing but their seed.

    Attributes:
        letter: short name, A for the first.
        name: the settings in which it differs from the other rows.
        settings: all that decide its results, but the seed.
        runs: by seed.
    """

    letter: str
    name: str
    settings: Settings
    runs: tuple[Run, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """One a run."""
        return tuple(run.config.seed for run in self.runs)

    def values(self, score: Score, part: str) -> list[float | None]:
        """The score of each seed."""
        return [score.read(run.metrics[part]) for run in self.runs]


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


def rows_of(runs: Sequence[Run]) -> tuple[Row, ...]:
    """The recipes among some runs, in the order given."""
    groups = grouped(runs)
    every = [own for own, _ in groups]
    rows = []
    for place, (own, group) in enumerate(groups):
        by_seed = tuple(sorted(group, key=lambda run: run.config.seed))
        named = label(own, every) if len(groups) > 1 else f"sampling={own['sampling.name']}"
        rows.append(Row(_letter(place), named, own, by_seed))
    return tuple(rows)


def columns(classes: Sequence[str], beats: Mapping[str, int]) -> tuple[tuple[Score, ...], tuple[Score, ...]]:
    """The scores that come first, and the rest."""
    held = [name for name in classes if beats[name] and name != NORMAL]
    first = [name for name in ("S", "V") if name in held] or held[:FEW_CLASSES]
    others = [name for name in (NORMAL, *held) if name in classes and beats[name] and name not in first]

    def both(name: str) -> tuple[Score, Score]:
        return Score("recall", name, f"{name} Se"), Score("precision", name, f"{name} +P")

    missed = Score("abnormal_called_normal", None, "abnormal called normal", low=True)
    main = [missed] if NORMAL in classes and held else []
    main += [score for name in first for score in both(name)]
    main += [Score("macro_f1", None, "macro-F1", percent=False), Score("accuracy", None, "accuracy")]
    rest = [score for name in others for score in both(name)]
    if NORMAL in classes:
        rest += [Score("called_normal", name, f"{name} called normal", low=True) for name in held]
    rest += [Score("f1", name, f"{name} F1", percent=False) for name in (*first, *others)]
    rest += [Score("macro_recall", None, "macro-recall", percent=False), Score("mcc", None, "MCC", False)]
    rest += [Score("kappa", None, "Cohen's kappa", False)]
    rest += [Score("auroc", None, "AUROC", percent=False), Score("auprc", None, "AUPRC", percent=False)]
    return tuple(main), tuple(rest)


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
    differences = _differences(rows, part, classes, scores, pairs, counts, who, replicates, tell)
    if mcnemar:
        differences = [_by_mcnemar(one, rows, scores, classes, truth, decided) for one in differences]
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


def best_row(rows: Sequence[Row], part: str) -> int:
    """The row with the best macro-F1, the first of equals."""
    score = Score("macro_f1", None, "macro-F1", percent=False)
    return int(np.argmax([mean(row.values(score, part)) or 0.0 for row in rows]))


def mean(values: Sequence[float | None]) -> float | None:
    """Mean of the seeds that have the score; None where none has."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _differences(
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
    """The difference of every pair in every score, with its interval and an uncorrected p-value."""
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


def _by_mcnemar(
    one: Difference,
    rows: Sequence[Row],
    scores: Sequence[Score],
    classes: Sequence[str],
    truth: npt.NDArray[np.int64],
    decided: Sequence[npt.NDArray[np.int16]],
) -> Difference:
    """The same difference with the p-value of McNemar's test; None for what is no share of the same beats."""
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


def _curve(
    run: Run, part: str, frame: pd.DataFrame, classes: Sequence[str]
) -> dict[str, npt.NDArray[np.float64]]:
    """The trade-off of a run as it was reported; drawn up anew where it was not."""
    known = ((run.metrics.get("operating_point") or {}).get("curve") or {}).get(part)
    if known is None:
        known = trade_off_curve(probabilities(frame, classes), labels(frame, classes), classes)
    return {key: np.asarray(known[key], dtype=float) for key in ("missed", "false_alarms_per_1000_normal")}


def _letter(place: int) -> str:
    """A to Z, then AA, AB and so on."""
    return (_letter(place // 26 - 1) if place >= 26 else "") + chr(ord("A") + place % 26)
