"""Scores of saved predictions, held against scikit-learn and against beats counted by hand."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from ecgcli.errors import EcgError
from ecgcli.evaluation.metrics import error_budget, score
from ecgcli.evaluation.predictions import by_record, trade_off

CLASSES = ("N", "S", "V", "F", "Q")


def table(
    classes: tuple[str, ...], beats: list[tuple[str, list[float]]], record: str = "100"
) -> pd.DataFrame:
    """Predictions from (label, probabilities) pairs."""
    columns: dict[str, Any] = {
        "record": [record] * len(beats),
        "subject": [record] * len(beats),
        "sample": range(0, 300 * len(beats), 300),
        "label": [label for label, _ in beats],
    }
    for k, name in enumerate(classes):
        columns[f"p_{name}"] = np.array([p[k] for _, p in beats], dtype=np.float32)
    return pd.DataFrame(columns)


HAND = table(
    ("N", "S", "V"),
    [
        ("N", [0.8, 0.1, 0.1]),
        ("N", [0.7, 0.2, 0.1]),
        ("N", [0.6, 0.2, 0.2]),
        ("N", [0.3, 0.6, 0.1]),  # a false alarm
        ("S", [0.1, 0.8, 0.1]),
        ("S", [0.9, 0.1, 0.0]),  # missed at stage one
        ("S", [0.4, 0.3, 0.3]),  # a = 0.6, and yet N wins
        ("V", [0.1, 0.1, 0.8]),
        ("V", [0.0, 0.7, 0.3]),  # the wrong type
        ("V", [0.0, 0.0, 1.0]),
    ],
)


@pytest.mark.promise
def test_ten_beats_counted_by_hand() -> None:
    found = score(HAND, ("N", "S", "V"))
    assert found["confusion"] == [[3, 1, 0], [2, 1, 0], [0, 1, 2]]
    assert found["accuracy"] == 6 / 10
    assert found["abnormal_called_normal"] == 2 / 6
    s = found["per_class"]["S"]
    assert (s["support"], s["predicted"]) == (3, 3)
    assert (s["recall"], s["precision"], s["wrong_share"], s["called_normal"]) == (1 / 3, 1 / 3, 2 / 3, 2 / 3)
    v = found["per_class"]["V"]
    assert (v["recall"], v["precision"], v["wrong_share"], v["called_normal"]) == (2 / 3, 1, 0, 0)
    assert v["f1"] == 2 * 2 / (3 + 2)
    assert found["per_class"]["N"]["called_normal"] is None
    assert found["macro_recall"] == pytest.approx((3 / 4 + 1 / 3 + 2 / 3) / 3)
    # Each S beat (.8, .1, .3) against each of the seven others: a win counts 1, a tie a half.
    rest = [0.1, 0.2, 0.2, 0.6, 0.1, 0.7, 0.0]
    wins = sum((mine > other) + 0.5 * (mine == other) for mine in (0.8, 0.1, 0.3) for other in rest)
    assert wins == 7 + (1 + 2 * 0.5) + 5
    assert s["auroc"] == pytest.approx(wins / 21, abs=1e-6)


@pytest.mark.promise
def test_a_class_without_beats_has_no_scores_and_is_in_no_mean() -> None:
    beats = [("N", [0.9, 0.1, 0.0]), ("N", [0.2, 0.7, 0.1]), ("V", [0.1, 0.0, 0.9])]
    found = score(table(("N", "S", "V"), beats), ("N", "S", "V"))
    absent = found["per_class"]["S"]
    assert (absent.pop("support"), absent.pop("predicted")) == (0, 1)
    assert set(absent.values()) == {None}
    assert found["macro_recall"] == (1 / 2 + 1) / 2
    assert found["macro_f1"] == (2 / 3 + 1) / 2
    assert found["auroc"] == 1
    assert found["accuracy"] == 2 / 3


def test_a_class_that_is_never_predicted_has_no_precision_but_an_f1_of_zero() -> None:
    found = score(table(("N", "V"), [("N", [0.9, 0.1]), ("V", [0.8, 0.2])]), ("N", "V"))
    never = found["per_class"]["V"]
    assert never["precision"] is None and never["wrong_share"] is None
    assert never["recall"] == 0 and never["f1"] == 0 and never["called_normal"] == 1
    assert found["mcc"] is None, "all beats called N: nothing varies, so nothing correlates"
    assert found["kappa"] == 0


def test_one_class_alone_has_no_rest_to_be_ranked_against() -> None:
    found = score(table(("N", "V"), [("N", [0.9, 0.1])] * 3), ("N", "V"))
    assert found["accuracy"] == 1 and found["macro_f1"] == 1
    assert found["auroc"] is None and found["auprc"] is None
    assert found["kappa"] is None and found["mcc"] is None
    assert found["abnormal_called_normal"] is None


def test_without_a_normal_class_nothing_is_called_normal() -> None:
    found = score(table(("V", "S"), [("V", [0.9, 0.1]), ("S", [0.8, 0.2])]), ("V", "S"))
    assert found["abnormal_called_normal"] is None
    assert found["per_class"]["S"]["called_normal"] is None
    assert found["accuracy"] == 0.5


def test_a_tie_goes_to_the_first_class() -> None:
    found = score(table(("N", "V"), [("V", [0.5, 0.5]), ("N", [0.5, 0.5])]), ("N", "V"))
    assert found["confusion"] == [[1, 0], [1, 0]]


def test_a_probability_a_hair_above_one_is_a_probability() -> None:
    beats = [("N", [1 + 3e-7, 0.0]), ("V", [0.6, 0.4]), ("N", [0.3, 0.7]), ("V", [0.0, 1 + 3e-7])]
    assert score(table(("N", "V"), beats), ("N", "V"))["per_class"]["V"]["auroc"] == 3 / 4


@st.composite
def predictions(draw: st.DrawFn) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """A few beats with coarse probabilities: ties, absent and never predicted classes are frequent."""
    classes = CLASSES[: draw(st.integers(2, 5))]
    weights = st.lists(st.integers(0, 4), min_size=len(classes), max_size=len(classes)).filter(any)
    beats = draw(st.lists(st.tuples(st.sampled_from(classes), weights), min_size=1, max_size=40))
    return table(classes, [(label, [w / sum(ws) for w in ws]) for label, ws in beats]), classes


@pytest.mark.promise
@settings(max_examples=60, deadline=None)
@given(predictions())
def test_all_scores_equal_those_of_scikit_learn(drawn: tuple[pd.DataFrame, tuple[str, ...]]) -> None:
    beats, classes = drawn
    found = score(beats, classes)
    json.dumps(found, allow_nan=False)
    p = beats[[f"p_{name}" for name in classes]].to_numpy(dtype=float)
    truth = beats["label"].to_numpy(dtype=object)
    decided = np.array(classes, dtype=object)[p.argmax(axis=1)]
    present = [name for name in classes if name in set(truth)]

    assert found["confusion"] == sk.confusion_matrix(truth, decided, labels=classes).tolist()
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(truth, decided))
    macro = {"labels": present, "average": "macro", "zero_division": 0}
    assert found["macro_f1"] == pytest.approx(sk.f1_score(truth, decided, **macro))
    assert found["macro_recall"] == pytest.approx(sk.recall_score(truth, decided, **macro))
    if found["mcc"] is not None:
        assert found["mcc"] == pytest.approx(sk.matthews_corrcoef(truth, decided))
    else:
        assert len(present) == 1 or len(set(decided)) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns where kappa does not exist
        kappa = sk.cohen_kappa_score(truth, decided, labels=classes)
    assert found["kappa"] == (None if np.isnan(kappa) else pytest.approx(kappa))

    for k, name in enumerate(classes):
        one, of_class = found["per_class"][name], truth == name
        assert one["support"] == of_class.sum() and one["predicted"] == (decided == name).sum()
        if name not in present:
            assert {v for key, v in one.items() if key not in ("support", "predicted")} == {None}
            continue
        assert one["recall"] == pytest.approx(sk.recall_score(of_class, decided == name))
        assert one["f1"] == pytest.approx(sk.f1_score(of_class, decided == name, zero_division=0))
        if name in set(decided):
            assert one["precision"] == pytest.approx(sk.precision_score(of_class, decided == name))
            assert one["wrong_share"] == pytest.approx(1 - one["precision"])
        else:
            assert one["precision"] is None and one["wrong_share"] is None
        if len(present) > 1:
            assert one["auroc"] == pytest.approx(sk.roc_auc_score(of_class, p[:, k]), abs=1e-6)
            assert one["auprc"] == pytest.approx(sk.average_precision_score(of_class, p[:, k]), abs=1e-6)
    abnormal = truth != "N"
    if abnormal.any():
        assert found["abnormal_called_normal"] == pytest.approx((decided[abnormal] == "N").mean())


def test_mcc_of_a_network_that_hardly_ever_leaves_normal_is_exact() -> None:
    label = np.repeat(CLASSES, (90_589, 2_779, 7_236, 803, 8_039))
    p = np.zeros((len(label), 5))
    p[:, 0], p[:, 4] = 0.8, 0.2
    p[-1:] = (0.2, 0, 0, 0, 0.8)  # one beat in 109,446 is called Q
    beats = pd.DataFrame(p, columns=[f"p_{name}" for name in CLASSES])
    beats = beats.assign(record="100", subject="100", sample=range(len(label)), label=label)
    expected = sk.matthews_corrcoef(label, np.where(p[:, 4] > 0.5, "Q", "N"))
    assert score(beats, CLASSES)["mcc"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.promise
def test_the_error_budget_of_ten_beats_counted_by_hand() -> None:
    budget = error_budget(HAND, ("N", "S", "V"))
    assert budget["abnormal"]["beats"] == 6
    assert budget["abnormal"]["counts"] == {"missed": 1, "lost": 1, "mistyped": 1, "right": 3}
    assert budget["per_class"]["S"]["counts"] == {"missed": 1, "lost": 1, "mistyped": 0, "right": 1}
    assert budget["per_class"]["V"]["shares"] == {"missed": 0, "lost": 0, "mistyped": 1 / 3, "right": 2 / 3}
    assert budget["normal"]["counts"] == {"false_alarms": 1, "spared": 0, "right": 3}
    json.dumps(budget, allow_nan=False)


@settings(max_examples=50, deadline=None)
@given(predictions())
def test_the_error_budget_accounts_for_every_beat(drawn: tuple[pd.DataFrame, tuple[str, ...]]) -> None:
    beats, classes = drawn
    budget, found = error_budget(beats, classes), score(beats, classes)
    confusion = np.array(found["confusion"])
    for part in (budget["abnormal"], budget["normal"], *budget["per_class"].values()):
        assert sum(part["counts"].values()) == part["beats"]
        if part["beats"] == 0:
            assert set(part["shares"].values()) == {None}
    abnormal = budget["abnormal"]["counts"]
    assert abnormal["missed"] + abnormal["lost"] == confusion[1:, 0].sum()
    assert abnormal["right"] == np.trace(confusion[1:, 1:])
    assert budget["normal"]["counts"]["false_alarms"] == confusion[0, 1:].sum()
    for cause, count in abnormal.items():
        assert count == sum(one["counts"][cause] for one in budget["per_class"].values())


def test_the_error_budget_needs_a_normal_class() -> None:
    with pytest.raises(EcgError, match="needs the class N"):
        error_budget(table(("S", "V"), [("S", [0.5, 0.5])]), ("S", "V"))


def test_records_come_with_the_most_wrong_beats_first() -> None:
    good = table(("N", "V"), [("N", [0.9, 0.1]), ("V", [0.1, 0.9])], record="100")
    bad = table(("N", "V"), [("N", [0.1, 0.9]), ("V", [0.9, 0.1]), ("V", [0.1, 0.9])], record="232")
    records = by_record(pd.concat([good, bad]), ("N", "V"))
    assert list(records["record"]) == ["232", "100"]
    assert list(records["beats"]) == [3, 2] and list(records["wrong"]) == [2, 0]
    assert list(records["accuracy"]) == pytest.approx([1 / 3, 1])
    assert list(records["abnormal"]) == [2, 1] and list(records["called_normal"]) == [1, 0]
    assert list(records["false_alarms"]) == [1, 0]


@settings(max_examples=50, deadline=None)
@given(predictions())
def test_thresholds_keep_their_promise_on_the_part_that_set_them(
    drawn: tuple[pd.DataFrame, tuple[str, ...]],
) -> None:
    beats, classes = drawn
    points = trade_off(beats, beats, classes)
    assert bool(points) == bool((beats["label"] != "N").any())
    for point in points:
        assert point["missed"] is not None and point["aim"] is not None
        assert point["missed"] <= point["aim"]
    alarms = [point["false_alarms"] for point in points if point["false_alarms"] is not None]
    assert alarms == sorted(alarms), "fewer missed beats never cost fewer false alarms"


def test_a_threshold_of_the_validation_part_is_counted_on_the_test_part() -> None:
    chosen = table(("N", "V"), [("V", [0.5, 0.5])] * 3)
    shown = table(("N", "V"), [("N", [0.4, 0.6]), ("N", [0.9, 0.1]), ("V", [0.7, 0.3]), ("V", [0.2, 0.8])])
    point = trade_off(chosen, shown, ("N", "V"))[0]
    assert point["threshold"] == 0.5
    assert (point["missed"], point["false_alarms"], point["right_alarms"]) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.drop(columns="p_V"), "no column p_V"),
        (lambda d: d.assign(label=["N"] * 9 + ["X"]), r"row 9 \(record 100, sample 2700\): label 'X'"),
        (lambda d: d.assign(p_N=[*d["p_N"][:9], np.nan]), r"row 9 \(record 100, sample 2700\): p_N=nan"),
        (lambda d: d.assign(p_N=d["p_N"] * 3), "row 0 .*sum to 1"),
        (lambda d: d.assign(p_N="much"), "expected numbers"),
        (lambda d: d.iloc[:0], "no beats"),
    ],
)
def test_damaged_predictions_are_refused_in_one_line_that_names_the_row(change: Any, said: str) -> None:
    with pytest.raises(EcgError, match=said) as refused:
        score(change(HAND), ("N", "S", "V"))
    assert "\n" not in str(refused.value)
