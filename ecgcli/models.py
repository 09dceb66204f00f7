"""What `run=` may name: a run folder, a model folder or an `.onnx` file. No torch until weights are read."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ecgcli.beats.segment import Segmenter
from ecgcli.errors import EcgError
from ecgcli.files import as_typed
from ecgcli.learning.facts import ModelFacts, read_facts
from ecgcli.runs import Run

if TYPE_CHECKING:
    import torch

    from ecgcli.learning.model import Model
    from ecgcli.learning.onnx_model import OnnxModel


@dataclass(frozen=True)
class Opening:
    """A trained model of which all but the weights is known, while they and torch are read in a thread.

    Attributes:
        facts: everything but the weights.
        weights: the whole model and where it computes, when they are there.
    """

    facts: ModelFacts
    weights: Future[tuple[Model, torch.device]]

    @property
    def segmenter(self) -> Segmenter:
        """How to cut the beats that this model reads."""
        return Segmenter.from_dict(self.facts.segmenter)

    def predict(
        self,
        signal: npt.NDArray[np.float32],
        index: npt.NDArray[np.int64] | None = None,
        device: str = "",
        features: npt.NDArray[np.float32] | None = None,
    ) -> npt.NDArray[np.float64]:
        """As `Model.predict`, on the device that the model was opened for.

        Raises:
            EcgError: the weights are missing or damaged, or the device is not there.
        """
        model, own = self.weights.result()
        return model.predict(signal, index, own, features)


def open_model(run: str | Path, threads: int | None = None) -> tuple[Model | OnnxModel, str]:
    """Opens a trained model.

    Args:
        run: a run folder, a model folder, or an `.onnx` file, which is read without torch.
        threads: CPU threads of an `.onnx` model; None for onnxruntime's choice.

    Returns:
        The model, and what it is in a few words.

    Raises:
        EcgError: it is none of these, or unfinished, or damaged.
    """
    path = as_typed(run)
    if is_onnx(path):
        return _open_onnx(path, threads)
    folder, name = _model_folder(path)
    from ecgcli.learning.model import Model

    model = Model.load(folder)
    return model, f"{name}: {described(model.facts)}"


def open_beside(run: str | Path, accelerator: str, threads: int | None) -> tuple[Opening | OnnxModel, str]:
    """Opens a trained model as `open_model` does, and reads its weights beside what is done meanwhile.

    Args:
        run: as for `open_model`.
        accelerator: where to compute.
        threads: CPU threads to compute on; None for all.

    Raises:
        EcgError: as `open_model`; what is wrong with the weights comes to light when they are used.
    """
    path = as_typed(run)
    if is_onnx(path):
        return _open_onnx(path, threads)
    folder, name = _model_folder(path)
    facts = read_facts(folder / "model.json")

    def weights() -> tuple[Model, torch.device]:
        from ecgcli.learning.devices import device
        from ecgcli.learning.model import Model

        return Model.load(folder), device(accelerator, threads)

    opening = Opening(facts, ThreadPoolExecutor(1).submit(weights))
    return opening, f"{name}: {described(facts)}"


def is_onnx(path: Path) -> bool:
    """Whether a path is that of an exported model, which learns no more."""
    return path.suffix.lower() == ".onnx" and not path.is_dir()


def _open_onnx(path: Path, threads: int | None) -> tuple[OnnxModel, str]:
    from ecgcli.learning.onnx_model import OnnxModel

    served = OnnxModel.load(path, threads)
    return served, f"{path.name}: {described(served.facts)}, run by onnxruntime"


def _model_folder(path: Path) -> tuple[Path, str]:
    """The folder of the model that a run or model folder holds, and its name."""
    if not path.exists():
        raise EcgError(f"{path}: no such run folder, model folder or .onnx file")
    if not path.is_dir():
        raise EcgError(f"{path} is no model: expected a run folder, a model folder or an .onnx file")
    owner = run_of(path)
    if owner is not None:
        return owner.path / "model", owner.path.resolve().name
    if (path / "model.json").exists() or (path / "model.safetensors").exists():
        return path, path.resolve().name
    raise EcgError(
        f"{path} holds no model: expected run.json (a run folder) or model.json (a model folder) in it"
    )


def run_of(path: Path) -> Run | None:
    """The run that a folder is, or whose `model/` it is; None for a model folder elsewhere."""
    resolved = path.resolve()
    if resolved.name.endswith(".partial") or (resolved / "run.json").exists():
        return Run(path)
    if resolved.name == "model" and (resolved.parent / "run.json").exists():
        return Run(resolved.parent)
    return None


def described(facts: ModelFacts) -> str:
    """A model in a few words."""
    kind = "two-stage model" if facts.kind == "two_stage" else "model"
    mean = f", mean of {facts.members}" if facts.members > 1 else ""
    return f"{kind} of the classes {' '.join(facts.classes)}{mean}, trained on {facts.trained_on.get('data')}"
