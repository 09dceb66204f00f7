"""What each axis of an experiment may be: one class for every choice in `conf/`.

`conf/<group>/` holds the values, `<group>.py` in here the meaning. A choice (`model=cnn`) is a class whose
`name` says which one it is; nothing in a configuration names code. Fields that came later than a released
layout carry their default here too, so that older run folders can be read.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(gt=0, lt=1)]
Strength = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Size = Annotated[int, Field(ge=1, le=4096)]


class Choice(BaseModel):
    """Base of everything in a configuration: typed, immutable, no field that is not declared."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
