"""`ecg eval`: the run's own test part, other data, and what must not be scored."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path

import pytest

from ecgcli.commands.evaluate import evaluate
from ecgcli.config import EvalConfig
from ecgcli.errors import EcgError
from ecgcli.parsing import parse
from ecgcli.runs import Run
from tests.conftest import compose_values


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def score(run: Path, *overrides: str) -> dict[str, object]:
    values = compose_values(f"run='{run}'", *overrides, command="eval")
    values = {key: value for key, value in values.items() if key not in ("beat", "protocol")}
    evaluate(parse(EvalConfig, values))
    (folder,) = Path("outputs/eval").iterdir()
    metrics: dict[str, object] = json.loads((folder / "metrics.json").read_text())
    return metrics


def content(folder: Path) -> dict[str, str]:
    return {
        str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()
    }


@pytest.mark.promise
def test_evaluation_repeats_the_scores_and_leaves_the_run_untouched(finished_run: Run) -> None:
    before = content(finished_run.path)
    again = score(finished_run.path)
    assert again["test"] == finished_run.metrics["test"]
    assert content(finished_run.path) == before
    rows = list(csv.DictReader(Path("outputs/test_openings.csv").read_text().splitlines()))
    assert [row["command"] for row in rows] == ["eval"]


@pytest.mark.promise
def test_other_data_is_scored_whole_and_data_seen_in_training_is_left_out(finished_run: Run) -> None:
    other = score(finished_run.path, "data=demo", "data.seed=5", "data.patients=6", "data.minutes=1")
    assert other["support"]["test"]  # type: ignore[index]
    assert "every beat of 6 records" in other["protocol"]["statement"]  # type: ignore[index]
    shutil.rmtree("outputs")
    same = score(finished_run.path, "data=demo", "data.patients=8", "data.minutes=1")
    trained = finished_run.model.facts.trained_on["records"]
    assert (
        f"{len(trained)} records of people that the model was trained on are left out"
        in (
            same["protocol"]["statement"]  # type: ignore[index]
        )
    )


def test_nothing_unseen_is_said_and_allow_leak_scores_it_all_the_same(finished_run: Run) -> None:
    data = ("data=demo", "data.patients=8", "data.minutes=1")
    facts = json.loads((finished_run.path / "model/model.json").read_text())
    copy = Path("copy")
    shutil.copytree(finished_run.path, copy)
    facts["trained_on"]["records"] = [f"p{i:03d}" for i in range(20)]
    (copy / "model/model.json").write_text(json.dumps(facts))
    with pytest.raises(EcgError, match="has no recording that copy was not trained on"):
        score(copy, *data)
    leaky = score(copy, *data, "allow_leak=true")
    assert leaky["protocol"]["intra_patient"] is True  # type: ignore[index]


DAMAGE = {
    "no run.json": lambda run: (run / "run.json").unlink(),
    "other format": lambda run: (run / "run.json").write_text('{"format": 99}'),
    "cut config": lambda run: (run / "config.json").write_text("{"),
    "code in config": lambda run: _inject(run),
    "list for object": lambda run: (run / "metrics.json").write_text("[]"),
    "cut weights": lambda run: (run / "model/model.safetensors").write_bytes(b"\x10"),
}


def _inject(run: Path) -> None:
    values = json.loads((run / "config.json").read_text())
    values["model"]["_target_"] = "os.system"
    (run / "config.json").write_text(json.dumps(values))


@pytest.mark.promise
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_or_hostile_run_is_refused_in_one_line(damage: str, finished_run: Run) -> None:
    shutil.copytree(finished_run.path, "run")
    DAMAGE[damage](Path("run"))
    with pytest.raises(EcgError) as error:
        score(Path("run"))
    assert "\n" not in str(error.value)
    assert not list(Path("outputs").rglob("metrics.json")) if Path("outputs").exists() else True
