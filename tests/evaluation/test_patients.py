"""Scores patient by patient, held against pandas' groupby, scikit-learn and beats counted by hand."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from ecgcli.evaluation.metrics import score
from ecgcli.evaluation.patients import dominated, per_patient, per_record, without_each
from ecgcli.evaluation.predictions import by_record

CLASSES = ("N", "S", "V")


def table(*rows: tuple[str, str, str, str, int]) -> pd.DataFrame:
    """Predictions from (record, subject, label, decision, beats)."""
    frame = pd.DataFrame(rows, columns=["record", "subject", "label", "predicted", "beats"])
    frame = frame.loc[frame.index.repeat(frame["beats"])].drop(columns="beats").reset_index(drop=True)
    for name in CLASSES:
        frame[f"p_{name}"] = np.where(frame["predicted"] == name, 0.8, 0.1)
    return frame.assign(sample=range(len(frame)))


HAND = table(
    ("100", "100", "N", "N", 8),
    ("100", "100", "S", "N", 2),
    ("201", "201", "N", "N", 3),
    ("201", "201", "N", "V", 1),
    ("202", "201", "V", "V", 6),
    ("232", "232", "S", "S", 15),
    ("232", "232", "S", "N", 5),
    ("232", "232", "N", "S", 5),
)


def drawn(seed: int, patients: int = 12, beats: int = 600) -> pd.DataFrame:
    """Random labels and decisions of patients who have one or two records."""
    rng = np.random.default_rng(seed)
    record = np.sort(rng.integers(0, 2 * patients, beats))
    label = np.where(rng.random(beats) < 0.7, "N", rng.choice(CLASSES, beats))
    called = np.where(rng.random(beats) < 0.8, label, rng.choice(CLASSES, beats))
    rows = zip(record.astype(str), (record // 2).astype(str), label, called, [1] * beats, strict=True)
    return table(*((str(a), str(b), str(c), str(d), n) for a, b, c, d, n in rows))


@pytest.mark.promise
def test_leaving_out_each_patient_by_hand() -> None:
    found = without_each(HAND, CLASSES)
    json.dumps(found, allow_nan=False)
    assert found["patients"] == 3
    # Without 100: 24 of 35 right; without 201: 23 of 35; without 232: 17 of 20.
    assert found["accuracy"] == {
        "low": 23 / 35,
        "low_without": "201",
        "high": 17 / 20,
        "high_without": "232",
    }
    assert found["per_class"]["S"]["recall"] == {
        "low": 0,
        "low_without": "232",
        "high": 15 / 20,
        "high_without": "100",
    }
    assert found["only"] == {"V": "201"}
    assert found["per_class"]["V"]["recall"]["low"] == 1


@pytest.mark.parametrize("seed", [0, 1])
def test_each_range_is_that_of_the_scores_of_the_remaining_beats(seed: int) -> None:
    predictions = drawn(seed)
    found = without_each(predictions, CLASSES)
    names = sorted(predictions["subject"].unique())
    left = [score(predictions[predictions["subject"] != name], CLASSES) for name in names]
    keys = [(key,) for key in found if key not in ("patients", "only", "per_class")]
    keys += [("per_class", name, key) for name in CLASSES for key in found["per_class"][name]]
    assert len(keys) == 6 + 3 * 5
    for key in keys:
        values, mine = left, found
        for step in key:
            values, mine = [one[step] for one in values], mine[step]
        if key == ("per_class", "N", "called_normal"):
            assert mine is None
            continue
        ends = mine["low"], mine["high"]
        assert ends == pytest.approx((min(values), max(values)), rel=1e-12), key
        at = [values[names.index(mine[f"{end}_without"])] for end in ("low", "high")]
        assert at == pytest.approx(ends), key


def test_without_a_second_patient_nothing_can_be_left_out() -> None:
    one = without_each(HAND[HAND["subject"] == "100"], CLASSES)
    assert one["patients"] == 1 and one["accuracy"] is None and one["per_class"]["N"]["f1"] is None
    nobody = without_each(HAND.assign(subject="unknown"), CLASSES)
    assert nobody["patients"] == 0 and nobody["accuracy"] is None and nobody["only"] == {}


@pytest.mark.promise
def test_record_232_dominates_class_s_by_hand() -> None:
    found = {one["class"]: one for one in dominated(HAND, CLASSES)}
    json.dumps(found, allow_nan=False)
    assert set(found) == {"S", "V"}
    s = found["S"]
    assert (s["record"], s["subject"], s["beats"], s["of"]) == ("232", "232", 20, 22)
    assert s["with"] == {"recall": 15 / 22, "precision": 15 / 20, "f1": 30 / 42}
    assert s["without"] == {"recall": 0, "precision": None, "f1": 0}
    assert s["undrawn"] == pytest.approx((2 / 3) ** 3)
    v = found["V"]
    assert (v["record"], v["subject"], v["beats"], v["of"]) == ("202", "201", 6, 6)
    assert v["without"] == {"recall": None, "precision": None, "f1": None}, "no beats of V are left"


@pytest.mark.parametrize("seed", [0, 1])
def test_scores_without_a_dominating_record_are_those_of_the_other_records(seed: int) -> None:
    predictions = drawn(seed)
    found = dominated(predictions, CLASSES, share=0.08)
    assert found
    for one in found:
        rest = predictions[predictions["record"] != one["record"]]
        for part, key in ((predictions, "with"), (rest, "without")):
            expected = score(part, CLASSES)["per_class"][one["class"]]
            assert one[key] == pytest.approx({k: expected[k] for k in ("recall", "precision", "f1")})
        supports = predictions[predictions["label"] == one["class"]].groupby("record").size()
        assert (one["beats"], one["of"]) == (supports.max(), supports.sum())


def test_no_class_is_dominated_where_beats_are_even_or_of_one_record() -> None:
    assert dominated(drawn(0), CLASSES) == []
    assert dominated(HAND[HAND["record"] == "232"], CLASSES) == []
    assert dominated(HAND.assign(record="unknown", subject="unknown"), CLASSES) == []


@pytest.mark.promise
def test_every_patient_counts_the_same_by_hand() -> None:
    found = per_patient(HAND, CLASSES)
    json.dumps(found, allow_nan=False)
    assert found["accuracy"] == {
        "pooled": 32 / 45,
        "patients": 3,
        "mean": pytest.approx((0.8 + 0.9 + 0.6) / 3),
        "median": 0.8,
        "worst": 0.6,
        "worst_patient": "232",
        "worst_beats": 25,
    }
    assert found["per_class"]["S"]["recall"] == {
        "pooled": 15 / 22,
        "patients": 2,
        "mean": pytest.approx((0 + 0.75) / 2),
        "median": pytest.approx(0.375),
        "worst": 0,
        "worst_patient": "100",
        "worst_beats": 2,
    }
    missed = found["abnormal_called_normal"]
    assert missed["mean"] == pytest.approx((1 + 0 + 5 / 20) / 3) and missed["pooled"] == 7 / 28
    assert (missed["worst"], missed["worst_patient"], missed["worst_beats"]) == (1, "100", 2)


def test_means_over_patients_equal_those_of_pandas_and_scikit_learn() -> None:
    predictions = drawn(3)
    found = per_patient(predictions, CLASSES)
    groups = [group for _, group in predictions.groupby("subject")]
    accuracy = [sk.accuracy_score(group["label"], group["predicted"]) for group in groups]
    assert found["accuracy"]["mean"] == pytest.approx(np.mean(accuracy))
    assert found["accuracy"]["worst"] == pytest.approx(min(accuracy))
    for name in CLASSES:
        having = [group for group in groups if (group["label"] == name).any()]
        recall = [
            sk.recall_score(group["label"] == name, group["predicted"] == name, zero_division=0)
            for group in having
        ]
        mine = found["per_class"][name]["recall"]
        assert mine["patients"] == len(having)
        assert mine["mean"] == pytest.approx(np.mean(recall))
        assert mine["median"] == pytest.approx(np.median(recall))
        assert mine["pooled"] == pytest.approx(score(predictions, CLASSES)["per_class"][name]["recall"])
    abnormal = predictions[predictions["label"] != "N"]
    missed = (abnormal["predicted"] == "N").groupby(abnormal["subject"]).mean()
    assert found["abnormal_called_normal"]["mean"] == pytest.approx(missed.mean())
    assert found["abnormal_called_normal"]["worst"] == pytest.approx(missed.max())


def test_beats_of_nobody_known_are_pooled_but_are_no_patient() -> None:
    found = per_patient(HAND.assign(subject=HAND["subject"].replace("232", "unknown")), CLASSES)
    assert (found["patients"], found["unknown_beats"]) == (2, 25)
    assert found["accuracy"]["pooled"] == 32 / 45 and found["accuracy"]["patients"] == 2
    nobody = per_patient(HAND.assign(subject="unknown"), CLASSES)
    assert nobody["accuracy"] == {"pooled": 32 / 45, "patients": 0} | dict.fromkeys(
        ("mean", "median", "worst", "worst_patient", "worst_beats")
    )


def test_a_class_that_nobody_has_has_no_mean() -> None:
    found = per_patient(HAND[HAND["label"] == "N"], CLASSES)
    assert found["per_class"]["S"]["recall"]["mean"] is None
    assert found["per_class"]["S"]["recall"]["pooled"] is None
    assert found["abnormal_called_normal"]["worst_patient"] is None


def test_records_come_worst_first_class_by_class() -> None:
    records = per_record(HAND, CLASSES)
    assert list(records["record"]) == ["232", "100", "201", "202"]
    assert list(records["subject"]) == ["232", "100", "201", "201"]
    assert list(records["support_S"]) == [20, 2, 0, 0]
    assert list(records["recall_S"])[:2] == [0.75, 0] and records["recall_S"][2:].isna().all()
    assert list(records["recall_N"])[:3] == [0, 1, 0.75]


def test_records_equal_those_of_by_record_and_scikit_learn() -> None:
    predictions = drawn(4)
    records, before = per_record(predictions, CLASSES), by_record(predictions, CLASSES)
    pd.testing.assert_frame_equal(records[before.columns.tolist()], before, check_dtype=False)
    for row in records.to_dict("records"):
        mine = predictions[predictions["record"] == row["record"]]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            recall = sk.recall_score(
                mine["label"], mine["predicted"], labels=CLASSES, average=None, zero_division=np.nan
            )
        for k, name in enumerate(CLASSES):
            assert row[f"support_{name}"] == (mine["label"] == name).sum()
            assert row[f"recall_{name}"] == pytest.approx(recall[k], nan_ok=True)
