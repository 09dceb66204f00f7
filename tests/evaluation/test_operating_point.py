"""Operating points: beats counted by hand, the promise of each threshold, and other implementations."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from ecgcli.choices import Choice
from ecgcli.choices.calibration import CalibrationChoice
from ecgcli.choices.operating_point import Argmax, CostPoint, PointChoice, PrecisionPoint, SensitivityPoint
from ecgcli.errors import EcgError
from ecgcli.evaluation.metrics import error_budget, score
from ecgcli.evaluation.operating_point import (
    OperatingPoint,
    Threshold,
    check_operating_point,
    decide,
    fit_operating_point,
)
from ecgcli.evaluation.predictions import by_record, decisions
from ecgcli.evaluation.trade_off import missed_at_matched, point_costs, trade_off_curve
from ecgcli.parsing import parse, plain

CLASSES = ("N", "S", "V")
Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


def sensitivity(of: Any, target: Any) -> SensitivityPoint:
    return SensitivityPoint(name="sensitivity", of=of, target=target)


def precision(of: Any, target: Any) -> PrecisionPoint:
    return PrecisionPoint(name="precision", of=of, target=target)


def cost(miss: Any, of: Any = "abnormal", mistype: float = 1.0) -> CostPoint:
    return CostPoint(name="cost", of=of, miss=miss, mistype=mistype)


def table(probability: Floats, truth: Codes, point: OperatingPoint | None = None) -> pd.DataFrame:
    """Predictions of one record, decided at a point."""
    columns: dict[str, Any] = {"record": "100", "subject": "100", "sample": np.arange(len(truth))}
    columns["label"] = np.array(CLASSES)[truth]
    columns |= {f"p_{name}": probability[:, k] for k, name in enumerate(CLASSES)}
    if point is not None:
        columns["predicted"] = np.array(CLASSES)[decide(probability, point, CLASSES)]
    return pd.DataFrame(columns)


@st.composite
def beats(draw: st.DrawFn, largest: int = 40) -> tuple[Floats, Codes]:
    """Probabilities with many ties, and true classes that have more or less to do with them."""
    n, seed = draw(st.integers(1, largest)), draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    raw = rng.integers(0, 6, (n, 3)) + draw(st.integers(0, 4)) * np.eye(3)[truth] + 1e-9
    return raw / raw.sum(axis=1, keepdims=True), truth


# Ten beats: 1 − p(N) falls from row to row.
HAND = np.array(
    [
        [0.05, 0.05, 0.90],  # V
        [0.10, 0.80, 0.10],  # S
        [0.20, 0.20, 0.60],  # V
        [0.30, 0.60, 0.10],  # N, a false alarm of argmax
        [0.45, 0.40, 0.15],  # S, missed by argmax
        [0.55, 0.25, 0.20],  # N
        [0.65, 0.05, 0.30],  # V, missed by argmax
        [0.75, 0.15, 0.10],  # N
        [0.85, 0.10, 0.05],  # N
        [0.95, 0.02, 0.03],  # N
    ]
)
TRUE = np.array([2, 1, 2, 0, 1, 0, 2, 0, 0, 0])


@pytest.mark.promise
def test_ten_beats_at_a_sensitivity_counted_by_hand() -> None:
    # of five abnormal beats, four are in the first five rows, all in the first seven
    point = fit_operating_point(sensitivity("abnormal", 0.8), HAND, TRUE, CLASSES)
    assert point.thresholds[0].threshold == 1 - 0.45
    assert decide(HAND, point, CLASSES).tolist() == [2, 1, 2, 1, 1, 0, 0, 0, 0, 0]
    assert (point.thresholds[0].sensitivity, point.thresholds[0].precision) == (4 / 5, 4 / 5)
    assert (point.missed, point.false_alarms) == (1 / 5, 1000 * 1 / 10)
    assert point.sentence() == (
        "abnormal: sensitivity of 80% was asked for (reached); flagged where 1 − p(N) is at least 0.55, "
        "which finds 80% of 5 beats, and 80% of what it finds are right. On validation (10 beats): 20% of "
        "the abnormal beats are called normal, with 100 false alarms per 1,000 beats."
    )
    all_of_them = fit_operating_point(sensitivity("abnormal", 0.81), HAND, TRUE, CLASSES)
    assert all_of_them.thresholds[0].threshold == 1 - 0.65
    assert all_of_them.missed == 0 and all_of_them.false_alarms == 200
    # of its three beats V has two at 0.6 and above; S, at its own threshold of 0.4, takes none of them
    two = fit_operating_point(sensitivity(["V", "S"], [0.6, 0.9]), HAND, TRUE, CLASSES)
    assert [one.threshold for one in two.thresholds] == [0.6, 0.4]
    assert decide(HAND, two, CLASSES).tolist() == [2, 1, 2, 1, 1, 0, 0, 0, 0, 0]
    assert [one.reached for one in two.thresholds] == [True, True]


@pytest.mark.promise
def test_ten_beats_at_a_precision_counted_by_hand() -> None:
    # the first 3 rows are all abnormal; 4 of the first 5, 5 of the first 7
    for target, threshold, found in ((0.99, 0.8, 3 / 5), (0.8, 0.55, 4 / 5), (0.7, 0.35, 1)):
        point = fit_operating_point(precision("abnormal", target), HAND, TRUE, CLASSES)
        assert point.thresholds[0].threshold == pytest.approx(threshold)
        assert point.thresholds[0].sensitivity == found
        assert point.thresholds[0].reached
    # S stands at 0.8 S, 0.6 N, 0.4 S, 0.25 N: one of one, two of three
    one = fit_operating_point(precision("S", 0.7), HAND, TRUE, CLASSES)
    assert (one.thresholds[0].threshold, one.thresholds[0].sensitivity) == (0.8, 0.5)
    assert decide(HAND, one, CLASSES).tolist() == [2, 1, 2, 0, 0, 0, 0, 0, 0, 0]


def test_a_precision_out_of_reach_falls_back_to_the_highest_and_says_so() -> None:
    wrong = np.where(TRUE == 0, 2, 0)  # what is most surely abnormal is N
    point = fit_operating_point(precision("abnormal", 0.9), HAND, wrong, CLASSES)
    one = point.thresholds[0]
    assert not one.reached and one.precision == 0.5 and one.threshold == pytest.approx(0.05)
    assert "(not reached: this is the closest)" in point.sentence()


@pytest.mark.promise
@pytest.mark.parametrize("choice", [sensitivity("V", 0.9), precision("V", 0.9)])
def test_a_class_without_beats_gets_no_threshold(choice: PointChoice) -> None:
    probability, truth = HAND[TRUE != 2], TRUE[TRUE != 2]
    point = fit_operating_point(choice, probability, truth, CLASSES)
    one = point.thresholds[0]
    assert (one.threshold, one.reached, one.beats, one.sensitivity) == (None, False, 0, None)
    assert "no beats of this class in validation (7 beats)" in point.sentence()
    assert decide(HAND, point, CLASSES).tolist() == HAND.argmax(axis=1).tolist()


@pytest.mark.parametrize("choice", [Argmax(name="argmax"), sensitivity("abnormal", 0.9), cost(10)])
def test_without_validation_beats_nothing_is_claimed(choice: PointChoice) -> None:
    point = fit_operating_point(choice, np.zeros((0, 3)), np.zeros(0, np.int64), CLASSES)
    assert point.missed is None and point.false_alarms is None and point.cost is None
    assert len(decide(HAND, point, CLASSES)) == 10
    assert "None" not in point.sentence()
    assert parse(OperatingPoint, json.loads(json.dumps(plain(point)))) == point


@pytest.mark.promise
@settings(deadline=None, max_examples=60)
@given(beats(), st.floats(0.01, 0.99), st.sampled_from(["abnormal", "S", "V"]))
def test_a_sensitivity_is_reached_at_the_highest_threshold_there_is(
    data: tuple[Floats, Codes], target: float, of: str
) -> None:
    probability, truth = data
    one = fit_operating_point(sensitivity(of, target), probability, truth, CLASSES).thresholds[0]
    k = 0 if of == "abnormal" else CLASSES.index(of)
    scores = 1 - probability[:, 0] if of == "abnormal" else probability[:, k]
    wanted = truth != 0 if of == "abnormal" else truth == k
    reaching = [t for t in np.unique(scores) if wanted.any() and (scores[wanted] >= t).mean() >= target]
    assert one.threshold == (max(reaching) if reaching else None)
    assert one.reached == wanted.any()
    assert one.sensitivity == ((scores[wanted] >= one.threshold).mean() if wanted.any() else None)


@pytest.mark.promise
@settings(deadline=None, max_examples=60)
@given(beats(), st.floats(0.01, 0.99), st.sampled_from(["abnormal", "S", "V"]))
def test_a_precision_is_reached_at_the_lowest_threshold_there_is(
    data: tuple[Floats, Codes], target: float, of: str
) -> None:
    probability, truth = data
    one = fit_operating_point(precision(of, target), probability, truth, CLASSES).thresholds[0]
    k = 0 if of == "abnormal" else CLASSES.index(of)
    scores = 1 - probability[:, 0] if of == "abnormal" else probability[:, k]
    wanted = truth != 0 if of == "abnormal" else truth == k
    if not wanted.any():
        assert one.threshold is None and not one.reached
        return
    shares = {t: wanted[scores >= t].mean() for t in np.unique(scores)}
    reaching = [t for t, share in shares.items() if share >= target]
    best = [t for t, share in shares.items() if share == max(shares.values())]
    assert one.threshold == min(reaching or best)
    assert one.reached == bool(reaching)
    assert one.precision == shares[one.threshold]


@settings(deadline=None, max_examples=40)
@given(beats(), st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_more_sensitivity_never_misses_more_and_more_precision_never_flags_more(
    data: tuple[Floats, Codes], one: float, two: float
) -> None:
    probability, truth = data
    low, high = sorted((one, two))
    points = [
        fit_operating_point(sensitivity("abnormal", t), probability, truth, CLASSES) for t in (low, high)
    ]
    flagged = [decide(probability, point, CLASSES) != 0 for point in points]
    assert (flagged[0] <= flagged[1]).all()
    points = [fit_operating_point(precision("abnormal", t), probability, truth, CLASSES) for t in (low, high)]
    if points[1].thresholds[0].reached:
        flagged = [decide(probability, point, CLASSES) != 0 for point in points]
        assert (flagged[0] >= flagged[1]).all()


@settings(deadline=None, max_examples=60)
@given(beats(), st.lists(st.floats(0, 1), min_size=2, max_size=2), st.booleans())
def test_every_decision_follows_the_rule_beat_by_beat(
    data: tuple[Floats, Codes], least: list[float], single: bool
) -> None:
    probability, _ = data
    names = ["S"] if single else ["S", "V"]
    thresholds = tuple(
        Threshold(of=name, target=0.5, threshold=t, beats=1) for name, t in zip(names, least, strict=False)
    )
    decided = decide(probability, OperatingPoint(name="sensitivity", thresholds=thresholds), CLASSES)
    for p, k in zip(probability, decided, strict=True):
        limits = {CLASSES.index(name): max(t, 1e-300) for name, t in zip(names, least, strict=False)}
        flags = [c for c, t in limits.items() if p[c] >= t]
        rest = [c for c in range(3) if c not in limits]
        assert k in (flags or rest)
        if flags:
            assert p[k] / limits[k] >= max(p[c] / limits[c] for c in flags) * (1 - 1e-12)
        else:
            assert p[k] == max(p[c] for c in rest)
    abnormal = Threshold(of="abnormal", target=0.5, threshold=least[0], beats=1)
    decided = decide(probability, OperatingPoint(name="precision", thresholds=(abnormal,)), CLASSES)
    np.testing.assert_array_equal(decided != 0, 1 - probability[:, 0] >= least[0])
    np.testing.assert_array_equal(decided[decided != 0], 1 + probability[decided != 0, 1:].argmax(axis=1))


@pytest.mark.promise
def test_the_least_expected_cost_counted_by_hand() -> None:
    # called N, this beat costs 0.1·8 + 0.05·2 = 0.9; called S, 0.85 + 0.05·0.5; called V, 0.85 + 0.1·0.5
    probability, truth = np.array([[0.85, 0.10, 0.05]]), np.array([0])
    point = fit_operating_point(cost([8, 2], ["S", "V"], 0.5), probability, truth, CLASSES)
    assert point.miss == {"S": 8, "V": 2}
    assert decide(probability, point, CLASSES).tolist() == [1]
    cheap = fit_operating_point(cost(7, ["S"], 0.5), probability, truth, CLASSES)
    assert cheap.miss == {"S": 7, "V": 1}  # 0.75 called N
    assert decide(probability, cheap, CLASSES).tolist() == [0]
    # on the ten beats, a miss is dear: rows 5 and 7 are found, rows 4, 6, 8 and 9 are false alarms
    dear = fit_operating_point(cost(10), HAND, TRUE, CLASSES)
    assert (decide(HAND, dear, CLASSES) != 0).tolist() == [True] * 9 + [False]
    assert (dear.cost, dear.cost_of_argmax) == (1000 * 4 / 10, 1000 * (1 + 2 * 10) / 10)
    assert "a missed beat of class S 10, V 10" in dear.sentence()


@given(beats())
def test_equal_costs_are_the_most_probable_class(data: tuple[Floats, Codes]) -> None:
    probability, truth = data
    point = fit_operating_point(cost(1), probability, truth, CLASSES)
    decided = decide(probability, point, CLASSES)
    assert probability[np.arange(len(truth)), decided] == pytest.approx(probability.max(axis=1), abs=1e-12)


@settings(deadline=None)
@given(beats(), st.floats(0.1, 50), st.floats(0, 5))
def test_no_decision_costs_less_than_the_one_taken(
    data: tuple[Floats, Codes], miss: float, mistype: float
) -> None:
    probability, truth = data
    point = fit_operating_point(cost(miss, mistype=mistype), probability, truth, CLASSES)
    paid = np.array([[0, 1, 1], [miss, 0, mistype], [miss, mistype, 0]])
    expected = probability @ paid
    taken = expected[np.arange(len(truth)), decide(probability, point, CLASSES)]
    assert taken == pytest.approx(expected.min(axis=1), abs=1e-9)


def test_a_point_is_plain_data_and_decides_the_same_when_read_back() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 500)
    raw = rng.random((500, 3)) + np.eye(3)[truth]
    probability = raw / raw.sum(axis=1, keepdims=True)
    for choice in (sensitivity(["S", "V"], 0.9), precision("abnormal", 0.8), cost([3, 9], ["S", "V"])):
        point = fit_operating_point(choice, probability, truth, CLASSES, part="out-of-fold")
        again = parse(OperatingPoint, json.loads(json.dumps(plain(point))))
        assert again == point and "out-of-fold (500 beats)" in again.sentence()
        np.testing.assert_array_equal(
            decide(probability, again, CLASSES), decide(probability, point, CLASSES)
        )
        with pytest.raises(EcgError, match="the operating point is for classes"):
            decide(probability[:, :2], point, ("0", "1"))
    np.testing.assert_array_equal(decide(probability, OperatingPoint(), CLASSES), probability.argmax(axis=1))


@pytest.mark.parametrize(
    ("choice", "classes", "message"),
    [
        (
            sensitivity("F", 0.9),
            CLASSES,
            "operating_point.of=F: no such class; expected abnormal, or some of",
        ),
        (sensitivity("abnormal", 0.9), ("0", "1"), "needs the class N"),
        (cost(10, ["1"]), ("0", "1"), "operating_point=cost of abnormal beats needs the class N"),
        (precision([0, 1], 0.9), ("0", "1"), "names every class"),
    ],
)
def test_a_point_that_the_model_cannot_have_is_refused(
    choice: PointChoice, classes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(EcgError, match=message) as error:
        check_operating_point(choice, classes)
    assert "\n" not in str(error.value)


class _Asked(Choice):
    calibration: CalibrationChoice
    operating_point: PointChoice


def _asked(calibration: dict[str, Any], point: dict[str, Any]) -> _Asked:
    return parse(_Asked, {"calibration": calibration, "operating_point": point})


def test_what_is_asked_for_may_be_one_or_a_list() -> None:
    one = _asked({"name": "bias", "from": "outputs/a"}, {"name": "precision", "of": "V", "target": 0.9})
    assert one.operating_point == precision(["V"], [0.9])
    assert parse(_Asked, json.loads(json.dumps(plain(one)))) == one
    assert plain(one)["calibration"] == {"name": "bias", "from": "outputs/a"}
    numbered = _asked({"name": "none"}, {"name": "sensitivity", "of": [1, 2], "target": 0.9})
    assert numbered.operating_point == sensitivity(("1", "2"), 0.9)


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({"of": ["S", "V"], "target": [0.9, 0.8, 0.7]}, "target has 3 entries, operating_point.of has 2"),
        ({"of": ["S", "S"], "target": 0.9}, "operating_point.of=S,S names a class twice"),
        ({"of": ["N"], "target": 0.9}, "operating_point.of holds N"),
        ({"of": ["abnormal", "V"], "target": 0.9}, r"expected abnormal \(every class but N\) alone"),
        ({"of": "V", "target": 99}, "target.0=99: expected less than 1"),
        ({"of": "V", "target": []}, "target"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_in_one_line(point: dict[str, Any], message: str) -> None:
    with pytest.raises(EcgError, match=message):
        _asked({"name": "none"}, {"name": "sensitivity", **point})
    with pytest.raises(EcgError, match=r"miss has 2 entries, operating_point.of has 1"):
        _asked({"name": "none"}, {"name": "cost", "of": "V", "miss": [1, 2], "mistype": 1})
    with pytest.raises(EcgError, match=r"from=3: expected text"):
        _asked({"name": "temperature", "from": 3}, {"name": "argmax"})


@pytest.mark.promise
def test_scores_count_the_decisions_that_were_taken() -> None:
    point = fit_operating_point(sensitivity("abnormal", 0.99), HAND, TRUE, CLASSES)
    plainly, decided = table(HAND, TRUE), table(HAND, TRUE, point)
    assert decisions(plainly, CLASSES).tolist() == HAND.argmax(axis=1).tolist()
    assert decisions(decided, CLASSES).tolist() == [2, 1, 2, 1, 1, 1, 2, 0, 0, 0]
    assert score(plainly, CLASSES)["abnormal_called_normal"] == 2 / 5
    found = score(decided, CLASSES)
    assert found["confusion"] == [[3, 2, 0], [0, 2, 0], [0, 0, 3]]
    assert found["abnormal_called_normal"] == 0
    assert found["auroc"] == score(plainly, CLASSES)["auroc"]
    budget = error_budget(decided, CLASSES)
    assert budget["abnormal"]["counts"] == {"missed": 0, "lost": 0, "mistyped": 0, "right": 5}
    assert budget["normal"]["counts"]["false_alarms"] == 2
    assert by_record(decided, CLASSES)[["wrong", "called_normal", "false_alarms"]].to_numpy().tolist() == [
        [2, 0, 2]
    ]
    with pytest.raises(EcgError, match=r"row 0 \(record 100, sample 0\): predicted 'X'; expected one of N"):
        decisions(decided.assign(predicted="X"), CLASSES)


@pytest.mark.promise
def test_the_costs_of_ten_beats_counted_by_hand() -> None:
    point = fit_operating_point(sensitivity("abnormal", 0.8), HAND, TRUE, CLASSES)
    costs = point_costs(table(HAND, TRUE, point), CLASSES, hours=0.5)
    assert (costs["beats"], costs["abnormal"], costs["normal"]) == (10, 5, 5)
    assert (costs["missed"], costs["missed_share"], costs["false_alarms"]) == (1, 1 / 5, 1)
    assert costs["false_alarms_per_hour"] == 2
    assert (costs["false_alarms_per_1000"], costs["false_alarms_per_1000_normal"]) == (100, 200)
    assert costs["per_class"]["S"] == {"beats": 2, "sensitivity": 1, "precision": 2 / 3}
    assert costs["per_class"]["V"] == {"beats": 3, "sensitivity": 2 / 3, "precision": 1}
    assert point_costs(table(HAND, TRUE), CLASSES, None)["false_alarms_per_hour"] is None
    without = point_costs(table(HAND[TRUE == 0], TRUE[TRUE == 0]), CLASSES, None)
    assert without["missed_share"] is None
    assert without["per_class"]["S"] == {"beats": 0, "sensitivity": None, "precision": None}
    json.dumps([costs, without])
    unnamed = table(HAND, TRUE).rename(columns={"p_N": "p_A"}).replace({"label": {"N": "A"}})
    assert point_costs(unnamed, ("A", "S", "V"), 1.0)["false_alarms_per_hour"] is None


@settings(deadline=None, max_examples=40)
@given(beats())
def test_the_curve_is_what_its_thresholds_give(data: tuple[Floats, Codes]) -> None:
    probability, truth = data
    curve = trade_off_curve(probability, truth, CLASSES)
    abnormal = truth != 0
    if not abnormal.any() or abnormal.all():
        assert [len(values) for values in curve.values()] == [0, 0, 0]
        return
    for threshold, missed, alarms in zip(*curve.values(), strict=True):
        flagged = 1 - probability[:, 0] >= threshold
        assert missed == pytest.approx((~flagged)[abnormal].mean(), abs=1e-12)
        assert alarms == pytest.approx(1000 * flagged[~abnormal].mean(), abs=1e-9)
    assert (curve["missed"][0], curve["missed"][-1]) == (1, 0)
    auroc = sk.roc_auc_score(abnormal, 1 - probability[:, 0])
    assert np.trapezoid(1 - curve["missed"], curve["false_alarms_per_1000_normal"] / 1000) == pytest.approx(
        auroc
    )


def test_a_long_curve_is_thinned_where_nothing_happens() -> None:
    rng = np.random.default_rng(0)
    truth = np.where(rng.random(50_000) < 0.1, 2, 0)
    p = 1 / (1 + np.exp(-rng.normal(size=50_000) + 2 - 4 * (truth > 0)))
    probability = np.stack([1 - p, p / 2, p / 2], axis=1)
    curve = trade_off_curve(probability, truth, CLASSES)
    missed, alarms = curve["missed"], curve["false_alarms_per_1000_normal"]
    assert 100 < len(missed) <= 400
    assert (missed[0], alarms[0], missed[-1], alarms[-1]) == (1, 0, 0, 1000)
    auroc = sk.roc_auc_score(truth > 0, p)
    assert np.trapezoid(1 - missed, alarms / 1000) == pytest.approx(auroc, abs=1e-3)
    assert ((alarms > 0) & (alarms < 10)).sum() > 20  # where a threshold would be chosen


@pytest.mark.promise
def test_two_models_at_matched_sensitivity_counted_by_hand() -> None:
    # argmax finds 3 of 5 abnormal beats; the other model orders the beats better: its first 3 are abnormal
    other = HAND[[0, 1, 2, 6, 3, 5, 4, 7, 8, 9]]
    mine, theirs = table(HAND, TRUE), table(other, TRUE)
    found = missed_at_matched((mine, mine), (theirs, theirs), CLASSES)
    assert found is not None
    assert found["aim"] == 3 / 5
    assert found["reference"]["false_alarms"] == 1 and found["reference"]["missed"] == 2
    # its abnormal beats have 1 − p(N) of 0.95, 0.9, 0.8, 0.7 and 0.55
    assert found["threshold"] == pytest.approx(0.8)
    assert found["other"]["false_alarms"] == 0 and found["other"]["missed"] == 2
    assert found["other"]["false_alarms_per_1000_normal"] == 0
    # chosen on validation, counted on what is shown: there the same threshold finds less
    shown = np.where([[True], *[[False]] * 9], [[0.9, 0.05, 0.05]], other)
    moved = missed_at_matched((mine, mine), (theirs, table(shown, TRUE)), CLASSES)
    assert moved is not None
    assert moved["threshold"] == found["threshold"] and moved["other"]["missed"] == 3
    json.dumps(moved)


def test_models_of_other_beats_are_not_compared() -> None:
    mine = table(HAND, TRUE)
    with pytest.raises(EcgError, match="the shown predictions of the two models are of different beats"):
        missed_at_matched((mine, mine), (mine, mine.iloc[:9]), CLASSES)
    with pytest.raises(EcgError, match="the validation predictions of the two models are of different beats"):
        missed_at_matched((mine, mine), (mine.assign(record="101"), mine), CLASSES)
    healthy = table(HAND[TRUE == 0], TRUE[TRUE == 0])
    assert missed_at_matched((healthy, mine), (healthy, mine), CLASSES) is None
    blind = table(HAND * 0 + [1, 0, 0], TRUE)
    nothing = missed_at_matched((blind, blind), (mine, mine), CLASSES)
    assert nothing is not None and nothing["threshold"] is None and nothing["other"]["missed"] == 5
