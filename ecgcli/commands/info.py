"""`ecg info`: what is installed, what computes, which data are there, how big the cache is."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ecgcli import __version__
from ecgcli.beats.sources import cache_dir, cache_size, clean_cache, data_dir
from ecgcli.config import InfoConfig

PACKAGES = ("torch", "pytorch-lightning", "torchmetrics", "hydra-core", "numpy", "pandas", "wfdb")


def info(config: InfoConfig) -> None:
    """Prints versions, devices, data and cache; with `clean=cache` empties the cache first."""
    if config.clean == "cache":
        freed = cache_size()
        clean_cache()
        print(f"emptied {cache_dir()}: {_size(freed)} freed")
        return
    rows = [("ecgcli", __version__), ("Python", f"{platform.python_version()}, {sys.executable}")]
    rows += [(name, metadata.version(name)) for name in PACKAGES]
    rows += _devices()
    folder = data_dir(config.data_dir)
    rows.append(("data_dir", f"{folder}{'' if folder.is_dir() else ' (does not exist)'}"))
    rows += [(f"  {path.name}", _size(_folder_size(path))) for path in _databases(folder)]
    rows.append(("cache", f"{cache_dir()}, {_size(cache_size())}"))
    table = Table.grid(padding=(0, 2))
    for row in rows:
        table.add_row(*row)
    Console(soft_wrap=True, highlight=False).print(table)


def _devices() -> list[tuple[str, str]]:
    import torch

    devices = [("CPU", f"{platform.machine()}, {torch.get_num_threads()} threads")]
    for number in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(number)
        devices.append((f"GPU {number}", f"{facts.name}, {_size(facts.total_memory)}"))
    if torch.backends.mps.is_available():
        devices.append(("MPS", "available"))
    return devices


def _databases(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _folder_size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _size(count: int) -> str:
    size, units = float(count), ["bytes", "kB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.{0 if units[0] == 'bytes' else 1}f} {units[0]}"
