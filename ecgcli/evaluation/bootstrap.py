"""How certain scores are: cluster bootstrap over patients.

The beats of one patient resemble each other, so a score on few patients is far less certain than its many
beats suggest. Each replicate therefore draws whole patients with replacement, as many as there are (Field &
Welsh 2007, "Bootstrapping clustered data"), and scores their beats. No beat is copied: counts and sorted
scores are reweighted by how often each patient was drawn.

The intervals are percentiles of the replicates (Efron 1979). They stay within the range of a score and need
nothing but the replicates; the acceleration of a BCa interval would come from leaving out each patient,
which one patient who dominates a class decides alone. With few patients percentiles are too narrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ecgcli.errors import EcgError
from ecgcli.evaluation.calibration import BINS
from ecgcli.evaluation.confusion import Patients, by_name, confusion_scores, confusions, patients_of
from ecgcli.evaluation.predictions import NORMAL, labels, probabilities
from ecgcli.evaluation.ranking import order_of, rank_at_once, rank_one_by_one

Array = npt.NDArray[np.float64]

AT_ONCE = 300
"""Up to so many patients a class is ranked for all replicates at once, by matrix products."""


def intervals(
    predictions: pd.DataFrame,
    classes: Sequence[str],
    replicates: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Any]:
    """How far the scores would move with other patients of the same kind.

    A patient is a value of `subject`. Beats of nobody known are drawn one by one, apart from the patients;
    `why` says so. Macro means are taken in the replicates that hold all classes of `predictions`: over fewer
    classes they are another score.

    Args:
        predictions: a row a beat, as described in `ecgcli.evaluation.predictions`.
        classes: names of the classes.
        replicates: how often the patients are drawn.
        seed: of a generator of its own; the global ones are neither used nor moved.
        level: share of the replicates between the two ends.

    Returns:
        Plain data. [low, high] under the keys of `ecgcli.evaluation.metrics.score` (without the counts) and
        under `calibration` those of `calibration_scores`; None for what does not exist, for the scores of
        a class that fewer than two patients have (how it varies is not known), and for all scores of fewer
        than two patients. Beside them `method`, `level`, `replicates`, `seed`, `unit` ("patients" or
        "beats"), `why` (a sentence on the unit), `clusters` (how many units are drawn), `held_by` (class →
        how many of them have beats of it), `missing_class` (class → share of the replicates without a
        beat of it) and `skipped`: by the same keys as the intervals, the share of the replicates in which
        the score does not exist.

    Raises:
        EcgError: predictions that cannot be scored or have no column `subject`; no replicates, or a level
            that is no share.
    """
    if replicates < 1 or not 0 < level < 1:
        raise EcgError(f"{replicates} replicates, level {level}: expected at least one, a level in (0, 1)")
    who = patients_of(predictions)
    counts = confusions(predictions, classes, who.of_beat, who.units)
    held = (counts.sum(axis=2) > 0).sum(axis=0)  # (classes,) by how many units
    drawn = replicated(predictions, classes, who, counts, replicates, seed)
    ends = (1 - level) / 2, (1 + level) / 2

    def interval(values: Array) -> list[float] | None:
        values = values[~np.isnan(values)]
        return np.quantile(values, ends).tolist() if len(values) and who.units > 1 else None

    def skipped(values: Array) -> float:
        return float(np.isnan(values).mean())

    found, left = (by_name(drawn.whole, drawn.each, classes, value) for value in (interval, skipped))
    for name, units in zip(classes, held, strict=True):
        if units < 2:
            found["per_class"][name] = dict.fromkeys(found["per_class"][name])
    return {
        "method": "percentiles of a cluster bootstrap",
        "level": level,
        "replicates": replicates,
        "seed": seed,
        "unit": "patients" if who.names else "beats",
        "why": _why(who),
        "clusters": who.units,
        "held_by": dict(zip(classes, held.tolist(), strict=True)),
        "missing_class": dict(zip(classes, (drawn.support == 0).mean(axis=0).tolist(), strict=True)),
        **found,
        "calibration": {key: interval(values) for key, values in drawn.calibration.items()},
        "skipped": left,
    }


@dataclass(frozen=True)
class Replicates:
    """Scores of the replicates, NaN where one does not exist.

    Attributes:
        whole: scores of all classes together, (replicates,).
        each: scores of each class, (replicates, classes).
        calibration: (replicates,).
        support: beats of each class, (replicates, classes).
    """

    whole: dict[str, Array]
    each: dict[str, Array]
    calibration: dict[str, Array]
    support: Array


def replicated(
    predictions: pd.DataFrame,
    classes: Sequence[str],
    who: Patients,
    counts: Array,
    replicates: int,
    seed: int,
) -> Replicates:
    """Scores every replicate; `counts` are the confusion matrices of the units."""
    probability, truth = probabilities(predictions, classes), labels(predictions, classes)
    size = len(classes)
    present = counts.sum(axis=(0, 2)) > 0
    trust = _trust(probability, truth, classes, who)
    orders = [order_of(probability[:, k], truth == k, who.of_beat) for k in range(size)]
    at_once = who.units <= AT_ONCE
    rank = rank_at_once if at_once else rank_one_by_one

    parts = []
    for weights in draws(who, replicates, seed):
        confusion = (weights @ counts.reshape(who.units, -1)).reshape(-1, size, size)
        whole, each = confusion_scores(confusion, classes, present)
        of_beats = weights if at_once else np.take(weights, who.of_beat, axis=1)
        ranks = np.stack([rank(order, of_beats) for order in orders], axis=2)
        each["auroc"], each["auprc"] = ranks
        whole |= {key: each[key][:, present].mean(axis=1) for key in ("auroc", "auprc")}
        beats = confusion.sum(axis=(1, 2))
        errors = {key: np.abs(weights @ sums).sum(axis=1) / beats for key, sums in trust.items()}
        parts.append(Replicates(whole, each, errors, confusion.sum(axis=2)))

    def joined(scores: list[dict[str, Array]]) -> dict[str, Array]:
        return {key: np.concatenate([one[key] for one in scores]) for key in scores[0]}

    return Replicates(
        joined([part.whole for part in parts]),
        joined([part.each for part in parts]),
        joined([part.calibration for part in parts]),
        np.concatenate([part.support for part in parts]),
    )


def draws(who: Patients, replicates: int, seed: int) -> Iterator[Array]:
    """How often each unit is drawn, (some replicates, units) at a time.

    Patients are drawn among the patients and beats of nobody known among those, so that every replicate
    holds as many of each as there are.
    """
    generator = np.random.default_rng(seed)
    kinds = [n for n in (len(who.names), who.unknown) if n]
    most = max(1, min(1024, 2**20 // sum(kinds)))
    for first in range(0, replicates, most):
        weights = [
            np.concatenate([np.bincount(generator.integers(n, size=n), minlength=n) for n in kinds])
            for _ in range(first, min(first + most, replicates))
        ]
        yield np.array(weights, dtype=np.float64)


def _trust(
    probability: Array, truth: npt.NDArray[np.int64], classes: Sequence[str], who: Patients
) -> dict[str, Array]:
    """What the scores of `calibration_scores` are sums of, {score: (units, bins)}; |sum over units| each."""
    scaled = probability / probability.sum(axis=1, keepdims=True)
    beats = np.arange(len(truth))

    def summed(values: Array, place: npt.NDArray[np.int64], bins: int) -> Array:
        sums = np.bincount(who.of_beat * bins + place, weights=values, minlength=who.units * bins)
        return sums.reshape(who.units, bins).astype(np.float64)

    def gap(stated: Array, came_true: npt.NDArray[np.bool_]) -> Array:
        place = np.digitize(stated, np.linspace(0, 1, BINS + 1)[1:-1])
        return summed(stated - came_true, place, BINS)

    one = np.zeros(len(truth), dtype=np.int64)
    squares = ((scaled - np.eye(len(classes))[truth]) ** 2).sum(axis=1)
    likelihood = -np.log(scaled[beats, truth].clip(np.finfo(np.float64).eps))
    found = {
        "ece": gap(scaled.max(axis=1), scaled.argmax(axis=1) == truth),
        "brier": summed(squares, one, 1),
        "nll": summed(likelihood, one, 1),
    }
    if NORMAL in classes:
        normal = list(classes).index(NORMAL)
        found["abnormal_ece"] = gap(1 - scaled[:, normal], truth != normal)
    return found


def _why(who: Patients) -> str:
    patients, beats = f"{len(who.names)} patient" + "s" * (len(who.names) != 1), f"{who.unknown:,} beats"
    if not who.names:
        return (
            f"The patients are not known, so the {beats} were drawn one by one, as if they were independent: "
            f"the intervals are too narrow."
        )
    if len(who.names) == 1 and not who.unknown:
        return "All beats are of one patient: how scores vary from patient to patient is not known."
    drawn = f"Whole patients were drawn ({patients}), as the beats of one patient resemble each other"
    if who.unknown:
        return (
            f"{drawn}; {beats} of unknown patients were drawn one by one beside them, "
            f"which makes the intervals too narrow."
        )
    return f"{drawn}."
