"""AUROC and average precision of reweighted beats: sorted once, summed for every weight.

As in torchmetrics and scikit-learn, equal scores are one point of the curves: AUROC counts them half, and
the average precision takes the precision at their end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

POINTS = 1024
"""So many points of a curve are reweighted at once: 8 MB for 1,000 replicates."""


@dataclass(frozen=True)
class Order:
    """Where every beat stands among those of a class, from the highest score to the lowest.

    Precision and recall change at the end of a run of equal scores, and only runs with a beat of the class
    matter. Beats before the first of these are at step 0, those in it at step 1, those after it at step 2,
    those in the next run that matters at step 3, and so on.

    Attributes:
        step: (n,) step of each beat.
        unit: (n,) unit of each beat.
        hit: indices of the beats of the class.
        runs: how many runs matter.
    """

    step: npt.NDArray[np.int64]
    unit: npt.NDArray[np.int64]
    hit: npt.NDArray[np.int64]
    runs: int


def order_of(score: Array, of_class: npt.NDArray[np.bool_], unit: npt.NDArray[np.int64]) -> Order:
    """Sorts the beats by their score of a class.

    Args:
        score: (n,) score of the class.
        of_class: (n,) whether the beat is of the class.
        unit: (n,) unit that the beat is drawn with.
    """
    order = np.argsort(-score, kind="stable")
    start = np.append(0, np.flatnonzero(np.diff(score[order])) + 1)
    matter = np.add.reduceat(of_class[order], start, dtype=np.int64) > 0
    edges = np.stack([start, np.append(start[1:], len(score))], axis=1)[matter].ravel()
    step = np.empty(len(score), np.int64)
    step[order] = np.searchsorted(edges, np.arange(len(score)), side="right")
    return Order(step, unit, np.flatnonzero(of_class), int(matter.sum()))


def rank_at_once(order: Order, weights: Array) -> Array:
    """AUROC and average precision of one class in all replicates, (2, replicates).

    Where the counts of each patient down to a point are C, those of a replicate are C·w. AUROC counts pairs
    of beats: of each two patients P, those of a replicate w·P·w.
    """
    units = weights.shape[1]
    hit = np.zeros(len(order.step), np.int64)
    hit[order.hit] = 1
    by_step = np.argsort(order.step, kind="stable")
    first_at = np.searchsorted(order.step[by_step], np.arange(0, 2 * order.runs + 1, 2))
    above = np.zeros((2, units))  # all beats down to here, and those of the class
    pairs = np.zeros((units, units))
    precision = np.zeros(len(weights))
    for run in range(0, order.runs, POINTS):
        runs = min(POINTS, order.runs - run)
        beats = by_step[first_at[run] : first_at[run + runs]]
        cell = (hit[beats] * 2 * runs + order.step[beats] - 2 * run) * units + order.unit[beats]
        others, hits = np.bincount(cell, minlength=4 * runs * units).reshape(2, 2 * runs, units)
        flagged = above[0] + np.cumsum(others + hits, axis=0)
        right = np.vstack([above[1], above[1] + np.cumsum(hits[1::2], axis=0)])
        pairs += np.diff(right, axis=0).T @ (flagged[::2] + flagged[1::2])
        above = np.stack([flagged[-1], right[-1]])
        drawn, drawn_right = flagged[1::2] @ weights.T, right @ weights.T
        gained = np.diff(drawn_right, axis=0)
        gained *= drawn_right[1:]
        gained /= np.maximum(drawn, 1, out=drawn)
        precision += gained.sum(axis=0)
    of_class = weights @ np.bincount(order.unit[order.hit], minlength=units)
    beats_drawn = weights @ np.bincount(order.unit, minlength=units)
    return _exists(((weights @ pairs) * weights).sum(axis=1), precision, of_class, beats_drawn)


def rank_one_by_one(order: Order, weights: Array) -> Array:
    """The same where there are too many units for matrices of them; `weights` are (replicates, beats)."""
    run_of_hit = order.step[order.hit] // 2
    found = np.zeros((4, len(weights)))
    for r, drawn in enumerate(weights):
        flagged = np.cumsum(np.bincount(order.step, weights=drawn, minlength=2 * order.runs + 1))
        at_end = flagged[1::2]
        gained = np.bincount(run_of_hit, weights=drawn[order.hit], minlength=order.runs)
        right = np.cumsum(gained)
        pairs = gained @ at_end + gained @ flagged[:-1:2]
        found[:, r] = pairs, gained @ (right / np.maximum(at_end, 1)), gained.sum(), flagged[-1]
    return _exists(*found)


def _exists(pairs: Array, precision: Array, of_class: Array, beats: Array) -> Array:
    """From sums over the beats of the class to the scores; NaN without beats of the class or others.

    `pairs` counts, over the beats of the class, the beats ranked above twice and those ranked equal once (a
    beat equals itself). of_class² of these are pairs within the class; the others are what AUROC lacks to 1.
    """
    both = (of_class > 0) & (of_class < beats)
    auroc, auprc = np.full((2, len(pairs)), np.nan)
    wrong = (pairs[both] - of_class[both] ** 2) / 2
    auroc[both] = 1 - wrong / (of_class[both] * (beats - of_class)[both])
    auprc[both] = precision[both] / of_class[both]
    return np.stack([auroc, auprc])
