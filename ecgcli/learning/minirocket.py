"""MiniRocket: a fixed transform of the beat with a linear layer on top.

Source: Dempster, Schmidt & Webb 2021, MiniRocket: A Very Fast (Almost) Deterministic Transform for Time
Series Classification. Written from the paper.
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ecgcli.choices.model import Minirocket
from ecgcli.errors import EcgError
from ecgcli.learning.layers import Fusion

TAPS = 9
"""Length of every kernel."""

KERNELS = torch.tensor(
    [[2.0 if tap in two else -1.0 for tap in range(TAPS)] for two in combinations(range(TAPS), 3)]
)
"""(84, 9) the kernels: three weights of 2 and six of −1, in every arrangement, so that each sums to zero."""

MAX_DILATIONS = 32
GOLDEN_RATIO = (math.sqrt(5) + 1) / 2
STATISTICS_BEATS = 1024
"""Training beats from which the mean and spread of every feature are taken."""

GAIN = 30.0
"""Size of all scaled features of a beat together (their root sum of squares, on average).

With it the learning rate that suits the other networks suits this one: of 1, 4, 10, 30, 60, 100 and 300 it
did best on held-out training beats of the Kaggle file.
"""

CPU_BLOCK = 32
"""Beats transformed at once on a CPU: what comes of them stays in its cache."""

BIASES_AT_ONCE = 8
"""Biases compared with in one step of an exported model: more would take too much memory."""


def dilations(length: int, per_kernel: int) -> list[tuple[int, int]]:
    """Dilations of every kernel, spread exponentially up to the length of the beat.

    Args:
        length: samples of a beat.
        per_kernel: features that a kernel gives in all.

    Returns:
        (dilation, features) pairs; the features add up to `per_kernel`.
    """
    number = min(per_kernel, MAX_DILATIONS)
    exponents = np.linspace(0, math.log2((length - 1) / (TAPS - 1)), number)
    # the epsilon keeps 2 ** log2(n) from falling below n
    values, counts = np.unique(np.floor(2**exponents + 1e-9).astype(int), return_counts=True)
    shares = counts * per_kernel // number
    for i in range(per_kernel - int(shares.sum())):
        shares[i % len(shares)] += 1
    return [(int(d), int(n)) for d, n in zip(values, shares, strict=True)]


class MinirocketNetwork(nn.Module):
    """84 kernels at many dilations, the share of the beat where each exceeds a bias, and a linear layer.

    The biases are quantiles of what the kernels give on training beats, so `prepare` has to see those before
    training; a saved state holds all that it found. With several leads, each kernel at each dilation reads
    the sum of a random choice of leads, as in the authors' own extension. Only the linear layer is trained;
    no gradient goes to the signal.
    """

    def __init__(self, choice: Minirocket, leads: int, length: int, classes: int, features: int = 0) -> None:
        super().__init__()
        if length < TAPS:
            raise EcgError(
                f"model=minirocket has kernels of {TAPS} samples: beats of {length} samples are too short"
            )
        self.dilations = dilations(length, choice.features // len(KERNELS))
        self.units = len(KERNELS) * sum(n for _, n in self.dilations)
        self.biases: Tensor
        self.leads: Tensor
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("biases", torch.zeros(len(KERNELS), self.units // len(KERNELS)))
        self.register_buffer("leads", torch.ones(len(self.dilations), len(KERNELS), leads))
        self.register_buffer("mean", torch.zeros(self.units))
        self.register_buffer("scale", torch.ones(self.units))
        self.prepared = False
        # torch's stubs leave this one untyped
        self.register_load_state_dict_post_hook(_loaded)  # type: ignore[no-untyped-call]
        self.fusion = Fusion(choice.fusion, features, classes)
        last = nn.Linear(self.units + self.fusion.width, classes)
        self.head = nn.Sequential(nn.Dropout(choice.dropout), last)

    def forward(self, x: Tensor, features: Tensor | None = None) -> Tensor:
        """(batch, leads, time) and (batch, features) → (batch, classes)."""
        logits: Tensor = self.fusion((self.transform(x) - self.mean) * self.scale, features, self.head)
        return logits

    @torch.no_grad()
    def prepare(self, x: Tensor, seed: int) -> None:
        """Draws the leads of each kernel, and takes biases, means and spreads from training beats.

        Args:
            x: (beats, leads, time) training beats.
            seed: seeds the draws.
        """
        draw = torch.Generator().manual_seed(seed)
        inputs = x.shape[1]
        # 2 ** u leads for a uniform u: few are likelier than many
        wanted = 2 ** (torch.rand(self.leads.shape[:2], generator=draw) * math.log2(min(inputs, TAPS) + 1))
        order = torch.rand(self.leads.shape, generator=draw).argsort(-1).argsort(-1)
        self.leads.copy_(order < wanted.floor().clamp(max=inputs).unsqueeze(-1))

        quantile = torch.arange(1, self.units + 1, dtype=torch.float64) * GOLDEN_RATIO % 1
        at = quantile.float().view_as(self.biases).to(self.biases.device)
        first = 0
        for i, (dilation, number) in enumerate(self.dilations):
            columns = slice(first, first := first + number)
            beats = torch.randint(len(x), (len(KERNELS),), generator=draw)
            for rows, padded in self._halves(i):
                for row in range(len(KERNELS))[rows]:
                    beat = x[beats[row]][None].to(self.biases)
                    output = self._convolve(beat, i, slice(row, row + 1), dilation, padded)
                    self.biases[row, columns] = torch.quantile(output.flatten(), at[row, columns])

        some = torch.randperm(len(x), generator=draw)[:STATISTICS_BEATS]
        self.prepared = True
        total = torch.zeros(2, self.units, dtype=torch.float64)
        for part in torch.split(some, 256):
            positive = self.transform(x[part].to(self.biases)).cpu().double()
            total += torch.stack([positive.sum(0), positive.square().sum(0)])
        mean, square = total / len(some)
        spread = (square - mean.square()).clamp(min=0).sqrt()
        # a feature that hardly varies says nothing that could be told from noise: it is not blown up
        self.scale.copy_(GAIN / (spread.clamp(min=0.01) * math.sqrt(self.units)))
        self.mean.copy_(mean)

    @torch.no_grad()
    def transform(self, x: Tensor) -> Tensor:
        """The share of the beat where each kernel, at each dilation, exceeds each of its biases.

        Args:
            x: (batch, leads, time) beats.

        Returns:
            (batch, units) shares between 0 and 1, in kernel order, then by dilation, then by bias.

        Raises:
            RuntimeError: if the network was neither prepared nor loaded.
        """
        if not self.prepared:
            raise RuntimeError("MiniRocket takes its biases from training beats: call prepare(x, seed) first")
        traced = torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
        if traced or torch.compiler.is_exporting():
            return self._shares_in_few_steps(x)
        block = CPU_BLOCK if x.device.type == "cpu" else 256
        with torch.autocast(x.device.type, enabled=False):
            return torch.cat([self._shares(part) for part in torch.split(x.float(), block)])

    def _shares(self, x: Tensor) -> Tensor:
        shares = x.new_empty(len(x), len(KERNELS), self.biases.shape[1])
        first = 0
        for i, (dilation, number) in enumerate(self.dilations):
            columns = slice(first, first := first + number)
            for rows, padded in self._halves(i):
                output = self._convolve(x, i, rows, dilation, padded)  # (kernels, batch, time)
                # written as floats: torch compares into floats in half the time of booleans on a CPU
                above = torch.empty_like(output)
                biases = self.biases[rows, columns].T[..., None, None]
                counts = [torch.gt(output, bias, out=above).sum(2) for bias in biases.unbind()]
                shares[:, rows, columns] = torch.stack(counts, 2).transpose(0, 1) / output.shape[2]
        return shares.flatten(1)

    def _shares_in_few_steps(self, x: Tensor) -> Tensor:
        """The same for other programs: a graph of few steps, for any number of beats."""
        shares = []
        first = 0
        for i, (dilation, number) in enumerate(self.dilations):
            biases = self.biases[:, first : (first := first + number), None]  # (kernels, number, 1)
            weights = self.leads[i, :, :, None] * KERNELS[:, None]  # (kernels, leads, taps)
            halves = []
            for rows, padded in self._halves(i):
                margin = dilation * (TAPS - 1) // 2 if padded else 0
                output = F.conv1d(x, weights[rows], padding=margin, dilation=dilation).unsqueeze(2)
                few = torch.split(biases[rows], BIASES_AT_ONCE, 1)
                parts = [(output > some).float().mean(-1) for some in few]
                halves.append(torch.cat(parts, 2))
            shares.append(torch.stack(halves, 2).flatten(1, 2))  # (batch, kernels, number)
        return torch.cat(shares, 2).flatten(1)

    def _convolve(self, x: Tensor, i: int, rows: slice, dilation: int, padded: bool) -> Tensor:
        """(batch, leads, time) → (kernels, batch, time) of some kernels at the i-th dilation."""
        reach = dilation * (TAPS - 1)
        if padded:
            x = F.pad(x, (reach // 2, reach // 2))
        steps = x.shape[-1] - reach
        shifted = torch.stack([x[..., tap * dilation : tap * dilation + steps] for tap in range(TAPS)])
        shifted = shifted.permute(2, 0, 1, 3).flatten(2).flatten(0, 1)  # (leads · taps, batch · time)
        kernels = KERNELS[rows].to(x)
        weights = (self.leads[i, rows, :, None] * kernels[:, None]).flatten(1)
        return (weights @ shifted).view(len(kernels), len(x), steps)

    def _halves(self, i: int) -> list[tuple[slice, bool]]:
        """The two halves of the kernels, and which is padded: every other one, in turn with the dilation."""
        return [(slice(0, None, 2), i % 2 == 0), (slice(1, None, 2), i % 2 == 1)]


def _loaded(network: MinirocketNetwork, keys: object) -> None:
    network.prepared = True  # a state holds what training beats gave
