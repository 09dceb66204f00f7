"""Networks: shapes, and the Conv2d writing of a 1-D convolution against Conv1d."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ecgcli.choices import BaselineCnn, Cnn
from ecgcli.errors import EcgError
from ecgcli.learning.networks import Block, build


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
