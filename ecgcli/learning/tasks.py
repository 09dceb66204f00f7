"""What there is to learn: one task, or the two of a cascade, within one budget of optimizer steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgcli.beats.protocol import Part, labels
from ecgcli.beats.table import BeatTable
from ecgcli.choices.sampling import Imbalanced, Rebalanced, Stage, TwoStage
from ecgcli.config import TrainConfig
from ecgcli.errors import EcgError

ANOMALY = ("N", "abnormal")
"""Outputs of the anomaly detector."""

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Task:
    """What one network has to learn.

    Attributes:
        name: `all`, `anomaly` or `type`.
        classes: names of the outputs.
        train: rows of the table to train on, with `train_label` as indices into `classes`.
        validation: rows of the table to validate on, with `validation_label`; none where nothing validates.
        stage: how beats are drawn.
        fixed: whether every pass has the order of the first.
        steps: optimizer steps.
        rounds: times that the network is validated on the way.
    """

    name: str
    classes: tuple[str, ...]
    train: Index
    train_label: Index
    validation: Index
    validation_label: Index
    stage: Stage
    fixed: bool
    steps: int
    rounds: int


def tasks(table: BeatTable, part: Part, config: TrainConfig) -> list[Task]:
    """What there is to learn: one task, or the two of a cascade, within one budget of steps.

    Raises:
        EcgError: if a cascade has nothing to tell apart.
    """
    train, validation = part.train, part.validation
    train_label, validation_label = labels(table, part, train), labels(table, part, validation)
    batch = config.trainer.batch_size
    steps = config.trainer.steps or config.trainer.epochs * -(-len(train) // batch)
    rounds = min(config.trainer.epochs, max(1, steps // 2))  # a cascade needs two steps in a round
    per_round = max(2, steps // rounds)
    sampling = config.sampling
    none = Stage(method="none", strength=0.0)

    def task(
        name: str, classes: tuple[str, ...], stage: Stage, per_round: int, keep: Any, relabel: Any
    ) -> Task:
        inside, outside = keep(train_label), keep(validation_label)
        if len(validation) and not outside.any():
            raise EcgError(f"the validation part has no beats for the network {name!r}")
        return Task(
            name,
            classes,
            train[inside],
            relabel(train_label[inside]),
            validation[outside],
            relabel(validation_label[outside]),
            stage,
            isinstance(sampling, Imbalanced) and sampling.order == "fixed",
            per_round * rounds,
            rounds,
        )

    def everything(label: Index) -> npt.NDArray[np.bool_]:
        return np.ones(len(label), dtype=bool)

    match sampling:
        case Imbalanced():
            return [task("all", part.classes, none, per_round, everything, lambda label: label)]
        case Rebalanced():
            stage = Stage(method=sampling.method, strength=sampling.strength)
            return [task("all", part.classes, stage, per_round, everything, lambda label: label)]
        case TwoStage():
            types = tuple(name for name in part.classes if name != "N")
            if "N" not in part.classes or len(types) < 2:
                raise EcgError(
                    f"sampling=two_stage needs normal beats (N) and at least two abnormal classes; "
                    f"the data have {', '.join(part.classes)}"
                )
            normal = part.classes.index("N")
            codes = np.cumsum([name != "N" for name in part.classes]) - 1
            first = min(max(round(per_round * sampling.share), 1), per_round - 1)
            return [
                task(
                    "anomaly",
                    ANOMALY,
                    sampling.anomaly,
                    first,
                    everything,
                    lambda label: (label != normal).astype(np.int64),
                ),
                task(
                    "type",
                    types,
                    sampling.type,
                    per_round - first,
                    lambda label: label != normal,
                    lambda label: codes[label],
                ),
            ]
