"""Equal sensitivity: thresholds and false alarms counted by hand, and against scikit-learn's curve."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_curve

from tests.conftest import ROOT


@pytest.fixture
def matched(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import matched

    yield matched
    sys.modules.pop("matched")


def frame(rng: np.random.Generator, shift: float, n: int = 600) -> pd.DataFrame:
    """Predictions of six patients, whose abnormal beats score higher by `shift`."""
    order = np.random.default_rng(0)
    label = order.choice(["N", "S", "V"], n, p=[0.7, 0.1, 0.2])
    score = 1 / (1 + np.exp(-rng.normal(size=n) - shift * (label != "N")))
    return pd.DataFrame(
        {
            "record": order.integers(0, 6, n).astype(str),
            "subject": order.integers(0, 6, n).astype(str),
            "sample": np.arange(n),
            "label": label,
            "p_N": 1 - score,
            "predicted": np.where(score > 0.5, "V", "N"),
        }
    )


def test_false_alarms_are_those_of_the_roc_curve(matched: Any) -> None:
    beats = frame(np.random.default_rng(1), 2.0)
    abnormal = (beats["label"] != "N").to_numpy()
    score = 1 - beats["p_N"].to_numpy()
    curve = matched.Curve(score, abnormal, np.zeros(len(beats), np.int64))
    fpr, tpr, _ = roc_curve(abnormal, score, drop_intermediate=False)
    for level, share in zip(matched.LEVELS, curve.false_alarms(np.ones(1, np.int64)), strict=True):
        assert share == pytest.approx(fpr[np.searchsorted(tpr, level - 1e-12)])


def test_a_patient_who_counts_twice_is_there_twice(matched: Any) -> None:
    beats = frame(np.random.default_rng(2), 1.0)
    abnormal, score = (beats["label"] != "N").to_numpy(), 1 - beats["p_N"].to_numpy()
    patient = pd.factorize(beats["subject"])[0]
    twice = np.concatenate([np.arange(len(beats)), np.flatnonzero(patient == 3)])
    times = np.ones(6, np.int64)
    times[3] = 2
    drawn = matched.Curve(score, abnormal, patient).false_alarms(times)
    doubled = matched.Curve(score[twice], abnormal[twice], np.zeros(len(twice), np.int64))
    np.testing.assert_allclose(drawn, doubled.false_alarms(np.ones(1, np.int64)))


def test_the_worse_side_pays_more_and_the_same_side_nothing(matched: Any) -> None:
    rng = np.random.default_rng(3)
    good, bad = [frame(rng, 3.0) for _ in range(2)], [frame(rng, 1.0) for _ in range(2)]
    rows = [line.split(" | ") for line in matched.compared(good, bad, 50).splitlines() if "to" in line]
    assert len(rows) == 4
    for row in rows:
        gap = row[-1]
        assert gap.startswith("+") and float(gap.split("(")[1].split()[0]) > 0
    assert "+0.00 (+0.00 to +0.00)" in matched.compared(good, good, 20)


def test_errors_are_told_apart_and_other_beats_refused(matched: Any) -> None:
    beats = frame(np.random.default_rng(4), 1.0)
    beats["label"], beats["predicted"] = "S", "S"
    beats.loc[:3, "predicted"] = ["N", "N", "N", "V"]
    assert "4 abnormal beats wrong, of which 75% called normal and 25%" in matched._errors("one", [beats])
    with pytest.raises(SystemExit, match="same beats"):
        matched.compared([beats], [beats.assign(sample=1)])
