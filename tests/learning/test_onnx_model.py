"""OnnxModel: equal to the model it was made of, without torch; files that are damaged or foreign."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from ecgcli.errors import EcgError
from ecgcli.evaluation.operating_point import OperatingPoint, Threshold, decide
from ecgcli.learning.export import to_onnx
from ecgcli.learning.model import Model
from ecgcli.learning.onnx_model import OnnxModel
from tests.learning.test_export import beats, model

POINT = OperatingPoint(
    name="sensitivity", thresholds=(Threshold(of="abnormal", target=0.99, threshold=0.2, beats=9),)
)


@pytest.fixture(scope="module")
def folder() -> Model:
    one = model(kind="two_stage", features=4)
    return one.settled(one.facts.calibration, POINT)


@pytest.fixture(scope="module")
def path(folder: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("onnx") / "model.onnx"
    to_onnx(folder, file)
    return file


def test_it_predicts_and_decides_as_the_model_it_was_made_of(folder: Model, path: Path) -> None:
    served = OnnxModel.load(path, threads=1)
    signal, features = beats(600, 4, seed=3)
    assert served.facts == folder.facts
    assert served.segmenter == folder.segmenter
    assert served.raw(signal, features=features) == pytest.approx(
        folder.raw(signal, features=features), abs=1e-5
    )
    probability = served.predict(signal, features=features)
    expected = folder.predict(signal, features=features)
    assert probability == pytest.approx(expected, abs=1e-5)
    assert probability.sum(1) == pytest.approx(1)
    called = decide(probability, served.facts.operating_point, served.classes)
    assert len(set(called.tolist())) > 1
    assert (called != probability.argmax(1)).any(), "the operating point is not the most probable class"
    assert np.mean(called == decide(expected, POINT, folder.classes)) > 0.99


def test_the_graph_gives_calibrated_probabilities_itself(path: Path) -> None:
    served = OnnxModel.load(path)
    signal, features = beats(50, 4)
    raw, probability = served.run(("raw", "probability"), signal, features)
    assert probability == pytest.approx(served.predict(signal, features=features), abs=1e-12)
    assert np.abs(raw - probability).max() > 0.01


def test_rows_are_predicted_as_asked_for(path: Path) -> None:
    served = OnnxModel.load(path)
    signal, features = beats(300, 4)
    some = np.array([299, 5, 2])
    assert served.predict(signal, some, features=features) == pytest.approx(
        served.predict(signal[some], features=features[some]), abs=1e-6
    )
    assert served.predict(signal, np.empty(0, dtype=np.int64), features=features).shape == (0, 3)


def test_beats_of_another_size_are_refused_in_one_line(path: Path) -> None:
    served = OnnxModel.load(path)
    signal, features = beats(3, 4)
    for wrong in ((signal[:, :, :90], features), (signal[:, 0], features), (signal, None)):
        with pytest.raises(EcgError, match=r"the model reads \(1, 100\) with 4"):
            served.predict(wrong[0], features=wrong[1])


@pytest.mark.promise
def test_an_onnx_model_predicts_without_torch(path: Path) -> None:
    code = (
        "import sys, numpy as np; from ecgcli.models import open_model\n"
        f"model, _ = open_model({str(path)!r})\n"
        "signal, features = np.zeros((2, 1, 100), np.float32), np.zeros((2, 4), np.float32)\n"
        "print(model.predict(signal, features=features).shape)\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('torch', 'pytorch_lightning', 'torchmetrics')])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert shown.stdout == "(2, 3)\n[]\n", shown.stderr


def test_nothing_in_it_names_places_on_the_machine_that_wrote_it(path: Path) -> None:
    content = path.read_bytes()
    assert str(Path(__file__).resolve().parents[2]).encode() not in content
    assert b".py" not in content


def _foreign(path: Path, **metadata: str) -> None:
    """A valid ONNX file of somebody else's: it hands its input on."""
    shape = ["batch", 1, 100]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("signal", "raw")]
    node = helper.make_node("Identity", ["signal"], ["raw"])
    made = helper.make_model(
        helper.make_graph([node], "other", ends[:1], ends[1:]), opset_imports=[helper.make_opsetid("", 20)]
    )
    made.ir_version = 10
    helper.set_model_props(made, metadata)
    onnx.save(made, path)


def _facts(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    """The same graph with other facts."""
    held = onnx.load(path)
    said = {entry.key: entry.value for entry in held.metadata_props}
    values = json.loads(said["model.json"])
    change(values)
    helper.set_model_props(held, {**said, "model.json": json.dumps(values)})
    onnx.save(held, path)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda p: p.unlink(), "no such file"),
    "empty": (lambda p: p.write_bytes(b""), "is damaged, or no ONNX model"),
    "cut": (_cut, "is damaged, or no ONNX model"),
    "text": (lambda p: p.write_text("not a model\n" * 99), "is damaged, or no ONNX model"),
    "foreign": (_foreign, "is no model of ecgcli: model.json is not in its metadata"),
    "foreign graph": (lambda p: _foreign(p, **{"model.json": "{}"}), "has format None"),
    "other format": (lambda p: _facts(p, lambda v: v.update(format=2)), "has format 2: this version"),
    "unknown field": (lambda p: _facts(p, lambda v: v.update(code="x")), "unknown setting code"),
    "other classes": (
        lambda p: _facts(p, lambda v: v.update(classes=["V", "N", "F"])),
        "network type has other classes than the model",
    ),
    "other size": (
        lambda p: _facts(p, lambda v: [n.update(length=99) for n in v["networks"].values()]),  # type: ignore[attr-defined]
        "its graph is not the one that its model.json describes",
    ),
}


@pytest.mark.promise
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_or_foreign_file_is_named_in_one_line(
    damage: str, path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(path.read_bytes())
    harm, expected = DAMAGE[damage]
    harm(copy)
    with pytest.raises(EcgError) as error:
        OnnxModel.load(copy)
    assert expected in str(error.value)
    assert "copy.onnx" in str(error.value)
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", ""), "onnxruntime keeps quiet"


def test_weights_in_other_files_are_not_read(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file may name others as its weights; a model of ecgcli is one file, so these stay closed."""
    monkeypatch.chdir(tmp_path)
    copy = tmp_path / "copy.onnx"
    onnx.save(onnx.load(path), copy, save_as_external_data=True, location="secret", size_threshold=0)
    assert (tmp_path / "secret").exists()
    with pytest.raises(EcgError, match="is damaged, or no ONNX model"):
        OnnxModel.load(copy)
