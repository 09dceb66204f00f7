"""Networks: (batch, leads, time) → (batch, classes) logits.

The convolutions run over time alone, written as `Conv2d` with kernels (1, k) in channels_last: the same sums
as `Conv1d`, in about two thirds of its time on CPUs.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ecgcli.choices import BaselineCnn, Cnn, Network
from ecgcli.errors import EcgError

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "leaky_relu": nn.LeakyReLU,
}


def build(choice: Network, leads: int, length: int, classes: int) -> nn.Module:
    """The network that a configuration names.

    Args:
        choice: the network's configuration.
        leads: number of leads of a beat.
        length: samples of a beat.
        classes: number of outputs.

    Raises:
        EcgError: if the network does not fit a beat of this length.
    """
    network: nn.Module
    match choice:
        case BaselineCnn():
            network = BaselineNetwork(leads, length, classes)
        case Cnn():
            network = ConvNetwork(choice, leads, length, classes)
    # torch's stubs know `to` without memory_format only
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def over_time(x: Tensor) -> Tensor:
    """(batch, leads, time) → (batch, leads, 1, time), contiguous in channels_last."""
    return x.unsqueeze(2).contiguous(memory_format=torch.channels_last)


class BaselineNetwork(nn.Module):
    """The network this project grew from.

    A Linear to 128 on the time axis, three convolutions of 16 channels with kernel 3, two of them followed by
    max-pooling, then Linear 480 → 64 → classes, with ReLU between.
    """

    def __init__(self, leads: int, length: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Linear(length, 128)
        self.convolutions = nn.Sequential(
            nn.Conv2d(leads, 16, (1, 3)),
            nn.ReLU(),
            nn.Conv2d(16, 16, (1, 3)),
            nn.ReLU(),
            nn.MaxPool2d((1, 2)),
            nn.Conv2d(16, 16, (1, 3)),
            nn.ReLU(),
            nn.MaxPool2d((1, 2)),
        )
        self.head = nn.Sequential(nn.Linear(480, 64), nn.ReLU(), nn.Linear(64, classes))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, leads, time) → (batch, classes)."""
        x = torch.relu(self.stem(x))  # (batch, leads, 128)
        x = self.convolutions(over_time(x))  # (batch, 16, 1, 30)
        logits: Tensor = self.head(x.flatten(1))
        return logits


class ConvNetwork(nn.Module):
    """A stack of convolution blocks, pooled over time, with one linear layer on top."""

    def __init__(self, choice: Cnn, leads: int, length: int, classes: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        width = leads
        for i, channels in enumerate(choice.channels):
            kernel, stride, dilation = (
                values[i] if len(values) > 1 else values[0]
                for values in (choice.kernel_sizes, choice.strides, choice.dilations)
            )
            blocks.append(Block(choice, width, channels, kernel, stride, dilation))
            width = channels
            length = math.ceil(length / stride)
        if length < 2 and choice.normalisation != "none" and len(choice.channels) > 1:
            raise EcgError(
                f"model.strides leave {length} sample of the beat after {len(choice.channels)} blocks: "
                f"use smaller strides or fewer channels"
            )
        self.blocks = nn.Sequential(*blocks)
        self.pooling = choice.pooling
        features = {"average": width, "max": width, "both": 2 * width, "flatten": width * length}
        self.head = nn.Sequential(nn.Dropout(choice.dropout), nn.Linear(features[choice.pooling], classes))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, leads, time) → (batch, classes)."""
        x = self.blocks(over_time(x)).squeeze(2)  # (batch, channels, time)
        match self.pooling:
            case "average":
                x = x.mean(-1)
            case "max":
                x = x.amax(-1)
            case "both":
                x = torch.cat([x.mean(-1), x.amax(-1)], 1)
            case _:
                x = x.flatten(1)
        logits: Tensor = self.head(x)
        return logits


class Block(nn.Module):
    """One convolution, or two with a shortcut around them (He et al. 2016) where `residual` is set."""

    def __init__(
        self, choice: Cnn, width: int, channels: int, kernel: int, stride: int, dilation: int
    ) -> None:
        super().__init__()

        def convolution(inputs: int, step: int) -> list[nn.Module]:
            padding = (0, dilation * (kernel - 1) // 2)
            bias = choice.normalisation == "none"
            return [
                nn.Conv2d(inputs, channels, (1, kernel), (1, step), padding, (1, dilation), bias=bias),
                normalisation(choice.normalisation, channels),
            ]

        activation = ACTIVATIONS[choice.activation]
        layers = convolution(width, stride)
        if choice.residual:
            layers += [activation(), *convolution(channels, 1)]
        self.layers = nn.Sequential(*layers)
        self.activation = activation()
        self.shortcut: nn.Module | None = None
        if choice.residual:
            self.shortcut = (
                nn.Identity()
                if width == channels and stride == 1
                else nn.Conv2d(width, channels, 1, (1, stride), bias=False)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, width, 1, time) → (batch, channels, 1, ceil(time / stride))."""
        y = self.layers(x)
        if self.shortcut is not None:
            y = y + self.shortcut(x)
        out: Tensor = self.activation(y)
        return out


def normalisation(name: str, channels: int) -> nn.Module:
    """The normalisation layer of that name; groups of about eight channels for `group`."""
    match name:
        case "batch":
            return nn.BatchNorm2d(channels)
        case "group":
            return nn.GroupNorm(math.gcd(channels, max(1, channels // 8)), channels)
        case _:
            return nn.Identity()
