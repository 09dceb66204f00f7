"""Divisions by whole subjects: folds and hold-outs in which every class has its share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

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


def hold_out(counts: Ints, sizes: list[int], seed: int) -> Ints:
    """Divides subjects into training, test and validation, so that every class is everywhere if it can be.

    Half of the draws are at random; the others first give every class, the rarest first, a subject on each
    side (training before test before validation) and fill up at random. Of the draws, the one in which most
    classes are on most sides and, next, whose sides have most nearly their share of every class is taken.

    Args:
        counts: (subjects, classes) beats.
        sizes: number of subjects for training, test and validation; all of them together.
        seed: of the draws.

    Returns:
        (subjects,) side of each subject: 0 training, 1 test, 2 validation.
    """
    rng = np.random.default_rng(seed)
    has = counts > 0
    rarest_first = [c for c in np.argsort(has.sum(axis=0), kind="stable") if has[:, c].any()]
    share = np.array(sizes)[:, None] / sum(sizes)
    best, best_score = np.zeros(len(counts), dtype=np.int64), (np.inf, np.inf)
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
        gaps = 1000 * np.sum(held[0] == 0) + np.sum(held[1:] == 0)  # a class absent from training is worst
        score = (float(gaps), float(np.abs(held / held.sum(axis=0) - share).mean()))
        if score < best_score:
            best, best_score = side, score
    return best
