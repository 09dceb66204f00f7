"""Fitting: one network, or anomaly × type, within one budget of optimizer steps."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger

from ecgcli.beats.protocol import Part, labels
from ecgcli.beats.segment import Segmenter
from ecgcli.beats.table import BeatTable
from ecgcli.choices import Imbalanced, Rebalanced, Stage, TwoStage
from ecgcli.config import TrainConfig
from ecgcli.errors import EcgError
from ecgcli.learning.classifier import Classifier
from ecgcli.learning.datamodule import BeatData, EvaluationBatches, TrainingBatches
from ecgcli.learning.losses import TrainingLoss
from ecgcli.learning.model import ANOMALY, Model, ModelFacts, NetworkFacts
from ecgcli.learning.networks import build
from ecgcli.learning.progress import bar_wanted, progress, quiet_libraries
from ecgcli.learning.sampling import Stream, class_weights

Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Task:
    """What one network has to learn.

    Attributes:
        name: `all`, `anomaly` or `type`.
        classes: names of the outputs.
        train: rows of the table to train on, with `train_label` as indices into `classes`.
        validation: rows of the table to validate on, with `validation_label`.
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


@dataclass(frozen=True)
class Fitted:
    """A model with the story of its training."""

    model: Model
    steps: int
    seconds: float
    curves: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    def story(self, config: TrainConfig) -> dict[str, Any]:
        """What training cost and how it went, as plain data."""
        return {
            "steps": self.steps,
            "parameters": self.model.parameters,
            "seconds": round(self.seconds, 2),
            "weights": config.select,
            "batch_size": config.trainer.batch_size,
            "curves": self.curves,
        }


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


def fit(table: BeatTable, part: Part, config: TrainConfig, folder: Path) -> Fitted:
    """Trains what the configuration asks for and writes `model/`, checkpoints and TensorBoard logs.

    Args:
        table: the beats.
        part: which of them to train and validate on; the test part is not touched.
        config: the configuration.
        folder: the run folder.
    """
    quiet_libraries()
    device(config.trainer.accelerator, config.trainer.threads)  # says so at once where there is none
    started = time.perf_counter()
    networks: dict[str, torch.nn.Module] = {}
    facts: dict[str, NetworkFacts] = {}
    curves: dict[str, list[dict[str, float]]] = {}
    todo = tasks(table, part, config)
    for number, task in enumerate(todo):
        networks[task.name], curves[task.name] = fit_one(table, task, config, folder, number)
        facts[task.name] = NetworkFacts(
            architecture=config.model,
            leads=table.signal.shape[1],
            length=table.signal.shape[2],
            classes=task.classes,
        )
    model = Model(
        ModelFacts(
            format=1,
            kind="two_stage" if len(todo) == 2 else "single",
            classes=part.classes,
            segmenter=Segmenter.from_config(config.beat).to_dict(),
            networks=facts,
            trained_on={
                "data": table.source,
                "database": config.data.database,
                "fingerprint": table.fingerprint,
                "protocol": part.name,
                "class_map": table.class_map,
                "records": sorted({table.records[i] for i in np.unique(table.record[part.train])}),
                "subjects": sorted({table.subjects[i] for i in np.unique(table.record[part.train])}),
                "seed": config.seed,
            },
        ),
        networks,
    )
    model.save(folder / "model")
    return Fitted(model, sum(task.steps for task in todo), time.perf_counter() - started, curves)


def fit_one(
    table: BeatTable, task: Task, config: TrainConfig, folder: Path, number: int
) -> tuple[torch.nn.Module, list[dict[str, float]]]:
    """Trains one network; returns it on the CPU, with the weights that `select` names, and its curves."""
    if len(np.unique(task.validation_label)) == 0:
        raise EcgError(f"the validation part has no beats for the network {task.name!r}")
    seed = int(np.random.SeedSequence([config.seed, number]).generate_state(1)[0])
    pl.seed_everything(seed, verbose=False)
    choice = config.trainer
    network = build(config.model, table.signal.shape[1], table.signal.shape[2], len(task.classes))
    weights = class_weights(task.train_label, len(task.classes), task.stage)
    classifier = Classifier(
        network,
        task.classes,
        TrainingLoss(
            config.loss,
            torch.from_numpy(np.bincount(task.train_label, minlength=len(task.classes))),
            None if weights is None else torch.from_numpy(weights).float(),
        ),
        config.optimizer,
        task.steps,
        seed,
    )
    stream = Stream(task.train_label, task.stage, task.fixed, seed)
    data = BeatData(
        TrainingBatches(
            torch.from_numpy(table.signal[task.train]),
            torch.from_numpy(task.train_label),
            stream,
            choice.batch_size,
            task.steps // task.rounds,
        ),
        EvaluationBatches(
            torch.from_numpy(table.signal[task.validation]), torch.from_numpy(task.validation_label)
        ),
    )
    checkpoints = ModelCheckpoint(
        folder / "checkpoints" / task.name,
        filename="best",
        monitor="macro_f1",
        mode="max",
        save_last=True,
        enable_version_counter=False,
        save_weights_only=False,
    )
    trainer = pl.Trainer(
        accelerator=choice.accelerator,
        devices=1,
        precision=choice.precision,
        max_epochs=task.rounds,
        gradient_clip_val=choice.gradient_clip,
        deterministic=choice.deterministic,
        logger=TensorBoardLogger(folder, name="tensorboard", version=task.name),
        callbacks=[checkpoints, *progress(choice.progress, task.name, task.rounds)],
        enable_progress_bar=bar_wanted(choice.progress),
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
    )
    try:
        trainer.fit(classifier, datamodule=data)
    except SystemExit:
        # Lightning turns Ctrl-C into an exit of its own; say it as what it was
        raise KeyboardInterrupt from None
    wanted = checkpoints.best_model_path if config.select == "best" else checkpoints.last_model_path
    state = torch.load(wanted, map_location="cpu", weights_only=True)["state_dict"]
    prefix = "network."
    network.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
    return network.cpu().eval(), classifier.curves


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
