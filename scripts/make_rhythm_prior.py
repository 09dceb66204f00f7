"""Make `ecgcli/beats/rhythm_prior.npz`: a small network trained on simulated rhythms alone.

    python scripts/make_rhythm_prior.py [<file.npz>]

Takes a minute or two. No recording plays a part in the weights. (Which rhythms are simulated, how often and
how deep, was tried out on the records of DS1: docs/best.md.)
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ecgcli.beats.rhythm_prior import FILE, PRIOR_CLASSES
from ecgcli.beats.simulated_intervals import simulated_intervals
from ecgcli.files import whole

PATIENTS, ROUNDS, BATCH, RATE, UNITS = 2000, 3, 512, 2e-3, 64


def main(out: Path = FILE) -> None:
    """Simulates, trains, writes, and says what the network makes of patients that it has not seen."""
    torch.manual_seed(0)
    x, y = _beats(seed=1, patients=PATIENTS)
    mean, deviation = x.mean(0), x.std(0) + 1e-6
    x = (x - mean) / deviation
    network = nn.Sequential(
        nn.Linear(x.shape[1], UNITS),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Linear(UNITS, UNITS),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Linear(UNITS, len(PRIOR_CLASSES)),
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.01)
    steps = len(x) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps * ROUNDS)
    for number in range(ROUNDS):
        for rows in torch.randperm(len(x))[: steps * BATCH].view(steps, BATCH):
            loss = F.cross_entropy(network(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"round {number + 1}/{ROUNDS}: loss {float(loss.detach()):.3f}", file=sys.stderr)
    network.eval()
    new, truth = _beats(seed=2, patients=200)
    with torch.inference_mode():
        said = network((new - mean) / deviation).argmax(1)
    for number, name in enumerate(PRIOR_CLASSES):
        found, called = truth == number, said == number
        both = int((found & called).sum())
        print(f"{name}: Se {both / int(found.sum()):.3f}, +P {both / max(int(called.sum()), 1):.3f}")
    layers = [module for module in network if isinstance(module, nn.Linear)]
    arrays = {f"weight{i}": layer.weight.detach().numpy() for i, layer in enumerate(layers)}
    arrays |= {f"bias{i}": layer.bias.detach().numpy() for i, layer in enumerate(layers)}
    with whole(out) as beside, beside.open("wb") as file:
        np.savez(file, mean=mean.numpy(), deviation=deviation.numpy(), **arrays)
    print(f"{out}: {out.stat().st_size:,} bytes")


def _beats(seed: int, patients: int) -> tuple[torch.Tensor, torch.Tensor]:
    beats = simulated_intervals(seed, patients)
    label = np.array([PRIOR_CLASSES.index(name) for name in beats.label])
    return torch.from_numpy(beats.features), torch.from_numpy(label)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
