"""`ecg eval`: a finished run scored again, on its own test part or on other data."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from ecgcli.beats.audit import audit
from ecgcli.beats.protocol import Part, parts
from ecgcli.beats.sources import beats, data_dir
from ecgcli.beats.table import BeatTable
from ecgcli.commands.results import conclude, show
from ecgcli.config import EvalConfig
from ecgcli.errors import EcgError
from ecgcli.evaluation.ec57_predictions import maps_differ, score_predictions, sveb_sentence
from ecgcli.evaluation.ec57_summary import Scores
from ecgcli.files import as_typed, whole_folder, write_json, write_text
from ecgcli.recordings.aami import CLASSES, ClassMap
from ecgcli.reporting.ec57_lines import line
from ecgcli.reporting.ec57_markdown import markdown
from ecgcli.runs import Clock, Run, provenance, record_opening


def evaluate(config: EvalConfig) -> None:
    """Scores a run and writes a folder under `output`; the run folder itself is only read.

    Without `data`, the run's own test part (its validation part, where the run built no test part). With
    `data`, every beat of that data set whose recording and subject the model was not trained on.

    Raises:
        EcgError: if the run cannot be read, or there is nothing unseen to score.
    """
    clock = Clock()
    run = Run(config.run)
    if config.data is None:
        test = run.config.test or run.config.protocol.name != "kaggle"
        table = beats(run.config.data, run.config.beat, data_dir(config.data_dir), test)
        if table.fingerprint != run.provenance.get("data_fingerprint"):
            raise EcgError(f"{run.path} was trained on other data than there are now in data_dir")
        (part,) = parts(table, run.config.protocol, test=run.config.test)
        name = "validation" if part.test is None else "test"
    else:
        table = _other_table(config, run)
        part = _unseen(config, run, table)
        name = "test"
    rows = part.validation if part.test is None else part.test
    clock.lap("beats")

    from ecgcli.learning.fit import device
    from ecgcli.learning.model import predict_table
    from ecgcli.learning.progress import quiet_libraries

    quiet_libraries()
    final = as_typed(config.output) / _name(config, run)
    with whole_folder(final) as folder:
        where = device(config.trainer.accelerator, config.trainer.threads)
        predictions = {name: predict_table(run.model, table, rows, where)}
        if name == "test":
            # the validation predictions of the run: thresholds in the report come from them
            predictions["validation"] = run.predictions("validation")
            opened: dict[str, object] = {"run": run.path.name, "data": table.source, "protocol": part.name}
            opened |= {"class_map": table.class_map, "beats": len(rows)}
            record_opening("eval", {**opened, "fingerprint": table.fingerprint})
        clock.lap("prediction")
        made_by = provenance(run.config, table.fingerprint, clock.rounded())
        write_json(folder / "eval.json", made_by | {"run": str(run.path)})
        metrics = conclude(
            folder,
            title=f"{run.path.name} on {table.source}",
            table=table,
            part=part,
            audit=audit(table, part),
            predictions=predictions,
            segmenter=run.model.segmenter,
            cascade=run.model.facts.kind == "two_stage",
            training=run.metrics["training"],
            provenance=made_by,
        )
        standard = _by_the_standard(table, rows, predictions[name], part.classes)
        if standard:
            write_text(folder / "ec57.md", "\n".join(markdown(scores) for scores in standard))
    show(metrics)
    for scores in standard:
        print(f"\nEC57, class map {scores.class_map}, from 0:00, R peaks given\n{line(scores)}", end="")
        print(sveb_sentence(scores) or "", end="\n\n")
    print(f"Scores       {final}")


def _by_the_standard(
    table: BeatTable, rows: npt.NDArray[np.int64], predictions: pd.DataFrame, classes: tuple[str, ...]
) -> list[Scores]:
    """EC57 scores under the run's own class map and, where it differs, the standard's; WFDB data alone."""
    symbols = table.symbol[rows]
    if table.source == "kaggle" or not set(classes) <= set(CLASSES):
        return []
    maps: list[ClassMap] = ["ec57" if table.class_map == "ec57" else "aami"]
    if maps_differ(symbols, maps[0]):
        maps.append("ec57")
    rates = dict(zip(table.records, table.rates, strict=True))
    return [score_predictions(predictions, classes, symbols, rates, name) for name in maps]


def _name(config: EvalConfig, run: Run) -> str:
    return run.path.resolve().name + (f"-on-{config.data.name}" if config.data else "")


def _other_table(config: EvalConfig, run: Run) -> BeatTable:
    assert config.data is not None
    if config.data.name == "kaggle" and run.config.beat.name != "kaggle":
        raise EcgError(
            f"data=kaggle holds beats cut as beat=kaggle does, {run.path.name} reads "
            f"beat={run.config.beat.name}; use data=mitdb"
        )
    return beats(config.data, run.config.beat, data_dir(config.data_dir))


def _unseen(config: EvalConfig, run: Run, table: BeatTable) -> Part:
    """The beats to score on other data: of the model's classes, from people that it was not trained on."""
    assert config.data is not None
    model, trained = run.model, run.model.facts.trained_on
    known = np.isin(np.array(table.classes)[table.label], model.classes)
    seen = np.zeros(len(table.records), dtype=bool)
    if trained.get("database") == config.data.database:
        seen = np.isin(table.records, trained.get("records", []))
        seen |= np.isin(table.subjects, trained.get("subjects", []))
    rows = np.flatnonzero(known if config.allow_leak else known & ~seen[table.record])
    if len(rows) == 0:
        raise EcgError(
            f"data={config.data.name} has no recording that {run.path.name} was not trained on; "
            f"allow_leak=true scores those all the same"
        )
    used = sorted({table.records[i] for i in np.unique(table.record[rows])})
    overlap = sorted(name for name, was in zip(table.records, seen, strict=True) if was)
    sentences = [f"every beat of {len(used)} records of {table.source}"]
    if overlap and config.allow_leak:
        sentences.append(
            f"{len(overlap)} of them were trained on, so this score says nothing about new patients"
        )
    elif overlap:
        sentences.append(f"{len(overlap)} records of people that the model was trained on are left out")
    if not known.all():
        sentences.append(f"{int((~known).sum())} beats of classes that the model does not know are left out")
    empty = np.empty(0, dtype=np.int64)
    return Part(
        name="unseen recordings" if not (overlap and config.allow_leak) else "seen recordings",
        classes=model.classes,
        train=empty,
        validation=empty,
        test=rows,
        leaks=frozenset({"records"} if overlap and config.allow_leak else ()),
        statement="; ".join(sentences) + ".",
    )
