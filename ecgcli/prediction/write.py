"""An annotated recording as files: WFDB annotations, a table of beats, a summary."""

from __future__ import annotations

import csv
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from ecgcli.files import whole, write_json
from ecgcli.prediction.annotated import AnnotatedRecording
from ecgcli.prediction.events import ECTOPIC, PAUSE, Event, Summary
from ecgcli.recordings.annotation_writer import write_annotations
from ecgcli.recordings.record import Annotations

if TYPE_CHECKING:
    import pandas as pd

TableFormat = Literal["csv", "parquet"]


def wfdb_annotations(recording: AnnotatedRecording) -> Annotations:
    """The beats as WFDB annotations.

    The symbol of a beat is its AAMI class, `num` the probability of that class in percent; a beat that a
    person should look at has subtype 1. An unreadable stretch is a pair of NOISE marks: `~` of subtype −1,
    which scorers take as shutdown, to `~` of subtype 0.
    """
    n, gaps = len(recording), recording.unreadable
    ends = np.minimum(gaps[:, 1], recording.samples - 1)
    sample = np.concatenate([gaps[:, 0], ends, recording.sample])
    order = np.argsort(sample, kind="stable")
    symbol = np.concatenate([np.full(2 * len(gaps), "~"), recording.names])
    subtype = np.concatenate([np.full(len(gaps), -1), np.zeros(len(gaps)), recording.review])
    num = np.concatenate([np.zeros(2 * len(gaps)), np.rint(100 * recording.confidence)])
    return Annotations(
        sample=sample[order],
        symbol=symbol[order],
        subtype=subtype[order].astype(np.int64),
        aux=np.full(n + 2 * len(gaps), ""),
        num=num[order].astype(np.int64),
    )


def beats_table(recording: AnnotatedRecording) -> pd.DataFrame:
    """A row a beat: time and RR intervals in seconds, sample, class, p_<class>, review.

    An RR interval is missing at the ends of the recording and where an unreadable stretch lies in it.
    """
    import pandas as pd

    return pd.DataFrame(_columns(recording))


def _columns(recording: AnnotatedRecording) -> dict[str, npt.NDArray[Any]]:
    rr = recording.rr
    gap = np.full(1 if len(recording) else 0, np.nan)
    return {
        "time": np.round(recording.seconds, 4),
        "sample": recording.sample,
        "class": recording.names,
        **{
            f"p_{name}": np.round(p, 4)
            for name, p in zip(recording.classes, recording.probability.T, strict=True)
        },
        "rr_before": np.round(np.concatenate([gap, rr]), 4),
        "rr_after": np.round(np.concatenate([rr, gap]), 4),
        "review": recording.review,
    }


def _write_csv(columns: dict[str, npt.NDArray[Any]], path: Path) -> None:
    """As pandas writes it, which would have to be imported and takes ten times as long for a day's beats."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*map(_texts, columns.values()), strict=True))


def _texts(column: npt.NDArray[Any]) -> list[str]:
    """The values as text, NaN as none; each value is put into words once, which is what takes time."""
    values, which = np.unique(column, return_inverse=True)
    texts = np.array(["" if value != value else str(value) for value in values.tolist()], object)
    found: list[str] = texts[which].tolist()
    return found


def summary_values(recording: AnnotatedRecording, summary: Summary) -> dict[str, Any]:
    """The summary as plain data, with the longest and fastest runs and every event; times in seconds."""
    values = asdict(summary)
    events = values.pop("events")
    for event, one in zip(events, summary.events, strict=True):
        event["beats"] = one.beats
    ectopic = [name for name in ECTOPIC if name in recording.classes]
    values["couplets"] = {name: len(summary.of("couplet", name)) for name in ectopic}
    values["runs"] = {
        name: {
            "number": len(summary.of("run", name)),
            "longest": _event(summary.longest_run(name)),
            "fastest": _event(summary.fastest_run(name)),
        }
        for name in ectopic
    }
    pauses = summary.of("pause")
    values["pauses"] = {
        "longer_than": PAUSE,
        "number": len(pauses),
        "longest": _event(summary.longest_pause()),
    }
    return {
        "recording": recording.name,
        "rate": recording.rate,
        "leads": list(recording.leads),
        "read_leads": [recording.leads[i] for i in recording.read_leads],
        **values,
        "unreadable": (recording.unreadable / recording.rate).round(3).tolist(),
        "notes": list(recording.notes),
        "events": events,
    }


def _event(event: Event | None) -> dict[str, Any] | None:
    return None if event is None else asdict(event) | {"beats": event.beats}


def write(
    recording: AnnotatedRecording,
    summary: Summary,
    folder: Path,
    annotator: str,
    table: TableFormat,
    facts: dict[str, Any],
) -> list[Path]:
    """Writes `<name>.<annotator>`, `<name>.csv` or `.parquet`, and `<name>.json`, each whole or not at all.

    Args:
        recording: the annotated recording.
        summary: what it amounts to.
        folder: where to; made where it is missing.
        annotator: ending of the annotation file.
        table: format of the table of beats.
        facts: what else the summary is to say, such as which model it is of.

    Returns:
        The files.
    """
    beats = folder / f"{recording.name}.{table}"
    with whole(beats) as beside:
        if table == "csv":
            _write_csv(_columns(recording), beside)
        else:
            beats_table(recording).to_parquet(beside, index=False)
    write_json(folder / f"{recording.name}.json", facts | summary_values(recording, summary))
    write_annotations(folder, recording.name, wfdb_annotations(recording), annotator, recording.rate)
    return [folder / f"{recording.name}.{annotator}", beats, folder / f"{recording.name}.json"]
