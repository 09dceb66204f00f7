"""Other data than a run's own: which of its beats a model can read, and which it has seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ecgcli.beats.part import Part
from ecgcli.beats.sources import beats, data_dir
from ecgcli.beats.table import UNKNOWN, BeatTable
from ecgcli.choices.beat import GivenBeat
from ecgcli.config import EvalConfig
from ecgcli.errors import EcgError
from ecgcli.runs import Run


def other_table(config: EvalConfig, run: Run) -> BeatTable:
    """The beats of `data=`, cut as the model of a run reads them.

    Raises:
        EcgError: the data has no such beats.
    """
    assert config.data is not None
    data, beat = config.data, run.config.beat
    if data.name == "kaggle" and (beat.name != "kaggle" or beat.rhythm):
        rhythm = " with beat.rhythm" if beat.rhythm else ""
        raise EcgError(
            f"data=kaggle holds beats cut as beat=kaggle does, {run.path.name} reads "
            f"beat={beat.name}{rhythm}; use data=mitdb"
        )
    if data.name != "table" and beat.name == "given":
        raise EcgError(
            f"{run.path.name} reads beats that a table gives, which cannot be cut from data={data.name}; use "
            f"data=table"
        )
    if data.name == "table" and beat.name != "given":
        beat = GivenBeat(name="given", rate=run.model.segmenter.rate, scaling="none", rhythm=beat.rhythm)
    table = beats(data, beat, data_dir(config.data_dir))
    need = next(iter(run.model.facts.networks.values()))
    channels, length = table.signal.shape[1:]
    if (channels, length) != (need.leads, need.length):
        raise EcgError(
            f"{table.source}: beats of {length} samples in {channels} channels; {run.path.name} reads "
            f"{need.length} samples in {need.leads}"
        )
    if table.feature_names != run.model.segmenter.feature_names:
        raise EcgError(f"{table.source}: {run.path.name} reads features that a table does not have")
    return table


def unseen(config: EvalConfig, run: Run, table: BeatTable) -> Part:
    """The beats to score on other data: of the model's classes, from people that it was not trained on.

    Raises:
        EcgError: there are none.
    """
    assert config.data is not None
    model, data = run.model, config.data.name
    known = np.isin(np.array(table.classes)[table.label], model.classes)
    if not known.any():
        raise EcgError(
            f"{table.source} has the classes {', '.join(table.classes)}, {run.path.name} knows "
            f"{', '.join(model.classes)}"
            + ("; data.classes names those of a table" if data == "table" else "")
        )
    seen = trained_on(table, config.data.database, model.facts.trained_on)
    if data == "table" and table.fingerprint != model.facts.trained_on.get("fingerprint"):
        seen &= np.array([name != UNKNOWN for name in table.records])
    rows = np.flatnonzero(known if config.allow_leak else known & ~seen[table.record])
    if len(rows) == 0:
        raise EcgError(
            f"data={data} has no recording that {run.path.name} was not trained on; "
            f"allow_leak=true scores those all the same"
        )
    overlap, unknown = int(seen.sum()), data == "table" and _of_unknown(run, table, rows)
    name = "seen recordings" if overlap and config.allow_leak else "unseen recordings"
    empty = np.empty(0, dtype=np.int64)
    return Part(
        name="other beats" if unknown else name,
        classes=model.classes,
        train=empty,
        validation=empty,
        test=rows,
        leaks=frozenset({"records"} if overlap and config.allow_leak else ()),
        statement="; ".join(_statement(config, run, table, rows, overlap, int((~known).sum()))) + ".",
    )


def trained_on(table: BeatTable, database: str, trained: dict[str, Any]) -> npt.NDArray[np.bool_]:
    """Which records of a table a model was trained on, or others of the same person.

    A record is known by its database and its name, a subject likewise, so that `data=mitdb` and a folder
    `mitdb` of `data=wfdb` are the same; equal content is, under whatever name.

    Args:
        table: the beats.
        database: where they come from.
        trained: what the model says of its training: `database`, `records`, `subjects`, `fingerprint`.

    Returns:
        (len(table.records),) booleans.
    """
    own = str(trained.get("database")) if table.fingerprint == trained.get("fingerprint") else database
    seen = np.zeros(len(table.records), dtype=bool)
    for known, names in (
        (names_trained_on(trained, "records"), table.records),
        (names_trained_on(trained, "subjects"), table.subjects),
    ):
        seen |= np.array([_qualified(own, name) in known for name in names], dtype=bool)
    return seen


def names_trained_on(trained: Mapping[str, Any], kind: Literal["records", "subjects"]) -> set[str]:
    """`<database>/<name>` of every record, or subject, that a model says it was trained on."""
    return {_qualified(str(trained.get("database")), name) for name in trained.get(kind, [])}


def _qualified(database: str, name: str) -> str:
    """`<database>/<name>`; a table of several databases has such names already."""
    return name if "/" in name else f"{database}/{name}"


def _statement(
    config: EvalConfig, run: Run, table: BeatTable, rows: npt.NDArray[np.int64], overlap: int, left: int
) -> Iterator[str]:
    """What was scored, and what can be said of people that the model was trained on."""
    used = {table.records[i] for i in np.unique(table.record[rows])}
    yield f"every beat of {table.source if used == {UNKNOWN} else f'{len(used)} records of {table.source}'}"
    if overlap and config.allow_leak:
        yield f"{overlap} of them were trained on, so this score says nothing about new patients"
    elif overlap:
        yield f"{overlap} records of people that the model was trained on are left out"
    if left:
        yield f"{left} beats of classes that the model does not know are left out"
    if table.class_map != "own":
        return
    if _of_unknown(run, table, rows):
        yield "whether the model was trained on the same beats or people is not known"
    trained = run.model.facts.trained_on
    if same := used & {*trained.get("records", []), *trained.get("subjects", [])} - {UNKNOWN}:
        yield (
            f"{len(same)} of the records have names of records that the model was trained on in "
            f"{trained.get('database')}: if they are the same, the score says nothing about new patients"
        )
    if run.config.beat.name != "given":
        yield f"its rows are taken to be cut and scaled as beat={run.config.beat.name} does"


def _of_unknown(run: Run, table: BeatTable, rows: npt.NDArray[np.int64]) -> bool:
    """Whether beats that are scored, or that were trained on, are of unknown records."""
    used = {table.records[i] for i in np.unique(table.record[rows])}
    return UNKNOWN in used or UNKNOWN in run.model.facts.trained_on.get("records", [])
