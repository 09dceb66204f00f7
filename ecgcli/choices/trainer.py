"""The trainer: how long to train, and on what."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ecgcli.choices import Choice, Positive


class TrainerChoice(Choice):
    """How and where to train. The budget is `epochs` passes' worth of steps, whatever the sampling.

    `ema` is the decay of an exponential average of the weights, which is then used in place of the last ones;
    `early_stopping` ends a network after so many rounds without a better validation macro-F1. With several
    `devices` a process each takes its share of every batch.
    """

    accelerator: Literal["auto", "cpu", "gpu", "mps"]
    precision: Literal["32-true", "bf16-mixed", "16-mixed"]
    epochs: Positive
    steps: Annotated[int, Field(ge=2)] | None
    batch_size: Positive
    gradient_clip: Annotated[float, Field(gt=0)] | None
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    early_stopping: Positive | None = None
    deterministic: bool
    threads: Positive | None
    devices: Positive | Literal["auto"] = 1
    progress: Literal["auto", "bar", "lines", "none"]
