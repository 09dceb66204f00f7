"""`ecg train` from end to end, on simulated patients."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecgcli.commands.train import train
from ecgcli.errors import EcgError
from ecgcli.runs import Run, run_name
from tests.conftest import TINY, train_config


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*overrides: str) -> Run:
    config = train_config(*TINY, *overrides)
    train(config)
    return Run(Path("outputs/train") / run_name(config))


@pytest.mark.promise
def test_a_run_folder_holds_all_that_it_promises(finished_run: Run) -> None:
    path = finished_run.path
    for name in (
        "config.json",
        "run.json",
        "metrics.json",
        "report.md",
        "report.html",
        "model/model.json",
        "model/model.safetensors",
    ):
        assert (path / name).is_file(), name
    assert list((path / "figures").glob("*.png"))
    for part in ("validation", "test"):
        frame = pd.read_parquet(path / "predictions" / f"{part}.parquet")
        classes = finished_run.metrics["classes"]
        wanted = ["record", "subject", "sample", "label", *(f"p_{c}" for c in classes)]
        wanted += [f"raw_{c}" for c in classes] if frame.columns.str.startswith("raw_").any() else []
        around = ["heart_rate", "rhythm", "fault"] if part == "test" else []
        assert list(frame.columns) == [*wanted, "predicted", *around]
        assert frame[[f"p_{c}" for c in classes]].sum(axis=1).to_numpy() == pytest.approx(1)
        assert frame.equals(frame.sort_values(["record", "sample"], ignore_index=True))
    assert not list(path.glob("**/.*")), "nothing temporary is left"


@pytest.mark.promise
def test_metrics_are_those_of_the_saved_predictions(finished_run: Run) -> None:
    from sklearn.metrics import accuracy_score, f1_score

    test = finished_run.metrics["test"]
    frame = finished_run.predictions("test")
    classes = finished_run.metrics["classes"]
    decided = np.array(classes)[frame[[f"p_{c}" for c in classes]].to_numpy().argmax(1)]
    assert test["accuracy"] == pytest.approx(accuracy_score(frame["label"], decided))
    present = [c for c in classes if (frame["label"] == c).any()]
    assert test["macro_f1"] == pytest.approx(
        f1_score(frame["label"], decided, labels=present, average="macro", zero_division=0)
    )
    abnormal = frame["label"] != "N"
    assert test["abnormal_called_normal"] == pytest.approx((decided[abnormal] == "N").mean())
    for name in classes:
        assert set(test["per_class"][name]) >= {"support", "recall", "precision", "f1", "called_normal"}
        assert test["per_class"][name]["support"] == (frame["label"] == name).sum()


def test_provenance_names_versions_data_seed_and_durations(finished_run: Run) -> None:
    told = finished_run.provenance
    assert told["seed"] == 0
    assert told["data_fingerprint"] == finished_run.metrics["data"]["fingerprint"]
    assert set(told["seconds"]) == {"beats", "training", "prediction", "report"}
    assert {"torch", "pytorch-lightning", "numpy"} <= set(told["packages"])


def test_a_cascade_reports_where_its_errors_come_from(finished_run: Run) -> None:
    assert finished_run.metrics["error_budget"] is not None
    assert "missed at stage one" in (finished_run.path / "report.md").read_text()


def test_a_finished_run_is_shown_and_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    first = run()
    before = (first.path / "run.json").read_bytes()
    capsys.readouterr()
    run()
    assert (first.path / "run.json").read_bytes() == before
    assert "force=true repeats it" in capsys.readouterr().out
    run("force=true")
    assert (first.path / "run.json").read_bytes() != before
    assert [p.name for p in Path("outputs/train").iterdir()] == [first.path.name]


def test_a_run_made_from_other_data_is_not_passed_off_as_this_one() -> None:
    path = run().path / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "data_fingerprint": "x"}))
    with pytest.raises(EcgError, match="was trained on other data"):
        run()


@pytest.mark.promise
def test_every_scoring_of_a_test_part_leaves_a_line_and_test_false_builds_none() -> None:
    closed = run("test=false")
    assert not Path("outputs/test_openings.csv").exists()
    assert closed.metrics["test"] is None
    assert not (closed.path / "predictions/test.parquet").exists()
    opened = run()
    rows = list(csv.DictReader(Path("outputs/test_openings.csv").read_text().splitlines()))
    assert [(row["command"], row["run"], row["protocol"]) for row in rows] == [
        ("train", opened.path.name, "by_subject")
    ]
    assert int(rows[0]["beats"]) == opened.metrics["test"]["beats"]


def test_the_name_says_what_the_run_is() -> None:
    name = run_name(train_config("data=kaggle", "sampling=two_stage", "seed=3"))
    assert name.startswith("kaggle-kaggle-two_stage-cnn-s3-")
    assert name != run_name(train_config("data=kaggle", "sampling=two_stage", "seed=3", "optimizer.lr=0.1"))


@pytest.mark.promise
def test_tensorboard_has_curves_classes_pictures_and_hyper_parameters(finished_run: Run) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def tags(folder: Path) -> dict[str, list[str]]:
        events = EventAccumulator(str(folder))
        events.Reload()
        found: dict[str, list[str]] = events.Tags()
        return found

    board = finished_run.path / "tensorboard"
    anomaly = tags(board / "anomaly")["scalars"]
    assert {"loss/training", "loss/validation", "learning_rate", "macro_f1", "recall/abnormal"} <= set(
        anomaly
    )
    root = tags(board)
    assert {"hp/test_accuracy", "hp/test_macro_f1", "test_recall/N"} <= set(root["scalars"])
    assert {"confusion/validation", "confusion/test"} <= set(root["images"])
    hparams = EventAccumulator(str(board))
    hparams.Reload()
    assert any("hparams" in name for name in hparams.summary_metadata), "the hparams tab is filled"
