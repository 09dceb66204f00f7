"""Beats: where one starts and ends, at what rate and scaling, and what is said of it beside its signal."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ecgcli.choices import Choice


class KaggleBeat(Choice):
    """From R over 1.2 RR intervals, every third sample of 360 Hz, min-max scaled, padded to 187."""

    name: Literal["kaggle"]
    rhythm: bool = False


class CentredBeat(Choice):
    """A window around R, resampled to `rate` Hz; `before` and `after` in seconds.

    `leads` go by name, or by number from 0. `rhythm` adds RR features, `rhythm_prior` what a network that has
    seen simulated rhythms alone makes of them; `morphology` adds the patient's usual beat as further
    channels, and how far a beat is from it as features.
    """

    name: Literal["centred"]
    rate: Annotated[float, Field(ge=50, le=1000)]
    before: Annotated[float, Field(gt=0, le=5)]
    after: Annotated[float, Field(gt=0, le=5)]
    leads: Annotated[tuple[str | Annotated[int, Field(ge=0)], ...], Field(min_length=1, max_length=12)]
    fallback: Literal["other", "refuse"]
    scaling: Literal["record", "beat", "none"]
    rhythm: bool = False
    rhythm_prior: bool = False
    morphology: bool = False

    @model_validator(mode="after")
    def _prior_of_a_rhythm(self) -> CentredBeat:
        if self.rhythm_prior and not self.rhythm:
            raise ValueError("beat.rhythm_prior judges the rhythm: it needs beat.rhythm=true")
        return self


class GivenBeat(Choice):
    """Beats as a table has them, of whatever length; `rate` in Hz.

    `rhythm` needs a table with the columns record and sample.
    """

    name: Literal["given"]
    rate: Annotated[float, Field(gt=0)]
    scaling: Literal["beat", "min_max", "none"]
    rhythm: bool = False


Beat = Annotated[KaggleBeat | CentredBeat | GivenBeat, Field(discriminator="name")]
