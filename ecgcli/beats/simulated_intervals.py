"""Rhythms that a data base of a few dozen patients does not hold, as RR intervals with their classes.

A patient whose ectopic beats outnumber the sinus beats, a block that drops every third beat, flutter-like
runs: what such rhythms look like is known, and of each a training set holds one patient or none. The
intervals here follow from textbook rules, with the figures of every simulated patient drawn anew:

- sinus rhythm of 27 to 130 beats a minute, with slow drift and breathing;
- supraventricular beats, alone, in bigeminy or in runs of any length, that reset the sinus node: after them
  comes about one sinus interval, or a longer pause where the node is slow to recover;
- a sick sinus node (bradycardia-tachycardia syndrome): slow, and overtaken by supraventricular beats for much
  of the time;
- ventricular beats with a nearly fixed coupling interval, that do not: the pause is compensatory, or the beat
  is interpolated;
- atrial fibrillation, whose intervals are irregular though its beats are conducted (class N);
- blocked beats: pauses of twice the sinus interval, or shorter where a premature wave was blocked (class N).

Nothing in it comes from recordings.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ecgcli.beats.rhythm import rhythm_features

RATE = 360.0
"""Samples a second in which positions are rounded, in Hz: that of MIT-BIH."""

_SHORTEST = 0.28  # s from one ventricular activation to the next


class Intervals(NamedTuple):
    """Beats of simulated patients.

    Attributes:
        features: (n, k) float32, as `rhythm_features` gives them.
        label: (n,) "N", "S" or "V".
    """

    features: npt.NDArray[np.float32]
    label: npt.NDArray[np.str_]


def simulated_intervals(seed: int, patients: int = 400, beats: int = 500) -> Intervals:
    """Rhythm features of simulated patients, in random order.

    Args:
        seed: seeds everything that is drawn.
        patients: how many of them.
        beats: of each.
    """
    rng = np.random.default_rng(seed)
    features, label = [], []
    for _ in range(patients):
        time, symbol = _patient(rng, beats)
        features.append(rhythm_features(np.round(time * RATE).astype(np.int64), RATE))
        label.append(symbol)
    order = rng.permutation(patients * beats)
    return Intervals(np.concatenate(features)[order], np.concatenate(label)[order])


def _patient(rng: np.random.Generator, beats: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.str_]]:
    """(beats,) times of the R peaks in seconds, ascending, and their classes."""
    sinus = float(np.clip(np.exp(rng.normal(np.log(0.85), 0.35)), 0.46, 2.2))
    fibrillates = rng.random() < 0.2
    cycle = sinus * _variation(rng, beats, fibrillates)
    often = 10 ** rng.uniform(-2.5, -0.3, size=2)  # chance of an ectopic beat or run after a sinus beat
    has = rng.random(2) < (0.0 if fibrillates else 0.6, 0.5)
    chance_s, chance_v = np.where(has, often, 0.0)
    blocked = 10 ** rng.uniform(-2, -0.5) if not fibrillates and rng.random() < 0.25 else 0.0
    early_s, early_v = rng.uniform(0.4, 0.88), rng.uniform(0.4, 0.8)
    within = rng.uniform(0.35, 0.9)  # interval within a supraventricular run, in sinus intervals
    run = 1 / (1 + rng.exponential(3.0) * (rng.random() < 0.6))  # chance that a run ends with this beat
    recovery, scatter = rng.uniform(0.9, 1.5), rng.uniform(0.01, 0.06)
    if not fibrillates and rng.random() < 0.15:  # a sick sinus node
        slow = rng.uniform(1.0, 2.2)
        cycle, early_s, within = cycle * slow / sinus, early_s / slow, within / slow
        chance_s, run, recovery = rng.uniform(0.1, 0.8), 1 / rng.uniform(1, 8), rng.uniform(0.9, 1.3)

    rr: list[float] = []
    symbol: list[str] = []

    def beat(interval: float, kind: str) -> None:
        rr.append(max(interval * rng.normal(1, scatter if kind != "N" else 0.005), _SHORTEST))
        symbol.append(kind)

    while len(rr) < beats:
        now = float(cycle[len(rr)])
        draw = rng.random()
        if draw < chance_v:
            beat(early_v * now, "V")
            if rng.random() < 0.1:
                beat(max(0.45, early_v * now), "V")
            interpolated = rng.random() < 0.1 and now > 0.9
            beat((1.05 - early_v) * now if interpolated else (2 - early_v) * now, "N")
        elif draw < chance_v + chance_s:
            beat(early_s * now, "S")
            while rng.random() > run:
                beat(within * now, "S")
            beat(recovery * now, "N")
        elif draw < chance_v + chance_s + blocked:
            beat((2.0 if rng.random() < 0.6 else rng.uniform(1.2, 1.9)) * now, "N")
        else:
            beat(now, "N")
    return np.cumsum(rr[:beats]), np.array(symbol[:beats])


def _variation(rng: np.random.Generator, beats: int, fibrillates: bool) -> npt.NDArray[np.float64]:
    """(beats,) factors by which the interval differs from its mean."""
    if fibrillates:
        return np.exp(rng.normal(0, rng.uniform(0.1, 0.35), beats))
    deep = rng.exponential(0.05)  # sinus arrhythmia, of breathing
    phase = np.cumsum(2 * np.pi / rng.uniform(3, 8) * rng.normal(1, 0.2, beats))
    depth = np.abs(_slowly(rng, beats, 40, 1.0))
    return np.exp(
        deep * depth * np.sin(phase)
        + _slowly(rng, beats, 8, rng.exponential(0.04))
        + _slowly(rng, beats, 80, rng.uniform(0.01, 0.15))
    )


def _slowly(rng: np.random.Generator, beats: int, step: int, size: float) -> npt.NDArray[np.float64]:
    """(beats,) what changes from one draw to the next over `step` beats."""
    knots = rng.normal(0, size, beats // step + 2)
    return np.interp(np.arange(beats) / step, np.arange(len(knots)), knots)
