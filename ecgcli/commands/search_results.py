"""What came of a search: a table of its trials, pictures, a page, and the best settings as experiments."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra import compose
from omegaconf import OmegaConf

from ecgcli.commands.search_space import trial_config, typed
from ecgcli.commands.study import JOURNAL, running
from ecgcli.config import MACHINE_FIELDS, SearchConfig, TrainConfig, identity
from ecgcli.errors import EcgError
from ecgcli.evaluation.goals import Goal
from ecgcli.files import write_text
from ecgcli.reporting.plots import save
from ecgcli.reporting.search_page import best_sentence, importance_sentence, said, write_page
from ecgcli.reporting.search_plots import figures
from ecgcli.reporting.words import counted
from ecgcli.runs import command_line, run_name

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

GROUPS = (
    *("data", "beat", "protocol", "sampling", "model", "optimizer", "loss", "augment"),
    *("calibration", "operating_point"),
)
"""Choices that an experiment names; what it sets beside them is what differs from their files."""


def conclude(
    folder: Path, study: Study, goals: Sequence[Goal], config: SearchConfig, given: Sequence[str]
) -> None:
    """Writes `trials.csv`, `figures/`, `search.html` and `experiment/` into a study's folder; says the best.

    Args:
        folder: of the study.
        study: the study.
        goals: what its trials are judged by.
        config: the configuration of the search.
        given: the settings of the command, as typed.

    Raises:
        EcgError: no trial is complete.
    """
    facts = _facts(folder, study, goals, config)
    write_text(folder / "trials.csv", _as_csv(facts))
    if not facts["best"]:
        failed = [trial for trial in facts["trials"] if trial["state"] == "failed"]
        why = f"; trial {failed[0]['number']} failed: {failed[0]['reason']}" if failed else ""
        raise EcgError(f"no trial of {folder} is complete{why}")
    drawn = figures(facts)
    for name, figure in drawn.items():
        save(figure, folder / "figures" / f"{name}.png")
    _write_experiments(folder, facts, given)
    machine = [one for one in given if _is_machine(one)]
    facts["next"] = " ".join(
        ["ecg train --config-dir", str(folder), "experiment=best", *machine, "test=true"]
    )
    write_page(folder, facts, drawn)
    print()
    for sentence in best_sentence(facts):
        print(sentence)
    if facts["importances"]:
        print(f"Importance   {importance_sentence(facts)}")
    if going := running(study):
        print(f"Running      {counted(going, 'trial')} in other processes")
    print(f"Page         {folder / 'search.html'}")
    print(f"Dashboard    {facts['dashboard']}")
    print(f"Next         {facts['next']}")


def _facts(folder: Path, study: Study, goals: Sequence[Goal], config: SearchConfig) -> dict[str, Any]:
    """What is known of a study, as plain data."""
    trials = [_trial(trial) for trial in study.get_trials(deepcopy=False) if trial.state.name != "WAITING"]
    complete = [trial for trial in trials if trial["state"] == "complete"]
    best = sorted(
        (trial.number for trial in study.best_trials),
        key=lambda number: _rank(trials, number, goals[0]),
    )
    return {
        "title": folder.name,
        "command": command_line(),
        "goals": [{"key": one.key, "more": one.more} for one in goals],
        "space": config.space.name,
        "settings": [*config.space.ranges, *config.space.options],
        "sampler": config.sampler,
        "pruner": config.pruner,
        "trials": trials,
        "complete": len(complete),
        "best": (best if len(goals) > 1 else best[:1]) if complete else [],
        "importances": _importances(study, goals) if len(complete) > 1 else {},
        "dashboard": f"optuna-dashboard {folder / JOURNAL}",
    }


def _rank(trials: Sequence[Mapping[str, Any]], number: int, first: Goal) -> tuple[float, int]:
    (value, *_), more = next(one["values"] for one in trials if one["number"] == number), first.more
    return (-value if more else value), number


def _trial(trial: FrozenTrial) -> dict[str, Any]:
    states = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed", "RUNNING": "running"}
    killed = trial.user_attrs.get("killed", False)
    return {
        "number": trial.number,
        "state": "killed" if killed else states[trial.state.name],
        "values": list(trial.values) if trial.state.name == "COMPLETE" else None,
        "settings": typed(trial.params),
        "seconds": trial.user_attrs.get("seconds"),
        "run": trial.user_attrs.get("run"),
        "reason": trial.user_attrs.get("reason"),
    }


def _importances(study: Study, goals: Sequence[Goal]) -> dict[str, dict[str, float]]:
    """Share of the differences between trials that each setting explains (functional ANOVA, Hutter 2014)."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    found: dict[str, dict[str, float]] = {}
    for place, one in enumerate(goals):

        def value(trial: FrozenTrial, place: int = place) -> float:
            return float(trial.values[place])

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                shares = get_param_importances(
                    study,
                    evaluator=FanovaImportanceEvaluator(seed=0),
                    target=value,
                )
        except (RuntimeError, ValueError):
            continue  # all trials are equal in this goal, or in all settings: nothing to explain
        found[one.key] = {name: float(share) for name, share in shares.items()}
    return found


def _as_csv(facts: Mapping[str, Any]) -> str:
    keys, settings = [one["key"] for one in facts["goals"]], facts["settings"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", "state", *keys, "seconds", *settings, "run", "reason"])
    for trial in facts["trials"]:
        values = trial["values"] or [None] * len(keys)
        row = [trial["number"], trial["state"], *values, trial["seconds"]]
        row += [trial["settings"].get(name) for name in settings]
        writer.writerow([*row, trial["run"], trial["reason"]])
    return text.getvalue()


def _write_experiments(folder: Path, facts: Mapping[str, Any], given: Sequence[str]) -> None:
    """Writes `experiment/best.yaml` and, with several goals, a file for each trial of the Pareto front."""
    place = folder / "experiment"
    place.mkdir(exist_ok=True)
    for old in place.glob("trial_*.yaml"):
        old.unlink()
    for number in facts["best"]:
        trial = next(one for one in facts["trials"] if one["number"] == number)
        told = ", ".join(
            f"{one['key']} {said(value)}" for one, value in zip(facts["goals"], trial["values"], strict=True)
        )
        about = f"# Trial {number} of {folder}, on validation: {told}."
        settings = [f"{name}={value}" for name, value in trial["settings"].items()]
        experiment = _experiment(trial_config(given, settings), about)
        if len(facts["goals"]) > 1:
            write_text(place / f"trial_{number}.yaml", experiment)
        if number == facts["best"][0]:
            write_text(place / "best.yaml", experiment)


def _experiment(config: TrainConfig, about: str) -> str:
    """A configuration as an experiment: its choices, and what differs from their files."""
    choices = {group: getattr(config, group).name for group in GROUPS}
    files: Any = OmegaConf.to_container(compose("train", [f"{key}={name}" for key, name in choices.items()]))
    own = _differences(identity(config), files)
    lines = ["# @package _global_", about, f"# It names its run: {run_name(config)}", "defaults:"]
    lines += [f"  - override /{group}: {name}" for group, name in choices.items()]
    return "\n".join(lines) + "\n" + (OmegaConf.to_yaml(OmegaConf.create(own)) if own else "")


def _differences(values: Mapping[str, Any], files: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        before = files.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            if inner := _differences(value, before):
                found[key] = inner
        elif value != before:
            found[key] = value
    return found


def _is_machine(argument: str) -> bool:
    key = argument.partition("=")[0]
    return key != "force" and any(key == field or key.startswith(f"{field}.") for field in MACHINE_FIELDS)
