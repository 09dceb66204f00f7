"""Loggers: the curves as a file, in MLflow and in Weights & Biases, none of which may touch the result."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from ecgcli.config import TrainConfig
from ecgcli.errors import EcgError
from ecgcli.learning.csv_curves import CsvCurves
from ecgcli.learning.loggers import build_loggers, finish_loggers, flat
from ecgcli.learning.progress import quiet_libraries
from ecgcli.runs import run_name
from tests.conftest import train_config

SCORES = {"test_macro_f1": 0.75, "test_recall/S": 0.5}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder that is being written; `outputs/` lies beside it."""
    monkeypatch.chdir(tmp_path)
    quiet_libraries()
    return tmp_path / "outputs" / "train" / "demo.partial"


def curves(config: TrainConfig, folder: Path, place: str, rounds: range = range(3)) -> None:
    """What a training logs, round by round."""
    loggers = build_loggers(config, folder, place)
    for i in rounds:
        for logger in loggers:
            logger.log_metrics({"loss/training": 1 / (i + 1)}, step=10 * i)
            logger.log_metrics({"macro_f1": i / 10, "recall/N": 0.9}, step=10 * i + 10)
    for logger in loggers:
        logger.save()
        logger.finalize("success")


def test_every_run_writes_tensorboard_and_the_other_logs_come_beside_it(folder: Path) -> None:
    (board,) = build_loggers(train_config(), folder, "anomaly")
    assert board.log_dir == str(folder / "tensorboard" / "anomaly")
    first, second = build_loggers(train_config("logger=csv"), folder, "all")
    assert first.log_dir == str(folder / "tensorboard" / "all")
    assert isinstance(second, CsvCurves)
    finish_loggers(train_config("logger=csv"), folder, SCORES)
    finish_loggers(train_config(), folder, SCORES)


def test_csv_has_a_row_an_entry_and_a_column_a_metric(folder: Path) -> None:
    curves(train_config("logger=csv"), folder, "fold0/type")
    table = pd.read_csv(folder / "csv" / "fold0" / "type.csv")
    assert list(table) == ["step", "loss/training", "macro_f1", "recall/N"]
    assert table["step"].tolist() == [0, 10, 10, 20, 20, 30]
    assert table["macro_f1"].dropna().tolist() == [0, 0.1, 0.2]
    assert table["loss/training"].notna().tolist() == [True, False] * 3


@pytest.mark.promise
def test_csv_of_an_interrupted_run_ends_up_as_that_of_one_never_interrupted(
    folder: Path, tmp_path: Path
) -> None:
    config = train_config("logger=csv")
    curves(config, tmp_path / "whole", "all", range(5))
    logger = build_loggers(config, folder, "all")[1]
    for i in range(3):  # killed in the fourth round, to go on from the checkpoint of the second
        logger.log_metrics({"loss/training": 1 / (i + 1)}, step=10 * i)
        logger.log_metrics({"macro_f1": i / 10, "recall/N": 0.9}, step=10 * i + 10)
    logger.log_metrics({"loss/training": 1 / 4}, step=30)
    curves(config, folder, "all", range(2, 5))
    assert (folder / "csv/all.csv").read_text() == (tmp_path / "whole/csv/all.csv").read_text()


def test_a_package_that_is_missing_is_named_with_how_to_get_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecgcli.learning.loggers.find_spec", lambda name: None)
    for name, package in (("mlflow", "mlflow-skinny"), ("wandb", "wandb")):
        with pytest.raises(EcgError) as failure:
            build_loggers(train_config(f"logger={name}"), folder, "all")
        wanted = f"logger={name} needs the package {package}: pip install 'ecgcli[{name}]'"
        assert str(failure.value) == wanted


def test_settings_are_flat_and_plain() -> None:
    settings = flat({"model": {"name": "cnn", "channels": [4, 8]}, "seed": 0, "data_dir": None})
    assert settings == {"model.name": "cnn", "model.channels": "[4, 8]", "seed": 0, "data_dir": "None"}


# -- MLflow --------------------------------------------------------------------------------------------


def mlflow_client() -> Any:
    from mlflow import MlflowClient

    return MlflowClient(Path("outputs/mlflow").resolve().as_uri())


def mlflow_runs() -> list[Any]:
    client = mlflow_client()
    experiment = client.get_experiment_by_name("ecgcli")
    return list(client.search_runs([experiment.experiment_id])) if experiment else []


@pytest.mark.promise
def test_mlflow_has_one_run_with_settings_curves_and_final_scores(folder: Path) -> None:
    pytest.importorskip("mlflow")
    config = train_config("logger=mlflow", "sampling=two_stage", "seed=7")
    for place in ("anomaly", "type"):
        curves(config, folder, place)
    finish_loggers(config, folder, SCORES)
    (run,) = mlflow_runs()
    assert run.info.run_name == run_name(config)
    assert run.info.status == "FINISHED"
    assert run.data.params["seed"] == "7" and run.data.params["sampling.name"] == "two_stage"
    assert run.data.metrics["test_macro_f1"] == 0.75 and run.data.metrics["test_recall/S"] == 0.5
    history = mlflow_client().get_metric_history(run.info.run_id, "type/macro_f1")
    assert [(point.step, point.value) for point in history] == [(10, 0), (20, 0.1), (30, 0.2)]
    assert "anomaly/loss/training" in run.data.metrics


def test_mlflow_run_goes_on_after_an_interruption_and_a_deleted_one_is_begun_anew(folder: Path) -> None:
    pytest.importorskip("mlflow")
    config = train_config("logger=mlflow", "sampling=imbalanced")
    build_loggers(config, folder, "all")[1].finalize("failed")
    assert mlflow_runs()[0].info.status == "FAILED"
    curves(config, folder, "all")
    (run,) = mlflow_runs()
    assert run.data.metrics["macro_f1"] == 0.2, "one network needs no prefix"
    mlflow_client().delete_run(run.info.run_id)
    finish_loggers(config, folder, SCORES)
    (other,) = mlflow_runs()
    assert other.info.run_id != run.info.run_id


def test_mlflow_that_cannot_be_used_is_told_in_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    config = train_config("logger=mlflow", "logger.tracking_uri=http://127.0.0.1:9")
    with pytest.raises(EcgError, match=r"^logger=mlflow http://127\.0\.0\.1:9: .+$"):
        build_loggers(config, folder, "all")


# -- Weights & Biases ----------------------------------------------------------------------------------


def wandb_records(folder: Path) -> list[Any]:
    """What an offline run holds: protobuf records in a LevelDB log behind seven bytes of header."""
    import wandb.proto.wandb_internal_pb2

    record: Any = vars(wandb.proto.wandb_internal_pb2)["Record"]

    (path,) = folder.glob("offline-run-*/run-*.wandb")
    data, at, records, piece = path.read_bytes(), 7, [], b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:  # the rest of a block is too short for a record's head
            at += 32768 - at % 32768
            continue
        length, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        piece += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last piece
            records.append(record.FromString(piece))
            piece = b""
    return records


@pytest.mark.promise
@pytest.mark.slow
def test_wandb_offline_has_one_run_with_settings_curves_and_final_scores(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("wandb")
    config = train_config("logger=wandb", "sampling=two_stage", "seed=7")
    random.seed(3)
    wanted = random.getstate()
    for place in ("anomaly", "type"):
        curves(config, folder, place)
    finish_loggers(config, folder, SCORES)
    assert random.getstate() == wanted
    said = capfd.readouterr()
    assert said.out == said.err == "", "no chatter"
    import wandb

    wandb.teardown()  # waits, as the end of `ecg train` does, for wandb's own process to have written
    records = wandb_records(Path("outputs/wandb"))
    started = [record.run for record in records if record.HasField("run")]
    assert {run.display_name for run in started} == {run_name(config)}
    settings = {u.key: u.value_json for run in started for u in run.config.update}
    assert settings["seed"] == "7" and settings["sampling.name"] == '"two_stage"'
    logged = {
        (item.key or "/".join(item.nested_key))
        for record in records
        if record.HasField("history")
        for item in record.history.item
    }
    assert {"anomaly/macro_f1", "type/loss/training", "trainer/global_step"} <= logged
    summary = {
        (item.key or "/".join(item.nested_key)): item.value_json
        for record in records
        if record.HasField("summary")
        for item in record.summary.update
    }
    assert summary["test_macro_f1"] == "0.75" and summary["test_recall/S"] == "0.5"
    assert wandb.run is None, "the next run of a sweep starts its own"


# -- reproducibility -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["csv", "mlflow"])
def test_a_logger_draws_no_random_number(name: str, folder: Path) -> None:
    if name != "csv":
        pytest.importorskip(name)
    config = train_config(f"logger={name}")

    def states() -> tuple[Any, ...]:
        return random.getstate(), np.random.get_state()[1].tobytes(), torch.get_rng_state().tolist()  # type: ignore[index]

    before = states()
    curves(config, folder, "all")
    finish_loggers(config, folder, SCORES)
    assert states() == before
