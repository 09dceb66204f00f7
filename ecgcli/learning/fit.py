"""Fitting: one network, or anomaly × type, each going on from its last whole round."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch

from ecgcli.beats.protocol import Part
from ecgcli.beats.segment import Segmenter
from ecgcli.beats.table import BeatTable
from ecgcli.config import TrainConfig
from ecgcli.errors import EcgError
from ecgcli.learning.checkpoints import WholeFiles, keeping, read
from ecgcli.learning.classifier import Classifier
from ecgcli.learning.datamodule import BeatData, EvaluationBatches, Rows, TrainingBatches
from ecgcli.learning.facts import ModelFacts, NetworkFacts
from ecgcli.learning.loggers import build_loggers
from ecgcli.learning.losses import TrainingLoss
from ecgcli.learning.model import Model
from ecgcli.learning.networks import build
from ecgcli.learning.progress import Rounds, Watch, bar_wanted, progress, quiet_libraries
from ecgcli.learning.ranks import World, together
from ecgcli.learning.rhythms import simulated_rhythms
from ecgcli.learning.sampling import Stream, class_weights
from ecgcli.learning.tasks import Task, tasks


@dataclass(frozen=True)
class Fitted:
    """A model with the story of its training.

    Attributes:
        model: the model.
        steps: optimizer steps, all networks together.
        seconds: of training, those before an interruption included.
        curves: network → a row a round.
    """

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
            "ema": config.trainer.ema,
            "batch_size": config.trainer.batch_size,
            "curves": self.curves,
        }


def fit(
    table: BeatTable, divisions: list[Part], config: TrainConfig, folder: Path, watch: Watch | None = None
) -> Fitted:
    """Trains what the configuration asks for and writes `model/`, checkpoints and TensorBoard logs.

    Networks that an earlier, interrupted call has finished in this folder are loaded, not trained again.

    Args:
        table: the beats.
        divisions: which of them to train and validate on, one member of the model for each; the test parts
            are not touched.
        config: the configuration.
        folder: the run folder.
        watch: is told of every round.
    """
    quiet_libraries()
    with together(config, folder, table.fingerprint) as world:
        fitted = fit_as(world, table, divisions, config, folder, watch)
    fitted.model.save(folder / "model")
    return fitted


def fit_as(
    world: World,
    table: BeatTable,
    divisions: list[Part],
    config: TrainConfig,
    folder: Path,
    watch: Watch | None = None,
) -> Fitted:
    """What one of the processes that fit together does of `fit`; all of them get the same model."""
    members: list[dict[str, torch.nn.Module]] = []
    facts: dict[str, NetworkFacts] = {}
    curves: dict[str, list[dict[str, float]]] = {}
    steps, seconds = 0, 0.0
    for fold, part in enumerate(divisions):
        members.append({})
        for number, task in enumerate(tasks(table, part, config)):
            place = task.name if len(divisions) == 1 else f"fold{fold}/{task.name}"
            network, state = fit_one(world, table, task, config, folder, place, (number, fold), watch)
            members[fold][task.name] = network
            curves[place] = state["story"]["curves"]
            steps, seconds = steps + state["global_step"], seconds + state["story"]["seconds"]
            facts[task.name] = NetworkFacts(
                architecture=config.model,
                leads=table.signal.shape[1],
                length=table.signal.shape[2],
                features=len(table.feature_names),
                classes=task.classes,
            )
    trained = np.unique(table.record[np.concatenate([part.train for part in divisions])])
    model = Model(
        ModelFacts(
            format=1,
            kind="two_stage" if len(facts) == 2 else "single",
            members=len(members),
            classes=divisions[0].classes,
            segmenter=Segmenter.from_config(config.beat).to_dict(),
            networks=facts,
            trained_on={
                "data": table.source,
                "database": config.data.database,
                "fingerprint": table.fingerprint,
                "protocol": divisions[0].name,
                "class_map": table.class_map,
                "records": sorted({table.records[i] for i in trained}),
                "subjects": sorted({table.subjects[i] for i in trained}),
                "seed": config.seed,
            },
        ),
        tuple(members),
    )
    return Fitted(model, steps, seconds, curves)


def fit_one(
    world: World,
    table: BeatTable,
    task: Task,
    config: TrainConfig,
    folder: Path,
    place: str,
    number: tuple[int, int],
    watch: Watch | None = None,
) -> tuple[torch.nn.Module, dict[str, Any]]:
    """Trains one network, from the last whole round where an interruption left one.

    Args:
        world: this process's place among those that train it.
        table: the beats.
        task: what to learn.
        config: the configuration.
        folder: the run folder.
        place: name of the network in `checkpoints/` and `tensorboard/`.
        number: of the stage and of the fold; with the seed they seed the network.
        watch: is told of every round.

    Returns:
        The network on the CPU, with the weights that `select` names, and its last checkpoint.
    """
    stage, fold = number
    entropy = [config.seed, stage, fold] if fold else [config.seed, stage]
    seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
    pl.seed_everything(seed, verbose=False)
    choice = config.trainer
    data = _batches(table, task, choice.batch_size, seed, world)
    _, channels, length = table.signal.shape
    network = build(config.model, channels, length, len(task.classes), len(table.feature_names))
    prepare = getattr(network, "prepare", None)
    if callable(prepare):
        # what a network fixes from training beats before it is trained
        prepare(data.training.signal, seed)
    weights = class_weights(task.train_label, len(task.classes), task.stage)
    classifier = Classifier(
        network,
        task.classes,
        TrainingLoss(
            config.loss,
            torch.from_numpy(np.bincount(task.train_label, minlength=len(task.classes))),
            None if weights is None else torch.from_numpy(weights).float(),
        ),
        config.augment,
        table.rate,
        len(table.leads),
        config.optimizer,
        task.steps,
        seed,
        simulated_rhythms(table, task.classes) if config.augment.rhythm else (),
    )
    checkpoints = folder / "checkpoints" / place
    validated = len(task.validation) > 0
    if 0 < len(task.validation) < world.size:
        few = len(task.validation)
        raise EcgError(f"{place}: {few} validation beats, fewer than the {world.size} processes")
    first = world.rank == 0
    trainer = pl.Trainer(
        accelerator=choice.accelerator,
        precision=choice.precision,
        max_epochs=task.rounds,
        gradient_clip_val=choice.gradient_clip,
        deterministic=choice.deterministic,
        logger=build_loggers(config, folder, place) if first else False,
        callbacks=[
            *keeping(checkpoints, choice, validated),
            *(progress(choice.progress, place, task.rounds) if first else ()),
            *([Rounds(watch, fold, task.name, task.rounds)] if watch else []),
        ],
        plugins=[WholeFiles(), *world.plugins()],
        enable_progress_bar=first and bar_wanted(choice.progress),
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        limit_val_batches=None if validated else 0,
        log_every_n_steps=1,
        **world.trainer(),
    )
    last = world.agreed(read(checkpoints / "last.ckpt"))
    if last is None or not last["story"]["over"]:
        if last and first:
            done = len(last["story"]["curves"])
            print(f"ecg: {place}: going on after round {done} of {task.rounds}", file=sys.stderr, flush=True)
        try:
            trainer.fit(classifier, datamodule=data, ckpt_path=checkpoints / "last.ckpt" if last else None)
        except SystemExit:
            # Lightning turns Ctrl-C into an exit of its own; say it as what it was
            raise KeyboardInterrupt from None
        last = world.agreed(read(checkpoints / "last.ckpt"))
    wanted = world.agreed(read(checkpoints / f"{config.select}.ckpt"))
    assert last is not None and wanted is not None, "the trainer wrote both"
    prefix = "network."
    network.load_state_dict(
        {k.removeprefix(prefix): v for k, v in wanted["state_dict"].items() if k.startswith(prefix)}
    )
    return network.cpu().eval(), last


def _batches(table: BeatTable, task: Task, batch_size: int, seed: int, world: World) -> BeatData:
    def columns(rows: Any, label: Any) -> tuple[Rows, Rows, torch.Tensor]:
        return Rows(table.signal, rows), Rows(table.features, rows), torch.from_numpy(label)

    stream = Stream(task.train_label, task.stage, task.fixed, seed)
    training = columns(task.train, task.train_label)
    validation, label = task.validation[world.share], task.validation_label[world.share]
    return BeatData(
        TrainingBatches(*training, stream, batch_size, task.steps // task.rounds, world.share),
        EvaluationBatches(*columns(validation, label)),
    )
