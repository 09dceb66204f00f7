"""A multilayer perceptron over the features of a beat: rhythm and morphology, relative to the patient."""

from __future__ import annotations

from torch import Tensor, nn

from ecgcli.choices.model import Mlp
from ecgcli.learning.layers import RunningScale, expected


class PerceptronNetwork(nn.Module):
    """Layers of ReLU units over the features beside the signal; over its samples where there are none.

    Where features are given, the signal itself is not read: what is learned are proportions that hold from
    patient to patient, not shapes of those in training.
    """

    def __init__(self, choice: Mlp, leads: int, length: int, classes: int, features: int = 0) -> None:
        super().__init__()
        self.features = features
        width = features or leads * length
        self.scale = RunningScale(width)
        layers: list[nn.Module] = []
        for units in choice.units:
            layers += [nn.Linear(width, units), nn.ReLU(), nn.Dropout(choice.dropout)]
            width = units
        self.layers = nn.Sequential(*layers, nn.Linear(width, classes))

    def forward(self, x: Tensor, features: Tensor | None = None) -> Tensor:
        """(batch, leads, time) and (batch, features) → (batch, classes)."""
        features = expected(features, self.features)
        read = x.flatten(1) if features is None else features
        logits: Tensor = self.layers(self.scale(read))
        return logits
