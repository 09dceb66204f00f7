"""Scoring of runs of ectopic beats and of episodes of ventricular flutter, after ANSI/AAMI EC57."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from ecgcli.evaluation.ec57_beats import Beats, Ints

KINDS = MappingProxyType({"couplet": (2, 2), "short run": (3, 5), "long run": (6, 6)})
"""Kind → its least and greatest number of consecutive ectopic beats, where 6 stands for 6 and more."""


@dataclass(frozen=True)
class Runs:
    """Runs of one class, by length; lengths above 6 count as 6.

    Attributes:
        sensitivity: (7, 7) int64, length of each run of the reference (2 to 6) by the length of the longest
            run that the test file has there (0 to 6).
        predictivity: (7, 7) int64, length of the longest run that the reference has where the test file has
            a run (0 to 6) by the length of that run (2 to 6).
    """

    sensitivity: Ints
    predictivity: Ints

    @property
    def counts(self) -> dict[str, tuple[tuple[int, int], tuple[int, int]]]:
        """Kind → ((found, all of the reference), (true, all of the test file)).

        A run counts as found, or as true, if the other file has there a run at least as long as the kind
        asks for: two beats for a couplet, three for a short run, six for a long one.
        """
        found = {}
        for kind, (least, most) in KINDS.items():
            by_ref, by_test = self.sensitivity[least : most + 1], self.predictivity[:, least : most + 1]
            se = int(by_ref[:, least:].sum()), int(by_ref.sum())
            pp = int(by_test[least:].sum()), int(by_test.sum())
            found[kind] = (se, pp)
        return found


@dataclass(frozen=True)
class Flutter:
    """Episodes of ventricular flutter or fibrillation in the scored part of a record.

    Attributes:
        reference: episodes of the reference.
        detected: those of them that overlap one of the test file.
        test: episodes of the test file.
        true: those of them that overlap one of the reference.
        reference_ms: their length altogether, in milliseconds; so `test_ms`.
        overlap_ms: milliseconds that lie in an episode of both.
    """

    reference: int
    detected: int
    test: int
    true: int
    reference_ms: int
    test_ms: int
    overlap_ms: int


def compare_runs(ref: Beats, tst: Beats, label: int, window: int) -> Runs:
    """Compares runs of consecutive beats of one class.

    Each run of one file opens a window from its first to its last beat and one match window more on either
    side; the longest run of the other file within it is what that file has there.

    Args:
        ref: the reference's beats.
        tst: the test's beats.
        label: index of the class, V or S.
        window: the match window in samples.
    """
    runs_ref, runs_test = _runs(ref, label), _runs(tst, label)
    sensitivity, predictivity = np.zeros((7, 7), dtype=np.int64), np.zeros((7, 7), dtype=np.int64)
    for run, longest in zip(runs_ref, _longest(runs_test, runs_ref, window), strict=True):
        if len(run) > 1:
            sensitivity[min(len(run), 6), min(longest, 6)] += 1
    for run, longest in zip(runs_test, _longest(runs_ref, runs_test, window), strict=True):
        if len(run) > 1:
            predictivity[min(longest, 6), min(len(run), 6)] += 1
    return Runs(sensitivity, predictivity)


def _runs(beats: Beats, label: int) -> list[list[int]]:
    """The samples of every unbroken run of one class, single beats included."""
    runs: list[list[int]] = []
    apart = np.isnan(beats.rr)  # flutter or shutdown lies before the beat
    before = -2
    for k in np.flatnonzero(beats.label == label).tolist():
        if k == before + 1 and not apart[k]:
            runs[-1].append(int(beats.sample[k]))
        else:
            runs.append([int(beats.sample[k])])
        before = k
    return runs


def _longest(runs: list[list[int]], others: list[list[int]], window: int) -> list[int]:
    """For each of the other file's runs the most beats that one of `runs` has around it."""
    begins, ends = [run[0] for run in runs], [run[-1] for run in runs]
    longest = []
    for other in others:
        first, last = other[0] - window, other[-1] + window
        near = runs[bisect_left(ends, first) : bisect_right(begins, last)]
        longest.append(max((bisect_right(r, last) - bisect_left(r, first) for r in near), default=0))
    return longest


def compare_flutter(ref: Ints, tst: Ints, start: int, rate: float) -> Flutter:
    """Compares episodes of flutter: any overlap detects an episode.

    Args:
        ref: (m, 2) first and last samples of the reference's episodes.
        tst: (k, 2) those of the test's.
        start: first sample that is scored.
        rate: samples per second, in Hz.
    """
    ref, tst = _from(ref, start), _from(tst, start)
    shared = np.minimum(ref[:, None, 1], tst[None, :, 1]) - np.maximum(
        ref[:, None, 0], tst[None, :, 0]
    )  # (m, k)
    shared = shared.clip(min=0)
    return Flutter(
        reference=len(ref),
        detected=int(shared.any(axis=1).sum()),
        test=len(tst),
        true=int(shared.any(axis=0).sum()),
        reference_ms=round(1000 * float(np.diff(ref).sum()) / rate),
        test_ms=round(1000 * float(np.diff(tst).sum()) / rate),
        overlap_ms=round(1000 * float(shared.sum()) / rate),
    )


def _from(episodes: Ints, start: int) -> Ints:
    later = episodes[episodes[:, 1] > start]
    return np.maximum(later, start)
