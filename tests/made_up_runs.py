"""Run folders with predictions that were never trained: as wrong as a test wants them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pandas as pd

from ecgcli.config import TrainConfig
from ecgcli.evaluation.metrics import score
from ecgcli.files import write_json
from ecgcli.parsing import parse, plain
from ecgcli.runs import FORMAT, RESULTS_VERSION, Run, run_name
from tests.conftest import compose_values

CLASSES = ("N", "S", "V", "F")


def made_up_beats(patients: int = 24, beats: int = 50, known: bool = True) -> pd.DataFrame:
    """Labelled beats of some patients; no F beats, and S in most patients."""
    rng = np.random.default_rng(7)
    patient = np.repeat(np.arange(patients), beats)
    label = np.array(CLASSES)[rng.choice(3, size=len(patient), p=(0.7, 0.12, 0.18))]
    names = [f"{100 + one}" for one in patient]
    return pd.DataFrame(
        {
            "record": names,
            "subject": names if known else "unknown",
            "sample": np.tile(np.arange(beats) * 300, patients),
            "label": label,
        }
    )


def made_up_predictions(beats: pd.DataFrame, wrong: float, seed: int) -> pd.DataFrame:
    """Probabilities of which about a share `wrong` mislead, more in some patients than in others."""
    rng = np.random.default_rng(seed)
    truth = np.array([CLASSES.index(one) for one in beats["label"]])
    hard = np.random.default_rng(0).gamma(2, 0.5, size=1000)[pd.factorize(beats["record"])[0]]
    misled = rng.random(len(beats)) < wrong * hard
    called = np.where(misled, rng.integers(0, 3, size=len(beats)), truth)
    probability = 0.4 * np.eye(4)[called] + 0.6 * rng.dirichlet(np.ones(4) * 5, size=len(beats))
    probability /= probability.sum(axis=1, keepdims=True)
    columns = {f"p_{name}": probability[:, k] for k, name in enumerate(CLASSES)}
    return beats.assign(**columns)


@cache
def _values(overrides: tuple[str, ...]) -> dict[str, Any]:
    return compose_values(*overrides)


def made_up_run(
    outputs: Path,
    *overrides: str,
    wrong: float = 0.2,
    beats: pd.DataFrame | None = None,
    classes: tuple[str, ...] = CLASSES,
    parts: tuple[str, ...] = ("validation", "test"),
    **changes: Any,
) -> Run:
    """A run folder under `<outputs>/train`; `changes` go into its `run.json` or `metrics.json`."""
    config = parse(TrainConfig, _values(overrides))
    folder = outputs / "train" / run_name(config)
    (folder / "predictions").mkdir(parents=True)
    beats = made_up_beats() if beats is None else beats
    frames = {part: made_up_predictions(beats, wrong, crc32(folder.name.encode())) for part in parts}
    for part, frame in frames.items():
        frame.to_parquet(folder / "predictions" / f"{part}.parquet", index=False)
    run = {"format": FORMAT, "results_version": RESULTS_VERSION, "data_fingerprint": "0a"}
    metrics = {
        "data": {"name": config.data.name, "beats": len(beats), "records": 24, "subjects": 24}
        | {"fingerprint": "0a", "notes": []},
        "protocol": {"name": config.protocol.name, "statement": "Patients apart.", "caveats": []}
        | {"intra_patient": False},
        "class_map": "aami",
        "classes": list(classes),
        "training": {"parameters": 1000, "steps": 200, "seconds": 3.0},
        **{part: score(frames[part], classes) if part in frames else None for part in ("validation", "test")},
    }
    for key, value in changes.items():
        (run if key in run else metrics)[key] = value
    write_json(folder / "config.json", plain(config))
    write_json(folder / "run.json", run)
    write_json(folder / "metrics.json", metrics)
    return Run(folder)
