"""Attribution: what is known of a network is found again, and what is found adds up."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ecgcli.beats.segment import Segmenter
from ecgcli.choices.beat import CentredBeat
from ecgcli.learning.attribution import attribute, attribute_table, flat, reads_signal
from ecgcli.learning.model import Model, ModelFacts, NetworkFacts
from ecgcli.learning.tasks import ANOMALY
from tests.learning.test_networks import NAMES, default, ready

BEAT = CentredBeat(
    name="centred", rate=100.0, before=0.3, after=0.5, leads=("MLII",), fallback="other", scaling="beat"
)
CLASSES = ("N", "S", "V", "F")
LENGTH = 80


def model(kind: str, members: list[dict[str, nn.Module]], leads: int, features: int = 0) -> Model:
    """A model of networks that are made up."""
    outputs = {"all": CLASSES} if kind == "single" else {"anomaly": ANOMALY, "type": CLASSES[1:]}
    facts = {
        name: NetworkFacts(
            architecture=default("cnn"), leads=leads, length=LENGTH, features=features, classes=names
        )
        for name, names in outputs.items()
    }
    values = {
        "format": 1,
        "kind": kind,
        "members": len(members),
        "classes": CLASSES,
        "segmenter": Segmenter.from_config(BEAT).to_dict(),
        "networks": facts,
        "trained_on": {},
    }
    return Model(ModelFacts.model_validate(values), tuple(members))


def untrained(
    kind: str, name: str = "cnn", members: int = 1, leads: int = 1, features: int = 0, **changes: object
) -> Model:
    """A model of random weights, each member with its own, whose classes are far apart."""
    outputs = {"all": 4} if kind == "single" else {"anomaly": 2, "type": 3}
    built = []
    for seed in range(members):
        networks = {
            key: ready(default(name, **changes), leads, LENGTH, n, features) for key, n in outputs.items()
        }
        torch.manual_seed(seed)
        for network in networks.values():
            for weights in network.parameters():
                if weights.ndim > 1:
                    nn.init.normal_(weights, std=1.5 / weights[0].numel() ** 0.5)
        built.append({key: network.eval() for key, network in networks.items()})
    return model(kind, built, leads, features)


def beats(n: int = 6, leads: int = 1) -> np.ndarray:
    """A bump of its own place and height in every beat, and some noise."""
    rng = np.random.default_rng(0)
    at = np.linspace(-3, 5, LENGTH)
    bumps = rng.normal(1.5, 1, (n, leads, 1)) * np.exp(-((at - rng.normal(0, 0.3, (n, leads, 1))) ** 2))
    return (bumps + rng.normal(0, 0.1, (n, leads, LENGTH))).astype(np.float32)


class Linear(nn.Module):
    """Logits that weigh every sample, of a beat and of its features."""

    def __init__(self, weights: Tensor, beside: Tensor | None = None) -> None:
        super().__init__()
        self.weights, self.beside = nn.Parameter(weights), beside

    def forward(self, x: Tensor, features: Tensor | None = None) -> Tensor:
        logits = torch.einsum("bct,kct->bk", x, self.weights)
        return logits if features is None or self.beside is None else logits + features @ self.beside


def difference(
    of: Model, x: np.ndarray, features: np.ndarray | None, called: np.ndarray, other: np.ndarray
) -> np.ndarray:
    """What attributions must add up to, by `Model.predict`."""
    log_p = np.log(of.predict(x, features=features))
    row = np.arange(len(x))
    return log_p[row, called] - log_p[row, other]


def test_of_a_linear_network_each_sample_adds_its_weight_times_its_height_over_the_flat_line() -> None:
    weights = torch.randn(4, 2, LENGTH, generator=torch.Generator().manual_seed(0))
    x = beats(5, leads=2)
    called, other = np.array([0, 1, 2, 3, 0]), np.array([1, 0, 0, 2, 3])
    found = attribute(model("single", [{"all": Linear(weights)}], 2), x, None, called, other)
    w = weights.numpy()
    expected = (w[called] - w[other]) * (x - np.median(x, axis=2, keepdims=True))
    assert found.dtype == np.float32
    assert found == pytest.approx(expected, abs=1e-5)


def test_where_a_network_does_not_look_nothing_is_found() -> None:
    class Looks(nn.Module):
        """Squares and mixes the samples 20 to 30 of the second lead, and sees no others."""

        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(10, 16), nn.Tanh(), nn.Linear(16, 4))

        def forward(self, x: Tensor, features: Tensor | None = None) -> Tensor:
            return self.layers(x[:, 1, 20:30] ** 2)

    torch.manual_seed(0)
    called, other = np.full(6, 2), np.zeros(6, np.int64)
    found = attribute(model("single", [{"all": Looks()}], 2), beats(6, leads=2), None, called, other)
    assert (np.abs(found[:, 1, 20:30]).sum(axis=1) > 0).all()
    found[:, 1, 20:30] = 0
    assert not found.any()


@pytest.mark.promise
@pytest.mark.parametrize("kind", ["single", "two_stage"])
@pytest.mark.parametrize("members", [1, 3])
def test_attributions_add_up_to_what_the_model_itself_says(kind: str, members: int) -> None:
    of, x = untrained(kind, members=members, features=2), beats()
    features = np.random.default_rng(1).normal(size=(6, 2)).astype(np.float32)
    called, other = np.array([0, 1, 2, 3, 2, 1]), np.array([2, 0, 0, 0, 3, 2])
    expected = difference(of, x, features, called, other) - difference(of, flat(x), features, called, other)
    assert np.abs(expected).max() > 1, "there is something to explain"
    found = attribute(of, x, features, called, other, steps=128).sum(axis=(1, 2))
    assert found == pytest.approx(expected, abs=0.05 * np.abs(expected).max())
    rough = attribute(of, x, features, called, other, steps=2).sum(axis=(1, 2))
    assert np.abs(rough - expected).max() > np.abs(found - expected).max(), "more steps, closer"


def test_features_beside_the_signal_stay_as_they_are() -> None:
    weights = torch.randn(4, 1, LENGTH, generator=torch.Generator().manual_seed(0))
    of = model("single", [{"all": Linear(weights, torch.eye(4))}], 1, features=4)
    x, called, other = beats(2), np.array([1, 1]), np.array([0, 0])
    features = np.array([[0, 0, 0, 0], [0, 9, 0, 0]], np.float32)
    found = attribute(of, np.stack([x[0], x[0]]), features, called, other)
    assert found[0] == pytest.approx(found[1], abs=1e-5)


def test_against_all_other_classes_it_is_the_log_odds_that_are_explained() -> None:
    of, x = untrained("two_stage"), beats()
    called = np.array([0, 1, 2, 3, 2, 1])
    row = np.arange(len(x))

    def log_odds(signal: np.ndarray) -> np.ndarray:
        p = of.predict(signal)[row, called]
        return np.log(p / (1 - p))

    found = attribute(of, x, None, called, steps=128).sum(axis=(1, 2))
    expected = log_odds(x) - log_odds(flat(x))
    assert found == pytest.approx(expected, abs=0.05 * np.abs(expected).max())


@pytest.mark.parametrize("name", NAMES)
def test_every_network_can_be_asked(name: str) -> None:
    of, x = untrained("single", name, leads=2), beats(4, leads=2)
    x[:, :, 60:] = np.median(x, axis=2, keepdims=True)  # flat at the end: nothing to take away
    x = x - np.median(x, axis=2, keepdims=True) + 0.5
    called, other = np.array([0, 1, 2, 3]), np.array([1, 2, 3, 0])
    found = attribute(of, x, None, called, other)
    assert found.shape == x.shape and np.isfinite(found).all()
    assert (np.abs(found[:, :, :60]).sum(axis=(1, 2)) > 0).all()
    edge = LENGTH // 16 if name == "minirocket" else 0  # the width of its windows
    assert np.abs(found[:, :, 60 + edge :]).max() < 1e-6
    if name != "minirocket":  # which is asked by occlusion, and adds up to nothing
        expected = difference(of, x, None, called, other) - difference(of, flat(x), None, called, other)
        sums = attribute(of, x, None, called, other, steps=256).sum(axis=(1, 2))
        assert sums == pytest.approx(expected, abs=0.05 * np.abs(expected).max() + 1e-3)


def test_occlusion_says_what_flattening_a_stretch_would_cost() -> None:
    of, x = untrained("single", "minirocket"), beats(1)
    called, other = np.array([2]), np.array([0])
    found = attribute(of, x, None, called, other)
    window = LENGTH // 16
    flattened = x.copy()
    flattened[:, :, :window] = flat(x)[:, :, :window]
    cost = difference(of, x, None, called, other) - difference(of, flattened, None, called, other)
    assert found[0, 0, 0] == pytest.approx(cost[0], abs=1e-4), "no other window holds the first sample"


def test_asking_twice_gives_the_same_and_leaves_the_model_as_it_was() -> None:
    of, x = untrained("single", dropout=0.5), beats()
    of.members[0]["all"].train()
    before = of.members[0]["all"].state_dict()["blocks.0.layers.0.weight"].clone()
    called, other = np.full(6, 1), np.zeros(6, np.int64)
    first, again = (attribute(of, x, None, called, other) for _ in range(2))
    assert np.array_equal(first, again), "dropout plays no part"
    assert torch.equal(of.members[0]["all"].state_dict()["blocks.0.layers.0.weight"], before)
    assert all(weights.grad is None for weights in of.members[0]["all"].parameters())
    with torch.no_grad():
        assert np.array_equal(attribute(of, x, None, called, other), first)


def test_of_folds_each_beat_is_asked_of_the_member_that_predicted_it() -> None:
    of, x = untrained("single", members=2), beats(4)
    table: Any = SimpleNamespace(signal=x, features=np.zeros((4, 0), np.float32))
    rows, called, other = np.array([3, 0, 2]), np.array([1, 2, 3]), np.array([0, 0, 1])
    found = attribute_table(of, table, rows, called, other, fold=np.array([1, 0, 1]))
    for i, member in enumerate((1, 0, 1)):
        one = slice(i, i + 1)
        alone = attribute(of.member(member), x[rows[one]], None, called[one], other[one])
        assert found[i] == pytest.approx(alone[0], abs=1e-5)
    together = attribute_table(of, table, rows, called, other)
    assert together == pytest.approx(attribute(of, x[rows], None, called, other), abs=1e-5)


def test_no_beats_have_no_attributions() -> None:
    nothing = np.empty(0, np.int64)
    assert attribute(untrained("single"), beats()[:0], None, nothing, nothing).shape == (0, 1, LENGTH)


def test_the_flat_line_is_at_the_median_of_what_is_no_padding() -> None:
    row = np.array([[[0.5, 0.9, 0.3, 0.4, 0.4, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]]], np.float32)
    assert flat(row) == pytest.approx(np.full((1, 1, 12), 0.4))
    assert not flat(np.zeros((2, 1, 12), np.float32)).any()
    both = np.array([[[1.0, 0.0, 2.0, 0.0], [5.0, 7.0, 6.0, 0.0]]], np.float32)
    assert flat(both)[0, :, 0].tolist() == [1.0, 6.0]


def test_sixty_beats_take_the_default_network_less_than_five_seconds() -> None:
    of, x = untrained("single", features=36), np.repeat(beats(), 10, axis=0)
    features, called = np.zeros((60, 36), np.float32), np.ones(60, np.int64)
    attribute(of, x[:1], features[:1], called[:1])
    start = time.process_time()
    attribute(of, x, features, called)
    assert time.process_time() - start < 5


def test_a_perceptron_over_features_reads_no_signal() -> None:
    assert reads_signal(untrained("single", "mlp")), "without features it reads the samples"
    assert reads_signal(untrained("single", "cnn", features=3))
    assert not reads_signal(untrained("single", "mlp", features=3))
