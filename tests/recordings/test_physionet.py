"""Databases come into a folder whole and verified, or not at all; what goes wrong is said in one line."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.errors import EcgError
from ecgcli.recordings import download
from ecgcli.recordings.download import writing
from ecgcli.recordings.physionet import DATABASES, Database, Fetched, checksums, fetch_database, named
from ecgcli.recordings.wfdb_io import read_record, record_names
from tests.recordings.physionet_server import KEPT, NOWHERE, Server, make_database, serving, write_sums

TOY = Database("toydb", "1.0.0")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database as its server has it."""
    return make_database(tmp_path_factory.mktemp("physionet") / "toydb" / "1.0.0")


@pytest.fixture
def server(published: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "WAITS", (0.01, 0.01))
    with serving(published.parent.parent) as server:
        yield server


def fetch(folder: Path, server: Server | None, tell: Any = lambda *_: None) -> Fetched:
    return fetch_database(TOY, folder, server.mirror if server else NOWHERE, 0.5, tell)


def held(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def assert_whole(folder: Path, published: Path, names: set[str]) -> None:
    """Each file under a final name is as published, and there is no other."""
    assert held(folder) == names
    for name in names:
        assert (folder / name).read_bytes() == (published / name).read_bytes(), name


ALL = KEPT | {"SHA256SUMS.txt", "LICENSE.txt"}


# -- a download ----------------------------------------------------------------------------------------


def test_the_files_of_the_records_are_fetched_and_nothing_else(
    server: Server, published: Path, tmp_path: Path
) -> None:
    told: list[tuple[int, int, int]] = []
    got = fetch(tmp_path / "toydb", server, lambda *now: told.append(now))
    assert_whole(tmp_path / "toydb", published, ALL)
    size = sum((published / name).stat().st_size for name in KEPT)
    assert got == Fetched(records=3, files=len(KEPT), size=size, fetched=len(KEPT))
    assert told[0][:2] == (0, len(KEPT) - 2) and told[-1][:2] == (len(KEPT) - 2,) * 2  # without the lists
    assert 0 < told[-1][2] < size
    assert [record_names(tmp_path / "toydb"), read_record(tmp_path / "toydb" / "p002").rate] == [
        ["p001", "p002", "p003"],
        360.0,
    ]


@pytest.mark.promise
def test_a_complete_folder_is_verified_and_left_alone_without_a_network(
    server: Server, tmp_path: Path
) -> None:
    fetch(tmp_path / "toydb", server)
    (tmp_path / "toydb" / "notes.txt").write_text("mine")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "toydb").rglob("*")}
    asked = len(server.asked)
    assert fetch(tmp_path / "toydb", server).fetched == fetch(tmp_path / "toydb", None).fetched == 0
    assert len(server.asked) == asked
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "toydb").rglob("*")} == before


@pytest.mark.promise
def test_mitbih_as_it_lies_here_is_complete_without_a_network(mitdb_dir: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in mitdb_dir.iterdir()}
    got = fetch_database(DATABASES["mitdb"], mitdb_dir, NOWHERE, 1, lambda *_: None)
    assert (got.records, got.files, got.fetched) == (48, 147, 0)
    assert {path: path.stat().st_mtime_ns for path in mitdb_dir.iterdir()} == before


@pytest.mark.promise
def test_what_is_whole_is_not_fetched_again(server: Server, published: Path, tmp_path: Path) -> None:
    folder = tmp_path / "toydb"
    fetch(folder, server)
    (folder / "p002.dat").unlink()
    (folder / "p003.hea").write_text("spoilt")
    server.asked.clear()
    assert fetch(folder, server).fetched == 2
    assert sorted(server.asked) == ["p002.dat", "p003.hea"]
    assert_whole(folder, published, ALL)


def test_files_placed_by_hand_are_taken_and_the_missing_ones_fetched(
    server: Server, published: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "toydb"
    folder.mkdir()
    for name in ("p001.dat", "p001.hea", "RECORDS"):
        shutil.copy(published / name, folder / name)
    assert fetch(folder, server).fetched == len(KEPT) - 3
    assert not {"p001.dat", "p001.hea", "RECORDS"} & set(server.asked)
    assert_whole(folder, published, ALL)


def test_records_in_sub_folders_keep_their_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    root = tmp_path / "server" / "toydb" / "1.0.0"
    make_database(root / "files")
    for name in ("RECORDS", "ANNOTATORS", "SHA256SUMS.txt", "LICENSE.txt"):
        (root / "files" / name).unlink()
    (root / "RECORDS").write_text("files/p001\nfiles/x_old/\n")
    write_sums(root)
    with serving(tmp_path / "server") as server:
        got = fetch(tmp_path / "toydb", server)
    assert got.records == 2
    # no ANNOTATORS: every file that goes by the record's name, but those for viewers
    names = ("p001.hea", "p001.dat", "p001.atr", "p001-0.atr", "p001.at_", "x_old/p009.hea")
    expected = {"RECORDS", "SHA256SUMS.txt", *(f"files/{name}" for name in names)}
    assert_whole(tmp_path / "toydb", root, expected)


# -- what goes wrong -----------------------------------------------------------------------------------

FAULTS = {
    "stall": "p002.dat: no byte came for 0.5 s (tried 3 times)",
    "cut": "p002.dat: the connection was cut off (tried 3 times)",
    "wrong": "bytes came whose SHA-256 is",
    "long": "bytes came whose SHA-256 is",
    "404": "p002.dat: the server answers 404 Not Found;",
    "503": "p002.dat: the server answers 503 Service Unavailable (tried 3 times)",
}


@pytest.mark.promise
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_said_and_leaves_whole_files_alone(
    fault: str, server: Server, published: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "toydb"
    server.faults["p002.dat"] = fault
    with pytest.raises(EcgError) as caught:
        fetch(folder, server)
    said = str(caught.value)
    assert said.startswith(f"{server.mirror}/toydb/1.0.0/p002.dat: ")
    assert FAULTS[fault] in said and "\n" not in said
    assert said.endswith(
        "; 1 of 10 files are still missing or damaged, what is whole is kept and the same command goes on "
        "from there, with files placed by hand too"
    )
    assert_whole(folder, published, KEPT - {"p002.dat"} | {"SHA256SUMS.txt"})

    server.faults.clear()
    server.asked.clear()
    assert fetch(folder, server).fetched == 1
    assert server.asked == ["p002.dat", "LICENSE.txt"]
    assert_whole(folder, published, ALL)


@pytest.mark.promise
@pytest.mark.parametrize("fault", ["stall", "cut", "wrong", "long", "503"])
def test_what_goes_wrong_once_is_tried_again(
    fault: str, server: Server, published: Path, tmp_path: Path
) -> None:
    server.faults = dict.fromkeys(("p002.dat", "p003.atr", "RECORDS"), f"{fault} once")
    fetch(tmp_path / "toydb", server)
    assert server.asked.count("p002.dat") == server.asked.count("RECORDS") == 2
    assert_whole(tmp_path / "toydb", published, ALL)


@pytest.mark.promise
@pytest.mark.parametrize("fault", ["stall", "cut", "404", "503"])
def test_without_the_list_of_checksums_there_is_nothing(fault: str, server: Server, tmp_path: Path) -> None:
    server.faults["SHA256SUMS.txt"] = fault
    with pytest.raises(EcgError, match=r"SHA256SUMS\.txt: .*; to do without, place the files of") as caught:
        fetch(tmp_path / "toydb", server)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "toydb").exists()


@pytest.mark.promise
def test_a_file_that_differs_is_replaced_only_by_a_good_one(
    server: Server, published: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "toydb"
    fetch(folder, server)
    (folder / "p002.dat").write_text("somebody's own")
    server.faults["p002.dat"] = "wrong"
    with pytest.raises(EcgError, match="SHA-256"):
        fetch(folder, server)
    assert (folder / "p002.dat").read_text() == "somebody's own"
    server.faults.clear()
    fetch(folder, server)
    assert_whole(folder, published, ALL)


def test_a_server_without_any_of_the_files_is_not_asked_for_all_of_them(
    server: Server, tmp_path: Path
) -> None:
    server.faults = dict.fromkeys(KEPT - {"RECORDS", "ANNOTATORS"}, "404")
    with pytest.raises(EcgError, match="404 Not Found; 10 of 10 files are still missing"):
        fetch(tmp_path / "toydb", server)
    assert held(tmp_path / "toydb") == {"RECORDS", "ANNOTATORS", "SHA256SUMS.txt"}


@pytest.mark.promise
def test_without_a_network_it_is_said_what_was_tried_and_what_to_do(published: Path, tmp_path: Path) -> None:
    folder = tmp_path / "toydb"
    with pytest.raises(EcgError) as caught:
        fetch(folder, None)
    assert str(caught.value) == (
        f"{NOWHERE}/toydb/1.0.0/SHA256SUMS.txt: cannot be reached: Connection refused; to do without, place "
        f"the files of https://physionet.org/content/toydb/1.0.0/ with their SHA256SUMS.txt in {folder}: the "
        f"same command then verifies them, without a network"
    )
    assert not folder.exists()
    shutil.copytree(published, folder)
    assert fetch(folder, None) == Fetched(
        3, len(KEPT), sum((published / name).stat().st_size for name in KEPT), 0
    )


def test_a_page_in_place_of_the_checksums_is_refused(server: Server, published: Path, tmp_path: Path) -> None:
    """As a hotel's network answers, with 200."""
    with pytest.raises(EcgError, match=r"about\.htm, line 1: expected a SHA-256 and a file, found '<html>"):
        checksums((published / "about.htm").read_bytes(), "about.htm")
    (tmp_path / "SHA256SUMS.txt").write_text("<html>")
    with pytest.raises(EcgError, match="delete it to have it fetched again"):
        fetch(tmp_path, server)
    assert held(tmp_path) == {"SHA256SUMS.txt"}


def test_a_list_that_lacks_a_record_is_refused(published: Path, tmp_path: Path) -> None:
    shutil.copytree(published, tmp_path / "toydb")
    lines = (published / "SHA256SUMS.txt").read_text().splitlines(keepends=True)
    (tmp_path / "toydb" / "SHA256SUMS.txt").write_text("".join(x for x in lines if "p002.hea" not in x))
    with pytest.raises(EcgError, match=r"SHA256SUMS\.txt: lists no p002\.hea, a record of RECORDS"):
        fetch(tmp_path / "toydb", None)


@pytest.mark.promise
@pytest.mark.parametrize(
    "name", ["../x.hea", "/etc/x", "a/../../x", "..", "..\\x", "C:\\x", "a/b/../../../x"]
)
def test_names_that_lead_out_of_the_folder_are_refused(name: str, published: Path, tmp_path: Path) -> None:
    with pytest.raises(EcgError, match=r"line 2: names .*; expected a file below the database's own folder"):
        checksums(f"{'0' * 64} RECORDS\n{'0' * 64} {name}\n".encode(), "SHA256SUMS.txt")
    shutil.copytree(published, tmp_path / "toydb")
    (tmp_path / "toydb" / "RECORDS").write_text(f"p001\n{name}\n")
    write_sums(tmp_path / "toydb")
    with pytest.raises(EcgError, match=r"RECORDS: names .*; expected a file below"):
        fetch(tmp_path / "toydb", None)


NAMES = st.tuples(
    st.sampled_from(["", "old/", "a b/"]), st.text("ab_-1", min_size=1), st.sampled_from(["hea", "at_"])
)


@settings(max_examples=40)
@given(st.dictionaries(NAMES.map(lambda parts: "{}{}.{}".format(*parts)), st.binary(), max_size=5))
def test_a_list_of_checksums_is_read_as_it_is_written(files: dict[str, bytes]) -> None:
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    sums["RECORDS"] = "0" * 64
    for separator in (" ", "  ", " *"):
        text = "\n".join(f"{digest}{separator}{name}" for name, digest in sums.items())
        assert checksums(text.encode(), "SHA256SUMS.txt") == sums


@pytest.mark.promise
def test_a_folder_that_cannot_be_written_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EcgError, match="file: is no folder; expected one, or nothing"):
        fetch(tmp_path / "file", server)
    with pytest.raises(EcgError, match="file/toydb: no folder to write to: Not a directory"):
        fetch(tmp_path / "file" / "toydb", server)
    (tmp_path / "toydb" / "p002.dat").mkdir(parents=True)
    with pytest.raises(EcgError, match=r"toydb/p002\.dat: cannot be read: Is a directory"):
        fetch(tmp_path / "toydb", server)


def test_what_a_killed_process_left_is_removed_and_nothing_else(
    server: Server, published: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "toydb"
    folder.mkdir()
    for name in (".p001.dat.4711.part", ".mine.part", "p001.dat.4711.part"):
        (folder / name).write_text("half")
    fetch(folder, server)
    assert held(folder) == ALL | {".mine.part", "p001.dat.4711.part"}


def test_two_at_once_keep_out_of_each_others_way(server: Server, tmp_path: Path) -> None:
    with (
        writing(tmp_path / "toydb"),
        pytest.raises(EcgError, match="toydb is being written by another process"),
    ):
        fetch(tmp_path / "toydb", server)
    assert fetch(tmp_path / "toydb", server).records == 3


# -- names ---------------------------------------------------------------------------------------------


def test_databases_go_by_their_names() -> None:
    assert named("svdb") is named("svdb/1.0.0") is DATABASES["svdb"]
    assert named("qtdb/1.0.0") == Database("qtdb", "1.0.0")
    assert named("challenge-2017/1.0.0/").page == "https://physionet.org/content/challenge-2017/1.0.0/"
    for text in ("qtdb", "../x/1.0", "a/b/1.0", "/data/mitdb", "qtdb/latest", "", "mitdb/2"):
        if text != "mitdb/2":
            with pytest.raises(EcgError, match=r"expected a database of PhysioNet as <name>/<version>"):
                named(text)
    assert named("mitdb/2").title == ""  # nothing is known of that release


def test_every_known_database_says_its_licence_and_its_doi() -> None:
    assert set(DATABASES) >= {"mitdb", "svdb", "incartdb", "ltdb", "edb", "nsrdb", "nstdb"}
    for name, database in DATABASES.items():
        assert (database.name, database.version) == (name, "1.0.0")
        assert database.title and database.licence and database.doi.startswith("10.13026/C2")
