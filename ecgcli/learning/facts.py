"""What a model is, apart from its weights: `model.json`, read and checked. No torch here.

A model folder holds it as a file, an ONNX or TorchScript file among its metadata.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from ecgcli.choices import Choice, Size
from ecgcli.choices.model import Network
from ecgcli.errors import EcgError
from ecgcli.evaluation.calibration import Calibration
from ecgcli.evaluation.operating_point import OperatingPoint, Probability
from ecgcli.learning.tasks import ANOMALY
from ecgcli.parsing import parse

FORMAT = 1


class NetworkFacts(Choice):
    """What it takes to build one network of a model."""

    architecture: Network
    leads: Size
    length: Size
    features: Annotated[int, Field(ge=0, le=4096)] = 0
    classes: Annotated[tuple[str, ...], Field(min_length=2, max_length=1000)]


class ModelFacts(Choice):
    """`model.json`.

    Attributes:
        format: version of the format.
        kind: one network, or anomaly detector and type classifier; `mixed` for an ensemble whose members
            differ in that or in their architecture.
        members: of an ensemble, which gives the mean of them; 1 for a model that is none.
        classes: names of the classes, in the order of the probabilities.
        segmenter: how to cut the beats that the model reads, as `Segmenter.to_dict` gives it.
        networks: `all` alone, or `anomaly` and `type`; with `mixed` those of every member, `0/all`.
        trained_on: data, records and subjects.
        calibration: how the probabilities are corrected.
        operating_point: how decisions are made of them.
        review_below: beats whose probability of what they are called is below it are marked for review; None
            marks none.
    """

    format: Literal[1]
    kind: Literal["single", "two_stage", "mixed"]
    members: Annotated[int, Field(ge=1, le=100)] = 1
    classes: Annotated[tuple[str, ...], Field(min_length=2, max_length=1000)]
    segmenter: dict[str, Any]
    networks: dict[str, NetworkFacts]
    trained_on: dict[str, Any]
    calibration: Calibration = Calibration()
    operating_point: OperatingPoint = OperatingPoint()
    review_below: Probability | None = None

    @property
    def types(self) -> tuple[str, ...]:
        """The abnormal classes, outputs of a type classifier."""
        return tuple(name for name in self.classes if name != "N")

    def of_member(self, number: int) -> dict[str, NetworkFacts]:
        """The networks of one member: `all` alone, or `anomaly` and `type`."""
        if self.kind != "mixed":
            return self.networks
        prefix = f"{number}/"
        return {
            name.removeprefix(prefix): network
            for name, network in self.networks.items()
            if name.startswith(prefix)
        }


def read_facts(path: Path) -> ModelFacts:
    """Reads the `model.json` of a model folder.

    Raises:
        EcgError: if it is missing, damaged, or of another format version.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise EcgError(f"{path} is missing: a model folder holds model.json and model.safetensors") from None
    except (OSError, ValueError) as error:
        raise EcgError(f"{path} is damaged: {str(error).splitlines()[0]}") from None
    return facts_from(text, str(path))


def facts_from(text: str, where: str) -> ModelFacts:
    """Checks what a `model.json` says.

    Args:
        text: its content.
        where: what to call it in an error.

    Raises:
        EcgError: if it is damaged, or of another format version.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise EcgError(f"{where} is damaged: {str(error).splitlines()[0]}") from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        found = values.get("format") if isinstance(values, dict) else None
        raise EcgError(f"{where} has format {found!r}: this version of ecgcli reads format {FORMAT}")
    try:
        facts = parse(ModelFacts, values)
    except EcgError as error:
        raise EcgError(f"{where} is damaged: {error}") from None
    stages = {"single": [{"all"}], "two_stage": [{"anomaly", "type"}]}
    expected = stages.get(facts.kind, [*stages["single"], *stages["two_stage"]])
    members = [facts.of_member(number) for number in range(facts.members if facts.kind == "mixed" else 1)]
    known = sum(len(networks) for networks in members) == len(facts.networks)
    if not known or any(set(networks) not in expected for networks in members):
        names = " or ".join(str(sorted(names)) for names in expected)
        raise EcgError(f"{where} is damaged: a {facts.kind} model has the networks {names}")
    if len({(one.leads, one.length, one.features) for one in facts.networks.values()}) > 1:
        raise EcgError(f"{where} is damaged: its networks read beats of different sizes")
    outputs = {
        "all": facts.classes,
        "anomaly": ANOMALY,
        "type": facts.types,
    }
    wrong = [
        name for networks in members for name, network in networks.items() if network.classes != outputs[name]
    ]
    if wrong:
        raise EcgError(f"{where} is damaged: network {wrong[0]} has other classes than the model")
    return facts


def compose(
    classes: tuple[str, ...],
    types: tuple[str, ...],
    anomaly: npt.NDArray[np.float64],
    kind: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Puts the two stages of a cascade together.

    Args:
        classes: names of all classes.
        types: names of the abnormal classes, the columns of `kind`.
        anomaly: (n, 2) probabilities of normal and abnormal.
        kind: (n, len(types)) probabilities of the type, given that the beat is abnormal.

    Returns:
        (n, len(classes)) probabilities: p(N) = 1 − a, p(k) = a · t_k.
    """
    composed = np.empty((len(anomaly), len(classes)))
    composed[:, classes.index("N")] = anomaly[:, 0]
    for k, name in enumerate(types):
        composed[:, classes.index(name)] = anomaly[:, 1] * kind[:, k]
    return composed
