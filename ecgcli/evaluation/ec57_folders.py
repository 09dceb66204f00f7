"""Scoring the annotation files of two folders against each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from ecgcli.errors import EcgError
from ecgcli.evaluation.ec57 import RecordScore, score_record
from ecgcli.evaluation.ec57_beats import LEARNING_PERIOD, MATCH_WINDOW, check
from ecgcli.evaluation.ec57_summary import Scores
from ecgcli.recordings.aami import ClassMap
from ecgcli.recordings.annotation_file import read_annotations, read_rate_and_length
from ecgcli.recordings.record import Annotations


def score_folders(
    reference: Path,
    test: Path,
    records: Sequence[str] | None = None,
    reference_annotator: str = "atr",
    test_annotator: str = "tst",
    start: float = LEARNING_PERIOD,
    class_map: ClassMap = "ec57",
    window: float = MATCH_WINDOW,
) -> Scores:
    """Scores annotation files against reference annotations, record by record.

    Args:
        reference: folder with the records' headers and their reference annotations (`100.hea`, `100.atr`).
        test: folder with the annotations to score (`100.tst`).
        records: names of records; None: all that both folders have.
        reference_annotator: extension of the reference's annotation files.
        test_annotator: extension of the test's annotation files.
        start: seconds at the start of each record that are not scored.
        class_map: how symbols become classes.
        window: greatest distance in seconds of two annotations of one beat.

    Raises:
        EcgError: a folder, a record's file on either side or its header is missing or damaged, the rates of
            the two sides differ, an annotation is out of order, beyond the record's end or of unknown
            symbol, or nothing is left to score.
    """
    for folder in (reference, test):
        if not folder.is_dir():
            raise EcgError(f"{folder}: no such folder; expected one with annotation files")
    if records is None:
        names, notes = _common(reference, test, reference_annotator, test_annotator)
    else:
        names, notes = _named(records), []
    scores = [
        _score(name, reference, test, reference_annotator, test_annotator, start, class_map, window)
        for name in names
    ]
    return Scores(
        records=tuple(scores),
        reference_annotator=reference_annotator,
        test_annotator=test_annotator,
        class_map=class_map,
        start=start,
        window=window,
        notes=tuple(notes),
    )


def _score(
    name: str,
    reference: Path,
    test: Path,
    reference_annotator: str,
    test_annotator: str,
    start: float,
    class_map: ClassMap,
    window: float,
) -> RecordScore:
    header = reference / f"{name}.hea"
    rate, length = read_rate_and_length(header)
    ref = _read(reference / f"{name}.{reference_annotator}", "reference", rate, length, header)
    beside = test / f"{name}.hea"
    if beside.is_file():
        _same_rate(beside, read_rate_and_length(beside)[0], rate, header)
    tst = _read(test / f"{name}.{test_annotator}", "test", rate, length, header)
    return score_record(name, ref, tst, rate, length, start, class_map, window)


def _read(file: Path, side: str, rate: float, length: int | None, header: Path) -> Annotations:
    if not file.is_file():
        raise EcgError(
            f"{file}: no such annotation file; expected the {side} annotations of record {file.stem}"
        )
    annotations, stated = read_annotations(file)
    if stated is not None:
        _same_rate(file, stated, rate, header)
    check(annotations, length, str(file))
    return annotations


def _same_rate(file: Path, stated: float, rate: float, header: Path) -> None:
    if not np.isclose(stated, rate, rtol=1e-6, atol=0):
        raise EcgError(
            f"{file}: says {stated:g} Hz, {header} says {rate:g} Hz; expected one rate on both sides"
        )


def _named(records: Sequence[str]) -> list[str]:
    if not records:
        raise EcgError("records=[] names no record; expected at least one, or null for those of both folders")
    for name in records:
        if name in ("", ".", "..") or PurePosixPath(name).name != name or PureWindowsPath(name).name != name:
            raise EcgError(
                f"records: {name!r} is no record's name; expected a name such as 100, without a folder"
            )
    twice = [name for k, name in enumerate(records) if name in records[:k]]
    if twice:
        raise EcgError(f"records names {twice[0]} twice; expected each record once")
    return list(records)


def _common(
    reference: Path, test: Path, reference_annotator: str, test_annotator: str
) -> tuple[list[str], list[str]]:
    """The records that both folders have, and a note on each kind of record that is left out."""
    in_reference, in_test = _annotated(reference, reference_annotator), _annotated(test, test_annotator)
    both = sorted(in_reference & in_test)
    headless = [name for name in both if not (reference / f"{name}.hea").is_file()]
    names = [name for name in both if name not in headless]
    if not names:
        raise EcgError(
            f"{reference} and {test} have no record in common: expected <record>.hea and "
            f"<record>.{reference_annotator} in the one, <record>.{test_annotator} in the other"
        )
    notes = []
    for missing, what in (
        (sorted(in_reference - in_test), f"no {test_annotator} annotations"),
        (sorted(in_test - in_reference), f"no {reference_annotator} annotations"),
        (headless, "no header"),
    ):
        if missing:
            shown = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
            notes.append(f"Not scored, as they have {what}: {len(missing)} records ({shown}).")
    return names, notes


def _annotated(folder: Path, annotator: str) -> set[str]:
    ending = f".{annotator}"
    return {
        p.name.removesuffix(ending) for p in folder.iterdir() if p.name.endswith(ending) and p.name != ending
    }
