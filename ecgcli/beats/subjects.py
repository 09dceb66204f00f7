"""Divisions by whole subjects: folds and hold-outs in which every class has its share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ecgcli.beats.table import BeatTable

_DRAWS = 200

Ints = npt.NDArray[np.int64]


def subject_fold(label: Ints, subject: Ints, folds: int, which: int) -> npt.NDArray[np.bool_]:
    """One of the stratified folds of whole subjects.

    The folds are disjoint and always the same; they are ranked by how nearly they hold their share of every
    class.

    Args:
        label: (n,) class of each beat.
        subject: (n,) subject of each beat.
        folds: how many folds; at most one for each subject.
        which: rank of the fold, from 0 for the one most like the whole; counted round and round.

    Returns:
        (n,) which beats make up the fold.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    total = np.bincount(label)
    ranked: list[tuple[float, int, Ints]] = []
    for i, (_, rows) in enumerate(StratifiedGroupKFold(folds).split(label, label, subject)):
        held = np.bincount(label[rows], minlength=len(total))
        distance = np.abs(held[total > 0] / total[total > 0] - 1 / folds).mean()
        ranked.append((float(distance), i, rows))
    fold = np.zeros(len(label), dtype=bool)
    fold[sorted(ranked, key=lambda r: r[:2])[which % folds][2]] = True
    return fold


def beats_per_class(table: BeatTable, rows: Ints) -> tuple[Ints, Ints]:
    """Beats of each subject and class: what the divisions below go by.

    Returns:
        (subjects, classes) counts, of the subjects that these rows are of; and (rows,) which of them each
        row is of.
    """
    codes, subject = np.unique(table.subject[rows], return_inverse=True)
    counts = np.zeros((len(codes), len(table.classes)), dtype=np.int64)
    np.add.at(counts, (subject, table.label[rows]), 1)
    return counts, subject


def hold_out(counts: Ints, sizes: list[int], seed: int) -> Ints:
    """Divides subjects into a side that trains and others, so that every class is everywhere if it can be.

    Args:
        counts: (subjects, classes) beats.
        sizes: number of subjects for training and for each other side; all of them together.
        seed: of the draws.

    Returns:
        (subjects,) side of each subject, 0 for training.
    """
    return _divide(counts, sizes, np.eye(1, len(sizes), dtype=np.int64), seed)


def subject_folds(counts: Ints, k: int, seed: int) -> Ints:
    """Divides subjects into k folds of equal size, give or take one, with every class in all if it can be.

    scikit-learn's StratifiedGroupKFold, which `subject_fold` takes, does not serve here: its random state
    only decides between subjects with equally uneven classes, so that on real data all seeds give the same
    folds.

    Args:
        counts: (subjects, classes) beats.
        k: number of folds, at most that of the subjects.
        seed: of the draws.

    Returns:
        (subjects,) fold of each subject.
    """
    # a class that two subjects have goes to folds that are no neighbours: those two never train together
    order = np.array([*range(0, k, 2), *range(1, k, 2)])
    trains = np.array([[fold not in (i, (i + 1) % k) for fold in order] for i in range(k)], dtype=np.int64)
    sizes = [len(counts) // k + (i < len(counts) % k) for i in range(k)]
    return order[_divide(counts, sizes, trains, seed)]


def _divide(counts: Ints, sizes: list[int], trains: Ints, seed: int) -> Ints:
    """Divides subjects into sides.

    Half of the draws are at random; the others first give every class, the rarest first, a subject on each
    side (the first side first) and fill up at random. Of the draws, the one is taken that has most classes in
    most training parts, next on most sides, and next most nearly its share of every class on every side.

    Args:
        counts: (subjects, classes) beats.
        sizes: number of subjects of each side.
        trains: (parts, sides) 1 for the sides that together make up a training part.
        seed: of the draws.

    Returns:
        (subjects,) side of each subject.
    """
    rng = np.random.default_rng(seed)
    has = counts > 0
    rarest_first = [c for c in np.argsort(has.sum(axis=0), kind="stable") if has[:, c].any()]
    share = np.array(sizes)[:, None] / sum(sizes)
    best, best_score = np.zeros(len(counts), dtype=np.int64), (np.inf, np.inf, np.inf)
    for draw in range(_DRAWS):
        order = rng.permutation(len(counts))
        side = np.full(len(counts), -1)
        for c in rarest_first if draw % 2 else ():
            for s, size in enumerate(sizes):
                free = order[(side[order] < 0) & has[order, c]]
                if len(free) and np.sum(side == s) < size and not (has[:, c] & (side == s)).any():
                    side[free[0]] = s
        room = np.repeat(np.arange(len(sizes)), [size - np.sum(side == s) for s, size in enumerate(sizes)])
        side[order[side[order] < 0]] = rng.permutation(room)
        held = np.stack([counts[side == s].sum(axis=0) for s in range(len(sizes))])[:, rarest_first]
        score = (
            float(np.sum(trains @ held == 0)),  # a class absent from training is worst
            float(np.sum(held == 0)),
            float(np.abs(held / held.sum(axis=0) - share).mean()),
        )
        if score < best_score:
            best, best_score = side, score
    return best
