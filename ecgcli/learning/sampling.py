"""Sampling: which beats a network sees, how often, and with what weight. From training labels only.

A pass is an order of training beats; passes follow each other without end, and a batch takes the next
`batch_size` beats of that stream. So every method of sampling runs for the same number of optimizer steps,
no batch is short, and the beats of step i follow from (seed, i) alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ecgcli.choices.sampling import Stage

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Stream:
    """The endless stream of training beats.

    Attributes:
        label: (n,) class of every training beat, as an index.
        stage: method and strength.
        fixed: whether every pass has the order of the first.
        seed: seed of the order.
    """

    label: Index
    stage: Stage
    fixed: bool
    seed: int

    @property
    def pass_length(self) -> int:
        """Beats in one pass."""
        if self.stage.method in ("oversampling", "undersampling"):
            return int(_targets(np.bincount(self.label), self.stage).sum())
        return len(self.label)

    def one_pass(self, number: int) -> Index:
        """(pass_length,) positions in `label`, the order of one pass."""
        rng = np.random.default_rng([self.seed, 0 if self.fixed else number])
        n = len(self.label)
        method = self.stage.method
        if method in ("none", "class_weights"):
            return rng.permutation(n)
        counts = np.bincount(self.label)
        if method == "balanced_sampler":
            share = per_beat_weights(self.label, self.stage.strength)
            return rng.choice(n, size=n, p=share / share.sum())
        chosen = []
        for k, target in enumerate(_targets(counts, self.stage)):
            own = np.flatnonzero(self.label == k)
            if len(own) == 0:
                continue
            # whole copies first, then a random rest, so that oversampling loses no beat
            copies, rest = divmod(int(target), len(own))
            chosen += [own] * copies + [rng.choice(own, size=rest, replace=False)]
        return rng.permutation(np.concatenate(chosen))

    def take(self, start: int, count: int) -> Index:
        """(count,) positions in `label`, the beats `start` to `start + count` of the stream."""
        length = self.pass_length
        first, last = start // length, (start + count - 1) // length
        passes = np.concatenate([self.one_pass(number) for number in range(first, last + 1)])
        offset = start - first * length
        return passes[offset : offset + count]


def _targets(counts: Index, stage: Stage) -> Index:
    """Beats of each class in one pass: geometric between its own count and the largest (smallest) one."""
    present = counts > 0
    goal = counts.max() if stage.method == "oversampling" else counts[present].min()
    targets = np.zeros_like(counts)
    targets[present] = np.rint(counts[present] ** (1.0 - stage.strength) * float(goal) ** stage.strength)
    return targets


def per_beat_weights(label: Index, strength: float) -> npt.NDArray[np.float64]:
    """(n,) weight of every beat, its class's count to the power of −strength."""
    counts = np.bincount(label).astype(float)
    weights = np.zeros_like(counts)
    weights[counts > 0] = counts[counts > 0] ** -strength
    return weights[label]


def class_weights(label: Index, classes: int, stage: Stage) -> npt.NDArray[np.float64] | None:
    """(classes,) weights of the loss with mean 1 over the training beats; None where none are asked for."""
    if stage.method != "class_weights":
        return None
    counts = np.bincount(label, minlength=classes).astype(float)
    weights = np.where(counts > 0, np.maximum(counts, 1) ** -stage.strength, 0.0)
    return np.asarray(weights * counts.sum() / (weights * counts).sum())
