"""Made-up runs: simulated probabilities of simulated patients, with all that is said of how sure they are."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from ecgcli.choices.operating_point import Argmax, SensitivityPoint
from ecgcli.commands.certainty import certainty
from ecgcli.evaluation.calibration import calibrate, fit_calibration
from ecgcli.evaluation.metrics import error_budget, score
from ecgcli.evaluation.operating_point import decide, fit_operating_point
from ecgcli.evaluation.predictions import labels, probabilities
from ecgcli.reporting.report import write_report

CLASSES = ("N", "S", "V", "F")
RECORDS = ("100", "101", "208", "228", "232")

ARGMAX = Argmax(name="argmax")
FIND_95 = SensitivityPoint(name="sensitivity", of=("abnormal",), target=(0.95,))

CERTAIN = (
    "calibration",
    "operating_point",
    "intervals",
    "without_each",
    "dominated",
    "per_patient",
    "review",
    "circumstances",
)
"""What says how sure a run is; an older run has none of it."""


def made_up(
    seed: int,
    counts: Mapping[str, int],
    classes: Sequence[str] = CLASSES,
    records: Sequence[str] = RECORDS,
) -> pd.DataFrame:
    """Predictions that are right more often than not."""
    rng = np.random.default_rng(seed)
    label = np.repeat(list(counts), list(counts.values()))
    logits = rng.normal(0, 1.5, (len(label), len(classes)))
    logits[np.arange(len(label)), [list(classes).index(name) for name in label]] += 4
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    beats = pd.DataFrame(p, columns=[f"p_{name}" for name in classes])
    record = rng.choice(list(records), len(label))
    sample = rng.permutation(len(label)) * 300
    beats = beats.assign(record=record, subject=record, sample=sample, label=label)
    beats = beats.assign(heart_rate=rng.uniform(45, 130, len(beats)), fault="none")
    beats["rhythm"] = rng.choice(["N", "AFIB", ""], len(beats))
    return beats.sort_values(["record", "sample"], ignore_index=True)


def settled(
    parts: Mapping[str, pd.DataFrame],
    classes: Sequence[str],
    point: Any = ARGMAX,
    hours: float | None = None,
) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Predictions as a run saves them, and what it finds out about how sure they are."""
    fitted_on = parts.get("validation", next(iter(parts.values())))
    raw, truth = probabilities(fitted_on, classes), labels(fitted_on, classes)
    calibration = fit_calibration(raw, truth, classes, "temperature")
    chosen = fit_operating_point(point, calibrate(raw, calibration), truth, classes)
    saved = {}
    for name, beats in parts.items():
        before = probabilities(beats, classes)
        after = calibrate(before, calibration)
        columns = {f"raw_{c}": before[:, k] for k, c in enumerate(classes)}
        columns |= {f"p_{c}": after[:, k] for k, c in enumerate(classes)}
        saved[name] = beats.assign(**columns, predicted=np.array(classes)[decide(after, chosen, classes)])
    model: Any = SimpleNamespace(calibration=calibration, operating_point=chosen)
    leading = "test" if "test" in saved else "validation"
    return saved, certainty(saved, leading, tuple(classes), model, hours, 100)


def run_of(
    parts: Mapping[str, pd.DataFrame],
    classes: Sequence[str] = CLASSES,
    point: Any = ARGMAX,
    hours: float | None = None,
) -> dict[str, Any]:
    """What a finished run with these predictions tells its report."""
    steps = [100, 200, 300]
    curve = {
        "step": steps,
        "train_loss": [1.0, 0.5, 0.4],
        "val_loss": [None, 0.6, float("nan")],
        "lr": [0.1] * 3,
    }
    saved, certain = settled(parts, classes, point, hours)
    support = {name: beats["label"].value_counts() for name, beats in parts.items()}
    leading = "test" if "test" in saved else "validation"
    scores = {name: score(beats, classes) for name, beats in saved.items()}
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
        "classes": tuple(classes),
        "audit": {"sentences": ["No subject stands on both sides."], "pairs": []},
        "support": {"train": {"N": 1500, "S": 200, "V": 250, "F": 60}}
        | {name: {c: int(counts.get(c, 0)) for c in classes} for name, counts in support.items()},
        "training": {
            "steps": 600,
            "parameters": 91_234,
            "seconds": 61.2,
            "weights": "last",
            "curves": {"anomaly": curve, "type": pd.DataFrame(curve)},
        },
        "metrics": {"validation": None, "test": None} | scores,
        "error_budget": error_budget(saved[leading], classes) if "N" in classes else None,
        "predictions": {"validation": None, "test": None} | saved,
        "provenance": {"versions": {"ecgcli": "0.1.0"}, "seed": 0, "durations": {"training": 61.2}},
        **certain,
    }


@cache
def _two_stages(point: Any) -> dict[str, Any]:
    validation = made_up(0, {"N": 300, "S": 30, "V": 60, "F": 20})
    test = made_up(1, {"N": 600, "S": 50, "V": 90})  # no F
    return run_of({"validation": validation, "test": test}, point=point, hours=0.5)


def run(point: Any = ARGMAX) -> dict[str, Any]:
    """A run on simulated patients whose test part, half an hour, has no fusion beats."""
    return deepcopy(_two_stages(point))


def older(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The same run as it was saved before anybody asked how sure it is."""
    kept = {key: value for key, value in facts.items() if key not in CERTAIN}
    return kept | {"predictions": {k: _plain(v) for k, v in facts["predictions"].items()}}


def _plain(beats: pd.DataFrame | None) -> pd.DataFrame | None:
    if beats is None:
        return None
    return beats.drop(columns=[c for c in beats if c.startswith("raw_")] + ["predicted"])


@pytest.fixture
def facts() -> dict[str, Any]:
    """What a finished run of `sampling=two_stage` tells its report; a test may change it."""
    return run()


@pytest.fixture(scope="package")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `report.md` of that run, unchanged."""
    return write_report(tmp_path_factory.mktemp("run"), run())


@pytest.fixture
def unpainted() -> Iterator[None]:
    """Figures are made and not painted."""
    with nothing_painted():
        yield


@contextmanager
def nothing_painted(laid_out: bool = False) -> Iterator[None]:
    """Painting takes most of the time of a report, laying out most of the rest."""
    dot = io.BytesIO()
    Image.new("RGBA", (1, 1)).save(dot, "PNG")

    def savefig(figure: Figure, target: Any, **_: Any) -> None:
        if laid_out:
            figure.draw_without_rendering()
        if isinstance(target, io.BytesIO):
            target.write(dot.getvalue())
        else:
            Path(target).write_bytes(dot.getvalue())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", savefig)
        yield
