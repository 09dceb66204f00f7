"""One network or two, at equal sensitivity to abnormal beats: what each pays in false alarms.

    python scripts/matched.py docs/best.md <name> <runs of one network> -- <runs of the cascade>

Takes the saved test predictions of finished runs (of several seeds, of one protocol) and writes a table
between `<!-- matched: <name> -->` and `<!-- /matched -->`. Both sides are read on the same curve: a beat is
called abnormal where 1 − p(N) reaches a threshold, and the threshold is where the side finds the given share
of the abnormal beats *of the test part*. So it compares curves, not decisions; no choice is made by it.
Intervals are of a bootstrap over patients, the same patients for both sides; means are over seeds.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ecgcli.files import write_text
from ecgcli.runs import Run

LEVELS = (0.8, 0.9, 0.95, 0.97)
"""Shares of the abnormal beats to be found."""

REPLICATES = 1000

Floats = npt.NDArray[np.float64]


class Curve:
    """Scores of a run's beats, sorted so that drawing patients anew costs one pass.

    Args:
        score: (n,) the higher, the more abnormal.
        abnormal: (n,) which are.
        patient: (n,) whose beat each is, from 0.
    """

    def __init__(
        self, score: Floats, abnormal: npt.NDArray[np.bool_], patient: npt.NDArray[np.int64]
    ) -> None:
        order = np.argsort(-score, kind="stable")
        score, abnormal, patient = score[order], abnormal[order], patient[order]
        self.abnormal, self.abnormal_of = -score[abnormal], patient[abnormal]  # ascending
        self.normal, self.normal_of = -score[~abnormal], patient[~abnormal]

    def false_alarms(self, times: npt.NDArray[np.integer], levels: Sequence[float] = LEVELS) -> Floats:
        """Share of normal beats called abnormal where so many of the abnormal ones are found.

        Args:
            times: (patients,) how often each patient counts.
            levels: shares of the abnormal beats to be found at least.
        """
        found = np.cumsum(times[self.abnormal_of])
        least = np.ceil(np.array(levels) * found[-1] - 1e-9)
        threshold = self.abnormal[np.searchsorted(found, least)]
        alarms = np.append(0, np.cumsum(times[self.normal_of]))
        share: Floats = alarms[np.searchsorted(self.normal, threshold, side="right")] / alarms[-1]
        return share


def compared(one: Sequence[pd.DataFrame], other: Sequence[pd.DataFrame], replicates: int = REPLICATES) -> str:
    """The table: rows are levels, columns false alarms of both sides and their difference with its interval.

    Args:
        one: test predictions of the seeds of one network, the same beats in the same order in all.
        other: those of the cascade.
        replicates: draws of the bootstrap.
    """
    first = one[0]
    for frame in (*one, *other):
        if not frame[["record", "sample", "label"]].equals(first[["record", "sample", "label"]]):
            sys.exit("the runs were not tested on the same beats")
    abnormal = (first["label"] != "N").to_numpy()
    patient, names = pd.factorize(first["subject"])
    sides = [
        [Curve(1 - f["p_N"].to_numpy(np.float64), abnormal, patient) for f in side] for side in (one, other)
    ]

    def paid(times: npt.NDArray[np.integer]) -> Floats:
        return np.array([np.mean([curve.false_alarms(times) for curve in side], axis=0) for side in sides])

    everyone = paid(np.ones(len(names), np.int64))  # (2, levels)
    rng = np.random.default_rng(0)
    chance = np.full(len(names), 1 / len(names))
    drawn = [paid(rng.multinomial(len(names), chance)) for _ in range(replicates)]
    low, high = 100 * np.quantile([b - a for a, b in drawn], [0.025, 0.975], axis=0)
    lines = [
        "| abnormal found % | false alarms of one network % | of the cascade % | cascade − one, points |",
        "|-|-|-|-|",
    ]
    for i, level in enumerate(LEVELS):
        a, b = 100 * everyone[:, i]
        lines.append(
            f"| {100 * level:g} | {a:.2f} | {b:.2f} | {b - a:+.2f} ({low[i]:+.2f} to {high[i]:+.2f}) |"
        )
    lines.append("")
    lines += [_errors(name, frames) for name, frames in (("one network", one), ("cascade", other))]
    return "\n".join(lines)


def _errors(name: str, frames: Sequence[pd.DataFrame]) -> str:
    """Where the wrong abnormal beats of a side come from, as it decides by itself."""
    missed, typed = [], []
    for frame in frames:
        wrong = frame[(frame["label"] != "N") & (frame["label"] != frame["predicted"])]
        missed.append((wrong["predicted"] == "N").mean())
        typed.append(len(wrong))
    return (
        f"- {name}: {np.mean(typed):.0f} abnormal beats wrong, of which {100 * np.mean(missed):.0f}% called "
        f"normal and {100 * (1 - np.mean(missed)):.0f}% given the wrong type ({len(frames)} seeds)"
    )


def main(arguments: Sequence[str]) -> None:
    """Reads the runs and fills the table of that name."""
    document, name, *runs = arguments
    if "--" not in runs:
        sys.exit("usage: matched.py DOCUMENT NAME RUN... -- RUN...")
    between = runs.index("--")
    one, other = (
        [Run(path).predictions("test") for path in side] for side in (runs[:between], runs[between + 1 :])
    )
    table = compared(one, other)
    text = Path(document).read_text(encoding="utf-8")
    pattern = rf"<!-- matched: {re.escape(name)} -->\n.*?<!-- /matched -->"
    filled, found = re.subn(
        pattern, lambda _: f"<!-- matched: {name} -->\n{table}\n<!-- /matched -->", text, flags=re.DOTALL
    )
    if not found:
        sys.exit(f"{document} has no place for a table <!-- matched: {name} -->")
    write_text(Path(document), filled)


if __name__ == "__main__":
    main(sys.argv[1:])
