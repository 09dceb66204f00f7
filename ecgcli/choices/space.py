"""Spaces: what a search may try."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from ecgcli.choices import Choice


class Range(Choice):
    """Numbers from `low` to `high`, whole ones where both are; `step` or `log` says how they are spaced."""

    low: float | int
    high: float | int
    step: float | int | None = None
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether it holds whole numbers alone."""
        return all(isinstance(number, int) for number in (self.low, self.high, self.step or 1))

    @model_validator(mode="after")
    def _is_one(self) -> Range:
        if self.low >= self.high:
            raise ValueError(f"expected low below high, got {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"expected low above 0 with log: true, got {self.low}")
        if self.step is not None:
            steps = (self.high - self.low) / self.step if self.step > 0 else 0.5
            if self.log or abs(steps - round(steps)) > 1e-9:
                raise ValueError(f"expected whole steps of {self.step} from low to high, and no log")
        return self


class Space(Choice):
    """What a search may try: for each setting, named with its dots, a range or a list of options.

    In a file the settings stand as they do in a configuration: `optimizer: {lr: {low: 1e-4, high: 1e-2}}`, or
    `optimizer.lr: {…}`; a list (`model: [cnn, resnet]`) holds options, each as it would be given.
    """

    name: Annotated[str, Field(pattern=r"^[\w-]+$")]
    ranges: dict[str, Range]
    options: dict[str, Annotated[list[Any], Field(min_length=1)]]

    @model_validator(mode="before")
    @classmethod
    def _by_setting(cls, values: Any) -> Any:
        if not isinstance(values, dict) or {"ranges", "options"} <= set(values):
            return values
        ranges: dict[str, Any] = {}
        options: dict[str, Any] = {}

        def walk(group: dict[str, Any], prefix: str) -> None:
            for key, value in group.items():
                if isinstance(value, list):
                    options[prefix + key] = value
                elif isinstance(value, dict) and not {"low", "high"} & set(value):
                    walk(value, f"{prefix}{key}.")
                elif isinstance(value, dict):
                    ranges[prefix + key] = value
                else:
                    raise ValueError(
                        f"space.{prefix}{key}={value}: expected a list of options, or a range "
                        f"{{low: …, high: …}}"
                    )

        walk({key: value for key, value in values.items() if key != "name"}, "")
        if not ranges and not options:
            raise ValueError("the space is empty: expected at least one setting with a range or options")
        return {"name": values.get("name"), "ranges": ranges, "options": options}
