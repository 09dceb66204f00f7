"""Model: composition of the cascade, and folders that are damaged or hostile."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ecgcli.beats.segment import Segmenter
from ecgcli.choices.beat import CentredBeat
from ecgcli.choices.model import Cnn
from ecgcli.errors import EcgError
from ecgcli.learning.model import Model, ModelFacts, NetworkFacts, compose
from ecgcli.learning.networks import build
from ecgcli.learning.tasks import ANOMALY

CNN = Cnn(
    name="cnn",
    channels=(4, 8),
    kernel_sizes=(3,),
    strides=(2,),
    dilations=(1,),
    normalisation="batch",
    activation="relu",
    dropout=0.0,
    pooling="average",
    residual=True,
)
BEAT = CentredBeat(
    name="centred", rate=100.0, before=0.3, after=0.5, leads=("MLII",), fallback="other", scaling="beat"
)


def model(kind: str, members: int = 1) -> Model:
    torch.manual_seed(0)
    classes = ("N", "S", "V", "F")
    outputs = {"all": classes} if kind == "single" else {"anomaly": ANOMALY, "type": classes[1:]}
    facts = {
        name: NetworkFacts(architecture=CNN, leads=1, length=80, classes=names)
        for name, names in outputs.items()
    }
    return Model(
        ModelFacts.model_validate(
            {
                "format": 1,
                "kind": kind,
                "members": members,
                "classes": classes,
                "segmenter": Segmenter.from_config(BEAT).to_dict(),
                "networks": facts,
                "trained_on": {"data": "demo"},
            }
        ),
        tuple(
            {name: build(CNN, 1, 80, len(names)).eval() for name, names in outputs.items()}
            for _ in range(members)
        ),
    )


def beats(n: int = 7) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 1, 80)).astype(np.float32)


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("kind", ["single", "two_stage"])
def test_a_saved_model_predicts_the_same_after_loading(kind: str, members: int, tmp_path: Path) -> None:
    saved = model(kind, members)
    saved.save(tmp_path / "model")
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == ["model.json", "model.safetensors"]
    loaded = Model.load(tmp_path / "model")
    assert np.array_equal(loaded.predict(beats()), saved.predict(beats()))
    assert loaded.predict(beats()).sum(1) == pytest.approx(1)
    assert loaded.segmenter == Segmenter.from_config(BEAT)


def test_rows_are_predicted_as_asked_for() -> None:
    one = model("single")
    assert np.array_equal(one.predict(beats(), np.array([5, 2])), one.predict(beats()[[5, 2]]))
    assert one.predict(beats(), np.empty(0, dtype=np.int64)).shape == (0, 4)


@given(st.floats(0, 1), st.lists(st.floats(0.01, 1), min_size=3, max_size=3))
def test_a_cascade_composes_softly(a: float, raw: list[float]) -> None:
    kind = np.array([raw]) / sum(raw)
    composed = compose(("N", "S", "V", "F"), ("S", "V", "F"), np.array([[1 - a, a]]), kind)
    assert composed[0, 0] == 1 - a
    assert composed[0, 1:] == pytest.approx(a * kind[0])
    assert composed.sum() == pytest.approx(1)


def test_classes_keep_their_order_wherever_normal_stands() -> None:
    composed = compose(("V", "N", "S"), ("V", "S"), np.array([[0.25, 0.75]]), np.array([[0.2, 0.8]]))
    assert composed[0] == pytest.approx([0.15, 0.25, 0.6])


DAMAGE = {
    "missing weights": (lambda f: (f / "model.safetensors").unlink(), "model.safetensors is missing"),
    "missing facts": (lambda f: (f / "model.json").unlink(), "model.json is missing"),
    "cut weights": (lambda f: _cut(f / "model.safetensors"), "model.safetensors is damaged"),
    "cut facts": (lambda f: _cut(f / "model.json"), "model.json is damaged"),
    "other format": (lambda f: _change(f, format=2), "has format 2: this version of ecgcli reads format 1"),
    "other classes": (lambda f: _change(f, classes=["N", "S"]), "has other classes than the model"),
    "other networks": (lambda f: _change(f, networks={}), "a single model has the networks"),
    "unknown field": (lambda f: _change(f, code="print()"), "unknown setting code"),
    "huge network": (lambda f: _network(f, channels=[10**9]), "model.json is damaged"),
    "other network": (lambda f: _network(f, channels=[8, 8]), "does not hold the weights"),
    "bad segmenter": (lambda f: _change(f, segmenter={"kind": "x"}), ""),
}


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def _change(folder: Path, **changes: object) -> None:
    values = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**values, **changes}))


def _network(folder: Path, **changes: object) -> None:
    values = json.loads((folder / "model.json").read_text())
    values["networks"]["all"]["architecture"] |= changes
    (folder / "model.json").write_text(json.dumps(values))


@pytest.mark.promise
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_model_is_named_in_one_line(damage: str, tmp_path: Path) -> None:
    model("single").save(tmp_path)
    harm, expected = DAMAGE[damage]
    harm(tmp_path)
    with pytest.raises(EcgError) as error:
        Model.load(tmp_path).segmenter  # noqa: B018
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("exploded"),))  # type: ignore[return-value]


@pytest.mark.promise
def test_a_pickle_in_place_of_the_weights_runs_no_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model("single").save(tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(EcgError, match="is damaged"):
        Model.load(tmp_path / "model")
    shutil.rmtree(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["single", "two_stage"])
def test_an_ensemble_gives_the_mean_of_its_members(kind: str) -> None:
    together = model(kind, 3)
    alone = [together.member(i).predict(beats()) for i in range(3)]
    assert together.predict(beats()) == pytest.approx(np.mean(alone, axis=0))
    assert not np.allclose(alone[0], alone[1])
    assert together.parameters == 3 * together.member(0).parameters
