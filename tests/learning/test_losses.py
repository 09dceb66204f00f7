"""Losses against torch's own, torchvision-style formulas written out, and hand-counted weights."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from ecgcli.choices.loss import ClassBalanced, CrossEntropy, Focal, LogitAdjusted
from ecgcli.learning.losses import TrainingLoss, effective_number_weights, focal

COUNTS = torch.tensor([9000, 300, 600, 100])


def some(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    return torch.randn(64, 4) * 3, torch.randint(0, 4, (64,))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_torchs(smoothing: float) -> None:
    logits, label = some()
    weights = torch.tensor([0.5, 1.0, 2.0, 4.0])
    loss = TrainingLoss(CrossEntropy(name="cross_entropy", label_smoothing=smoothing), COUNTS, weights)
    expected = F.cross_entropy(logits, label, weight=weights, label_smoothing=smoothing)
    assert loss(logits, label) == expected


def test_focal_without_gamma_is_cross_entropy_and_with_it_the_formula_of_the_paper() -> None:
    logits, label = some()
    weights = torch.tensor([0.5, 1.0, 2.0, 4.0])
    assert float(focal(logits, label, 0.0, weights, 0.0)) == pytest.approx(
        float(F.cross_entropy(logits, label, weight=weights)), rel=1e-5
    )
    p = torch.exp(logits) / torch.exp(logits).sum(1, keepdim=True)
    by_hand = [-((1 - float(p[i, y])) ** 2) * math.log(float(p[i, y])) for i, y in enumerate(label.tolist())]
    loss = TrainingLoss(Focal(name="focal", gamma=2.0, label_smoothing=0.0), COUNTS)
    assert float(loss(logits, label)) == pytest.approx(sum(by_hand) / len(by_hand), rel=1e-4)


def test_beats_that_are_right_already_hardly_count_in_the_focal_loss() -> None:
    easy, hard = torch.tensor([[6.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    label = torch.tensor([0])
    share = float(focal(easy, label, 2.0, None, 0.0) / focal(hard, label, 2.0, None, 0.0))
    plain = float(F.cross_entropy(easy, label) / F.cross_entropy(hard, label))
    assert share < plain / 1000


@given(st.lists(st.integers(1, 100_000), min_size=2, max_size=6))
def test_effective_numbers_lie_between_no_weights_and_inverse_frequency(counts: list[int]) -> None:
    n = torch.tensor(counts)
    assert torch.allclose(effective_number_weights(n, 0.0), torch.ones(len(counts)))
    weights = effective_number_weights(n, 0.999).double()
    assert float((weights * n).sum() / n.sum()) == pytest.approx(1.0, rel=1e-4)
    inverse = 1 / n.double()
    inverse *= n.sum() / (inverse * n).sum()
    rarest, most = int(n.argmin()), int(n.argmax())
    ratio = float(weights[rarest] / weights[most])
    assert 1.0 - 1e-6 <= ratio <= float(inverse[rarest] / inverse[most]) * (1 + 1e-4)


def test_effective_number_of_two_beats_by_hand() -> None:
    # 1 + beta beats count: with beta 0.5, one beat counts 1, two count 1.5
    weights = effective_number_weights(torch.tensor([1, 2]), 0.5)
    assert float(weights[0] / weights[1]) == pytest.approx(1.5)


def test_a_class_without_beats_neither_breaks_the_weights_nor_the_offset() -> None:
    counts = torch.tensor([10, 0, 5])
    assert effective_number_weights(counts, 0.99)[1] == 0
    offset = TrainingLoss(LogitAdjusted(name="logit_adjusted", tau=1.0, label_smoothing=0.0), counts).offset
    assert offset is not None and torch.isfinite(offset).all()


def test_logit_adjustment_learns_the_balanced_rule() -> None:
    """Where inputs say nothing, the logits that minimise it are equal: the prior is in the offset."""
    label = torch.repeat_interleave(torch.arange(4), COUNTS)
    loss = TrainingLoss(LogitAdjusted(name="logit_adjusted", tau=1.0, label_smoothing=0.0), COUNTS)
    equal = torch.zeros(4, requires_grad=True)
    loss(equal.expand(len(label), 4), label).backward()
    assert equal.grad is not None and equal.grad.abs().max() < 1e-5
    plain = torch.zeros(4, requires_grad=True)
    F.cross_entropy(plain.expand(len(label), 4), label).backward()
    assert plain.grad is not None and plain.grad.abs().max() > 0.1


def test_class_balanced_uses_training_counts() -> None:
    choice = ClassBalanced(name="class_balanced", beta=0.999, label_smoothing=0.0)
    weights = TrainingLoss(choice, COUNTS).weights
    assert weights is not None
    assert torch.equal(weights, effective_number_weights(COUNTS, 0.999))
    assert weights[3] > weights[1] > weights[2] > weights[0]
