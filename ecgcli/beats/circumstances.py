"""The circumstances of a beat: heart rate and rhythm around it, and how good the signal is."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pandas as pd

from ecgcli.beats.from_records import Recording
from ecgcli.beats.overview import intervals_before
from ecgcli.beats.quality import FAULTS, quality
from ecgcli.beats.rhythm import LONGEST, SHORTEST
from ecgcli.beats.segment import Segmenter
from ecgcli.beats.table import BeatTable
from ecgcli.errors import EcgError
from ecgcli.recordings.aami import BEAT_SYMBOLS
from ecgcli.recordings.record import Annotations, Record
from ecgcli.recordings.wfdb_io import read_record

NO_FAULT = "none"
"""What `fault` says of a beat whose signal is good."""

AROUND = 4
"""Beats to either side over which the heart rate is taken: eight RR intervals."""

RHYTHMS = MappingProxyType(
    {
        "AB": "atrial bigeminy",
        "AFIB": "atrial fibrillation",
        "AFL": "atrial flutter",
        "ASYS": "asystole",
        "B": "ventricular bigeminy",
        "B22": "second-degree heart block, type II",
        "B3": "third-degree heart block",
        "BI": "first-degree heart block",
        "BII": "second-degree heart block",
        "EAR": "ectopic atrial rhythm",
        "HGEA": "high-grade ventricular ectopic activity",
        "IVR": "idioventricular rhythm",
        "N": "normal sinus rhythm",
        "NOD": "nodal rhythm",
        "NSR": "normal sinus rhythm",
        "P": "paced rhythm",
        "PM": "paced rhythm",
        "PREX": "pre-excitation",
        "SAB": "sino-atrial block",
        "SBR": "sinus bradycardia",
        "SVTA": "supraventricular tachyarrhythmia",
        "T": "ventricular trigeminy",
        "VER": "ventricular escape rhythm",
        "VF": "ventricular fibrillation",
        "VFIB": "ventricular fibrillation",
        "VFL": "ventricular flutter",
        "VT": "ventricular tachycardia",
    }
)
"""Rhythm codes of PhysioNet's databases → what they mean.

From PhysioNet's "PhysioBank Annotations" (MIT-BIH), "Annotations in the VFDB", and the codes of the European
ST-T and Long-Term ST Databases.
"""

_NOISE = "NOISE"  # no rhythm: the one before goes on ("Annotations in the VFDB")

Rows = npt.NDArray[np.int64]
Rates = npt.NDArray[np.float64]


def circumstances(
    table: BeatTable,
    rows: Rows,
    recordings: Mapping[str, Recording],
    segmenter: Segmenter,
    annotator: str = "atr",
) -> pd.DataFrame:
    """The circumstances of some beats. Of the recordings, those needed are read, one at a time.

    Where a recording is not at hand, or cannot be read, the heart rate follows from the positions of the
    table's beats as far as they follow one another there, and nothing else is known.

    Args:
        table: the beats.
        rows: (n,) which of them.
        recordings: record name → recording (`sources.recordings`).
        segmenter: what cut the beats: the signal is judged in the leads that it takes.
        annotator: extension of the annotation files.

    Returns:
        (n) rows in the order of `rows`: `heart_rate` in beats per minute, over four beats to either side (NaN
        where it is not known); `rhythm`, the code of the annotated rhythm ("AFIB"; "" where it is not known);
        `fault`, the first of `quality.FAULTS` that the beat has in any of the leads ("none" without one,
        "" where it is not known).
    """
    rows = np.asarray(rows, dtype=np.int64)
    rate = np.full(len(rows), np.nan)
    rhythm, fault = np.full((2, len(rows)), "", dtype=object)
    intervals = intervals_before(table)
    for code in np.unique(table.record[rows]).tolist():
        here = np.flatnonzero(table.record[rows] == code)
        own = slice(*np.searchsorted(table.record, [code, code + 1]))
        rate[here] = heart_rate(intervals[own][1:], rows[here] - own.start)
        recording = recordings.get(table.records[code])
        record = None if recording is None else _read(recording, annotator)
        if record is None:
            continue
        fault[here] = _faults(record, table.sample[own], segmenter)[rows[here] - own.start]
        if record.annotations is not None:
            samples = table.sample[rows[here]]
            beats = record.annotations.sample[np.isin(record.annotations.symbol, list(BEAT_SYMBOLS))]
            rate[here] = heart_rate(np.diff(beats) / record.rate, np.searchsorted(beats, samples))
            rhythm[here] = annotated_rhythm(record.annotations, samples)
    return pd.DataFrame({"heart_rate": rate, "rhythm": rhythm.astype(str), "fault": fault.astype(str)})


def heart_rate(intervals: Rates, beats: Rows) -> Rates:
    """How fast the heart beats around some beats of a recording.

    The mean, not the median, of the RR intervals from the fourth beat before to the fourth after: in bigeminy
    the median jumps between the short and the long interval. Intervals that no two heart beats have (double
    marks, stretches without marks) are left out.

    Args:
        intervals: (m − 1,) seconds between the m beats of the recording, one after the other; NaN where an
            interval is not known.
        beats: (n,) which of the m beats; one past the last counts as the last.

    Returns:
        (n,) in beats per minute; NaN where no interval around is known.
    """
    taken = (intervals >= SHORTEST) & (intervals <= LONGEST)
    count = np.append(0, np.cumsum(taken))  # (m,) up to each beat
    seconds = np.append(0.0, np.cumsum(np.where(taken, intervals, 0.0)))
    beats = np.minimum(beats, len(intervals))
    first, last = np.maximum(beats - AROUND, 0), np.minimum(beats + AROUND, len(intervals))
    number = count[last] - count[first]
    with np.errstate(invalid="ignore", divide="ignore"):
        rate: Rates = np.where(number, 60 * number / (seconds[last] - seconds[first]), np.nan)
    return rate


def annotated_rhythm(annotations: Annotations, samples: Rows) -> npt.NDArray[np.object_]:
    """The rhythm at some positions: that of the last rhythm mark (`+`) at or before each.

    Args:
        annotations: of the recording.
        samples: (n,) positions in samples of the recording.

    Returns:
        (n,) codes as the annotations have them, without the bracket ("AFIB"); "" before the first mark.
    """
    marks = np.flatnonzero(annotations.symbol == "+")
    starts, codes = [-1], [""]
    for at, aux in zip(annotations.sample[marks].tolist(), annotations.aux[marks].tolist(), strict=True):
        code = aux.strip("\0 ")
        if code.startswith("(") and code[1:] != _NOISE:
            starts.append(at)
            codes.append(code[1:])
    return np.array(codes, dtype=object)[np.searchsorted(starts, samples, side="right") - 1]


def _read(recording: Recording, annotator: str) -> Record | None:
    """The recording, with annotations where it has some. What only explains results must not prevent them."""
    for extension in (annotator, None):
        try:
            return read_record(recording.path, annotator=extension)
        except EcgError:
            continue
    return None


def _faults(record: Record, samples: Rows, segmenter: Segmenter) -> npt.NDArray[np.object_]:
    # each lead once: two leads asked for may be the same one
    leads = sorted(set(segmenter.leads_taken(record.leads)))
    found = quality(record.signal[leads], record.rate, samples)
    fault = np.full(len(samples), NO_FAULT, dtype=object)
    for name in reversed(FAULTS):  # the first one has the last word
        fault[found[name].any(axis=1)] = name
    return fault
