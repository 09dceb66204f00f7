"""Writes the result tables of the docs and the README from run folders.

    python scripts/results.py outputs/train README.md docs/results.md

In a document, what stands between `<!-- results: SETTING=VALUE ... -->` and `<!-- /results -->` is replaced
by a table of the finished runs that have those settings, as `protocol.name=kaggle trainer.epochs=4`; `=A|B`
takes either, `!=` all others. Runs that differ in nothing but their seed make one row: mean ± standard
deviation over the seeds, none left out. A row is named by the settings in which it differs from the others.
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

Settings = dict[str, str]


def settings(run: Run) -> Settings:
    """The settings that decide the result, flat: `model.channels` → `[16,32,64]`."""
    flat: Settings = {}

    def walk(values: dict[str, Any], prefix: str) -> None:
        for key, value in values.items():
            if isinstance(value, dict):
                walk(value, f"{prefix}{key}.")
            else:
                text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
                flat[prefix + key] = text

    walk(identity(run.config), "")
    if run.provenance["results_version"] == 1:
        flat["select"] = "best"  # these runs kept the weights of the best round, whatever they said
    return flat


def wanted(run: Run, condition: str) -> bool:
    """Whether a run has all the settings of a marker."""
    has = settings(run)
    for one in condition.split():
        key, sign, values = re.split(r"(!?=)", one, maxsplit=1)
        if (has.get(key) in values.split("|")) != (sign == "="):
            return False
    return True


def grouped(runs: list[Run]) -> list[tuple[Settings, list[Run]]]:
    """Runs of one configuration, seeds apart, in the order of their settings."""
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        what = {key: value for key, value in settings(run).items() if key != "seed"}
        groups[json.dumps(what, sort_keys=True)].append(run)
    return sorted(
        ((json.loads(what), group) for what, group in groups.items()), key=lambda g: label(g[0], [])
    )


OFF = ("0.0", "null", "false")
"""Values of settings that are not in use, which a row need not name."""


def label(own: Settings, others: list[Settings]) -> str:
    """What a row differs in, its choices first; what is equal in all rows is left out."""
    said = []
    for key, value in sorted(own.items(), key=lambda item: (not item[0].endswith(".name"), item[0])):
        if len({other[key] for other in others if key in other}) > 1:
            if key.endswith(".name"):
                said.append(f"{key.removesuffix('.name')}={value}")
            elif value not in OFF:
                said.append(f"{key}={value}")
    return ", ".join(said) or "plain"


def spread(values: list[float | None], percent: bool) -> str:
    """Mean ± standard deviation of a score over the seeds."""
    known = [value for value in values if value is not None]
    if not known:
        return "no beats"
    scale, digits = (100, 2) if percent else (1, 3)
    mean = f"{np.mean(known) * scale:.{digits}f}"
    return f"{mean} ± {np.std(known, ddof=1) * scale:.{digits}f}" if len(known) > 1 else mean


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
