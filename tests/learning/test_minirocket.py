"""MiniRocket against a plain reading of the paper, and against what its authors' library chooses."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn import functional as F

from ecgcli.choices.model import Minirocket
from ecgcli.learning.minirocket import GAIN, KERNELS, MinirocketNetwork, dilations


def network(leads: int = 1, length: int = 100, features: int = 84 * 10, beats: int = 60) -> MinirocketNetwork:
    """A network that has seen some beats."""
    torch.manual_seed(0)
    choice = Minirocket(name="minirocket", features=features, dropout=0.0)
    net = MinirocketNetwork(choice, leads, length, 5)
    net.prepare(waves(beats, leads, length), 0)
    return net


def waves(beats: int, leads: int, length: int) -> torch.Tensor:
    """(beats, leads, length) smooth random curves."""
    return torch.randn(beats, leads, length).cumsum(-1) / length**0.5


def paper_convolution(
    x: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], dilation: int, padded: bool
) -> npt.NDArray[np.float64]:
    """(time,) → what a dilated kernel gives at each place, sample by sample."""
    half = len(weights) // 2 * dilation
    first, last = (0, len(x)) if padded else (half, len(x) - half)
    output = []
    for t in range(first, last):
        places = [t + (tap - len(weights) // 2) * dilation for tap in range(len(weights))]
        output.append(sum(w * x[p] for w, p in zip(weights, places, strict=True) if 0 <= p < len(x)))
    return np.array(output)


def test_the_kernels_are_every_arrangement_of_three_twos_among_minus_ones() -> None:
    assert KERNELS.shape == (84, 9)
    assert (KERNELS.sum(1) == 0).all()
    assert {tuple(np.flatnonzero(row == 2)) for row in KERNELS.numpy()} == set(combinations(range(9), 3))


@pytest.mark.parametrize(
    ("length", "per_kernel", "expected", "shares"),
    [  # as aeon 1.6 chooses them
        (20, 119, [1, 2], [93, 26]),
        (100, 119, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [34, 19, 15, 8, 12, 4, 8, 7, 3, 3, 3, 3]),
        (100, 10, [1, 2, 3, 4, 5, 7, 9, 12], [3, 1, 1, 1, 1, 1, 1, 1]),
        (187, 10, [1, 2, 4, 5, 8, 11, 16, 23], [2, 2, 1, 1, 1, 1, 1, 1]),
        (2000, 10, [1, 3, 6, 11, 21, 39, 73, 135, 249], [2, 1, 1, 1, 1, 1, 1, 1, 1]),
        (9, 119, [1], [119]),
    ],
)
def test_dilations_are_those_of_the_published_transform(
    length: int, per_kernel: int, expected: list[int], shares: list[int]
) -> None:
    assert dilations(length, per_kernel) == list(zip(expected, shares, strict=True))


@pytest.mark.parametrize(("leads", "length"), [(1, 50), (1, 9), (2, 40), (12, 30)])
def test_features_equal_a_plain_reading_of_the_paper(leads: int, length: int) -> None:
    net = network(leads, length, 84 * 6)
    beat = waves(1, leads, length)
    shares = net.transform(beat)[0].view(84, -1).numpy()
    x = beat[0].double().numpy()
    for kernel in range(0, 84, 5):
        weights = KERNELS[kernel].double().numpy()
        first = 0
        for i, (dilation, number) in enumerate(net.dilations):
            read = net.leads[i, kernel].numpy() > 0
            output = paper_convolution(x[read].sum(0), weights, dilation, (i + kernel) % 2 == 0)
            for feature in range(first, first + number):
                above = (output > float(net.biases[kernel, feature])).mean()
                # one sample's leave for a tie in the last bit
                assert abs(shares[kernel, feature] - above) <= 1.01 / len(output)
            first += number
        assert first == shares.shape[1]


def test_half_of_the_kernels_is_padded_at_every_dilation() -> None:
    net = network(length=100)
    for i, (dilation, _) in enumerate(net.dilations):
        steps = {
            padded: net._convolve(torch.zeros(1, 1, 100), i, rows, dilation, padded).shape
            for rows, padded in net._halves(i)
        }
        assert steps == {True: (42, 1, 100), False: (42, 1, 100 - 8 * dilation)}


def test_biases_are_quantiles_of_what_the_kernels_give_on_training_beats() -> None:
    net = network(length=60, beats=1)  # one beat: it is known which was drawn
    torch.manual_seed(0)
    MinirocketNetwork(Minirocket(name="minirocket", features=840, dropout=0.0), 1, 60, 5)
    beat = waves(1, 1, 60)[0, 0].double().numpy()
    per_kernel = net.biases.shape[1]
    golden = (5**0.5 + 1) / 2
    for kernel in (0, 1, 40, 83):
        first = 0
        for i, (dilation, number) in enumerate(net.dilations):
            output = paper_convolution(beat, KERNELS[kernel].numpy(), dilation, (i + kernel) % 2 == 0)
            at = [(kernel * per_kernel + f + 1) * golden % 1 for f in range(first, first + number)]
            found = net.biases[kernel, first : first + number]
            np.testing.assert_allclose(found, np.quantile(output, at), atol=1e-4)
            first += number


def test_with_several_leads_each_kernel_reads_some_of_them() -> None:
    few = network(2, 100, 84 * 20).leads.sum(-1)
    assert set(few.unique().tolist()) == {1.0, 2.0}
    many = network(12, 50, 84 * 20).leads.sum(-1)
    assert many.min() == 1
    assert 4 < many.max() <= 9
    assert (network(1, 50).leads == 1).all()


def test_features_of_training_beats_are_centred_and_of_one_size() -> None:
    net = network(beats=300)
    torch.manual_seed(0)
    MinirocketNetwork(Minirocket(name="minirocket", features=840, dropout=0.0), 1, 100, 5)
    scaled = (net.transform(waves(300, 1, 100)) - net.mean) * net.scale
    assert scaled.mean(0).abs().max() < 1e-3
    together = float(scaled.square().sum(1).mean()) ** 0.5
    assert 0.8 * GAIN < together <= 1.01 * GAIN


def test_a_beat_gives_the_same_features_alone_and_among_others() -> None:
    net = network()
    x = waves(70, 1, 100)
    together = net.transform(x)
    alone = torch.cat([net.transform(beat[None]) for beat in x])
    # the order of a sum may differ in the last bit, which moves a sample over a bias now and then
    assert (together - alone).abs().max() <= 1.01 / (100 - 8 * net.dilations[-1][0])
    assert ((together - alone).abs() > 1e-6).float().mean() < 1e-3


def test_preparing_is_needed_and_its_seed_decides() -> None:
    choice = Minirocket(name="minirocket", features=840, dropout=0.0)
    beats = waves(50, 2, 80)
    fresh = MinirocketNetwork(choice, 2, 80, 5)
    with pytest.raises(RuntimeError, match="prepare"):
        fresh(beats)
    states = []
    for seed in (0, 0, 1):
        net = MinirocketNetwork(choice, 2, 80, 5)
        net.prepare(beats, seed)
        states.append(net.biases)
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_only_the_linear_layer_is_trained_and_it_learns_shapes() -> None:
    # a wave that is narrow, or wide: as a normal and a ventricular beat are
    net = network(features=84 * 3)
    assert [name for name, _ in net.named_parameters()] == ["head.1.weight", "head.1.bias"]
    wide = torch.arange(200) % 2
    time = torch.arange(100) - torch.randint(35, 65, (200, 1))
    x = torch.exp(-((time / (3 + 5 * wide[:, None])) ** 2))[:, None] + 0.1 * torch.randn(200, 1, 100)
    net.prepare(x[:100], 0)
    optimizer = torch.optim.AdamW(net.parameters(), 0.008)
    for _ in range(25):
        optimizer.zero_grad()
        F.cross_entropy(net(x[:100]), wide[:100]).backward()
        optimizer.step()
    assert (net.eval()(x[100:]).argmax(1) == wide[100:]).float().mean() > 0.95
