"""Where a trained model computes. Apart from fitting, so that predicting imports no Lightning."""

from __future__ import annotations

import torch

from ecgcli.errors import EcgError

EVALUATION_BATCH = 1024
"""Beats in a batch where no gradient is needed."""


def device(accelerator: str, threads: int | None) -> torch.device:
    """Where to compute without a trainer; `auto` takes what there is.

    Raises:
        EcgError: if the accelerator is not there.
    """
    if threads:
        torch.set_num_threads(threads)
    there = {"gpu": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if accelerator == "auto":
        accelerator = next(name for name, available in there.items() if available)
    if not there[accelerator]:
        raise EcgError(f"trainer.accelerator={accelerator}: there is none on this machine; use auto or cpu")
    return torch.device({"gpu": "cuda"}.get(accelerator, accelerator))
