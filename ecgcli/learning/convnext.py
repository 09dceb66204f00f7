"""A ConvNeXt over time."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

from ecgcli.choices.model import Convnext
from ecgcli.errors import EcgError
from ecgcli.learning.layers import Fusion, TimeBins, over_time


class ConvNextNetwork(nn.Module):
    """ConvNeXt (Liu et al. 2022, A ConvNet for the 2020s), in one dimension.

    Patches of the beat, then stages of blocks, between which the rate is halved; averages over a few
    stretches of time go to the last layer. The paper's layer scale, a remedy for great depth, is left out.
    """

    def __init__(self, choice: Convnext, leads: int, length: int, classes: int, features: int = 0) -> None:
        super().__init__()
        first, last = choice.channels[0], choice.channels[-1]
        layers: list[nn.Module] = [Patches(leads, first, choice.patch), ChannelNorm(first)]
        steps = math.ceil(length / choice.patch)
        width, depth = first, len(choice.channels) * choice.blocks
        for stage, channels in enumerate(choice.channels):
            if stage > 0:
                layers += [ChannelNorm(width), Patches(width, channels, 2)]
                steps = math.ceil(steps / 2)
            for block in range(choice.blocks):
                # the chance of being left out grows with depth, up to what is asked for
                drop = choice.stochastic_depth * (stage * choice.blocks + block) / max(1, depth - 1)
                layers.append(ConvNextBlock(channels, choice.kernel_size, choice.expansion, drop))
            width = channels
        if steps < 2:
            raise EcgError(
                f"model.patch={choice.patch} and {len(choice.channels)} stages leave 1 step of a beat of "
                f"{length} samples: use fewer model.channels or a smaller patch"
            )
        self.layers = nn.Sequential(*layers, ChannelNorm(last))
        self.pooling = TimeBins(steps, choice.bins)
        self.fusion = Fusion(choice.fusion, features, classes)
        top = nn.Linear(last * self.pooling.bins + self.fusion.width, classes)
        self.head = nn.Sequential(nn.Dropout(choice.dropout), top)

    def forward(self, x: Tensor, features: Tensor | None = None) -> Tensor:
        """(batch, leads, time) and (batch, features) → (batch, classes)."""
        x = self.layers(over_time(x))
        logits: Tensor = self.fusion(self.pooling(x), features, self.head)
        return logits


class ConvNextBlock(nn.Module):
    """A depthwise convolution over time, then at each step an inverted bottleneck over the channels.

    Args:
        channels: channels in and out.
        kernel_size: steps that the depthwise convolution spans.
        expansion: the bottleneck's width over `channels`.
        drop: chance that a beat skips the block in training (stochastic depth, Huang et al. 2016).
    """

    def __init__(self, channels: int, kernel_size: int, expansion: int, drop: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            channels, channels, (1, kernel_size), padding=(0, kernel_size // 2), groups=channels
        )
        self.norm = ChannelNorm(channels)
        self.layers = nn.Sequential(
            nn.Linear(channels, expansion * channels), nn.GELU(), nn.Linear(expansion * channels, channels)
        )
        self.drop = drop

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, 1, time) → the same shape."""
        # channels last in memory, so that these permutations move nothing
        y = self.layers(self.norm(self.depthwise(x)).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        if self.training and self.drop > 0:
            keep = y.new_empty(len(y), 1, 1, 1).bernoulli_(1 - self.drop)
            y = y * keep / (1 - self.drop)
        out: Tensor = x + y
        return out


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each step."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, 1, time) → the same shape."""
        out: Tensor = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return out


class Patches(nn.Module):
    """Every `size` samples become one step; zeros fill the last patch."""

    def __init__(self, width: int, channels: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.convolution = nn.Conv2d(width, channels, (1, size), (1, size))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, width, 1, time) → (batch, channels, 1, ceil(time / size))."""
        out: Tensor = self.convolution(F.pad(x, (0, -x.shape[-1] % self.size)))
        return out
