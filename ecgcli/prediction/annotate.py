"""From a recording to its annotated beats, piece by piece: what was trained is what is applied.

R peaks → the leads at the model's rate → stretches that can be read → beats as the model's segmenter cuts
them → calibrated probabilities → decisions at the model's operating point. Only what is known of single beats
grows with the recording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from ecgcli.beats.noise import qrs_height
from ecgcli.beats.segment import Segmenter
from ecgcli.errors import EcgError
from ecgcli.evaluation.ec57 import match
from ecgcli.evaluation.ec57_beats import MATCH_WINDOW, window_samples
from ecgcli.evaluation.operating_point import decide
from ecgcli.learning.facts import ModelFacts
from ecgcli.prediction.annotated import AnnotatedRecording
from ecgcli.prediction.readable import unreadable
from ecgcli.prediction.resampled import Resampled, resampled
from ecgcli.recordings.rpeaks import find_rpeaks_in_pieces
from ecgcli.recordings.source import Source
from ecgcli.recordings.units import amplitude_fault

BLOCK = 4096
"""Beats that are cut and classified at a time."""

_HEIGHT_BEATS = 200  # enough for a median
_JUDGED = 60.0  # s of the middle of the recording, by which its unit is judged

Progress = Callable[[str, float], None]
Item = TypeVar("Item")
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class Classifier(Protocol):
    """What is needed of a model; `learning.model.Model` and `learning.onnx_model.OnnxModel` have it."""

    @property
    def facts(self) -> ModelFacts:
        """Everything but the weights."""

    @property
    def segmenter(self) -> Segmenter:
        """How to cut the beats that it reads."""

    def predict(
        self,
        signal: Floats,
        index: Ints | None = None,
        device: str = "cpu",
        features: Floats | None = None,
    ) -> npt.NDArray[np.float64]:
        """(n, classes) calibrated probabilities of (n, channels, time) beats and their (n, k) features."""


class Labels(NamedTuple):
    """Beats at the beginning of a recording that somebody labelled, and what learns from them.

    Attributes:
        sample: (k,) ascending positions in samples.
        label: (k,) index of each one's class among those of the model.
        learn: makes of (n, channels, time) beats, their (n, k) features and their (n,) labels a model that
            has seen them.
    """

    sample: Ints
    label: Ints
    learn: Callable[[Floats, Floats, Ints], Classifier]


def annotate(
    source: Source,
    model: Classifier,
    peaks: Ints | None = None,
    leads: Sequence[str] | None = None,
    review_below: float | None = None,
    device: str = "cpu",
    progress: Progress = lambda stage, share: None,
    labels: Labels | None = None,
) -> AnnotatedRecording:
    """Finds and classifies the beats of a recording.

    Args:
        source: the recording.
        model: what classifies.
        peaks: (k,) strictly ascending R positions in samples; None finds them.
        leads: names or numbers of the recording's leads that the model is to read in place of its own, in the
            order in which it asks for them; None goes by the model.
        review_below: a beat is for review if the probability of its class is below this; None goes by the
            model.
        device: where to compute.
        progress: told the stage and how much of it is done, from 0 to 1.
        labels: what the model is to learn of this patient before it classifies; None for nothing.

    Raises:
        EcgError: the recording lacks a lead, is too short, or its beats cannot be cut for this model.
    """
    segmenter, facts = model.segmenter, model.facts
    if not source.samples >= source.rate:
        raise EcgError(f"{source.path}: {source.samples} samples at {source.rate:g} Hz; expected 1 s or more")
    ratio = segmenter.ratio(source.rate)
    try:
        read_leads = (
            segmenter.leads_taken(source.leads) if leads is None else _named(leads, source, segmenter)
        )
    except EcgError as error:
        raise EcgError(f"{source.path}: {error}") from error
    _refuse_wrong_units(source)
    notes = list(source.notes)
    if leads is None:
        notes += [
            f"{lead} stands in for {asked}, which the model was trained on and this recording lacks."
            for asked, lead in segmenter.stand_ins(source.leads)
        ]
    with ThreadPoolExecutor(1) as beside:
        search = None if peaks is not None else beside.submit(_search, source, read_leads, progress)
        signal = resampled(source.read, source.samples, read_leads, source.rate, ratio)
        found = np.asarray(peaks) if search is None else search.result()
    marks = np.minimum(np.rint(found * float(ratio)).astype(np.int64), signal.length - 1)
    height = _heights(signal, marks, source.rate * float(ratio))
    gaps = unreadable(signal.frames, source.rate, source.samples, height)
    begin, end = (np.searchsorted(found, gaps[:, side]) for side in (0, 1))
    if peaks is None:
        kept = np.ones(len(found), np.bool_)
        for first, last in zip(begin, end, strict=True):
            kept[first:last] = False
        found, marks = found[kept], marks[kept]
    else:  # who has given beats there has read it
        gaps = gaps[begin == end]

    kept_rows, probability = [np.empty(0, np.int64)], [np.empty((0, len(facts.classes)))]
    scale = segmenter.scale(signal.mapped())

    def blocks() -> Iterator[tuple[Floats, Floats, Ints]]:
        return _blocks(segmenter, signal, found, marks, source.rate, scale)

    if labels is not None and len(found):
        model, learned = _taught(labels, blocks(), found, source.rate, facts.classes)
        notes.append(learned)
    for beats, features, which in _ahead(blocks()):
        probability.append(model.predict(beats, device=device, features=features))
        kept_rows.append(which)
        progress("classification", (int(which[-1]) + 1) / len(found) if len(which) else 1.0)
    rows, known = np.concatenate(kept_rows), np.concatenate(probability)
    if missing := len(found) - len(rows):
        notes.append(
            f"{missing} beats at the end of the recording are not annotated: the model's window needs more "
            f"signal after them."
        )
    called = decide(known, facts.operating_point, facts.classes) if len(rows) else np.empty(0, np.int64)
    threshold = facts.review_below if review_below is None else review_below
    confidence = known[np.arange(len(rows)), called]
    return AnnotatedRecording(
        name=source.name,
        rate=source.rate,
        samples=source.samples,
        leads=source.leads,
        read_leads=read_leads,
        classes=facts.classes,
        sample=found[rows],
        probability=known,
        called=np.asarray(called, np.int64),
        review=confidence < threshold if threshold is not None else np.zeros(len(rows), np.bool_),
        unreadable=gaps,
        notes=tuple(notes),
    )


def _taught(
    labels: Labels,
    blocks: Iterator[tuple[Floats, Floats, Ints]],
    found: Ints,
    rate: float,
    classes: Sequence[str],
) -> tuple[Classifier, str]:
    """A model that has learned the labels of the beats that were found beside them, and what to say of it."""
    signals, besides, known = [], [], []
    width = window_samples(MATCH_WINDOW, rate)
    for beats, features, which in blocks:
        sample = found[which]
        theirs, ours = match(labels.sample, sample, width)
        both = (theirs >= 0) & (ours >= 0)
        signals.append(beats[ours[both]])
        besides.append(features[ours[both]])
        known.append(labels.label[theirs[both]])
        if len(sample) and sample[-1] > labels.sample[-1] + width:
            break
    label = np.concatenate(known)
    counts = np.bincount(label, minlength=len(classes))
    each = ", ".join(f"{n:,} {name}" for n, name in zip(counts.tolist(), classes, strict=True) if n)
    if np.count_nonzero(counts) < 2:
        said = f"Nothing to adapt to: the labelled beats that were found are of one class ({each or 'none'})."
    else:
        last = labels.sample[-1] / rate
        said = f"Adapted to {len(label):,} labelled beats ({each}) of the first {last / 60:.1f} minutes."
    return labels.learn(np.concatenate(signals), np.concatenate(besides), label), said


def _refuse_wrong_units(source: Source) -> None:
    """Refuses a recording whose values cannot be an ECG in the unit that they are taken for."""
    start = max(0, source.samples // 2 - round(_JUDGED * source.rate / 2))
    some = source.read(start, min(source.samples, start + round(_JUDGED * source.rate)))
    if fault := amplitude_fault(some, source.rate, source.leads, source.units):
        raise EcgError(f"{source.path}: {fault}")


def _named(leads: Sequence[str], source: Source, segmenter: Segmenter) -> tuple[int, ...]:
    """The leads that somebody asks for."""
    wanted = len(segmenter.leads)
    if len(leads) != wanted:
        raise EcgError(f"leads={','.join(leads)}: the model reads {wanted}: {', '.join(segmenter.leads)}")
    names = [name.casefold() for name in source.leads]
    taken = []
    for lead in leads:
        if lead.casefold() in names:
            taken.append(names.index(lead.casefold()))
        elif lead.isdecimal() and int(lead) < len(names):
            taken.append(int(lead))
        else:
            raise EcgError(f"no lead {lead}; expected one of {', '.join(source.leads)}")
    return tuple(taken)


def _search(source: Source, read_leads: tuple[int, ...], progress: Progress) -> Ints:
    """The R peaks, placed in the first of the leads: in that which the model reads."""

    def read(start: int, end: int) -> Floats:
        progress("R peaks", end / source.samples)
        return source.read(start, end)

    others = [i for i in range(len(source.leads)) if i not in read_leads]
    return find_rpeaks_in_pieces(read, source.samples, [*read_leads, *others], source.rate)


def _ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The items, the next of which is made while the last one is used."""
    with ThreadPoolExecutor(1) as beside:
        coming = beside.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = beside.submit(next, items, None)
            yield item


def _heights(signal: Resampled, marks: Ints, rate: float) -> npt.NDArray[np.float64]:
    """(leads,) height of the usual QRS complex in mV; 0 without beats."""
    around = round(0.15 * rate)
    inside = marks[(marks >= around) & (marks < signal.length - around)]
    if not len(inside):
        return np.zeros(signal.leads)
    some = inside[np.linspace(0, len(inside) - 1, min(_HEIGHT_BEATS, len(inside))).astype(np.int64)]
    beats = [signal.piece(int(mark) - around, int(mark) + around) for mark in some]
    middle = np.arange(len(beats)) * 2 * around + around  # the pieces one behind another
    return np.array(
        [qrs_height(np.concatenate([b[i] for b in beats]), middle, rate) for i in range(signal.leads)]
    )


def _blocks(
    segmenter: Segmenter,
    signal: Resampled,
    found: Ints,
    marks: Ints,
    rate: float,
    scale: npt.NDArray[np.float64] | None,
) -> Iterator[tuple[Floats, Floats, Ints]]:
    """Cuts the beats block by block, each with the context that makes them what they are in the whole.

    Yields:
        Of the beats of a block the signals, the features, and which they are.
    """
    around = segmenter.context_beats
    reach = round(segmenter.reach * segmenter.rate) + 1
    for start in range(0, len(found), BLOCK):
        end = min(start + BLOCK, len(found))
        first, last = max(0, start - around), min(len(found), end + around)
        low = 0 if first == 0 else max(0, int(marks[first]) - reach)
        high = signal.length if last == len(found) else min(signal.length, int(marks[last - 1]) + reach)
        cut = segmenter.cut_resampled(signal.piece(low, high), marks[first:last] - low, scale)
        if segmenter.beat.rhythm:
            cut = segmenter.with_rhythm(cut, found[first:last], rate)
        own = (cut.kept >= start - first) & (cut.kept < end - first)
        yield cut.signal[own], cut.features[own], cut.kept[own] + first
