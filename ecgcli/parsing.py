"""Typed configurations from plain data and back, and what is wrong with them in one line.

A composed configuration, the `config.json` of a run folder and what a model folder says of its networks go
through the same door, `parse`, and all are plain data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from ecgcli.choices import Choice
from ecgcli.errors import EcgError

AnyConfig = TypeVar("AnyConfig", bound=Choice)


def parse(cls: type[AnyConfig], values: Mapping[str, Any]) -> AnyConfig:
    """Turns plain values into a typed configuration.

    Args:
        cls: the configuration to make, such as `TrainConfig`.
        values: nested dicts, lists, strings, numbers and None, as JSON has them.

    Raises:
        EcgError: naming the first field that is unknown, missing, of the wrong type or in contradiction
            to another one, and what would be right.
    """
    try:
        return cls.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise EcgError(_first_fault(error)) from None
    except (TypeError, ValueError) as error:
        raise EcgError(f"the configuration is no plain data: {error}") from None


def plain(config: Choice) -> dict[str, Any]:
    """The configuration as plain data, the inverse of `parse`."""
    values: dict[str, Any] = config.model_dump(mode="json")
    return values


def settings(cls: type[Choice]) -> list[str]:
    """Dotted names of every setting that some choice of this configuration has, such as `model.channels`."""
    names: list[str] = []
    for field, info in cls.model_fields.items():
        typed = info.alias or field
        names.append(typed)
        for choice in _choices(info.annotation):
            names += [f"{typed}.{name}" for name in settings(choice)]
    return sorted(set(names))


def _choices(annotation: Any) -> list[type[Choice]]:
    if isinstance(annotation, type) and issubclass(annotation, Choice):
        return [annotation]
    return [choice for part in get_args(annotation) for choice in _choices(part)]


def _first_fault(error: ValidationError) -> str:
    """One line for the fault that says most: an unknown key before what may follow from it."""
    faults = error.errors(include_url=False)
    order = ["extra_forbidden", "missing"]
    fault = min(faults, key=lambda f: order.index(f["type"]) if f["type"] in order else len(order))
    # pydantic puts the chosen variant's name into the path (model.cnn.channels); users do not type it
    path = [str(part) for part in fault["loc"] if not re.fullmatch(r"constrained-int|literal\[.*", str(part))]
    variants = {"data", "beat", "protocol", "sampling", "model", "optimizer", "loss", "logger"}
    variants |= {"calibration", "operating_point", "space"}
    if len(path) > 2 and path[0] in variants:
        del path[1]
    if path[:1] == ["space"] and path[-1] == "float":
        path.pop()  # which kind of number it was not
    where = ".".join(path)
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "value_error":
        return f"{where}: {context['error']}" if where.startswith("space.") else str(context["error"])
    given = json.dumps(fault["input"], default=str)
    if kind == "extra_forbidden":
        return f"unknown setting {where}: no such field; `--cfg job` shows the ones there are"
    if kind == "missing":
        return f"setting {where} is missing"
    if kind == "union_tag_invalid":
        return f"{where}.name={context['tag']}: expected {context['expected_tags']}"
    if kind == "union_tag_not_found":
        return f"{where}: expected a choice with a name, got {given}"
    expected = fault["msg"][0].lower() + fault["msg"][1:]
    expected = expected.removeprefix("input should be ").replace("a valid array", "a list")
    expected = expected.replace("a valid string", "text").replace("a valid boolean", "true or false")
    expected = expected.replace("a valid integer", "a whole number").replace("a valid number", "a number")
    return f"{where}={given}: expected {expected}"
