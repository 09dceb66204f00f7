"""`ecg export`: a real run in other forms, on beats that are at hand, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ecgcli.beats.rhythm import RHYTHM_NAMES
from ecgcli.commands import beats_at_hand
from ecgcli.commands.beats_at_hand import beats_of, simulated_beats
from ecgcli.commands.export import export
from ecgcli.config import ExportConfig
from ecgcli.errors import EcgError
from ecgcli.learning.facts import ModelFacts
from ecgcli.models import open_model
from ecgcli.parsing import parse
from ecgcli.runs import Run
from tests.conftest import compose_values


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def ecg_export(run: Path, *overrides: str) -> None:
    values = compose_values(f"run='{run}'", "trainer.threads=1", *overrides, command="export")
    export(parse(ExportConfig, values))


@pytest.mark.promise
def test_a_run_becomes_an_onnx_file_that_predicts_the_same(
    finished_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    ecg_export(finished_run.path)
    file = Path(f"outputs/export/{finished_run.path.name}.onnx")
    said = capsys.readouterr().out
    frame = finished_run.predictions("validation")
    assert f"{len(frame)} validation beats of demo: largest difference of a probability from PyTorch" in said
    assert "median ms, CPU, 1 thread" in said
    assert "beats at once" in said and "onnxruntime" in said
    assert str(file) in said
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    served, description = open_model(file)
    assert served.facts == finished_run.model.facts
    assert description.endswith("trained on demo, run by onnxruntime")
    tried = beats_of(finished_run, None)
    columns = [f"p_{name}" for name in served.classes]
    assert served.predict(tried.signal, features=tried.features) == pytest.approx(
        frame[columns].to_numpy(), abs=1e-4
    )
    assert not Path("outputs/test_openings.csv").exists()


def test_without_the_data_simulated_beats_are_taken_and_said_to_be(
    finished_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished_run.path, "run")
    config = json.loads(Path("run/config.json").read_text())
    config["data"] = {"name": "wfdb", "path": ["gone"]}
    Path("run/config.json").write_text(json.dumps(config))
    ecg_export(Path("run"), "format=torchscript", "output=a.pt")
    said = capsys.readouterr().out
    assert "data     not at hand (" in said
    assert "simulated beats: largest difference" in said
    assert Path("a.pt").exists()


def test_a_model_folder_is_exported_without_its_run(
    finished_run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished_run.path / "model", "mine")
    ecg_export(Path("mine"), "format=safetensors")
    assert "simulated beats" in capsys.readouterr().out
    assert open_model("outputs/export/mine")[0].facts == finished_run.model.facts
    ecg_export(finished_run.path / "model", "format=safetensors", "output=again")
    assert "validation beats of demo" in capsys.readouterr().out


BAD = {
    "run=a.onnx": "run=a.onnx is exported already; expected a run folder or a model folder",
    "output=model.pt": "output=model.pt: expected a file name that ends in .onnx",
    "output=folder.onnx": "output=folder.onnx is a folder: expected the name of a file",
    "format=safetensors output=papers": "output=papers exists and is no model folder: expected a new name",
    "format=safetensors output=run/model": (
        "output=run/model belongs to a run, which stays as it was trained: expected a new name"
    ),
}


@pytest.mark.parametrize("mistake", BAD)
def test_a_mistake_is_said_before_any_work_and_nothing_is_written(mistake: str, finished_run: Run) -> None:
    Path("a.onnx").write_text("x")
    Path("folder.onnx").mkdir()
    Path("papers").mkdir()
    Path("papers/thesis.tex").write_text("x")
    shutil.copytree(finished_run.path, "run")
    before = sorted(Path().rglob("*"))
    with pytest.raises(EcgError) as error:
        ecg_export(Path("run"), *mistake.split())
    assert str(error.value) == BAD[mistake]
    assert sorted(Path().rglob("*")) == before


def test_the_test_part_is_never_built(finished_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = beats_at_hand.parts

    def watched(table: object, protocol: object, test: bool = True) -> object:
        asked.append(test)
        return real(table, protocol, test)  # type: ignore[arg-type]

    monkeypatch.setattr(beats_at_hand, "parts", watched)
    tried = beats_of(finished_run, None)
    assert asked == [False]
    assert len(tried.signal) == len(finished_run.predictions("validation"))


BEATS = {
    "by name and number": ({"leads": ["V5", 3], "fallback": "refuse"}, 2),
    "by number": ({"leads": [2]}, 1),
    "any": ({"leads": ["other"]}, 1),
    "with the usual beat": ({"morphology": True, "rhythm": True, "fallback": "refuse"}, 2),
}


@pytest.mark.parametrize("name", BEATS)
def test_simulated_beats_are_cut_for_whatever_leads_a_model_reads(name: str, finished_run: Run) -> None:
    changes, channels = BEATS[name]
    values = finished_run.model.facts.model_dump(mode="json")
    values["segmenter"] |= changes
    tried = simulated_beats(ModelFacts.model_validate_json(json.dumps(values)))
    assert len(tried.signal) > 100
    assert tried.signal.shape[1] == channels
    assert len(tried.features) == len(tried.signal)
    assert np.isfinite(tried.signal).all() and tried.signal.std() > 0.1


def test_simulated_beats_have_the_length_that_only_a_table_knew(finished_run: Run) -> None:
    values = finished_run.model.facts.model_dump(mode="json")
    values["segmenter"] = {"name": "given", "rate": 40.0, "scaling": "none", "rhythm": True}
    for need in values["networks"].values():
        need.update(leads=3, length=1234)
    tried = simulated_beats(ModelFacts.model_validate_json(json.dumps(values)))
    assert tried.signal.shape[1:] == (3, 1234)
    assert tried.features.shape == (len(tried.signal), len(RHYTHM_NAMES))
