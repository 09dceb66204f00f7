"""What an annotated recording amounts to, in sentences and key figures."""

from __future__ import annotations

from collections.abc import Sequence

from ecgcli.prediction.annotated import AnnotatedRecording
from ecgcli.prediction.events import ECTOPIC, PAUSE, RUN, Event, Rate, Summary
from ecgcli.recordings.aami import CLASS_NAMES
from ecgcli.reporting.tables import percent
from ecgcli.reporting.words import clock, counted, when

GRAVE_PAUSE = 3.0
"""In seconds: a pause from which on it is named beside a ventricular run."""


def opening_lines(recording: AnnotatedRecording, summary: Summary, model: str) -> list[tuple[str, str]]:
    """What matters most: rhythm, the gravest event, ectopic beats, what is uncertain, who says so."""
    lines = [("Rhythm", rhythm_sentence(summary))]
    if summary.beats:
        known = [name for name in ECTOPIC if name in summary.counts]
        ectopic = " ".join(_burden(summary, name) for name in known)
        lines += [
            ("Gravest event", gravest_sentence(summary)),
            ("Ectopic beats", ectopic or "The model knows neither V nor S."),
        ]
    return [*lines, ("For a person to look at", doubt_sentences(recording, summary)), ("Model", model)]


def recorded_sentence(recording: AnnotatedRecording) -> str:
    """How long, how fast, which leads."""
    reads = tuple(recording.leads[i] for i in recording.read_leads)
    said = f"{_span(recording.samples / recording.rate)} at {recording.rate:g} Hz"
    if reads == recording.leads:
        return f"{said}, {'lead' if len(reads) == 1 else 'leads'} {_and(reads)}."
    leads = f"{'lead' if len(recording.leads) == 1 else 'leads'} {_and(recording.leads)}"
    return f"{said}, {leads}; the model reads {_and(reads) or 'none'}."


def rhythm_sentence(summary: Summary) -> str:
    """How many beats at which heart rate."""
    if not summary.beats:
        return f"No beat was found in {_span(summary.seconds)}."
    said = f"{counted(summary.beats, 'beat')} in {_span(summary.seconds)}"
    if summary.mean_rate is not None:
        said += f", on average {summary.mean_rate:.0f} a minute"
    if summary.lowest_rate and summary.highest_rate:
        low, high = _rate(summary, summary.lowest_rate), _rate(summary, summary.highest_rate)
        said += f", from {low} to {high}"
    return said + "."


def gravest_sentence(summary: Summary) -> str:
    """What a physician would turn to first: a ventricular run, a pause, a supraventricular run, a couplet."""
    pause = summary.longest_pause()
    paused = f"A pause of {pause.seconds:.1f} s at {_at(summary, pause)}." if pause else ""
    grave = pause is not None and pause.seconds >= GRAVE_PAUSE
    for name, kind in (("V", "ventricular"), ("S", "supraventricular")):
        run = summary.longest_run(name)
        if name == "S" and grave:
            return paused
        if run is not None:
            return _run(summary, kind, run) + (f" {paused}" if grave else "")
    if paused:
        return paused
    for name, kind in (("V", "ventricular"), ("S", "supraventricular")):
        couplets = summary.of("couplet", name)
        if couplets:
            many = f"{len(couplets):,} {kind} couplets, the first" if couplets[1:] else f"A {kind} couplet"
            return f"{many} at {_at(summary, couplets[0])}."
    single = [name for name in ECTOPIC if summary.counts.get(name)]
    if single:
        return f"Single beats of {_and(single)}; no couplet, no run, no pause of more than {PAUSE:g} s."
    return f"None: no ectopic beat and no pause of more than {PAUSE:g} s."


def doubt_sentences(recording: AnnotatedRecording, summary: Summary) -> str:
    """What is uncertain and what cannot be read."""
    said = []
    if summary.review:
        share, verb = percent(summary.review / summary.beats), "is" if summary.review == 1 else "are"
        said.append(
            f"{counted(summary.review, 'beat')} ({share}), marked with ?, {verb} too uncertain to be left to "
            f"the model."
        )
    elif summary.beats:
        said.append("The model is sure enough of every beat.")
    unread, n = summary.seconds - summary.readable_seconds, len(recording.unreadable)
    if n:
        share, stretches = percent(unread / summary.seconds), "stretch" if n == 1 else "stretches"
        said.append(
            f"{_span(unread)} ({share}) in {n:,} {stretches} cannot be read: what happened there is not "
            f"known."
        )
    else:
        said.append("The whole recording can be read.")
    silent = summary.silences
    if silent and summary.beats:
        at = _and([when(start, summary.seconds, 1) for start, _ in silent[:3]])
        more = f", and {len(silent) - 3:,} more" if len(silent) > 3 else ""
        said.append(
            f"Without a beat for more than {PAUSE:g} s, at an end of the recording or beside what cannot be "
            f"read, so that it is counted as no pause: from {at}{more}."
        )
    return " ".join(said)


def key_figures(summary: Summary) -> list[tuple[str, str]]:
    """What a glance should take away: (number, what it is)."""
    found = [(f"{summary.beats:,}", "beat" if summary.beats == 1 else "beats")]
    known = [name for name in ECTOPIC if name in summary.counts] if summary.beats else []
    if summary.mean_rate is not None:
        said = "beats a minute on average"
        if summary.lowest_rate and summary.highest_rate:
            said += f", {summary.lowest_rate.bpm:.0f} to {summary.highest_rate.bpm:.0f}"
        found.append((f"{summary.mean_rate:.0f}", said))
    for name in known:
        said = f"{name}, {CLASS_NAMES[name].lower()}: {summary.counts[name]:,}"
        found.append((percent(summary.burden[name]), said))
    if known:
        runs = [f"{len(summary.of('run', name)):,} {name}" for name in known]
        total = sum(len(summary.of("run", name)) for name in known)
        found.append((f"{total:,}", f"runs of {RUN} beats or more ({', '.join(runs)})"))
    if summary.beats:
        found.append((f"{len(summary.of('pause')):,}", f"pauses of more than {PAUSE:g} s"))
        found.append((percent(summary.review / summary.beats), "of the beats are for review"))
    unread = 1 - summary.readable_seconds / summary.seconds if summary.seconds else 0.0
    return [*found, (percent(unread), "of the time cannot be read")]


def _run(summary: Summary, kind: str, longest: Event) -> str:
    fastest = summary.fastest_run(longest.name)
    said = f"A {kind} run of {longest.beats} beats at {_at(summary, longest)}, {longest.rate:.0f} a minute"
    if fastest is None or fastest == longest:
        only = len(summary.of("run", longest.name)) == 1
        return f"{said}." if only else f"{said}, the longest and the fastest."
    fast = f"{fastest.beats} beats at {_at(summary, fastest)}, {fastest.rate:.0f} a minute"
    return f"{said}, the longest; the fastest has {fast}."


def _burden(summary: Summary, name: str) -> str:
    count = summary.counts[name]
    if not count:
        return f"No {name}."
    couplets, runs = len(summary.of("couplet", name)), len(summary.of("run", name))
    parts = [f"{summary.isolated(name):,} single", counted(couplets, "couplet"), counted(runs, "run")]
    return (
        f"{name}: {counted(count, 'beat')}, {percent(summary.burden[name], 2)} of all ({', '.join(parts)})."
    )


def _at(summary: Summary, event: Event) -> str:
    return when(event.start, summary.seconds, 1)


def _rate(summary: Summary, rate: Rate) -> str:
    return f"{rate.bpm:.0f} (at {when(rate.start, summary.seconds)})"


def _span(seconds: float) -> str:
    """`9.5 s`, from a minute on `1:30`."""
    return f"{seconds:.1f} s" if seconds < 60 else clock(seconds)


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
