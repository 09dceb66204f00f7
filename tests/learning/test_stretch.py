"""Views of a beat stretched in time, over which a network answers with its mean."""

from __future__ import annotations

import numpy as np
import torch

from ecgcli.learning.networks import build
from ecgcli.learning.stretch import Views, before_padding, stretched
from tests.conftest import train_config

FACTORS = (0.9, 1.0, 1.2)


def kaggle_beats(n: int = 6) -> torch.Tensor:
    """(n, 1, 100) beats of several lengths with padding; the last is nothing but padding."""
    beats = torch.rand(n, 1, 100, generator=torch.Generator().manual_seed(0)) + 0.01
    for i in range(n):
        beats[i, :, 40 + 12 * i :] = 0
    beats[-1] = 0
    return beats


def views(name: str = "cnn") -> Views:
    torch.manual_seed(0)
    config = train_config("beat=kaggle", f"model={name}", f"model.stretches={list(FACTORS)}")
    network = build(config.model, 1, 100, 3)
    assert isinstance(network, Views)
    network.train()(kaggle_beats())  # running statistics move
    return network


def test_a_beat_of_twice_the_length_is_the_beat_with_samples_between() -> None:
    beat = torch.zeros(1, 1, 12)
    beat[0, 0, :4] = torch.tensor([1.0, 3.0, 2.0, 4.0])
    out, length = stretched(beat, before_padding(beat), torch.tensor([2.0]))
    assert out[0, 0].tolist() == [1, 2, 3, 2.5, 2, 3, 4, 0, 0, 0, 0, 0]
    assert length.tolist() == [7]
    back, _ = stretched(out, length, torch.tensor([0.5]))
    assert torch.equal(back, beat)


def test_numpy_interpolates_to_the_same_beats() -> None:
    beats = kaggle_beats()[:-1]
    for factor in (0.8, 0.97, 1.3):
        out, length = stretched(beats, before_padding(beats), torch.full((len(beats),), factor))
        for old, new, n, m in zip(beats[:, 0], out[:, 0], before_padding(beats), length, strict=True):
            at = np.arange(int(m)) / np.float32(factor)
            expected = np.interp(at, np.arange(int(n)), old[: int(n)].numpy())
            np.testing.assert_allclose(new[: int(m)], expected, atol=1e-5)
            assert not new[int(m) :].any()


def test_the_answer_is_the_mean_of_the_probabilities_for_the_stretched_beats() -> None:
    network, beats = views().eval(), kaggle_beats()
    said = []
    for factor in FACTORS:
        view = stretched(beats, before_padding(beats), torch.full((len(beats),), factor))[0]
        said.append(network.network(view).softmax(1))
    torch.testing.assert_close(network(beats).softmax(1), torch.stack(said).mean(0))


def test_it_is_trained_on_beats_as_they_come() -> None:
    network, beats = views("resnet").train(), kaggle_beats()
    torch.manual_seed(1)
    ours = network(beats)
    torch.manual_seed(1)
    assert torch.equal(ours, network.network(beats))


def test_what_a_network_fixes_before_training_reaches_it() -> None:
    torch.manual_seed(0)
    config = train_config("beat=kaggle", "model=minirocket", "model.features=840", "model.stretches=[1,1.1]")
    network = build(config.model, 1, 100, 3)
    assert isinstance(network, Views)
    network.prepare(kaggle_beats(50), 0)
    assert network.eval()(kaggle_beats()).isfinite().all()
