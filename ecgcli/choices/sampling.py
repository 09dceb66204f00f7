"""Sampling: how rare classes are drawn, by one network or by a cascade of two."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ecgcli.choices import Choice, Share, Strength

Method = Literal["none", "balanced_sampler", "class_weights", "oversampling", "undersampling"]


class Imbalanced(Choice):
    """Beats as they come. `order=fixed` permutes once and keeps that order in every epoch."""

    name: Literal["imbalanced"]
    order: Literal["shuffled", "fixed"]


class Rebalanced(Choice):
    """Rare classes weigh more; `strength` 0 leaves the data as it is, 1 makes all classes equal."""

    name: Literal["rebalanced"]
    method: Literal["balanced_sampler", "class_weights", "oversampling", "undersampling"]
    strength: Strength


class Stage(Choice):
    """How one stage of the cascade draws its beats."""

    method: Method
    strength: Strength


class TwoStage(Choice):
    """An anomaly detector and a classifier of the type, composed into one model.

    `share` is the part of the optimizer steps that the anomaly detector gets; the type classifier gets
    the rest, so that both together cost what one network costs.
    """

    name: Literal["two_stage"]
    anomaly: Stage
    type: Stage
    share: Share


Sampling = Annotated[Imbalanced | Rebalanced | TwoStage, Field(discriminator="name")]
