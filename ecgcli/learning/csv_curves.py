"""The curves of training as a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning_utilities.core.rank_zero import rank_zero_only
from pytorch_lightning.loggers import Logger

from ecgcli.files import write_text


class CsvCurves(Logger):
    """The curves as one CSV file: a row an entry, a column a metric, empty where an entry lacks it.

    A run that continues goes on with the rows that are there. What it logs once more takes the place of the
    row of that step: the file ends up as that of a run never interrupted.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.rows: dict[tuple[int, frozenset[str]], dict[str, Any]] = {}
        if path.exists():
            for row in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))):
                self._add({key: value for key, value in row.items() if value != ""})

    @property
    def name(self) -> str:
        """Name of the network."""
        return self.path.stem

    @property
    def version(self) -> str:
        """None but this."""
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Adds an entry and writes the file."""
        self._add({"step": step or 0, **metrics})
        columns = dict.fromkeys(key for row in self.rows.values() for key in row)
        text = io.StringIO()
        writer = csv.DictWriter(text, list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows.values())
        write_text(self.path, text.getvalue())

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Nothing: settings stand in `config.json`."""

    def _add(self, row: dict[str, Any]) -> None:
        self.rows[int(row["step"]), frozenset(row)] = row
