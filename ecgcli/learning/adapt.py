"""Adaptation: a copy of a model that goes on training on labelled beats of one patient."""

from __future__ import annotations

import copy

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from ecgcli.learning.model import Model
from ecgcli.learning.stretch import Views

STEPS, LR = 200, 0.003
"""Of `ecg predict adapt=`; chosen on folds of DS1, as docs/best.md tells."""

BATCH = 64
WEIGHT_DECAY = 0.01


def adapted(
    model: Model,
    signal: npt.NDArray[np.float32],
    features: npt.NDArray[np.float32],
    label: npt.NDArray[np.int64],
    steps: int,
    lr: float,
    device: str | torch.device = "cpu",
) -> Model:
    """A copy whose networks have seen some labelled beats of a patient; its statistics stay those of before.

    Args:
        model: as trained on other patients.
        signal: (n, channels, time) beats, cut by the model's segmenter.
        features: (n, k) their features.
        label: (n,) index of each beat's class.
        steps: optimizer steps of AdamW on batches of 64 beats, drawn with replacement.
        lr: learning rate, the same throughout.
        device: where to compute.

    Returns:
        The copy. Only classes that the beats have are told apart anew: what others look like is not
        unlearned, and a network that would see a single class stays as it was.
    """
    normal = model.classes.index("N") if "N" in model.classes else -1
    codes = np.cumsum(np.arange(len(model.classes)) != normal) - 1
    beats = torch.from_numpy(np.ascontiguousarray(signal)).to(device)
    beside = torch.from_numpy(np.ascontiguousarray(features)).to(device) if features.shape[1] else None
    members = []
    for networks in model.members:
        own = dict(networks)
        for name, network in networks.items():
            rows = np.flatnonzero(label != normal) if name == "type" else np.arange(len(label))
            wanted = {"all": label, "anomaly": (label != normal).astype(np.int64), "type": codes[label]}[name]
            if len(np.unique(wanted[rows])) > 1:
                own[name] = _trained(network.to(device), beats, beside, rows, wanted, steps, lr)
        members.append(own)
    return Model(model.facts, tuple(members))


def _trained(
    network: nn.Module,
    signal: torch.Tensor,
    features: torch.Tensor | None,
    rows: npt.NDArray[np.int64],
    label: npt.NDArray[np.int64],
    steps: int,
    lr: float,
) -> nn.Module:
    network = copy.deepcopy(network).eval().requires_grad_(True)
    for module in network.modules():
        if isinstance(module, (nn.Dropout, Views)):
            module.training = True  # without their children: running statistics are those of many patients
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=WEIGHT_DECAY)
    seen, relabelled = np.unique(label[rows], return_inverse=True)
    rng = np.random.default_rng(0)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        for _ in range(steps):
            drawn = rng.integers(len(rows), size=BATCH)
            own = rows[drawn]
            logits = network(signal[own], None if features is None else features[own])[:, seen]
            loss = F.cross_entropy(logits, torch.from_numpy(relabelled[drawn]).to(logits.device))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
    return network.eval()
