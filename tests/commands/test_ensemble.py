"""Several runs as one model: their mean, by numpy from their own predictions; what does not go together."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from ecgcli.commands.ensemble import ensemble, ensemble_name, mean, open_runs
from ecgcli.commands.evaluate import evaluate
from ecgcli.commands.export import export
from ecgcli.commands.train import train
from ecgcli.config import EvalConfig, ExportConfig
from ecgcli.errors import EcgError
from ecgcli.learning.onnx_model import OnnxModel
from ecgcli.models import open_model
from ecgcli.parsing import parse
from ecgcli.runs import Run, run_name
from tests.conftest import TINY, compose_values, train_config

pytestmark = pytest.mark.promise


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of one network beside the cascade of `finished_run`; its test part was left closed."""
    folder, before = tmp_path_factory.mktemp("closed"), Path.cwd()
    os.chdir(folder)
    try:
        config = train_config(*TINY, "seed=1", "test=false")
        train(config)
    finally:
        os.chdir(before)
    return Run(folder / "outputs" / "train" / run_name(config))


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def evaluated(*runs: Run, test: bool | None = None) -> Path:
    values = compose_values("run=x", "report.replicates=20", "report.pictures=none", command="eval")
    values = {key: value for key, value in values.items() if key not in ("beat", "protocol")}
    config = values | {"run": [str(run.path) for run in runs], "test": test}
    evaluate(parse(EvalConfig, config))
    return Path("outputs/eval") / ensemble_name(runs)


def raw(frame: pd.DataFrame, classes: list[str]) -> npt.NDArray[np.float64]:
    return frame[[f"raw_{name}" for name in classes]].to_numpy()


def calibrated(p: npt.NDArray[np.float64], temperature: float) -> npt.NDArray[np.float64]:
    powers = p ** (1 / temperature)
    return powers / powers.sum(1, keepdims=True)


def test_an_ensemble_is_the_mean_of_its_runs_calibrated_on_validation_alone(
    finished_run: Run, closed: Run
) -> None:
    """A cascade and a single network; the second is told to open the test part that it had left closed."""
    folder = evaluated(finished_run, closed)
    alone = evaluated(closed, test=True)
    classes = finished_run.metrics["classes"]
    theirs = [finished_run.path, alone]
    expected = {
        part: np.mean(
            [raw(pd.read_parquet(path / f"predictions/{part}.parquet"), classes) for path in theirs], 0
        )
        for part in ("validation", "test")
    }
    said = {part: pd.read_parquet(folder / f"predictions/{part}.parquet") for part in expected}
    for part, probability in expected.items():
        np.testing.assert_allclose(raw(said[part], classes), probability, atol=1e-12)
    metrics = json.loads((folder / "metrics.json").read_text())
    temperature = metrics["calibration"]["temperature"]
    np.testing.assert_allclose(
        said["test"][[f"p_{name}" for name in classes]], calibrated(expected["test"], temperature), atol=1e-9
    )
    truth = said["validation"]["label"].map({name: k for k, name in enumerate(classes)}).to_numpy()

    def loss(t: float) -> float:
        own = calibrated(expected["validation"], t)[np.arange(len(truth)), truth]
        return float(-np.log(own).sum())

    assert loss(temperature) < min(loss(temperature * 1.2), loss(temperature / 1.2))
    assert metrics["test"]["accuracy"] == pytest.approx(
        (said["test"]["predicted"] == said["test"]["label"]).mean()
    )
    openings = Path("outputs/test_openings.csv").read_text().splitlines()
    assert len(openings) == 3


@pytest.mark.parametrize("form", ["onnx", "safetensors"])
def test_an_exported_ensemble_is_one_model(
    form: str, finished_run: Run, closed: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [finished_run, closed]
    values: dict[str, Any] = compose_values("run=x", f"format={form}", command="export")
    export(parse(ExportConfig, values | {"run": [str(run.path) for run in runs]}))
    assert "validation beats" in capsys.readouterr().out
    (path,) = Path("outputs/export").iterdir()
    assert path.name.removesuffix(".onnx") == ensemble_name(runs)
    model = OnnxModel.load(path) if form == "onnx" else open_model(path)[0]
    assert (model.facts.members, model.facts.kind) == (2, "mixed")
    need = finished_run.model.facts.networks["type"]
    beats = np.random.default_rng(0).normal(size=(40, need.leads, need.length)).astype(np.float32)
    expected = np.mean([run.model.raw(beats) for run in runs], axis=0)
    np.testing.assert_allclose(model.raw(beats), expected, atol=1e-5)
    np.testing.assert_allclose(model.predict(beats), ensemble(runs).predict(beats), atol=1e-5)
    for number, run in enumerate(runs):
        np.testing.assert_allclose(ensemble(runs).member(number).raw(beats), run.model.raw(beats))


CHANGED = {
    "protocol.seed=7, not 0: one may have trained on what the other is tested on": (
        "config.json",
        ("protocol", "seed"),
        7,
    ),
    "data fingerprint=x, not": ("run.json", ("data_fingerprint",), "x"),
    "classes=N V, not N S V F Q": ("metrics.json", ("classes",), ["N", "V"]),
    "beat.before=0.4, not": ("config.json", ("beat", "before"), 0.4),
    "calibration=none, not temperature": ("config.json", ("calibration",), {"name": "none"}),
}


@pytest.mark.parametrize("message", CHANGED)
def test_runs_that_do_not_go_together_are_refused(message: str, closed: Run, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(closed.path, other)
    file, keys, value = CHANGED[message]
    values = place = json.loads((other / file).read_text())
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    (other / file).write_text(json.dumps(values))
    with pytest.raises(EcgError, match=f"run=other differs from {closed.path.name} in {message}"):
        open_runs([str(closed.path), str(other)])


def test_a_run_counts_once(closed: Run) -> None:
    with pytest.raises(EcgError, match="stands there twice"):
        open_runs([str(closed.path), f"{closed.path.parent}/./{closed.path.name}"])


def test_predictions_of_other_beats_have_no_mean(closed: Run) -> None:
    said = closed.predictions("validation")
    with pytest.raises(EcgError, match="different beats"):
        mean([said, said.iloc[1:]])
    shifted = said.assign(sample=said["sample"] + 1)
    with pytest.raises(EcgError, match="different beats"):
        mean([said, shifted])


def test_the_name_of_an_ensemble_says_what_is_in_it(tmp_path: Path, closed: Run) -> None:
    paths = [tmp_path / f"demo-by_subject-imbalanced-cnn-s{seed}-aaaaaaa{seed}" for seed in (0, 1, 12)]
    for path in paths:
        shutil.copytree(closed.path, path)
    runs = [Run(path) for path in paths]
    assert ensemble_name(runs).startswith("demo-by_subject-imbalanced-cnn-s0+s1+s12-")
    assert ensemble_name(runs)[-8:] == ensemble_name(runs[::-1])[-8:]
    assert ensemble_name(runs[:1]) == paths[0].name
