"""`ecg compare`: runs in one table, and which of their differences are real."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ecgcli.config import CompareConfig
from ecgcli.errors import EcgError
from ecgcli.evaluation import comparable
from ecgcli.evaluation.comparison import compared
from ecgcli.evaluation.rows import Row, rows_of
from ecgcli.files import as_typed, whole_folder
from ecgcli.reporting.compare_files import FILES, write_comparison
from ecgcli.reporting.compare_terminal import print_comparison
from ecgcli.runs import OUTPUTS, Run, command_line


def compare(config: CompareConfig) -> None:
    """Ranks runs that may be ranked together, judges their differences and writes a folder.

    Raises:
        EcgError: if the runs cannot be read, or are not to be ranked together.
    """
    runs = found_runs(config.runs)
    if len(runs) == 1:
        raise EcgError(f"{runs[0].path} is one run alone: give several, or a folder of several, in runs=")
    comparable.check(runs, config.part)
    rows = rows_of(runs)
    reference = None if config.against is None else asked_for(config.against, rows)
    final = _output(config, runs)
    with _progress(config.replicates if len(rows) > 1 else 0) as tell:
        comparison = compared(rows, config.part, reference, config.replicates, tell)
    with whole_folder(final) as folder:
        write_comparison(folder, comparison, command_line())
    print_comparison(comparison)
    print(f"Page  {final / 'compare.html'}")


def found_runs(named: Sequence[str]) -> list[Run]:
    """The runs that are meant, each once: run folders, folders that hold them or of sweeps, or patterns.

    Raises:
        EcgError: one is not there, or holds no finished run.
    """
    runs: dict[Path, Run] = {}
    for typed in named:
        path = as_typed(typed)
        several = [path] if path.exists() else sorted(path.parent.glob(path.name))
        if not several:
            raise EcgError(f"runs={typed}: no such folder; expected a run folder or a folder of runs")
        inside = [(one, _inside(one)) for one in several]
        if not any(found for _, found in inside):
            raise EcgError(f"runs={typed}: no finished run in it; expected a run folder or a folder of runs")
        for one in (run for _, found in inside for run in found):
            runs.setdefault(one.resolve(), Run(one))
    return list(runs.values())


def _inside(path: Path) -> list[Path]:
    """The run folder itself, or the finished ones in a folder."""
    if (path / "run.json").is_file() or path.name.endswith(".partial"):
        return [path]
    if not path.is_dir():
        raise EcgError(f"runs={path} is a file: expected a run folder or a folder of runs")
    if (path / "jobs").is_dir():  # what a grid leaves beside its runs
        jobs = [json.loads(job.read_text(encoding="utf-8")) for job in sorted(path.glob("jobs/*.json"))]
        train = path.parent.parent / "train"
        inside = [train / Path(job["run"]).name for job in jobs if "run" in job]
    else:
        inside = sorted(path.iterdir())
    inside = [one for one in inside if (one / "run.json").is_file()]
    return [one for one in inside if not one.name.endswith(".partial")]


def asked_for(against: str, rows: Sequence[Row]) -> int:
    """The row that is meant by its name, or by one of its runs.

    Raises:
        EcgError: none or several are.
    """
    path = as_typed(against)
    for place, row in enumerate(rows):
        mine = [run.path.resolve() for run in row.runs]
        if against == row.name or path.resolve() in mine or against in [one.name for one in mine]:
            return place
    wanted = set(against.split(", "))
    close = [place for place, row in enumerate(rows) if wanted <= set(row.name.split(", "))]
    if len(close) == 1:
        return close[0]
    names = "; ".join(row.name for row in rows)
    raise EcgError(
        f"against={against}: {'several rows have' if close else 'no row is or has'} that; expected a run of "
        f"theirs or one of {names}"
    )


def _output(config: CompareConfig, runs: Sequence[Run]) -> Path:
    """Where to write, checked before any work is done."""
    if config.output is None:
        names = sorted(comparable.name(run) for run in runs)
        what = "\n".join([*names, config.part, str(config.against), str(config.replicates)])
        first = runs[0].config
        known = f"{first.data.name}-{first.protocol.name}"
        return OUTPUTS / "compare" / f"{known}-{hashlib.sha256(what.encode()).hexdigest()[:8]}"
    final = as_typed(config.output)
    if final.exists() and (not final.is_dir() or _others(final)):
        raise EcgError(f"output={final} exists and holds other things: expected a new folder")
    return final


def _others(folder: Path) -> list[Path]:
    """What a folder holds beside a comparison."""
    return [path for path in folder.iterdir() if path.name not in (*FILES, "figures")]


@contextmanager
def _progress(replicates: int) -> Iterator[Callable[[int], object]]:
    """A bar on a terminal, while patients are drawn."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("drawing patients", total=replicates)
        yield lambda done: bar.advance(task, done)
