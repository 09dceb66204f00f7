"""`ecg fetch` as a user meets it: databases, the Kaggle files, simulated recordings."""

from __future__ import annotations

import csv
import hashlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgcli.beats.audit import audit, check
from ecgcli.beats.kaggle import FILES, read_csv, write_csv
from ecgcli.beats.kaggle_recipe import RECORDS, beats_of, cut, read
from ecgcli.beats.kaggle_trace import load_trace
from ecgcli.beats.protocol import parts
from ecgcli.beats.sources import beats
from ecgcli.choices.protocol import CrossDatabase
from ecgcli.cli import conf_dir
from ecgcli.commands.fetch import fetch
from ecgcli.commands.other_data import trained_on
from ecgcli.config import FetchConfig
from ecgcli.errors import EcgError
from ecgcli.parsing import parse
from ecgcli.recordings.physionet import DATABASES
from ecgcli.recordings.wfdb_io import SHARED_SUBJECTS, read_record
from tests.beats.test_wfdb_folders import a_record, put, wfdb
from tests.beats.test_wfdb_folders import read as read_table
from tests.conftest import compose_values, train_config
from tests.recordings.physionet_server import KEPT, NOWHERE, Server, make_database, serving

KAGGLE_TEST = "f3fdb3fd318275e653fac082b617d8c1ef09fca619a0606dc22c863451c77333"


def fetch_config(*overrides: str) -> FetchConfig:
    values = compose_values(*overrides, command="fetch")
    return parse(FetchConfig, {k: v for k, v in values.items() if k not in ("beat", "protocol")})


def environment() -> dict[str, str]:
    """Of a process that writes to `data` where it runs, and to nobody's data elsewhere."""
    return {key: value for key, value in os.environ.items() if key != "ECG_DATA"} | {"NO_PROXY": "127.0.0.1"}


def ecg(*arguments: str, cwd: Path, **how: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ecgcli", *arguments]
    return subprocess.run(
        command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=120, **how
    )


def held(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A server's copy of `svdb`, made of simulated records."""
    return make_database(tmp_path_factory.mktemp("physionet") / "svdb" / "1.0.0")


@pytest.fixture
def server(published: Path) -> Iterator[Server]:
    with serving(published.parent.parent) as server:
        yield server


# -- databases -----------------------------------------------------------------------------------------


@pytest.mark.promise
def test_a_database_is_fetched_by_its_short_name_and_read_by_the_same(
    server: Server, published: Path, tmp_path: Path
) -> None:
    done = ecg("fetch", "data=svdb", f"mirror={server.mirror}", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1), done.stderr
    assert done.stderr.startswith(
        "ecg fetch: fetching MIT-BIH Supraventricular Arrhythmia Database 1.0.0 from"
    )
    assert done.stdout.startswith(
        "MIT-BIH Supraventricular Arrhythmia Database 1.0.0: complete in data/svdb\n  3 records, 12 files, "
    )
    assert "12 fetched, all verified" in done.stdout
    assert "licence: Open Data Commons Attribution License 1.0 (ODC-By 1.0)" in done.stdout
    assert "cite: Greenwald SD." in done.stdout and "cite: Goldberger AL" in done.stdout
    assert held(tmp_path / "data" / "svdb") == KEPT | {"SHA256SUMS.txt", "LICENSE.txt"}

    again = ecg("fetch", "data=svdb", f"mirror={NOWHERE}", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, "")
    assert "all verified, none fetched" in again.stdout

    config = train_config("data=svdb")
    table = beats(config.data, config.beat, tmp_path / "data")
    assert (table.source, table.records) == ("svdb", ("p001", "p002", "p003"))


@pytest.mark.parametrize("name", sorted(set(DATABASES) - {"mitdb"}))
def test_every_database_has_a_choice_of_its_name(name: str, tmp_path: Path) -> None:
    config = train_config(f"data={name}")
    assert config.data.name == "wfdb" and config.data.database == name
    assert DATABASES[name].title in (conf_dir() / f"data/{name}.yaml").read_text()
    with pytest.raises(
        EcgError, match=f"{name}: no such folder; `ecg fetch data={name}` downloads the database"
    ):
        beats(config.data, config.beat, tmp_path)


def test_any_other_database_goes_by_name_and_version(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    shutil.copytree(published, tmp_path / "server" / "toydb" / "2.1")
    with serving(tmp_path / "server") as server:
        fetch(
            fetch_config(
                "data=wfdb", "data.path=toydb/2.1", f"mirror={server.mirror}", f"data_dir={tmp_path}"
            )
        )
    said = capsys.readouterr().out
    assert "toydb 2.1: complete in" in said
    assert "licence: see https://physionet.org/content/toydb/2.1/" in said
    config = train_config("data=wfdb", "data.path=toydb/2.1")
    table = beats(config.data, config.beat, tmp_path)  # the same words find it again
    assert (table.source, len(table.records)) == ("toydb", 3)


def interrupted(server: Server, place: Path, how: signal.Signals) -> subprocess.Popen[str]:
    """An `ecg fetch` that is stopped in the middle of a file, when others are whole."""
    server.faults["p003.dat"] = "stall"
    process = subprocess.Popen(
        [sys.executable, "-m", "ecgcli", "fetch", "data=svdb", f"mirror={server.mirror}"],
        cwd=place,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    folder = place / "data" / "svdb"

    def in_the_middle() -> bool:
        whole = [path for path in folder.glob("[!.]*") if path.name in KEPT]
        return len(whole) == len(KEPT) - 1 and any(folder.glob(".p003.dat.*"))

    until = time.monotonic() + 60
    while not in_the_middle() and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(how)
    return process


@pytest.mark.promise
def test_ctrl_c_leaves_whole_files_alone_and_the_next_fetch_goes_on(
    server: Server, published: Path, tmp_path: Path
) -> None:
    process = interrupted(server, tmp_path, signal.SIGINT)
    started = time.monotonic()
    said = process.communicate(timeout=30)[1]
    assert time.monotonic() - started < 5  # not the 30 s for which a byte is waited for
    assert process.returncode == 130
    assert said.endswith("ecg fetch: interrupted; nothing half-written was kept\n")
    folder = tmp_path / "data" / "svdb"
    assert held(folder) == KEPT - {"p003.dat"} | {"SHA256SUMS.txt"}
    assert all((folder / name).read_bytes() == (published / name).read_bytes() for name in held(folder))

    server.faults.clear()
    server.asked.clear()
    assert ecg("fetch", "data=svdb", f"mirror={server.mirror}", cwd=tmp_path).returncode == 0
    assert server.asked == ["p003.dat", "LICENSE.txt"]


@pytest.mark.promise
def test_after_a_kill_the_next_fetch_clears_up(server: Server, tmp_path: Path) -> None:
    interrupted(server, tmp_path, signal.SIGKILL).communicate(timeout=30)
    folder = tmp_path / "data" / "svdb"
    assert "p003.dat" not in held(folder)
    assert [name for name in held(folder) if name.startswith(".")] != []
    server.faults.clear()
    assert ecg("fetch", "data=svdb", f"mirror={server.mirror}", cwd=tmp_path).returncode == 0
    assert held(folder) == KEPT | {"SHA256SUMS.txt", "LICENSE.txt"}


@pytest.mark.promise
def test_a_disk_that_takes_no_more_is_said_in_one_line(
    server: Server, published: Path, tmp_path: Path
) -> None:
    """A limit on the size of files stands for the full disk: the write fails in the same place."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    ended = ecg("fetch", "data=svdb", f"mirror={server.mirror}", cwd=tmp_path, preexec_fn=limited)
    assert ended.returncode == 1
    said = ended.stderr.splitlines()[1:]
    assert len(said) == 1 and ".dat: cannot be written: File too large; 3 of 10 files" in said[0], (
        ended.stderr
    )
    kept = {name for name in KEPT if not name.endswith(".dat")}
    assert held(tmp_path / "data" / "svdb") == kept | {"SHA256SUMS.txt"}


@pytest.mark.promise
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "data is missing: give it as data=..., one of demo, edb, incartdb, kaggle, ltdb, mitdb,"),
        (("data=table",), "data.path is missing: give it as data.path=<name>/<version>"),
        (("data=svdb", f"mirror={NOWHERE}"), f"{NOWHERE}/svdb/1.0.0/SHA256SUMS.txt: cannot be reached: Con"),
    ],
    ids=["nothing", "table", "no network"],
)
def test_a_mistake_ends_in_one_line(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    ended = ecg("fetch", *arguments, cwd=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert ended.stderr.startswith(f"ecg fetch: {said}"), ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.promise
@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["data=table", "data.path=b.csv"],
            "data=table: b.csv is a file of your own, there is nothing to fetch",
        ),
        (
            ["data=wfdb", "data.path=../x/1.0"],
            "data.path=../x/1.0: expected a database of PhysioNet as <name>/",
        ),
        (
            ["data=wfdb", "data.path=my_recordings"],
            "data.path=my_recordings: expected a database of PhysioNet",
        ),
        (["data=kaggle"], f"{NOWHERE}/mitdb/1.0.0/SHA256SUMS.txt: cannot be reached"),
        (["data=demo", "data_dir=file"], "file: no folder to write to: "),
        (["data=svdb", "data_dir=file"], f"{NOWHERE}/svdb/1.0.0/SHA256SUMS.txt: cannot be reached"),
    ],
)
def test_what_cannot_be_fetched_is_refused_and_nothing_written(
    overrides: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ECG_DATA", raising=False)
    Path("file").write_text("")
    with pytest.raises(EcgError) as caught:
        fetch(fetch_config(*overrides, f"mirror={NOWHERE}"))
    assert str(caught.value).startswith(said) and "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# -- the Kaggle files ----------------------------------------------------------------------------------


def test_from_a_damaged_record_nothing_is_rebuilt_and_no_folder_left(mitdb_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "mitdb").mkdir()
    for file in mitdb_dir.iterdir():
        (tmp_path / "mitdb" / file.name).symlink_to(file)
    damaged = tmp_path / "mitdb" / "100.dat"
    content = bytearray(damaged.read_bytes())
    content[1000] ^= 1
    damaged.unlink()
    damaged.write_bytes(content)
    with pytest.raises(EcgError, match=r"mitdb.100\.hea: disagrees with its signal: the checksum"):
        fetch(fetch_config("data=kaggle", f"data_dir={tmp_path}", f"mirror={NOWHERE}"))
    assert [path.name for path in tmp_path.iterdir()] == ["mitdb"]


def table_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
@pytest.mark.promise
def test_the_kaggle_files_are_rebuilt_with_where_each_row_comes_from(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mitdb").symlink_to(data_dir / "mitdb")
    fetch(fetch_config("data=kaggle", f"data_dir={tmp_path}", f"mirror={NOWHERE}"))
    said = capsys.readouterr().out
    assert "mitbih_train.csv: 87,554 rows, 411.5 MB, rebuilt; ordered by record and sample" in said
    assert "mitbih_test.csv: 21,892 rows, 102.9 MB, rebuilt; the published file byte for byte" in said
    folder = tmp_path / "kaggle"
    assert held(folder) == {*FILES, "mitbih_train_trace.csv", "mitbih_test_trace.csv"}
    with (folder / FILES[1]).open("rb") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == KAGGLE_TEST

    train, test = (table_of(folder / f"{Path(name).stem}_trace.csv") for name in FILES)
    assert list(test[0]) == ["row", "record", "sample", "symbol", "subject"]
    with (data_dir / "kaggle_test_order.csv").open() as file:
        order = [(row["record"], row["annotation_sample"]) for row in csv.DictReader(file)]
    assert [(row["record"], row["sample"]) for row in test] == order
    assert [row["row"] for row in train] == [str(i) for i in range(87_554)]
    places = [(row["record"], int(row["sample"])) for row in train]
    assert places == sorted(places)
    assert len({*places, *((record, int(sample)) for record, sample in order)}) == 109_446
    assert {row["subject"] for row in train if row["record"] in ("201", "202")} == {"201"}

    # the rows say what their beats' records hold there
    head = tmp_path / "head.csv"
    with (folder / FILES[0]).open() as file:
        head.write_text("".join(line for line, _ in zip(file, range(500), strict=False)))
    signal, label = read_csv(head)
    lead, _ = read(data_dir / "mitdb", "100")
    for i in (0, 250, 499):
        window = lead[int(train[i]["sample"]) :][: 3 * 40 : 3]
        assert np.corrcoef(window, signal[i, :40])[0, 1] > 0.999
        assert {"N": 0, "A": 1}[train[i]["symbol"]] == label[i]


@pytest.fixture(scope="module")
def some_rows(mitdb_dir: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The Kaggle rows of record 208, their labels, and their indices into the trace."""
    index, trace = RECORDS.index("208"), load_trace()
    lead, marks = read(mitdb_dir, "208")
    found = beats_of(index, marks.sample, marks.symbol, len(lead))
    return cut(lead, found.sample, found.window), found.label, np.flatnonzero(trace.beats.record == index)


Copy = Callable[..., Path]


@pytest.fixture
def own_copy(some_rows: tuple[np.ndarray, ...], tmp_path: Path) -> Copy:
    """Writes somebody's own file: 40 rows of it in another order, in another way of writing numbers."""

    def put(name: str, altered: bool = False) -> Path:
        rows, label, beat = some_rows
        trace = load_trace()
        here = np.flatnonzero((trace.test_row[beat] >= 0) == (name == FILES[1]))
        some = np.random.default_rng(0).permutation(here)[:40]
        signal = rows[some]
        if altered:
            signal[7, 3] += np.float32(0.01)
        path = tmp_path / "kaggle" / name
        write_csv(path, signal, label[some])
        path.write_text("\r\n".join(path.read_text().split("\n")))
        np.save(tmp_path / f"{name}.npy", beat[some])
        return path

    return put


@pytest.mark.promise
def test_somebodys_own_files_are_left_alone_and_traced(
    own_copy: Copy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [own_copy(FILES[0], altered=True), own_copy(FILES[1])]
    before = [path.read_bytes() for path in paths]
    fetch(fetch_config("data=kaggle", f"data_dir={tmp_path}", f"mirror={NOWHERE}"))  # no mitdb, no network
    assert [path.read_bytes() for path in paths] == before
    trace = load_trace()
    for path in paths:
        for row, (line, beat) in enumerate(
            zip(
                table_of(path.with_name(f"{path.stem}_trace.csv")),
                np.load(f"{tmp_path}/{path.name}.npy"),
                strict=True,
            )
        ):
            known = (path.name, row) != (FILES[0], 7)
            where = ["208", str(trace.beats.sample[beat]), str(trace.beats.symbol[beat]), "208"]
            assert list(line.values()) == [str(row), *(where if known else ["unknown", "", "", ""])]
    said = capsys.readouterr().out
    assert "mitbih_train.csv: 40 rows, 0.2 MB, left as it was; 39 rows traced, 1 unknown" in said
    assert (
        "mitbih_test.csv: 40 rows" in said and "not the published file byte for byte; 40 rows traced" in said
    )


@pytest.mark.promise
def test_a_missing_file_is_not_rebuilt_beside_an_altered_one(own_copy: Copy, tmp_path: Path) -> None:
    own_copy(FILES[0], altered=True)
    with pytest.raises(
        EcgError, match=r"mitbih_test\.csv is missing, and was not rebuilt beside mitbih_train"
    ):
        fetch(fetch_config("data=kaggle", f"data_dir={tmp_path}", f"mirror={NOWHERE}"))
    assert held(tmp_path / "kaggle") == {FILES[0], "mitbih_train_trace.csv"}


def test_beside_an_unaltered_one_it_would_be(own_copy: Copy, tmp_path: Path) -> None:
    """It asks for MIT-BIH, which is not there."""
    own_copy(FILES[0])
    with pytest.raises(EcgError, match=r"mitdb/1\.0\.0/SHA256SUMS\.txt: cannot be reached"):
        fetch(fetch_config("data=kaggle", f"data_dir={tmp_path}", f"mirror={NOWHERE}"))


def test_rows_of_the_other_file_count_as_altered(own_copy: Copy, tmp_path: Path) -> None:
    own_copy(FILES[1]).rename(tmp_path / "kaggle" / FILES[0])
    with pytest.raises(EcgError, match="was not rebuilt beside"):
        fetch(fetch_config("data=kaggle", f"data_dir={tmp_path}", f"mirror={NOWHERE}"))


# -- simulated recordings ------------------------------------------------------------------------------


@pytest.mark.promise
def test_simulated_recordings_are_written_once_and_read_as_any_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def demo(*overrides: str) -> str:
        settings = ("data.patients=6", "data.minutes=0.5", f"data_dir={tmp_path}", *overrides)
        fetch(fetch_config("data=demo", *settings))
        return capsys.readouterr().out

    assert demo("data.seed=3").startswith("6 simulated patients, 0.5 minutes each, seed 3: complete in ")
    folder = tmp_path / "demo"
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len(first) == 18
    assert "the same were there already, left alone" in demo("data.seed=3")
    for other in (("data.seed=4",), ("data.seed=3", "data.patients=7")):
        with pytest.raises(EcgError, match=r"demo: holds something else than .* force=true replaces it"):
            demo(*other)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    assert "complete in" in demo("data.seed=4", "force=true")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} != first
    assert held(tmp_path) == {f"demo/{name}" for name in first}

    config = train_config("data=wfdb", "data.path=demo")
    table = beats(config.data, config.beat, tmp_path)
    assert table.records == table.subjects == tuple(f"p00{n}" for n in range(1, 7))


# -- people --------------------------------------------------------------------------------------------


@pytest.mark.promise
def test_patients_of_incart_are_those_that_its_headers_number(tmp_path: Path) -> None:
    said = {"I01": "patient 1", "I02": "patient 1", "I03": " Patient 12 ", "I04": "patient 2 of 3", "I05": ""}
    for name, line in said.items():
        put(tmp_path / "incartdb", a_record(name), comments=["<age>: 65 <sex>: F", line, "PVCs, noise"])
    table = read_table(wfdb(tmp_path / "incartdb"))
    assert table.subjects == ("patient 1", "patient 1", "patient 12", "I04", "I05")
    assert read_record(tmp_path / "incartdb" / "I02").subject == "patient 1"
    several = read_table(wfdb(tmp_path / "incartdb", put(tmp_path / "own", a_record("I01"))))
    assert several.subjects[:2] + several.subjects[-1:] == ("incartdb/patient 1",) * 2 + ("own/I01",)


@pytest.mark.promise
def test_records_with_added_noise_are_of_the_people_of_mitbih(tmp_path: Path) -> None:
    mitdb = put(tmp_path / "mitdb", *(a_record(name, 360) for name in ("100", "118", "119", "201", "202")))
    nstdb = put(tmp_path / "nstdb", *(a_record(name, 360) for name in ("118e24", "118e_6", "119e00")))
    assert read_table(wfdb(nstdb)).subjects == ("mitdb/118", "mitdb/118", "mitdb/119")
    table = read_table(wfdb(mitdb, nstdb))
    assert dict(zip(table.records, table.subjects, strict=True))["nstdb/119e00"] == "mitdb/119"
    across = CrossDatabase(name="cross_database", train=("mitdb",), test=("nstdb",), validation=0.25, seed=0)
    (part,) = parts(table, across)
    with pytest.raises(EcgError, match="subjects leak too"):
        check(audit(table, part), part, allow_leak=False)
    # and a model trained on MIT-BIH knows whom it has seen
    trained = {"database": "mitdb", "records": ["118"], "subjects": ["118"], "fingerprint": "another"}
    assert trained_on(read_table(wfdb(nstdb)), "nstdb", trained).tolist() == [True, True, False]


def test_the_european_records_are_of_79_people() -> None:
    shared = SHARED_SUBJECTS["edb"]
    assert len(shared) == 90 - 79
    assert not set(shared) & set(shared.values())


@pytest.mark.promise
def test_the_fingerprint_follows_the_people(tmp_path: Path) -> None:
    """The same files, but in a folder whose name says nothing of who is who."""
    for known, names in (("mitdb", ("201", "202")), ("nstdb", ("118e24",)), ("edb", ("e0118", "e0119"))):
        folder = put(tmp_path / known, *(a_record(name) for name in names))
        shutil.copytree(folder, tmp_path / f"own_{known}")
        here, there = read_table(wfdb(folder)), read_table(wfdb(tmp_path / f"own_{known}"))
        assert there.subjects == names != here.subjects
        assert here.fingerprint != there.fingerprint
