"""EC57 tables of predictions: hand-counted, and what the two class maps make of an escape beat."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ecgcli.evaluation.ec57_predictions import (
    maps_differ,
    score_predictions,
    sveb_sentence,
    without_dominating,
)
from ecgcli.evaluation.ec57_summary import gross

CLASSES = ("N", "S", "V", "F")


def predicted(record: str, calls: str) -> pd.DataFrame:
    """Beats 300 samples apart, each called what `calls` says."""
    p = pd.DataFrame({f"p_{name}": [0.7 if call == name else 0.1 for call in calls] for name in CLASSES})
    sample = np.arange(1, len(calls) + 1) * 300
    return pd.concat([pd.DataFrame({"record": record, "sample": sample, "label": list(calls)}), p], axis=1)


FRAME = pd.concat([predicted("a", "NNSSVN"), predicted("b", "NVVNNS")], ignore_index=True)
TRUE = np.array(list("NNAjVV") + list("NVVFNA"))
RATES = {"a": 360.0, "b": 250.0}


def test_the_counts_are_those_of_the_hand() -> None:
    scores = score_predictions(FRAME, CLASSES, TRUE, RATES, "aami")
    total = gross(scores.records)
    # j is N here: S found 2 of 2 (A, A), of three calls of S two are right
    assert (total["SVEB Se"].hits, total["SVEB Se"].total) == (2, 2)
    assert (total["SVEB +P"].hits, total["SVEB +P"].total) == (2, 3)
    # V: three of four found, and nothing else is called V
    assert (total["VEB Se"].hits, total["VEB Se"].total) == (3, 4)
    assert (total["VEB +P"].hits, total["VEB +P"].total) == (3, 3)
    assert (total["QRS Se"].hits, total["QRS Se"].total) == (12, 12)


def test_under_the_standards_map_the_escape_beat_is_supraventricular() -> None:
    assert maps_differ(TRUE, "aami")
    assert not maps_differ(TRUE, "ec57")
    assert not maps_differ(np.array(["N", "V"]), "aami")
    total = gross(score_predictions(FRAME, CLASSES, TRUE, RATES, "ec57").records)
    assert (total["SVEB Se"].hits, total["SVEB Se"].total) == (3, 3)


def test_the_record_that_dominates_is_left_out_by_name() -> None:
    scores = score_predictions(FRAME, CLASSES, TRUE, RATES, "ec57")
    left = without_dominating(scores)
    assert left is not None
    assert left[0] == "a"  # two SVEB against one
    assert [score.record for score in left[1].records] == ["b"]
    assert sveb_sentence(scores) == (
        "Record a holds 2 of the 3 SVEB; without it, gross: SVEB Se 100.00%, SVEB +P 100.00%."
    )


@pytest.mark.parametrize("symbols", ["NNNNNN"])
def test_without_sveb_there_is_nothing_to_dominate(symbols: str) -> None:
    scores = score_predictions(predicted("a", symbols), CLASSES, np.array(list(symbols)), RATES, "aami")
    assert sveb_sentence(scores) is None
