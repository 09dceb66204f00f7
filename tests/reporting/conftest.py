"""A made-up run: simulated probabilities of two stages on five records, one class without test beats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ecgcli.evaluation.metrics import error_budget, score
from ecgcli.reporting.report import write_report

CLASSES = ("N", "S", "V", "F")


def made_up(seed: int, counts: dict[str, int]) -> pd.DataFrame:
    """Predictions that are right more often than not."""
    rng = np.random.default_rng(seed)
    label = np.repeat(list(counts), list(counts.values()))
    logits = rng.normal(0, 1.5, (len(label), len(CLASSES)))
    logits[np.arange(len(label)), [CLASSES.index(name) for name in label]] += 4
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    beats = pd.DataFrame(p.astype(np.float32), columns=[f"p_{name}" for name in CLASSES])
    record = rng.choice(["100", "101", "208", "228", "232"], len(label))
    sample = rng.permutation(len(label)) * 300
    beats = beats.assign(record=record, subject=record, sample=sample, label=label)
    return beats.sort_values(["record", "sample"], ignore_index=True)


@pytest.fixture
def facts() -> dict[str, Any]:
    """What a finished run of `sampling=two_stage` tells its report; a test may change it."""
    return run()


@pytest.fixture(scope="package")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `report.md` of that run, unchanged."""
    return write_report(tmp_path_factory.mktemp("run"), run())


def run() -> dict[str, Any]:
    """A run on simulated patients whose test part has no fusion beats."""
    validation = made_up(0, {"N": 300, "S": 30, "V": 60, "F": 20})
    test = made_up(1, {"N": 600, "S": 50, "V": 90})  # no F
    steps = [100, 200, 300]
    curve = {
        "step": steps,
        "train_loss": [1.0, 0.5, 0.4],
        "val_loss": [None, 0.6, float("nan")],
        "lr": [0.1] * 3,
    }
    return {
        "title": "demo-by_subject-two_stage-cnn-s0-0a1b2c3d",
        "command": "ecg train sampling=two_stage",
        "data": {
            "name": "demo",
            "beats": 3000,
            "records": 20,
            "subjects": 20,
            "fingerprint": "c0ffee",
            "notes": ["3 annotations of an unknown symbol were left out."],
        },
        "protocol": {
            "name": "by_subject",
            "statement": "a hold-out of whole subjects.",
            "caveats": ["Simulated patients."],
            "intra_patient": False,
        },
        "class_map": "aami",
        "classes": CLASSES,
        "audit": {"sentences": ["No subject stands on both sides."]},
        "support": {
            "train": {"N": 1500, "S": 200, "V": 250, "F": 60},
            "validation": {"N": 300, "S": 30, "V": 60, "F": 20},
            "test": {"N": 600, "S": 50, "V": 90, "F": 0},
        },
        "training": {
            "steps": 600,
            "parameters": 91_234,
            "seconds": 61.2,
            "weights": "last",
            "curves": {"anomaly": curve, "type": pd.DataFrame(curve)},
        },
        "metrics": {"validation": score(validation, CLASSES), "test": score(test, CLASSES)},
        "error_budget": error_budget(test, CLASSES),
        "predictions": {"validation": validation, "test": test},
        "provenance": {"versions": {"ecgcli": "0.1.0"}, "seed": 0, "durations": {"training": 61.2}},
    }
