"""Changes of training beats, on whole batches, each kind with a strength of its own.

Every draw comes from torch's global generator of the device that the batch is on, so that seeding it repeats
a batch bit for bit; a kind of strength 0 draws nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ecgcli.choices.augment import Augment
from ecgcli.learning.stretch import before_padding, stretched

WANDER_RATES = (0.1, 0.5)
"""Slowest and fastest baseline wander, in Hz: that of breathing."""


class Augmented(NamedTuple):
    """A batch to train on.

    Attributes:
        signal: (batch, channels, time).
        features: (batch, k).
        targets: labels (batch,) with the weight of their loss; the weights sum to 1. One pair, or two when
            beats are mixed: the loss of the batch is `sum(w * loss(logits, label) for label, w in targets)`.
    """

    signal: Tensor
    features: Tensor
    targets: list[tuple[Tensor, float]]


def augmented(
    signal: Tensor,
    features: Tensor,
    label: Tensor,
    choice: Augment,
    rate: float,
    leads: int,
    rhythms: Sequence[Tensor] = (),
) -> Augmented:
    """One batch, changed as `choice` says; the very same tensors where it says nothing.

    Features stay what they were measured as, but are mixed with their beats, and those of the rhythm may
    become those of a simulated beat of the same class.

    Args:
        signal: (batch, channels, time); the first `leads` channels are the leads, further ones the patient's
            usual beat, lead by lead again.
        features: (batch, k).
        label: (batch,).
        choice: kinds and strengths.
        rate: samples per second of `signal`, in Hz.
        leads: number of leads.
        rhythms: of every class the first features of simulated beats, (m, rhythm features); m may be 0.
    """
    if choice.rhythm and rhythms:
        features = in_other_rhythms(features, label, choice.rhythm, rhythms)
    signal = augment(signal, choice, rate, leads)
    if choice.name == "none" or not choice.mixup or len(label) < 2:
        return Augmented(signal, features, [(label, 1.0)])
    share, partner = mix(len(label), choice.mixup, signal.device)
    signal = torch.lerp(signal[partner], signal, share)
    features = torch.lerp(features[partner], features, share)
    return Augmented(signal, features, [(label, share), (label[partner], 1 - share)])


def mix(count: int, alpha: float, device: torch.device) -> tuple[float, Tensor]:
    """What mixup (Zhang et al. 2018) draws for a batch.

    Returns:
        The share of the beats themselves, from Beta(alpha, alpha), and (count,) the partners of the rest.
    """
    # in double precision: with a small alpha, single precision ends at 0/0
    parameter = torch.tensor(alpha, dtype=torch.float64)
    share = float(torch.distributions.Beta(parameter, parameter).sample())
    return share, torch.randperm(count, device=device)


def in_other_rhythms(features: Tensor, label: Tensor, chance: float, rhythms: Sequence[Tensor]) -> Tensor:
    """Features of beats of which some lie in the rhythm of a simulated beat of their class.

    Args:
        features: (batch, k), those of the rhythm first.
        label: (batch,).
        chance: that a beat is one of them.
        rhythms: of every class (m, rhythm features); where m is 0, beats stay as they are.
    """
    changed = features.clone()
    drawn = torch.rand(len(label), device=label.device) < chance
    for number, simulated in enumerate(rhythms):
        rows = torch.nonzero(drawn & (label == number)).squeeze(1)
        if len(simulated) and len(rows):
            which = torch.randint(len(simulated), (len(rows),), device=label.device)
            changed[rows, : simulated.shape[1]] = simulated[which]
    return changed


def augment(signal: Tensor, choice: Augment, rate: float, leads: int) -> Tensor:
    """Beats with their amplitude, baseline, noise, leads and R position changed.

    Exact zeros to the end of all leads are padding, whose length tells the RR interval (Kaggle beats): they
    stay exact zeros, whatever becomes of the beat before them, and are fewer or more where time is stretched.

    The patient's usual beat, in the channels behind the leads, is an average over many beats: noise, wander,
    offset and R position of a single beat leave it alone; gain (`scaling`) and a lead that is off
    (`lead_dropout`) concern it as they concern the lead.

    Args:
        signal: (batch, channels, time).
        choice: kinds and strengths; `mixup` is not done here.
        rate: samples per second of `signal`, in Hz.
        leads: number of leads; channel c behind them belongs to lead c modulo `leads`.

    Returns:
        (batch, channels, time), a new tensor; `signal` itself where no kind has a strength.
    """
    kinds = (
        choice.scaling,
        choice.shift,
        choice.noise,
        choice.wander,
        choice.jitter,
        choice.lead_dropout if leads > 1 else 0,  # an only lead always stays
        choice.stretch,
    )
    if choice.name == "none" or not any(kinds):
        return signal
    batch, channels, time = signal.shape
    device = signal.device
    beat, usual = signal[:, :leads], signal[:, leads:]
    at = torch.arange(time, device=device)
    length = before_padding(beat)  # (batch,)
    if choice.stretch:
        factor = 1 + choice.stretch * (2 * torch.rand(batch, device=device) - 1)
        beat, length = stretched(beat, length, factor)
    inside = at < length[:, None]  # (batch, time)
    spread = _spread(beat, inside)  # (batch, leads, 1)

    if choice.jitter:
        beat = _moved(beat, length, torch.randn(batch, device=device) * choice.jitter * rate)
    change = torch.zeros_like(beat)  # in spreads of the beat
    if choice.shift:
        change = change + choice.shift * torch.randn(batch, leads, 1, device=device)
    if choice.wander:
        low, high = WANDER_RATES
        hertz = low + (high - low) * torch.rand(batch, 1, 1, device=device)
        phase = torch.rand(batch, leads, 1, device=device)
        change = change + choice.wander * torch.sin(2 * math.pi * (hertz * at / rate + phase))
    if choice.noise:
        change = change + choice.noise * torch.randn_like(beat)
    beat = beat + change * spread * inside[:, None]
    out = torch.cat([beat, usual], 1)
    if choice.scaling:
        out = out * torch.exp(choice.scaling * torch.randn(batch, 1, 1, device=device))
    if choice.lead_dropout and leads > 1:
        stays = _staying(spread.squeeze(2) > 0, choice.lead_dropout)  # (batch, leads)
        out = out * stays[:, torch.arange(channels, device=device) % leads, None]
    return out


def _spread(beat: Tensor, inside: Tensor) -> Tensor:
    """(batch, leads, 1) standard deviation of every lead before the padding; 0 for a lead that is flat."""
    weight = inside[:, None].to(beat.dtype)
    count = weight.sum(-1, keepdim=True).clamp(min=1)
    centred = (beat - (beat * weight).sum(-1, keepdim=True) / count) * weight
    return (centred.square().sum(-1, keepdim=True) / count).sqrt()


def _moved(beat: Tensor, length: Tensor, samples: Tensor) -> Tensor:
    """Beats cut so many samples later (below 0: earlier), by whole samples as a detector marks them.

    The first and the last sample before the padding are repeated, so that the padding keeps its length.
    """
    at = torch.arange(beat.shape[-1], device=beat.device)
    last = (length[:, None] - 1).clamp(min=0)
    source = torch.minimum((at + samples.round().long()[:, None]).clamp(min=0), last)
    source = torch.where(at <= last, source, at)  # (batch, time)
    return beat.gather(-1, source[:, None].expand_as(beat))


def _staying(alive: Tensor, chance: float) -> Tensor:
    """(batch, leads) which leads stay; of those that have a signal (`alive`) one always does."""
    draw = torch.rand(alive.shape, device=alive.device)
    best = torch.where(alive, draw, -1.0).argmax(1, keepdim=True)
    return (draw >= chance).scatter(1, best, True)
