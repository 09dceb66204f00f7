"""Whether runs may stand in one ranking: on the same beats, cut by one protocol, in the same classes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from ecgcli.errors import EcgError
from ecgcli.evaluation.recipes import NO_PART, settings
from ecgcli.parsing import plain
from ecgcli.runs import RESULTS_VERSION, Run

TEST_APART = ("kaggle", "inter_patient", "inter_patient_strict", "cross_database")
"""Protocols whose test beats are fixed: their seed decides the validation part alone."""


def check(runs: Sequence[Run], part: str) -> None:
    """Refuses runs that are not to be ranked together.

    Args:
        runs: at least one.
        part: `test` or `validation`, the part that they are ranked on.

    Raises:
        EcgError: saying which runs differ in what, and why that is no ranking.
    """
    for run in runs:
        version = run.provenance.get("results_version")
        if version != RESULTS_VERSION:
            raise EcgError(
                f"{name(run)} has results version {version}, this ecgcli makes {RESULTS_VERSION}: equal "
                f"settings gave other results then; repeat its training, or leave it out"
            )
    without = [run for run in runs if run.metrics.get(part) is None]
    if without and part == "test":
        raise EcgError(
            f"{some(without)} of {len(runs)} never opened the test part: compare on validation with "
            f"part=validation, or leave {'it' if len(without) == 1 else 'them'} out"
        )
    if without:
        raise EcgError(f"{some(without)} of {len(runs)} had no validation part: leave such runs out")
    _all_one(
        runs,
        "data",
        lambda run: (str(run.metrics["data"]["name"]), str(run.provenance.get("data_fingerprint"))),
        "scores on different beats are no ranking",
    )
    _all_one(
        runs,
        "protocols",
        lambda run: _protocol(run, part),
        "scores under different protocols answer different questions",
    )
    _all_one(
        runs,
        "class maps",
        lambda run: (str(run.metrics["class_map"]),),
        "the same beat may have another label",
    )
    _all_one(
        runs,
        "classes",
        lambda run: (" ".join(run.metrics["classes"]),),
        "means over other classes are other scores",
    )
    seen: dict[str, Run] = {}
    for run in runs:
        own = {key: value for key, value in settings(run).items() if key not in NO_PART}
        what = f"{sorted(own.items())} {run.config.seed}"
        if what in seen:
            raise EcgError(
                f"{seen[what].path} and {run.path} have the same settings and the same seed: leave one out"
            )
        seen[what] = run


def check_beats(first: tuple[Run, pd.DataFrame], other: tuple[Run, pd.DataFrame]) -> None:
    """Refuses predictions that are not of the same beats, in the same order, with the same labels.

    Raises:
        EcgError: naming the first beat that differs.
    """
    (run, mine), (run_b, theirs) = first, other
    who = f"{name(run)} and {name(run_b)} were not scored on the same beats"
    if len(mine) != len(theirs):
        raise EcgError(f"{who}: {len(mine):,} and {len(theirs):,}; beats may be cut or left out differently")
    for column in ("record", "sample", "label"):
        apart = mine[column].to_numpy() != theirs[column].to_numpy()
        if apart.any():
            row = int(np.argmax(apart))
            said = " and ".join(f"{frame[column].iloc[row]}" for frame in (mine, theirs))
            raise EcgError(f"{who}: row {row} has {column} {said}")


def name(run: Run) -> str:
    """What a run is called: the name of its folder."""
    return run.path.resolve().name


def some(runs: Sequence[Run]) -> str:
    """`<run>`, or `<run> and 2 more`."""
    return name(runs[0]) + (f" and {len(runs) - 1} more" if len(runs) > 1 else "")


def _all_one(runs: Sequence[Run], what: str, of: Callable[[Run], tuple[str, ...]], why: str) -> None:
    groups: dict[tuple[str, ...], list[Run]] = defaultdict(list)
    for run in runs:
        groups[of(run)].append(run)
    if len(groups) == 1:
        return
    # of what each is, only what tells them apart
    apart = [len(set(values)) > 1 for values in zip(*groups, strict=False)]
    said = [
        " ".join([*(value for value, shown in zip(one, apart, strict=False) if shown and value)])
        + f" ({some(members)})"
        for one, members in groups.items()
    ]
    raise EcgError(f"runs mix {what}: {', '.join(said[:-1])} and {said[-1]}; {why}, so give runs of one")


def _protocol(run: Run, part: str) -> tuple[str, ...]:
    """Name and settings of the protocol, those left out that do not touch the beats of the part."""
    values = plain(run.config.protocol)
    found = str(values.pop("name"))
    if found == "labelled_minutes":  # how a model adapts is the model's, not the protocol's
        values = {key: value for key, value in values.items() if key not in ("steps", "lr")}
    if part == "test":
        dropped = {"folds", "validation"} | ({"seed"} if found in TEST_APART else set())
        values = {key: value for key, value in values.items() if key not in dropped}
    return found, " ".join(f"{key}={value}" for key, value in values.items())
