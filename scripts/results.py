"""Writes the result tables of the docs and the README from run folders.

    python scripts/results.py outputs/train README.md docs/results.md

In a document, what stands between `<!-- results: NAME -->` and `<!-- /results -->` is replaced by the
table of that name: `baseline`, `kaggle` or `inter_patient`. Runs that differ in nothing but
their seed make one row:
mean ± standard deviation over the seeds, none left out.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from ecgcli.config import identity
from ecgcli.files import write_text
from ecgcli.runs import Run

Rows = dict[str, list[Run]]


def belongs(name: str, run: Run) -> bool:
    config = run.config
    if name == "baseline":
        return config.model.name == "baseline_cnn" and config.protocol.name == "kaggle"
    return config.model.name != "baseline_cnn" and config.protocol.name == name


def grouped(runs: list[Run]) -> Rows:
    """Runs of one configuration, seeds apart."""
    groups: Rows = defaultdict(list)
    for run in runs:
        what = identity(run.config) | {"seed": None}
        groups[json.dumps(what, sort_keys=True)].append(run)
    return groups


def spread(values: list[float | None], percent: bool) -> str:
    """Mean ± standard deviation of a score over the seeds."""
    known = [value for value in values if value is not None]
    if not known:
        return "no beats"
    scale, digits = (100, 2) if percent else (1, 3)
    mean = f"{np.mean(known) * scale:.{digits}f}"
    return f"{mean} ± {np.std(known, ddof=1) * scale:.{digits}f}" if len(known) > 1 else mean


def sampling(run: Run) -> str:
    choice = run.config.sampling
    if choice.name == "rebalanced":
        return f"rebalanced ({choice.method.replace('_', ' ')}, strength {choice.strength:g})"
    return choice.name


def table(runs: list[Run]) -> str:
    """A row a configuration, seeds averaged."""
    classes = runs[0].metrics["classes"]
    head = ["sampling", "seeds", "accuracy %", "macro-F1", *(f"recall {c} %" for c in classes)]
    head += [f"{c} called N %" for c in classes if c != "N"]
    head += ["abnormal called N %", "weights", "steps", "train s"]
    lines = ["| " + " | ".join(head) + " |", "|" + "-|" * len(head)]
    for group in grouped(runs).values():
        tests: list[dict[str, Any]] = [run.metrics["test"] for run in group]
        training = group[0].metrics["training"]
        cells = [sampling(group[0]), str(len(group))]
        cells += [spread([t["accuracy"] for t in tests], True), spread([t["macro_f1"] for t in tests], False)]
        cells += [spread([t["per_class"][c]["recall"] for t in tests], True) for c in classes]
        called = ((c, [t["per_class"][c]["called_normal"] for t in tests]) for c in classes if c != "N")
        cells += [spread(values, True) for _, values in called]
        cells += [spread([t["abnormal_called_normal"] for t in tests], True)]
        seconds = np.mean([run.metrics["training"]["seconds"] for run in group])
        cells += [f"{training['parameters']:,}", f"{training['steps']:,}", f"{seconds:.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def fill(document: Path, runs: list[Run]) -> None:
    """Replaces the tables in one document."""

    def replaced(found: re.Match[str]) -> str:
        chosen = [run for run in runs if belongs(found.group(1), run)]
        if not chosen:
            raise SystemExit(f"{document}: no finished run for the table {found.group(1)!r}")
        return f"<!-- results: {found.group(1)} -->\n{table(chosen)}\n<!-- /results -->"

    text = document.read_text(encoding="utf-8")
    pattern = r"<!-- results: (\w+) -->\n.*?<!-- /results -->"
    write_text(document, re.sub(pattern, replaced, text, flags=re.DOTALL))


def main() -> None:
    if len(sys.argv) < 3:
        raise SystemExit("usage: results.py RUNS_FOLDER DOCUMENT...")
    folders = sorted(path for path in Path(sys.argv[1]).iterdir() if (path / "run.json").is_file())
    runs = [Run(path) for path in folders if not path.name.endswith(".partial")]
    scored = [run for run in runs if run.metrics["test"] is not None]
    for document in sys.argv[2:]:
        fill(Path(document), scored)


if __name__ == "__main__":
    main()
