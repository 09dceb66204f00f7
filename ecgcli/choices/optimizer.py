"""Optimizers, with the schedule of the learning rate."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ecgcli.choices import Choice, Share


class AdamW(Choice):
    """AdamW (Loshchilov & Hutter 2019)."""

    name: Literal["adamw"]
    lr: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    schedule: Literal["one_cycle", "cosine", "constant"]
    warmup: Share


class Sgd(Choice):
    """Stochastic gradient descent."""

    name: Literal["sgd"]
    lr: Annotated[float, Field(gt=0)]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    schedule: Literal["one_cycle", "cosine", "constant"]
    warmup: Share


Optimizer = Annotated[AdamW | Sgd, Field(discriminator="name")]
