"""How training shows itself: a bar on a terminal, plain lines elsewhere, and no chatter of libraries."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, TQDMProgressBar

from ecgcli.learning.classifier import Classifier

Watch = Callable[[int, str, float, float], None]
"""Is told, at the end of a round: fold, network, share of its rounds that are done, validation macro-F1."""


class Bar(TQDMProgressBar):
    """A progress bar that shows the last macro-F1 and nothing else."""

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """What stands behind the bar."""
        metrics: dict[str, Any] = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics


class Lines(Callback):
    """One plain line a round, for logs and pipes."""

    def __init__(self, network: str, rounds: int) -> None:
        self.network, self.rounds = network, rounds
        self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Prints where training stands."""
        assert isinstance(pl_module, Classifier)
        now = pl_module.curves[-1]
        validation = ""
        if "val_loss" in now:
            validation = f"  validation {now['val_loss']:.4f}  macro-F1 {now['val_macro_f1']:.4f}"
        print(
            f"{self.network:>8} {len(pl_module.curves):3d}/{self.rounds}"
            f"  loss {now['train_loss']:.4f}{validation}  {time.perf_counter() - self.started:6.1f} s",
            file=sys.stderr,
            flush=True,
        )


class Rounds(Callback):
    """Tells somebody of every round, who may end the training with an exception."""

    def __init__(self, watch: Watch, fold: int, network: str, rounds: int) -> None:
        self.watch, self.fold, self.network, self.rounds = watch, fold, network, rounds

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Says which share of the network's training is done, and what validation says."""
        assert isinstance(pl_module, Classifier)
        macro_f1 = pl_module.curves[-1].get("val_macro_f1")
        if macro_f1 is not None:
            self.watch(self.fold, self.network, len(pl_module.curves) / self.rounds, macro_f1)


def bar_wanted(progress: str) -> bool:
    """Whether to draw a progress bar: asked for, or on a terminal."""
    return progress == "bar" or (progress == "auto" and sys.stderr.isatty())


def progress(choice: str, network: str, rounds: int) -> list[Callback]:
    """The callbacks that show progress."""
    if choice == "none":
        return []
    return [Bar(refresh_rate=20, leave=True)] if bar_wanted(choice) else [Lines(network, rounds)]


def quiet_libraries() -> None:
    """Silences chatter that tells a user nothing: hardware listings, tips, warnings about own choices."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", module="lightning_fabric")
    warnings.filterwarnings("ignore", module="torchmetrics")
    warnings.filterwarnings("ignore", message=".*weights_only.*")
