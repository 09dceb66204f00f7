"""What `ecg train` and `ecg eval` end with: predictions saved, scored from the file, reported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecgcli.beats.audit import Audit, summary
from ecgcli.beats.protocol import Part, labels
from ecgcli.beats.segment import Segmenter
from ecgcli.beats.table import UNKNOWN, BeatTable
from ecgcli.choices import CentredBeat, GivenBeat
from ecgcli.evaluation.metrics import by_fold, error_budget, score
from ecgcli.files import whole, write_json
from ecgcli.reporting.report import write_report
from ecgcli.reporting.terminal import print_report
from ecgcli.runs import command_line


def conclude(
    folder: Path,
    title: str,
    table: BeatTable,
    part: Part,
    audits: list[Audit],
    predictions: Mapping[str, pd.DataFrame],
    segmenter: Segmenter,
    cascade: bool,
    training: dict[str, Any],
    provenance: dict[str, Any],
) -> dict[str, Any]:
    """Writes `predictions/`, `metrics.json`, `figures/` and `report.md` into a folder.

    Args:
        folder: where to.
        title: what the report is about.
        table: the beats.
        part: the parts of the protocol, pooled over its folds; for an evaluation on other data, its test
            part alone.
        audits: what leaks between the parts, of each fold.
        predictions: predictions of `validation` and `test`, or one of them.
        segmenter: how the beats were cut.
        cascade: whether the model has two stages, so that its errors have a stage.
        training: steps, parameters, seconds, weights and curves of the training.
        provenance: as for `run.json`.

    Returns:
        What `metrics.json` holds.
    """
    saved = {
        name: _saved(frame, folder / "predictions" / f"{name}.parquet") for name, frame in predictions.items()
    }
    scores = {name: score(frame, part.classes) for name, frame in saved.items()}
    leading = "test" if "test" in saved else "validation"
    metrics: dict[str, Any] = {
        "title": title,
        "command": command_line(),
        "data": {
            "name": table.source,
            "beats": len(table),
            "records": len(set(table.records) - {UNKNOWN}),
            "subjects": len(set(table.subjects) - {UNKNOWN}),
            "fingerprint": table.fingerprint,
            "notes": list(table.notes),
        },
        "protocol": {
            "name": part.name,
            "statement": part.statement,
            "caveats": list(part.caveats),
            "intra_patient": "records" in part.leaks,
        },
        "class_map": table.class_map,
        "classes": list(part.classes),
        "audit": summary(audits),
        "support": _support(table, part),
        "training": training,
        "validation": scores.get("validation"),
        "test": scores.get("test"),
        "folds": by_fold(saved[leading], part.classes),
        "error_budget": error_budget(saved[leading], part.classes) if cascade else None,
    }
    write_json(folder / "metrics.json", metrics)
    more = {
        "predictions": dict(saved),
        "provenance": provenance,
        "examples": examples(table, part, segmenter),
    }
    write_report(folder, facts(metrics) | more)
    return metrics


def facts(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The report's view of `metrics.json`: the scores of the parts stand together."""
    return {**metrics, "metrics": {name: metrics[name] for name in ("validation", "test")}}


def show(metrics: Mapping[str, Any]) -> None:
    """Prints the report of a finished folder on the terminal."""
    print_report(facts(metrics))


def _saved(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The predictions as anybody will read them: from the file."""
    with whole(path) as beside:
        frame.to_parquet(beside, index=False)
    return pd.read_parquet(path)


def examples(table: BeatTable, part: Part, segmenter: Segmenter) -> dict[str, Any]:
    """The beats behind the predictions that the report leads with, and how to draw them."""
    beat, start, unit = segmenter.beat, 0.0, "0 to 1"
    if isinstance(beat, GivenBeat):
        unit = {"none": "as given", "beat": "z", "min_max": "0 to 1"}[beat.scaling]
    if isinstance(beat, CentredBeat):
        start = -beat.before
        unit = {"none": "mV", "record": "spreads", "beat": "z"}[beat.scaling]
    rows = part.validation if part.test is None else part.test
    return {
        "signal": table.signal[rows, : len(table.leads)],
        "rate": segmenter.rate,
        "start": start,
        "unit": unit,
    }


def _support(table: BeatTable, part: Part) -> dict[str, dict[str, int]]:
    parts = {"train": part.train, "validation": part.validation, "test": part.test}
    return {
        name: dict(
            zip(
                part.classes,
                np.bincount(labels(table, part, rows), minlength=len(part.classes)).tolist(),
                strict=True,
            )
        )
        for name, rows in parts.items()
        if rows is not None and len(rows)
    }
