"""A residual network over time."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

from ecgcli.choices.model import Resnet
from ecgcli.errors import EcgError
from ecgcli.learning.layers import Fusion, TimeBins, over_time


class ResidualNetwork(nn.Module):
    """A residual network with pre-activation (He et al. 2016, Identity Mappings in Deep Residual Networks).

    A strided stem, then stages of blocks of two convolutions; every stage after the first halves the rate.
    Averages over a few stretches of time go to the last layer, so that it knows where things happen: on beats
    that are cut by their RR interval, the place is the rhythm.
    """

    def __init__(self, choice: Resnet, leads: int, length: int, classes: int, features: int = 0) -> None:
        super().__init__()
        kernel, padding = (1, choice.kernel_size), (0, choice.kernel_size // 2)
        width = choice.channels[0]
        self.stem = nn.Conv2d(leads, width, kernel, (1, choice.stem_stride), padding, bias=False)
        steps = math.ceil(length / choice.stem_stride)
        blocks: list[nn.Module] = []
        for stage, channels in enumerate(choice.channels):
            for block in range(choice.blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(PreActivationBlock(width, channels, choice.kernel_size, stride))
                steps = math.ceil(steps / stride)
                width = channels
        if steps < 2:
            raise EcgError(
                f"model.stem_stride={choice.stem_stride} and {len(choice.channels)} stages leave 1 step of a "
                f"beat of {length} samples: use fewer model.channels or a smaller stem_stride"
            )
        self.blocks = nn.Sequential(*blocks, nn.BatchNorm2d(width), nn.ReLU())
        self.pooling = TimeBins(steps, choice.bins)
        self.fusion = Fusion(choice.fusion, features, classes)
        last = nn.Linear(width * self.pooling.bins + self.fusion.width, classes)
        self.head = nn.Sequential(nn.Dropout(choice.dropout), last)

    def forward(self, x: Tensor, features: Tensor | None = None) -> Tensor:
        """(batch, leads, time) and (batch, features) → (batch, classes)."""
        x = self.blocks(self.stem(over_time(x)))
        logits: Tensor = self.fusion(self.pooling(x), features, self.head)
        return logits


class PreActivationBlock(nn.Module):
    """Normalise, activate, convolve, twice, around a shortcut that averages where the block strides."""

    def __init__(self, width: int, channels: int, kernel_size: int, stride: int) -> None:
        super().__init__()
        kernel, padding = (1, kernel_size), (0, kernel_size // 2)
        self.enter = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU())
        self.layers = nn.Sequential(
            nn.Conv2d(width, channels, kernel, (1, stride), padding, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, kernel, padding=padding, bias=False),
        )
        self.stride = stride
        same = width == channels and stride == 1
        self.shortcut = None if same else nn.Conv2d(width, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, width, 1, time) → (batch, channels, 1, ceil(time / stride))."""
        y = self.enter(x)
        if self.shortcut is not None:
            # the average, not every second step, so that nothing of the beat is passed over (He et al. 2019)
            short = F.avg_pool2d(y, (1, self.stride), ceil_mode=True) if self.stride > 1 else y
            x = self.shortcut(short)
        out: Tensor = x + self.layers(y)
        return out
