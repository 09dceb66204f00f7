"""Intervals, held against predictions that are resampled row by row and scored by torchmetrics."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.errors import EcgError
from ecgcli.evaluation import bootstrap, ranking
from ecgcli.evaluation.bootstrap import intervals
from ecgcli.evaluation.calibration import calibration_scores
from ecgcli.evaluation.confusion import patients_of
from ecgcli.evaluation.metrics import score
from ecgcli.evaluation.predictions import labels, probabilities

CLASSES = ("N", "S", "V", "F", "Q")
COUNTS = ("beats", "support", "predicted", "confusion")


def simulated(
    patients: int, beats: int, seed: int = 0, classes: tuple[str, ...] = CLASSES, coarse: int = 0
) -> pd.DataFrame:
    """Predictions of patients who differ in what they have and in how well they are read."""
    rng = np.random.default_rng(seed)
    patient = np.sort(rng.integers(0, patients, beats))
    share = rng.dirichlet(np.full(len(classes), 0.4), patients)
    share[:, 0] += 3
    share /= share.sum(axis=1, keepdims=True)
    label = (rng.random((beats, 1)) > share.cumsum(axis=1)[patient]).sum(axis=1).clip(0, len(classes) - 1)
    logit = rng.normal(size=(beats, len(classes)))
    logit[np.arange(beats), label] += rng.normal(1.5, 1, patients)[patient]
    p = np.exp(logit)
    p /= p.sum(axis=1, keepdims=True)
    if coarse:  # many equal scores
        p = np.floor(p * coarse)
        p[:, 0] += coarse - p.sum(axis=1)
        p /= coarse
    name = np.char.add("p", patient.astype(str))
    frame = pd.DataFrame(p, columns=[f"p_{k}" for k in classes])
    return frame.assign(
        record=name, subject=name, sample=np.arange(beats), label=np.array(classes)[label].astype(object)
    )


def by_hand(predictions: pd.DataFrame, classes: tuple[str, ...], replicates: int, seed: int) -> list[Any]:
    """Scores of the replicates: every beat stands in the table as often as it was drawn."""
    who = patients_of(predictions)
    weights = np.concatenate(list(bootstrap.draws(who, replicates, seed))).astype(int)
    held = score(predictions, classes)["per_class"]
    found = []
    for drawn in weights:
        resampled = predictions.iloc[np.repeat(np.arange(len(predictions)), drawn[who.of_beat])]
        result = score(resampled, classes)
        if any(one["support"] and not result["per_class"][name]["support"] for name, one in held.items()):
            result |= dict.fromkeys(("macro_f1", "macro_recall", "auroc", "auprc"))
        if any(one["support"] == len(resampled) for one in result["per_class"].values()):
            result |= dict.fromkeys(("auroc", "auprc"))
        result["calibration"] = calibration_scores(
            probabilities(resampled, classes), labels(resampled, classes), normal=0
        )
        found.append(result)
    return found


def same_intervals(found: dict[str, Any], expected: list[Any], classes: tuple[str, ...]) -> None:
    def check(interval: Any, skipped: float | None, values: list[float | None], what: str) -> None:
        exist = [value for value in values if value is not None]
        assert skipped is None or skipped == pytest.approx(1 - len(exist) / len(values)), what
        ends = np.quantile(exist, [0.025, 0.975]).tolist() if exist else None
        assert interval == (pytest.approx(ends, abs=1e-6) if ends else None), what

    for key in expected[0].keys() - {*COUNTS, "per_class", "calibration"}:
        check(found[key], found["skipped"][key], [one[key] for one in expected], key)
    for key in expected[0]["calibration"].keys() - {"beats"}:
        check(found["calibration"][key], None, [one["calibration"][key] for one in expected], key)
    for name in classes:
        for key in expected[0]["per_class"][name].keys() - {*COUNTS}:
            values = [one["per_class"][name][key] for one in expected]
            if found["held_by"][name] < 2:
                assert found["per_class"][name][key] is None
            else:
                skipped = found["skipped"]["per_class"][name][key]
                check(found["per_class"][name][key], skipped, values, f"{name} {key}")


@pytest.mark.promise
@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("coarse", [0, 10])
def test_replicates_score_as_torchmetrics_scores_the_resampled_beats(
    coarse: int, at_once: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "POINTS", 64)  # so that a class takes several products
    monkeypatch.setattr(bootstrap, "AT_ONCE", 300 if at_once else 0)
    predictions = simulated(9, 700, seed=coarse, coarse=coarse)
    found = intervals(predictions, CLASSES, replicates=12, seed=5)
    same_intervals(found, by_hand(predictions, CLASSES, 12, 5), CLASSES)
    json.dumps(found, allow_nan=False)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 5), st.integers(1, 25), st.integers(0, 10_000), st.sampled_from([0, 300]), st.booleans()
)
def test_few_beats_of_few_patients_are_scored_the_same(
    patients: int, beats: int, seed: int, at_once: int, some_unknown: bool
) -> None:
    """Absent classes, one patient, equal scores and beats of nobody known are all frequent here."""
    classes = CLASSES[: 2 + seed % 4]
    predictions = simulated(patients, beats, seed, classes, coarse=5)
    if some_unknown:
        predictions.loc[::3, "subject"] = "unknown"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bootstrap, "AT_ONCE", at_once)
        found = intervals(predictions, classes, replicates=6, seed=seed)
    if found["clusters"] > 1:
        same_intervals(found, by_hand(predictions, classes, 6, seed), classes)
    else:
        assert found["accuracy"] is None and found["calibration"]["brier"] is None
        assert {v for one in found["per_class"].values() for v in one.values()} == {None}
    json.dumps(found, allow_nan=False)


def test_both_ways_to_rank_agree_and_decisions_come_from_the_operating_point(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predictions = simulated(20, 3000).assign(predicted="N")
    found = intervals(predictions, CLASSES, replicates=50)
    monkeypatch.setattr(bootstrap, "AT_ONCE", 0)
    other = intervals(predictions, CLASSES, replicates=50)
    for name in CLASSES:
        for key in ("auroc", "auprc"):
            assert found["per_class"][name][key] == pytest.approx(other["per_class"][name][key], rel=1e-9)
    assert found["abnormal_called_normal"] == [1, 1] and found["mcc"] is None
    assert found["per_class"]["V"]["recall"] == [0, 0] and found["per_class"]["V"]["precision"] is None
    assert found["skipped"]["per_class"]["V"]["precision"] == 1


@pytest.mark.promise
def test_two_patients_one_right_and_one_wrong_by_hand() -> None:
    """Of four equally likely draws one is all right, one all wrong and two are half and half."""
    p = [0.9] * 10 + [0.1] * 10
    predictions = pd.DataFrame({"p_N": p, "p_V": [1 - x for x in p], "sample": range(20), "label": "N"})
    predictions["record"] = predictions["subject"] = ["100"] * 10 + ["101"] * 10
    found = intervals(predictions, ("N", "V"), replicates=400, level=0.4)
    assert found["accuracy"] == [0.5, 0.5]
    assert intervals(predictions, ("N", "V"), replicates=400)["accuracy"] == [0, 1]
    assert (found["unit"], found["clusters"], found["held_by"]) == ("patients", 2, {"N": 2, "V": 0})
    assert set(found["per_class"]["V"].values()) == {None} and found["missing_class"]["V"] == 1
    assert found["auroc"] is None, "there is no other class to rank against"


def test_a_class_of_one_patient_has_no_interval_and_is_missing_from_a_third_of_the_replicates() -> None:
    predictions = simulated(22, 2200, classes=("N", "V"))
    predictions["label"] = "N"
    predictions.loc[predictions["subject"] == "p7", "label"] = "V"
    found = intervals(predictions, ("N", "V"))
    assert found["held_by"] == {"N": 21, "V": 1}
    assert found["missing_class"]["V"] == pytest.approx((1 - 1 / 22) ** 22, abs=0.05)
    assert set(found["per_class"]["V"].values()) == {None}
    assert found["skipped"]["macro_f1"] == found["missing_class"]["V"], "a mean over N alone is another score"
    assert found["accuracy"] is not None


def test_the_sentence_says_what_was_drawn() -> None:
    known = simulated(3, 60)
    assert "Whole patients were drawn (3 patients)" in intervals(known, CLASSES, 5)["why"]
    nobody = intervals(known.assign(subject="unknown"), CLASSES, 5)
    assert (nobody["unit"], nobody["clusters"]) == ("beats", 60)
    assert "60 beats were drawn one by one" in nobody["why"] and "too narrow" in nobody["why"]
    some = known.assign(subject=np.where(known["subject"] == "p0", None, known["subject"]))
    mixed = intervals(some, CLASSES, 5)
    lost = int((known["subject"] == "p0").sum())
    assert (mixed["unit"], mixed["clusters"]) == ("patients", 2 + lost)
    assert "2 patients" in mixed["why"] and f"{lost} beats of unknown patients" in mixed["why"]
    assert "one patient" in intervals(known.assign(subject="p0"), CLASSES, 5)["why"]


@pytest.mark.promise
def test_the_seed_alone_decides_and_the_global_generator_is_left_alone() -> None:
    predictions = simulated(10, 500)
    np.random.seed(1)
    before = np.random.get_state()[1].copy()  # type: ignore[index,union-attr]
    first = intervals(predictions, CLASSES, 50, seed=3)
    assert (np.random.get_state()[1] == before).all()  # type: ignore[index]
    np.random.seed(2)
    assert intervals(predictions, CLASSES, 50, seed=3) == first
    assert intervals(predictions, CLASSES, 50, seed=4)["accuracy"] != first["accuracy"]


@pytest.mark.promise
def test_intervals_over_patients_cover_the_truth_and_intervals_over_beats_do_not() -> None:
    """Of 30 patients with 50 beats each the model reads each one's beats right with a chance of their own."""
    rng = np.random.default_rng(0)
    chance = rng.beta(4, 1, (60, 30))  # mean 0.8
    covered = {"patients": 0, "beats": 0}
    frame = pd.DataFrame({"p_N": 0.5, "p_V": 0.5, "label": "N", "sample": range(1500), "record": "r"})
    for table in chance:
        p = np.where(rng.random(1500) < np.repeat(table, 50), 0.75, 0.25)
        known = frame.assign(p_N=p, p_V=1 - p, subject=np.repeat(np.arange(30).astype(str), 50))
        for predictions in (known, known.assign(subject="unknown")):
            found = intervals(predictions, ("N", "V"), 100)
            low, high = found["accuracy"]
            covered[found["unit"]] += low <= 0.8 <= high
    assert 0.85 <= covered["patients"] / 60 <= 1
    assert covered["beats"] / 60 < 0.7


@pytest.mark.promise
@pytest.mark.slow
def test_a_thousand_replicates_of_109_446_beats_take_less_than_ten_seconds() -> None:
    predictions = simulated(47, 109_446)
    start = time.process_time()  # of all threads: what else the machine does is not counted
    found = intervals(predictions, CLASSES)
    assert time.process_time() - start < 10
    assert found["replicates"] == 1000 and found["auprc"][0] < found["auprc"][1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"replicates": 0}, "expected at least one"),
        ({"level": 1.0}, r"expected at least one, a level in \(0, 1\)"),
    ],
)
def test_no_replicates_and_no_level_are_refused(change: Any, said: str) -> None:
    with pytest.raises(EcgError, match=said):
        intervals(simulated(3, 30), CLASSES, **change)


def test_predictions_without_patients_are_refused() -> None:
    with pytest.raises(EcgError, match="no column subject"):
        intervals(simulated(3, 30).drop(columns="subject"), CLASSES)
