"""A copy of a model adapts to labelled beats of one patient; the model itself stays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ecgcli.learning.adapt import LR, STEPS, adapted
from tests.conftest import compose_values
from tests.learning.test_export import CLASSES, beats, model


def weights(of: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in of.state_dict().items()}


@pytest.mark.parametrize("kind", ["single", "two_stage"])
@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_a_copy_learns_what_this_patients_beats_are_called(name: str, kind: str) -> None:
    before = model(name, kind, features=4)
    kept = [weights(network) for member in before.members for network in member.values()]
    signal, features = beats(120, 4)
    label = (features[:, 0] > 0.4).astype(np.int64) + (features[:, 0] > 1)  # of the classes V, N, S
    after = adapted(before, signal, features, label, steps=300, lr=0.01)

    def right(of: object) -> float:
        return float((of.predict(signal, features=features).argmax(1) == label).mean())  # type: ignore[attr-defined]

    assert right(after) > max(0.85, right(before) + 0.2)
    networks = [network for member in before.members for network in member.values()]
    for network, old in zip(networks, kept, strict=True):
        assert all(torch.equal(value, old[key]) for key, value in network.state_dict().items())
    assert after.facts == before.facts


def test_running_statistics_stay_those_of_many_patients() -> None:
    before = model("cnn", features=4)
    signal, features = beats(50, 4)
    after = adapted(before, 5 * signal, features, np.arange(50) % 2, steps=5, lr=0.01)
    (old,), (new,) = ([*one.members[0].values()] for one in (before, after))
    changed = {
        key for key, value in new.state_dict().items() if not torch.equal(value, old.state_dict()[key])
    }
    assert changed
    assert changed <= {key for key, _ in old.named_parameters()}


def test_equal_beats_give_equal_copies_and_the_global_generator_stays_where_it_was() -> None:
    before = model("mlp", features=4)
    signal, features = beats(30, 4)
    label = np.arange(30) % len(CLASSES)
    torch.manual_seed(3)
    one = adapted(before, signal, features, label, steps=20, lr=0.01)
    drawn = torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(1))
    other = adapted(before, signal, features, label, steps=20, lr=0.01)
    assert np.array_equal(one.predict(signal, features=features), other.predict(signal, features=features))


def test_without_two_classes_there_is_nothing_to_adapt_to() -> None:
    before = model("mlp", "two_stage", features=4)
    signal, features = beats(10, 4)
    for label in (np.zeros(0, np.int64), np.ones(10, np.int64)):  # N is class 1
        after = adapted(before, signal[: len(label)], features[: len(label)], label, steps=5, lr=0.01)
        assert after.members[0] == before.members[0]
    some = adapted(before, signal, features, np.arange(10) % 2, steps=5, lr=0.01)  # V and N
    assert some.members[0]["type"] is before.members[0]["type"]
    assert some.members[0]["anomaly"] is not before.members[0]["anomaly"]


def test_a_class_that_the_patient_did_not_show_is_not_unlearned() -> None:
    """Beats of class S lie far from those that are labelled: they stay S."""
    before = model("mlp", features=2, members=1)
    signal, features = beats(90, 2)
    label = np.repeat([0, 1, 2], 30)
    features[:] = features / 10 + np.array([[0, 0], [3, 0], [0, 3]], np.float32)[label]
    taught = adapted(before, signal, features, label, steps=300, lr=0.01)
    shown = label < 2
    after = adapted(taught, signal[shown], features[shown], label[shown], steps=200, lr=0.003)
    probability = after.predict(signal, features=features)
    assert (probability.argmax(1) == label).all()


def test_predict_adapts_as_the_protocol_that_measured_it() -> None:
    protocol = compose_values("data=mitdb", "protocol=labelled_minutes")["protocol"]
    assert (protocol["steps"], protocol["lr"]) == (STEPS, LR)
