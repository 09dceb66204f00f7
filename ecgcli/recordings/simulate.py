"""Demo recordings: simulated patients with all five beat classes, written as WFDB records.

The model is the dynamical ECG model of McSharry, Clifford, Tarassenko & Smith, "A dynamical model for
generating synthetic electrocardiogram signals", IEEE Trans. Biomed. Eng. 50(3):289-294, 2003.

From that paper: the heart as a limit cycle whose phase turns at ω(t) = 2π/T(t); T(t) from a bimodal spectrum
(Mayer waves and respiration) with random phases; P, Q, R, S and T as Gaussians a·exp(−Δθ²/2b²) of the phase;
a baseline that follows respiration.

Otherwise than in the paper: the equation is solved in phase form, ż = −ω·Σ a·Δθ/b²·exp(−Δθ²/2b²), without
the relaxation of z towards the baseline, which makes the solution the sum of Gaussians itself (Sameni et al.,
EURASIP J. Adv. Signal Process. 2007:43407) and lets all beats be computed at once. The QRS complex keeps its
duration at every rate, the T wave follows √RR.

Extended: every wave is a vector, seen by two leads from two directions (Sameni et al. 2007); more than five
waves (both atria, bundle-branch blocks, asymmetric T, pacing spikes); ectopic, fusion and paced beats, each
with their own waves (the idea of Clifford, Nemati & Sameni, Physiol. Meas. 31:595-609, 2010) on a sinus clock
that premature beats reset or leave alone (`simulated_rhythm`); muscle noise, mains hum, wander, spells of bad
contact; annotations with the scatter of a human hand. The amounts of all this are chosen for plausible strips
and fitted to no recording.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np

from ecgcli.errors import EcgError
from ecgcli.recordings.record import Annotations, Record
from ecgcli.recordings.simulated_patient import LEADS, Floats, Patient, Shape, mix
from ecgcli.recordings.simulated_patient import patient as draw_patient
from ecgcli.recordings.simulated_rhythm import Beat, Heart

SIMULATOR_VERSION: int = 1
"""Grows with every change of what the same seed gives."""

ADU_PER_MV = 200
"""Resolution of the simulated recorder, that of the MIT-BIH Arrhythmia Database."""

RANGE = 5.12
"""Largest voltage of the simulated recorder, in mV; beyond it saturates."""

_HAND_JITTER = 0.003  # s, standard deviation of an annotated fiducial about the true one


def simulate(patient: int, minutes: float, seed: int, rate: float = 360) -> Record:
    """Simulates one patient's recording.

    Args:
        patient: number of the patient, from 1. It decides which troubles the patient has; the seed decides
            everything else. Which other patients are simulated makes no difference.
        minutes: length of the recording.
        seed: of the random numbers; the same seed gives the same recording, bit for bit.
        rate: samples per second, in Hz.

    Returns:
        Record with the leads MLII and V1 in mV, in steps of 1/200 mV, and annotations of the beats
        (N L R A a V F / f), of rhythm changes (`+` with aux) and of noise (`~`).

    Raises:
        EcgError: `patient` is below 1, or the recording would be shorter than ten seconds or sampled
            below 100 Hz.
    """
    who, beating, noise = _streams(patient, seed)
    if minutes * 60 < 10 or rate < 100:
        raise EcgError(
            f"simulated recording of {minutes:g} minutes at {rate:g} Hz: expected at least ten seconds "
            f"and 100 Hz"
        )
    person = draw_patient(patient, who)
    heart = Heart(person, minutes * 60, beating)
    heart.run()
    length = round(minutes * 60 * rate)
    signal = _waves(heart, rate, length, noise)
    spells = _noise_spells(length / rate, noise)
    signal += _noise(person, rate, length, spells, noise)
    return Record(
        name=person.name,
        signal=(np.round(signal.clip(-RANGE, RANGE) * ADU_PER_MV) / ADU_PER_MV).astype(np.float32),
        rate=float(rate),
        leads=LEADS,
        annotations=_annotations(heart.beats, spells, rate, length, noise),
        subject=person.name,
    )


def facts(patient: int, seed: int) -> tuple[str, ...]:
    """What the header of a simulated patient's record says, one comment a line."""
    person = draw_patient(patient, _streams(patient, seed)[0])
    conduction = {"N": "normal", "L": "left bundle-branch block", "R": "right bundle-branch block"}
    return (
        f"simulated (ecgcli simulator {SIMULATOR_VERSION}, seed {seed}): not a recording of a person",
        f"{person.age} {person.sex}",
        f"conduction: {conduction[person.native_symbol]}; "
        f"mean sinus rate {60 / person.rr:.0f}/min; pacemaker: {'yes' if person.paced_share else 'no'}",
    )


def write_demo(folder: Path, patients: int, minutes: float, seed: int) -> None:
    """Writes patients 1 to `patients` as WFDB records p001, p002, … (360 Hz), one at a time.

    The folder appears when it is complete, or not at all.

    Args:
        folder: where to; must not exist yet, or be empty.
        patients: how many.
        minutes: length of each recording.
        seed: as in `simulate`; with the same seed, more patients leave the first ones as they are.

    Raises:
        EcgError: `folder` holds something already, or cannot be written.
    """
    from ecgcli.recordings.wfdb_io import write_record

    if patients < 1:
        raise EcgError(f"{patients} simulated patients: expected at least one")
    beside = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        if folder.exists() and any(folder.iterdir()):
            raise EcgError(f"{folder}: expected a new or empty folder for the simulated recordings")
        for number in range(1, patients + 1):
            record = simulate(number, minutes, seed)
            write_record(beside, record, gain=ADU_PER_MV)
            with (beside / f"{record.name}.hea").open("a", encoding="ascii", newline="\n") as header:
                header.writelines(f"# {line}\n" for line in facts(number, seed))
        beside.replace(folder)
    except OSError as error:
        raise EcgError(
            f"{folder}: the simulated recordings cannot be written: {error.strerror or error}"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _streams(patient: int, seed: int) -> list[np.random.Generator]:
    """Random numbers for the patient's traits, the rhythm and the noise, each on its own."""
    if patient < 1:
        raise EcgError(f"simulated patient {patient}: patients are numbered from 1")
    return np.random.default_rng([seed, patient]).spawn(3)


def _waves(heart: Heart, rate: float, length: int, rng: np.random.Generator) -> Floats:
    """(leads, time) noise-free ECG in mV: the sum of all waves of all beats."""
    person, beats = heart.patient, heart.beats
    time, before = np.array([beat.time for beat in beats]), np.array([beat.before for beat in beats])
    # repolarisation follows the last interval and, with it, the mean of those before
    stretch = np.sqrt(np.clip(0.5 * (person.rr + before), 0.4, 1.3))
    # the chest turns and widens with each breath; beats differ a little, ectopic ones more
    breath, start = rng.uniform(0.01, 0.07, len(LEADS)), rng.uniform(0, 2 * np.pi)
    gain = 1 + breath * np.sin(2 * np.pi * person.breath * time[:, None] + start)
    spread = np.where([beat.share == 0 for beat in beats], 0.03, 0.05)[:, None]
    gain = gain * rng.lognormal(0, spread) * rng.lognormal(0, spread / 2, gain.shape)

    alike: dict[int, tuple[Shape, list[int]]] = {}
    for i, beat in enumerate(beats):
        shape = _shape_of(person, beat)
        alike.setdefault(id(shape), (shape, []))[1].append(i)
    rows = []
    for shape, at in alike.values():
        rows.append(_placed(shape.qrs, time[at], gain[at], np.ones(len(at))))
        rows.append(_placed(shape.t, time[at], gain[at], stretch[at]))
    for waves, ectopic in ((person.p, False), (person.p_ectopic, True)):
        at_p = np.array([t for t, other in heart.atrial if other == ectopic])
        size = rng.lognormal(0, 0.08, (len(at_p), 1)) * np.ones(len(LEADS))
        rows.append(_placed(waves, at_p, size, np.ones(len(at_p))))
    return sum_of_waves(np.concatenate(rows), rate, length)


def _shape_of(person: Patient, beat: Beat) -> Shape:
    other = {"A": person.aberrant, "a": person.aberrant, "/": person.paced, "f": person.paced}
    second = other.get(beat.symbol, person.ventricular[beat.focus])
    # in a fusion beat the slow ventricular wave peaks after the conducted one, the later the smaller it is
    delay = 0.015 + 0.06 * (1 - beat.share) if beat.symbol == "F" else 0.0
    return mix(person.native, second, beat.share, delay)


def _placed(waves: Floats, time: Floats, gain: Floats, stretch: Floats) -> Floats:
    """(n·w, 4): `waves` (w, 4) at each of n times, with the gain of each lead (n, leads), stretched."""
    placed = np.tile(waves, (len(time), 1, 1))  # (n, w, 4)
    placed[:, :, :2] *= stretch[:, None, None]
    placed[:, :, 0] += time[:, None]
    placed[:, :, 2:] *= gain[:, None, :]
    return placed.reshape(-1, waves.shape[1])


def sum_of_waves(waves: Floats, rate: float, length: int) -> Floats:
    """(leads, time): the sum of `waves`, rows as in `Shape` with centres in seconds of the recording."""
    signal = np.zeros((waves.shape[1] - 2, length))
    # Gaussians of about one width share windows of one size (4.5 widths to each side)
    half = 2 ** np.ceil(np.log2(4.5 * waves[:, 1] * rate)).astype(np.int64)
    for size in np.unique(half):
        group = waves[half == size]
        for part in np.array_split(group, len(group) // 4096 + 1):
            at = np.round(part[:, :1] * rate).astype(np.int64) + np.arange(-size, size + 1)
            value = np.exp(-0.5 * ((at / rate - part[:, :1]) / part[:, 1:2]) ** 2)
            at, inside = at.clip(0, length - 1), (at >= 0) & (at < length)
            for lead in range(len(signal)):
                weight = value * part[:, 2 + lead, None] * inside
                low = int(at.min())
                sums = np.bincount((at - low).ravel(), weight.ravel())
                signal[lead, low : low + len(sums)] += sums
    return signal


def _noise_spells(duration: float, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Stretches of bad contact, (start, end) in seconds: about one in five minutes, at most a tenth."""
    spells, time = [], rng.exponential(240)
    while time < duration - 12:
        end = time + rng.uniform(3, 9)
        spells.append((float(time), float(end)))
        time = end + 30 + rng.exponential(240)
    return spells


def _noise(
    person: Patient, rate: float, length: int, spells: list[tuple[float, float]], rng: np.random.Generator
) -> Floats:
    """(leads, time) in mV: baseline wander, muscle noise, mains hum, and more of them in bad spells."""
    time = np.arange(length) / rate
    seconds = np.arange(0, time[-1] + 0.1, 0.1)
    breathing = np.sin(2 * np.pi * person.breath * time + rng.uniform(0, 2 * np.pi))
    knots = np.arange(0, time[-1] + 10, 10.0)
    tension = np.interp(time, knots, rng.lognormal(0, 0.4, len(knots)))
    loose = np.zeros(length)
    for start, end in spells:
        loose += np.interp(time, [start, start + 0.4, end - 0.4, end], [0, 1, 1, 0]) * rng.uniform(2, 5)
    noise = np.empty((len(LEADS), length))
    for lead in noise:
        # electrode drift falls with frequency; surface muscle noise lies between about 20 and 120 Hz
        slow = np.interp(time, seconds, coloured(len(seconds), 10, (0.02, 0.5), rng))
        fast = coloured(length, rate, (20, 120), rng)
        hum = np.sin(2 * np.pi * person.mains_hz * time + rng.uniform(0, 2 * np.pi))
        lead[:] = person.wander * rng.lognormal(0, 0.3) * (0.7 * breathing + (1 + loose / 3) * slow)
        lead += person.muscle * rng.lognormal(0, 0.3) * (tension + loose) * fast
        lead += person.mains * rng.lognormal(0, 0.3) * hum
    return noise


def coloured(n: int, rate: float, band: tuple[float, float], rng: np.random.Generator) -> Floats:
    """(n,) pink noise of unit variance in a band of Hz with soft edges, sampled at `rate` Hz."""
    f = np.maximum(np.fft.rfftfreq(n, 1 / rate), 1e-6)
    spectrum = 1 / np.sqrt(f * (1 + (band[0] / f) ** 6) * (1 + (f / band[1]) ** 6))
    noise = np.fft.irfft(spectrum * (rng.normal(size=len(f)) + 1j * rng.normal(size=len(f))), n)
    return np.asarray(noise / noise.std())


def _annotations(
    beats: list[Beat],
    spells: list[tuple[float, float]],
    rate: float,
    length: int,
    rng: np.random.Generator,
) -> Annotations:
    """Beats at their fiducials, rhythm changes just before the first beat, noise where it starts and ends."""
    marks: dict[int, tuple[str, int, str]] = {}
    # noise: both leads bad (3), then both good again (0)
    for start, end in spells:
        marks[round(start * rate)], marks[round(end * rate)] = ("~", 3, ""), ("~", 0, "")
    rhythm = ""
    for beat in beats:
        at = round((beat.time + rng.normal(0, _HAND_JITTER)) * rate)
        before = at - round(0.06 * rate)
        if before < 0 or at >= length:
            continue
        if beat.rhythm != rhythm:
            rhythm = beat.rhythm
            marks[before] = ("+", 0, rhythm)
        marks[at] = (beat.symbol, 0, "")
    sample = np.array(sorted(marks), dtype=np.int64)
    symbol, subtype, aux = zip(*(marks[i] for i in sample.tolist()), strict=True)
    return Annotations(sample, np.array(symbol), np.array(subtype, dtype=np.int64), np.array(aux))
