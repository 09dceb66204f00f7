"""What TensorBoard shows of a finished run: the hparams tab, final scores, the confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import TensorBoardLogger

from ecgcli.config import TrainConfig, identity
from ecgcli.reporting.plots import confusion_matrix

FINAL = ("accuracy", "macro_f1", "macro_recall", "mcc", "abnormal_called_normal")
"""Scores that runs are compared by in the hparams tab."""


def log_results(folder: Path, config: TrainConfig, metrics: Mapping[str, Any]) -> None:
    """Writes the configuration with the final scores, so that runs compare in the hparams tab.

    Args:
        folder: the run folder; events go to `tensorboard/`.
        config: the configuration of the run.
        metrics: what `metrics.json` holds.
    """
    scores: dict[str, float] = {}
    logger = TensorBoardLogger(folder, name="tensorboard", version="", default_hp_metric=False)
    for part in ("validation", "test"):
        result = metrics[part]
        if result is None:
            continue
        scores |= {f"hp/{part}_{name}": result[name] for name in FINAL if result[name] is not None}
        for name, one in result["per_class"].items():
            for key in ("recall", "precision"):
                if one[key] is not None:
                    scores[f"{part}_{key}/{name}"] = one[key]
        figure = confusion_matrix(result["confusion"], metrics["classes"])
        logger.experiment.add_figure(f"confusion/{part}", figure)
    logger.log_hyperparams(flat(identity(config)), scores)
    logger.finalize("success")


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as `model.channels: [16, 32]`, in values that TensorBoard takes."""
    out: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            out |= flat(value, f"{prefix}{key}.")
        else:
            out[f"{prefix}{key}"] = value if isinstance(value, (bool, int, float, str)) else str(value)
    return out
