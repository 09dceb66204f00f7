"""`ecg train -m`: a grid of runs. Nothing is done twice, no run is lost with another, one summary at the end.

The jobs of a grid may be processes of their own, on other machines even. Each leaves a file in the folder of
the sweep that says what became of it, and the process that started them reads these when all have ended.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from ecgcli.commands.train import finish
from ecgcli.config import TrainConfig
from ecgcli.errors import BeingWritten
from ecgcli.files import write_json
from ecgcli.reporting.grid_terminal import print_grid
from ecgcli.runs import OUTPUTS, Run, run_name

How = Literal["trained", "skipped", "left", "failed"]
"""What became of a job: `left` is a run that another process is at."""


def job(config: TrainConfig) -> dict[str, Any]:
    """One run of a grid, in a line: trained, or finished before, or left to another process.

    Raises:
        EcgError: as for `train`.
    """
    path = OUTPUTS / "train" / run_name(config)
    how: How
    try:
        how = "trained" if finish(config)[1] else "skipped"
    except BeingWritten:
        how = "left"
    why = {"trained": "", "skipped": ": finished before", "left": ": another process is at it"}[how]
    print(f"{how:<8} {path}{why}", flush=True)
    return {"how": how, "run": str(path)}


def note(folder: Path, number: int, settings: Sequence[str], outcome: dict[str, Any]) -> None:
    """Leaves what became of a job for the process that started the grid.

    Args:
        folder: of the sweep.
        number: of the job.
        settings: as given for this job, `key=value`.
        outcome: `how` and `run`, or `how` and `why`.
    """
    write_json(folder / "jobs" / f"{number:05}.json", {"settings": list(settings), **outcome})


def conclude(folder: Path) -> bool:
    """Prints the summary of a grid; whether nothing in it failed."""
    jobs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((folder / "jobs").glob("*.json"))]
    if not jobs:
        return True
    common = set.intersection(*(set(one["settings"]) for one in jobs))
    rows: dict[str, dict[str, Any]] = {}
    failed = []
    for one in jobs:
        own = " ".join(setting for setting in one["settings"] if setting not in common)
        if one["how"] == "failed":
            failed.append((own or "the run", one["why"]))
        else:
            # two jobs may come to the same run; the first one says what became of it
            run = Run(one["run"]) if Path(one["run"]).is_dir() else None
            rows.setdefault(one["run"], {"settings": own, "how": one["how"], "run": run})
    print_grid(list(rows.values()))
    for own, why in failed:
        print(f"failed   {own}: {why}")
    counts = {how: sum(row["how"] == how for row in rows.values()) for how in ("trained", "skipped", "left")}
    said = [f"{counts['trained']} trained", f"{counts['skipped']} skipped", f"{len(failed)} failed"]
    said += [f"{counts['left']} left to another process"] if counts["left"] else []
    print(f"Sweep    {', '.join(said)}")
    there = {path: row["run"] for path, row in rows.items() if row["run"] is not None}
    if len(there) > 1:
        part = [] if all(run.metrics["test"] for run in there.values()) else ["part=validation"]
        print(f"Next     {shlex.join(['ecg', 'compare', 'runs=[' + ','.join(there) + ']', *part])}")
    sys.stdout.flush()
    return not failed
