"""`ecg eval`: a finished run, or the mean of several, scored on its own test part or on other data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from ecgcli.beats.audit import audit
from ecgcli.beats.part import Part
from ecgcli.beats.protocol import parts, pooled
from ecgcli.beats.sources import beats, data_dir
from ecgcli.beats.table import BeatTable
from ecgcli.choices.report import Report
from ecgcli.commands.ensemble import (
    ensemble,
    ensemble_name,
    mean,
    mean_validation,
    open_runs,
    training_story,
)
from ecgcli.commands.other_data import other_table, unseen
from ecgcli.commands.results import conclude, show
from ecgcli.config import EvalConfig
from ecgcli.errors import EcgError
from ecgcli.evaluation.ec57_predictions import maps_differ, score_predictions, sveb_sentence
from ecgcli.evaluation.ec57_summary import Scores
from ecgcli.evaluation.predictions import labels, probabilities
from ecgcli.evaluation.trade_off import missed_at_matched, trade_off_curve
from ecgcli.files import as_typed, whole_folder, write_json, write_text
from ecgcli.recordings.aami import CLASSES, ClassMap
from ecgcli.reporting.ec57_lines import line
from ecgcli.reporting.ec57_markdown import markdown
from ecgcli.runs import Clock, Run, provenance, record_opening


def evaluate(config: EvalConfig) -> None:
    """Scores a run and writes a folder under `output`; the run folder itself is only read.

    Without `data`, the run's own test part (its validation part, where the run built no test part, unless
    `test` opens it now). With `data`, every beat of that data set whose recording and subject the model was
    not trained on. Several runs are scored as one model, the mean of their probabilities.

    Raises:
        EcgError: if the run cannot be read, or there is nothing unseen to score.
    """
    clock = Clock()
    runs = open_runs(config.run)
    run, called = runs[0], ensemble_name(runs)
    data = run.config.data if config.data is None else config.data
    if config.data is None:
        table = _own_table(config, run)
        divisions = parts(table, run.config.protocol, test=_opens(config, run))
        part = pooled(divisions)
        name: Literal["validation", "test"] = "validation" if part.test is None else "test"
    else:
        table = other_table(config, run)
        part = unseen(config, run, table)
        divisions = [part]
        name = "test"
    rows = part.validation if part.test is None else part.test
    clock.lap("beats")

    from ecgcli.learning.devices import device
    from ecgcli.learning.outputs import outputs, settled
    from ecgcli.learning.progress import quiet_libraries

    quiet_libraries()
    final = as_typed(config.output) / _name(config, called)
    model = ensemble(runs)
    with whole_folder(final) as folder:
        where = device(config.trainer.accelerator, config.trainer.threads)
        said = mean([outputs(one.model, table, divisions, name, where) for one in runs])
        predictions: dict[str, pd.DataFrame] = {name: settled(model, said)}
        if name == "test":
            # the validation predictions of the run: thresholds in the report come from them
            if (validated := mean_validation(runs)) is not None:
                predictions["validation"] = settled(model, validated)
            opened: dict[str, object] = {"run": called, "data": table.source, "protocol": part.name}
            opened |= {"class_map": table.class_map, "beats": len(rows)}
            record_opening("eval", {**opened, "fingerprint": table.fingerprint})
        clock.lap("prediction")
        made_by = provenance(run.config, table.fingerprint, clock.rounded())
        write_json(
            folder / "eval.json",
            made_by | {"run": str(run.path) if len(runs) == 1 else [str(one.path) for one in runs]},
        )
        metrics = conclude(
            folder,
            title=f"{called} on {table.source}",
            table=table,
            part=part,
            audits=[audit(table, one) for one in divisions],
            predictions=predictions,
            model=model,
            data=data,
            data_dir=data_dir(config.data_dir),
            report=_report(config, runs, divisions),
            training=training_story(runs),
            provenance=made_by,
            beside=_beside(config.against, predictions, name, part.classes),
        )
        recordings = data.name not in ("kaggle", "table")
        standard = _by_the_standard(table, rows, predictions[name], part.classes) if recordings else []
        if standard:
            write_text(folder / "ec57.md", "\n".join(markdown(scores) for scores in standard))
    show(metrics)
    for scores in standard:
        print(f"\nEC57, class map {scores.class_map}, from 0:00, R peaks given\n{line(scores)}", end="")
        print(sveb_sentence(scores) or "", end="\n\n")
    print(f"Scores       {final}")


def _opens(config: EvalConfig, run: Run) -> bool:
    """Whether the run's own test part is built: as it was for the run, or as is said now."""
    return run.config.test if config.test is None else config.test


def _own_table(config: EvalConfig, run: Run) -> BeatTable:
    """The beats of the run, the same as when it was trained."""
    kaggle = run.config.protocol.name == "kaggle"  # its test file alone can stay closed
    place = data_dir(config.data_dir)
    table = beats(run.config.data, run.config.beat, place, run.config.test or not kaggle)
    if table.fingerprint != run.provenance.get("data_fingerprint"):
        raise EcgError(f"{run.path} was trained on other data than there are now in data_dir")
    if kaggle and _opens(config, run) and not run.config.test:
        table = beats(run.config.data, run.config.beat, place)
    return table


def _report(config: EvalConfig, runs: list[Run], divisions: list[Part]) -> Report:
    """How much is said; of folds that several runs have predicted no gallery, as many models drove each."""
    if len(runs) > 1 and len(divisions) > 1 and config.report.pictures == "gallery":
        return config.report.model_copy(update={"pictures": "figures"})
    return config.report


def _beside(
    against: str | None, predictions: Mapping[str, pd.DataFrame], leading: str, classes: tuple[str, ...]
) -> dict[str, Any] | None:
    """Another run on the same beats: its trade-off, and what it costs at this one's sensitivity."""
    if against is None:
        return None
    other = Run(against)
    if tuple(other.metrics["classes"]) != classes:
        raise EcgError(
            f"against={against}: has the classes {' '.join(other.metrics['classes'])}, this run "
            f"{' '.join(classes)}"
        )
    theirs = {part: other.predictions(part) for part in ("validation", leading)}
    mine = (predictions.get("validation", predictions[leading]), predictions[leading])
    matched = missed_at_matched(mine, (theirs["validation"], theirs[leading]), classes)
    shown = theirs[leading]
    curve = trade_off_curve(probabilities(shown, classes), labels(shown, classes), classes)
    return {"title": other.path.resolve().name, "curve": curve, "matched": matched}


def _by_the_standard(
    table: BeatTable, rows: npt.NDArray[np.int64], predictions: pd.DataFrame, classes: tuple[str, ...]
) -> list[Scores]:
    """EC57 scores of recordings under the run's own class map and, where it differs, the standard's."""
    symbols = table.symbol[rows]
    if not set(classes) <= set(CLASSES):
        return []
    maps: list[ClassMap] = ["ec57" if table.class_map == "ec57" else "aami"]
    if maps_differ(symbols, maps[0]):
        maps.append("ec57")
    rates = dict(zip(table.records, table.rates, strict=True))
    return [score_predictions(predictions, classes, symbols, rates, name) for name in maps]


def _name(config: EvalConfig, own: str) -> str:
    if config.data is None:
        return own
    # what lies in the user's own files goes by their name, the rest by the name of the choice
    return f"{own}-on-{config.data.database if config.data.name in ('wfdb', 'table') else config.data.name}"
