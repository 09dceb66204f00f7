"""Recordings to show: waves of some width at every beat, wider where it is ventricular."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ecgcli.prediction.annotated import AnnotatedRecording
from ecgcli.reporting.row_image import Read
from tests.prediction.recordings import a_recording


def reader(recording: AnnotatedRecording, spans: list[tuple[int, int]] | None = None) -> Read:
    """A signal with a wave of 1 mV at each beat, upside down and wide where it is V, on slow wander.

    Args:
        recording: whose beats they are.
        spans: takes what was read, (start, end) each.
    """

    def read(start: int, end: int) -> npt.NDArray[np.float32]:
        assert 0 <= start < end <= recording.samples
        if spans is not None:
            spans.append((start, end))
        time = np.arange(start, end) / recording.rate
        signal = 0.3 * np.sin(time / 3) + 0.01 * np.random.default_rng(start).normal(size=end - start)
        reach = round(0.4 * recording.rate)
        first, last = np.searchsorted(recording.sample, [start - reach, end + reach])
        for at, name in zip(recording.sample[first:last], recording.names[first:last], strict=True):
            inside = slice(max(0, at - reach - start), max(0, at + reach - start))
            width, height = (0.06, -1.0) if name == "V" else (0.02, 1.0)
            signal[inside] += height * np.exp(-0.5 * ((time[inside] - at / recording.rate) / width) ** 2)
        return np.tile(signal.astype(np.float32), (len(recording.leads), 1))

    return read


def of_all_kinds(seed: int = 0, beats: int = 400, **more: object) -> AnnotatedRecording:
    """A recording of some five minutes with every kind of event, an unreadable stretch, beats for review."""
    rng = np.random.default_rng(seed)
    names = "".join(rng.choice(list("NSVFQ"), beats, p=[0.7, 0.08, 0.18, 0.03, 0.01]))
    names = names[:100] + "NVVVVVNSSSSNVVNSSN" + names[118:]
    rr = rng.normal(0.75, 0.05, beats - 1)
    rr[300], rr[200] = 2.6, 4.0
    at = 0.5 + np.cumsum([0.0, *rr])
    made = a_recording(names, rr=rr.tolist(), unreadable=[(at[200] + 0.6, at[201] - 0.6)])
    probability = rng.dirichlet(np.full(5, 0.1), beats)
    own = np.arange(beats), made.called
    probability[own] += 3
    probability /= probability.sum(axis=1, keepdims=True)
    given = {
        "probability": probability,
        "review": probability[own] < np.quantile(probability[own], 0.05),
        "notes": ("Its beats were made up.",),
    }
    return a_recording(names, rr=rr.tolist(), unreadable=[(at[200] + 0.6, at[201] - 0.6)], **(given | more))
