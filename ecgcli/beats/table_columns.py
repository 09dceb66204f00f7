"""Which columns of a user's table are samples, and which say what a beat is and whose."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgcli.choices.data import Table
from ecgcli.errors import EcgError

USUAL: dict[str, tuple[str, ...]] = {
    "label": ("label", "class", "target", "y"),
    "record": ("record",),
    "subject": ("subject", "patient"),
    "sample": ("sample",),
}
"""What a column may be beside a sample of the signal → its usual names, in any case."""

_ROW_NUMBERS = ("", "unnamed: 0", "__index_level_0__")
"""What pandas and R call the row numbers that they write beside a table."""


@dataclass(frozen=True)
class Block:
    """Some rows of a table, as the file has them.

    Attributes:
        signal: (m, leads, time) float32.
        row: (m,) number of each row in its file, as the user counts.
        words: `label` and, where there are such columns, `record`, `subject` and `sample` → (m,) texts.
    """

    signal: npt.NDArray[np.float32]
    row: npt.NDArray[np.int64]
    words: dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Columns:
    """What the columns of a table are, by their places.

    Attributes:
        samples: the samples of the signal, in the order of the file.
        roles: `label` and, where there are such columns, `record`, `subject` and `sample`.
        notes: what is worth saying of it, one sentence each.
    """

    samples: tuple[int, ...]
    roles: dict[str, int]
    notes: tuple[str, ...]


def find_columns(names: Sequence[str], data: Table, file: Path, last_is_label: bool) -> Columns:
    """Finds out what the columns of a table are.

    Columns with a role have their name in `data`, else a usual one. Of the others those are samples that are
    named alike up to a number, where most are; all of them, where the names tell nothing.

    Args:
        names: names of the columns.
        data: the choice.
        file: the file, for errors.
        last_is_label: whether the last column is the label where none is named as labels are.

    Raises:
        EcgError: a name stands twice, a column that was asked for is not there, there is no label, or fewer
            than two samples.
    """
    named = [name for name in names if name.casefold() not in _ROW_NUMBERS]
    if twice := sorted(name for name, n in Counter(named).items() if n > 1):
        raise EcgError(f"{file}: two columns are named {twice[0]!r}; expected every name once")
    roles = find_roles(names, data, file, "column")
    if "label" not in roles:
        if not last_is_label or len(names) - 1 in roles.values():
            raise no_label(names, file, "column")
        roles["label"] = len(names) - 1
    others = [
        i for i, name in enumerate(names) if i not in roles.values() and name.casefold() not in _ROW_NUMBERS
    ]
    samples = _named_alike(names, others)
    if len(samples) < 2:
        raise EcgError(f"{file}: {len(samples)} columns of samples; expected a row a beat, a column a sample")
    notes = [f"A beat is {len(samples)} columns, {names[samples[0]]} to {names[samples[-1]]}."]
    if left := [names[i] or "(no name)" for i in range(len(names)) if i not in {*samples, *roles.values()}]:
        notes.append(f"Columns that are neither samples nor have a role, and are left out: {shown(left)}.")
    return Columns(samples, roles, tuple(notes))


def find_roles(names: Sequence[str], data: Table, file: Path, what: str) -> dict[str, int]:
    """Role → place, for those of label, record, subject and sample that are there.

    Raises:
        EcgError: one that `data` names is not there, or has two roles.
    """
    folded = [name.casefold() for name in names]
    roles: dict[str, int] = {}
    for role, usual in USUAL.items():
        asked = getattr(data, role)
        if asked is None:
            places = [folded.index(name) for name in usual if name in folded]
        elif asked in names:
            places = [names.index(asked)]
        else:
            places = [i for i, name in enumerate(folded) if name == asked.casefold()]
            if not places:
                raise EcgError(f"{file}: no {what} {asked!r} (data.{role}); there are {shown(names)}")
        if places:
            roles[role] = places[0]
    for role, place in roles.items():
        for other, same in roles.items():
            if role < other and place == same:
                raise EcgError(f"{file}: {what} {names[place]!r} is both data.{role} and data.{other}")
    return roles


def no_label(names: Sequence[str], file: Path, what: str) -> EcgError:
    """There is nothing named as labels are."""
    return EcgError(
        f"{file}: no {what} named {', '.join(USUAL['label'][:-1])} or {USUAL['label'][-1]}; data.label names "
        f"the labels; there are {shown(names)}"
    )


def shown(names: Iterable[str]) -> str:
    """`s0, s1, s2, …, label (301)`."""
    names = list(names)
    return ", ".join(names) if len(names) <= 8 else f"{', '.join(names[:4])}, …, {names[-1]} ({len(names)})"


def _named_alike(names: Sequence[str], places: list[int]) -> tuple[int, ...]:
    """The places whose names differ in a closing number alone, if these are most; else all."""
    stems = [re.sub(r"[\d.]+$", "", names[i]).casefold() for i in places]
    stem, most = Counter(stems).most_common(1)[0] if stems else ("", 0)
    if 2 * most <= len(places):
        return tuple(places)
    return tuple(i for i, own in zip(places, stems, strict=True) if own == stem)
