"""What `run=` may name: a run folder, a model folder or an `.onnx` file. No torch until weights are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ecgcli.errors import EcgError
from ecgcli.files import as_typed
from ecgcli.runs import Run

if TYPE_CHECKING:
    from ecgcli.learning.facts import ModelFacts
    from ecgcli.learning.model import Model
    from ecgcli.learning.onnx_model import OnnxModel


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
    if path.suffix.lower() == ".onnx" and not path.is_dir():
        from ecgcli.learning.onnx_model import OnnxModel

        served = OnnxModel.load(path, threads)
        return served, f"{path.name}: {described(served.facts)}, run by onnxruntime"
    if not path.exists():
        raise EcgError(f"{path}: no such run folder, model folder or .onnx file")
    if not path.is_dir():
        raise EcgError(f"{path} is no model: expected a run folder, a model folder or an .onnx file")
    owner = run_of(path)
    if owner is not None:
        model = owner.model
    elif (path / "model.json").exists() or (path / "model.safetensors").exists():
        from ecgcli.learning.model import Model

        model = Model.load(path)
    else:
        raise EcgError(
            f"{path} holds no model: expected run.json (a run folder) or model.json (a model folder) in it"
        )
    return model, f"{(owner.path if owner else path).resolve().name}: {described(model.facts)}"


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
