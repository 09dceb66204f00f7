"""Exported models: every network, whole cascades and ensembles, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from ecgcli.beats.rhythm import RHYTHM_NAMES
from ecgcli.errors import EcgError
from ecgcli.evaluation.calibration import Calibration, calibrate
from ecgcli.evaluation.operating_point import OperatingPoint
from ecgcli.learning import export as exporting
from ecgcli.learning.export import LIMIT, Format, WholeModel, export, metadata
from ecgcli.learning.facts import ModelFacts
from ecgcli.learning.model import Model
from ecgcli.learning.networks import build
from ecgcli.learning.tasks import ANOMALY
from tests.conftest import train_config

CLASSES = ("V", "N", "S")
SMALL = {
    "cnn": ("model.channels=[4]", "model.kernel_sizes=[5]", "model.pooling=both"),
    "resnet": ("model.channels=[4,4]",),
    "convnext": ("model.channels=[4,4]", "model.fusion=concat"),
    "minirocket": ("model.features=840",),
    "mlp": ("model.units=[8]",),
    "baseline_cnn": (),
}
CALIBRATION = Calibration(method="bias", temperature=0.7, bias=(0.3, 0.0, -0.4))


def beats(n: int, features: int, seed: int = 0) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    draw = np.random.default_rng(seed)
    signal = draw.normal(size=(n, 1, 100)).cumsum(-1).astype(np.float32)
    return signal, draw.normal(size=(n, features)).astype(np.float32)


def model(
    name: str = "cnn",
    kind: str = "single",
    features: int = 0,
    members: int = 1,
    calibration: Calibration = CALIBRATION,
    seed: int = 0,
    more: tuple[str, ...] = (),
) -> Model:
    torch.manual_seed(seed)
    beat = ("beat.rhythm=true",) if features else ()
    config = train_config(f"model={name}", *SMALL[name], *beat, *more)
    outputs = {"all": CLASSES} if kind == "single" else {"anomaly": ANOMALY, "type": ("V", "S")}
    facts = {
        "format": 1,
        "kind": kind,
        "members": members,
        "classes": CLASSES,
        "segmenter": config.beat.model_dump(mode="json"),
        "networks": {
            key: {
                "architecture": config.model.model_dump(mode="json"),
                "leads": 1,
                "length": 100,
                "features": features,
                "classes": names,
            }
            for key, names in outputs.items()
        },
        "trained_on": {"data": "demo"},
        "calibration": calibration.model_dump(mode="json"),
    }
    parsed = ModelFacts.model_validate_json(json.dumps(facts))
    training = torch.from_numpy(beats(200, 0, seed=9)[0])
    built = []
    for _ in range(members):
        networks = {key: build(config.model, 1, 100, len(names), features) for key, names in outputs.items()}
        for network in networks.values():
            if callable(prepare := getattr(network, "prepare", None)):
                prepare(training, seed)
        built.append({key: network.eval() for key, network in networks.items()})
    return Model(parsed, tuple(built))


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("kind", ["single", "two_stage"])
@pytest.mark.parametrize("calibration", [Calibration(), CALIBRATION, Calibration(temperature=3.0)])
def test_the_whole_model_as_one_module_computes_what_predict_does(
    kind: str, members: int, calibration: Calibration
) -> None:
    one = model(kind=kind, features=4, members=members, calibration=calibration)
    signal, features = beats(20, 4)
    with torch.inference_mode():
        raw, probability = WholeModel(one)(torch.from_numpy(signal), torch.from_numpy(features))
    assert np.abs(raw.numpy() - one.raw(signal, features=features)).max() < 1e-6
    assert np.abs(probability.numpy() - one.predict(signal, features=features)).max() < 1e-6


GRID = [
    ("cnn", "two_stage", 4, 2),
    ("resnet", "single", 0, 1),
    ("resnet", "two_stage", 4, 1),
    ("convnext", "single", 4, 1),
    ("convnext", "two_stage", 0, 1),
    ("minirocket", "single", 0, 1),
    ("minirocket", "two_stage", 4, 1),
    ("baseline_cnn", "single", 0, 1),
    ("baseline_cnn", "two_stage", 4, 3),
    ("mlp", "single", 0, 1),
    ("mlp", "single", 4, 2),
    ("mlp", "two_stage", 4, 1),
]


@pytest.mark.slow
@pytest.mark.promise
@pytest.mark.parametrize(("name", "kind", "features", "members"), GRID)
def test_every_network_is_exported_to_onnx_with_equal_probabilities(
    name: str, kind: str, features: int, members: int, tmp_path: Path
) -> None:
    found = export(model(name, kind, features, members), "onnx", tmp_path / "a.onnx", *beats(300, features))
    assert found.difference <= LIMIT
    assert [*found.latency] == [1, 256]
    assert all(taken > 0 for times in found.latency.values() for taken in times.values())
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind", "features", "members"), GRID)
def test_every_network_is_exported_to_torchscript_with_equal_probabilities(
    name: str, kind: str, features: int, members: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "latencies", lambda *_: {})
    one = model(name, kind, features, members)
    assert export(one, "torchscript", tmp_path / "a.pt", *beats(40, features)).difference < 1e-6
    held = {"model.json": ""}
    torch.jit.load(str(tmp_path / "a.pt"), _extra_files=held)
    assert json.loads(held["model.json"]) == one.facts.model_dump(mode="json")


@pytest.mark.parametrize("form", ["onnx", "torchscript"])
def test_views_of_a_beat_are_exported_with_it(form: Format, tmp_path: Path) -> None:
    several = model(kind="two_stage", members=2, more=("beat=kaggle", "model.stretches=[0.9,1,1.1]"))
    signal, features = beats(40, 0)
    signal[:20, :, 60:] = 0
    assert export(several, form, tmp_path / "model", signal, features).difference < LIMIT


def test_a_model_folder_is_the_same_bit_for_bit(tmp_path: Path) -> None:
    one = model(kind="two_stage", features=4)
    found = export(one, "safetensors", tmp_path / "shared", *beats(20, 4))
    assert found.difference == 0
    assert [*found.latency[1]] == ["PyTorch"]
    assert sorted(p.name for p in (tmp_path / "shared").iterdir()) == ["model.json", "model.safetensors"]


@pytest.mark.promise
@pytest.mark.parametrize("form", ["torchscript", "safetensors"])
def test_what_differs_from_pytorch_is_refused_and_not_kept(
    form: exporting.Format, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that moves one weight by a hundredth is caught."""
    writer = getattr(exporting, f"to_{form}")

    def harmful(one: Model, path: Path) -> None:
        other = model(kind="two_stage")
        last = [*other.members[0]["anomaly"].parameters()][-1]
        with torch.no_grad():
            last[0] += 0.01
        writer(other, path)

    monkeypatch.setattr(exporting, f"to_{form}", harmful)
    with pytest.raises(
        EcgError, match=r"differs from PyTorch by .* on 40 beats, expected at most 1e-04"
    ) as e:
        export(model(kind="two_stage"), form, tmp_path / "a", *beats(40, 0))
    assert "\n" not in str(e.value)
    assert list(tmp_path.iterdir()) == []


def test_a_probability_that_is_none_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = np.full((40, 3), np.nan)
    monkeypatch.setattr(
        exporting, "read_back", lambda *_: lambda signal, features: (nothing[: len(signal)],) * 2
    )
    with pytest.raises(EcgError, match="differs from PyTorch by nan"):
        export(model(), "safetensors", tmp_path / "a", *beats(40, 0))
    assert list(tmp_path.iterdir()) == []


def test_what_the_exporter_does_not_know_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no operator\nfor this")

    monkeypatch.setattr(exporting, "to_torchscript", fail)
    with pytest.raises(EcgError) as error:
        export(model("resnet"), "torchscript", tmp_path / "a.pt", *beats(4, 0))
    assert str(error.value) == "model=resnet cannot be written as torchscript: no operator"
    assert list(tmp_path.iterdir()) == []


def test_the_metadata_tell_a_program_without_ecgcli_what_it_needs() -> None:
    one = model(kind="two_stage", features=4)
    point = OperatingPoint(name="cost", miss={"V": 3.0, "S": 2.0}, mistype=0.5)
    facts = one.facts.model_copy(update={"operating_point": point})
    said = {key: json.loads(value) for key, value in metadata(facts).items()}
    assert said["rate"] == 125
    assert said["leads"] == ["MLII"]
    assert said["features"] == list(RHYTHM_NAMES)
    assert said["classes"] == ["V", "N", "S"]
    assert said["temperature"] == 0.7
    assert said["operating_point"]["miss"] == {"V": 3.0, "S": 2.0}
    assert said["segmenter"]["before"] == 0.3
    assert ModelFacts.model_validate_json(json.dumps(said["model.json"])) == facts


def test_calibration_inside_the_graph_reaches_probabilities_of_nothing() -> None:
    """Where a network is so sure that a probability is 0, calibration is the same inside and outside."""
    whole = WholeModel(model())
    raw = np.array([[0.0, 1.0, 0.0], [1e-40, 1e-3, 0.999], [0.2, 0.3, 0.5]])
    inside = whole._calibrated(torch.from_numpy(raw)).numpy()
    assert inside == pytest.approx(calibrate(raw, CALIBRATION), abs=1e-15)
