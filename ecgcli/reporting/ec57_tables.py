"""EC57 scores as text: every format by its name."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from ecgcli.config import ScoreFormat
from ecgcli.evaluation.ec57_summary import Scores
from ecgcli.reporting.ec57_export import as_csv, as_json
from ecgcli.reporting.ec57_lines import line, standard
from ecgcli.reporting.ec57_markdown import markdown

FORMATS: MappingProxyType[ScoreFormat, Callable[[Scores], str]] = MappingProxyType(
    {"line": line, "standard": standard, "markdown": markdown, "csv": as_csv, "json": as_json}
)
"""Format → how scores become text."""
