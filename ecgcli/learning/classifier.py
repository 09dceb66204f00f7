"""The LightningModule: steps and logging, nothing else."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics import ConfusionMatrix

from ecgcli.choices.augment import Augment
from ecgcli.choices.optimizer import Optimizer
from ecgcli.learning.augment import augmented
from ecgcli.learning.datamodule import Batch, BeatData
from ecgcli.learning.losses import TrainingLoss
from ecgcli.learning.optim import build_optimizer, build_schedule

LOG_EVERY = 50
"""Optimizer steps between two entries of the training loss."""


class Classifier(pl.LightningModule):
    """Trains one network.

    Args:
        network: maps (batch, channels, time) and (batch, k) features to (batch, classes) logits.
        classes: names of the outputs.
        loss: what to minimise.
        augment: how training beats are changed.
        rate: samples per second of a beat, in Hz.
        leads: how many of its channels are leads.
        optimizer: configuration of the optimizer.
        steps: optimizer steps in all, for the schedule.
        seed: seeds torch anew in every round, so that a round's randomness follows from (seed, round).
        rhythms: of every class the rhythm features of simulated beats, where `augment` asks for them.
    """

    def __init__(
        self,
        network: nn.Module,
        classes: tuple[str, ...],
        loss: TrainingLoss,
        augment: Augment,
        rate: float,
        leads: int,
        optimizer: Optimizer,
        steps: int,
        seed: int,
        rhythms: Sequence[Tensor] = (),
    ) -> None:
        super().__init__()
        self.network = network
        self.classes = classes
        self.loss, self.optimizer_choice = loss, optimizer
        self.augment, self.rate, self.leads = augment, rate, leads
        self.rhythms = list(rhythms)
        self.steps, self.seed = steps, seed
        self.confusion = ConfusionMatrix("multiclass", num_classes=len(classes))
        self.curves: list[dict[str, float]] = []
        self._started, self._earlier = time.perf_counter(), 0.0
        self._losses: list[Tensor] = []
        self._validation_loss: list[Tensor] = []

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """(batch, channels, time) and (batch, k) → (batch, classes) logits."""
        logits: Tensor = self.network(x, features if features.shape[1] else None)
        return logits

    def on_fit_start(self) -> None:
        """Puts the loss, and what beats are changed with, where the network is."""
        self.loss.to(self.device)
        self.rhythms = [simulated.to(self.device) for simulated in self.rhythms]

    def on_train_epoch_start(self) -> None:
        """Tells the batches which round it is, before they are drawn."""
        # of several processes each draws its own: their beats are different ones
        own = (self.global_rank,) if self.global_rank else ()
        torch.manual_seed(hash((self.seed, self.current_epoch, *own)) % 2**63)
        # Lightning's Trainer has the attribute only once a data module is attached
        data: BeatData = self.trainer.datamodule  # type: ignore[attr-defined]
        data.training.round = self.current_epoch

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One optimizer step's loss."""
        signal, features, targets = augmented(*batch, self.augment, self.rate, self.leads, self.rhythms)
        logits = self(signal, features)
        loss = torch.stack([share * self.loss(logits, label) for label, share in targets]).sum()
        self._losses.append(loss.detach())
        if self.global_step % LOG_EVERY == 0:
            self._log({"loss/training": float(loss.detach()), "learning_rate": self._rate()})
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Closes a round that nothing validates."""
        if self.trainer.is_last_batch and not self.trainer.enable_validation:
            training = self._mean_loss()
            self.curves.append({"step": float(self.global_step), "train_loss": training, "lr": self._rate()})
            self._log({"loss/training_round": training})

    def on_validation_epoch_start(self) -> None:
        """Gives every process the running statistics of the first, which are the ones that are saved."""
        if self.trainer.world_size > 1:
            for buffer in self.network.buffers():
                torch.distributed.broadcast(buffer, src=0)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Counts one batch of validation beats."""
        signal, features, label = batch
        logits = self(signal, features).float()
        self._validation_loss.append(F.cross_entropy(logits, label, reduction="sum"))
        self.confusion.update(logits, label)

    def on_validation_epoch_end(self) -> None:
        """Scores the round on the validation beats, unweighted."""
        counts = self.confusion.compute()
        self.confusion.reset()
        total = self.trainer.strategy.reduce(torch.stack(self._validation_loss).sum(), reduce_op="sum")
        loss = float(total / counts.sum())
        self._validation_loss.clear()
        if self.trainer.sanity_checking:
            return
        scores = round_scores(counts, self.classes)
        training = self._mean_loss()
        self.curves.append(
            {
                "step": float(self.global_step),
                "train_loss": training,
                "val_loss": loss,
                "val_macro_f1": scores["macro_f1"],
                "lr": self._rate(),
            }
        )
        self.log("macro_f1", scores["macro_f1"], logger=False, prog_bar=True)  # what ModelCheckpoint monitors
        self._log(scores | {"loss/validation": loss, "loss/training_round": training})

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps the curves, what the rounds cost, and whether this was the last of them."""
        last = self.current_epoch + 1 >= (self.trainer.max_epochs or 0) or self.trainer.should_stop
        checkpoint["story"] = {"curves": self.curves, "seconds": self.seconds, "over": bool(last)}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Goes on where the checkpoint was."""
        self.curves, self._earlier = list(checkpoint["story"]["curves"]), checkpoint["story"]["seconds"]

    @property
    def seconds(self) -> float:
        """Seconds of training so far, those before an interruption included."""
        return self._earlier + time.perf_counter() - self._started

    def configure_optimizers(self) -> Any:
        """The optimizer and its schedule, stepped with every batch."""
        optimizer = build_optimizer(self.optimizer_choice, self.network.parameters())
        schedule = build_schedule(self.optimizer_choice, optimizer, self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _mean_loss(self) -> float:
        """Mean training loss of the round that ends here, over all processes."""
        mean = float(self.trainer.strategy.reduce(torch.stack(self._losses).mean(), reduce_op="mean"))
        self._losses.clear()
        return mean

    def _rate(self) -> float:
        return float(self.trainer.optimizers[0].param_groups[0]["lr"])

    def _log(self, values: dict[str, float]) -> None:
        for logger in self.loggers:
            logger.log_metrics(values, step=self.global_step)


def round_scores(counts: Tensor, classes: tuple[str, ...]) -> dict[str, float]:
    """Recall and precision of each class and macro-F1 over the classes that occur.

    Args:
        counts: (classes, classes) confusion matrix, rows true, columns predicted.
        classes: names of the classes.
    """
    right = counts.diag().double()
    support, predicted = counts.sum(1).double(), counts.sum(0).double()
    scores: dict[str, float] = {}
    f1 = []
    for k, name in enumerate(classes):
        if support[k] > 0:
            scores[f"recall/{name}"] = float(right[k] / support[k])
            f1.append(float(2 * right[k] / (support[k] + predicted[k])))
        if predicted[k] > 0:
            scores[f"precision/{name}"] = float(right[k] / predicted[k])
    scores["macro_f1"] = sum(f1) / len(f1)
    scores["accuracy"] = float(right.sum() / support.sum())
    return scores
