"""Losses: what a wrong beat costs in training."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ecgcli.choices import Choice


class CrossEntropy(Choice):
    """Cross-entropy with label smoothing."""

    name: Literal["cross_entropy"]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]


class Focal(Choice):
    """Focal loss (Lin et al. 2017): beats that are right already weigh (1 − p) ** gamma."""

    name: Literal["focal"]
    gamma: Annotated[float, Field(ge=0, le=10)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]


class ClassBalanced(Choice):
    """Cross-entropy weighted by the effective number of beats of each class (Cui et al. 2019)."""

    name: Literal["class_balanced"]
    beta: Annotated[float, Field(ge=0, lt=1)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]


class LogitAdjusted(Choice):
    """Cross-entropy on logits raised by tau times the log of the class's share (Menon et al. 2021)."""

    name: Literal["logit_adjusted"]
    tau: Annotated[float, Field(ge=0, le=10)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]


Loss = Annotated[CrossEntropy | Focal | ClassBalanced | LogitAdjusted, Field(discriminator="name")]
