"""The plain convolutional networks: the one this project grew from, and a configurable stack of blocks."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ecgcli.choices.model import BaselineCnn, Cnn
from ecgcli.errors import EcgError
from ecgcli.learning.layers import ACTIVATIONS, Fusion, normalisation, over_time


class BaselineNetwork(nn.Module):
    """The network this project grew from.

    A Linear to 128 on the time axis, three convolutions of 16 channels with kernel 3, two of them followed by
    max-pooling, then Linear 480 → 64 → classes, with ReLU between.
    """

    def __init__(self, choice: BaselineCnn, leads: int, length: int, classes: int, features: int = 0) -> None:
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
        self.fusion = Fusion(choice.fusion, features, classes)
        self.head = nn.Sequential(nn.Linear(480, 64), nn.ReLU(), nn.Linear(64 + self.fusion.width, classes))

    def forward(self, x: Tensor, features: Tensor | None = None) -> Tensor:
        """(batch, leads, time) and (batch, features) → (batch, classes)."""
        x = torch.relu(self.stem(x))  # (batch, leads, 128)
        x = self.convolutions(over_time(x))  # (batch, 16, 1, 30)
        logits: Tensor = self.fusion(self.head[:2](x.flatten(1)), features, self.head[2])
        return logits


class ConvNetwork(nn.Module):
    """A stack of convolution blocks, pooled over time, with one linear layer on top."""

    def __init__(self, choice: Cnn, leads: int, length: int, classes: int, features: int = 0) -> None:
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
        units = {"average": width, "max": width, "both": 2 * width, "flatten": width * length}
        self.fusion = Fusion(choice.fusion, features, classes)
        last = nn.Linear(units[choice.pooling] + self.fusion.width, classes)
        self.head = nn.Sequential(nn.Dropout(choice.dropout), last)

    def forward(self, x: Tensor, features: Tensor | None = None) -> Tensor:
        """(batch, leads, time) and (batch, features) → (batch, classes)."""
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
        logits: Tensor = self.fusion(x, features, self.head)
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
            y += self.shortcut(x)  # in place: what was before the sum is not needed again
        out: Tensor = self.activation(y)
        return out
