"""Databases of PhysioNet: what is known of them, and how they come into a folder, whole and verified."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import quote

from ecgcli.errors import EcgError
from ecgcli.recordings.download import File, Tell, fetch_files, put, read_url, sha256, writing

SUMS = "SHA256SUMS.txt"
_LISTS = ("RECORDS", "ANNOTATORS")
_SIGNALS = {"hea", "dat", "mat"}

PHYSIONET = (
    "Goldberger AL, Amaral LAN, Glass L, Hausdorff JM, Ivanov PCh, Mark RG, Mietus JE, Moody GB, Peng C-K, "
    "Stanley HE. PhysioBank, PhysioToolkit, and PhysioNet: Components of a new research resource for complex "
    "physiologic signals. Circulation 101(23):e215-e220 (2000)"
)
"""The citation that PhysioNet asks for, beside that of the database."""

ODC_BY = "Open Data Commons Attribution License 1.0 (ODC-By 1.0)"


class Database(NamedTuple):
    """What is known of a database; empty where nothing is.

    Attributes:
        name: its short name, which is its folder's name too.
        version: which release.
        title: its full name.
        doi: of the release.
        citation: the publication that its authors ask to cite.
        licence: under which it is published.
    """

    name: str
    version: str
    title: str = ""
    doi: str = ""
    citation: str = ""
    licence: str = ""

    @property
    def page(self) -> str:
        """Its page at PhysioNet."""
        return f"https://physionet.org/content/{self.name}/{self.version}/"


DATABASES: dict[str, Database] = {
    database.name: database
    for database in (
        Database(
            "mitdb",
            "1.0.0",
            "MIT-BIH Arrhythmia Database",
            "10.13026/C2F305",
            "Moody GB, Mark RG. The impact of the MIT-BIH Arrhythmia Database. IEEE Eng in Med and Biol "
            "20(3):45-50 (2001)",
            ODC_BY,
        ),
        Database(
            "svdb",
            "1.0.0",
            "MIT-BIH Supraventricular Arrhythmia Database",
            "10.13026/C2V30W",
            "Greenwald SD. Improved detection and classification of arrhythmias in noise-corrupted "
            "electrocardiograms using contextual information. Ph.D. thesis, Harvard-MIT Division of Health "
            "Sciences and Technology (1990)",
            ODC_BY,
        ),
        Database(
            "incartdb",
            "1.0.0",
            "St Petersburg INCART 12-lead Arrhythmia Database",
            "10.13026/C2V88N",
            "",
            ODC_BY,
        ),
        Database("ltdb", "1.0.0", "MIT-BIH Long-Term ECG Database", "10.13026/C2KS3F", "", ODC_BY),
        Database(
            "edb",
            "1.0.0",
            "European ST-T Database",
            "10.13026/C2D59Z",
            "Taddei A, Distante G, Emdin M, Pisani P, Moody GB, Zeelenberg C, Marchesi C. The European ST-T "
            "Database: standard for evaluating systems for the analysis of ST-T changes in ambulatory "
            "electrocardiography. European Heart Journal 13:1164-1172 (1992)",
            ODC_BY,
        ),
        Database("nsrdb", "1.0.0", "MIT-BIH Normal Sinus Rhythm Database", "10.13026/C2NK5R", "", ODC_BY),
        Database(
            "nstdb",
            "1.0.0",
            "MIT-BIH Noise Stress Test Database",
            "10.13026/C2HS3T",
            "Moody GB, Muldrow WE, Mark RG. A noise stress test for arrhythmia detectors. Computers in "
            "Cardiology 11:381-384 (1984)",
            ODC_BY,
        ),
    )
}
"""The databases that go by their short name, all with beat annotations (`atr`)."""


class Fetched(NamedTuple):
    """A complete folder: how many records and files, their bytes, and how many files had to be fetched."""

    records: int
    files: int
    size: int
    fetched: int


def named(text: str) -> Database:
    """The database that a user means by `svdb`, or `qtdb/1.0.0`.

    Raises:
        EcgError: it is neither a known name nor `<name>/<version>`.
    """
    name, _, version = text.strip("/").partition("/")
    known = DATABASES.get(name)
    if known and version in ("", known.version):
        return known
    if not re.fullmatch(r"[A-Za-z0-9][\w-]*", name, re.ASCII) or not re.fullmatch(r"\d+(\.\d+)*", version):
        raise EcgError(
            f"data.path={text}: expected a database of PhysioNet as <name>/<version>, such as qtdb/1.0.0, or "
            f"{', '.join(DATABASES)}"
        )
    return Database(name, version)


def fetch_database(database: Database, folder: Path, mirror: str, timeout: float, tell: Tell) -> Fetched:
    """Brings a folder to hold the records of a database, every file as its `SHA256SUMS.txt` has it.

    Fetched are the files of the records in `RECORDS`: headers, signals and the annotations that `ANNOTATORS`
    names; nothing that is whole already, and nothing at all, the network left alone, where the folder holds
    its `SHA256SUMS.txt` and all of them. What else lies in the folder is not touched.

    Args:
        database: which; only its name and version matter.
        folder: where to.
        mirror: URL of a server with PhysioNet's layout, `<mirror>/<name>/<version>/<file>`.
        timeout: seconds without a byte before a try counts as failed.
        tell: told of the progress of the download, if there is one.

    Raises:
        EcgError: something cannot be had, does not fit its hash, or cannot be written; what is whole stays.
    """
    base = f"{mirror.rstrip('/')}/{database.name}/{database.version}"
    sums = _sums_of(folder)
    if sums is None:
        url = f"{base}/{SUMS}"
        try:
            content = read_url(url, timeout)
        except EcgError as error:
            raise EcgError(
                f"{error}; to do without, place the files of {database.page} with their {SUMS} in {folder}: "
                f"the same command then verifies them, without a network"
            ) from error
        sums = checksums(content, url)
        with writing(folder):
            put(folder / SUMS, content)
    lists = {name: sums[name] for name in _LISTS if name in sums}
    fetched = _complete(base, folder, lists, timeout, lambda *_: None)
    records, annotators = _lines(folder / "RECORDS"), None
    if "ANNOTATORS" in sums:
        annotators = {line.split()[0] for line in _lines(folder / "ANNOTATORS")}
    records, wanted = _wanted(folder, sums, records, annotators)
    fetched += _complete(base, folder, wanted, timeout, tell)
    if fetched and not any(folder.glob("LICENSE*")):
        _licence(base, folder, timeout)
    size = sum((folder / name).stat().st_size for name in wanted)
    return Fetched(len(records), len(wanted), size, fetched)


def checksums(content: bytes, source: str) -> dict[str, str]:
    """File → SHA-256, from the text of a `SHA256SUMS.txt`.

    Args:
        content: a line a file: 64 hex digits and a name below the list's own folder.
        source: where it comes from, for the message.

    Raises:
        EcgError: a line is no such line or names a file outside of the folder, or there is no `RECORDS`.
    """
    sums: dict[str, str] = {}
    for number, line in enumerate(content.decode("utf-8", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        found = re.fullmatch(r"([0-9a-fA-F]{64})\s+\*?(\S.*?)\s*", line)
        if not found:
            raise EcgError(f"{source}, line {number}: expected a SHA-256 and a file, found {line[:40]!r}")
        name = found[2].removeprefix("./")
        _refuse_outside(name, f"{source}, line {number}")
        sums[name] = found[1].lower()
    if "RECORDS" not in sums:
        raise EcgError(
            f"{source}: lists no file RECORDS; expected the checksums of a database of WFDB records"
        )
    return sums


def _refuse_outside(name: str, where: str) -> None:
    parts = PurePosixPath(name).parts
    if not parts or parts[0] == "/" or ".." in parts or re.search(r"[\\:\x00-\x1f]", name):
        raise EcgError(f"{where}: names {name!r}; expected a file below the database's own folder")


def _sums_of(folder: Path) -> dict[str, str] | None:
    """The checksums that lie in a folder; None where there are none, or no readable ones."""
    if folder.exists() and not folder.is_dir():
        raise EcgError(f"{folder}: is no folder; expected one, or nothing, where the database goes")
    try:
        return checksums((folder / SUMS).read_bytes(), str(folder / SUMS))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except EcgError as error:
        raise EcgError(f"{error}; delete it to have it fetched again") from error
    except OSError as error:
        raise EcgError(f"{folder / SUMS}: cannot be read: {error.strerror}") from error


def _lines(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8", errors="replace")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _wanted(
    folder: Path, sums: dict[str, str], records: list[str], annotators: set[str] | None
) -> tuple[list[str], dict[str, str]]:
    """Names of the records, and the files of them, of the lists and of the licence, with their hashes."""
    headers = [name.removesuffix(".hea") for name in sums if name.endswith(".hea")]
    for record in records:
        _refuse_outside(record, str(folder / "RECORDS"))
    # a line that ends in a slash is a sub-folder of records
    records = [
        name
        for record in records
        for name in ([h for h in headers if h.startswith(record)] if record.endswith("/") else [record])
    ]
    if absent := sorted(set(records) - set(headers)):
        raise EcgError(
            f"{folder / SUMS}: lists no {absent[0]}.hea, a record of RECORDS; expected the complete list of "
            f"the database (delete it to have it fetched again)"
        )
    if not records:
        raise EcgError(f"{folder / 'RECORDS'}: names no record")
    known, wanted = set(records), {}
    for name, digest in sums.items():
        stem, _, kind = name.rpartition(".")
        # 102-0.atr is a second file of annotations of record 102
        of_record = stem in known or re.sub(r"-\d+$", "", stem) in known
        right_kind = kind in _SIGNALS or (kind != "xws" if annotators is None else kind in annotators)
        if (of_record and right_kind) or name in _LISTS or re.fullmatch(r"LICENSE[^/]*", name):
            wanted[name] = digest
    return records, wanted


def _complete(base: str, folder: Path, wanted: dict[str, str], timeout: float, tell: Tell) -> int:
    """Fetches what is missing or differs; returns how many files that were."""
    missing = [
        File(f"{base}/{quote(name)}", folder / name, digest)
        for name, digest in wanted.items()
        if sha256(folder / name) != digest
    ]
    if missing:
        with writing(folder):
            fetch_files(missing, timeout, tell)
    return len(missing)


def _licence(base: str, folder: Path, timeout: float) -> None:
    """Fetches the text of the licence, which stands in no list of checksums, where the server has it."""
    for name in ("LICENSE.txt", "LICENSE.md"):
        try:
            content = read_url(f"{base}/{name}", timeout, waits=())
            put(folder / name, content)
            return
        except EcgError:
            continue
