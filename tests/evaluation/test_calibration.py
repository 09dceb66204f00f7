"""Calibration, against distortions that are known, another optimiser and other implementations."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as sk

from ecgcli.errors import EcgError
from ecgcli.evaluation.calibration import (
    Calibration,
    calibrate,
    calibration_scores,
    fit_calibration,
    reliability_bins,
)
from ecgcli.parsing import parse, plain

CLASSES = ("N", "S", "V", "F")
Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


def softmax(logits: Floats) -> Floats:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def believable(beats: int, seed: int = 0) -> tuple[Floats, Codes]:
    """Probabilities that are right about how sure they are: the classes are drawn from them. N leads."""
    rng = np.random.default_rng(seed)
    probability = softmax(rng.normal(size=(beats, 4)) * 2 + [3, 0, 1, -1])
    return probability, (probability.cumsum(axis=1) < rng.random((beats, 1))).sum(axis=1).clip(0, 3)


def distorted(probability: Floats, temperature: float, bias: Floats | None = None) -> Floats:
    """What a calibration of this temperature and these biases puts right."""
    wrong = np.log(probability) - (0 if bias is None else bias)
    return softmax(wrong * temperature)


probability_rows = arrays(
    np.float64, st.tuples(st.integers(1, 12), st.integers(2, 6)), elements=st.floats(0, 1)
).map(lambda raw: (raw + 1e-300) / (raw + 1e-300).sum(axis=1, keepdims=True))


@pytest.mark.promise
@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_a_known_temperature_is_found_and_the_error_of_the_probabilities_falls(temperature: float) -> None:
    probability, truth = believable(20_000)
    given = distorted(probability, temperature)
    found = fit_calibration(given, truth, CLASSES, "temperature")
    assert found.temperature == pytest.approx(temperature, rel=0.04)
    mended = calibrate(given, found)
    np.testing.assert_array_equal(mended.argmax(axis=1), given.argmax(axis=1))
    before, after = calibration_scores(given, truth, 0), calibration_scores(mended, truth, 0)
    assert after["nll"] <= before["nll"]
    assert after["ece"] < 0.01
    if temperature != 1:
        assert before["ece"] > 3 * after["ece"] and before["brier"] > after["brier"]
        assert before["abnormal_ece"] > 3 * after["abnormal_ece"]


@pytest.mark.promise
def test_known_biases_are_found_relative_to_the_largest_class() -> None:
    probability, truth = believable(40_000)
    bias = np.array([0.0, 1.2, -0.7, 0.5])
    given = distorted(probability, 1.6, bias)
    found = fit_calibration(given, truth, CLASSES, "bias")
    assert found.temperature == pytest.approx(1.6, rel=0.04)
    assert found.bias == pytest.approx(bias, abs=0.12)
    assert found.bias[0] == 0
    assert found.fitted_on == "validation, 40,000 beats"
    alone = fit_calibration(given, truth, CLASSES, "temperature")
    after, with_bias = (calibration_scores(calibrate(given, one), truth) for one in (alone, found))
    assert with_bias["nll"] < after["nll"] and with_bias["ece"] < after["ece"]


@pytest.mark.parametrize("method", ["temperature", "bias"])
def test_the_optimum_is_the_one_that_torch_finds(method: str) -> None:
    import torch

    probability, truth = believable(3_000, seed=4)
    given = distorted(probability, 1.8, np.array([0, 2.0, 0.3, -1]))
    cold, biases = torch.ones(1, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    parameters = [cold, biases][: 2 if method == "bias" else 1]
    for parameter in parameters:
        parameter.requires_grad_()
    optimiser = torch.optim.LBFGS(
        parameters, max_iter=500, tolerance_grad=1e-12, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        logits = cold * torch.tensor(given).log() + torch.cat([torch.zeros(1, dtype=torch.float64), biases])
        prior = 0.1 / 2 / len(truth) * ((cold - 1) ** 2 + (biases**2).sum())
        value = torch.nn.functional.cross_entropy(logits, torch.tensor(truth)) + prior.sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)
    found = fit_calibration(given, truth, CLASSES, method)  # type: ignore[arg-type]
    assert 1 / found.temperature == pytest.approx(cold.item(), abs=1e-5)
    assert list(found.bias[1:] or np.zeros(3)) == pytest.approx(biases.tolist(), abs=1e-4)
    assert found == fit_calibration(given, truth, CLASSES, method)  # type: ignore[arg-type]


@given(probability_rows)
def test_no_calibration_gives_the_probabilities_back(probability: Floats) -> None:
    np.testing.assert_array_equal(calibrate(probability, Calibration()), probability)
    almost = calibrate(probability, Calibration(bias=(1e-300,) * probability.shape[1]))
    np.testing.assert_allclose(almost, probability, atol=1e-12)


@pytest.mark.promise
@settings(max_examples=300)
@given(probability_rows, st.floats(0.05, 20), st.data())
def test_a_temperature_never_changes_what_is_most_probable(
    probability: Floats, temperature: float, data: st.DataObject
) -> None:
    columns = st.integers(0, probability.shape[1] - 1)
    first, second = data.draw(columns), data.draw(columns)
    most = probability.max(axis=1)
    probability[:, first] = most  # ties, and what is ahead by the last bit
    probability[:, second] = np.nextafter(most, data.draw(st.sampled_from([0, 1])))
    mended = calibrate(probability, Calibration(method="temperature", temperature=temperature))
    np.testing.assert_array_equal(mended.argmax(axis=1), probability.argmax(axis=1))


def test_a_temperature_keeps_what_is_ahead_by_one_bit() -> None:
    ahead = np.array([[np.nextafter(0.5, 0), 0.5, 0.0]])
    mended = calibrate(ahead, Calibration(method="temperature", temperature=20.0))
    assert mended.argmax() == 1


def test_probabilities_of_nought_and_one_stay_numbers() -> None:
    for temperature in (0.05, 20.0):
        one = Calibration(method="bias", temperature=temperature, bias=(0.0, 1.0, -1.0))
        mended = calibrate(np.array([[1.0, 0, 0], [0, 0, 1]]), one)
        assert np.isfinite(mended).all() and mended.sum(axis=1) == pytest.approx(1)
        assert mended.argmax(axis=1).tolist() == [0, 2]


@pytest.mark.promise
@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([], "0 beats, 0 of them not N"),
        ([0] * 6 + [2] * 6, "12 beats, 6 of them not N"),
        ([0] * 500, "500 beats, 0 of them not N"),
        ([2] * 500 + [0] * 9, "509 beats, 9 of them not V"),
    ],
)
def test_a_part_too_small_to_calibrate_on_says_so(labels: list[int], reason: str) -> None:
    truth = np.array(labels, dtype=np.int64)
    probability = softmax(np.random.default_rng(0).normal(size=(len(truth), 4)))
    for method in ("temperature", "bias"):
        found = fit_calibration(probability, truth, CLASSES, method)  # type: ignore[arg-type]
        said = (
            f"The validation part is too small to calibrate on: {reason}; expected at least 100, 10 of them"
        )
        assert found.notes[0].startswith(said)
        assert found.sentence(CLASSES).endswith(found.notes[0])
        np.testing.assert_array_equal(calibrate(probability, found), probability)


def test_a_class_with_few_beats_has_no_bias_of_its_own() -> None:
    probability, truth = believable(5_000)
    rare = np.flatnonzero(truth == 3)
    kept = np.setdiff1d(np.arange(len(truth)), rare[9:])
    given = distorted(probability, 1.0, np.array([0, 1.0, 0, 3.0]))[kept]
    found = fit_calibration(given, truth[kept], CLASSES, "bias")
    assert found.bias[0] == found.bias[3] == 0
    assert found.bias[1] == pytest.approx(1, abs=0.25)
    assert found.notes == ("Too few beats for a bias of their own: F (9 beats).",)


def test_validation_without_a_mistake_keeps_the_temperature_within_bounds() -> None:
    truth = np.repeat(np.arange(4), 50)
    right = softmax(6.0 * np.eye(4)[truth])
    found = fit_calibration(right, truth, CLASSES, "bias")
    assert 0.2 < found.temperature < 1
    assert np.abs(found.bias).max() < 1
    # and of beats that have nothing to do with their probabilities, nothing is believed
    noise = softmax(np.random.default_rng(0).normal(size=(2_000, 4)) * 20)
    hot = fit_calibration(noise, np.random.default_rng(1).integers(0, 4, 2_000), CLASSES, "temperature")
    assert hot.temperature == 20
    assert hot.notes == ("The temperature is at its bound of 20: distrust it.",)


def test_a_calibration_is_plain_data() -> None:
    probability, truth = believable(1_000)
    found = fit_calibration(probability, truth, CLASSES, "bias", part="out-of-fold")
    assert found.fitted_on == "out-of-fold, 1,000 beats"
    assert parse(Calibration, json.loads(json.dumps(plain(found)))) == found
    with pytest.raises(EcgError, match=r"temperature=0.0: expected greater than or equal to 0.05"):
        parse(Calibration, plain(found) | {"temperature": 0.0})
    with pytest.raises(EcgError, match="unknown setting scale"):
        parse(Calibration, {"scale": 2})
    with pytest.raises(EcgError, match="the calibration has 4 biases: expected 3, one a class"):
        calibrate(probability[:, :3], found)
    assert found.sentence(CLASSES).startswith("Probabilities are calibrated: temperature ")
    assert "S +" in found.sentence(CLASSES) or "S -" in found.sentence(CLASSES)


def slow_ece(stated: Floats, came_true: npt.NDArray[np.bool_], bins: int = 15) -> float:
    total = 0.0
    for b in range(bins):
        inside = [i for i, p in enumerate(stated) if min(int(p * bins), bins - 1) == b]
        if inside:
            total += abs(sum(stated[i] for i in inside) - sum(bool(came_true[i]) for i in inside))
    return total / len(stated)


@pytest.mark.promise
@settings(max_examples=20, deadline=None)
@given(st.integers(1, 400), st.floats(0.2, 4), st.integers(0, 1000))
def test_the_scores_are_those_of_other_implementations(beats: int, temperature: float, seed: int) -> None:
    probability, truth = believable(beats, seed)
    probability = distorted(probability, temperature)
    found = calibration_scores(probability, truth, 0)
    assert found["nll"] == pytest.approx(-np.log(probability[np.arange(beats), truth]).mean(), rel=1e-9)
    each = [sk.brier_score_loss(truth == k, probability[:, k], pos_label=True) for k in range(4)]
    assert found["brier"] == pytest.approx(sum(each), abs=1e-12)
    right = probability.argmax(axis=1) == truth
    assert found["ece"] == pytest.approx(slow_ece(probability.max(axis=1), right), abs=1e-9)
    assert found["abnormal_ece"] == pytest.approx(slow_ece(1 - probability[:, 0], truth != 0), abs=1e-9)


def test_the_expected_error_is_torchmetrics_multiclass_one() -> None:
    import torch
    from torchmetrics.classification import MulticlassCalibrationError

    probability, truth = believable(2_000)
    metric = MulticlassCalibrationError(4, n_bins=15, norm="l1")
    other = float(metric(torch.tensor(probability), torch.tensor(truth)))
    assert calibration_scores(probability, truth)["ece"] == pytest.approx(other, abs=1e-6)


def test_four_beats_counted_by_hand() -> None:
    # 90% and right, 90% and wrong, 65% and right, and certain and right
    probability = np.array([[0.9, 0.1], [0.9, 0.1], [0.35, 0.65], [1, 0]])
    truth = np.array([0, 1, 1, 0])
    found = calibration_scores(probability, truth, 0)
    assert found["beats"] == 4
    # bins of a fifteenth: 0.9 lies in the 14th with 1 of 2 right, 0.65 in the 10th, 1 in the last
    assert found["ece"] == pytest.approx((abs(1.8 - 1) + abs(0.65 - 1) + 0) / 4)
    assert found["brier"] == pytest.approx((0.02 + 1.62 + 0.245 + 0) / 4)
    # what is certain shares the last bin with what is nearly so
    surely = np.array([[1.0, 0], [0.95, 0.05]])
    assert calibration_scores(surely, np.array([1, 0]))["ece"] == pytest.approx(abs(1.95 - 1) / 2)
    bins = reliability_bins(probability, truth, bins=5)
    assert bins["count"] == [0, 0, 0, 1, 3]
    assert bins["accuracy"] == [None, None, None, 1, pytest.approx(2 / 3)]
    assert bins["confidence"][3:] == [pytest.approx(0.65), pytest.approx(2.8 / 3)]
    assert (bins["low"][3], bins["high"][3]) == (pytest.approx(0.6), pytest.approx(0.8))
    abnormal = reliability_bins(probability, truth, bins=5, normal=0)
    assert abnormal["count"] == [3, 0, 0, 1, 0]
    assert abnormal["accuracy"] == [pytest.approx(1 / 3), None, None, 1, None]
    json.dumps([bins, abnormal, found])


def test_the_bins_add_up_to_the_expected_error() -> None:
    probability, truth = believable(3_000)
    for normal, key in ((None, "ece"), (0, "abnormal_ece")):
        bins = reliability_bins(probability, truth, normal=normal)
        rows = zip(bins["count"], bins["confidence"], bins["accuracy"], strict=True)
        total = sum(n * abs(stated - true) for n, stated, true in rows if n) / len(truth)
        assert calibration_scores(probability, truth, 0)[key] == pytest.approx(total, abs=1e-12)


def test_no_beats_have_no_scores() -> None:
    empty = calibration_scores(np.zeros((0, 4)), np.zeros(0, np.int64), 0)
    assert empty == {"beats": 0, "ece": None, "brier": None, "nll": None, "abnormal_ece": None}
    assert reliability_bins(np.zeros((0, 4)), np.zeros(0, np.int64))["accuracy"] == [None] * 15


def test_importing_calibration_and_operating_points_loads_no_torch() -> None:
    code = (
        "import sys, ecgcli.evaluation.calibration, ecgcli.evaluation.operating_point; "
        "sys.exit(any(m in sys.modules for m in ('torch', 'sklearn', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
