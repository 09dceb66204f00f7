"""`ecg score`: annotation files against reference annotations, by the standard ANSI/AAMI EC57."""

from __future__ import annotations

import re
import sys

from ecgcli.config import ScoreConfig
from ecgcli.errors import EcgError
from ecgcli.evaluation.ec57_folders import score_folders
from ecgcli.files import as_typed, write_text
from ecgcli.reporting.ec57_lines import shutdown_lines
from ecgcli.reporting.ec57_tables import FORMATS


def score(config: ScoreConfig) -> None:
    """Scores the records and prints the table, or writes it where `output` says."""
    scores = score_folders(
        reference=as_typed(config.reference),
        test=as_typed(config.test),
        records=None if config.records is None else [str(name) for name in config.records],
        reference_annotator=config.reference_annotator,
        test_annotator=config.test_annotator,
        start=seconds(config.start),
        class_map=config.class_map,
        window=config.window,
    )
    text = FORMATS[config.format](scores)
    if config.shutdown and config.format == "line":
        text += "\n" + shutdown_lines(scores)
    if config.output:
        write_text(as_typed(config.output), text)
    else:
        print(text, end="")
    if config.format in ("line", "standard", "csv"):  # the others hold the notes themselves
        for note in scores.notes:
            print(note, file=sys.stderr)


def seconds(time: str | int | float) -> float:
    """A time as WFDB writes it: seconds (`300`, `1.5`), `5:00` or `1:00:00`.

    Raises:
        EcgError: it is none, or negative.
    """
    if not re.fullmatch(r"(\d+:){0,2}\d+(\.\d*)?", text := str(time)):
        raise EcgError(f"start={text}: expected a time such as 5:00, 0:00 or seconds such as 300")
    value = 0.0
    for part in text.split(":"):
        value = 60 * value + float(part)
    return value
