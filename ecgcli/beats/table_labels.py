"""From the labels of a user's table to classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgcli.choices.data import Table
from ecgcli.errors import EcgError

_MOST = 1000

Words = npt.NDArray[np.object_]


def class_of(
    file: Path, words: Words, row: npt.NDArray[np.int64], data: Table
) -> tuple[list[str], npt.NDArray[np.int64], list[str]]:
    """The classes of a table and the class of each beat.

    Labels that are whole numbers count into `data.classes`, or are the names of the classes themselves where
    there are none; other labels are names. Without `data.classes` names stand in order, N first.

    Args:
        file: the file, for errors.
        words: (n,) labels as texts.
        row: (n,) rows of the file.
        data: the choice.

    Returns:
        The classes that have beats, (n,) indices into them, and what is worth saying.

    Raises:
        EcgError: a label is missing, no whole number where all are numbers, or none of `data.classes`.
    """
    import pandas as pd

    if len(empty := np.flatnonzero(words == "")):
        raise EcgError(f"{file}, row {row[empty[0]]}: no label; expected one in every row")
    code, found = pd.factorize(words)
    if len(found) > _MOST:
        raise EcgError(
            f"{file}: {len(found):,} different labels; expected at most {_MOST:,} classes, data.label names "
            f"their column"
        )
    first = np.unique(code, return_index=True)[1]
    numbers = [_number(str(word)) for word in found]
    if None in numbers:
        names = [str(word) for word in found]
        wanted = data.classes or sorted(names, key=lambda name: (name != "N", name))
    else:
        for word, number, where in zip(found, numbers, first, strict=True):
            if number is not None and number != round(number):
                raise EcgError(
                    f"{file}, row {row[where]}: label {str(word)[:24]!r} is no whole number; expected "
                    f"classes, data.label names their column"
                )
        whole = [int(number) for number in numbers if number is not None]
        names = [str(number) for number in whole]
        wanted = data.classes or [str(number) for number in sorted(set(whole))]
        if data.classes and not set(names) <= set(data.classes):
            names = [data.classes[n] if 0 <= n < len(data.classes) else str(n) for n in whole]
    if len(set(wanted)) != len(wanted):
        raise EcgError(f"data.classes={list(wanted)}: expected every class once")
    for name, where in zip(names, first, strict=True):
        if name not in wanted:
            last = len(wanted) - 1
            raise EcgError(
                f"{file}, row {row[where]}: label {name[:24]!r}; expected one of data.classes, "
                f"{', '.join(wanted)}, or a number from 0 to {last}"
            )
    classes = [name for name in wanted if name in set(names)]
    without = [name for name in wanted if name not in set(names)]
    notes = [f"Classes without a beat are left out: {', '.join(without)}."] if without else []
    index = np.array([classes.index(name) for name in names], dtype=np.int64)
    return classes, index[code], notes


def plain_numbers(words: Words) -> Words:
    """Names as texts, but for whole numbers that some program wrote as `1.0`, where all names are numbers."""
    import pandas as pd

    code, found = pd.factorize(words)
    numbers = [_number(str(word)) for word in found]
    whole = [number is not None and number == round(number) for number in numbers]
    if not all(whole) or not any("." in str(word) for word in found):
        return words
    names: Any = np.array([str(int(number or 0)) for number in numbers], dtype=object)
    plain: Words = names[code]
    return plain


def _number(word: str) -> float | None:
    """A finite number, else None."""
    try:
        number = float(word)
    except ValueError:
        return None
    return number if np.isfinite(number) else None
