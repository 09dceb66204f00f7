"""Augmentation: how training beats are changed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ecgcli.choices import Choice


class Augment(Choice):
    """Changes of training beats, drawn anew for every batch; 0 leaves a kind out.

    Attributes:
        name: `none` or `standard`.
        scaling: standard deviation of the logarithm of a factor on the amplitude, one a beat.
        shift: standard deviation of an offset of the amplitude, in spreads of the beat, one a beat and lead.
        noise: standard deviation of white noise, in spreads of the beat.
        wander: amplitude of a slow sine of random phase, in spreads of the beat.
        lead_dropout: chance that a lead of a beat is set to zero; one lead always stays.
        jitter: standard deviation of the R position, in seconds.
        mixup: alpha of the Beta distribution by which beats and labels are mixed (Zhang et al. 2018).
        stretch: how far a factor on time goes from 1, one a beat, uniform; for beats that begin at R.
        rhythm: chance that the rhythm around a beat becomes that around a simulated one of its class.
    """

    name: Literal["none", "standard"]
    scaling: Annotated[float, Field(ge=0, le=2)]
    shift: Annotated[float, Field(ge=0, le=10)]
    noise: Annotated[float, Field(ge=0, le=10)]
    wander: Annotated[float, Field(ge=0, le=10)]
    lead_dropout: Annotated[float, Field(ge=0, lt=1)]
    jitter: Annotated[float, Field(ge=0, le=0.2)]
    mixup: Annotated[float, Field(ge=0, le=10)]
    stretch: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    rhythm: Annotated[float, Field(ge=0, le=1)] = 0.0

    @model_validator(mode="after")
    def _none_is_none(self) -> Augment:
        strong = [key for key, value in self if key != "name" and value]
        if self.name == "none" and strong:
            raise ValueError(
                f"augment.{strong[0]} contradicts augment=none, which changes nothing: use augment=standard"
            )
        return self


NO_AUGMENT = Augment(name="none", scaling=0, shift=0, noise=0, wander=0, lead_dropout=0, jitter=0, mixup=0)
