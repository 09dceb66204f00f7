"""Segmenter: where a beat starts and ends, at which rate and scale; it travels with every model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
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
from ecgcli.choices import Beat, CentredBeat, GivenBeat, KaggleBeat
from ecgcli.errors import EcgError
from ecgcli.recordings.resample import rate_ratio, resample

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
        return rhythm + (morphology_names(self.leads) if self._morphology else ())

    @property
    def channels(self) -> int:
        """Channels of a beat: its leads and, with `morphology`, the usual beat of each behind them."""
        return len(self.leads) * (2 if self._morphology else 1)

    @property
    def _morphology(self) -> bool:
        return isinstance(self.beat, CentredBeat) and self.beat.morphology

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

    def cut(
        self,
        signal: npt.NDArray[np.floating],
        rate: float,
        lead_names: Sequence[str],
        samples: npt.NDArray[np.integer],
    ) -> Cut:
        """Cuts the beats of one recording.

        Missing samples (NaN) are bridged by straight lines; a flat stretch gives zeros, never NaN. Windows
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
        if isinstance(self.beat, GivenBeat):
            raise EcgError(
                "this model reads beats that are cut already (data=table), it cuts none from recordings"
            )
        positions: npt.NDArray[np.int64] = np.asarray(samples, dtype=np.int64)
        if signal.ndim != 2 or len(signal) != len(lead_names) or not signal.size:
            raise EcgError(f"a signal of shape {signal.shape} with {len(lead_names)} lead names")
        if not 10 <= rate <= 100_000:
            raise EcgError(f"a sampling rate of {rate:g} Hz; expected 10 to 100,000 Hz")
        time = signal.shape[1]
        if len(positions) and (positions[0] < 0 or positions[-1] >= time or (np.diff(positions) < 0).any()):
            raise EcgError(f"positions of beats do not ascend within the signal's {time} samples")
        leads = np.stack([_bridged(signal[i]) for i in self.leads_taken(lead_names)])
        if isinstance(self.beat, CentredBeat):
            cut = _cut_centred(self.beat, self.length, leads, rate, positions)
        else:
            cut = _cut_kaggle(leads, rate, positions)
        if self.beat.rhythm:
            # of all positions: beats that are left out here are neighbours all the same
            rhythm = rhythm_features(positions, rate)[cut.kept]
            cut = cut._replace(features=np.hstack([rhythm, cut.features]))
        return cut


def _place(lead: str | int, names: list[str]) -> int | None:
    """Where a lead asked for stands among a record's leads, by name or by number; None if it does not."""
    if str(lead).casefold() in names:
        return names.index(str(lead).casefold())
    return lead if isinstance(lead, int) and lead < len(names) else None


def _cut_kaggle(lead: npt.NDArray[np.floating], rate: float, samples: npt.NDArray[np.int64]) -> Cut:
    ratio = rate_ratio(rate, _KAGGLE_RATE)
    lead = resample(lead, ratio)[0].astype(np.float64)
    marks = np.minimum(np.rint(samples * float(ratio)).astype(np.int64), len(lead) - 1)
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
    end = np.ceil((start + width) / float(ratio)).astype(np.int64)
    return Cut(beats, kept, np.stack([samples[kept], end], axis=1), _nothing(len(kept)))


def _cut_centred(
    beat: CentredBeat,
    length: int,
    leads: npt.NDArray[np.floating],
    rate: float,
    samples: npt.NDArray[np.int64],
) -> Cut:
    raw_time = leads.shape[1]
    ratio = rate_ratio(rate, beat.rate)
    leads = resample(leads, ratio).astype(np.float32)  # (leads, time)
    if beat.scaling == "record":
        # The 5th to 95th percentile reaches into the QRS complexes and still shrugs off artefacts; 3.29
        # makes it a standard deviation where values are normally distributed. 50,000 values tell them.
        low, middle, high = np.percentile(leads[:, :: leads.shape[1] // 50_000 + 1], [5, 50, 95], axis=-1)
        spread = np.where(high - low > FLAT, (high - low) / 3.29, 1.0)
        leads = ((leads - middle[:, None]) / spread[:, None]).astype(np.float32)
    start = np.rint(samples * float(ratio)).astype(np.int64) - round(beat.before * beat.rate)
    index = np.clip(start[:, None] + np.arange(length), 0, leads.shape[1] - 1)  # (m, length)
    beats = np.stack([lead[index] for lead in leads], axis=1)  # (m, leads, length)
    features = _nothing(len(samples))
    if beat.morphology:
        usual = usual_beats(beats)
        features = morphology_features(beats, usual, beat.rate, beat.before)
        beats = np.concatenate([beats, usual], axis=1)  # (m, channels, length)
    if beat.scaling == "beat":
        beats -= beats.mean(axis=-1, keepdims=True)
        deviation = beats.std(axis=-1, keepdims=True)
        beats /= np.where(deviation > FLAT, deviation, 1.0)
    span = np.stack([np.floor(start / float(ratio)), np.ceil((start + length) / float(ratio))], axis=1)
    span = np.clip(span, 0, raw_time).astype(np.int64)
    return Cut(beats, np.arange(len(samples)), span, features)


def _nothing(n: int) -> npt.NDArray[np.float32]:
    return np.zeros((n, 0), np.float32)


def _bridged(lead: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    there = np.isfinite(lead)
    if there.all():
        return lead
    if not there.any():
        return np.zeros_like(lead)
    filled = lead.copy()
    filled[~there] = np.interp(np.flatnonzero(~there), np.flatnonzero(there), lead[there])
    return filled
