"""Calibration: how probabilities come to mean what they say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from ecgcli.choices import Choice


class NoCalibration(Choice):
    """Probabilities as the networks give them."""

    name: Literal["none"]


class FittedCalibration(Choice):
    """What every fitted calibration has: `from`, a k-fold run whose predictions it is fitted on.

    Null is the validation part. In code the field is `run`, `from` being a word of the language.
    """

    run: Annotated[str | None, Field(alias="from")] = None

    @model_serializer(mode="wrap")
    def _as_typed(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        return {"from" if key == "run" else key: value for key, value in values.items()}


class TemperatureScaling(FittedCalibration):
    """One temperature for all classes (Guo et al. 2017): how sure, not what is decided."""

    name: Literal["temperature"]


class LogitBias(FittedCalibration):
    """A temperature, and a bias for every class that has enough beats; this moves decisions."""

    name: Literal["bias"]


CalibrationChoice = Annotated[NoCalibration | TemperatureScaling | LogitBias, Field(discriminator="name")]
