"""Measures how fast ecgcli is, as ratios to what one could use instead; a table and a JSON file.

    python scripts/bench.py DATA_DIR [--only WORD ...] [--long] [--json FILE] [--document FILE ...]

Every figure measures both sides in turn, in one run, so that a busy machine disturbs both alike; a ratio is
the median over the pairs. `--only` takes the figures whose name holds one of the words; `--long` adds the
races to a score, which train the opponents to their end (an hour) where their curves are not kept beside the
JSON file. What stands in a document between
`<!-- bench -->` and `<!-- /bench -->` is replaced by the table; figures that were not measured this time are
those of the JSON file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bench_memory
import bench_race
import bench_speed
import bench_training

from ecgcli.files import write_json, write_text

Figure = dict[str, Any]


def figures(data: Path, curves: Path | None) -> dict[str, Callable[[], list[Figure]]]:
    """What can be measured, by name."""
    found: dict[str, Callable[[], list[Figure]]] = {
        "fit": bench_training.fit_figures,
        "memory": lambda: [bench_training.training_memory(data)],
        **bench_speed.figures(data),
        **bench_memory.figures(data),
    }
    if curves:
        found["race"] = lambda: bench_race.figures(data, curves)
    return found


def machine() -> str:
    """The machine in one line."""
    model = platform.processor() or platform.machine()
    try:
        named = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        model = named[1] if named else model
    except OSError:
        pass
    import torch

    return (
        f"{platform.system()}, {model}, {os.cpu_count()} cores, no GPU used; "
        f"Python {platform.python_version()}, torch {torch.__version__}"
    )


def summary(figure: Figure) -> Figure:
    """Adds median and spread of what is compared, and whether the goal is met (None: it is not judged)."""
    ours, theirs = figure["ours"], figure["theirs"]
    if figure["compared"] == "value":
        values = ours
    else:
        ratio = figure["compared"] == "ratio"
        values = [a / b if ratio else a - b for a, b in zip(ours, theirs, strict=True)]
    middle = statistics.median(values)
    met = middle <= figure["goal"] if figure.get("judged", True) else None
    return figure | {"value": middle, "least": min(values), "most": max(values), "met": met}


def number(value: float) -> str:
    """Three digits that matter."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def row(figure: Figure) -> str:
    """One line of the table."""
    unit = f" {figure['unit']}"
    sides = [number(statistics.median(side)) + unit for side in (figure["ours"], figure["theirs"]) if side]
    of = "" if figure["compared"] == "ratio" else unit
    spread = f" ({number(figure['least'])}–{number(figure['most'])})" if len(figure["ours"]) > 1 else ""
    verdict = {True: "", False: ", **missed**", None: ", not judged"}[figure["met"]]
    goal = f"≤ {number(figure['goal'])}{of}{verdict}"
    against = "; ".join(filter(None, [figure["against"], figure.get("note", "")])) or "–"
    cells = [figure["figure"], against, " : ".join(sides), number(figure["value"]) + of + spread, goal]
    return f"| {' | '.join(cells)} |"


def table(measured: list[Figure], described: str) -> str:
    """The figures as Markdown."""
    head = "| figure | against | medians, ours : theirs | ratio or value (least–most) | goal |\n|-|-|-|-|-|"
    return "\n".join([f"{described}.", "", head, *(row(figure) for figure in measured)])


def filled(document: Path, text: str) -> None:
    """Replaces the table in a document."""
    old = document.read_text(encoding="utf-8")
    new = f"<!-- bench -->\n{text}\n<!-- /bench -->"
    write_text(document, re.sub(r"<!-- bench -->\n.*?<!-- /bench -->", lambda _: new, old, flags=re.DOTALL))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with mitdb/")
    parser.add_argument("--only", nargs="+", default=[""])
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--json", type=Path, default=Path("outputs/bench.json"))
    parser.add_argument("--document", type=Path, nargs="+", default=[])
    words = parser.parse_args()
    if not (words.data / "mitdb" / "100.dat").is_file():
        sys.exit(f"{words.data}/mitdb/100.dat is missing: ecg fetch data=mitdb brings it")
    known = json.loads(words.json.read_text())["figures"] if words.json.is_file() else {}
    wanted = figures(words.data, words.json.with_suffix("") if words.long else None)
    for name, measure in wanted.items():
        if any(word in name for word in words.only):
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
            known[name] = [summary(figure) for figure in measure()]
            # kept after each: the next may take an hour
            write_json(words.json, {"machine": machine(), "figures": known})
    text = table([figure for measured in known.values() for figure in measured], machine())
    print(text)
    for document in words.document:
        filled(document, text)


if __name__ == "__main__":
    main()
