"""Short annotation files written down by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecgcli.evaluation.ec57 import RecordScore, score_record
from ecgcli.recordings.record import Annotations

Mark = tuple[int, str] | tuple[int, str, int]


def annotations(*marks: Mark) -> Annotations:
    """Annotations from (sample, symbol) or (sample, symbol, subtype)."""
    return Annotations(
        sample=np.array([mark[0] for mark in marks], dtype=np.int64),
        symbol=np.array([mark[1] for mark in marks], dtype=np.str_),
        subtype=np.array([mark[2] if len(mark) > 2 else 0 for mark in marks], dtype=np.int64),
        aux=np.array([""] * len(marks), dtype=np.str_),
    )


def beats(symbols: str, first: int = 1000, apart: int = 300) -> list[Mark]:
    """Beats at even distances; `.` leaves one out."""
    return [(first + apart * k, symbol) for k, symbol in enumerate(symbols) if symbol != "."]


def scored(reference: list[Mark], test: list[Mark], **settings: Any) -> RecordScore:
    """The score of one hand-written record: 360 Hz, 100,000 samples, from 0:00, unless told otherwise."""
    given = {"rate": 360.0, "length": 100_000, "start": 0.0, **settings}
    return score_record("hand", annotations(*reference), annotations(*test), **given)


def cells(score: RecordScore) -> dict[str, int]:
    """The matrix without its zeros: `{"Nn": 3, "Nv": 1, "Vo": 1}`."""
    names = "NSVFQOX"
    return {
        row + column.lower(): int(score.matrix[k, m])
        for k, row in enumerate(names)
        for m, column in enumerate(names)
        if score.matrix[k, m]
    }


def shares(score: RecordScore, *names: str) -> list[tuple[int, int]]:
    """Measures as (hits, total)."""
    return [(score.measures[name].hits, score.measures[name].total) for name in names]
