"""Segmenter: where a beat starts and ends, at which rate and scale; it travels with every model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from ecgcli.beats.morphology import (
    FLAT,
    MORPHOLOGY_CONTEXT,
    morphology_features,
    morphology_names,
    usual_beats,
)
from ecgcli.beats.rhythm import RHYTHM_CONTEXT, RHYTHM_NAMES, rhythm_features
from ecgcli.beats.rhythm_prior import PRIOR_NAMES, rhythm_prior
from ecgcli.choices.beat import Beat, CentredBeat, GivenBeat, KaggleBeat
from ecgcli.errors import EcgError
from ecgcli.recordings.resample import rate_ratio, resample

LONGEST_BRIDGE = 1.0
"""In seconds: gaps up to this are bridged by a straight line."""

_KAGGLE_RATE = 360  # Hz of MIT-BIH, from which the Kaggle files were cut
_KAGGLE_STEP = 3
_KAGGLE_LENGTH = 187


class Cut(NamedTuple):
    """The beats of one recording.

    Attributes:
        signal: (m, channels, length) float32, the beats.
        kept: (m,) ascending indices, which of the given positions they are.
        span: (m, 2) first and one past the last sample of the recording that each window takes.
        features: (m, k) float32, one column for each of the segmenter's `feature_names`.
    """

    signal: npt.NDArray[np.float32]
    kept: npt.NDArray[np.int64]
    span: npt.NDArray[np.int64]
    features: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Segmenter:
    """Cuts beats from a recording around given R positions.

    Attributes:
        beat: the choice it was made from. `kaggle` is the window of the Kaggle heartbeat files: from R over
            the RR interval and a fifth of the next one, every third sample of 360 Hz without an anti-alias
            filter, min–max scaled, cut or padded with zeros to 187. `centred` is a window of fixed length
            around R at a chosen rate.
    """

    beat: Beat

    @classmethod
    def from_config(cls, beat: Beat) -> Segmenter:
        """The segmenter that a `beat=` choice describes."""
        return cls(beat)

    @classmethod
    def from_dict(cls, values: Any) -> Segmenter:
        """Reads what `to_dict` gave.

        Raises:
            EcgError: the values describe no segmenter; the message names the field.
        """
        try:
            return cls(TypeAdapter(Beat).validate_json(json.dumps(values)))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(["segmenter", *(str(key) for key in first["loc"][1:])])
            raise EcgError(f"{where}: {first['msg']}") from error
        except (TypeError, ValueError) as error:
            raise EcgError("segmenter: expected a JSON object such as {'name': 'kaggle'}") from error

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values that `from_dict` reads back."""
        return self.beat.model_dump(mode="json")

    @property
    def rate(self) -> float:
        """Samples per second of a beat, in Hz."""
        return _KAGGLE_RATE / _KAGGLE_STEP if isinstance(self.beat, KaggleBeat) else self.beat.rate

    @property
    def length(self) -> int:
        """Samples of a beat.

        Raises:
            EcgError: for beats that a table gives, which have the length that they have there.
        """
        if isinstance(self.beat, GivenBeat):
            raise EcgError("beat=given: beats have the length that their table gives them")
        if isinstance(self.beat, CentredBeat):
            return round((self.beat.before + self.beat.after) * self.beat.rate)
        return _KAGGLE_LENGTH

    @property
    def offset(self) -> float | None:
        """Seconds from the first sample of a beat to its R peak; None where a table does not say."""
        if isinstance(self.beat, GivenBeat):
            return None
        return self.beat.before if isinstance(self.beat, CentredBeat) else 0.0

    @property
    def unit(self) -> str:
        """What the values of a beat are."""
        if isinstance(self.beat, KaggleBeat):
            return "0 to 1"
        unscaled = "mV" if isinstance(self.beat, CentredBeat) else "as given"
        units = {"none": unscaled, "beat": "z", "min_max": "0 to 1", "record": "spreads"}
        return units[self.beat.scaling]

    @property
    def leads(self) -> tuple[str, ...]:
        """Names or numbers of the leads, as asked for; `first` is whichever the record has first."""
        return tuple(map(str, self.beat.leads)) if isinstance(self.beat, CentredBeat) else ("first",)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of what is said of a beat beside its signal: RR intervals, distance from the usual beat."""
        rhythm = RHYTHM_NAMES if self.beat.rhythm else ()
        rhythm += PRIOR_NAMES if self._prior else ()
        return rhythm + (morphology_names(self.leads) if self._morphology else ())

    @property
    def channels(self) -> int:
        """Channels of a beat: its leads and, with `morphology`, the usual beat of each behind them."""
        return len(self.leads) * (2 if self._morphology else 1)

    @property
    def _morphology(self) -> bool:
        return isinstance(self.beat, CentredBeat) and self.beat.morphology

    @property
    def _prior(self) -> bool:
        return isinstance(self.beat, CentredBeat) and self.beat.rhythm_prior

    @property
    def context_beats(self) -> int:
        """Beats before and after a beat that have to be known for it to be cut as from the whole recording.

        A long recording can be cut in pieces that overlap by twice as many beats. (With `scaling=record` the
        scale itself is of the whole recording.)
        """
        following = 2 if isinstance(self.beat, KaggleBeat) else 0
        rhythm = RHYTHM_CONTEXT if self.beat.rhythm else 0
        return max(following, rhythm, MORPHOLOGY_CONTEXT if self._morphology else 0)

    @property
    def reach(self) -> float:
        """Seconds of signal before or after R that a window takes, whatever the beats around it are."""
        return max(self.beat.before, self.beat.after) if isinstance(self.beat, CentredBeat) else 0.0

    @property
    def context(self) -> str:
        """What a beat needs around its R peak, in words."""
        if isinstance(self.beat, CentredBeat):
            whole = "; scaled by the whole recording" if self.beat.scaling == "record" else ""
            window = f"{self.beat.before:g} s before R to {self.beat.after:g} s after it{whole}"
        elif isinstance(self.beat, GivenBeat):
            window = "the beat as a table gives it"
        else:
            window = "from R to a fifth of the RR interval after the next: "
            window += "the two R peaks that follow must be known"
        if self._morphology:
            window += f"; the signal of {MORPHOLOGY_CONTEXT} beats before and after it"
        if self.beat.rhythm:
            window += f"; the R peaks of {RHYTHM_CONTEXT} beats before and after it"
        return window

    def leads_taken(self, lead_names: Sequence[str]) -> tuple[int, ...]:
        """Which of a record's leads stand for the leads asked for.

        A lead is taken by its name, or by its number in the record from 0 (a number that is the name of one
        of the record's leads is a name). `other` asks for the record's first lead that is not taken so; with
        `fallback=other` this also stands in for a lead that the record does not have.

        Args:
            lead_names: names of the record's leads.

        Returns:
            Indices into `lead_names`, one for each lead asked for.

        Raises:
            EcgError: the record lacks a lead that may not be replaced, or has too few leads.
        """
        if not isinstance(self.beat, CentredBeat):
            return (0,)
        names = [name.casefold() for name in lead_names]
        by_name = [_place(lead, names) for lead in self.beat.leads]
        taken: list[int] = []
        for lead, index in zip(self.beat.leads, by_name, strict=True):
            if index is None or index in taken:
                if lead != "other" and self.beat.fallback == "refuse":
                    raise EcgError(
                        f"no lead {lead}, only {', '.join(lead_names)}; fallback=other takes another"
                    )
                free = [i for i in range(len(names)) if i not in taken and i not in by_name]
                if not free:
                    raise EcgError(f"{len(names)} leads ({', '.join(lead_names)}), expected {len(by_name)}")
                index = free[0]
            taken.append(index)
        return tuple(taken)

    def stand_ins(self, lead_names: Sequence[str]) -> list[tuple[str, str]]:
        """(lead asked for, lead of the record) wherever another one stands in for it.

        Args:
            lead_names: names of the record's leads.

        Raises:
            EcgError: as `leads_taken`.
        """
        taken = zip(self.leads, self.leads_taken(lead_names), strict=True)
        return [
            (asked, lead_names[place])
            for asked, place in taken
            if asked.casefold() not in ("first", "other", lead_names[place].casefold(), str(place))
        ]

    def cut(
        self,
        signal: npt.NDArray[np.floating],
        rate: float,
        lead_names: Sequence[str],
        samples: npt.NDArray[np.integer],
    ) -> Cut:
        """Cuts the beats of one recording.

        Missing samples (NaN) are bridged (`bridged`); a flat stretch gives zeros, never NaN. Windows
        that reach over an edge of the recording repeat its first or last sample.

        Args:
            signal: (leads, time) in mV.
            rate: samples per second of `signal`, in Hz.
            lead_names: names of its leads.
            samples: (k,) ascending positions of the R peaks, in samples of `signal`.

        Returns:
            The beats; `kaggle` leaves out those that lack two following ones.

        Raises:
            EcgError: no such lead, a rate that is none, positions that do not ascend within the signal, or a
                model of beats that a table gives.
        """
        positions: npt.NDArray[np.int64] = np.asarray(samples, dtype=np.int64)
        if signal.ndim != 2 or len(signal) != len(lead_names) or not signal.size:
            raise EcgError(f"a signal of shape {signal.shape} with {len(lead_names)} lead names")
        if not 10 <= rate <= 100_000:
            raise EcgError(f"a sampling rate of {rate:g} Hz; expected 10 to 100,000 Hz")
        ratio = self.ratio(rate)
        time = signal.shape[1]
        if len(positions) and (positions[0] < 0 or positions[-1] >= time or (np.diff(positions) < 0).any()):
            raise EcgError(f"positions of beats do not ascend within the signal's {time} samples")
        leads = np.stack([bridged(signal[i], rate) for i in self.leads_taken(lead_names)])
        cut = self.cut_resampled(resample(leads, ratio), np.rint(positions * float(ratio)).astype(np.int64))
        if self.beat.rhythm:
            cut = self.with_rhythm(cut, positions, rate)
        begin, end = np.floor(cut.span[:, 0] / float(ratio)), np.ceil(cut.span[:, 1] / float(ratio))
        if isinstance(self.beat, KaggleBeat):
            begin = positions[cut.kept]
        return cut._replace(span=np.stack([begin, end], axis=1).clip(0, time).astype(np.int64))

    def ratio(self, rate: float) -> Fraction:
        """Samples at the rate that beats are cut at, for each sample of a recording of `rate` Hz.

        Raises:
            EcgError: a model of beats that a table gives.
        """
        if isinstance(self.beat, GivenBeat):
            raise EcgError(
                "this model reads beats that are cut already (data=table), it cuts none from recordings"
            )
        return rate_ratio(rate, _KAGGLE_RATE if isinstance(self.beat, KaggleBeat) else self.beat.rate)

    def scale(self, leads: npt.NDArray[np.floating]) -> npt.NDArray[np.float64] | None:
        """Middle and spread of each lead of a recording, where beats are scaled by the whole of it.

        Args:
            leads: (leads, time) the whole recording, at the rate that beats are cut at; may be a memory map.

        Returns:
            (2, leads), or None for other scalings.
        """
        if not (isinstance(self.beat, CentredBeat) and self.beat.scaling == "record"):
            return None
        # The 5th to 95th percentile reaches into the QRS complexes and still shrugs off artefacts; 3.29
        # makes it a standard deviation where values are normally distributed. 50,000 values tell them.
        some = np.asarray(leads[:, :: leads.shape[1] // 50_000 + 1]).astype(np.float32)
        low, middle, high = np.percentile(some, [5, 50, 95], axis=-1)
        return np.stack([middle, np.where(high - low > FLAT, (high - low) / 3.29, 1.0)])

    def cut_resampled(
        self,
        leads: npt.NDArray[np.floating],
        marks: npt.NDArray[np.int64],
        scale: npt.NDArray[np.float64] | None = None,
    ) -> Cut:
        """Cuts the beats of a recording, or of a piece of it, at the rate that beats are cut at.

        What is near the ends of a piece is cut as if the recording ended there; `context_beats` and the
        window say how far that reaches. Rhythm is not among the features: `with_rhythm` adds it.

        Args:
            leads: (leads, time) finite, those that were asked for.
            marks: (k,) ascending positions of the R peaks, in samples of `leads`.
            scale: what `scale` gave for the whole recording; None takes `leads` for the whole.

        Returns:
            The beats; `span` in samples of `leads`.
        """
        if isinstance(self.beat, CentredBeat):
            scale = self.scale(leads) if scale is None else scale
            return _cut_centred(self.beat, self.length, leads.astype(np.float32), marks, scale)
        return _cut_kaggle(leads[0].astype(np.float64), np.minimum(marks, leads.shape[1] - 1))

    def with_rhythm(self, cut: Cut, samples: npt.NDArray[np.int64], rate: float) -> Cut:
        """Puts the features of the rhythm before those that a cut has.

        Args:
            cut: the beats.
            samples: (k,) positions of all R peaks, also of those that were left out, which are neighbours all
                the same.
            rate: samples per second of the positions, in Hz.
        """
        rhythm = rhythm_features(samples, rate)[cut.kept]
        prior = [rhythm_prior(rhythm)] if self._prior else []
        return cut._replace(features=np.hstack([rhythm, *prior, cut.features]))


def _place(lead: str | int, names: list[str]) -> int | None:
    """Where a lead asked for stands among a record's leads, by name or by number; None if it does not."""
    if str(lead).casefold() in names:
        return names.index(str(lead).casefold())
    return lead if isinstance(lead, int) and lead < len(names) else None


def _cut_kaggle(lead: npt.NDArray[np.float64], marks: npt.NDArray[np.int64]) -> Cut:
    interval, next_interval = np.diff(marks)[:-1], np.diff(marks)[1:]
    width = (interval + 0.2 * next_interval).astype(np.int64)  # of marks[:-2], in samples of 360 Hz
    kept = np.flatnonzero(width > 0)
    start, width = marks[kept], width[kept]
    if not len(kept):
        return Cut(
            np.zeros((0, 1, _KAGGLE_LENGTH), np.float32), kept, np.zeros((0, 2), np.int64), _nothing(0)
        )

    count = -(-width // _KAGGLE_STEP)  # every third sample, the first included
    first = np.cumsum(count) - count  # windows differ in length: they lie one behind another, (count.sum(),)
    within = np.arange(count.sum()) - np.repeat(first, count)
    values = lead[np.repeat(start, count) + _KAGGLE_STEP * within]
    low, high = np.minimum.reduceat(values, first), np.maximum.reduceat(values, first)
    spread = np.where(high - low > FLAT, high - low, 1.0)
    values = (values - np.repeat(low, count)) / np.repeat(spread, count)
    beats = np.zeros((len(kept), 1, _KAGGLE_LENGTH), np.float32)
    seen = within < _KAGGLE_LENGTH
    beats[np.repeat(np.arange(len(kept)), count)[seen], 0, within[seen]] = values[seen]
    # all of the window counts, as its extremes set the scale even where its end is cut off
    return Cut(beats, kept, np.stack([start, start + width], axis=1), _nothing(len(kept)))


def _cut_centred(
    beat: CentredBeat,
    length: int,
    leads: npt.NDArray[np.float32],
    marks: npt.NDArray[np.int64],
    scale: npt.NDArray[np.float64] | None,
) -> Cut:
    if scale is not None:
        middle, spread = scale
        leads = ((leads - middle[:, None]) / spread[:, None]).astype(np.float32)
    start = marks - round(beat.before * beat.rate)
    index = np.clip(start[:, None] + np.arange(length), 0, leads.shape[1] - 1)  # (m, length)
    beats = np.stack([lead[index] for lead in leads], axis=1)  # (m, leads, length)
    features = _nothing(len(marks))
    if beat.morphology:
        usual = usual_beats(beats)
        features = morphology_features(beats, usual, beat.rate, beat.before)
        beats = np.concatenate([beats, usual], axis=1)  # (m, channels, length)
    if beat.scaling == "beat":
        beats -= beats.mean(axis=-1, keepdims=True)
        deviation = beats.std(axis=-1, keepdims=True)
        beats /= np.where(deviation > FLAT, deviation, 1.0)
    span = np.stack([start, start + length], axis=1)
    return Cut(beats, np.arange(len(marks)), span, features)


def _nothing(n: int) -> npt.NDArray[np.float32]:
    return np.zeros((n, 0), np.float32)


def bridged(
    lead: npt.NDArray[np.floating], rate: float, before: float | None = None
) -> npt.NDArray[np.floating]:
    """A lead without missing samples.

    A gap of up to `LONGEST_BRIDGE` is bridged by a straight line. A longer one holds the last value before it
    and, for the last `LONGEST_BRIDGE` of it, the first one after it; what no value came before is 0.

    Args:
        lead: (time,), NaN where samples are missing.
        rate: samples per second, in Hz.
        before: the last value before `lead`, of a piece of a recording; None for none.

    Returns:
        (time,) finite.
    """
    missing = ~np.isfinite(lead)
    if not missing.any():
        return lead
    filled = lead.copy()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]])))
    longest = round(LONGEST_BRIDGE * rate)
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        left = before if start == 0 else filled[start - 1]
        right = filled[end] if end < len(lead) else None
        if left is not None and right is not None and end - start <= longest:
            filled[start:end] = np.interp(np.arange(start, end), [start - 1, end], [left, right])
            continue
        filled[start:end] = 0 if left is None else left
        if right is not None:
            filled[max(start, end - longest) : end] = right
    return filled
