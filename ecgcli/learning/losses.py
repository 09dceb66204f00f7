"""Losses: what training minimises. Class counts come from training labels alone."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ecgcli.choices.loss import ClassBalanced, CrossEntropy, Focal, LogitAdjusted, Loss


class TrainingLoss:
    """The loss that a configuration names, for one network.

    Args:
        choice: the configuration.
        counts: (classes,) training beats of each class.
        weights: (classes,) weights that the sampling asks for, or None.

    Attributes:
        weights: (classes,) weight of each class, or None where all weigh the same; mean 1 over the training
            beats.
        offset: (classes,) what is added to the logits in training, or None.
    """

    def __init__(self, choice: Loss, counts: Tensor, weights: Tensor | None = None) -> None:
        self.choice = choice
        self.weights = weights
        self.offset: Tensor | None = None
        if isinstance(choice, ClassBalanced):
            self.weights = effective_number_weights(counts, choice.beta)
        elif isinstance(choice, LogitAdjusted):
            # a class without beats gets no offset: its share says nothing
            share = counts.double() / counts.sum()
            share = torch.where(counts > 0, share, 1.0)
            self.offset = (choice.tau * share.log()).float()

    def to(self, device: torch.device) -> TrainingLoss:
        """Moves weights and offset to where the logits are."""
        self.weights = None if self.weights is None else self.weights.to(device)
        self.offset = None if self.offset is None else self.offset.to(device)
        return self

    def __call__(self, logits: Tensor, label: Tensor) -> Tensor:
        """Mean loss of (batch, classes) logits for (batch,) labels, weighted by class."""
        smoothing = self.choice.label_smoothing
        match self.choice:
            case Focal(gamma=gamma):
                return focal(logits, label, gamma, self.weights, smoothing)
            case CrossEntropy() | ClassBalanced() | LogitAdjusted():
                if self.offset is not None:
                    logits = logits + self.offset
                return F.cross_entropy(logits, label, weight=self.weights, label_smoothing=smoothing)


def effective_number_weights(counts: Tensor, beta: float) -> Tensor:
    """(classes,) weights (1 − beta) / (1 − beta ** n), mean 1 over the training beats (Cui et al. 2019).

    beta 0 weighs all classes the same, beta towards 1 by the inverse of their counts.
    """
    n = counts.double()
    weights = torch.where(n > 0, (1 - beta) / (1 - beta**n).clamp(min=1e-12), 0.0)
    return (weights * n.sum() / (weights * n).sum()).float()


def focal(logits: Tensor, label: Tensor, gamma: float, weights: Tensor | None, smoothing: float) -> Tensor:
    """Cross-entropy of each beat times (1 − p) ** gamma, p the probability of its class (Lin et al. 2017).

    With `gamma` 0 it is cross-entropy. The mean is over the weights of the beats, as torch's is.
    """
    each = F.cross_entropy(logits, label, weight=weights, label_smoothing=smoothing, reduction="none")
    p = logits.softmax(1).gather(1, label[:, None])[:, 0]
    total = torch.tensor(float(len(label))) if weights is None else weights[label].sum()
    return (each * (1 - p) ** gamma).sum() / total.to(each)
