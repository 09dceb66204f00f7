"""`ecg export`: a trained model for other programs, checked against PyTorch."""

from __future__ import annotations

from pathlib import Path

from ecgcli.commands.beats_at_hand import beats_of, simulated_beats
from ecgcli.commands.ensemble import ensemble_name, open_any, open_runs
from ecgcli.config import ExportConfig
from ecgcli.errors import EcgError
from ecgcli.files import as_typed
from ecgcli.models import is_onnx, run_of
from ecgcli.runs import OUTPUTS

ENDINGS = {"onnx": ".onnx", "torchscript": ".pt", "safetensors": ""}


def export(config: ExportConfig) -> None:
    """Writes a model in another form and says how far it is from PyTorch, and how fast.

    Raises:
        EcgError: if the model cannot be read or written, or what was written does not agree with PyTorch.
    """
    if isinstance(config.run, str):
        source = as_typed(config.run)
        if is_onnx(source):
            raise EcgError(f"run={source} is exported already; expected a run folder or a model folder")
        run = run_of(source)
        name = (run.path if run else source).resolve().name
    else:
        runs = open_runs(config.run)
        run, name = runs[0], ensemble_name(runs)
    final = _output(config, name)
    if config.trainer.threads:
        import torch

        torch.set_num_threads(config.trainer.threads)
    model, description = open_any(config.run)
    print(f"model    {description}")
    try:
        tried = beats_of(run, config.data_dir) if run else simulated_beats(model.facts)
    except EcgError as error:
        print(f"data     not at hand ({error})")
        tried = simulated_beats(model.facts)

    import torch

    from ecgcli.learning import export as exporting
    from ecgcli.learning.model import Model

    assert isinstance(model, Model)
    found = exporting.export(model, config.format, final, tried.signal, tried.features)
    print(
        f"parity   {len(tried.signal):,} {tried.name}: largest difference of a probability from PyTorch "
        f"{found.difference:.1e} (at most {exporting.LIMIT:.0e})"
    )
    threads = torch.get_num_threads()
    print(f"latency  median ms, CPU, {threads} {'thread' if threads == 1 else 'threads'}")
    runners = list(found.latency[1])
    print("         beats at once" + "".join(f"{name:>13}" for name in runners))
    for beats, taken in found.latency.items():
        print(f"         {beats:<13}" + "".join(f"{taken[name]:>13.2f}" for name in runners))
    print(f"Written  {final} ({_size(final) / 1000:,.0f} kB)")


def _output(config: ExportConfig, name: str) -> Path:
    """Where to write, checked before any work is done."""
    ending = ENDINGS[config.format]
    if config.output is None:
        return OUTPUTS / "export" / f"{name}{ending}"
    final = as_typed(config.output)
    if ending and final.suffix != ending:
        raise EcgError(f"output={final}: expected a file name that ends in {ending}")
    if ending and final.is_dir():
        raise EcgError(f"output={final} is a folder: expected the name of a file")
    if not ending and final.exists() and (not final.is_dir() or _others(final)):
        raise EcgError(f"output={final} exists and is no model folder: expected a new name")
    if not ending and run_of(final):
        raise EcgError(f"output={final} belongs to a run, which stays as it was trained: expected a new name")
    return final


def _others(folder: Path) -> list[Path]:
    """What a folder holds beside a model."""
    return [path for path in folder.iterdir() if path.name not in ("model.json", "model.safetensors")]


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.iterdir()))
