"""Who is simulated: the waves, the rate and the troubles of one patient.

Every wave is a Gaussian of the phase of the heart cycle, as in McSharry et al. 2003 (see `simulate`), here
written in seconds from the fiducial at 60 beats a minute, where an angle θ lasts θ/2π seconds. Its amplitude
is a vector in the body (x to the left, y to the feet, z to the front; Sameni et al. 2007), which the two
leads see from their own directions: one electrical axis shapes both leads, as in a real heart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEADS = ("MLII", "V1")
_LEAD_DIRECTIONS = np.array([[0.5, 0.87, 0.0], [-0.55, 0.05, 0.85]])

SPIKE_WIDTH = 0.0016
"""Standard deviation of a pacing spike in seconds, after the recorder's anti-aliasing filter."""


@dataclass(frozen=True)
class Shape:
    """One ventricular activation, as rows (centre s, width s, mV in MLII, mV in V1).

    The fiducial, time 0, is the largest deflection of the QRS complex in MLII.

    Attributes:
        qrs: (n, 4), depolarisation, of the same duration at every rate; a pacing spike is part of it.
        t: (m, 4), repolarisation (ST segment and T wave), which follows √RR (Bazett).
    """

    qrs: Floats
    t: Floats


@dataclass(frozen=True)
class Patient:
    """One simulated patient.

    Attributes:
        name: name of the record and of the subject ("p001").
        age: in years.
        sex: "M" or "F".
        rr: mean sinus cycle in seconds.
        rr_sd: standard deviation of the sinus cycle in seconds.
        lf_hf: power of the Mayer waves (0.1 Hz) over that of respiration, in the spectrum of the cycle.
        breath: respiratory rate in Hz.
        pr: from the P wave's peak to the fiducial, in seconds.
        p: (n, 4) the sinus P wave, rows as in `Shape`, about its peak.
        p_ectopic: (n, 4) the P wave of the atrial focus.
        native: the conducted beat.
        native_symbol: "N", or "L" or "R" with a bundle-branch block.
        aberrant: the conducted beat when the right bundle is still refractory.
        ventricular: one or two ventricular foci.
        paced: the paced beat, with its spike.
        rates: probability, per sinus beat, of a supraventricular event, a ventricular event, a fusion beat
            ("S", "V", "F"); an event may be a couplet, a run or an episode of bigeminy.
        paced_share: share of the time in which the ventricles wait for the pacemaker.
        escape: the pacemaker's interval in seconds.
        coupling: from a sinus beat to a premature one of each ventricular focus, in sinus cycles.
        prematurity: from a sinus P wave to an ectopic one, in sinus cycles.
        wander: baseline wander in mV; muscle: muscle noise in mV; mains: hum in mV; mains_hz: 50 or 60.
    """

    name: str
    age: int
    sex: str
    rr: float
    rr_sd: float
    lf_hf: float
    breath: float
    pr: float
    p: Floats
    p_ectopic: Floats
    native: Shape
    native_symbol: str
    aberrant: Shape
    ventricular: tuple[Shape, ...]
    paced: Shape
    rates: dict[str, float]
    paced_share: float
    escape: float
    coupling: tuple[float, ...]
    prematurity: float
    wander: float
    muscle: float
    mains: float
    mains_hz: float


# The troubles go by the patient's number, not by chance, so that every demo of six patients or more holds
# every class, and one of twelve or more holds each in several patients.
_TROUBLES: tuple[dict[str, float], ...] = (
    {"V": 0.09, "F": 0.045},
    {"S": 0.10, "V": 0.04},
    {"V": 0.06, "F": 0.035, "S": 0.06},
    {"V": 0.03, "paced": 0.22},
)
_BLOCKS = {3: "R", 6: "L"}  # of every ten patients


def patient(number: int, rng: np.random.Generator) -> Patient:
    """Draws patient `number` (from 1): the troubles go by the number, everything else by `rng`."""
    troubles = _TROUBLES[(number - 1) % len(_TROUBLES)]
    symbol = _BLOCKS.get(number % 10, "N")
    paced_share = troubles.get("paced", 0.0)
    age = int(np.clip(rng.normal(74 if paced_share or symbol != "N" else 62, 9), 28, 94))
    axis = rng.uniform(-5, 80)
    rr = rng.uniform(0.66, 1.02)
    normal = _normal(rng, axis)
    native = {"N": normal, "L": _left_block(rng, axis), "R": _right_block(rng, normal)}[symbol]
    foci = tuple(_ventricular(rng) for _ in range(rng.integers(1, 3)))
    size = rng.lognormal(np.log(0.13), 0.3)
    return Patient(
        name=f"p{number:03d}",
        age=age,
        sex=str(rng.choice(["M", "F"])),
        rr=rr,
        # variability falls with age, and with the cycle itself
        rr_sd=rr * rng.lognormal(np.log(0.045), 0.3) * np.clip(1.6 - age / 100, 0.6, 1.3),
        lf_hf=rng.lognormal(np.log(0.8), 0.5),
        breath=rng.uniform(0.19, 0.32),
        pr=rng.uniform(0.125, 0.185),
        p=_p_wave(size, rng.normal(58, 12), rng),
        p_ectopic=_p_wave(size * rng.uniform(0.8, 1.4), rng.uniform(-110, 45), rng),
        native=native,
        native_symbol=symbol,
        aberrant=_right_block(rng, normal),
        ventricular=foci,
        paced=_paced(rng),
        rates={k: v * rng.lognormal(0, 0.35) for k, v in troubles.items() if k != "paced"},
        paced_share=paced_share * rng.uniform(0.6, 1.4),
        escape=max(0.86, 1.12 * rr),
        coupling=tuple(rng.uniform(0.5, 0.72) for _ in foci),
        prematurity=rng.uniform(0.55, 0.77),
        wander=rng.lognormal(np.log(0.06), 0.5),
        muscle=rng.lognormal(np.log(0.014), 0.5),
        mains=rng.lognormal(np.log(0.004), 0.7),
        mains_hz=float(rng.choice([50.0, 60.0])),
    )


def mix(one: Shape, other: Shape, share: float, delay: float = 0.0) -> Shape:
    """Fusion of two activations: `share` of `other`, `delay` seconds later, and the rest of `one`."""
    if share == 0.0:
        return one
    if share == 1.0:
        return other
    less, more = np.array([1, 1, 1 - share, 1 - share]), np.array([1, 1, share, share])
    later = np.array([delay, 0, 0, 0])
    return _shape(
        np.concatenate([one.qrs * less, other.qrs * more + later]),
        np.concatenate([one.t * less, other.t * more + later]),
    )


def _direction(frontal: float, front: float) -> Floats:
    """Unit vector from the frontal angle (degrees, 0 left, 90 down) and the angle to the front."""
    a, e = np.radians(frontal), np.radians(front)
    return np.array([np.cos(a) * np.cos(e), np.sin(a) * np.cos(e), np.sin(e)])


def _wave(centre: float, width: float, vector: Floats) -> Floats:
    """(4,) row of `Shape`: a Gaussian dipole as the two leads see it."""
    return np.concatenate([[centre, width], _LEAD_DIRECTIONS @ vector])


def _shape(qrs: Floats, t: Floats) -> Shape:
    """Puts the largest MLII deflection of the QRS complex at time 0."""
    grid = np.arange(-0.15, 0.15, 0.0005)
    slow = qrs[qrs[:, 1] > SPIKE_WIDTH]
    mlii = (slow[:, 2:3] * np.exp(-0.5 * ((grid - slow[:, :1]) / slow[:, 1:2]) ** 2)).sum(axis=0)
    shift = np.array([grid[np.abs(mlii).argmax()], 0.0, 0.0, 0.0])
    return Shape(qrs - shift, t - shift)


def _p_wave(size: float, axis: float, rng: np.random.Generator) -> Floats:
    """The right atrium (to the front), then the left (to the back)."""
    gap = rng.uniform(0.015, 0.035)
    right = size * rng.uniform(0.6, 1.0) * _direction(axis, rng.normal(30, 10))
    left = size * rng.uniform(0.5, 0.9) * _direction(axis - 15, rng.normal(-30, 10))
    return np.stack(
        [
            _wave(-gap / 2, rng.uniform(0.017, 0.024), right),
            _wave(gap / 2, rng.uniform(0.018, 0.026), left),
        ]
    )


def _t_wave(centre: float, width: float, vector: Floats, rng: np.random.Generator) -> Floats:
    """An asymmetric T wave (two Gaussians, the second narrower) and a shallow ST segment before it."""
    skew = rng.uniform(0.3, 0.6)
    return np.stack(
        [
            _wave(centre - 0.14, 0.035, vector * rng.normal(0.06, 0.08)),
            _wave(centre - skew * width, width * 1.2, vector * 0.6),
            _wave(centre + skew * width, width * 0.75, vector * 0.6),
        ]
    )


def _normal(rng: np.random.Generator, axis: float) -> Shape:
    """Septum to the right and front, free wall along the axis, base to the top and back."""
    size = rng.lognormal(np.log(1.25), 0.25)
    width = rng.uniform(0.0095, 0.014)
    septum = size * rng.uniform(0.05, 0.28) * _direction(200 + rng.normal(0, 12), 35)
    wall = size * _direction(axis, rng.normal(-22, 10))
    base = size * rng.uniform(0.1, 0.45) * _direction(-125 + rng.normal(0, 20), -40)
    qrs = [
        _wave(-rng.uniform(0.021, 0.03), rng.uniform(0.006, 0.009), septum),
        _wave(0.0, width, wall),
        _wave(rng.uniform(0.024, 0.036), rng.uniform(0.008, 0.013), base),
    ]
    # one in six has a flat or inverted T wave
    height = size * (rng.uniform(0.15, 0.34) if rng.random() > 1 / 6 else rng.uniform(-0.2, 0.05))
    t = height * _direction(axis + rng.normal(0, 20), rng.normal(20, 20))
    return _shape(np.stack(qrs), _t_wave(rng.uniform(0.26, 0.31), rng.uniform(0.042, 0.058), t, rng))


def _right_block(rng: np.random.Generator, normal: Shape) -> Shape:
    """The right ventricle comes late: R' in V1, a broad S in MLII, T against the late part."""
    late = rng.uniform(0.45, 0.9) * _direction(rng.normal(195, 18), rng.normal(45, 8))
    qrs = np.vstack([normal.qrs, _wave(rng.uniform(0.05, 0.066), rng.uniform(0.016, 0.022), late)])
    t = np.vstack([normal.t, _wave(0.29, 0.05, -0.3 * late)])
    return _shape(qrs, t)


def _left_block(rng: np.random.Generator, axis: float) -> Shape:
    """No septal wave; a broad, notched activation to the left and back, T against it."""
    size = rng.lognormal(np.log(1.3), 0.2)
    axis = axis - 15
    first = size * 0.75 * _direction(axis + rng.normal(0, 10), rng.normal(-30, 8))
    second = size * rng.uniform(0.45, 0.7) * _direction(axis + rng.normal(0, 15), rng.normal(-25, 8))
    qrs = [
        _wave(-0.012, rng.uniform(0.018, 0.023), first),
        _wave(rng.uniform(0.028, 0.042), rng.uniform(0.018, 0.024), second),
    ]
    t = -rng.uniform(0.2, 0.4) * (first + second)
    return _shape(np.stack(qrs), _t_wave(rng.uniform(0.29, 0.33), 0.055, t, rng))


_FOCI = (
    (85.0, -40.0),  # right ventricular outflow tract: like a left block, axis to the feet
    (95.0, 40.0),  # left ventricle, base: like a right block, axis to the feet
    (-80.0, -35.0),  # right ventricular apex: like a left block, axis to the head
    (-110.0, 40.0),  # left ventricle, inferior wall: like a right block, axis to the head
)


def _ventricular(rng: np.random.Generator) -> Shape:
    """From muscle to muscle: slow, notched, in an odd direction; T against it."""
    frontal, front = _FOCI[rng.integers(len(_FOCI))]
    size = rng.lognormal(np.log(1.7), 0.25)
    width = rng.uniform(0.028, 0.042)
    main = size * _direction(frontal + rng.normal(0, 14), front + rng.normal(0, 10))
    turn = rng.normal(0, 1, (2, 3))
    first = 0.4 * main + 0.15 * size * turn[0]
    last = 0.25 * main + 0.18 * size * turn[1]
    qrs = [
        _wave(-rng.uniform(0.03, 0.05), rng.uniform(0.016, 0.026), first),
        _wave(0.0, width, main),
        _wave(rng.uniform(0.045, 0.07), rng.uniform(0.02, 0.032), last),
    ]
    t = -rng.uniform(0.22, 0.45) * main
    return _shape(np.stack(qrs), _t_wave(rng.uniform(0.31, 0.36), rng.uniform(0.058, 0.07), t, rng))


def _paced(rng: np.random.Generator) -> Shape:
    """A spike, then an activation from the right ventricular apex."""
    size = rng.lognormal(np.log(1.5), 0.25)
    main = size * _direction(-75 + rng.normal(0, 18), -35 + rng.normal(0, 10))
    turn = 0.15 * size * rng.normal(0, 1, 3)
    # bipolar leads give small spikes, unipolar ones large
    spike = rng.lognormal(np.log(0.75), 0.4) * _direction(-80 + rng.normal(0, 25), rng.normal(0, 25))
    onset = -rng.uniform(0.068, 0.085)
    qrs = [
        _wave(onset, SPIKE_WIDTH, spike),
        _wave(onset + 0.006, SPIKE_WIDTH, -0.35 * spike),
        _wave(-0.03, rng.uniform(0.016, 0.022), 0.35 * main + turn),
        _wave(0.0, rng.uniform(0.027, 0.037), main),
        _wave(0.05, rng.uniform(0.02, 0.03), 0.2 * main - turn),
    ]
    t = -rng.uniform(0.2, 0.4) * main
    return _shape(np.stack(qrs), _t_wave(rng.uniform(0.31, 0.36), rng.uniform(0.055, 0.07), t, rng))
