"""Folders of WFDB records as `data=wfdb` takes them: any number, with or without a table of subjects."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from ecgcli.beats.from_records import Recording, recordings_of
from ecgcli.choices.data import Wfdb, folder_name
from ecgcli.errors import EcgError
from ecgcli.files import as_typed
from ecgcli.recordings.physionet import DATABASES

_DEPTH = 3
"""Folders below the given one in which records are looked for, such as `files/mitdb/1.0.0`."""


def located(path: str, data_dir: Path) -> Path:
    """A path as typed; where there is none, the same below the folder of the databases, if it is there.

    Raises:
        EcgError: the path is empty.
    """
    if not path.strip():
        raise EcgError("an empty path in data.path or data.subjects; expected a name")
    typed = as_typed(path)
    return typed if typed.exists() or not (data_dir / path).exists() else data_dir / path


def wfdb_folders(data: Wfdb, data_dir: Path) -> list[Path]:
    """The folders that hold the records, parallel to `data.path`.

    Where a folder holds no record itself but one of its sub-folders does, as some databases of PhysioNet
    have it, that one is taken.

    Raises:
        EcgError: there is no such folder, or several sub-folders hold records.
    """
    folders = [located(path, data_dir) for path in data.path]
    for path, folder in zip(data.path, folders, strict=True):
        if path in DATABASES and not folder.exists():
            raise EcgError(
                f"{data_dir / path}: no such folder; `ecg fetch data={path}` downloads the database"
            )
    return [_with_records(folder) for folder in folders]


def wfdb_recordings(data: Wfdb, data_dir: Path) -> tuple[list[Recording], tuple[str, ...]]:
    """The annotated recordings of a `data=wfdb` choice, ascending by name, and what is worth saying of them.

    Of several folders, records and subjects have the folder's name before their own, so that equal names
    stay apart; a subject that is known from another database has that one's name.

    Args:
        data: the choice.
        data_dir: where folders are that are not found as typed.

    Raises:
        EcgError: a folder or the subject table is missing or unreadable, a record is not in the subject
            table, or no record of a folder is annotated.
    """
    found: list[Recording] = []
    notes: list[str] = []
    for path, folder in zip(data.path, wfdb_folders(data, data_dir), strict=True):
        database = folder_name(path)
        here = recordings_of(folder, database)
        bare = [r.name for r in here if not r.path.with_name(f"{r.name}.{data.annotator}").is_file()]
        if len(bare) == len(here):
            raise EcgError(f"{folder}: {_no_annotations(folder, here, data.annotator)}")
        if bare:
            notes.append(
                f"Without annotations (.{data.annotator}), and left out: {len(bare)} of {len(here)} records "
                f"of {database}: {', '.join(bare[:10])}{', …' if len(bare) > 10 else ''}."
            )
        prefix = f"{database}/" if len(data.path) > 1 else ""
        found += [
            Recording(r.path, prefix + r.name, r.subject if "/" in r.subject else prefix + r.subject)
            for r in here
            if r.name not in set(bare)
        ]
    found.sort(key=lambda recording: recording.name)
    if data.subjects is None:
        people = len({recording.subject for recording in found})
        notes.append(f"No subject table (data.subjects): {len(found)} records count as {people} people.")
        return found, tuple(notes)
    file = located(data.subjects, data_dir)
    return list(_told(found, file, subject_table(file))), tuple(notes)


def subject_table(file: Path) -> dict[str, str]:
    """Record → subject, from a CSV file with the columns record and subject; all else in it is left alone.

    Raises:
        EcgError: the file cannot be read, a column is missing, a row lacks an entry, or a record has two
            subjects.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "no UTF-8 text"
        raise EcgError(
            f"{file}: cannot be read: {said}; expected a CSV file of record and subject"
        ) from error
    separator = next((mark for mark in ",;\t" if mark in "".join(lines[:1])), ",")
    subjects: dict[str, str] = {}
    names: list[str] = []
    for number, fields in enumerate(csv.reader(lines, delimiter=separator), 1):
        cells = [field.strip() for field in fields]
        if not names:
            names = [cell.casefold() for cell in cells]
            for wanted in ("record", "subject"):
                if names.count(wanted) != 1:
                    raise EcgError(
                        f"{file}: expected one column {wanted}, found {', '.join(cells) or 'none'}"
                    )
        elif any(cells):
            row = dict(zip(names, cells, strict=False))
            record, subject = row.get("record"), row.get("subject")
            if not record or not subject:
                raise EcgError(f"{file}, row {number}: expected a record and a subject, found {cells}")
            if subjects.setdefault(record, subject) != subject:
                raise EcgError(f"{file}, row {number}: record {record} has two subjects")
    if not names:
        raise EcgError(f"{file}: is empty; expected the columns record and subject")
    return subjects


def _told(recordings: list[Recording], file: Path, subjects: dict[str, str]) -> Iterator[Recording]:
    absent = [r.name for r in recordings if r.name not in subjects and r.path.name not in subjects]
    if absent:
        more = f" and {len(absent) - 1} more records" if len(absent) > 1 else ""
        raise EcgError(f"{file}: no entry for record {absent[0]}{more}; expected one for each")
    for path, name, _, _ in recordings:
        # of several folders, an entry for folder/record comes before one for record
        subject = subjects[name] if name in subjects else subjects[path.name]
        prefix = name.removesuffix(path.name)
        yield Recording(path, name, subject if subject.startswith(prefix) else prefix + subject, told=True)


def _with_records(folder: Path) -> Path:
    if not folder.is_dir() or any(folder.glob("[!.]*.hea")):
        return folder
    for depth in range(1, _DEPTH + 1):
        inside = sorted({path.parent for path in folder.glob("[!.]*/" * depth + "[!.]*.hea")})
        if len(inside) == 1:
            return inside[0]
        if inside:
            some = f"{inside[0]}, {inside[1]}{', …' if len(inside) > 2 else ''}"
            raise EcgError(
                f"{folder}: its records lie in {len(inside)} sub-folders ({some}); expected one folder of "
                f"records, or several as 'data.path=[a,b]'"
            )
    return folder


def _no_annotations(folder: Path, recordings: list[Recording], annotator: str) -> str:
    names = {recording.name for recording in recordings}
    files = [path for path in folder.glob("[!.]*") if path.stem in names and path.is_file()]
    others = sorted({path.suffix[1:] for path in files if path.suffix} - {"hea", "dat", "mat", "xws", "txt"})
    there = f"data.annotator names another extension: there are .{', .'.join(others)}" if others else ""
    return f"none of its {len(names)} records has annotations (.{annotator}); {there or 'expected some'}"
