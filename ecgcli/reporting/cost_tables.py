"""What decisions cost: rows and sentences of the trade-off between missed beats and false alarms.

What is missing in `facts`, as in the folder of an older run, gives no rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecgcli.evaluation.predictions import NORMAL, share, trade_off
from ecgcli.reporting.tables import NO_BEATS, Facts, Rows, full_name, leading, part_name, percent, short

BESIDE_HEADINGS = (
    "",
    "abnormal beats missed",
    "which are",
    "false alarms per 1,000 normal beats",
    "which are",
)


def costs(facts: Facts) -> Mapping[str, Any] | None:
    """What the run's decisions cost on the leading part, as `point_costs` gives it."""
    found: Mapping[str, Any] | None = ((facts.get("operating_point") or {}).get("costs") or {}).get(
        leading(facts)
    )
    return found


def alarms(costs: Mapping[str, Any]) -> str:
    """False alarms per hour where time is known, else per 1,000 beats."""
    if costs.get("false_alarms_per_hour") is not None:
        return f"{short(costs['false_alarms_per_hour'])} false alarms per hour"
    return f"{short(costs['false_alarms_per_1000'])} false alarms per 1,000 beats"


def thresholds(facts: Facts) -> list[dict[str, Any]]:
    """What `trade_off` gives for the leading part, each with `costs` as far as `alarms` needs them."""
    part, chosen = leading(facts), chosen_on(facts)
    predictions = facts.get("predictions") or {}
    costs = ((facts.get("operating_point") or {}).get("costs") or {}).get(part)
    if predictions.get(part) is None or not costs or not costs["normal"] or not costs["abnormal"]:
        return []
    points: list[dict[str, Any]] = []
    for one in trade_off(predictions[chosen], predictions[part], facts["classes"]):
        count = round((one["false_alarms"] or 0) * costs["normal"])
        hourly = count / costs["hours"] if costs["hours"] else None
        rates = {"false_alarms_per_hour": hourly, "false_alarms_per_1000": 1000 * count / costs["beats"]}
        points.append({**one, "costs": rates})
    return points


def trade_off_headings(facts: Facts) -> tuple[str, ...]:
    """Of `trade_off_rows`."""
    costs = facts["operating_point"]["costs"][leading(facts)]
    rate = "per hour" if costs["false_alarms_per_hour"] is not None else "per 1,000 beats"
    return (
        "a beat is called abnormal by",
        "abnormal beats missed",
        "normal beats called abnormal",
        f"false alarms {rate}",
        "alarms right",
    )


def trade_off_rows(facts: Facts) -> Rows:
    """What the decisions cost, those of the most probable class, and those of some thresholds on 1 − p(N)."""
    point, part = facts.get("operating_point") or {}, leading(facts)
    costs = (point.get("costs") or {}).get(part)
    if not costs or costs["missed_share"] is None or not costs["normal"]:
        return []
    most = "the most probable class"
    own = most if point["name"] == "argmax" else f"the operating point {point['name']}"
    rows = [_cost_row(own, costs)]
    other = (point.get("argmax") or {}).get(part)
    if other and point["name"] != "argmax":
        rows.append(_cost_row(most, other))
    for one in thresholds(facts):
        rule = f"1 − p({NORMAL}) ≥ {one['threshold']:.3g}, to miss at most {percent(one['aim'], 0)}"
        missed, false, right = (percent(one[key]) for key in ("missed", "false_alarms", "right_alarms"))
        rows.append([rule, missed, false, _rate(one["costs"]), right])
    return rows


def threshold_note(facts: Facts) -> str:
    """Where the thresholds of `trade_off_rows` are set and counted."""
    part, chosen = leading(facts), chosen_on(facts)
    said = f"Thresholds are set on {part_name(chosen)} and counted on {part_name(part)}."
    return said if chosen != part else f"{said} Set and counted on the same beats, they flatter."


def beside_rows(facts: Facts) -> Rows:
    """This run and another one, at the sensitivity that this one has on validation."""
    beside = facts.get("beside") or {}
    matched = beside.get("matched")
    if not matched:
        return []
    rows = []
    for name, key in (("this run", "reference"), (beside["title"], "other")):
        one = matched[key]
        counted = f"{one['missed']:,} of {one['abnormal']:,}", f"{one['false_alarms']:,} of {one['normal']:,}"
        per_1000 = one["false_alarms_per_1000_normal"]
        rate = "-" if per_1000 is None else short(per_1000)
        rows.append([name, percent(one["missed_share"]), counted[0], rate, counted[1]])
    return rows


def beside_sentence(facts: Facts) -> str:
    """What is compared in `beside_rows`."""
    beside = facts["beside"]
    return (
        f"This run beside {beside['title']} on the same beats. The threshold of the other is the one at "
        f"which it finds the same share of the abnormal beats of validation as this run, "
        f"{percent(beside['matched']['aim'])}."
    )


def asked_rows(facts: Facts) -> Rows:
    """What was asked of each class, and what every part gave; empty unless thresholds are on classes."""
    point = facts.get("operating_point") or {}
    parts = [part for part in ("validation", "test") if part in (point.get("costs") or {})]
    rows = []
    for one in point.get("thresholds") or ():
        if one["of"] not in facts["classes"]:
            continue
        threshold = "no beats to set one by" if one["threshold"] is None else f"{one['threshold']:.3g}"
        cells = [full_name(one["of"]), f"{point['name']} {percent(one['target'])}", threshold]
        for part in parts:
            given = point["costs"][part]["per_class"][one["of"]]
            absent = f"{NO_BEATS} of this class"
            found = [percent(given["sensitivity"]), percent(given["precision"])]
            cells.append(f"Se {found[0]}, +P {found[1]}" if given["beats"] else absent)
        rows.append(cells)
    return [] if not rows else [["", "asked for", "flagged from", *parts], *rows]


def chosen_on(facts: Facts) -> str:
    """The part that sets thresholds."""
    known = (facts.get("predictions") or {}).get("validation") is not None
    return "validation" if known else leading(facts)


def _cost_row(name: str, costs: Mapping[str, Any]) -> list[str]:
    flagged = costs["abnormal"] - costs["missed"] + costs["false_alarms"]
    right = share(costs["abnormal"] - costs["missed"], flagged)
    false = share(costs["false_alarms"], costs["normal"])
    return [name, percent(costs["missed_share"]), percent(false), _rate(costs), percent(right)]


def _rate(costs: Mapping[str, Any]) -> str:
    hourly = costs["false_alarms_per_hour"]
    return short(costs["false_alarms_per_1000"] if hourly is None else hourly)
