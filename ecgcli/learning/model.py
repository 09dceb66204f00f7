"""Model: one network or a two-stage cascade behind one `predict`, saved without pickle.

A model folder holds `model.safetensors` (weights) and `model.json` (everything else: architecture, segmenter,
classes, what it was trained on, how its probabilities are calibrated and where it decides). Reading one runs
no code from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from ecgcli.beats.segment import Segmenter
from ecgcli.errors import EcgError
from ecgcli.evaluation.calibration import Calibration, calibrate
from ecgcli.evaluation.operating_point import OperatingPoint
from ecgcli.files import whole, write_json
from ecgcli.learning.facts import ModelFacts, NetworkFacts, compose, read_facts
from ecgcli.learning.inference import Ready, probabilities
from ecgcli.learning.networks import build

__all__ = ["Model", "ModelFacts", "NetworkFacts", "compose"]


@dataclass(frozen=True)
class Model:
    """A trained classifier of beats.

    Attributes:
        facts: everything but the weights.
        members: of each member of an ensemble its networks, `all` alone or `anomaly` and `type`; a model that
            is no ensemble has one member.
    """

    facts: ModelFacts
    members: tuple[dict[str, nn.Module], ...]

    def member(self, number: int) -> Model:
        """One member of an ensemble, as a model."""
        own = self.facts.of_member(number)
        alone = {"members": 1, "networks": own, "kind": "two_stage" if "type" in own else "single"}
        return Model(self.facts.model_copy(update=alone), (self.members[number],))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities."""
        return self.facts.classes

    @property
    def segmenter(self) -> Segmenter:
        """How to cut the beats that this model reads."""
        return Segmenter.from_dict(self.facts.segmenter)

    @property
    def parameters(self) -> int:
        """Number of trained weights, all networks together."""
        networks = (network for member in self.members for network in member.values())
        return sum(p.numel() for network in networks for p in network.parameters())

    def settled(
        self, calibration: Calibration, point: OperatingPoint, review_below: float | None = None
    ) -> Model:
        """The same networks, calibrated and decided so."""
        update = {"calibration": calibration, "operating_point": point, "review_below": review_below}
        return Model(self.facts.model_copy(update=update), self.members)

    def predict(
        self,
        signal: npt.NDArray[np.float32],
        index: npt.NDArray[np.int64] | None = None,
        device: str | torch.device = "cpu",
        features: npt.NDArray[np.float32] | None = None,
    ) -> npt.NDArray[np.float64]:
        """Class probabilities of beats, calibrated as the model has it.

        Args and shape of what is returned as for `raw`.
        """
        return calibrate(self.raw(signal, index, device, features), self.facts.calibration)

    def raw(
        self,
        signal: npt.NDArray[np.float32],
        index: npt.NDArray[np.int64] | None = None,
        device: str | torch.device = "cpu",
        features: npt.NDArray[np.float32] | None = None,
    ) -> npt.NDArray[np.float64]:
        """Class probabilities of beats, as the networks give them.

        Args:
            signal: (n, channels, time) beats, cut by `segmenter`; may be a memory map.
            index: rows of `signal` to predict; None for all.
            device: where to compute.
            features: (n, k) what the segmenter says of the beats beside their signal, where it does.

        Returns:
            (len(index), classes) probabilities; rows sum to 1. A cascade composes softly:
            p(N) = 1 − a and p(k) = a · t_k, a from the anomaly detector, t from the type classifier.
            An ensemble gives the mean of its members.
        """
        rows = np.arange(len(signal)) if index is None else index
        if features is None:
            features = np.zeros((len(signal), 0), np.float32)
        said = {
            name: probabilities(ready, signal, features, rows, device) for name, ready in self._ready.items()
        }
        total = np.zeros((len(rows), len(self.classes)))
        if "all" in said:
            total += said["all"].sum(axis=0)
        if "type" in said:
            for anomaly, kind in zip(said["anomaly"], said["type"], strict=True):
                total += compose(self.classes, self.facts.types, anomaly, kind)
        return total / len(self.members)

    @cached_property
    def _ready(self) -> dict[str, Ready]:
        """The networks of all members, ready to predict; made once, as a model's weights are final."""
        names = {name for networks in self.members for name in networks}
        return {
            name: Ready([networks[name] for networks in self.members if name in networks]) for name in names
        }

    def save(self, folder: Path) -> None:
        """Writes `model.safetensors` and `model.json` into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = {
            f"{_prefix(self.facts, number, name)}{key}": value.detach().cpu().contiguous()
            for number, networks in enumerate(self.members)
            for name, network in networks.items()
            for key, value in network.state_dict().items()
        }
        with whole(folder / "model.safetensors") as beside:
            save_file(weights, beside)
        write_json(folder / "model.json", self.facts.model_dump(mode="json"))

    @staticmethod
    def load(folder: Path) -> Model:
        """Reads a model folder.

        Raises:
            EcgError: if a file is missing, damaged, or of another format version.
        """
        facts = read_facts(folder / "model.json")
        path = folder / "model.safetensors"
        try:
            weights = load_file(path)
        except FileNotFoundError:
            raise EcgError(
                f"{path} is missing: a model folder holds model.json and model.safetensors"
            ) from None
        except (SafetensorError, OSError) as error:
            raise EcgError(f"{path} is damaged: {str(error).splitlines()[0]}") from None
        members = []
        for number in range(facts.members):
            networks: dict[str, nn.Module] = {}
            for name, need in facts.of_member(number).items():
                network = build(need.architecture, need.leads, need.length, len(need.classes), need.features)
                prefix = _prefix(facts, number, name)
                own = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
                try:
                    network.load_state_dict(own)
                except RuntimeError:
                    raise EcgError(f"{path} does not hold the weights that model.json describes") from None
                networks[name] = network.eval()
            members.append(networks)
        return Model(facts, tuple(members))


def _prefix(facts: ModelFacts, number: int, name: str) -> str:
    """What the names of a network's weights begin with."""
    return f"{name}/" if facts.members == 1 else f"{number}/{name}/"
