"""Writes the result tables of the docs and the README from run folders.

    python scripts/results.py outputs/train README.md docs/results.md

In a document, what stands between `<!-- results: SETTING=VALUE ... -->` and `<!-- /results -->` is replaced
by a table of the finished runs that have those settings, as `protocol.name=kaggle trainer.epochs=4`; `=A|B`
takes either, `!=` all others. Runs that differ in nothing but their seed make one row: mean ± standard
deviation over the seeds, none left out. A row is named by the settings in which it differs from the others.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

from ecgcli.evaluation.recipes import grouped, label, settings
from ecgcli.files import write_text
from ecgcli.reporting.tables import spread
from ecgcli.runs import Run


def wanted(run: Run, condition: str) -> bool:
    """Whether a run has all the settings of a marker."""
    has = settings(run)
    for one in condition.split():
        key, sign, values = re.split(r"(!?=)", one, maxsplit=1)
        if (has.get(key) in values.split("|")) != (sign == "="):
            return False
    return True


def table(runs: list[Run]) -> str:
    """A row a configuration, seeds averaged."""
    classes = [c for c in runs[0].metrics["classes"] if all(c in run.metrics["classes"] for run in runs)]
    head = ["settings", "seeds", "accuracy %", "macro-F1", *(f"recall {c} %" for c in classes)]
    head += [f"{c} called N %" for c in classes if c != "N"]
    head += ["abnormal called N %", "weights", "steps", "train s"]
    lines = ["| " + " | ".join(head) + " |", "|" + "-|" * len(head)]
    groups = grouped(runs)
    every = [own for own, _ in groups]
    for own, group in groups:
        scored: list[dict[str, Any]] = [run.metrics["test"] for run in group]
        training = [run.metrics["training"] for run in group]
        cells = [f"`{label(own, every)}`", str(len(group))]
        cells += [
            spread([t["accuracy"] for t in scored], True),
            spread([t["macro_f1"] for t in scored], False),
        ]
        cells += [spread([t["per_class"][c]["recall"] for t in scored], True) for c in classes]
        called = ((c, [t["per_class"][c]["called_normal"] for t in scored]) for c in classes if c != "N")
        cells += [spread(values, True) for _, values in called]
        cells += [spread([t["abnormal_called_normal"] for t in scored], True)]
        seconds = np.mean([one["seconds"] for one in training])
        cells += [f"{training[0]['parameters']:,}", f"{training[0]['steps']:,}", f"{seconds:.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def fill(document: Path, runs: list[Run]) -> None:
    """Replaces the tables in one document."""

    def replaced(found: re.Match[str]) -> str:
        chosen = [run for run in runs if wanted(run, found.group(1))]
        if not chosen:
            raise SystemExit(f"{document}: no finished run has {found.group(1)}")
        return f"<!-- results: {found.group(1)} -->\n{table(chosen)}\n<!-- /results -->"

    text = document.read_text(encoding="utf-8")
    pattern = r"<!-- results: ([^\n]+?) -->\n.*?<!-- /results -->"
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
