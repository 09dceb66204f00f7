"""Trained networks made ready to predict: equal outputs but for rounding, in about half of the time.

Batch normalisation is folded into the convolution before it. The members of an ensemble of convolutional
networks run side by side as one wide network of grouped convolutions, which keeps the vector units busy where
a single member has eight channels. See docs/speed.md for what each gave.
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
from ecgcli.learning.cnn import ConvNetwork
from ecgcli.learning.devices import EVALUATION_BATCH
from ecgcli.learning.layers import over_time

CPU_BATCH = 192
"""Beats in a batch on the CPU: what the layers hand on stays in its second-level cache."""


class Ready(nn.Module):
    """One network of each member of an ensemble, ready to predict; those given stay as they are."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(folded(network) for network in networks)
        self.wide = _side_by_side(list(self.networks))
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor, features: Tensor | None = None) -> Tensor:
        """(batch, leads, time) and (batch, features) → (members, batch, classes) logits."""
        if self.wide is None:
            return torch.stack([network(x, features) for network in self.networks])
        parts = self.wide(over_time(x)).chunk(len(self.networks), 1)
        return torch.stack(
            [
                network.top(part, features)
                for network, part in zip(self.networks, parts, strict=True)
                if isinstance(network, ConvNetwork)
            ]
        )


def probabilities(
    ready: Ready,
    signal: npt.NDArray[np.float32],
    features: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int64],
    device: str | torch.device = "cpu",
) -> npt.NDArray[np.float64]:
    """(members, len(rows), classes) softmax outputs for some rows of beats and their features."""
    ready = ready.to(device)
    size = CPU_BATCH if torch.device(device).type == "cpu" else EVALUATION_BATCH
    outputs = []
    with torch.inference_mode():
        for start in range(0, max(1, len(rows)), size):  # once for no rows: their shape
            chosen = rows[start : start + size]
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


def _side_by_side(networks: Sequence[nn.Module]) -> nn.Module | None:
    """The blocks of all networks as one, the channels of a member behind those of the one before.

    None for a single network, for networks that differ, and for kinds that gain nothing so.
    """
    stacks = [network.blocks for network in networks if isinstance(network, ConvNetwork)]
    if len(stacks) < max(2, len(networks)) or len({repr(stack) for stack in stacks}) > 1:
        return None
    first = stacks[0][0]
    if isinstance(first.shortcut, nn.Identity):
        return None  # what all members read alike would have to be repeated for each
    return nn.Sequential(
        *(_beside(list(blocks), shared=i == 0) for i, blocks in enumerate(zip(*stacks, strict=True)))
    )


def _beside(modules: Sequence[nn.Module], shared: bool) -> nn.Module:
    """Equal modules as one over the channels of all; `shared` where all of them read the same channels."""
    members = len(modules)
    wide = copy.deepcopy(modules[0])
    if isinstance(wide, nn.Conv2d):
        wide.out_channels *= members
        if not shared:
            wide.in_channels, wide.groups = wide.in_channels * members, members
    if isinstance(wide, nn.GroupNorm):
        wide.num_groups, wide.num_channels = wide.num_groups * members, wide.num_channels * members
    for name, _ in modules[0].named_parameters(recurse=False):
        setattr(wide, name, nn.Parameter(torch.cat([getattr(module, name) for module in modules])))
    for i, (name, _) in enumerate(modules[0].named_children()):
        first = shared and not (isinstance(wide, nn.Sequential) and i)  # what follows reads what is apart
        setattr(wide, name, _beside([getattr(module, name) for module in modules], first))
    return wide
