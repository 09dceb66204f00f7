"""Annotated recordings made up beat by beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ecgcli.prediction.annotated import AnnotatedRecording

AAMI = ("N", "S", "V", "F", "Q")


def a_recording(
    names: str,
    rr: float | Sequence[float] = 0.8,
    unreadable: Sequence[tuple[float, float]] = (),
    rate: float = 250.0,
    classes: Sequence[str] = AAMI,
    confidence: float = 0.95,
    **more: Any,
) -> AnnotatedRecording:
    """A recording with a beat a letter.

    Args:
        names: class of each beat, in letters.
        rr: seconds from each beat to the next, or of all; the first beat is half a second from the start.
        unreadable: (from, to) in seconds.
        rate: in Hz.
        classes: of the model.
        confidence: of the model in every beat.
        more: any attribute in the place of the one made up.
    """
    n = len(names)
    steps = np.full(max(n - 1, 0), rr) if isinstance(rr, int | float) else np.asarray(rr, float)
    at = 0.5 + np.concatenate([[0.0], np.cumsum(steps)])[:n]
    called = np.array([classes.index(name) for name in names], np.int64)
    probability = np.full((n, len(classes)), (1 - confidence) / max(len(classes) - 1, 1))
    probability[np.arange(n), called] = confidence
    given = {
        "name": "made up",
        "rate": rate,
        "samples": round((at[-1] + 0.5 if n else 10) * rate),
        "leads": ("MLII", "V1"),
        "read_leads": (0,),
        "classes": tuple(classes),
        "sample": np.rint(at * rate).astype(np.int64),
        "probability": probability,
        "called": called,
        "review": np.full(n, confidence < 0.7),
        "unreadable": np.rint(np.reshape(unreadable, (-1, 2)) * rate).astype(np.int64),
    }
    return AnnotatedRecording(**(given | more))
