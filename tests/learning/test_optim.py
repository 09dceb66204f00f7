"""Schedules: where they start, peak and end."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ecgcli.choices.optimizer import AdamW, Sgd
from ecgcli.learning.optim import build_optimizer, build_schedule


def rates(schedule: str, steps: int) -> list[float]:
    choice = AdamW.model_validate(
        {"name": "adamw", "lr": 0.01, "weight_decay": 0.1, "schedule": schedule, "warmup": 0.25}
    )
    optimizer = build_optimizer(choice, nn.Linear(2, 2).parameters())
    scheduler = build_schedule(choice, optimizer, steps)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


def test_one_cycle_peaks_after_its_warmup_and_ends_near_zero() -> None:
    seen = rates("one_cycle", 100)
    assert max(seen) == pytest.approx(0.01, rel=0.01)
    assert 20 <= seen.index(max(seen)) <= 30
    assert seen[0] == pytest.approx(0.01 / 25, rel=0.01)
    assert seen[-1] < 0.0001


def test_cosine_falls_and_constant_stays() -> None:
    seen = rates("cosine", 10)
    assert seen == sorted(seen, reverse=True)
    assert seen[5] == pytest.approx(0.005)
    assert set(rates("constant", 10)) == {0.01}


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "constant"])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_schedule_of_a_few_steps_works(schedule: str, steps: int) -> None:
    assert len(rates(schedule, steps)) == steps


def test_weight_decay_spares_biases_and_normalisation() -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    choice = Sgd(name="sgd", lr=0.1, momentum=0.9, weight_decay=0.5, schedule="constant", warmup=0.25)
    optimizer = build_optimizer(choice, network.parameters())
    assert isinstance(optimizer, torch.optim.SGD)
    decayed = [p for group in optimizer.param_groups if group["weight_decay"] for p in group["params"]]
    assert [tuple(p.shape) for p in decayed] == [(3, 3)]
