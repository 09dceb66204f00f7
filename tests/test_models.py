"""What `run=` may name: every form of a model opens to the same probabilities, all else is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ecgcli.commands.beats_at_hand import simulated_beats
from ecgcli.errors import EcgError
from ecgcli.models import open_model
from ecgcli.runs import Run


def test_a_run_its_model_folder_and_a_copy_of_that_are_one_model(finished_run: Run, tmp_path: Path) -> None:
    shutil.copytree(finished_run.path / "model", tmp_path / "shared")
    tried = simulated_beats(finished_run.model.facts)
    expected = finished_run.model.predict(tried.signal, features=tried.features)
    for place in (finished_run.path, finished_run.path / "model", tmp_path / "shared"):
        model, description = open_model(place)
        assert np.array_equal(model.predict(tried.signal, features=tried.features), expected)
        name = "shared" if place.name == "shared" else finished_run.path.name
        assert description == f"{name}: two-stage model of the classes N S V F Q, trained on demo"


NOT_MODELS = {
    "missing": "missing: no such run folder, model folder or .onnx file",
    "notes.txt": "notes.txt is no model: expected a run folder, a model folder or an .onnx file",
    "empty": "empty holds no model: expected run.json (a run folder) or model.json (a model folder) in it",
    "begun.partial": "begun.partial is unfinished: repeat its command to finish it",
    "halved": "halved/model.json is missing: a model folder holds model.json and model.safetensors",
    "missing.onnx": "missing.onnx: no such file",
}


@pytest.mark.parametrize("name", NOT_MODELS)
def test_what_is_no_model_is_said_in_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("x")
    for folder in ("empty", "begun.partial", "halved"):
        Path(folder).mkdir()
    Path("halved/model.safetensors").write_bytes(b"")
    with pytest.raises(EcgError) as error:
        open_model(name)
    assert str(error.value) == NOT_MODELS[name]
