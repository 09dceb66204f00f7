"""EC57 scores for other programs: csv and json."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

from ecgcli.evaluation.ec57 import ALONE, Ratio, RecordScore
from ecgcli.evaluation.ec57_summary import Scores, average, average_rr_error, beats_of, gross, pooled_matrix
from ecgcli.recordings.aami import CLASSES


def as_json(scores: Scores) -> str:
    """Every count and measure, with what it is made of; None where there is nothing to share."""
    pooled, mean = gross(scores.records), average(scores.records)
    values = {
        "settings": _settings(scores),
        "records": {score.record: _record(score) for score in scores.records},
        "gross": {name: _plain(ratio) for name, ratio in pooled.items()},
        "average": {**mean, "RR error (ms)": average_rr_error(scores.records)},
        "beats": dict(beats_of(pooled_matrix(scores.records))),
        "notes": list(scores.notes),
    }
    return json.dumps(values, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def _settings(scores: Scores) -> dict[str, Any]:
    return {
        "reference_annotator": scores.reference_annotator,
        "test_annotator": scores.test_annotator,
        "class_map": scores.class_map,
        "start_s": scores.start,
        "window_s": scores.window,
    }


def _plain(ratio: Ratio) -> dict[str, Any]:
    return {"percent": ratio.percent, "hits": ratio.hits, "total": ratio.total}


def _record(score: RecordScore) -> dict[str, Any]:
    rows = (*CLASSES, "O", "X")
    flutter = score.flutter
    return {
        "matrix": {
            row: {column.lower(): int(count) for column, count in zip(rows, score.matrix[k], strict=True)}
            for k, row in enumerate(rows)
        },
        "measures": {name: _plain(ratio) for name, ratio in score.measures.items()},
        "RR error (ms)": score.rr_error,
        "shutdown_s": score.shutdown,
        "runs": {
            letter: {"sensitivity": runs.sensitivity.tolist(), "predictivity": runs.predictivity.tolist()}
            for letter, runs in (("V", score.ventricular), ("S", score.supraventricular))
        },
        "flutter_s": {
            "reference": flutter.reference_ms / 1000,
            "test": flutter.test_ms / 1000,
            "both": flutter.overlap_ms / 1000,
        },
    }


def as_csv(scores: Scores) -> str:
    """One row a record, then gross and average: the matrix (`Nn` to `Xq`), the measures in percent.

    Each measure is followed by what it is a share of (beats, runs, episodes, ms); empty where undefined.
    """
    cells = [
        (f"{row}{column.lower()}", k, m)
        for k, row in enumerate((*CLASSES, "O", "X"))
        for m, column in enumerate((*CLASSES, "O", "X"))
        if not (k >= ALONE and m >= ALONE)
    ]
    names = list(scores.records[0].measures)
    pooled, mean = gross(scores.records), average(scores.records)
    total = pooled_matrix(scores.records)
    text = io.StringIO()
    write: Callable[[Sequence[Any]], Any] = csv.writer(text, lineterminator="\n").writerow
    headings = [heading for name in names for heading in (f"{name} (%)", f"{name} of")]
    write(["record", *(cell for cell, _, _ in cells), *headings, "RR error (ms)", "shutdown (s)"])
    for score in scores.records:
        shares = [
            x for name in names for x in (_fine(score.measures[name].percent), score.measures[name].total)
        ]
        counts = [int(score.matrix[k, m]) for _, k, m in cells]
        write([score.record, *counts, *shares, _fine(score.rr_error), _fine(score.shutdown)])
    shares = [x for name in names for x in (_fine(pooled[name].percent), pooled[name].total)]
    seconds = sum(score.shutdown for score in scores.records)
    write(["gross", *(int(total[k, m]) for _, k, m in cells), *shares, "", _fine(seconds)])
    means = [x for name in names for x in (_fine(mean[name]), "")]
    write(["average", *("" for _ in cells), *means, _fine(average_rr_error(scores.records)), ""])
    return text.getvalue()


def _fine(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
