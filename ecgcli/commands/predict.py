"""`ecg predict`: from recordings to their annotated beats, what they amount to, and a page to look at."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ecgcli.choices.data import folder_name
from ecgcli.commands.other_data import names_trained_on
from ecgcli.config import PredictConfig
from ecgcli.errors import EcgError
from ecgcli.files import as_typed, whole
from ecgcli.models import Opening, is_onnx, open_beside
from ecgcli.prediction.annotate import Classifier, Labels, Progress, annotate
from ecgcli.prediction.annotated import AnnotatedRecording
from ecgcli.prediction.events import Summary, summarise
from ecgcli.prediction.write import summary_values, write
from ecgcli.recordings.aami import BEAT_SYMBOLS, CLASS_MAPS
from ecgcli.recordings.example import EXAMPLE, example
from ecgcli.recordings.source import Source, find_sources, open_source
from ecgcli.recordings.wfdb_io import record_annotations, subject_of
from ecgcli.reporting import recording_page
from ecgcli.reporting.page import write as write_page
from ecgcli.reporting.recording_terminal import print_recording, print_recordings
from ecgcli.runs import OUTPUTS, command_line

if TYPE_CHECKING:
    import torch

    from ecgcli.learning.model import Model

SHIPPED = Path(__file__).resolve().parent.parent / "shipped"
"""The model in the box."""

SERVED = SHIPPED / "shipped.onnx"
"""The same for onnxruntime: importing torch takes longer than all that these networks have to do."""


def predict(config: PredictConfig) -> None:
    """Annotates a recording, or every recording of a folder.

    Raises:
        EcgError: the input or the model cannot be read. Of several recordings the others are annotated all
            the same, and those that could not be are named.
    """
    paths = _paths(config)
    several = paths != [None] and as_typed(config.input).is_dir()
    name = as_typed(config.input).resolve().name if several else ""
    opened = _opened(config)
    if several and isinstance(opened[0], Opening):
        opened[0].weights.result()  # a fault of the model is none of each recording
    failed: list[str] = []
    rows: list[dict[str, Any]] = []
    folder = Path()
    with _progress() as progress:
        for path in paths:
            try:
                source = example() if path is None else open_source(path, config.rate, config.units)
                folder = (
                    as_typed(config.output) if config.output else OUTPUTS / "predict" / (name or source.name)
                )
                recording, summary, remarks, files = _one(source, opened, config, folder, progress)
            except EcgError as error:
                if not several:
                    raise
                failed.append(str(error))
                print(f"ecg predict: {error}", file=sys.stderr)
                continue
            rows.append(_row(recording, summary))
            if not several:
                print_recording(recording, summary, remarks, files)
    if several and rows:
        import pandas as pd

        with whole(folder / "summary.csv") as beside:
            pd.DataFrame(rows).to_csv(beside, index=False)
        print_recordings(rows, folder)
    if failed:
        raise EcgError(f"{len(failed)} of {len(paths)} recordings of {config.input} could not be annotated")


def _opened(config: PredictConfig) -> tuple[Classifier, str]:
    """The model, its weights still being read where it is one; of several runs they are there."""
    where = config.trainer
    if config.adapt and isinstance(config.run, str) and is_onnx(as_typed(config.run)):
        raise EcgError(
            f"adapt={config.adapt} trains the model further, which {config.run} is no longer made for; "
            f"expected run= to be a run folder or a model folder"
        )
    if config.run is None or isinstance(config.run, str):
        shipped = SERVED if where.accelerator in ("auto", "cpu") and not config.adapt else SHIPPED
        return open_beside(config.run or shipped, where.accelerator, where.threads)
    from ecgcli.commands.ensemble import open_any
    from ecgcli.learning.devices import device
    from ecgcli.learning.onnx_model import OnnxModel

    model, described = open_any(config.run, where.threads)
    assert not isinstance(model, OnnxModel)  # runs are folders
    weights: Future[tuple[Model, torch.device]] = Future()
    weights.set_result((model, device(where.accelerator, where.threads)))
    return Opening(model.facts, weights), described


def _paths(config: PredictConfig) -> list[Path | None]:
    """The recordings; None stands for the example."""
    if config.input == EXAMPLE and not Path(EXAMPLE).exists():
        return [None]
    return list(find_sources(as_typed(config.input)))


def _one(
    source: Source,
    opened: tuple[Classifier, str],
    config: PredictConfig,
    folder: Path,
    progress: Progress,
) -> tuple[AnnotatedRecording, Summary, list[str], list[Path]]:
    model, described = opened
    recording = annotate(
        source,
        model,
        peaks=_given_peaks(source, config.peaks),
        leads=config.leads,
        review_below=config.review,
        progress=lambda stage, share: progress(f"{source.name} {stage}", share),
        labels=_labels(source, model, config) if config.adapt else None,
    )
    summary = summarise(recording)
    remarks = [*seen(model.facts.trained_on, source), *recording.notes]
    facts = {"command": command_line(), "model": described, "remarks": remarks, "input": str(source.path)}
    files = write(recording, summary, folder, config.annotator, config.table, facts)
    if config.page:
        progress(f"{source.name} page", 0.0)
        page = recording_page.recording_page(
            recording, summary, source.read, model=described, remarks=remarks
        )
        files.append(write_page(page, folder / f"{recording.name}.html"))
    return recording, summary, remarks, files


def seen(trained_on: Mapping[str, Any], source: Source) -> list[str]:
    """What is to be said of a recording that the model was trained on."""
    database, record = folder_name(str(source.path.absolute().parent)), source.path.stem
    worth = "What it says of it shows how the pages look, not how good it is."
    if f"{database}/{record}" in names_trained_on(trained_on, "records"):
        return [f"In-sample: the model was trained on this very recording. {worth}"]
    if f"{database}/{subject_of(database, record)}" in names_trained_on(trained_on, "subjects"):
        return [f"In-sample: the model was trained on another recording of this person. {worth}"]
    return []


def _given_peaks(source: Source, annotator: str | None) -> npt.NDArray[np.int64] | None:
    """Where somebody has annotated beats."""
    if annotator is None:
        return None
    marks = record_annotations(source.path, annotator, source.rate, source.samples)
    beats = marks.sample[np.isin(marks.symbol, list(BEAT_SYMBOLS))]
    if not len(beats):
        raise EcgError(
            f"{source.path}.{annotator}: holds no beat annotation, which peaks={annotator} asks for"
        )
    return np.unique(beats)


def _labels(source: Source, model: Classifier, config: PredictConfig) -> Labels:
    """What somebody has labelled of the first minutes, for a copy of the model to learn."""
    assert isinstance(model, Opening)  # a model with its weights, as asked for where it was opened
    facts, opening = model.facts, model
    where = f"{source.path}.{config.adapt}"
    marks = record_annotations(source.path, str(config.adapt), source.rate, source.samples)
    of_symbol = CLASS_MAPS[facts.trained_on.get("class_map", "aami")]
    place = {name: k for k, name in enumerate(facts.classes)}
    label = np.array([place.get(of_symbol.get(symbol, ""), -1) for symbol in marks.symbol], np.int64)
    early = (label >= 0) & (marks.sample < config.adapt_minutes * 60 * source.rate)
    if not early.any():
        raise EcgError(
            f"{where}: no beat of class {' '.join(facts.classes)} in the first {config.adapt_minutes:g} "
            f"minutes, which adapt={config.adapt} asks for"
        )

    def learn(
        beats: npt.NDArray[np.float32], features: npt.NDArray[np.float32], label: npt.NDArray[np.int64]
    ) -> Classifier:
        from ecgcli.learning.adapt import LR, STEPS, adapted

        weights, device = opening.weights.result()
        own: Future[tuple[Model, torch.device]] = Future()
        own.set_result((adapted(weights, beats, features, label, STEPS, LR, device), device))
        return Opening(facts, own)

    return Labels(marks.sample[early], label[early], learn)


def _row(recording: AnnotatedRecording, summary: Summary) -> dict[str, Any]:
    """A line on one of several recordings."""
    values = summary_values(recording, summary)
    return {
        "recording": recording.name,
        "seconds": round(summary.seconds, 1),
        "readable_seconds": round(summary.readable_seconds, 1),
        "beats": summary.beats,
        **summary.counts,
        **{f"{name}_couplets": n for name, n in values["couplets"].items()},
        **{f"{name}_runs": runs["number"] for name, runs in values["runs"].items()},
        "pauses": values["pauses"]["number"],
        "mean_rate": None if summary.mean_rate is None else round(summary.mean_rate, 1),
        "review": summary.review,
    }


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda stage, share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda stage, share: bar.update(task, description=stage, completed=share)
