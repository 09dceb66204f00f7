"""What TensorBoard shows of a finished run, beside its curves: scores, figures, the report, the networks."""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from matplotlib.image import imread
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from ecgcli.config import TrainConfig, identity
from ecgcli.evaluation.predictions import labels, probabilities
from ecgcli.learning.loggers import flat
from ecgcli.learning.model import Model
from ecgcli.reporting.examples import confident_mistakes
from ecgcli.reporting.network_table import network_table
from ecgcli.reporting.plots import confusion_matrix

FINAL = ("accuracy", "macro_f1", "macro_recall", "mcc", "abnormal_called_normal")
"""Scores that runs are compared by in the hparams tab."""

THRESHOLDS = 127
"""Points of a precision–recall curve, at probabilities from 0 to 1; TensorBoard takes no more."""


def log_results(
    folder: Path, config: TrainConfig, metrics: Mapping[str, Any], model: Model, examples: Mapping[str, Any]
) -> None:
    """Writes what a finished run has to show, from what stands in its folder.

    In `tensorboard/`: the configuration with the final scores, so that runs compare in the hparams tab;
    confusion matrices and precision–recall curves of both parts; beats of every class and the most confident
    mistakes of the leading part; the other figures of the report; the report and a table of each network as
    text. In the folder of each network: its graph. Of an ensemble, whose members are alike, the first
    member's networks.

    Args:
        folder: the run folder, with `predictions/`, `figures/` and `report.md`; events go to `tensorboard/`.
        config: the configuration of the run.
        metrics: what `metrics.json` holds.
        model: the trained model.
        examples: `signal`, `rate`, `start`, `unit`, as for `examples.example_beats`, of the leading part.
    """
    for earlier in (folder / "tensorboard").glob("events.out.tfevents.*"):
        earlier.unlink()  # of a process that was killed while it wrote them
    classes = metrics["classes"]
    parts = [part for part in ("validation", "test") if metrics[part] is not None]
    predictions = {part: pd.read_parquet(folder / "predictions" / f"{part}.parquet") for part in parts}
    with SummaryWriter(str(folder / "tensorboard")) as writer:
        for part in parts:
            _add_curves(writer, part, predictions[part], classes)
        if config.report.pictures != "none":
            for part in parts[:-1]:
                writer.add_figure(f"confusion/{part}", confusion_matrix(metrics[part]["confusion"], classes))
            figure = confident_mistakes(predictions=predictions[parts[-1]], classes=classes, **examples)
            writer.add_figure(f"beats/{parts[-1]}_most_confident_mistakes", figure)
        _add_report(writer, folder, parts[-1])
        _add_networks(writer, folder, model)
        _add_settings(writer, config, final_scores(metrics))


def final_scores(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The scores that runs are compared by: `test_macro_f1`, and of each class `test_recall/S`.

    Args:
        metrics: what `metrics.json` holds.
    """
    scores: dict[str, float] = {}
    for part in ("validation", "test"):
        result = metrics[part]
        if result is None:
            continue
        scores |= {f"{part}_{name}": result[name] for name in FINAL if result[name] is not None}
        for name, one in result["per_class"].items():
            for key in ("recall", "precision"):
                if one[key] is not None:
                    scores[f"{part}_{key}/{name}"] = one[key]
    return scores


def _add_curves(writer: SummaryWriter, part: str, predictions: pd.DataFrame, classes: Sequence[str]) -> None:
    truth, probability = labels(predictions, classes), probabilities(predictions, classes)
    for k, name in enumerate(classes):
        if (truth == k).any():
            writer.add_pr_curve(f"{part}/{name}", truth == k, probability[:, k], num_thresholds=THRESHOLDS)


def _add_report(writer: SummaryWriter, folder: Path, leading: str) -> None:
    """The report as text, without its figures, which a text has no place for: they go to the images."""
    report = (folder / "report.md").read_text(encoding="utf-8")
    writer.add_text("report", re.sub(r"^## Figures\n.*?(?=^## |\Z)", "", report, flags=re.M | re.S))
    names = {"confusion": f"confusion/{leading}", "examples": f"beats/{leading}_by_class"}
    for path in sorted((folder / "figures").glob("*.png")):
        tag = names.get(path.stem, f"report/{path.stem}")
        writer.add_image(tag, imread(path)[..., :3], dataformats="HWC")


def _add_networks(writer: SummaryWriter, folder: Path, model: Model) -> None:
    for name, network in model.members[0].items():
        facts, device = model.facts.networks[name], next(network.parameters()).device
        inputs: tuple[torch.Tensor, ...] = (torch.zeros(1, facts.leads, facts.length, device=device),)
        if facts.features:
            inputs += (torch.zeros(1, facts.features, device=device),)
        writer.add_text(f"structure/{name}", network_table(network, inputs))
        place = name if len(model.members) == 1 else f"fold0/{name}"
        add_graph(folder / "tensorboard" / place, network, inputs)


def _add_settings(writer: SummaryWriter, config: TrainConfig, scores: Mapping[str, float]) -> None:
    shown = {f"hp/{name}" if "/" not in name else name: value for name, value in scores.items()}
    for name, value in shown.items():
        writer.add_scalar(name, value)
    values = identity(config)
    if config.augment.name == "none":
        values["augment"] = {"name": "none"}  # strengths of nothing are columns for nothing
    settings = {k: str(v) if isinstance(v, bool) else v for k, v in flat(values).items()}
    # Without the first of the three, which names the columns, TensorBoard finds them itself in all runs, and
    # puts those settings first in which the runs differ. (torch leaves the function untyped.)
    _, started, ended = hparams(settings, shown)  # type: ignore[no-untyped-call]
    events: Any = writer.file_writer
    events.add_summary(started)
    events.add_summary(ended)


def add_graph(folder: Path, network: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    """Writes how a network computes, if torch can trace it; nothing else where it cannot.

    Args:
        folder: where the event file goes.
        network: any network.
        inputs: of one beat.
    """
    # torch prints what it cannot trace before it raises; a picture is not worth a run
    with (
        SummaryWriter(str(folder)) as writer,
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.suppress(RuntimeError),
    ):
        # The writer has no other way than torch.jit.trace, which torch calls deprecated, and which warns that
        # the trace holds for these inputs alone, as networks check how many features they get. So it does.
        warnings.filterwarnings("ignore", message="`torch.jit.trace")
        warnings.filterwarnings("ignore", message="Converting a tensor to a Python boolean")
        writer.add_graph(network, inputs)
