"""EC57 scores of saved predictions: the standard's tables for a model that was given the R peaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from ecgcli.evaluation.ec57 import BEAT_MEASURES, score_record
from ecgcli.evaluation.ec57_summary import Scores, gross
from ecgcli.evaluation.predictions import decisions
from ecgcli.recordings.aami import CLASS_MAPS, ClassMap
from ecgcli.recordings.record import Annotations


def score_predictions(
    predictions: pd.DataFrame,
    classes: tuple[str, ...],
    symbols: npt.NDArray[np.str_],
    rates: Mapping[str, float],
    class_map: ClassMap,
) -> Scores:
    """Scores predictions from 0:00, record by record.

    The reference is the annotation symbol of every beat that was predicted, the test the predicted class at
    the same place; so no beat is missed or extra, and QRS scores are those of the given R peaks.

    Args:
        predictions: a row a beat, as described in `ecgcli.evaluation.predictions`.
        classes: names of the classes; each is a symbol of itself in both class maps.
        symbols: (n,) annotation symbols, parallel to `predictions`.
        rates: samples per second of each record, in Hz.
        class_map: how symbols become classes.
    """
    decided = np.array(classes)[decisions(predictions, classes)]
    sample = predictions["sample"].to_numpy()
    records = []
    for name, rows in predictions.groupby("record", sort=True).indices.items():
        reference, test = (_annotations(sample[rows], marks[rows]) for marks in (symbols, decided))
        records.append(score_record(str(name), reference, test, rates[str(name)], None, 0.0, class_map))
    return Scores(tuple(records), "reference", "predictions", class_map, 0.0)


def maps_differ(symbols: npt.NDArray[np.str_], class_map: ClassMap) -> bool:
    """Whether the standard's map puts some of these beats into another class."""
    return any(CLASS_MAPS[class_map][s] != CLASS_MAPS["ec57"][s] for s in np.unique(symbols).tolist())


def without_dominating(scores: Scores) -> tuple[str, Scores] | None:
    """The record with the most supraventricular beats, and the scores without it; None for one record."""
    support = [score.measures["SVEB Se"].total for score in scores.records]
    if len(support) < 2 or not any(support):
        return None
    most = int(np.argmax(support))
    rest = scores.records[:most] + scores.records[most + 1 :]
    return scores.records[most].record, replace(scores, records=rest)


def sveb_sentence(scores: Scores) -> str | None:
    """SVEB Se and +P without the record that holds most of these beats, in words."""
    left = without_dominating(scores)
    if left is None:
        return None
    name, rest = left
    total = sum(score.measures["SVEB Se"].total for score in scores.records)
    own = total - sum(score.measures["SVEB Se"].total for score in rest.records)
    shares = []
    for measure in BEAT_MEASURES[4:]:
        percent = gross(rest.records)[measure].percent
        shares.append(f"{measure} {'-' if percent is None else f'{percent:.2f}%'}")
    return f"Record {name} holds {own:,} of the {total:,} SVEB; without it, gross: {', '.join(shares)}."


def _annotations(sample: npt.NDArray[np.int64], symbol: npt.NDArray[np.str_]) -> Annotations:
    return Annotations(sample, symbol, np.zeros(len(sample), np.int64), np.full(len(sample), ""))
