"""Scores of saved predictions.

What does not exist is None, never 0 or NaN: the recall of a class without beats, the precision of a class
that is never predicted, a correlation with something constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ecgcli.errors import EcgError
from ecgcli.evaluation.predictions import NORMAL, decisions, labels, probabilities, share


def score(predictions: pd.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
    """Scores the predictions of one part.

    Macro means (macro_f1, macro_recall, auroc, auprc) go over the classes that have beats in
    `predictions`; AUROC and AUPRC are one class against the rest, AUPRC as average precision.

    Args:
        predictions: a row a beat, as described in `ecgcli.evaluation.predictions`.
        classes: names of the classes, in the order of the model's outputs.

    Returns:
        Plain data, ready for JSON. `beats`, `accuracy`, `macro_f1`, `macro_recall`, `mcc` (multi-class,
        Gorodkin 2004), `kappa` (Cohen 1960), `auroc`, `auprc`; `abnormal_called_normal`, the share of all
        beats of a class other than N that are predicted N; `per_class.<class>` with `support`,
        `predicted`, `recall`, `precision`, `wrong_share` (1 − precision: the share of this class's
        predictions that are wrong), `f1`, `called_normal`, `auroc`, `auprc`; `confusion`, counts with
        the true class down and the predicted class across. A class without support has None for all
        but `support` and `predicted`.

    Raises:
        EcgError: no beats, fewer than two classes, a missing column, a label that is no class, or
            numbers that are no probabilities.
    """
    import torch
    from torchmetrics.functional.classification import multiclass_confusion_matrix

    probability = probabilities(predictions, classes)
    truth = labels(predictions, classes)
    decided = decisions(predictions, classes)  # not torchmetrics' argmax: a tie goes the same way everywhere
    matrix = multiclass_confusion_matrix(torch.tensor(decided), torch.tensor(truth), len(classes))
    confusion: list[list[int]] = matrix.tolist()
    normal = list(classes).index(NORMAL) if NORMAL in classes else None

    per_class = {name: _one_class(k, confusion, normal) for k, name in enumerate(classes)}
    for k, one in enumerate(per_class.values()):
        if 0 < one["support"] < len(truth):
            one["auroc"], one["auprc"] = _ranking(probability[:, k], truth == k)

    mcc, kappa = _agreement(confusion)
    abnormal = [row for k, row in enumerate(confusion) if k != normal]
    return {
        "beats": len(truth),
        "accuracy": sum(confusion[k][k] for k in range(len(classes))) / len(truth),
        "macro_f1": _macro(per_class, "f1"),
        "macro_recall": _macro(per_class, "recall"),
        "mcc": mcc,
        "kappa": kappa,
        "auroc": _macro(per_class, "auroc"),
        "auprc": _macro(per_class, "auprc"),
        "abnormal_called_normal": None
        if normal is None
        else share(sum(row[normal] for row in abnormal), sum(map(sum, abnormal))),
        "per_class": per_class,
        "confusion": confusion,
    }


def by_fold(predictions: pd.DataFrame, classes: Sequence[str]) -> list[dict[str, Any]] | None:
    """Scores of each fold of a cross-validation; None where the predictions are of one model.

    Args:
        predictions: a row a beat, with a column `fold` where there are several.
        classes: names of the classes.
    """
    if "fold" not in predictions:
        return None
    keys = ("beats", "accuracy", "macro_f1", "abnormal_called_normal")
    scores = []
    for fold in sorted(predictions["fold"].unique().tolist()):
        result = score(predictions[predictions["fold"] == fold], classes)
        scores.append({"fold": fold} | {key: result[key] for key in keys})
    return scores


def error_budget(predictions: pd.DataFrame, classes: Sequence[str]) -> dict[str, Any]:
    """Where a two-stage model, composed softly as p(N) = 1 − a and p(k) = a·t_k, loses its beats.

    Args:
        predictions: a row a beat, as described in `ecgcli.evaluation.predictions`.
        classes: names of the classes, N among them.

    Returns:
        Plain data. `abnormal` (all abnormal beats) and `per_class.<class>` (each abnormal class) hold
        `beats`, `counts` and `shares` of `missed` (at stage one: a < 0.5), `lost` (in the composition:
        a ≥ 0.5, yet N is the most probable class, as no type is likely enough), `mistyped` (at stage
        two: predicted abnormal, of the wrong type) and `right`. `normal` holds `beats`, `counts` and
        `shares` of `false_alarms` (predicted abnormal), `spared` (a ≥ 0.5, yet N is predicted) and
        `right` (a < 0.5). Shares of no beats are None. Stage one is taken at a = 0.5 whatever the operating
        point; what is predicted is the decision at it.

    Raises:
        EcgError: as `score`; or N is not among the classes.
    """
    if NORMAL not in classes:
        raise EcgError(f"an error budget needs the class {NORMAL}; the classes are {', '.join(classes)}")
    probability, truth = probabilities(predictions, classes), labels(predictions, classes)
    decided, normal = decisions(predictions, classes), list(classes).index(NORMAL)
    called_normal = decided == normal
    below = probability[:, normal] > 0.5  # a < 0.5, without the rounding of 1 − p(N)

    def budget(beats: npt.NDArray[np.bool_], **causes: npt.NDArray[np.bool_]) -> dict[str, Any]:
        total = int(beats.sum())
        counts = {cause: int((beats & where).sum()) for cause, where in causes.items()}
        shares = {cause: share(count, total) for cause, count in counts.items()}
        return {"beats": total, "counts": counts, "shares": shares}

    causes = {
        "missed": called_normal & below,
        "lost": called_normal & ~below,
        "mistyped": ~called_normal & (decided != truth),
        "right": decided == truth,
    }
    return {
        "abnormal": budget(truth != normal, **causes),
        "per_class": {name: budget(truth == k, **causes) for k, name in enumerate(classes) if k != normal},
        "normal": budget(
            truth == normal,
            false_alarms=~called_normal,
            spared=called_normal & ~below,
            right=called_normal & below,
        ),
    }


def _one_class(k: int, confusion: list[list[int]], normal: int | None) -> dict[str, Any]:
    hits, support, predicted = confusion[k][k], sum(confusion[k]), sum(row[k] for row in confusion)
    one: dict[str, Any] = {"support": support, "predicted": predicted}
    one |= dict.fromkeys(("recall", "precision", "wrong_share", "f1", "called_normal", "auroc", "auprc"))
    if support:
        one["recall"] = hits / support
        one["precision"] = share(hits, predicted)
        one["wrong_share"] = share(predicted - hits, predicted)
        one["f1"] = 2 * hits / (support + predicted)
        if normal is not None and k != normal:
            one["called_normal"] = confusion[k][normal] / support
    return one


def _ranking(probability: npt.NDArray[np.float64], of_class: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """AUROC and average precision of one class against the rest.

    One class at a time and in double precision: torchmetrics' multi-class functions give a class without
    beats an AUROC of 0, and take all columns for logits where one probability is 1 + 1e-7.
    """
    import torch
    from torchmetrics.functional.classification import binary_auroc, binary_average_precision

    preds, target = torch.tensor(probability), torch.tensor(of_class).long()
    return float(binary_auroc(preds, target)), float(binary_average_precision(preds, target))


def _macro(per_class: dict[str, dict[str, Any]], key: str) -> float | None:
    values = [one[key] for one in per_class.values() if one[key] is not None]
    return sum(values) / len(values) if values else None


def _agreement(confusion: list[list[int]]) -> tuple[float | None, float | None]:
    """MCC and Cohen's kappa, in whole numbers up to the last division.

    torchmetrics squares the counts in single precision, which for a network that hardly ever leaves
    N is wrong in the third digit; and it gives 0 or NaN where the two do not exist.
    """
    true = [sum(row) for row in confusion]
    predicted = [sum(column) for column in zip(*confusion, strict=True)]
    beats, hits = sum(true), sum(row[k] for k, row in enumerate(confusion))
    chance = sum(t * p for t, p in zip(true, predicted, strict=True))
    spread = (beats**2 - sum(t * t for t in true)) * (beats**2 - sum(p * p for p in predicted))
    mcc = (hits * beats - chance) / sqrt(spread) if spread else None
    kappa = (hits * beats - chance) / (beats**2 - chance) if chance < beats**2 else None
    return mcc, kappa
