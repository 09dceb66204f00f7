"""Trained networks made ready to predict: batch normalisation is folded into the convolution before it.

Equal outputs but for rounding. See docs/speed.md for what this gave, and what did not help.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ecgcli.beats.store import taken
from ecgcli.learning.devices import EVALUATION_BATCH


class Ready(nn.Module):
    """One network of each member of an ensemble, ready to predict; those given stay as they are."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(folded(network) for network in networks)
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor, features: Tensor | None = None) -> Tensor:
        """(batch, leads, time) and (batch, features) → (members, batch, classes) logits."""
        return torch.stack([network(x, features) for network in self.networks])


def probabilities(
    ready: Ready,
    signal: npt.NDArray[np.float32],
    features: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int64],
    device: str | torch.device = "cpu",
) -> npt.NDArray[np.float64]:
    """(members, len(rows), classes) softmax outputs for some rows of beats and their features."""
    ready = ready.to(device)
    outputs = []
    with torch.inference_mode():
        for start in range(0, max(1, len(rows)), EVALUATION_BATCH):  # once for no rows: their shape
            chosen = rows[start : start + EVALUATION_BATCH]
            batch = torch.from_numpy(taken(signal, chosen)).to(device)
            beside = torch.from_numpy(features[chosen]).to(device) if features.shape[1] else None
            outputs.append(ready(batch, beside).double().softmax(2).cpu())
    return np.asarray(torch.cat(outputs, 1).numpy())


def folded(network: nn.Module) -> nn.Module:
    """A copy in which no batch normalisation follows a convolution: it is part of its weights."""
    network = copy.deepcopy(network).eval()
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = True  # of what a convolution made: nothing else reads it
        if isinstance(module, nn.Sequential):
            for i, (first, second) in enumerate(pairwise(list(module))):
                if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                    module[i], module[i + 1] = fuse_conv_bn_eval(first, second), nn.Identity()
    return network
