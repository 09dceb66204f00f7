"""Errors by circumstances, held against beats counted by hand and against pandas."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ecgcli.beats.table import UNKNOWN
from ecgcli.evaluation.by_circumstance import FEWEST, NOT_KNOWN, by_circumstance

CLASSES = ("N", "S", "V")


def predictions(*groups: tuple[int, str, str, dict[str, Any]]) -> pd.DataFrame:
    """Predictions from (beats, label, what they are called, further columns)."""
    rows = [{"label": label, "predicted": said} | more for n, label, said, more in groups for _ in range(n)]
    frame = pd.DataFrame(rows)
    if "record" not in frame:
        frame["record"] = "100"
    frame["sample"] = np.arange(len(frame)) * 300
    for name in CLASSES:
        frame[f"p_{name}"] = np.where(frame["predicted"] == name, 0.8, 0.1)
    return frame


def names(groups: list[dict[str, Any]] | None) -> list[str]:
    assert groups is not None
    return [group["name"] for group in groups]


@pytest.mark.promise
def test_errors_in_atrial_fibrillation_counted_by_hand() -> None:
    found = by_circumstance(
        predictions(
            (70, "N", "N", {"rhythm": "N", "record": "100"}),
            (10, "N", "S", {"rhythm": "N", "record": "101"}),
            (30, "N", "N", {"rhythm": "AFIB", "record": "202"}),
            (10, "N", "V", {"rhythm": "AFIB", "record": "202"}),
            (15, "V", "V", {"rhythm": "AFIB", "record": "202"}),
            (4, "V", "N", {"rhythm": "AFIB", "record": "202"}),
            (1, "S", "V", {"rhythm": "AFIB", "record": "202"}),
        ),
        CLASSES,
    )
    assert found["rhythm"] == [
        {
            "name": "normal sinus rhythm",
            "beats": 80,
            "records": 2,
            "wrong": 10,
            "normal": 80,
            "false_alarms": 10,
            "abnormal": 0,
            "missed": 0,
            "accuracy": 70 / 80,
            "false_alarms_per_1000": 125,
            "abnormal_called_normal": None,  # there are none
        },
        {
            "name": "atrial fibrillation",
            "beats": 60,
            "records": 1,
            "wrong": 15,
            "normal": 40,
            "false_alarms": 10,
            "abnormal": 20,
            "missed": 4,
            "accuracy": 45 / 60,
            "false_alarms_per_1000": 250,
            "abnormal_called_normal": 0.2,
        },
    ]


def test_a_rate_of_few_beats_is_not_given_and_its_counts_are() -> None:
    found = by_circumstance(
        predictions(
            (FEWEST, "N", "N", {"fault": "none"}),
            (FEWEST - 1, "V", "N", {"fault": "none"}),
            (FEWEST - 1, "N", "V", {"fault": "noisy"}),
        ),
        CLASSES,
    )
    assert found["fault"] is not None
    none, noisy = found["fault"]
    assert (none["missed"], none["abnormal"], none["abnormal_called_normal"]) == (19, 19, None)
    assert (none["accuracy"], none["false_alarms_per_1000"]) == (20 / 39, 0)
    assert (noisy["beats"], noisy["wrong"], noisy["accuracy"]) == (19, 19, None)
    assert (noisy["false_alarms"], noisy["false_alarms_per_1000"]) == (19, None)


def test_a_band_of_heart_rates_holds_its_lower_end_and_every_beat_is_in_one() -> None:
    rates = np.append(np.random.default_rng(0).uniform(20, 220, 500), [50, 60, 80, 100, 120])
    groups = [(1, "N", "N", {"heart_rate": rate}) for rate in rates.tolist()]
    bands = by_circumstance(predictions(*groups), CLASSES)["heart_rate"]
    assert bands is not None
    assert names(bands) == ["under 50", "50–60", "60–80", "80–100", "100–120", "120 or more"]
    edges = [-np.inf, 50, 60, 80, 100, 120, np.inf]
    expected = pd.cut(rates, edges, right=False).value_counts().tolist()
    assert [band["beats"] for band in bands] == expected


def test_what_is_not_known_comes_last_and_nothing_known_is_none() -> None:
    known = {"heart_rate": 70.0, "rhythm": "(", "fault": "none", "record": "100"}
    unknown = {"heart_rate": np.nan, "rhythm": "", "fault": "", "record": UNKNOWN}
    found = by_circumstance(predictions((30, "N", "N", known), (25, "N", "N", unknown)), CLASSES)
    for groups in found.values():
        assert groups is not None
        assert names(groups)[1:] == [NOT_KNOWN]
        assert [(group["beats"], group["records"]) for group in groups] == [(30, 1), (25, 0)]
    nothing = by_circumstance(predictions((25, "N", "N", unknown)), CLASSES)
    assert nothing == {"heart_rate": None, "rhythm": None, "fault": None}
    assert by_circumstance(predictions((25, "N", "N", {})), CLASSES) == nothing  # no such columns


def test_rhythms_of_one_name_are_one_and_the_most_frequent_comes_first() -> None:
    codes = ["NSR"] * 3 + ["N"] * 2 + ["VT"] * 6 + ["WEIRD"] * 4
    groups = [(1, "N", "N", {"rhythm": code}) for code in codes]
    rhythms = by_circumstance(predictions(*groups), CLASSES)["rhythm"]
    assert names(rhythms) == ["ventricular tachycardia", "normal sinus rhythm", "WEIRD"]


def test_faults_stand_in_their_order_after_none() -> None:
    faults = ["noisy"] * 9 + ["flat", "none", "missing", "clipped"]
    groups = [(1, "N", "N", {"fault": fault}) for fault in faults]
    found = by_circumstance(predictions(*groups), CLASSES)["fault"]
    assert names(found) == ["none", "missing", "flat", "clipped", "noisy"]


def test_without_the_class_n_there_are_no_alarms_and_no_misses() -> None:
    frame = predictions((15, "S", "S", {"fault": "none"}), (15, "V", "S", {"fault": "none"}))
    frame[["p_S", "p_V"]] = [0.7, 0.3]
    groups = by_circumstance(frame, ("S", "V"))["fault"]
    assert groups is not None
    assert groups[0]["accuracy"] == 0.5
    missing = ("normal", "false_alarms", "abnormal", "missed", "abnormal_called_normal")
    assert [groups[0][key] for key in missing] == [None] * 5


def test_the_counts_are_those_of_pandas_and_go_into_json(rng_seed: int = 3) -> None:
    rng = np.random.default_rng(rng_seed)
    n = 2_000
    frame = pd.DataFrame(rng.dirichlet((2, 1, 1), n), columns=["p_N", "p_S", "p_V"]).assign(
        record=rng.choice(["100", "200", "201"], n),
        sample=np.arange(n),
        label=rng.choice(CLASSES, n, p=[0.8, 0.1, 0.1]),
        heart_rate=rng.choice([np.nan, 45, 55, 70, 90, 110, 150], n),
        rhythm=rng.choice(["", "N", "AFIB", "PREX"], n, p=[0.1, 0.5, 0.39, 0.01]),
        fault=rng.choice(["none", "noisy", ""], n),
    )
    found = by_circumstance(frame, CLASSES)
    json.dumps(found, allow_nan=False)
    said = frame[["p_N", "p_S", "p_V"]].idxmax(axis=1).str[2:]
    for name, code in (("none", "none"), ("noisy", "noisy"), (NOT_KNOWN, "")):
        (group,) = [group for group in found["fault"] or [] if group["name"] == name]
        here = frame["fault"] == code
        counts = pd.crosstab(frame.loc[here, "label"] != "N", said[here] != "N")
        assert group["false_alarms"] == counts.loc[False, True]
        assert group["missed"] == counts.loc[True, False]
        assert group["beats"] == here.sum()
    for groups in found.values():
        assert sum(group["beats"] for group in groups or []) == n
