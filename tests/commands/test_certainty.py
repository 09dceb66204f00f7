"""Calibration and operating point of a run: fixed on held-out beats, saved with the model, used by `eval`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecgcli.beats.protocol import DS1, DS2
from ecgcli.commands.certainty import uncalibrated
from ecgcli.commands.evaluate import evaluate
from ecgcli.commands.train import train
from ecgcli.config import EvalConfig
from ecgcli.errors import EcgError
from ecgcli.evaluation.metrics import score
from ecgcli.parsing import parse
from ecgcli.recordings.simulate import simulate
from ecgcli.recordings.wfdb_io import write_record
from ecgcli.runs import Run, run_name
from tests.conftest import TINY, compose_values, train_config

POINT = ("operating_point=sensitivity", "operating_point.target=0.95", "calibration=bias")
SMALL = ("data.patients=20", *POINT)


def trained(*overrides: str) -> Run:
    config = train_config(*TINY, *overrides)
    train(config)
    return Run(Path("outputs/train") / run_name(config))


def evaluated(run: Run, *overrides: str) -> Path:
    small = ("report.replicates=20", "report.pictures=none", "trainer.accelerator=cpu")
    values = compose_values(f"run={run.path}", *small, *overrides, command="eval")
    evaluate(parse(EvalConfig, {key: v for key, v in values.items() if key not in ("beat", "protocol")}))
    return Path("outputs/eval") / run.path.name


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certainty")


@pytest.fixture(scope="module")
def run(place: Path) -> Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        done = trained(*SMALL)
    return Run(place / done.path)


@pytest.mark.slow
@pytest.mark.promise
def test_nothing_of_the_test_part_moves_calibration_or_operating_point(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    closed = trained(*SMALL, "test=false")
    assert closed.metrics["test"] is None
    assert closed.model.facts.calibration == run.model.facts.calibration
    assert closed.model.facts.operating_point == run.model.facts.operating_point
    beats = run.metrics["validation"]["beats"]
    assert run.model.facts.calibration.fitted_on == f"validation, {beats:,} beats"


@pytest.mark.promise
def test_predictions_hold_what_was_said_before_and_after(run: Run) -> None:
    saved, model = run.predictions("test"), run.model
    raw = saved[[f"raw_{name}" for name in model.classes]].to_numpy()
    calibrated = saved[[f"p_{name}" for name in model.classes]].to_numpy()
    assert model.facts.calibration.method == "bias"
    assert not np.allclose(raw, calibrated) and np.allclose(calibrated.sum(axis=1), 1)
    assert set(saved["predicted"]) <= set(model.classes)
    threshold = model.facts.operating_point.thresholds[0].threshold
    assert threshold is not None
    assert ((saved["predicted"] != "N") == (1 - saved["p_N"] >= threshold)).all()
    # scores are those of the decisions
    assert run.metrics["test"] == score(saved, model.classes)
    before = uncalibrated(saved)
    assert np.array_equal(before[[f"p_{name}" for name in model.classes]].to_numpy(), raw)
    assert "predicted" not in before
    assert json.loads((run.path / "model/model.json").read_text())["operating_point"]["name"] == "sensitivity"


@pytest.mark.slow
def test_evaluation_calibrates_and_decides_as_training_did(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    folder = evaluated(run)
    again = json.loads((folder / "metrics.json").read_text())
    for key in ("test", "calibration", "operating_point", "intervals", "review", "per_patient"):
        if key == "calibration":  # the validation part of the run is not predicted again
            assert again[key]["after"]["test"] == run.metrics[key]["after"]["test"]
        else:
            assert again[key] == run.metrics[key]


@pytest.mark.slow
def test_another_run_stands_beside_on_the_same_beats(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    cascade = trained("data.patients=20", "sampling=two_stage")
    folder = evaluated(cascade, f"against={run.path}")
    assert run.path.name in (folder / "report.md").read_text()
    fewer = trained("data.patients=12")
    with pytest.raises(EcgError, match="different beats"):
        evaluated(cascade, f"against={fewer.path}")


@pytest.fixture(scope="module")
def ds1_and_ds2(place: Path) -> Path:
    """Simulated recordings under the names of MIT-BIH's."""
    for number, name in enumerate((*DS1, *DS2), 1):
        write_record(place / "named", replace(simulate(number, 0.5, 3), name=name))
    return place


@pytest.mark.slow
@pytest.mark.promise
def test_a_final_fit_takes_its_calibration_from_the_folds_of_another_run(
    ds1_and_ds2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ds1_and_ds2)
    data = ("data=wfdb", "data.path=named")
    tiny = [override for override in TINY if not override.startswith("data.")]

    def fit(*overrides: str) -> Run:
        config = train_config(*tiny, *data, *overrides)
        train(config)
        return Run(Path("outputs/train") / run_name(config))

    folds = fit("protocol=k_fold", "protocol.k=3", "protocol.records=ds1")
    whole = ("protocol=inter_patient", "protocol.folds=null")
    final = fit(*whole, f"calibration.from={folds.path}", "operating_point=sensitivity")
    beats = folds.metrics["test"]["beats"]
    assert final.metrics["validation"] is None
    assert final.model.facts.calibration.fitted_on == f"the folds of another run, {beats:,} beats"
    assert final.model.facts.operating_point.thresholds[0].threshold is not None
    assert sorted(final.model.facts.trained_on["records"]) == sorted(DS1)

    every = fit("protocol=k_fold", "protocol.k=3")
    with pytest.raises(EcgError, match="of its beats are in this run's test part"):
        fit(*whole, f"calibration.from={every.path}")
    with pytest.raises(EcgError, match="expected a run with protocol=k_fold"):
        fit(*whole, f"calibration.from={final.path}")
    with pytest.raises(EcgError, match="no such run folder"):
        fit(*whole, "calibration.from=nowhere")
    alone = fit(*whole)
    assert "nothing to calibrate on" in " ".join(alone.model.facts.calibration.notes)
