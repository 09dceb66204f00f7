"""What `ecg train` and `ecg eval` end with: predictions saved, scored from the file, reported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ecgcli.beats.audit import Audit, summary
from ecgcli.beats.circumstances import circumstances
from ecgcli.beats.part import Part, Rows, hours, support
from ecgcli.beats.segment import Segmenter
from ecgcli.beats.sources import annotator_of, recordings
from ecgcli.beats.table import UNKNOWN, BeatTable
from ecgcli.choices.data import Data
from ecgcli.choices.report import Report
from ecgcli.commands.certainty import certainty, uncalibrated
from ecgcli.evaluation.metrics import by_fold, error_budget, score
from ecgcli.evaluation.mistakes import most_confident_mistakes
from ecgcli.files import whole, write_json
from ecgcli.reporting.page import rendered
from ecgcli.reporting.report import write_report
from ecgcli.reporting.report_figures import with_figures
from ecgcli.reporting.report_page import write_page
from ecgcli.reporting.terminal import print_report
from ecgcli.runs import command_line

if TYPE_CHECKING:
    from ecgcli.learning.model import Model


def conclude(
    folder: Path,
    title: str,
    table: BeatTable,
    part: Part,
    audits: list[Audit],
    predictions: Mapping[str, pd.DataFrame],
    model: Model,
    data: Data,
    data_dir: Path,
    report: Report,
    training: dict[str, Any],
    provenance: dict[str, Any],
    beside: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Writes `predictions/`, `metrics.json`, `figures/`, `report.md` and `report.html` into a folder.

    Args:
        folder: where to.
        title: what the report is about.
        table: the beats.
        part: the parts of the protocol, pooled over its folds; for an evaluation on other data, its test
            part alone.
        audits: what leaks between the parts, of each fold.
        predictions: predictions of `validation` and `test`, or one of them.
        model: what made them.
        data: where the beats come from.
        data_dir: folder of the databases.
        report: how much is said.
        training: steps, parameters, seconds, weights and curves of the training.
        provenance: as for `run.json`.
        beside: another run on the same beats, as for the report.

    Returns:
        What `metrics.json` holds.
    """
    leading = "test" if "test" in predictions else "validation"
    rows = part.validation if part.test is None else part.test
    around = circumstances(table, rows, recordings(data, data_dir), model.segmenter, annotator_of(data))
    saved = {
        name: _saved(
            pd.concat([frame, around.set_axis(frame.index)], axis=1) if name == leading else frame,
            folder / "predictions" / f"{name}.parquet",
        )
        for name, frame in predictions.items()
    }
    scores = {name: score(frame, part.classes) for name, frame in saved.items()}
    cascade = model.facts.kind == "two_stage"
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
        "support": support(table, part),
        "training": training,
        "validation": scores.get("validation"),
        "test": scores.get("test"),
        "folds": by_fold(saved[leading], part.classes),
        "error_budget": error_budget(uncalibrated(saved[leading]), part.classes) if cascade else None,
        **certainty(saved, leading, part.classes, model.facts, hours(table, rows), report.replicates),
    }
    write_json(folder / "metrics.json", metrics)
    more: dict[str, Any] = {
        "predictions": dict(saved),
        "provenance": provenance,
        "examples": examples(table, part, model.segmenter),
    }
    if beside:
        more["beside"] = beside
    if report.pictures == "none":
        more["figures"] = {}
    if report.pictures == "gallery":
        more["gallery"] = _gallery(saved[leading], table, rows, model, data, data_dir)
    told = with_figures(facts(metrics) | more)
    write_report(folder, told)
    write_page(folder, told)
    return metrics


def facts(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The report's view of `metrics.json`: the scores of the parts stand together."""
    return {**metrics, "metrics": {name: metrics[name] for name in ("validation", "test")}}


def show(metrics: Mapping[str, Any]) -> None:
    """Prints the report of a finished folder on the terminal."""
    print_report(facts(metrics))


def examples(table: BeatTable, part: Part, segmenter: Segmenter) -> dict[str, Any]:
    """The beats behind the predictions that the report leads with, and how to draw them."""
    rows = part.validation if part.test is None else part.test
    return {
        "signal": table.signal[rows, : len(table.leads)],
        "rate": segmenter.rate,
        "start": -(segmenter.offset or 0.0),
        "unit": segmenter.unit,
    }


def _saved(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The predictions as anybody will read them: from the file."""
    with whole(path) as beside:
        frame.to_parquet(beside, index=False)
    return pd.read_parquet(path)


def _gallery(
    predictions: pd.DataFrame, table: BeatTable, rows: Rows, model: Model, data: Data, data_dir: Path
) -> list[tuple[str, bytes]]:
    """The most confident mistakes, a captioned picture for each pair of classes."""
    from ecgcli.learning.attribution import attribute_table, reads_signal
    from ecgcli.reporting.gallery import gallery

    mistakes = most_confident_mistakes(predictions, model.classes)
    at, called, true = (mistakes[column].to_numpy() for column in ("row", "called", "true"))
    fold = predictions["fold"].to_numpy()[at] if "fold" in predictions else None
    why = attribute_table(model, table, rows[at], called, true, fold) if reads_signal(model) else None
    figures = gallery(
        mistakes,
        predictions,
        model.classes,
        table,
        rows,
        model.segmenter,
        recordings(data, data_dir),
        why,
        annotator_of(data),
    )
    return [(caption, rendered(figure)) for _, caption, figure in figures]
