"""From a `data=` choice to its BeatTable: built once, kept on disk, mapped from then on."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from ecgcli.beats.folders import located, wfdb_folders, wfdb_recordings
from ecgcli.beats.from_records import Recording, cut_recordings, recordings_of
from ecgcli.beats.segment import Segmenter
from ecgcli.beats.store import put_beside, read_table, write_table
from ecgcli.beats.table import BeatTable
from ecgcli.choices.beat import Beat, GivenBeat
from ecgcli.choices.data import Data, Demo, Mitdb, Table, Wfdb
from ecgcli.errors import EcgError
from ecgcli.files import as_typed
from ecgcli.recordings.aami import CLASS_MAPS
from ecgcli.recordings.wfdb_io import read_record, record_names

BEATS_VERSION = 1
"""Grows with every change of what the same source and segmenter give."""

_OURS = re.compile(r"\.?(beats-(demo|mitdb|kaggle|wfdb|table)|demo)-[0-9a-f]{16}(\.\d+)?")


# -- places --------------------------------------------------------------------------------------------


def data_dir(choice: str | None) -> Path:
    """The folder of the databases: as given, else `$ECG_DATA`, else `./data`."""
    return as_typed(choice or os.environ.get("ECG_DATA") or "data")


def cache_dir() -> Path:
    """The folder of the cache: `$ECG_CACHE`, else `ecgcli` in the user's cache directory."""
    if given := os.environ.get("ECG_CACHE"):
        return as_typed(given)
    home = Path(os.environ.get("XDG_CACHE_HOME") or "")
    if not home.is_absolute():  # the XDG standard: a relative path counts as none
        home = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return home / "ecgcli"


def cache_size() -> int:
    """Bytes of what the cache holds."""
    return sum(p.stat().st_size for entry in _entries() for p in entry.rglob("*") if p.is_file())


def clean_cache() -> int:
    """Empties the cache, of this program's own entries only; returns the bytes set free."""
    size = cache_size()
    for entry in _entries():
        shutil.rmtree(entry, ignore_errors=True)
    return size - cache_size()


def _entries() -> list[Path]:
    folder = cache_dir()
    return [p for p in folder.iterdir() if _OURS.fullmatch(p.name)] if folder.is_dir() else []


# -- tables --------------------------------------------------------------------------------------------


def beats(data: Data, beat: Beat, data_dir: Path, test: bool = True) -> BeatTable:
    """The beats of a data set, ordered by (record, sample); built on first use, then mapped from the cache.

    Args:
        data: which data set.
        beat: how its beats are cut; `given` for a table, and for nothing else.
        data_dir: folder of the databases; paths that do not exist as typed are looked for there too.
        test: for `kaggle`, whether the published test file is read. Only the protocol that keeps the
            published split can do without it.

    Raises:
        EcgError: the data is missing or damaged, or the cache cannot be written.
    """
    entry = _entry(data, beat, data_dir, test)
    try:
        table = read_table(entry)
        if table is None:
            _build(data, beat, data_dir, test, entry)
            table = read_table(entry)
    except OSError as error:
        said = f"{error.filename or entry}: {error.strerror or error}"
        raise EcgError(f"{said}; the cache is {cache_dir()}, $ECG_CACHE names another place") from error
    if table is None:
        raise EcgError(f"{entry}: cannot be read back; $ECG_CACHE names another place for the cache")
    return table


def annotator_of(data: Data) -> str:
    """Extension of the annotation files of a data set's recordings."""
    return data.annotator if isinstance(data, Wfdb) else "atr"


def recordings(data: Data, data_dir: Path) -> dict[str, Recording]:
    """The recordings that the beats of a data set were cut from, by the name that their table gives them.

    For `kaggle` these are the records of `<data_dir>/mitdb`, as far as they are there.

    Args:
        data: which data set.
        data_dir: folder of the databases.

    Returns:
        Record name → recording; empty where there are none at hand, as for a table of beats.

    Raises:
        EcgError: a folder or the subject table of `data=wfdb` is missing or unreadable.
    """
    if isinstance(data, Wfdb):
        found, _ = wfdb_recordings(data, data_dir)
    elif isinstance(data, Table):
        return {}
    else:
        folder = demo_folder(data) if isinstance(data, Demo) else data_dir / "mitdb"
        if not any(folder.glob("[!.]*.hea")):
            return {}
        found = recordings_of(folder, data.database)
    return {recording.name: recording for recording in found}


def demo_folder(data: Demo) -> Path:
    """Where the simulated recordings of a `data=demo` choice are kept; made by `beats` on first use."""
    from ecgcli.recordings.simulate import SIMULATOR_VERSION

    return cache_dir() / f"demo-{_hash({'simulator': SIMULATOR_VERSION, **data.model_dump()})}"


def _entry(data: Data, beat: Beat, data_dir: Path, test: bool) -> Path:
    """The place in the cache, named by all that determines the beats."""
    by: dict[str, Any] = {"version": BEATS_VERSION, "segmenter": Segmenter.from_config(beat).to_dict()}
    if isinstance(data, Demo):
        by |= {"recordings": demo_folder(data).name, "classes": dict(CLASS_MAPS["aami"])}
    elif isinstance(data, Mitdb):
        files = _stamps_in(data_dir / "mitdb")
        by |= {"map": data.class_map, "classes": dict(CLASS_MAPS[data.class_map]), "files": files}
    elif isinstance(data, Wfdb):
        recordings, _ = wfdb_recordings(data, data_dir)
        files = [stamp for folder in wfdb_folders(data, data_dir) for stamp in _stamps_in(folder)]
        by |= {"map": data.class_map, "classes": dict(CLASS_MAPS[data.class_map]), "files": files}
        by |= {"annotator": data.annotator, "recordings": [(r.name, r.subject) for r in recordings]}
    elif isinstance(data, Table):
        file = located(data.path, data_dir)
        if not file.is_file():
            raise EcgError(f"{file}: no such file; expected beats as .csv, .parquet or .npz")
        by |= {"table": data.model_dump(), "file": str(file.absolute()), "files": _stamps([file])}
    else:
        from ecgcli.beats.kaggle import kaggle_files

        by |= {"test": test, "files": _stamps(kaggle_files(data_dir, data.source, test))}
    return cache_dir() / f"beats-{data.name}-{_hash(by)}"


def _hash(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def _stamps(files: list[Path]) -> list[tuple[str, int, int]]:
    stamps = [(path.name, path.stat()) for path in files if path.is_file()]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stamps]


def _stamps_in(folder: Path) -> list[tuple[str, int, int]]:
    """Stamps of the files of a folder of records, ascending by name; one look at each."""
    if not folder.is_dir():
        record_names(folder)  # says so
    with os.scandir(folder) as entries:
        seen = [(entry.name, entry.stat()) for entry in entries if entry.name[0] != "." and entry.is_file()]
    if not any(name.endswith(".hea") for name, _ in seen):
        record_names(folder)
    return sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in seen)


def _build(data: Data, beat: Beat, data_dir: Path, test: bool, entry: Path) -> None:
    segmenter = Segmenter.from_config(beat)
    if isinstance(data, Mitdb):
        _cut(recordings_of(data_dir / "mitdb", "mitdb"), data, segmenter, entry)
    elif isinstance(data, Wfdb):
        recordings, notes = wfdb_recordings(data, data_dir)
        _cut(recordings, data, segmenter, entry, notes)
    elif isinstance(data, Table):
        from ecgcli.beats.table_file import read_file

        assert isinstance(beat, GivenBeat)
        file = located(data.path, data_dir)
        _say(f"reading the beats of {file}")
        with put_beside(entry) as beside:
            read_file(file, data, beat, beside)
    elif isinstance(data, Demo):
        _build_demo(data, segmenter, entry)
    else:
        from ecgcli.beats.kaggle import kaggle_table

        _say("reading the Kaggle heartbeat files")
        with put_beside(entry) as beside:
            write_table(beside, kaggle_table(data_dir, data.source, test))


def _build_demo(data: Demo, segmenter: Segmenter, entry: Path) -> None:
    from ecgcli.recordings.simulate import write_demo

    folder = demo_folder(data)
    if not _whole(folder, data.patients):
        _say(f"simulating {data.patients} patients, {data.minutes:g} minutes each")
        shutil.rmtree(folder, ignore_errors=True)
        write_demo(folder, data.patients, data.minutes, data.seed)
    _cut(recordings_of(folder, data.database), data, segmenter, entry)


def _whole(folder: Path, records: int) -> bool:
    """Whether simulated recordings are there, and as they were written."""
    try:
        return len([read_record(folder / name) for name in record_names(folder)]) == records
    except EcgError:
        return False


def _cut(
    recordings: list[Recording],
    data: Demo | Mitdb | Wfdb,
    segmenter: Segmenter,
    entry: Path,
    notes: tuple[str, ...] = (),
) -> None:
    folders = list(dict.fromkeys(str(recording.path.parent) for recording in recordings))
    _say(f"cutting the beats of {len(recordings)} records of {', '.join(folders)}")
    source = data.database if isinstance(data, Wfdb) else data.name
    class_map = "aami" if isinstance(data, Demo) else data.class_map
    with put_beside(entry) as beside:
        cut_recordings(recordings, annotator_of(data), source, class_map, segmenter, beside, notes)


def _say(text: str) -> None:
    print(f"ecg: {text}; kept in {cache_dir()}", file=sys.stderr, flush=True)
