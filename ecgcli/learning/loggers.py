"""Where the curves of training go: TensorBoard always, and what `logger=` adds to it.

A run is one run in MLflow and Weights & Biases too, with one or several networks, interrupted or not: which
one is remembered in `logger.json` in the run folder.
"""

from __future__ import annotations

import json
import os
import random
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from ecgcli.choices.logger import CsvLog, MlflowLog, TensorBoardLog, WandbLog
from ecgcli.config import TrainConfig, identity
from ecgcli.errors import EcgError
from ecgcli.files import write_json
from ecgcli.learning.csv_curves import CsvCurves
from ecgcli.runs import OUTPUTS, run_name

MLFLOW_FOLDER = "mlflow"
"""Folder below `outputs/` that MLflow writes to where no tracking server is named."""


def build_loggers(config: TrainConfig, folder: Path, place: str) -> list[Logger]:
    """The loggers of one network, TensorBoard first.

    Names of metrics are those of TensorBoard. MLflow and Weights & Biases hold the networks of a run
    together: there the network's name stands before them, unless there is only one.

    Args:
        config: the configuration.
        folder: the run folder.
        place: name of the network in the folder: `all`, `anomaly`, `type`, `fold0/all`, ...

    Raises:
        EcgError: if the package is missing, or what it logs to cannot be reached.
    """
    loggers: list[Logger] = [TensorBoardLogger(folder, name="tensorboard", version=place)]
    match config.logger:
        case TensorBoardLog():
            pass
        case CsvLog():
            loggers.append(CsvCurves(folder / "csv" / f"{place}.csv"))
        case MlflowLog():
            loggers.append(_mlflow(config, config.logger, folder, place))
        case WandbLog():
            loggers.append(_wandb(config, config.logger, folder, place))
    return loggers


def finish_loggers(config: TrainConfig, folder: Path, scores: Mapping[str, float]) -> None:
    """Hands the final scores of a run to MLflow or Weights & Biases and closes it there.

    Args:
        config: the configuration.
        folder: the run folder.
        scores: name → score.

    Raises:
        EcgError: as `build_loggers`.
    """
    match config.logger:
        case MlflowLog():
            logger = _mlflow(config, config.logger, folder, "all")
            with _told(f"logger=mlflow {_uri(config.logger)}"):
                logger.log_metrics(dict(scores))
                logger.finalize("success")
        case WandbLog():
            run = _wandb(config, config.logger, folder, "all").experiment
            with _told("logger=wandb"), _same_random():
                run.summary.update(dict(scores))
                run.finish()


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as `model.channels: [16, 32]`, in values that every logger takes."""
    out: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            out |= flat(value, f"{prefix}{key}.")
        else:
            out[f"{prefix}{key}"] = value if isinstance(value, (bool, int, float, str)) else str(value)
    return out


def _mlflow(config: TrainConfig, choice: MlflowLog, folder: Path, place: str) -> MLFlowLogger:
    _need("mlflow", "mlflow-skinny")
    for key, value in {
        "MLFLOW_ALLOW_FILE_STORE": "true",  # a folder needs no database, so mlflow-skinny is enough
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # of 7 that take four minutes to say that nobody is there
    }.items():
        os.environ.setdefault(key, value)
    uri = _uri(choice)
    with _told(f"logger=mlflow {uri}"), _same_random():
        from mlflow import MlflowClient

        client = MlflowClient(uri)
        logger = MLFlowLogger(
            choice.experiment,
            run_name=run_name(config),
            tracking_uri=uri,
            prefix=_prefix(place),
            run_id=_still_there(client, _remembered(folder, "mlflow")),
        )
        logger.LOGGER_JOIN_CHAR = "/"
        if client.get_experiment_by_name(choice.experiment) is None:
            client.create_experiment(choice.experiment)
        assert logger.run_id is not None
        _remember(folder, "mlflow", logger.run_id)
        client.update_run(logger.run_id, status="RUNNING")
        logger.log_hyperparams(flat(identity(config)))
    return logger


def _uri(choice: MlflowLog) -> str:
    # absolute, as MLflow keeps a store open by its name wherever the process goes
    return choice.tracking_uri or (OUTPUTS / MLFLOW_FOLDER).resolve().as_uri()


def _still_there(client: Any, run: str | None) -> str | None:
    """The run to go on with; None if somebody deleted it."""
    from mlflow.exceptions import MlflowException

    try:
        return run if run and client.get_run(run).info.lifecycle_stage == "active" else None
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise


def _wandb(config: TrainConfig, choice: WandbLog, folder: Path, place: str) -> WandbLogger:
    _need("wandb", "wandb")
    if choice.offline:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    # how long wandb waits for its own process: a busy machine takes longer than its 30 seconds
    os.environ.setdefault("WANDB__SERVICE_WAIT", "300")
    with _told("logger=wandb"), _same_random():
        import wandb

        run = _remembered(folder, "wandb") or secrets.token_hex(4)
        _remember(folder, "wandb", run)
        if wandb.run is not None and wandb.run.id != run:
            wandb.run.finish()  # one that failed earlier in this process, in a sweep
        experiment = wandb.run
        if experiment is None:
            OUTPUTS.mkdir(exist_ok=True)  # wandb would take a folder for temporary files instead
            # started here and not by Lightning, whose `offline` switches all later runs of the process
            experiment = wandb.init(
                project=choice.project,
                name=run_name(config),
                id=run,
                resume="allow",
                dir=str(OUTPUTS.absolute()),  # wandb's own process may have been started elsewhere
                mode="offline" if choice.offline else "online",
                config=flat(identity(config)),
                settings=wandb.Settings(silent=True, console="off", save_code=False, disable_git=True),
            )
            experiment.define_metric("trainer/global_step")
            experiment.define_metric("*", step_metric="trainer/global_step", step_sync=True)
        logger = WandbLogger(project=choice.project, experiment=experiment, prefix=_prefix(place))
        logger.LOGGER_JOIN_CHAR = "/"
    return logger


def _need(module: str, package: str) -> None:
    if find_spec(module) is None:
        raise EcgError(f"logger={module} needs the package {package}: pip install 'ecgcli[{module}]'")


def _prefix(place: str) -> str:
    return place.removesuffix("all").removesuffix("/")


def _remembered(folder: Path, service: str) -> str | None:
    path = folder / "logger.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    run = known.get(service)
    return run if isinstance(run, str) else None


def _remember(folder: Path, service: str, run: str) -> None:
    if _remembered(folder, service) != run:
        write_json(folder / "logger.json", {service: run})


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Turns what these packages raise, each its own kinds, into one line."""
    try:
        yield
    except EcgError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise EcgError(f"{where}: {reason[:300]}") from error


@contextmanager
def _same_random() -> Iterator[None]:
    """Gives Python's random numbers back as they were: these packages draw names from them."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)
