"""`ecg fetch`: a data set onto this machine, every file of it verified."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any

from ecgcli.beats.kaggle import FILES, kaggle_files
from ecgcli.beats.kaggle_export import Traced, rebuild_files, remove_left_over, trace_copy, trace_file
from ecgcli.beats.sources import data_dir
from ecgcli.choices.data import Demo, Kaggle, Mitdb, Table, Wfdb
from ecgcli.config import FetchConfig
from ecgcli.errors import EcgError
from ecgcli.recordings.download import Tell, writing
from ecgcli.recordings.physionet import DATABASES, PHYSIONET, Database, fetch_database, named
from ecgcli.recordings.simulate import write_demo

_KACHUEE = (
    "Kachuee M, Fazeli S, Sarrafzadeh M. ECG Heartbeat Classification: A Deep Transferable Representation. "
    "IEEE International Conference on Healthcare Informatics (2018), arXiv:1805.00794"
)


def fetch(config: FetchConfig) -> None:
    """Downloads, rebuilds or simulates a data set and says what there is, under which licence.

    Raises:
        EcgError: it cannot be had, or what is there already is something else.
    """
    place = data_dir(config.data_dir)
    match config.data:
        case Mitdb():
            _database(DATABASES["mitdb"], place / "mitdb", config)
        case Wfdb():
            for path in config.data.path:
                _database(named(path), place / path, config)
        case Kaggle():
            _kaggle(place, config)
        case Demo():
            _demo(config.data, place / "demo", config.force)
        case Table():
            raise EcgError(
                f"data=table: {config.data.path} is a file of your own, there is nothing to fetch; "
                f"`ecg describe data=table data.path={config.data.path}` looks at it"
            )


def _database(database: Database, folder: Path, config: FetchConfig) -> None:
    title = f"{database.title or database.name} {database.version}"
    with _progress(f"fetching {title} from {config.mirror} into {folder}") as tell:
        got = fetch_database(database, folder, config.mirror, config.timeout, tell)
    print(f"{title}: complete in {folder}")
    there = "all verified, none fetched" if not got.fetched else f"{got.fetched:,} fetched, all verified"
    print(f"  {got.records:,} records, {got.files:,} files, {_mb(got.size)}: {there}")
    _licence(database)


def _licence(database: Database) -> None:
    print(f"  licence: {database.licence or f'see {database.page}'}")
    if database.citation:
        print(f"  cite: {database.citation}")
    elif not database.title:
        print(f"  cite: what {database.page} names")
    print(f"  cite: {PHYSIONET}")
    if database.doi:
        print(f"  see: https://doi.org/{database.doi}")


# -- the Kaggle files ----------------------------------------------------------------------------------


def _kaggle(place: Path, config: FetchConfig) -> None:
    folder = place / "kaggle"
    own = [] if config.force else [name for name in FILES if (folder / name).is_file()]
    absent = tuple(name for name in FILES if name not in own)
    if not own:
        _records_of_mitdb(place, config)
    with writing(folder):
        remove_left_over(folder)
        files = [trace_copy(folder / name) for name in own]
        altered = [file.path.name for file in files if not file.unaltered]
        if absent and not altered:
            if own:
                _records_of_mitdb(place, config)
            _say(f"rebuilding {' and '.join(absent)} from {place / 'mitdb'}")
            files += rebuild_files(place, folder, absent)
    print(f"Kaggle heartbeat files: in {folder}")
    for file in sorted(files, key=lambda file: FILES.index(file.path.name)):
        print(f"  {file.path.name}: {'; '.join(_of_file(file, file.path.name in own))}")
    if absent and altered:
        raise EcgError(
            f"{folder}: {absent[0]} is missing, and was not rebuilt beside {altered[0]}, which is not as "
            f"published: place your own there, or move {altered[0]} away to have both rebuilt"
        )
    print("  Both hold beats of the same 47 people: a score on them says nothing about new patients.")
    print(f"  cut from the {DATABASES['mitdb'].title}; cite for the files: {_KACHUEE}")
    _licence(DATABASES["mitdb"])


def _records_of_mitdb(place: Path, config: FetchConfig) -> None:
    try:
        kaggle_files(place, "rebuild")
    except EcgError:
        _database(DATABASES["mitdb"], place / "mitdb", config)


def _of_file(file: Traced, own: bool) -> Iterator[str]:
    yield f"{file.rows:,} rows, {_mb(file.path.stat().st_size)}, {'left as it was' if own else 'rebuilt'}"
    if file.published is not None:
        yield f"{'' if file.published else 'not '}the published file byte for byte"
    elif not own:
        yield "ordered by record and sample, as the published order is not known"
    if own:
        yield f"{file.known:,} rows traced, {file.rows - file.known:,} unknown"
        if file.elsewhere:
            yield f"{file.elsewhere:,} rows stand in the other published file"
        if file.relabelled:
            yield f"{file.relabelled:,} labels differ from the published ones"
    yield f"where each row comes from: {trace_file(file.path).name}"


# -- simulated recordings ------------------------------------------------------------------------------


def _demo(data: Demo, folder: Path, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise EcgError(f"{folder}: is no folder; expected one, or nothing, where the recordings go")
    what = f"{data.patients} simulated patients, {data.minutes:g} minutes each, seed {data.seed}"
    there = sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []
    names = sorted(f"p{n:03d}.{kind}" for n in range(1, data.patients + 1) for kind in ("atr", "dat", "hea"))
    other = f"{folder}: holds something else than {what}; force=true replaces it, data_dir=... goes elsewhere"
    if there and there != names and not force:
        raise EcgError(other)
    with writing(folder.parent):
        for left in folder.parent.glob(".demo-*"):
            rmtree(left, ignore_errors=True)
        _say(f"making {what}")
        with TemporaryDirectory(prefix=".demo-", dir=folder.parent) as beside:
            made, replaced = Path(beside) / "demo", Path(beside) / "replaced"
            write_demo(made, data.patients, data.minutes, data.seed)
            same = there == names and all(
                (folder / name).read_bytes() == (made / name).read_bytes() for name in names
            )
            if there and not same and not force:
                raise EcgError(other)
            if not same:
                if folder.exists():
                    folder.rename(replaced)
                made.rename(folder)
    print(f"{what}: {'the same were there already, left alone' if same else 'complete'} in {folder}")
    print("  no recordings of people; `ecg train data=wfdb data.path=demo` reads them")


# -- what is said meanwhile ----------------------------------------------------------------------------


@contextmanager
def _progress(title: str) -> Iterator[Tell]:
    """A bar of files and megabytes on a terminal, else a line at the start; nothing where nothing comes."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("files, {task.fields[mb]}"),
    )
    console = Console(stderr=True)
    with Progress(
        *columns, TimeElapsedColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        tasks: list[Any] = []

        def tell(done: int, files: int, size: int) -> None:
            if not tasks:
                _say(title)
                tasks.append(bar.add_task("", total=files, mb=_mb(0)))
            bar.update(tasks[0], completed=done, mb=_mb(size))

        yield tell


def _say(text: str) -> None:
    print(f"ecg fetch: {text}", file=sys.stderr, flush=True)


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
