"""Batches of beats for Lightning: one index operation a batch, nothing copied twice."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytorch_lightning as pl
import torch
from torch import Tensor

from ecgcli.beats.store import is_large, taken
from ecgcli.learning.devices import EVALUATION_BATCH
from ecgcli.learning.sampling import Stream

Batch = tuple[Tensor, Tensor, Tensor]
"""(batch, channels, time) signal, (batch, k) features, (batch,) label."""


class Rows:
    """Some rows of a column of a table, taken from it by the batch: the column may be larger than memory.

    Args:
        column: (n, ...) all rows, in memory or mapped; a map costs no more per batch once it has been read.
        rows: (m,) which of them.
    """

    def __init__(self, column: npt.NDArray[np.float32], rows: npt.NDArray[np.int64]) -> None:
        self.column, self.rows = column, torch.from_numpy(rows)
        self.shape = (len(rows), *column.shape[1:])
        self.large = is_large(column)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is not to be written, as the warning says
            self._shared = torch.from_numpy(np.asarray(column))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        rows = self.rows[index]
        return torch.from_numpy(taken(self.column, rows.numpy())) if self.large else self._shared[rows]


class TrainingBatches:
    """The batches of one round: `steps` consecutive batches of the stream.

    A plain iterable: a `DataLoader` would collate beat by beat, at several times the cost. Of several
    processes each takes its share of every batch.
    """

    def __init__(
        self,
        signal: Tensor | Rows,
        features: Tensor | Rows,
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

    def __init__(self, signal: Tensor | Rows, features: Tensor | Rows, label: Tensor) -> None:
        self.signal, self.features, self.label = signal, features, label

    def __len__(self) -> int:
        return -(-len(self.label) // EVALUATION_BATCH)

    def __iter__(self) -> Iterator[Batch]:
        for start in range(0, len(self.label), EVALUATION_BATCH):
            part = slice(start, start + EVALUATION_BATCH)
            yield self.signal[part], self.features[part], self.label[part]


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
