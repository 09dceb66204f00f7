"""What the seeds of one recipe give together: means, intervals over patients, and their ensemble.

    python scripts/seeds.py docs/best.md <name> <runs of one recipe>

Takes the saved predictions of finished runs that differ in their seed and writes a table between
`<!-- seeds: <name> -->` and `<!-- /seeds -->`. The interval draws whole patients, for the beats of all seeds
together; `one left out` is the range without each patient in turn. The ensemble calls a beat by the mean of
the seeds' probabilities. At the screening point a beat is abnormal where 1 − p(N) reaches the threshold that
misses one in a hundred of the abnormal validation beats; the test part has no say in it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ecgcli.evaluation.bootstrap import intervals
from ecgcli.evaluation.calibration import calibration_scores
from ecgcli.evaluation.metrics import score
from ecgcli.evaluation.patients import without_each
from ecgcli.evaluation.predictions import MISSED_AT_MOST, labels, probabilities, trade_off
from ecgcli.files import write_text
from ecgcli.reporting.markdown import table
from ecgcli.runs import Run

SCREENED = 0.01
"""Share of the abnormal validation beats that may be missed at the screening point."""


def ensemble(frames: Sequence[pd.DataFrame], classes: Sequence[str]) -> pd.DataFrame:
    """Predictions by the mean of the frames' probabilities."""
    columns = [f"p_{name}" for name in classes]
    mean = np.mean([frame[columns].to_numpy() for frame in frames], axis=0)
    together = frames[0].assign(**{column: mean[:, k] for k, column in enumerate(columns)})
    return together.assign(predicted=np.array(classes)[mean.argmax(axis=1)])


def values(found: dict[str, Any], classes: Sequence[str]) -> dict[str, Any]:
    """The rows of the table, of anything with the keys of `score`."""
    rows = {
        "accuracy %": found["accuracy"],
        "macro-F1": found["macro_f1"],
        "abnormal called N %": found["abnormal_called_normal"],
    }
    for name in classes:
        rows |= {f"{name} recall %": found["per_class"][name]["recall"]}
        rows |= {f"{name} +P %": found["per_class"][name]["precision"]}
    return rows


def certainty(validation: pd.DataFrame, test: pd.DataFrame, classes: Sequence[str]) -> dict[str, float]:
    """Rows on probabilities: calibration error, and the screening point that the validation beats set."""
    point = trade_off(validation, test, classes)[MISSED_AT_MOST.index(SCREENED)]
    found = calibration_scores(probabilities(test, classes), labels(test, classes))
    missed, false_alarms = point["missed"], point["false_alarms"]
    assert missed is not None
    assert false_alarms is not None
    return {
        "expected calibration error": found["ece"],
        "screening: abnormal missed %": missed,
        "screening: N recall %": 1 - false_alarms,
    }


def said(name: str, value: float | None, digits: int = 2) -> str:
    """A value as its row shows it."""
    if value is None:
        return "–"
    return f"{100 * value:.{digits}f}" if name.endswith("%") else f"{value:.{4 if 'error' in name else 3}f}"


def summary(runs: Sequence[Run]) -> str:
    """The table of some runs of one recipe.

    Args:
        runs: of the same test beats, in the same classes.
    """
    classes = tuple(runs[0].metrics["classes"])
    test, validation = ([run.predictions(part) for run in runs] for part in ("test", "validation"))
    key = ["record", "sample", "label"]
    if any(not frame[key].equals(test[0][key]) for frame in test):
        sys.exit("the runs were not tested on the same beats")
    each = [
        values(score(frame, classes), classes) | certainty(held, frame, classes)
        for held, frame in zip(validation, test, strict=True)
    ]
    pooled = pd.concat(test, ignore_index=True)
    between = values(intervals(pooled, classes), classes)
    without = values(without_each(pooled, classes), classes)
    together = ensemble(test, classes)
    voted = values(score(together, classes), classes)
    voted |= certainty(ensemble(validation, classes), together, classes)
    rows = []
    for name in each[0]:
        # a seed that never calls a class has no +P
        column = [one[name] for one in each if one[name] is not None]
        mean, spread = (float(np.mean(column)), float(np.std(column, ddof=1))) if column else (None, 0.0)
        ends, reach = between.get(name), without.get(name)
        rows.append(
            (
                name,
                said(name, mean) + (f" ± {said(name, spread)}" if len(column) > 1 else ""),
                f"{said(name, ends[0])} to {said(name, ends[1])}" if ends else "",
                f"{said(name, reach['low'])} (without {reach['low_without']}) to {said(name, reach['high'])}"
                if reach
                else "",
                said(name, voted[name]),
            )
        )
    head = ("", f"mean of {len(runs)} seeds", "95% interval", "one patient left out", "ensemble of them")
    return table(head, rows)


def main(arguments: Sequence[str]) -> None:
    """Reads the runs and fills the table of that name."""
    document, name, *paths = arguments
    found = summary([Run(Path(path)) for path in paths])
    text = Path(document).read_text(encoding="utf-8")
    filled, places = re.subn(
        rf"<!-- seeds: {re.escape(name)} -->\n.*?<!-- /seeds -->",
        lambda _: f"<!-- seeds: {name} -->\n{found}\n<!-- /seeds -->",
        text,
        flags=re.DOTALL,
    )
    if not places:
        sys.exit(f"{document} has no place for a table <!-- seeds: {name} -->")
    write_text(Path(document), filled)


if __name__ == "__main__":
    main(sys.argv[1:])
