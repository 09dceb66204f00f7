"""How certain scores are: rows and sentences on intervals, calibration and review.

What is missing in `facts`, as in the folder of an older run, gives no rows.
"""

from __future__ import annotations

from ecgcli.reporting.tables import Facts, Rows, percent, scored_parts, with_interval

CALIBRATION_HEADINGS = ("", "ECE", "ECE of abnormal", "Brier score", "NLL (nats)")
CALIBRATION_NOTE = (
    "ECE, expected calibration error: the mean distance between how sure the model is and how often it is "
    "right, of the most probable class and of being abnormal. Brier score: the squared error of the "
    "probabilities, 0 to 2. NLL: negative log-likelihood. Of all, less is better."
)
REVIEW_HEADINGS = (
    "abnormal beats missed, at most",
    "a person sees beats less sure than",
    "which is of all beats",
    "still missed",
    "wrong among the rest",
)


def interval_sentence(facts: Facts) -> str:
    """What the intervals beside the scores are."""
    intervals = facts.get("intervals")
    if not intervals:
        return ""
    said = (
        f"In brackets {100 * intervals['level']:g}% intervals ({intervals['method']}, "
        f"{intervals['replicates']:,} replicates, seed {intervals['seed']}). {intervals['why']}"
    )
    held = [name for name, units in intervals["held_by"].items() if units == 1]
    if held and intervals["unit"] == "patients":
        said += f" Of one patient alone, hence without interval: {', '.join(held)}."
    return said


def calibration_sentence(facts: Facts) -> str:
    """What was done to the probabilities."""
    fitted = facts.get("calibration")
    if not fitted:
        return ""
    said = ["Probabilities are as the model gives them."]
    if fitted["method"] != "none":
        temperature = f"{fitted['temperature']:.3g}"
        sure = "too sure" if fitted["temperature"] > 1 else "not sure enough"
        said_of = "nothing to correct" if temperature == "1" else f"the model was {sure} of itself"
        first = f"temperature {temperature}: {said_of}"
        biases = [f"{name} {value:+.2f}" for name, value in (fitted.get("bias") or {}).items() if value]
        if biases:
            first += f"; biases {', '.join(biases)}"
        said = [f"Probabilities are calibrated ({first}), fitted on {fitted['fitted_on']}."]
    return " ".join([*said, *(fitted.get("notes") or ())])


def calibration_rows(facts: Facts) -> Rows:
    """Calibration errors of every part, before and after, under `CALIBRATION_HEADINGS`."""
    fitted = facts.get("calibration") or {}
    intervals = (facts.get("intervals") or {}).get("calibration") or {}
    before, after = fitted.get("before") or {}, fitted.get("after") or {}
    rows = []
    for i, part in enumerate(scored_parts(facts["metrics"])):
        sides = [("before", before.get(part), {}), ("after", after.get(part), intervals if i == 0 else {})]
        if fitted.get("method") == "none":
            sides = [("", after.get(part) or before.get(part), intervals if i == 0 else {})]
        for when, scores, ends in sides:
            if scores:
                digits = (("ece", 2), ("abnormal_ece", 2), ("brier", None), ("nll", None))
                cells = [with_interval(scores.get(key), ends.get(key), n) for key, n in digits]
                rows.append([f"{part}, {when}" if when else part, *cells])
    return rows


def review_rows(facts: Facts) -> Rows:
    """How much a person would have to look at, a row a target, under `REVIEW_HEADINGS`."""
    rows = []
    for one in (facts.get("review") or {}).get("shares") or ():
        aim = percent(one["target"], 0)
        if one["threshold"] is None:
            rows.append([aim, one["why"] or "", "", "", ""])
            continue
        shown = one["shown"]
        rule = f"{one['threshold']:.4f}" if one["threshold"] else "nobody has to look"
        cells = [percent(shown[key]) for key in ("handed_over", "missed")]
        rest = "none left" if shown["error_rate"] is None else percent(shown["error_rate"])
        rows.append([aim, rule, *cells, rest])
    return rows
