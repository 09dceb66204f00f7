"""Differences between models, paired on the same beats: how large, how certain, and after how many looks.

Models that are scored on the same beats share their easy and their hard patients, so the difference of two
scores is far more certain than the two scores are. Each replicate of the bootstrap draws whole patients, the
same for all models, and from each recipe some of its seeds, and takes the difference of the seeds' means.
Seeds that all recipes of a pair have are drawn together. As n seeds drawn from n spread by a factor of
(n − 1) / n less than n new ones would, their deviations from the mean are enlarged by the root of
n / (n − 1) (Rao & Wu 1988); of one seed nothing is known.

A p-value is twice the smaller share of the replicates on either side of zero, which is what the percentile
interval says (Efron & Tibshirani 1993, chapter 16), but no less than so few patients can show. Where nothing
is known of the patients, shares of beats are compared by McNemar's test instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ecgcli.evaluation.bootstrap import draws
from ecgcli.evaluation.confusion import Patients, confusion_scores

Array = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

Key = tuple[str, int | None]
"""A score: its name in `ecgcli.evaluation.metrics.score`, and the index of its class or None."""


def picked(
    confusion: Array, classes: Sequence[str], present: npt.NDArray[np.bool_], keys: Sequence[Key]
) -> Array:
    """Some scores of many confusion matrices, (..., keys); NaN where one does not exist."""
    whole, each = confusion_scores(confusion, classes, present)
    return np.stack([whole[key] if k is None else each[key][..., k] for key, k in keys], axis=-1)


def replicated(
    counts: Sequence[Array],
    who: Patients,
    classes: Sequence[str],
    keys: Sequence[Key],
    replicates: int,
    seed: int = 0,
    tell: Callable[[int], object] = lambda done: None,
) -> Array:
    """Scores of every model on the same drawn patients.

    Args:
        counts: for each model the confusion matrices of the patients, (units, classes, classes).
        who: whose beats they are.
        classes: names of the classes.
        keys: which scores.
        replicates: how often the patients are drawn.
        seed: of a generator of its own.
        tell: is told how many replicates were added.

    Returns:
        (models, replicates, keys); NaN where a score does not exist.
    """
    k = len(classes)
    present = counts[0].sum(axis=(0, 2)) > 0
    parts = []
    for weights in draws(who, replicates, seed):
        drawn = [(weights @ one.reshape(who.units, -1)).reshape(-1, k, k) for one in counts]
        parts.append(np.stack([picked(one, classes, present, keys) for one in drawn]))
        tell(len(weights))
    return np.concatenate(parts, axis=1)


def drawn_seeds(seeds: int, replicates: int, generator: np.random.Generator) -> Array:
    """Weights of the seeds in each replicate, (replicates, seeds), each row with the sum 1."""
    if seeds < 2:
        return np.ones((replicates, seeds))
    drawn = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=replicates) / seeds
    weights: Array = 1 / seeds + np.sqrt(seeds / (seeds - 1)) * (drawn - 1 / seeds)
    return weights


def recipe_means(scores: Array, seeds: Sequence[Sequence[int]], seed: int = 0) -> Array:
    """Mean over the seeds of each recipe, seeds drawn anew in every replicate.

    Args:
        scores: of the runs, recipe after recipe, (runs, replicates, keys), from 0 to 1.
        seeds: the seeds of each recipe; recipes with the same seeds have the same draws.
        seed: of a generator of its own.

    Returns:
        (recipes, replicates, keys).
    """
    generator = np.random.default_rng([seed, 1])
    weights: dict[tuple[int, ...], Array] = {}
    means, first = [], 0
    for own in map(tuple, seeds):
        if own not in weights:
            weights[own] = drawn_seeds(len(own), scores.shape[1], generator)
        means.append(np.einsum("rs,srk->rk", weights[own], scores[first : first + len(own)]))
        first += len(own)
    return np.stack(means).clip(0, 1)


def interval(differences: Array, level: float = 0.95) -> tuple[float, float] | None:
    """Percentiles of the replicates that exist; None where none does."""
    known = differences[~np.isnan(differences)]
    if not len(known):
        return None
    low, high = np.quantile(known, ((1 - level) / 2, (1 + level) / 2)).tolist()
    return low, high


def p_value(differences: Array, units: int) -> float | None:
    """Two-sided p-value of no difference; None where no replicate exists.

    Args:
        differences: of the replicates.
        units: how many patients have such beats. If two models are alike, each of n patients favours either
            with equal chance, so n patients cannot show less than 2 ** (1 − n), nor can replicates.
    """
    known = differences[~np.isnan(differences)]
    if not len(known):
        return None
    beyond = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return max(min(1.0, 2 * (beyond + 1) / (len(known) + 1)), 2.0 ** (1 - units))


def mcnemar(first: Bools, second: Bools) -> float:
    """Mid-p of McNemar's test: whether two shares of the same beats are equal (Fagerland et al. 2013).

    Args:
        first: (n,) what holds of each beat under one model, such as that it is right.
        second: the same under the other.
    """
    from scipy.stats import binom

    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    fewer, apart = min(only_first, only_second), only_first + only_second
    return min(1.0, float(2 * binom.cdf(fewer, apart, 0.5) - binom.pmf(fewer, apart, 0.5)))


def merged(values: Sequence[float]) -> float:
    """One p-value from those of several seeds: twice their mean, however they depend (Rüschendorf 1982)."""
    return float(values[0]) if len(values) == 1 else min(1.0, 2 * float(np.mean(values)))


def holm(values: Sequence[float | None]) -> list[float | None]:
    """p-values corrected for how many there are (Holm 1979); None is no test and stays None."""
    tested = sorted((value, place) for place, value in enumerate(values) if value is not None)
    corrected: list[float | None] = [None] * len(values)
    most = 0.0
    for rank, (value, place) in enumerate(tested):
        most = max(most, min(1.0, (len(tested) - rank) * value))
        corrected[place] = most
    return corrected
