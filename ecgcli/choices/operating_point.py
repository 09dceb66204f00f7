"""Operating points: where a probability becomes a decision."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ecgcli.choices import Choice, Share


def _listed(value: Any) -> Any:
    # one for all is a list of one
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _named(value: Any) -> Any:
    # classes of a table may be called 0 and 1
    return tuple(str(one) if isinstance(one, int) else one for one in _listed(value))


def _flaggable(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError(f"operating_point.of={','.join(names)} names a class twice")
    if "abnormal" in names and len(names) > 1:
        raise ValueError(
            f"operating_point.of={','.join(names)}: expected abnormal (every class but N) alone, or classes"
        )
    if "N" in names:
        raise ValueError("operating_point.of holds N: what is flagged are abnormal beats, or classes of them")
    return names


Flagged = Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_named), AfterValidator(_flaggable)]
Targets = Annotated[tuple[Share, ...], Field(min_length=1), BeforeValidator(_listed)]
Cost = Annotated[float, Field(gt=0, le=1e6)]
Costs = Annotated[tuple[Cost, ...], Field(min_length=1), BeforeValidator(_listed)]


class Argmax(Choice):
    """Every beat is given its most probable class."""

    name: Literal["argmax"]


class AimedPoint(Choice):
    """Thresholds that reach a target on the validation part.

    `of` is `abnormal` (every class but N) or some classes, `target` one share for all of them or one each.
    """

    of: Flagged
    target: Targets

    @model_validator(mode="after")
    def _one_target_a_class(self) -> AimedPoint:
        _one_each("target", self.target, self.of)
        return self


class SensitivityPoint(AimedPoint):
    """At least this share of the beats is flagged, with as few false alarms as that allows."""

    name: Literal["sensitivity"]


class PrecisionPoint(AimedPoint):
    """At least this share of what is flagged is right, with as many beats found as that allows."""

    name: Literal["precision"]


class CostPoint(Choice):
    """The least expected cost under the calibrated probabilities, a false alarm being the unit.

    `miss` is what a beat of the classes `of` costs if it is called N, one cost for all of them or one each;
    abnormal classes that are not named cost 1. `mistype` is the cost of the wrong abnormal class.
    """

    name: Literal["cost"]
    of: Flagged
    miss: Costs
    mistype: Annotated[float, Field(ge=0, le=1e6)]

    @model_validator(mode="after")
    def _one_cost_a_class(self) -> CostPoint:
        _one_each("miss", self.miss, self.of)
        return self


def _one_each(field: str, values: tuple[float, ...], of: tuple[str, ...]) -> None:
    if len(values) not in (1, len(of)):
        raise ValueError(
            f"operating_point.{field} has {len(values)} entries, operating_point.of has {len(of)}: "
            f"give one for all or one for each"
        )


PointChoice = Annotated[Argmax | SensitivityPoint | PrecisionPoint | CostPoint, Field(discriminator="name")]
