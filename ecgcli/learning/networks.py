"""Networks: (batch, leads, time) beats, and (batch, features) beside them → (batch, classes) logits."""

from __future__ import annotations

import torch
from torch import nn

from ecgcli.choices.model import BaselineCnn, Cnn, Convnext, Minirocket, Mlp, Network, Resnet
from ecgcli.learning.cnn import BaselineNetwork, ConvNetwork
from ecgcli.learning.convnext import ConvNextNetwork
from ecgcli.learning.minirocket import MinirocketNetwork
from ecgcli.learning.mlp import PerceptronNetwork
from ecgcli.learning.resnet import ResidualNetwork
from ecgcli.learning.stretch import Views


def build(choice: Network, leads: int, length: int, classes: int, features: int = 0) -> nn.Module:
    """The network that a configuration names.

    Its `forward(x, features=None)` takes beats and, where `features` is not 0, their features. A network with
    a method `prepare(x, seed)` has to be shown training beats before it is trained.

    Args:
        choice: the network's configuration.
        leads: number of leads of a beat.
        length: samples of a beat.
        classes: number of outputs.
        features: number of features beside the signal; 0 for none.

    Raises:
        EcgError: if the network does not fit a beat of this length.
    """
    network: nn.Module
    match choice:
        case BaselineCnn():
            network = BaselineNetwork(choice, leads, length, classes, features)
        case Cnn():
            network = ConvNetwork(choice, leads, length, classes, features)
        case Resnet():
            network = ResidualNetwork(choice, leads, length, classes, features)
        case Convnext():
            network = ConvNextNetwork(choice, leads, length, classes, features)
        case Minirocket():
            network = MinirocketNetwork(choice, leads, length, classes, features)
        case Mlp():
            network = PerceptronNetwork(choice, leads, length, classes, features)
    if factors := getattr(choice, "stretches", ()):
        network = Views(network, factors)
    # torch's stubs know `to` without memory_format only
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
