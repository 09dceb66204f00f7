"""When a simulated heart beats: the sinus clock, and what comes between.

The sinus node fires each time the phase of a limit cycle, turning at ω(t) = 2π/T(t), completes a turn;
T(t) has the bimodal spectrum of McSharry et al. 2003. Premature beats act on that clock as they do on a
sinus node: a supraventricular beat enters the node and resets it (the pause is shorter than compensatory);
a ventricular beat does not, the sinus impulse beneath it meets ventricles that do not answer, and the next
one comes on time (the pause is fully compensatory).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ecgcli.recordings.simulated_patient import Floats, Patient

_REFRACTORY = 0.33  # s after a ventricular activation in which no impulse is conducted
_REFRACTORY_AFTER_V = 0.5  # s, longer: a ventricular beat enters the AV node from below
_GRID_HZ = 4.0  # as McSharry et al. 2003 sample T(t) before interpolation


@dataclass(frozen=True)
class Beat:
    """One ventricular activation.

    Attributes:
        time: of the fiducial, in seconds from the start of the recording.
        symbol: WFDB annotation code.
        focus: which ventricular focus, for V and F.
        share: how much of the ventricles the second activation takes (0 conducted, 1 wholly other).
        before: RR interval before it, in seconds.
        rhythm: the rhythm it belongs to, as WFDB writes it ("(N").
    """

    time: float
    symbol: str
    focus: int
    share: float
    before: float
    rhythm: str


def sinus_cycle(patient: Patient, duration: float, rng: np.random.Generator) -> Floats:
    """T(t), the length of the sinus cycle in seconds, at 4 Hz over `duration` seconds.

    McSharry et al. 2003, section III: a spectrum of two Gaussians, Mayer waves at 0.1 Hz and respiration
    (there at 0.25 Hz, here at the patient's own rate), each 0.01 Hz wide, with random phases, brought to
    the patient's mean and standard deviation.
    """
    n = max(int(np.ceil(duration * _GRID_HZ)), 64)
    f = np.fft.rfftfreq(n, 1 / _GRID_HZ)
    # the widths grow with the resolution of a short recording, else a peak could fall between two bins
    width = max(0.01, 0.6 / duration)
    low = patient.lf_hf * np.exp(-0.5 * ((f - 0.1) / width) ** 2)
    high = np.exp(-0.5 * ((f - patient.breath) / width) ** 2)
    wave = np.fft.irfft(np.sqrt(low + high) * np.exp(2j * np.pi * rng.random(len(f))), n)
    wave = (wave - wave.mean()) / wave.std()
    return np.asarray(patient.rr + patient.rr_sd * wave.clip(-3, 3))


@dataclass
class Heart:
    """The state of one heart while it beats; `beats` and `atrial` are what it did.

    Attributes:
        patient: whose heart it is.
        duration: how long it beats, in seconds; it starts before 0 and ends after `duration`.
        rng: source of chance.
        beats: ventricular activations in order.
        atrial: (time of the P wave's peak in seconds, whether it is ectopic).
    """

    patient: Patient
    duration: float
    rng: np.random.Generator
    beats: list[Beat] = field(default_factory=list)
    atrial: list[tuple[float, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        cycle = sinus_cycle(self.patient, self.duration + 12.0, self.rng)
        self._time = np.arange(len(cycle) + 1) / _GRID_HZ - 4.0
        self._turns = np.concatenate([[0.0], np.cumsum(1 / cycle)]) / _GRID_HZ
        self._due = 1.0  # turn of the sinus clock at which the next impulse leaves the node
        self._bigeminy = 0
        self._conducts, self._stretch = True, 12
        # the first of each kind comes early, so that a short recording holds it too
        self._countdown = {kind: 5 + 4 * i for i, kind in enumerate(self.patient.rates)}

    def run(self) -> None:
        """Beats from a little before 0 to a little after `duration`."""
        self._sinus()
        while self.beats[-1].time < self.duration + 1.0:
            if self._pacemaker_acts():
                continue
            kind = self._next_kind()
            if kind == "V":
                self._ventricular()
            elif kind == "S":
                self._supraventricular()
            elif kind == "F":
                self._fusion()
            else:
                self._sinus()

    # -- what can happen next --

    def _sinus(self) -> None:
        p = self._when(self._due)
        time = p + self.patient.pr + self.rng.normal(0, 0.002)
        self.atrial.append((p, False))
        self._due += 1.0
        self._beat(time, self.patient.native_symbol, rhythm="(B" if self._bigeminy else "(N")

    def _ventricular(self) -> None:
        """One, a couplet or a run from a ventricular focus; the sinus node does not notice."""
        rng = self.rng
        focus = int(rng.random() < 0.2) if len(self.patient.ventricular) > 1 else 0
        last, native = self.beats[-1].time, self._when(self._due) + self.patient.pr
        coupling = self.patient.coupling[focus] * rng.normal(1, 0.025)
        time = last + max(coupling * (native - last), _REFRACTORY)
        if self._bigeminy:
            self._bigeminy -= 1
            count, rhythm = 1, "(B"
        else:
            count = int(rng.choice([1, 2, 3, 4, 5], p=[0.82, 0.11, 0.03, 0.02, 0.02]))
            rhythm = "(VT" if count > 2 else "(N"
            if count == 1 and not self.patient.paced_share and rng.random() < 0.08:
                self._bigeminy, rhythm = int(rng.integers(3, 8)), "(B"
        interval = rng.uniform(0.36, 0.48)
        for _ in range(count):
            self._beat(time, "V", focus, 1.0, rhythm)
            time += interval * rng.normal(1, 0.03)
        self._lose_sinus_impulses(_REFRACTORY_AFTER_V, at_least=1)

    def _supraventricular(self) -> None:
        """One, a couplet or a run from an atrial focus; each resets the sinus node."""
        rng = self.rng
        count = int(rng.choice([1, 2, 3, 4, 6], p=[0.84, 0.08, 0.03, 0.03, 0.02]))
        early = np.clip(self.patient.prematurity + rng.normal(0, 0.035), 0.5, 0.85)
        p = self._when(self._due - 1 + early)
        interval = rng.uniform(0.4, 0.5)
        for _ in range(count):
            # a very early impulse waits longer in the AV node
            pr = self.patient.pr + 0.12 * (0.8 - early) + rng.normal(0, 0.004)
            time = max(p + pr, self.beats[-1].time + _REFRACTORY + 0.03)
            aberrant = rng.random() < 0.12 and self.patient.native_symbol == "N"
            self.atrial.append((p, True))
            share = rng.uniform(0.5, 0.95) if aberrant else 0.0
            symbol = "a" if aberrant else "A"
            self._beat(time, symbol, 0, share, "(SVTA" if count > 2 else "(N")
            self._due = self._turn(p) + 1 + rng.uniform(0.0, 0.1)
            p = time - pr + interval * rng.normal(1, 0.03)

    def _fusion(self) -> None:
        """A late ventricular impulse meets the conducted one; the sooner it left, the more is its own."""
        p = self._when(self._due)
        lead = self.rng.uniform(0.0, 0.045)
        share = float(np.clip(0.35 + 7 * lead + self.rng.normal(0, 0.05), 0.3, 0.7))
        self.atrial.append((p, False))
        self._due += 1.0
        self._beat(p + self.patient.pr - lead, "F", 0, share, "(N")

    def _pacemaker_acts(self) -> bool:
        """Paces where nothing was conducted for the escape interval; whether it did."""
        patient, rng = self.patient, self.rng
        if not patient.paced_share:
            return False
        self._stretch -= 1
        if self._stretch <= 0:
            self._conducts = not self._conducts
            share = 1 - patient.paced_share if self._conducts else patient.paced_share
            self._stretch = max(int(40 * share * rng.lognormal(0, 0.3)), 3)
        native = self._when(self._due) + patient.pr
        time = self.beats[-1].time + patient.escape + rng.normal(0, 0.001)
        if self._conducts and native < time:
            return False
        if self._conducts and native < time + 0.05:
            self.atrial.append((self._when(self._due), False))
            self._due += 1.0
            self._beat(time, "f", 0, rng.uniform(0.4, 0.8), "(P")
            return True
        self._beat(time, "/", 0, 1.0, "(P")
        self._lose_sinus_impulses(_REFRACTORY)
        return True

    # -- the clock and the record of it --

    def _next_kind(self) -> str:
        if self.beats[-1].symbol not in ("N", "L", "R"):
            return "sinus"
        if self._bigeminy:
            return "V"
        for kind in self._countdown:
            self._countdown[kind] -= 1
        for kind, left in self._countdown.items():
            if left <= 0:
                self._countdown[kind] = int(self.rng.geometric(min(self.patient.rates[kind], 0.5)))
                return kind
        return "sinus"

    def _lose_sinus_impulses(self, refractory: float, at_least: int = 0) -> None:
        """Sinus impulses that find the ventricles refractory: a P wave without an answer."""
        until = self.beats[-1].time + refractory
        while at_least > 0 or self._when(self._due) + self.patient.pr < until:
            self.atrial.append((self._when(self._due), False))
            self._due += 1.0
            at_least -= 1

    def _beat(self, time: float, symbol: str, focus: int = 0, share: float = 0.0, rhythm: str = "(N") -> None:
        before = time - self.beats[-1].time if self.beats else self.patient.rr
        self.beats.append(Beat(float(time), symbol, focus, float(share), float(before), rhythm))

    def _when(self, turn: float) -> float:
        return float(np.interp(turn, self._turns, self._time))

    def _turn(self, time: float) -> float:
        return float(np.interp(time, self._time, self._turns))
