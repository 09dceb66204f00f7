"""Optimizers and learning-rate schedules, stepped once per optimizer step."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch.nn import Parameter
from torch.optim.lr_scheduler import LambdaLR

from ecgcli.choices.optimizer import AdamW, Optimizer


def build_optimizer(choice: Optimizer, parameters: Iterable[Parameter]) -> torch.optim.Optimizer:
    """The optimizer that a configuration names; weight decay spares biases and normalisation."""
    parameters = list(parameters)
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": choice.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if isinstance(choice, AdamW):
        return torch.optim.AdamW(groups, lr=choice.lr)
    return torch.optim.SGD(groups, lr=choice.lr, momentum=choice.momentum)


def build_schedule(choice: Optimizer, optimizer: torch.optim.Optimizer, steps: int) -> LambdaLR:
    """The schedule over `steps` optimizer steps; `lr` is its peak."""
    rate = {"one_cycle": one_cycle, "cosine": cosine, "constant": constant}[choice.schedule]
    return LambdaLR(optimizer, lambda step: rate(min(step / steps, 1.0), choice.warmup))


def one_cycle(progress: float, warmup: float) -> float:
    """From 1/25 up to 1 in the warm-up, then down to nothing, both along a cosine (Smith & Topin 2018).

    Written out because torch's OneCycleLR divides by zero when a phase has no step.
    """
    if progress < warmup:
        return 1 / 25 + (1 - 1 / 25) * (1 - math.cos(math.pi * progress / warmup)) / 2
    return cosine((progress - warmup) / (1 - warmup), warmup)


def cosine(progress: float, warmup: float) -> float:
    """From 1 to 0 along half a cosine (Loshchilov & Hutter 2017)."""
    return (1 + math.cos(math.pi * progress)) / 2


def constant(progress: float, warmup: float) -> float:
    """1 throughout."""
    return 1.0
