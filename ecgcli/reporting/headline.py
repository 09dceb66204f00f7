"""The three lines that matter: which troubles a run misses, how sure that is and for whom, what it costs."""

from __future__ import annotations

from typing import Any

from ecgcli.evaluation.predictions import NORMAL
from ecgcli.reporting.cost_tables import alarms, chosen_on, thresholds
from ecgcli.reporting.tables import (
    Facts,
    full_name,
    leading,
    part_name,
    percent,
    scores_sentence,
    trained_here,
)

FEW_PATIENTS = 20
"""Fewer patients than this give intervals that are too narrow."""


def three_lines(facts: Facts) -> list[tuple[str, str]]:
    """The three lines that matter, each (what it is about, sentences)."""
    lines = (
        ("What it misses", missed_sentence(facts)),
        ("How sure that is, and for whom", certainty_sentence(facts)),
        ("What it costs", cost_sentence(facts)),
    )
    return [(name, said) for name, said in lines if said]


def missed_sentence(facts: Facts) -> str:
    """Which troubles are called normal."""
    part = leading(facts)
    score, classes, intervals = facts["metrics"][part], facts["classes"], facts.get("intervals")
    held = [name for name in classes if score["per_class"][name]["support"]]
    if NORMAL not in classes:
        least = min(held, key=lambda name: score["per_class"][name]["recall"])
        found = _sure(facts, score["per_class"][least]["recall"], "per_class", least, "recall")
        beats = score["per_class"][least]["support"]
        return (
            f"There is no class {NORMAL}, so that nothing can be called normal. Of all classes "
            f"{full_name(least)} is found least: {found} of its {beats:,} beats."
        )
    abnormal = [name for name in held if name != NORMAL]
    if not abnormal:
        return f"There are no abnormal beats in {part_name(part)}: how many would be missed is not known."
    beats = sum(score["per_class"][name]["support"] for name in abnormal)
    missed = sum(
        score["confusion"][list(classes).index(name)][list(classes).index(NORMAL)] for name in abnormal
    )
    which = "" if len(abnormal) > 1 else f", all of class {full_name(abnormal[0])},"
    whole = _sure(facts, score["abnormal_called_normal"], "abnormal_called_normal", level=bool(intervals))
    said = f"Of {beats:,} abnormal beats{which} {missed:,} are called normal: {whole}."
    worst = max(abnormal, key=lambda name: score["per_class"][name]["called_normal"])
    if len(abnormal) == 1 or not missed:
        return said
    one = score["per_class"][worst]
    share_of = _sure(facts, one["called_normal"], "per_class", worst, "called_normal")
    return f"{said} The worst class is {full_name(worst)}: {share_of} of its {one['support']:,} beats."


def _sure(facts: Facts, value: float | None, *keys: str, level: bool = False) -> str:
    """A share with its interval, where that is known."""
    interval: Any = facts.get("intervals")
    given = interval["level"] if interval else 0.0
    for key in keys:
        interval = interval.get(key) if interval else None
    if not interval or value is None:
        return percent(value)
    named = f"{100 * given:g}% interval " if level else ""
    low, high = (f"{100 * end:.1f}" for end in interval)
    return f"{percent(value)} ({named}{low}–{high}%)"


def certainty_sentence(facts: Facts) -> str:
    """On whom the scores rest, and which class rests on one record."""
    part = leading(facts)
    intervals, patients = facts.get("intervals"), (facts.get("per_patient") or {}).get("patients")
    if patients is None and intervals:
        patients = intervals["clusters"] if intervals["unit"] == "patients" else 0
    if patients is None:
        return ""
    if not patients:
        beats = facts["metrics"][part]["beats"]
        return (
            f"Whose beats these are is not known. The intervals take the {beats:,} beats for independent of "
            f"one another, which makes them too narrow."
        )
    known = f"{patients:,} patient{'s' if patients > 1 else ''}"
    unknown = (facts.get("per_patient") or {}).get("unknown_beats")
    if unknown:
        known += f" and {unknown:,} beats of nobody known"
    said = [f"The scores rest on {known}{_met(facts, part)}."]
    if patients == 1:
        said.append("How they differ from patient to patient is not known.")
    elif patients < FEW_PATIENTS:
        said.append("With so few patients the intervals are too narrow.")
    said += dominated_sentences(facts)
    return " ".join(said)


def _met(facts: Facts, part: str) -> str:
    """Whether the model has met the patients before, as the end of a sentence."""
    if facts["protocol"]["intra_patient"]:
        return ", other beats of whom trained the model (intra-patient): they say nothing about new patients"
    pairs = [pair for pair in facts["audit"].get("pairs", ()) if pair["first"] == "training"]
    pairs = [pair for pair in pairs if pair["second"] == part]
    met = sorted({name for pair in pairs for name in pair["subjects"]})
    if met:
        return f", of whom the model was trained on {len(met)} ({', '.join(met)}), from other recordings"
    if facts.get("folds"):
        return ", each scored by a model that had not met the patient (inter-patient)"
    return ", whom the model had not met in training (inter-patient)"


def dominated_sentences(facts: Facts) -> list[str]:
    """Which abnormal classes rest on one record, and what is left without it."""
    said = []
    for one in facts.get("dominated") or ():
        if one["class"] == NORMAL:
            continue
        with_it, without = (percent(one[key]["recall"]) for key in ("with", "without"))
        what = f"recall is {with_it} with it, {without} without"
        if one["without"]["recall"] is None:
            what = "no other has any"
        held = f"{one['beats']:,} of the {one['of']:,}"
        said.append(f"Record {one['record']} holds {held} {one['class']} beats: {what}.")
    return said


def cost_sentence(facts: Facts) -> str:
    """What the decisions cost in false alarms, and what another choice would."""
    point, part = facts.get("operating_point") or {}, leading(facts)
    costs = (point.get("costs") or {}).get(part)
    if not costs or costs["normal"] is None:
        return ""
    if not costs["normal"]:
        return (
            f"There are no normal beats in {part_name(part)}: what false alarms there would be is not known."
        )
    now = f"{alarms(costs)} (normal beats called abnormal)"
    if point["name"] != "argmax":
        fixed = f", fixed on {point['fitted_on']}," if point.get("fitted_on") else ""
        said = f"The operating point {point['name']}{fixed} gives {now}."
        other = (point.get("argmax") or {}).get(part)
        if other and other["missed_share"] is not None:
            said += (
                f" Calling every beat what is most probable would give {alarms(other)} and call "
                f"{percent(other['missed_share'])} of the abnormal beats normal."
            )
        return said
    said = f"Calling every beat what is most probable gives {now}."
    for one in thresholds(facts):
        if one["aim"] == 0.01 and one["missed"] is not None:
            strict = f" A threshold that misses at most 1% of the abnormal beats of {chosen_on(facts)}"
            would = (
                "would give" if chosen_on(facts) == part else f"would miss {percent(one['missed'])} here, for"
            )
            said += f"{strict} {would} {alarms(one['costs'])}."
    return said


def origin_sentence(facts: Facts) -> str:
    """What was trained on what, and which beats the scores are of."""
    data, protocol, training = facts["data"]["name"], facts["protocol"]["name"], facts.get("training") or {}
    sentence = f"Scores are of {scores_sentence(facts)}."
    weights = f" of {training['parameters']:,} weights" if training else ""
    if trained_here(facts):
        beats = f"{sum(facts['support']['train'].values()):,} beats of {data}"
        if facts.get("folds"):
            members = len(facts["folds"])
            beats = f"the folds of {beats} that each of its {members} members neither tests nor validates on,"
        sentence = (
            f"A model{weights}, trained on {beats} under the protocol {protocol}: "
            f"{training['steps']:,} optimizer steps in {training['seconds']:,.0f} seconds; the "
            f"{training['weights']} weights are used. {sentence}"
        )
    else:
        sentence = f"A model{weights}, trained before, applied to {data}: {protocol}. {sentence}"
    return sentence
