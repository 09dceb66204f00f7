"""What of an annotation file is scored beat by beat, and what is not: shutdown, flutter, the learning period.

After ANSI/AAMI EC57 and the manual of WFDB's `bxb`, which is the standard's reference implementation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ecgcli.errors import EcgError
from ecgcli.recordings.aami import BEAT_SYMBOLS, CLASS_MAPS, CLASSES, NON_BEAT_SYMBOLS, ClassMap
from ecgcli.recordings.record import Annotations

Ints = npt.NDArray[np.int64]

MATCH_WINDOW = 0.150
"""Greatest distance in seconds of two annotations that speak of one beat (EC57)."""

LEARNING_PERIOD = 300.0
"""Seconds at the start of each record that are not scored (EC57)."""

_SHUTDOWN = 0x30
"""A NOISE annotation whose subtype has both these bits says that the signal is unreadable from there on."""


@dataclass(frozen=True)
class Beats:
    """The beats of one file that are scored.

    Attributes:
        sample: (n,) int64, positions in samples, ascending.
        label: (n,) int64, index into `CLASSES`.
        rr: (n,) float64, samples since the beat before; NaN where there is none, or where flutter or shutdown
            lies between. The first beat's RR interval reaches back into the learning period.
    """

    sample: Ints
    label: Ints
    rr: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.sample)


def window_samples(window: float, rate: float) -> int:
    """The match window in whole samples: the most that do not exceed `window` seconds at `rate` Hz."""
    return int(np.floor(window * rate + 1e-6))


def check(annotations: Annotations, length: int | None, where: str) -> None:
    """Refuses annotations that cannot be scored.

    Args:
        annotations: annotations of one record.
        length: the record's length in samples; None: unknown.
        where: file or record, for the message.

    Raises:
        EcgError: an annotation out of order, before the record's start, beyond its end, or with a symbol
            that the WFDB standard does not know.
    """
    sample, symbol = annotations.sample, annotations.symbol
    disorder = np.flatnonzero(np.diff(sample, prepend=0) < 0)
    if len(disorder):
        k = int(disorder[0])
        before = f"sample {sample[k - 1]}" if k else "the record's start"
        raise EcgError(
            f"{where}: annotation {k + 1} ({symbol[k]}) is at sample {sample[k]}, after {before}; "
            f"expected ascending positions"
        )
    if length is not None and len(sample) and sample[-1] >= length:
        k = int(np.searchsorted(sample, length))
        raise EcgError(
            f"{where}: annotation {k + 1} ({symbol[k]}) is at sample {sample[k]}, beyond the record's end; "
            f"expected positions below {length}"
        )
    unknown = set(symbol.tolist()) - BEAT_SYMBOLS - NON_BEAT_SYMBOLS
    if unknown:
        k = int(np.flatnonzero(np.isin(symbol, list(unknown)))[0])
        raise EcgError(
            f"{where}: annotation {k + 1} at sample {sample[k]} has the unknown symbol {str(symbol[k])!r}; "
            f"expected a symbol of the WFDB standard, such as N, S, V, F or Q for a beat"
        )


def flutter_episodes(annotations: Annotations, end: int) -> Ints:
    """Ventricular flutter and fibrillation: from `[` to `]`, or to the record's end.

    Args:
        annotations: annotations of one record.
        end: the last sample that counts as the record's.

    Returns:
        (m, 2) int64, first and last sample of each episode, ascending and apart.
    """
    episodes: list[tuple[int, int]] = []
    begun: int | None = None
    marks = np.flatnonzero((annotations.symbol == "[") | (annotations.symbol == "]"))
    for k in marks:
        at = int(annotations.sample[k])
        if annotations.symbol[k] == "[":
            begun = at if begun is None else begun
        elif begun is not None:
            episodes.append((begun, at))
            begun = None
    if begun is not None:
        episodes.append((begun, max(begun, end)))
    return np.array(episodes, dtype=np.int64).reshape(-1, 2)


def shutdowns(annotations: Annotations, end: int, window: int) -> Ints:
    """Stretches that the annotator declared unreadable.

    A NOISE annotation (`~`) whose subtype has both bits 0x30 (−1 has) begins one, the next NOISE annotation
    with any other subtype ends it. Where the next one begins another, or there is none, the file follows the
    custom of the AHA database, one mark near the middle: the stretch then reaches from one match window
    after the annotation before it to one match window before the annotation after it, or to the record's end.

    Args:
        annotations: annotations of one record.
        end: the last sample that counts as the record's.
        window: the match window in samples.

    Returns:
        (m, 2) int64, first and last sample of each stretch, ascending.
    """
    sample = annotations.sample
    noise = np.flatnonzero(annotations.symbol == "~")
    begins = (annotations.subtype[noise] & _SHUTDOWN) == _SHUTDOWN
    stretches: list[tuple[int, int]] = []
    for k in np.flatnonzero(begins):
        mark = int(noise[k])
        at = int(sample[mark])
        if k + 1 < len(noise) and not begins[k + 1]:
            stretches.append((at, int(sample[noise[k + 1]])))
            continue
        first = int(sample[mark - 1]) + window if mark else 0
        last = int(sample[mark + 1]) - window if mark + 1 < len(sample) else end
        stretches.append((min(first, at), max(last, at)))
    return np.array(stretches, dtype=np.int64).reshape(-1, 2)


def inside(stretches: Ints, sample: Ints) -> npt.NDArray[np.bool_]:
    """(n,) bool: which samples lie in one of the (m, 2) stretches, their ends included; these may overlap."""
    begun = np.searchsorted(np.sort(stretches[:, 0]), sample, side="right")
    over = np.searchsorted(np.sort(stretches[:, 1]), sample, side="left")
    return np.asarray(begun > over)


def scored_beats(
    annotations: Annotations, class_map: ClassMap, start: int, stop: int, flutter: Ints, breaks: Ints
) -> Beats:
    """The beats of one file that take part in the comparison.

    Args:
        annotations: annotations of one record, ascending.
        class_map: how symbols become classes.
        start: first sample that is scored.
        stop: first sample that is not scored any more.
        flutter: (m, 2) episodes whose beats are left out.
        breaks: (k, 2) stretches across which there is no RR interval and no run.
    """
    classes = CLASS_MAPS[class_map]
    index = {symbol: CLASSES.index(name) for symbol, name in classes.items()}
    label = np.array([index.get(symbol, -1) for symbol in annotations.symbol.tolist()], dtype=np.int64)
    kept = (label >= 0) & (annotations.sample < stop) & ~inside(flutter, annotations.sample)
    sample, label = annotations.sample[kept], label[kept]
    rr = np.diff(sample.astype(np.float64), prepend=np.nan)
    # a stretch lies between two beats if it begins after the first and not after the second
    begun = np.searchsorted(np.sort(breaks[:, 0]), sample, side="right")
    rr[1:][np.diff(begun) > 0] = np.nan
    scored = sample >= start
    return Beats(sample[scored], label[scored], rr[scored])
