"""The space of a search: which settings may be searched, and what a point of it is on the command line."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from omegaconf import OmegaConf

from ecgcli.choices.space import Space
from ecgcli.config import MACHINE_FIELDS, TrainConfig
from ecgcli.errors import EcgError
from ecgcli.parsing import parse, plain, settings

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

FIXED = {
    "data": "trials on other beats cannot be compared",
    "protocol": "trials on other beats cannot be compared",
    "seed": "the best of several seeds is luck",
    "test": "a search never opens a test part",
    "allow_leak": "it is no matter of degree",
    **dict.fromkeys(MACHINE_FIELDS, "it does not change the result"),
}
"""What may not be searched, with everything below it, and why."""


def searched(space: Space, config: TrainConfig, given: Iterable[str]) -> Space:
    """The space without the settings that the command fixes, checked.

    Args:
        space: what may be tried.
        config: the configuration that the trials start from.
        given: the settings of the command, as typed.

    Raises:
        EcgError: a setting that does not exist or may not be searched, an option that is none, or nothing
            left to search.
    """
    fixed = {argument.lstrip("+~").partition("=")[0] for argument in given}
    groups = {name for name in space.options if "." not in name}
    known = set(_names(plain(config)))
    # below a choice that is searched itself, whatever one of its options has
    known |= {name for name in settings(TrainConfig) if name.partition(".")[0] in groups}
    for name in (*space.ranges, *space.options):
        for closed, why in FIXED.items():
            if name == closed or name.startswith(f"{closed}."):
                raise EcgError(f"space={space.name}: {name} cannot be searched: {why}")
        if name not in known:
            close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
            meant = f"; did you mean {close[0]}?" if close else ""
            raise EcgError(f"space={space.name}: unknown setting {name}: no such field here{meant}")
    for name, options in space.options.items():
        _refuse_no_options(space.name, name, options)
    left = Space(
        name=space.name,
        ranges={name: one for name, one in space.ranges.items() if name not in fixed},
        options={name: one for name, one in space.options.items() if name not in fixed},
    )
    if not left.ranges and not left.options:
        raise EcgError(
            f"space={space.name}: the command fixes every setting of it, nothing is left to search"
        )
    return left


def _refuse_no_options(space: str, name: str, options: list[Any]) -> None:
    if any(isinstance(option, dict) for option in options):
        raise EcgError(f"space={space}: {name}: expected numbers, words or lists as options")
    loader = GlobalHydra.instance().config_loader()
    files = loader.get_group_options(name, ObjectType.CONFIG) if "." not in name else []
    for option in options if files else ():
        if option not in files:
            raise EcgError(f"space={space}: {name}={option}: no such choice, expected {', '.join(files)}")


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """What Optuna draws from: ranges, and options as the words of the command line."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    drawn: dict[str, BaseDistribution] = {}
    for name, one in space.ranges.items():
        if one.whole:
            drawn[name] = IntDistribution(int(one.low), int(one.high), log=one.log, step=int(one.step or 1))
        else:
            drawn[name] = FloatDistribution(one.low, one.high, log=one.log, step=one.step)
    for name, options in space.options.items():
        drawn[name] = CategoricalDistribution(tuple(dict.fromkeys(map(_typed, options))))
    return drawn


def typed(point: Mapping[str, Any]) -> dict[str, str]:
    """A point of the space as it is typed on the command line: setting → value.

    Numbers have four significant digits: a learning rate need not have sixteen.
    """
    return {
        name: value if isinstance(value, str) else f"{value:.4g}" if isinstance(value, float) else str(value)
        for name, value in point.items()
    }


def trial_config(given: Sequence[str], settings: Sequence[str]) -> TrainConfig:
    """The configuration of a trial: what `ecg train` would make of the command and these settings."""
    cheap = ["report.pictures=none"]
    if not any(one.startswith("trainer.progress=") for one in given):
        cheap.append("trainer.progress=none")
    values: Any = OmegaConf.to_container(
        compose("search", [*given, *settings, *cheap]), resolve=True, throw_on_missing=True
    )
    return parse(TrainConfig, of_train(values))


def of_train(values: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a search's configuration that `ecg train` takes."""
    return {key: value for key, value in values.items() if key in TrainConfig.model_fields}


def _typed(option: Any) -> str:
    """A value in Hydra's grammar; words as they are where they need no quotes."""
    if isinstance(option, str) and re.fullmatch(r"(?!(null|true|false|nan|inf)$)[A-Za-z_][\w-]*", option):
        return option
    return json.dumps(option)


def _names(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    names: list[str] = []
    for key, value in values.items():
        names.append(prefix + key)
        if isinstance(value, dict):
            names += _names(value, f"{prefix}{key}.")
    return names
