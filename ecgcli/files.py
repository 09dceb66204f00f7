"""Files that appear whole or not at all."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ecgcli.errors import BeingWritten

UNFINISHED = re.compile(r"\..+\.\d+(\.\w+)?")
"""Names that `whole` writes under: whoever bears one while nobody is writing was left by a killed process."""


def as_typed(path: str | Path) -> Path:
    """The path that a user means: as typed; only a leading `~/` that is no folder here is their home."""
    typed = Path(path)
    return typed.expanduser() if typed.parts[:1] == ("~",) and not Path("~").exists() else typed


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Gives a temporary name beside `path`; what was written there gets its final name at the end.

    If the block fails, nothing appears under the final name and the temporary file is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # the suffix stays last: savers such as numpy's and matplotlib's go by it
    beside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")  # as in UNFINISHED
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def closed_on_error(file: IO[bytes]) -> Iterator[None]:
    """Closes a file if the block fails; what becomes of the block keeps it open."""
    try:
        yield
    except BaseException:
        file.close()
        raise


def write_text(path: Path, text: str) -> None:
    """Writes a text file whole."""
    with whole(path) as beside:
        beside.write_text(text, encoding="utf-8")


def write_json(path: Path, values: Any) -> None:
    """Writes plain data as JSON, whole; NaN and infinity are refused."""
    write_text(path, json.dumps(values, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


@contextmanager
def whole_folder(path: Path, keep: str | None = None) -> Iterator[Path]:
    """Gives `<path>.partial` to write into; when the block ends well, it replaces `path`.

    What an interrupted process left in it is removed first, unless it holds work worth keeping; files that it
    was writing when it was killed are removed in any case.

    Args:
        path: the folder's final name.
        keep: pattern of the files that are worth keeping: where there are some, the folder outlives errors
            and is given as it was left.

    Raises:
        BeingWritten: if another process is writing the same folder.
    """
    partial = path.with_name(path.name + ".partial")
    with _locked(path, partial):
        if not _holds(partial, keep):
            for leftover in partial.iterdir():
                if leftover.name != ".lock":
                    shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        for leftover in partial.rglob(".*"):
            if UNFINISHED.fullmatch(leftover.name):
                leftover.unlink()
        try:
            yield partial
        except Exception:
            # an interruption leaves what there is, an error only what is worth it
            if not _holds(partial, keep):
                shutil.rmtree(partial)
            raise
        replaced = path.with_name(path.name + ".replaced")
        shutil.rmtree(replaced, ignore_errors=True)
        if path.exists():
            path.replace(replaced)
        partial.replace(path)
        (path / ".lock").unlink()  # after the renaming: nobody may begin anew in a folder that is whole
        shutil.rmtree(replaced, ignore_errors=True)


@contextmanager
def _locked(path: Path, partial: Path) -> Iterator[None]:
    """Makes the unfinished folder and holds its lock, on which a second process does not wait."""
    taken = f"{path} is being written by another process; wait for it to end"
    partial.mkdir(parents=True, exist_ok=True)
    try:
        file = (partial / ".lock").open("w")
    except FileNotFoundError:  # the other process ended in between, and the folder has its final name
        raise BeingWritten(taken) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = os.fstat(file.fileno()).st_ino == (partial / ".lock").stat().st_ino
        except OSError:
            ours = False
        if not ours:  # or it ended between the opening of the file and its locking
            raise BeingWritten(taken)
        yield


def _holds(folder: Path, pattern: str | None) -> bool:
    return pattern is not None and any(folder.rglob(pattern))
