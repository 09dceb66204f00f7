"""Pieces that the networks share: 1-D convolutions written as 2-D, pooling, features beside the signal.

The convolutions run over time alone, written as `Conv2d` with kernels (1, k) in channels_last: the same sums
as `Conv1d`, in about two thirds of its time on CPUs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leaky_relu": nn.LeakyReLU,
}

FEATURE_WIDTH = 32
"""Units of the layer that reads the features beside the signal."""

FURTHEST = 8.0
"""Features count as so many standard deviations from their mean at most: one pause must not decide alone."""


def over_time(x: Tensor) -> Tensor:
    """(batch, leads, time) → (batch, leads, 1, time), contiguous in channels_last."""
    return x.unsqueeze(2).contiguous(memory_format=torch.channels_last)


def normalisation(name: str, channels: int) -> nn.Module:
    """The normalisation layer of that name; groups of about eight channels for `group`."""
    match name:
        case "batch":
            return nn.BatchNorm2d(channels)
        case "group":
            return nn.GroupNorm(math.gcd(channels, max(1, channels // 8)), channels)
        case _:
            return nn.Identity()


class TimeBins(nn.Module):
    """Averages over at most `bins` equal stretches of time, side by side: what happens, and about where.

    Args:
        length: steps of time that come in.
        bins: stretches to keep; 1 is the global average.
    """

    def __init__(self, length: int, bins: int) -> None:
        super().__init__()
        self.stretch = math.ceil(length / bins)
        self.bins = math.ceil(length / self.stretch)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, 1, time) → (batch, channels · bins)."""
        if self.stretch > 1:
            x = F.avg_pool2d(x, (1, self.stretch), ceil_mode=True)
        return x.flatten(1)


class Fusion(nn.Module):
    """Brings the features beside the signal (rhythm, morphology) into a network's last layer.

    `concat` puts a layer of 32 units over the features beside the embedding of the signal. `add` gives the
    features a small network of their own, whose logits are added: a vote in log-probability space, which the
    signal cannot drown. Without features it holds nothing and the last layer is as it would be alone.

    Args:
        kind: how the features come in.
        features: number of features of a beat; 0 for none.
        classes: number of outputs.

    Attributes:
        width: units that the embedding grows by.
    """

    def __init__(self, kind: Literal["concat", "add"], features: int, classes: int) -> None:
        super().__init__()
        self.features = features
        self.width = FEATURE_WIDTH if features and kind == "concat" else 0
        if features:
            layers = [RunningScale(features), nn.Linear(features, FEATURE_WIDTH), nn.ReLU()]
            if kind == "add":
                layers += [nn.Dropout(0.1), nn.Linear(FEATURE_WIDTH, classes)]
            self.layers = nn.Sequential(*layers)

    def forward(self, embedding: Tensor, features: Tensor | None, last: nn.Module) -> Tensor:
        """Logits of a beat.

        Args:
            embedding: (batch, units) what the network has made of the signal.
            features: (batch, features), or None where there are none.
            last: the last layer, over `units + width`.

        Returns:
            (batch, classes) logits.

        Raises:
            ValueError: if the features are not those that the network was built for.
        """
        features = expected(features, self.features)
        if features is None:
            logits: Tensor = last(embedding)
        elif self.width:
            logits = last(torch.cat([embedding, self.layers(features)], 1))
        else:
            logits = last(embedding) + self.layers(features)
        return logits


def expected(features: Tensor | None, count: int) -> Tensor | None:
    """(batch, count) the features that a network reads; None where it reads none.

    Raises:
        ValueError: they are not as many.
    """
    given = 0 if features is None else features.shape[1]
    if given != count:
        raise ValueError(f"the network reads {count} features beside the signal, not {given}")
    return features if given else None


class RunningScale(nn.Module):
    """Features in standard deviations from their mean over all training beats seen so far.

    Unlike batch normalisation it applies the same figures in training as afterwards, so that what a feature
    says does not depend on the beats that happen to share its batch (which may be one).
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.variance: Tensor
        self.count: Tensor
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("variance", torch.ones(features))
        self.register_buffer("count", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, features) → (batch, features)."""
        if self.training:
            self._see(x.detach())
        return ((x - self.mean) * (self.variance + 1e-6).rsqrt()).clamp(-FURTHEST, FURTHEST)

    @torch.no_grad()
    def _see(self, x: Tensor) -> None:
        """Merges the moments of a batch with those of all before (Chan et al. 1979)."""
        share = len(x) / (self.count + len(x))
        apart = x.mean(0) - self.mean
        spread = x.var(0, correction=0) - self.variance
        self.variance += share * spread + share * (1 - share) * apart.square()
        self.mean += share * apart
        self.count += len(x)
