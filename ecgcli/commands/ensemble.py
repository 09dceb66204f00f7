"""Several runs as one model: the mean of their probabilities.

Every run has trained and validated on the same beats, so that none has seen what another is tested on, and
their mean can be calibrated as each of them was: on the validation part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ecgcli.commands.certainty import settle, uncalibrated
from ecgcli.errors import EcgError
from ecgcli.models import described, open_model
from ecgcli.parsing import plain
from ecgcli.runs import Run

if TYPE_CHECKING:
    from ecgcli.learning.model import Model
    from ecgcli.learning.onnx_model import OnnxModel

WHO = ("record", "subject", "sample", "label")
"""What predictions of the same beats agree in."""


def open_runs(paths: str | Sequence[str]) -> list[Run]:
    """The runs of an ensemble, or one run alone.

    Raises:
        EcgError: one is no run folder, or stands there twice, or does not go with the first.
    """
    runs = [Run(path) for path in ([paths] if isinstance(paths, str) else paths)]
    places = [run.path.resolve() for run in runs]
    for number, run in enumerate(runs):
        if places[number] in places[:number]:
            raise EcgError(f"run={run.path} stands there twice: expected different runs")
        _goes_with(runs[0], run)
    return runs


def _goes_with(first: Run, other: Run) -> None:
    """Refuses a run that cannot be one model with another."""
    for what, mine, theirs in (
        ("classes", first.metrics["classes"], other.metrics["classes"]),
        ("class_map", first.metrics["class_map"], other.metrics["class_map"]),
        ("beat", _plain(first, "beat"), _plain(other, "beat")),
        ("data", first.metrics["data"]["name"], other.metrics["data"]["name"]),
        ("protocol", _plain(first, "protocol"), _plain(other, "protocol")),
        ("data fingerprint", _fingerprint(first), _fingerprint(other)),
        ("calibration", _plain(first, "calibration"), _plain(other, "calibration")),
        ("operating_point", _plain(first, "operating_point"), _plain(other, "operating_point")),
    ):
        if mine != theirs:
            why = {
                "protocol": "one may have trained on what the other is tested on",
                "data fingerprint": "they were made from other data",
            }.get(what, "their mean would mean nothing")
            raise EcgError(
                f"run={other.path.name} differs from {first.path.name} in {_where(what, mine, theirs)}: {why}"
            )


def _plain(run: Run, group: str) -> Any:
    return plain(run.config)[group]


def _fingerprint(run: Run) -> str:
    return str(run.provenance["data_fingerprint"])


def _where(what: str, mine: Any, theirs: Any) -> str:
    """`protocol.seed=1, not 0`: the first setting that differs."""
    if isinstance(mine, dict) and mine["name"] == theirs["name"]:
        key = next(key for key in mine if mine[key] != theirs[key])
        what, mine, theirs = f"{what}.{key}", mine[key], theirs[key]
    elif isinstance(mine, dict):
        mine, theirs = mine["name"], theirs["name"]
    mine, theirs = (" ".join(one) if isinstance(one, list) else one for one in (mine, theirs))
    return f"{what}={theirs}, not {mine}"


def ensemble_name(runs: Sequence[Run]) -> str:
    """A name made of those of the runs: what is equal once, seeds with a `+`, a hash of all of them."""
    names = [run.path.resolve().name for run in runs]
    if len(names) == 1:
        return names[0]
    short = hashlib.sha256(",".join(sorted(names)).encode()).hexdigest()[:8]
    parts = [name.split("-") for name in names]
    if len({len(one) for one in parts}) == 1:
        together = ["+".join(dict.fromkeys(column)) for column in zip(*parts, strict=True)]
        name = "-".join([*together[:-1], short])
        if len(name) <= 120:
            return name
    return f"mean-of-{len(names)}-{short}"


def ensemble(runs: Sequence[Run]) -> Model:
    """The model that several runs are together, calibrated on the mean of their validation predictions.

    Raises:
        EcgError: the runs have different numbers of members, or validated on different beats.
    """
    from ecgcli.learning.model import Model

    if len(runs) == 1:
        return runs[0].model
    models = [run.model for run in runs]
    counts = {len(model.members) for model in models}
    if len(counts) > 1:
        raise EcgError(
            f"run=: some of the runs are the mean of {max(counts)} models, some of {min(counts)}: expected "
            f"equal numbers, so that every run counts the same"
        )
    facts = models[0].facts
    if any(model.facts.segmenter != facts.segmenter for model in models):
        raise EcgError("run=: the runs cut their beats differently: expected the same segmenter")
    members = tuple(member for model in models for member in model.members)
    together: dict[str, Any] = {
        "members": len(members),
        "trained_on": facts.trained_on | {"seed": [model.facts.trained_on.get("seed") for model in models]},
    }
    if any(model.facts.networks != facts.networks for model in models):
        own = [model.facts.of_member(i) for model in models for i in range(len(model.members))]
        together["kind"] = "mixed"
        together["networks"] = {
            f"{i}/{name}": one for i, nets in enumerate(own) for name, one in nets.items()
        }
    model = Model(facts.model_copy(update=together), members)
    return settle(model, runs[0].config, mean_validation(runs), None)


def mean_validation(runs: Sequence[Run]) -> pd.DataFrame | None:
    """The mean of what the runs' networks say of the validation part; None where there is none."""
    if runs[0].metrics["validation"] is None:
        return None
    return mean([uncalibrated(run.predictions("validation")) for run in runs])


def mean(said: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The mean of several predictions of the same beats, as `outputs` gives them; of one, itself.

    Raises:
        EcgError: they are of different beats.
    """
    first = said[0]
    if len(said) == 1:
        return first
    who = [column for column in (*WHO, "fold") if column in first]
    for other in said[1:]:
        if len(other) != len(first) or not other[who].equals(first[who]):
            raise EcgError("run=: the runs have predicted different beats: expected the same part of all")
    names = [column for column in map(str, first) if column.startswith("p_")]
    probability = np.mean([one[names].to_numpy() for one in said], axis=0)
    return first[who].assign(**{name: probability[:, k] for k, name in enumerate(names)})


def open_any(run: str | Sequence[str], threads: int | None = None) -> tuple[Model | OnnxModel, str]:
    """What `run=` names: as `open_model`, or several runs as one model.

    Returns:
        The model, and what it is in a few words.
    """
    if isinstance(run, str):
        return open_model(run, threads)
    runs = open_runs(run)
    model = ensemble(runs)
    return model, f"{ensemble_name(runs)}: {described(model.facts)}"


def training_story(runs: Sequence[Run]) -> dict[str, Any]:
    """What the training of all the runs cost, for the report."""
    stories: list[dict[str, Any]] = [run.metrics["training"] for run in runs]
    if len(stories) == 1:
        return stories[0]
    summed = {key: sum(story[key] for story in stories) for key in ("steps", "parameters", "seconds")}
    curves = {f"{run}/{place}": rows for run, s in enumerate(stories) for place, rows in s["curves"].items()}
    return stories[0] | summed | {"curves": curves}
