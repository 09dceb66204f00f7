"""Batches of beats for Lightning: one index operation a batch, nothing copied twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytorch_lightning as pl
import torch
from torch import Tensor

from ecgcli.learning.devices import EVALUATION_BATCH
from ecgcli.learning.sampling import Stream

Batch = tuple[Tensor, Tensor, Tensor]
"""(batch, channels, time) signal, (batch, k) features, (batch,) label."""


class TrainingBatches:
    """The batches of one round: `steps` consecutive batches of the stream.

    A plain iterable: a `DataLoader` would collate beat by beat, at several times the cost. Of several processes
    each takes its share of every batch.
    """

    def __init__(
        self,
        signal: Tensor,
        features: Tensor,
        label: Tensor,
        stream: Stream,
        batch_size: int,
        steps: int,
        share: slice = slice(None),
    ) -> None:
        self.signal, self.features, self.label, self.stream = signal, features, label, stream
        self.batch_size, self.steps, self.share = batch_size, steps, share
        self.round = 0

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Batch]:
        count = self.steps * self.batch_size
        order = torch.from_numpy(self.stream.take(self.round * count, count))
        for batch in torch.split(order, self.batch_size):
            index = batch[self.share]
            yield self.signal[index], self.features[index], self.label[index]


class EvaluationBatches:
    """All beats once, in order."""

    def __init__(self, signal: Tensor, features: Tensor, label: Tensor) -> None:
        self.signal, self.features, self.label = signal, features, label

    def __len__(self) -> int:
        return -(-len(self.label) // EVALUATION_BATCH)

    def __iter__(self) -> Iterator[Batch]:
        size = EVALUATION_BATCH
        columns = (self.signal, self.features, self.label)
        return zip(*(torch.split(column, size) for column in columns), strict=True)


class BeatData(pl.LightningDataModule):
    """Training and validation beats of one network."""

    def __init__(self, training: TrainingBatches, validation: EvaluationBatches) -> None:
        super().__init__()
        self.training, self.validation = training, validation

    def train_dataloader(self) -> TrainingBatches:
        """The batches of the current round."""
        return self.training

    def val_dataloader(self) -> EvaluationBatches:
        """The validation beats."""
        return self.validation
