"""Networks made ready to predict say what they said in training's own form."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from ecgcli.choices.model import Cnn, Network, Resnet
from ecgcli.learning.inference import Ready, folded
from ecgcli.learning.networks import build
from tests.learning.test_model import CNN

RESNET = Resnet(
    name="resnet", channels=(8, 16), blocks=1, kernel_size=5, stem_stride=2, bins=4, dropout=0.1, fusion="add"
)


def trained(choice: Network, members: int, leads: int = 2, features: int = 7) -> list[nn.Module]:
    """Networks whose batch normalisation has seen beats."""
    torch.manual_seed(1)
    networks = [build(choice, leads, 80, 4, features) for _ in range(members)]
    for network in networks:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 2)
                nn.init.normal_(module.bias)
        network.train()
        for _ in range(3):
            network(torch.randn(64, leads, 80), torch.randn(64, features))
        network.eval()
    return networks


CHOICES: dict[str, Network] = {
    "batch": CNN,
    "concat": CNN.model_copy(update={"fusion": "concat", "pooling": "flatten", "residual": False}),
    "group": CNN.model_copy(update={"normalisation": "group", "channels": (16, 16), "pooling": "both"}),
    "none": CNN.model_copy(update={"normalisation": "none", "activation": "gelu", "dilations": (2,)}),
    "as many channels as leads": CNN.model_copy(update={"channels": (2, 4), "strides": (1,)}),
    "resnet": RESNET,
}


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)
def test_networks_made_ready_give_the_same_logits(choice: Cnn | Resnet, members: int) -> None:
    networks = trained(choice, members)
    before = copy.deepcopy([network.state_dict() for network in networks])
    x, features = torch.randn(33, 2, 80), torch.randn(33, 7)
    with torch.inference_mode():
        expected = torch.stack([network(x, features) for network in networks])
        torch.testing.assert_close(Ready(networks)(x, features), expected, atol=2e-5, rtol=2e-5)
        torch.testing.assert_close(
            Ready(networks)(x, features).softmax(2), expected.softmax(2), atol=1e-6, rtol=0
        )
    for network, state in zip(networks, before, strict=True):  # those given stay as they were
        assert not network.training
        assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


def test_no_batch_normalisation_is_left_behind_a_convolution() -> None:
    (network,) = trained(CNN, 1)
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded(network).modules())
