"""Rows and columns of a comparison: a row a recipe, which is runs of several seeds, a column a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecgcli.evaluation.predictions import NORMAL
from ecgcli.evaluation.recipes import Settings, grouped, label
from ecgcli.runs import Run

FEW_CLASSES = 4
"""Abnormal classes with columns of their own where the data know neither S nor V."""


@dataclass(frozen=True)
class Score:
    """A column of the comparison.

    Attributes:
        key: its name in `ecgcli.evaluation.metrics.score`.
        of: the class it is of; None for all classes together.
        name: in words.
        percent: whether it is a share.
        low: whether less is better.
    """

    key: str
    of: str | None
    name: str
    percent: bool = True
    low: bool = False

    def read(self, scored: Mapping[str, Any]) -> float | None:
        """The score of a run, from what `metrics.json` holds of a part."""
        value = scored[self.key] if self.of is None else scored["per_class"][self.of][self.key]
        return None if value is None else float(value)


@dataclass(frozen=True)
class Row:
    """A recipe: runs that differ in nothing but their seed.

    Attributes:
        letter: short name, A for the first.
        name: the settings in which it differs from the other rows.
        settings: all that decide its results, but the seed.
        runs: by seed.
    """

    letter: str
    name: str
    settings: Settings
    runs: tuple[Run, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """One a run."""
        return tuple(run.config.seed for run in self.runs)

    def values(self, score: Score, part: str) -> list[float | None]:
        """The score of each seed."""
        return [score.read(run.metrics[part]) for run in self.runs]


def rows_of(runs: Sequence[Run]) -> tuple[Row, ...]:
    """The recipes among some runs, in the order given."""
    groups = grouped(runs)
    every = [own for own, _ in groups]
    rows = []
    for place, (own, group) in enumerate(groups):
        by_seed = tuple(sorted(group, key=lambda run: run.config.seed))
        named = label(own, every) if len(groups) > 1 else f"sampling={own['sampling.name']}"
        rows.append(Row(_letter(place), named, own, by_seed))
    return tuple(rows)


def columns(classes: Sequence[str], beats: Mapping[str, int]) -> tuple[tuple[Score, ...], tuple[Score, ...]]:
    """The scores that come first, and the rest."""
    held = [name for name in classes if beats[name] and name != NORMAL]
    first = [name for name in ("S", "V") if name in held] or held[:FEW_CLASSES]
    others = [name for name in (NORMAL, *held) if name in classes and beats[name] and name not in first]

    def both(name: str) -> tuple[Score, Score]:
        return Score("recall", name, f"{name} Se"), Score("precision", name, f"{name} +P")

    missed = Score("abnormal_called_normal", None, "abnormal called normal", low=True)
    main = [missed] if NORMAL in classes and held else []
    main += [score for name in first for score in both(name)]
    main += [Score("macro_f1", None, "macro-F1", percent=False), Score("accuracy", None, "accuracy")]
    rest = [score for name in others for score in both(name)]
    if NORMAL in classes:
        rest += [Score("called_normal", name, f"{name} called normal", low=True) for name in held]
    rest += [Score("f1", name, f"{name} F1", percent=False) for name in (*first, *others)]
    rest += [Score("macro_recall", None, "macro-recall", percent=False), Score("mcc", None, "MCC", False)]
    rest += [Score("kappa", None, "Cohen's kappa", False)]
    rest += [Score("auroc", None, "AUROC", percent=False), Score("auprc", None, "AUPRC", percent=False)]
    return tuple(main), tuple(rest)


def best_row(rows: Sequence[Row], part: str) -> int:
    """The row with the best macro-F1, the first of equals."""
    score = Score("macro_f1", None, "macro-F1", percent=False)
    return int(np.argmax([mean(row.values(score, part)) or 0.0 for row in rows]))


def mean(values: Sequence[float | None]) -> float | None:
    """Mean of the seeds that have the score; None where none has."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _letter(place: int) -> str:
    """A to Z, then AA, AB and so on."""
    return (_letter(place // 26 - 1) if place >= 26 else "") + chr(ord("A") + place % 26)
