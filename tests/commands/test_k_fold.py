"""A cross-validated run: out-of-fold predictions pooled, and a model that is the mean of its folds'."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecgcli.beats.protocol import parts
from ecgcli.beats.sources import beats
from ecgcli.commands.evaluate import evaluate
from ecgcli.commands.train import train
from ecgcli.config import EvalConfig
from ecgcli.parsing import parse
from ecgcli.runs import Run, run_name
from tests.conftest import TINY, compose_values, train_config

FOLDS = ("protocol=k_fold", "protocol.k=3", "sampling=two_stage", "beat.rhythm=true")

pytestmark = [pytest.mark.slow, pytest.mark.promise]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("folds")
    config = train_config(*TINY, "data.patients=15", *FOLDS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        train(config)
    return Run(folder / "outputs/train" / run_name(config))


def test_every_beat_is_scored_once_by_the_model_that_has_not_seen_its_subject(run: Run) -> None:
    config = run.config
    table = beats(config.data, config.beat, Path("none"))
    divisions = parts(table, config.protocol)
    saved = run.predictions("test")
    assert len(saved) == len(table)
    assert saved["sample"].tolist() == table.sample.tolist()
    assert run.model.facts.members == 3
    columns = [f"p_{name}" for name in run.model.classes]
    for i, part in enumerate(divisions):
        assert part.test is not None
        own = saved[saved["fold"] == i]
        assert not set(own["subject"]) & {table.subjects[r] for r in table.record[part.train]}
        alone = run.model.member(i).predict(table.signal, part.test, features=table.features)
        assert np.array_equal(own[columns].to_numpy(), alone)
    assert [fold["beats"] for fold in run.metrics["folds"]] == [
        len(part.test) for part in divisions if part.test is not None
    ]
    assert "of 3 folds, each scored by the model that has not seen it" in (run.path / "report.md").read_text()


def test_applied_to_a_recording_it_gives_the_mean_of_its_folds(run: Run) -> None:
    rng = np.random.default_rng(0)
    signal, peaks = rng.normal(size=3600).astype(np.float32), np.arange(200, 3400, 300)
    found = run.predict(signal, 360, peaks=peaks)
    columns = [f"p_{name}" for name in run.model.classes]
    beats_, _, _, features = run.model.segmenter.cut(signal[None], 360, ("MLII",), peaks)
    mean = np.mean([run.model.member(i).raw(beats_, features=features) for i in range(3)], axis=0)
    assert run.model.facts.calibration.method == "temperature"  # which comes after the mean
    powered = mean ** (1 / run.model.facts.calibration.temperature)
    assert found[columns].to_numpy() == pytest.approx(powered / powered.sum(axis=1, keepdims=True))


def test_evaluation_repeats_the_out_of_fold_scores(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    values = compose_values(f"run='{run.path}'", command="eval")
    evaluate(parse(EvalConfig, {k: v for k, v in values.items() if k not in ("beat", "protocol")}))
    (again,) = (tmp_path / "outputs/eval").glob("*/predictions/test.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(again), run.predictions("test"))
