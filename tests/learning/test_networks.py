"""Networks: shapes, what they can learn, and the Conv2d writing of a 1-D convolution against Conv1d."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from torch import Tensor, nn
from torch.nn import functional as F

from ecgcli.choices.model import BaselineCnn, Cnn, Network
from ecgcli.errors import EcgError
from ecgcli.learning.cnn import Block
from ecgcli.learning.convnext import ConvNextBlock
from ecgcli.learning.networks import build
from ecgcli.learning.resnet import PreActivationBlock

MODELS = Path(__file__).parents[2] / "conf" / "model"
NAMES = sorted(path.stem for path in MODELS.glob("*.yaml"))

WEIGHT_SUMS = {"cnn": 5347.658668697045, "baseline_cnn": 1728.6481152577742}
"""Sums of the weights' magnitudes at seed 0, as these networks had them before they took in features."""


def default(name: str, **changes: object) -> Network:
    """The choice as `conf/` has it; MiniRocket with fewer features, to be quick."""
    values = yaml.safe_load((MODELS / f"{name}.yaml").read_text())
    if "fusion" not in values:  # a perceptron has nothing to bring together
        changes.pop("fusion", None)
    if name == "minirocket":
        values["features"] = 84 * 3
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in (values | changes).items()}
    return TypeAdapter[Network](Network).validate_python(values)


def ready(choice: Network, leads: int, length: int, classes: int, features: int = 0) -> nn.Module:
    """A network that could be trained, its seed fixed."""
    torch.manual_seed(0)
    network = build(choice, leads, length, classes, features)
    if hasattr(network, "prepare"):
        network.prepare(torch.randn(40, leads, length), 0)
    return network


def cnn(**changes: object) -> Cnn:
    values = {
        "name": "cnn",
        "channels": (8, 16),
        "kernel_sizes": (5,),
        "strides": (2,),
        "dilations": (1,),
        "normalisation": "batch",
        "activation": "relu",
        "dropout": 0.1,
        "pooling": "both",
        "residual": True,
    }
    return Cnn.model_validate({**values, **changes})


def test_the_baseline_has_the_published_layers() -> None:
    network = build(BaselineCnn(name="baseline_cnn"), leads=1, length=187, classes=5)
    shapes = [tuple(p.shape) for p in network.parameters() if p.ndim > 1]
    assert shapes[0] == (128, 187)  # Linear 187 → 128 on the time axis
    assert shapes[1:4] == [(16, 1, 1, 3), (16, 16, 1, 3), (16, 16, 1, 3)]
    assert shapes[4:] == [(64, 480), (5, 64)]
    assert network(torch.randn(3, 1, 187)).shape == (3, 5)


@settings(max_examples=40, deadline=None)
@given(
    channels=st.lists(st.sampled_from([4, 6, 8, 16]), min_size=1, max_size=4),
    kernel=st.sampled_from([1, 3, 7]),
    stride=st.sampled_from([1, 2, 3]),
    dilation=st.sampled_from([1, 2]),
    normalisation=st.sampled_from(["batch", "group", "none"]),
    activation=st.sampled_from(["relu", "gelu", "silu", "leaky_relu"]),
    pooling=st.sampled_from(["average", "max", "both", "flatten"]),
    residual=st.booleans(),
    leads=st.integers(1, 2),
    length=st.integers(100, 200),
)
def test_every_cnn_gives_one_logit_a_class(
    channels: list[int],
    kernel: int,
    stride: int,
    dilation: int,
    normalisation: str,
    activation: str,
    pooling: str,
    residual: bool,
    leads: int,
    length: int,
) -> None:
    choice = cnn(
        channels=tuple(channels),
        kernel_sizes=(kernel,),
        strides=(stride,),
        dilations=(dilation,),
        normalisation=normalisation,
        activation=activation,
        pooling=pooling,
        residual=residual,
    )
    logits = build(choice, leads, length, 4)(torch.randn(3, leads, length))
    assert logits.shape == (3, 4)
    assert logits.isfinite().all()


def test_a_block_equals_the_same_convolution_written_as_conv1d() -> None:
    torch.manual_seed(0)
    block = Block(cnn(normalisation="none", residual=False), 2, 8, 5, 2, 1)
    convolution = block.layers[0]
    assert isinstance(convolution, nn.Conv2d)
    plain = nn.Conv1d(2, 8, 5, stride=2, padding=2)
    plain.weight.data = convolution.weight.data.squeeze(2)
    assert convolution.bias is not None
    plain.bias.data = convolution.bias.data  # type: ignore[union-attr]
    x = torch.randn(4, 2, 187)
    torch.testing.assert_close(block(x.unsqueeze(2)).squeeze(2), plain(x).relu())


def test_strides_that_leave_nothing_of_the_beat_are_refused() -> None:
    with pytest.raises(EcgError, match=r"model\.strides leave 1 sample"):
        build(cnn(channels=(4,) * 8), 1, 100, 5)


@settings(max_examples=50, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    fusion=st.sampled_from(["concat", "add"]),
    leads=st.integers(1, 4),
    length=st.integers(20, 400) | st.sampled_from([20, 2000]),
    features=st.sampled_from([0, 1, 12]),
    batch=st.integers(1, 3),
)
def test_every_default_network_reads_beats_of_any_usual_length(
    name: str, fusion: str, leads: int, length: int, features: int, batch: int
) -> None:
    network = ready(default(name, fusion=fusion), leads, length, 5, features)
    beside = torch.randn(batch, features) if features else None
    for network_in in (network.train(), network.eval()):
        logits = network_in(torch.randn(batch, leads, length), beside)
        assert logits.shape == (batch, 5)
        assert logits.isfinite().all()


@pytest.mark.parametrize("fusion", ["concat", "add"])
@pytest.mark.parametrize("name", NAMES)
def test_every_weight_is_trained(name: str, fusion: str) -> None:
    network = ready(default(name, fusion=fusion), 2, 100, 4, 6)
    logits = network(torch.randn(16, 2, 100), torch.randn(16, 6))
    F.cross_entropy(logits, torch.arange(16) % 4).backward()
    for key, weight in network.named_parameters():
        assert weight.grad is not None, key
        assert weight.grad.abs().sum() > 0, key


@pytest.mark.parametrize("features", [0, 6])
@pytest.mark.parametrize("name", NAMES)
def test_a_seed_gives_one_network_and_its_state_restores_it(name: str, features: int) -> None:
    first, second = (ready(default(name), 1, 90, 3, features) for _ in range(2))
    x, beside = torch.randn(8, 1, 90), torch.randn(8, features) if features else None
    first(x, beside), second(x, beside)  # running statistics move
    expected = first.eval()(x, beside)
    assert torch.equal(expected, second.eval()(x, beside))

    torch.manual_seed(1)
    other = build(default(name), 1, 90, 3, features)
    state = {key: value.clone() for key, value in first.state_dict().items()}
    other.load_state_dict(state)
    assert torch.equal(expected, other.eval()(x, beside))


@pytest.mark.parametrize("name", ["cnn", "baseline_cnn"])
def test_networks_without_features_keep_the_names_of_released_weights(name: str) -> None:
    keys = set(build(default(name), 1, 187, 5).state_dict())
    if name == "baseline_cnn":
        layers = ["stem", *(f"convolutions.{i}" for i in (0, 2, 5)), "head.0", "head.2"]
        assert keys == {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}
    else:
        norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
        expected = {"head.1.weight", "head.1.bias"}
        for block in (f"blocks.{i}" for i in range(4)):
            expected |= {f"{block}.{layer}.weight" for layer in ("layers.0", "layers.3", "shortcut")}
            expected |= {f"{block}.layers.{layer}.{kind}" for layer in (1, 4) for kind in norm}
        assert keys == expected


def test_the_same_seed_gives_the_weights_that_it_gave_in_earlier_releases() -> None:
    for name, expected in WEIGHT_SUMS.items():
        torch.manual_seed(0)
        weights = build(default(name), 1, 187, 5).parameters()
        assert sum(float(w.detach().double().abs().sum()) for w in weights) == pytest.approx(
            expected, rel=1e-6
        )


@pytest.mark.parametrize("fusion", ["concat", "add"])
@pytest.mark.parametrize("name", NAMES)
def test_what_only_the_features_tell_is_learned(name: str, fusion: str) -> None:
    network = ready(default(name, fusion=fusion, **_small(name)), 1, 40, 2, 3)

    def noise_with_rr(beats: int) -> tuple[Tensor, Tensor, Tensor]:
        rr = torch.randn(beats, 3) * torch.tensor([0.2, 1.0, 5.0]) + torch.tensor([0.8, 0.0, 100.0])
        return torch.randn(beats, 1, 40), rr, (rr[:, 0] < 0.8).long()  # early beats are the second class

    optimizer = torch.optim.AdamW(network.parameters(), 0.01)
    for _ in range(60):
        signal, rr, early = noise_with_rr(32)
        optimizer.zero_grad()
        F.cross_entropy(network(signal, rr), early).backward()
        optimizer.step()
    signal, rr, early = noise_with_rr(300)
    told = network.eval()(signal, rr).argmax(1) == early
    assert told.float().mean() > 0.85


@pytest.mark.parametrize("name", NAMES)
def test_features_that_are_missing_or_not_asked_for_are_refused(name: str) -> None:
    x = torch.randn(4, 1, 100)
    with pytest.raises(ValueError, match="reads 5 features beside the signal, not 0"):
        ready(default(name), 1, 100, 4, 5)(x)
    with pytest.raises(ValueError, match="reads 0 features beside the signal, not 5"):
        ready(default(name), 1, 100, 4)(x, torch.randn(4, 5))


@pytest.mark.parametrize(
    ("name", "changes", "length", "message"),
    [
        ("resnet", {}, 16, r"model\.stem_stride=2 and 4 stages leave 1 step of a beat of 16 samples"),
        ("resnet", {"channels": (4,), "stem_stride": 4}, 4, r"stem_stride=4 and 1 stages leave 1 step"),
        ("convnext", {}, 16, r"model\.patch=4 and 3 stages leave 1 step of a beat of 16 samples"),
        ("minirocket", {}, 8, r"kernels of 9 samples: beats of 8 samples are too short"),
    ],
)
def test_beats_too_short_for_a_network_are_refused(
    name: str, changes: dict[str, object], length: int, message: str
) -> None:
    with pytest.raises(EcgError, match=message):
        build(default(name, **changes), 1, length, 5)
    ready(default(name, **changes), 1, length + 1, 5)(torch.randn(2, 1, length + 1))


def test_where_a_wave_stands_reaches_the_last_layer() -> None:
    x = torch.zeros(2, 1, 192)
    x[0, 0, 40:50] = x[1, 0, 136:146] = 1.0
    for name in ("resnet", "convnext"):
        apart = {}  # by the whole beat's average, and with the place kept
        for bins in (1, 16):
            one, two = ready(default(name, bins=bins), 1, 192, 5).eval()(x)
            apart[bins] = float((one - two).detach().abs().max())
        assert apart[1] < apart[16] / 8


def test_a_residual_block_equals_the_same_sums_written_as_conv1d() -> None:
    torch.manual_seed(0)
    block = PreActivationBlock(4, 6, 5, 2).train()
    x = torch.randn(3, 4, 31)
    enter, between = nn.BatchNorm1d(4), nn.BatchNorm1d(6)
    weights = [block.get_parameter(f"layers.{i}.weight").squeeze(2) for i in (0, 3)]
    y = enter(x).relu()
    z = F.conv1d(between(F.conv1d(y, weights[0], stride=2, padding=2)).relu(), weights[1], padding=2)
    pairs = torch.cat([y[..., :30].unflatten(2, (15, 2)).mean(-1), y[..., 30:]], 2)  # the last stands alone
    expected = z + F.conv1d(pairs, block.get_parameter("shortcut.weight").squeeze(2))
    torch.testing.assert_close(block(x.unsqueeze(2)).squeeze(2), expected)


def test_a_convnext_block_equals_the_same_sums_written_as_conv1d() -> None:
    torch.manual_seed(0)
    block = ConvNextBlock(6, 9, 2, 0.0)
    x = torch.randn(3, 6, 40)

    def weight(name: str) -> Tensor:
        return block.get_parameter(name)

    y = F.conv1d(x, weight("depthwise.weight").squeeze(2), weight("depthwise.bias"), padding=4, groups=6)
    y = (y - y.mean(1, keepdim=True)) / (y.var(1, correction=0, keepdim=True) + 1e-6).sqrt()
    y = F.gelu(F.conv1d(y, weight("layers.0.weight").unsqueeze(2), weight("layers.0.bias")))
    y = F.conv1d(y, weight("layers.2.weight").unsqueeze(2), weight("layers.2.bias"))
    torch.testing.assert_close(block(x.unsqueeze(2)).squeeze(2), x + y)


def test_stochastic_depth_leaves_out_whole_blocks_of_some_beats_in_training_only() -> None:
    torch.manual_seed(0)
    block = ConvNextBlock(4, 3, 2, 0.5)
    x = torch.randn(400, 4, 1, 5)
    left_out = (block(x) == x).flatten(1).all(1).float().mean()
    assert 0.4 < left_out < 0.6
    full = block.eval()(x)
    assert not (full == x).flatten(1).all(1).any()
    # those that are kept count double, so that the mean is that of all blocks
    change = block.train()(x) - x
    kept = change.flatten(1).abs().sum(1) > 0
    torch.testing.assert_close(change[kept], 2 * (full - x)[kept])


def _small(name: str) -> dict[str, object]:
    """Fewer channels, so that training takes a moment."""
    few: dict[str, dict[str, object]] = {
        "cnn": {"channels": (8, 8)},
        "resnet": {"channels": (8, 8)},
        "convnext": {"channels": (8, 8), "blocks": 1},
        "minirocket": {"features": 84},
        "mlp": {"units": (16,), "dropout": 0.0},
    }
    return few.get(name, {})
