"""Recipes: runs that differ in nothing but their seed, and what one recipe has that others have not."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from ecgcli.config import identity
from ecgcli.runs import Run

Settings = dict[str, str]

OFF = ("0.0", "null", "false")
"""Values of settings that are not in use, which a name need not hold."""

NO_PART = ("seed", "test")
"""Settings in which runs of one recipe may differ: `test` says whether the test part was opened."""


def settings(run: Run) -> Settings:
    """The settings that decide the result, flat: `model.channels` → `[16,32,64]`."""
    flat: Settings = {}

    def walk(values: dict[str, Any], prefix: str) -> None:
        for key, value in values.items():
            if isinstance(value, dict):
                walk(value, f"{prefix}{key}.")
            else:
                text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
                flat[prefix + key] = text

    walk(identity(run.config), "")
    if run.provenance["results_version"] == 1:
        flat["select"] = "best"  # these runs kept the weights of the best round, whatever they said
    return flat


def grouped(runs: Sequence[Run]) -> list[tuple[Settings, list[Run]]]:
    """Runs of one recipe, in the order in which the recipes come."""
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        what = {key: value for key, value in settings(run).items() if key not in NO_PART}
        groups[json.dumps(what, sort_keys=True)].append(run)
    return [(json.loads(what), group) for what, group in groups.items()]


def label(own: Settings, others: Sequence[Settings]) -> str:
    """What a recipe differs in, its choices first; what is equal in all is left out."""
    said = []
    for key, value in sorted(own.items(), key=lambda item: (not item[0].endswith(".name"), item[0])):
        if len({other[key] for other in others if key in other}) > 1:
            if key.endswith(".name"):
                said.append(f"{key.removesuffix('.name')}={value}")
            elif value not in OFF:
                said.append(f"{key}={value}")
    return ", ".join(said) or "plain"


def differing(recipes: Sequence[Mapping[str, str]]) -> list[str]:
    """The settings in which recipes differ, choices first; one that only some of them have is among them."""
    keys = {key for recipe in recipes for key in recipe}
    apart = [key for key in keys if len({recipe.get(key) for recipe in recipes}) > 1]
    return sorted(apart, key=lambda key: (not key.endswith(".name"), key))
