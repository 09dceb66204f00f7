"""Beats that last longer or shorter, and a network that answers for several such views of a beat."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def before_padding(beat: Tensor) -> Tensor:
    """(batch,) samples before the exact zeros that fill (batch, leads, time) beats to the end."""
    at = torch.arange(beat.shape[-1], device=beat.device)
    return ((beat != 0).any(1) * (at + 1)).amax(-1)


def stretched(beat: Tensor, length: Tensor, factor: Tensor) -> tuple[Tensor, Tensor]:
    """Beats that last `factor` times as long from their first sample on, and how many samples that makes.

    Samples lie on straight lines between the old ones; what would reach over the end of the row is cut off.

    Args:
        beat: (batch, leads, time).
        length: (batch,) samples before the padding.
        factor: (batch,) on the time.

    Returns:
        (batch, leads, time) and (batch,).
    """
    time = beat.shape[-1]
    long = ((length - 1) * factor).floor().long().clamp(0, time - 1) + 1
    at = torch.arange(time, device=beat.device)
    source = (at / factor[:, None]).clamp(max=time - 1)  # (batch, time)
    left = source.floor().long()
    share = (source - left)[:, None]
    right = torch.minimum(left + 1, (length[:, None] - 1).clamp(min=0))
    values = [beat.gather(-1, index[:, None].expand_as(beat)) for index in (left, right)]
    inside = at < (long * (length > 0))[:, None]
    return torch.lerp(values[0], values[1], share) * inside[:, None], long * (length > 0)


class Views(nn.Module):
    """A network that, once trained, answers with the mean of its probabilities for stretched views of a beat.

    Args:
        network: as it is trained.
        factors: on the time of a beat, one a view.
    """

    def __init__(self, network: nn.Module, factors: tuple[float, ...]) -> None:
        super().__init__()
        self.network, self.factors = network, factors

    def prepare(self, x: Tensor, seed: int) -> None:
        """Shows the network training beats, if it asks for them."""
        prepare = getattr(self.network, "prepare", None)
        if callable(prepare):
            prepare(x, seed)

    def forward(self, x: Tensor, features: Tensor | None = None) -> Tensor:
        """(batch, leads, time) and (batch, features) → (batch, classes) logits."""
        if self.training:
            logits: Tensor = self.network(x, features)
            return logits
        length = before_padding(x)
        said = []
        for factor in self.factors:
            view = x if factor == 1 else stretched(x, length, torch.full_like(x[:, 0, 0], factor))[0]
            said.append(self.network(view, features).float().log_softmax(1))
        return torch.stack(said).logsumexp(0)  # the number of views shifts all classes alike
