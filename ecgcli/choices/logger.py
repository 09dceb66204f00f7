"""Loggers: where the curves of a training go."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ecgcli.choices import Choice


class TensorBoardLog(Choice):
    """TensorBoard event files in the run folder, which every run writes."""

    name: Literal["tensorboard"]


class CsvLog(Choice):
    """The curves as CSV files in the run folder, beside TensorBoard."""

    name: Literal["csv"]


class MlflowLog(Choice):
    """MLflow, beside TensorBoard; `tracking_uri` null is the folder `outputs/mlflow`."""

    name: Literal["mlflow"]
    experiment: str
    tracking_uri: str | None


class WandbLog(Choice):
    """Weights & Biases, beside TensorBoard; `offline` writes to `outputs/wandb` alone."""

    name: Literal["wandb"]
    project: str
    offline: bool


Logger = Annotated[TensorBoardLog | CsvLog | MlflowLog | WandbLog, Field(discriminator="name")]
