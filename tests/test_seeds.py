"""What the seeds of a recipe give together, against scikit-learn and counts by hand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, recall_score

from tests.conftest import ROOT
from tests.made_up_runs import CLASSES, made_up_run


@pytest.fixture
def seeds(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import seeds

    yield seeds
    sys.modules.pop("seeds")


def rows(table: str) -> dict[str, list[str]]:
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return {name: values for name, *values in cells}


def test_means_and_the_ensemble_are_those_that_scikit_learn_gives(seeds: Any, tmp_path: Path) -> None:
    runs = [made_up_run(tmp_path, f"seed={seed}") for seed in range(3)]
    found = rows(seeds.summary(runs))
    frames = [run.predictions("test") for run in runs]
    probability = [frame[[f"p_{name}" for name in CLASSES]].to_numpy() for frame in frames]
    truth = frames[0]["label"].to_numpy()
    called = [np.array(CLASSES)[p.argmax(1)] for p in (*probability, np.mean(probability, axis=0))]
    f1 = [f1_score(truth, c, labels=["N", "S", "V"], average="macro") for c in called]
    assert found["macro-F1"][0] == f"{np.mean(f1[:3]):.3f} ± {np.std(f1[:3], ddof=1):.3f}"
    assert found["macro-F1"][3] == f"{f1[3]:.3f}"
    recall = [100 * recall_score(truth, c, labels=["S"], average="macro") for c in called]
    assert found["S recall %"][0] == f"{np.mean(recall[:3]):.2f} ± {np.std(recall[:3], ddof=1):.2f}"
    low, high = (float(end) for end in found["S recall %"][1].split(" to "))
    assert low < np.mean(recall[:3]) < high
    assert found["F recall %"] == ["–", "", "", "–"]  # the test part has none


def test_the_screening_point_is_that_of_the_validation_beats(seeds: Any) -> None:
    """200 abnormal validation beats at 0.001, 0.002, …: the two least are let go, the threshold is 0.003."""

    def beats(abnormal: np.ndarray, label: list[str]) -> pd.DataFrame:
        probability = {"p_N": 1 - abnormal, "p_S": abnormal, "p_V": 0.0}
        return pd.DataFrame({"record": "1", "sample": 0, "label": label, **probability})

    validation = beats(np.arange(1, 201) / 1000, ["S"] * 200)
    test = beats(np.array([0.0005, 0.0025, 0.0035, 0.4, 0.0005, 0.5]), list("SSSVNN"))
    found = seeds.certainty(validation, test, ("N", "S", "V"))
    assert found["screening: abnormal missed %"] == 2 / 4
    assert found["screening: N recall %"] == 1 / 2


def test_the_table_gets_its_place_in_the_document(seeds: Any, tmp_path: Path) -> None:
    runs = [str(made_up_run(tmp_path, f"seed={seed}").path) for seed in range(2)]
    document = tmp_path / "page.md"
    document.write_text("before\n<!-- seeds: mine -->\nold\n<!-- /seeds -->\nafter\n")
    seeds.main([str(document), "mine", *runs])
    text = document.read_text()
    assert text.startswith("before\n<!-- seeds: mine -->\n|  | mean of 2 seeds |")
    assert text.endswith("<!-- /seeds -->\nafter\n")
    assert "old" not in text
    with pytest.raises(SystemExit, match="no place for a table <!-- seeds: other -->"):
        seeds.main([str(document), "other", *runs])


def test_runs_of_other_beats_are_refused(seeds: Any, tmp_path: Path) -> None:
    one = made_up_run(tmp_path, "seed=0")
    other = made_up_run(
        tmp_path, "seed=1", beats=one.predictions("test").head(500)[["record", "subject", "sample", "label"]]
    )
    with pytest.raises(SystemExit, match="not tested on the same beats"):
        seeds.summary([one, other])
