"""Saved predictions: what they say, checked, before anything is counted.

Predictions are a table with one row a beat, ordered by (record, sample): `record`, `subject` and `label`
as text, `sample` (int), and `p_<class>`, the probability of each class. What a beat is called stands in
`predicted`; where there is no such column it is the most probable class, of equally probable ones the first
in the order of `classes`. No torch here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ecgcli.errors import EcgError

if TYPE_CHECKING:
    import pandas as pd

NORMAL = "N"
"""The class of normal beats; every other class is abnormal."""

MISSED_AT_MOST = (0.05, 0.02, 0.01)
"""Shares of missed abnormal beats at which the trade-off is shown."""


def probabilities(predictions: pd.DataFrame, classes: Sequence[str]) -> npt.NDArray[np.float64]:
    """The probabilities as an array, checked.

    Args:
        predictions: the predictions of one part.
        classes: names of the classes, in the order of the model's outputs.

    Returns:
        (n, classes) float64, from 0 to 1.

    Raises:
        EcgError: no beats, fewer than two classes, a missing column or numbers that are no probabilities.
    """
    if len(classes) < 2:
        raise EcgError(f"predictions of {len(classes)} class cannot be scored: expected at least two classes")
    if predictions.empty:
        raise EcgError("predictions hold no beats: expected at least one row")
    columns = [f"p_{name}" for name in classes]
    missing = [column for column in ("record", "sample", "label", *columns) if column not in predictions]
    if missing:
        expected = ", ".join(("record", "sample", "label", *columns))
        raise EcgError(f"predictions have no column {missing[0]}: expected {expected}")
    try:
        values = predictions[columns].to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise EcgError(f"predictions, columns {', '.join(columns)}: expected numbers ({error})") from error
    wrong = ~((values >= -1e-6).all(axis=1) & (np.abs(values.sum(axis=1) - 1) < 0.01))  # NaN is wrong too
    if wrong.any():
        row = int(wrong.argmax())
        given = ", ".join(f"{column}={value:g}" for column, value in zip(columns, values[row], strict=True))
        raise EcgError(f"predictions, {_where(predictions, row)}: {given}; expected shares that sum to 1")
    return values.clip(0, 1)


def labels(predictions: pd.DataFrame, classes: Sequence[str]) -> npt.NDArray[np.int64]:
    """The true class of every beat, (n,) int64 index into `classes`.

    Raises:
        EcgError: a label that is none of the classes.
    """
    return _codes(predictions, "label", classes)


def decisions(predictions: pd.DataFrame, classes: Sequence[str]) -> npt.NDArray[np.int64]:
    """What every beat is called, (n,) int64 index into `classes`.

    This is the column `predicted` (the decision at an operating point) where there is one, else the most
    probable class, the first of equals.

    Raises:
        EcgError: a decision that is none of the classes; without decisions, as `probabilities`.
    """
    if "predicted" in predictions:
        return _codes(predictions, "predicted", classes)
    most_probable: npt.NDArray[np.int64] = probabilities(predictions, classes).argmax(axis=1)
    return most_probable


def by_record(predictions: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """How every record fares, the records with the most wrong beats first.

    Returns:
        One row a record: `record`, `beats`, `wrong`, `accuracy`, `abnormal` (beats of a class other than
        N), `called_normal` (how many of those are predicted N), `false_alarms` (beats of class N that are
        predicted otherwise). The last three are 0 where N is no class.
    """
    import pandas as pd

    decided, truth = decisions(predictions, classes), labels(predictions, classes)
    normal = list(classes).index(NORMAL) if NORMAL in classes else -1
    beats = pd.DataFrame(
        {
            "record": predictions["record"].to_numpy(),
            "wrong": decided != truth,
            "abnormal": (truth != normal) & (normal >= 0),
            "called_normal": (truth != normal) & (decided == normal),
            "false_alarms": (truth == normal) & (decided != normal),
        }
    )
    groups = beats.groupby("record", sort=True, observed=True)
    records = groups.sum().astype(int).reset_index()
    records.insert(1, "beats", groups.size().to_numpy())
    records.insert(3, "accuracy", 1 - records["wrong"] / records["beats"])
    return records.sort_values(["wrong", "record"], ascending=[False, True], ignore_index=True)


def trade_off(
    chosen_on: pd.DataFrame, shown_on: pd.DataFrame, classes: Sequence[str]
) -> list[dict[str, float | None]]:
    """What fewer missed abnormal beats would cost in false alarms.

    A threshold flags every beat with 1 − p(N) at or above it. Each threshold is the highest at which at
    most 5, 2 and 1% of the abnormal beats of `chosen_on` are missed; what it does is counted on `shown_on`.

    Args:
        chosen_on: predictions of the part that sets the thresholds (validation).
        shown_on: predictions of the part they are shown on (test, or validation again).
        classes: names of the classes, N among them.

    Returns:
        One dictionary a threshold: `aim`, `threshold`, `missed` (share of the abnormal beats below it),
        `false_alarms` (share of the normal beats at or above it), `right_alarms` (share of all flagged
        beats that are abnormal). Empty without abnormal beats to set a threshold by.
    """
    if NORMAL not in classes:
        return []
    normal = list(classes).index(NORMAL)
    score = [1 - probabilities(part, classes)[:, normal] for part in (chosen_on, shown_on)]
    abnormal = [labels(part, classes) != normal for part in (chosen_on, shown_on)]
    known = np.sort(score[0][abnormal[0]])
    points: list[dict[str, float | None]] = []
    for aim in MISSED_AT_MOST if len(known) else ():
        threshold = float(known[int(aim * len(known) + 1e-9)])
        flagged = score[1] >= threshold
        points.append(
            {
                "aim": aim,
                "threshold": threshold,
                "missed": share(int((abnormal[1] & ~flagged).sum()), int(abnormal[1].sum())),
                "false_alarms": share(int((~abnormal[1] & flagged).sum()), int((~abnormal[1]).sum())),
                "right_alarms": share(int((abnormal[1] & flagged).sum()), int(flagged.sum())),
            }
        )
    return points


def share(part: int, whole: int) -> float | None:
    """`part / whole`; None where there is nothing to take a share of."""
    return part / whole if whole else None


def _codes(predictions: pd.DataFrame, column: str, classes: Sequence[str]) -> npt.NDArray[np.int64]:
    index = {name: k for k, name in enumerate(classes)}
    codes = np.array([index.get(name, -1) for name in predictions[column]], dtype=np.int64)
    if (codes < 0).any():
        row = int((codes < 0).argmax())
        given, expected = predictions[column].iloc[row], ", ".join(classes)
        raise EcgError(
            f"predictions, {_where(predictions, row)}: {column} {given!r}; expected one of {expected}"
        )
    return codes


def _where(predictions: pd.DataFrame, row: int) -> str:
    record, sample = predictions["record"].iloc[row], predictions["sample"].iloc[row]
    return f"row {row} (record {record}, sample {sample})"
