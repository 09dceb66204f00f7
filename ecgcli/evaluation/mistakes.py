"""Which mistakes to look at: the most confident ones of each kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ecgcli.evaluation.predictions import decisions, labels, probabilities


def most_confident_mistakes(
    predictions: pd.DataFrame, classes: Sequence[str], per_pair: int = 3, pairs: int = 12
) -> pd.DataFrame:
    """The wrong beats that the model was surest of, for each pair of true class and class it was called.

    Other subjects come first: a second beat of one subject is taken only where there are no more subjects.

    Args:
        predictions: the predictions of one part.
        classes: names of the classes.
        per_pair: beats of each pair, at most.
        pairs: pairs, at most; those with the most beats.

    Returns:
        One row a beat, the pairs with the most beats first and in each the surest first: `row` (position in
        `predictions`), `true` and `called` (index of the class), `probability` (of the class it was called),
        `beats` and `subjects` (how many the pair has in all). Empty where nothing is wrong.
    """
    called, truth = decisions(predictions, classes), labels(predictions, classes)
    wrong = np.flatnonzero(called != truth)
    found = pd.DataFrame(
        {
            "row": wrong,
            "true": truth[wrong],
            "called": called[wrong],
            "probability": probabilities(predictions, classes)[wrong, called[wrong]],
            "subject": predictions["subject"].to_numpy()[wrong],
        }
    )
    pair = ["true", "called"]
    found["beats"] = found.groupby(pair)["row"].transform("size")
    found["subjects"] = found.groupby(pair)["subject"].transform("nunique")
    found = found.sort_values(["probability", "row"], ascending=[False, True])
    found["turn"] = found.groupby([*pair, "subject"]).cumcount()  # 0 for the surest of its subject
    found = found.sort_values(["turn", "probability", "row"], ascending=[True, False, True])
    found = found[found.groupby(pair).cumcount() < per_pair]
    order = {"beats": False, "true": True, "called": True, "probability": False, "row": True}
    found = found.sort_values([*order], ascending=[*order.values()], ignore_index=True)
    found = found[found.groupby(pair, sort=False).ngroup() < pairs]
    return found.drop(columns=["subject", "turn"])
