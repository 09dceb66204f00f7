"""The report: how much is said of a finished run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ecgcli.choices import Choice


class Report(Choice):
    """How much is said of a finished run; `replicates` of the bootstrap behind the intervals.

    `gallery` draws the most confident mistakes and what drove them, `figures` all but those, `none` nothing.
    """

    replicates: Annotated[int, Field(ge=10, le=100_000)] = 1000
    pictures: Literal["gallery", "figures", "none"] = "gallery"
