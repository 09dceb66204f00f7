"""A trained model written for other programs, checked against PyTorch before it gets its name.

ONNX and TorchScript hold the whole model in one graph (`onnx_model.py` says what goes in and comes out);
safetensors is a model folder.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ecgcli import __version__
from ecgcli.errors import EcgError
from ecgcli.evaluation.calibration import PROBABILITY_FLOOR, calibrate
from ecgcli.files import whole, whole_folder
from ecgcli.learning.facts import ModelFacts
from ecgcli.learning.model import Model
from ecgcli.learning.onnx_model import METADATA, OnnxModel

Format = Literal["onnx", "torchscript", "safetensors"]

LIMIT = 1e-4
"""Largest difference of a probability from PyTorch's that is let pass."""

BATCHES = (1, 256)
"""Numbers of beats whose latency is measured."""

OUTPUTS = ("raw", "probability")

RUNTIMES = {"onnx": "onnxruntime", "torchscript": "TorchScript"}
"""What runs the files of each format."""

Beats = npt.NDArray[np.float32]
Both = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
Predict = Callable[[Beats, Beats], Both]
"""(n, channels, time) beats and their (n, k) features → (n, classes) raw and calibrated probabilities."""


class Exported(NamedTuple):
    """What was found of an exported model.

    Attributes:
        difference: largest difference of any probability from PyTorch's.
        latency: for each of `BATCHES`, milliseconds of one prediction by PyTorch and by what was written,
            from cut beats to calibrated probabilities.
    """

    difference: float
    latency: dict[int, dict[str, float]]


class WholeModel(nn.Module):
    """All of a model in one module: softmax, composition, mean of the members, calibration.

    It computes what `Model.raw` and `calibrate` compute, in their order.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.facts = model.facts
        names = ("all", "anomaly", "type")
        self.members = nn.ModuleList(
            nn.ModuleList(networks[name].cpu() for name in names if name in networks)
            for networks in model.members
        )
        calibration = model.facts.calibration
        self.identity = calibration.temperature == 1 and not any(calibration.bias)
        self.temperature: Tensor
        self.bias: Tensor
        # tensors: the exporters write plain numbers in single precision
        self.register_buffer("temperature", torch.tensor(calibration.temperature, dtype=torch.float64))
        bias = calibration.bias or (0.0,) * len(model.facts.classes)
        self.register_buffer("bias", torch.tensor(bias, dtype=torch.float64))
        self.eval()

    def forward(self, signal: Tensor, features: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(batch, channels, time) and (batch, k) → raw and calibrated probabilities, (batch, classes)."""
        said = []
        for networks in self.members:
            assert isinstance(networks, nn.ModuleList)
            stages = [network(signal, features).double().softmax(1) for network in networks]
            said.append(stages[0] if len(stages) == 1 else self._composed(*stages))
        raw = said[0] if len(said) == 1 else torch.stack(said).sum(0) / len(said)
        return raw, self._calibrated(raw)

    def _composed(self, anomaly: Tensor, kind: Tensor) -> Tensor:
        types = self.facts.types
        columns = [
            anomaly[:, 0] if name == "N" else anomaly[:, 1] * kind[:, types.index(name)]
            for name in self.facts.classes
        ]
        return torch.stack(columns, 1)

    def _calibrated(self, raw: Tensor) -> Tensor:
        if self.identity:
            return raw.clone()  # an output of its own
        return (raw.clamp(min=PROBABILITY_FLOOR).log() / self.temperature + self.bias).softmax(1)


def export(model: Model, form: Format, path: Path, signal: Beats, features: Beats) -> Exported:
    """Writes a model, reads it back, and compares it with PyTorch; it gets its name if it agrees.

    Args:
        model: as trained.
        form: what to write.
        path: the file, or with `safetensors` the folder.
        signal: (n, channels, time) beats to compare on.
        features: (n, k) their features.

    Raises:
        EcgError: the model cannot be written so, or what was written differs from PyTorch by more than
            `LIMIT`; nothing is kept then.
    """
    place = whole_folder(path) if form == "safetensors" else whole(path)
    with place as beside:
        try:
            {"onnx": to_onnx, "torchscript": to_torchscript, "safetensors": to_safetensors}[form](
                model, beside
            )
        except (EcgError, OSError):
            raise
        except Exception as error:  # torch's exporters raise errors of many kinds for what they do not know
            said = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            name = next(iter(model.facts.networks.values())).architecture.name
            raise EcgError(f"model={name} cannot be written as {form}: {said}") from error
        written = read_back(beside, form)
        difference = largest_difference(_pytorch(model), written, signal, features)
        if not difference <= LIMIT:
            raise EcgError(
                f"{path}: differs from PyTorch by {difference:.1e} on {len(signal):,} beats, expected at "
                f"most {LIMIT:.0e}; it was not kept"
            )
        runners = {"PyTorch": _module(WholeModel(model))}
        if form in RUNTIMES:
            runners[RUNTIMES[form]] = written
        return Exported(difference, latencies(runners, signal, features))


def to_onnx(model: Model, path: Path) -> None:
    """Writes one ONNX file, for any number of beats at once.

    Raises:
        EcgError: if the packages that write ONNX are missing.
    """
    try:
        import onnx  # noqa: F401  (torch needs it; whether it is there)
        import onnxscript  # noqa: F401  (likewise)
        from onnx_ir.passes.common import ClearMetadataAndDocStringPass
    except ImportError as error:
        raise EcgError(f"format=onnx needs the package {error.name}; pip install onnx onnxscript") from None

    example = _example(model)
    batch = torch.export.Dim("batch", min=1, max=2**20)
    with _quiet():
        program = torch.onnx.export(
            WholeModel(model),
            example,
            dynamo=True,
            input_names=["signal", "features"][: len(example)],
            output_names=list(OUTPUTS),
            dynamic_shapes=tuple({0: batch} for _ in example),
            optimize=False,  # onnxruntime does that on loading; here it would take half of the time
            verbose=False,
        )
    assert program is not None
    # the exporter notes where on this machine each step of the graph comes from
    program.model = ClearMetadataAndDocStringPass()(program.model).model
    program.model.metadata_props.update(metadata(model.facts))
    program.save(path, external_data=False)


def to_torchscript(model: Model, path: Path) -> None:
    """Writes one TorchScript file; `model.json` is an extra file in it."""
    with _quiet(), torch.inference_mode():
        traced = torch.jit.trace(  # type: ignore[no-untyped-call]  # torch.jit is untyped
            WholeModel(model), _example(model), check_trace=False
        )
        torch.jit.save(traced, str(path), _extra_files={METADATA: metadata(model.facts)[METADATA]})


def to_safetensors(model: Model, folder: Path) -> None:
    """Writes a model folder: `model.safetensors` and `model.json`."""
    model.save(folder)


def metadata(facts: ModelFacts) -> dict[str, str]:
    """What is written beside the graph, each as JSON.

    `model.json` says it all, and ecgcli reads nothing else; the rest is what a program without ecgcli needs
    most, where it finds it without knowing the format.
    """
    from ecgcli.beats.segment import Segmenter

    segmenter = Segmenter.from_dict(facts.segmenter)
    values = {
        METADATA: facts.model_dump(mode="json"),
        "rate": segmenter.rate,
        "leads": segmenter.leads,
        "features": segmenter.feature_names,
        "classes": facts.classes,
        "segmenter": segmenter.to_dict(),
        "temperature": facts.calibration.temperature,
        "operating_point": facts.operating_point.model_dump(mode="json"),
        "ecgcli": __version__,
    }
    return {key: json.dumps(value, allow_nan=False) for key, value in values.items()}


def read_back(path: Path, form: Format) -> Predict:
    """What was written, as another program would run it: on as many threads as PyTorch has here."""
    if form == "safetensors":
        return _pytorch(Model.load(path))
    if form == "onnx":
        loaded = OnnxModel.load(path, torch.get_num_threads())

        def by_onnxruntime(signal: Beats, features: Beats) -> Both:
            raw, probability = loaded.run(OUTPUTS, signal, features)
            return raw, probability

        return by_onnxruntime
    with _quiet():
        return _module(torch.jit.load(str(path)))  # type: ignore[no-untyped-call]  # torch.jit is untyped


def largest_difference(one: Predict, other: Predict, signal: Beats, features: Beats) -> float:
    """The largest difference of any probability, raw or calibrated; NaN where one of them gives that.

    The first beat is also predicted alone: a graph must not hang on the number of beats.
    """
    size = BATCHES[-1]
    pieces = [slice(0, 1), *(slice(start, start + size) for start in range(0, len(signal), size))]
    differences = [
        np.abs(mine - theirs).max()
        for piece in pieces
        for mine, theirs in zip(
            one(signal[piece], features[piece]), other(signal[piece], features[piece]), strict=True
        )
    ]
    return float(np.max(differences))


def latencies(runners: dict[str, Predict], signal: Beats, features: Beats) -> dict[int, dict[str, float]]:
    """Median milliseconds of one prediction of each, for each of `BATCHES`."""
    found = {}
    for size in BATCHES:
        rows = np.resize(np.arange(len(signal)), size)
        batch = np.ascontiguousarray(signal[rows]), np.ascontiguousarray(features[rows])
        found[size] = {name: _median_milliseconds(predict, batch) for name, predict in runners.items()}
    return found


def _median_milliseconds(predict: Predict, batch: tuple[Beats, Beats]) -> float:
    predict(*batch)  # the first one prepares
    seconds: list[float] = []
    while len(seconds) < 3 or (sum(seconds) < 0.5 and len(seconds) < 200):
        started = time.perf_counter()
        predict(*batch)
        seconds.append(time.perf_counter() - started)
    return 1000 * float(np.median(seconds))


def _pytorch(model: Model) -> Predict:
    def predict(signal: Beats, features: Beats) -> Both:
        raw = model.raw(signal, features=features)
        return raw, calibrate(raw, model.facts.calibration)

    return predict


def _module(module: nn.Module) -> Predict:
    def predict(signal: Beats, features: Beats) -> Both:
        given = [torch.from_numpy(part) for part in (signal, features) if part.shape[1]]
        with torch.inference_mode():
            raw, probability = module(*given)
        return raw.numpy(), probability.numpy()

    return predict


def _example(model: Model) -> tuple[Tensor, ...]:
    """Inputs to trace with; of three beats, a number that stands for no other size."""
    need = next(iter(model.facts.networks.values()))
    draw = torch.Generator().manual_seed(0)
    signal = torch.randn(3, need.leads, need.length, generator=draw)
    features = torch.randn(3, need.features, generator=draw)
    return (signal, features) if need.features else (signal,)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the chatter of the exporters, which says nothing that a user could act upon."""
    loud = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(loud)
