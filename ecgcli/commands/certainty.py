"""How sure a model may be, and where it decides: fixed on beats that are held out, never on the test part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ecgcli.beats.part import Part
from ecgcli.beats.table import BeatTable
from ecgcli.choices.calibration import NoCalibration
from ecgcli.config import TrainConfig
from ecgcli.errors import EcgError
from ecgcli.evaluation.bootstrap import intervals
from ecgcli.evaluation.by_circumstance import by_circumstance
from ecgcli.evaluation.calibration import (
    Calibration,
    calibrate,
    calibration_scores,
    fit_calibration,
    reliability_bins,
)
from ecgcli.evaluation.operating_point import OperatingPoint, decide, fit_operating_point
from ecgcli.evaluation.patients import dominated, per_patient, without_each
from ecgcli.evaluation.predictions import NORMAL, labels, probabilities
from ecgcli.evaluation.review import review_share, review_threshold, risk_coverage
from ecgcli.evaluation.trade_off import point_costs, trade_off_curve
from ecgcli.parsing import plain
from ecgcli.runs import Run

if TYPE_CHECKING:
    from ecgcli.learning.model import Model, ModelFacts


def settle(
    model: Model,
    config: TrainConfig,
    validation: pd.DataFrame | None,
    others: pd.DataFrame | None,
) -> Model:
    """Calibrates a model, fixes its operating point, and below which certainty it asks for a person.

    Args:
        model: as trained.
        config: what is asked for.
        validation: what the networks say of the validation part; None where there is none.
        others: out-of-fold predictions of another run, which come before those; None where none are named.
    """
    held_out, part = validation, "validation"
    if others is not None:
        held_out, part = others, "the folds of another run"
    if held_out is None:
        note = "Nothing validates, so that there is nothing to calibrate on."
        return model.settled(Calibration(notes=(note,)), OperatingPoint(name=config.operating_point.name))
    probability, truth = probabilities(held_out, model.classes), labels(held_out, model.classes)
    calibration = fit_calibration(probability, truth, model.classes, config.calibration.name, part)
    calibrated = calibrate(probability, calibration)
    point = fit_operating_point(config.operating_point, calibrated, truth, model.classes, part)
    decided = decide(calibrated, point, model.classes)
    return model.settled(calibration, point, review_threshold(calibrated, decided))


def out_of_fold(config: TrainConfig, table: BeatTable, part: Part) -> pd.DataFrame | None:
    """Predictions of the k-fold run that `calibration.from` names, each beat by a model that had not seen it.

    Raises:
        EcgError: it is no k-fold run, of other classes, or was tested on beats of this run's test part.
    """
    if isinstance(config.calibration, NoCalibration) or config.calibration.run is None:
        return None
    run = Run(config.calibration.run)
    where = f"calibration.from={run.path}"
    if run.config.protocol.name != "k_fold" or run.metrics["test"] is None:
        raise EcgError(f"{where}: expected a run with protocol=k_fold test=true, whose test folds are pooled")
    if run.config.beat != config.beat:
        raise EcgError(f"{where}: its beats are cut otherwise; expected the same beat=")
    found = run.predictions("test")
    if part.test is not None:
        tested = set(zip(table.record[part.test].tolist(), table.sample[part.test].tolist(), strict=True))
        names = {name: i for i, name in enumerate(table.records)}
        theirs = zip(found["record"].map(names), found["sample"], strict=True)
        shared = sum(one in tested for one in theirs)
        if shared:
            raise EcgError(
                f"{where}: {shared:,} of its beats are in this run's test part, on which nothing may be "
                f"fitted; expected other records, such as protocol.records=ds1"
            )
    if tuple(run.metrics["classes"]) != part.classes:
        raise EcgError(
            f"{where}: has the classes {' '.join(run.metrics['classes'])}, this run {' '.join(part.classes)}"
        )
    return uncalibrated(found)


def uncalibrated(predictions: pd.DataFrame) -> pd.DataFrame:
    """Predictions as the networks gave them: neither calibrated nor decided at an operating point."""
    raw = [column for column in map(str, predictions) if column.startswith("raw_")]
    before = {f"p_{column.removeprefix('raw_')}": predictions[column] for column in raw}
    return predictions.assign(**before).drop(columns=[*raw, "predicted"], errors="ignore")


def certainty(
    saved: Mapping[str, pd.DataFrame],
    leading: str,
    classes: tuple[str, ...],
    facts: ModelFacts,
    hours: float | None,
    replicates: int,
) -> dict[str, Any]:
    """All that can be said of how sure scores and decisions are, from saved predictions.

    Args:
        saved: part → predictions.
        leading: the part that the report leads with.
        classes: names of the classes.
        facts: of the model that made them.
        hours: how long the recordings of the leading part last; None where no clock is known.
        replicates: of the bootstrap.

    Returns:
        Plain data, what `metrics.json` holds beside the scores.
    """
    first = saved[leading]
    chosen = saved.get("validation", first)
    return {
        "calibration": _calibration(saved, classes, facts),
        "operating_point": _operating_point(saved, leading, classes, facts, hours),
        "intervals": intervals(first, classes, replicates),
        "without_each": without_each(first, classes),
        "dominated": dominated(first, classes),
        "per_patient": per_patient(first, classes),
        "review": {"curve": risk_coverage(first, classes), "shares": review_share(chosen, first, classes)},
        "circumstances": by_circumstance(first, classes),
    }


def _calibration(
    saved: Mapping[str, pd.DataFrame], classes: tuple[str, ...], facts: ModelFacts
) -> dict[str, Any]:
    scores: dict[str, dict[str, Any]] = {"before": {}, "after": {}}
    bins: dict[str, dict[str, Any]] = {}
    normal = classes.index(NORMAL) if NORMAL in classes else None
    for part, frame in saved.items():
        truth, bins[part] = labels(frame, classes), {}
        for when, prefix in (("before", "raw_"), ("after", "p_")):
            columns = [f"{prefix}{name}" for name in classes]
            if columns[0] in frame:
                probability = frame[columns].to_numpy()
                scores[when][part] = calibration_scores(probability, truth, normal)
                bins[part][when] = reliability_bins(probability, truth)
    calibration = plain(facts.calibration)
    calibration["bias"] = dict(zip(classes, calibration["bias"], strict=False))
    return {**calibration, "sentence": facts.calibration.sentence(classes), **scores, "reliability": bins}


def _operating_point(
    saved: Mapping[str, pd.DataFrame],
    leading: str,
    classes: tuple[str, ...],
    facts: ModelFacts,
    hours: float | None,
) -> dict[str, Any]:
    costs, most_probable, curves = {}, {}, {}
    for part, frame in saved.items():
        time = hours if part == leading else None
        costs[part] = point_costs(frame, classes, time)
        most_probable[part] = point_costs(frame.drop(columns="predicted"), classes, time)
        curve = trade_off_curve(probabilities(frame, classes), labels(frame, classes), classes)
        # the first threshold is infinite: it flags nothing
        curves[part] = {
            key: values[np.isfinite(curve["threshold"])].tolist() for key, values in curve.items()
        }
    point = facts.operating_point
    found = {**plain(point), "sentence": point.sentence(), "costs": costs, "curve": curves}
    return found if point.name == "argmax" else {**found, "argmax": most_probable}
