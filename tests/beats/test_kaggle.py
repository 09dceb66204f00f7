"""The Kaggle files are rebuilt byte for byte, and any copy of them is traced to records and samples."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecgcli.beats.kaggle import FILES, kaggle_files, kaggle_table, read_csv, rebuild, write_csv
from ecgcli.beats.kaggle_recipe import RECORDS, Beats
from ecgcli.beats.kaggle_trace import TRACE_FILE, load_trace, row_hashes
from ecgcli.beats.table import BeatTable
from ecgcli.errors import EcgError

PUBLISHED_TEST_FILE = "f3fdb3fd318275e653fac082b617d8c1ef09fca619a0606dc22c863451c77333"
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "make_kaggle_trace.py"

Rebuilt = tuple[np.ndarray, Beats]


@pytest.fixture(scope="module")
def rebuilt(mitdb_dir: Path) -> Rebuilt:
    """Every beat, cut from the real records."""
    return rebuild(mitdb_dir)


@pytest.fixture(scope="module")
def published(rebuilt: Rebuilt, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with both files: the test file as published, the training file shuffled."""
    rows, beats = rebuilt
    trace = load_trace()
    training = np.random.default_rng(0).permutation(np.flatnonzero(trace.test_row < 0))
    test = np.argsort(trace.test_row)[len(training) :]
    folder = tmp_path_factory.mktemp("published")
    for name, order in zip(FILES, (training, test), strict=True):
        write_csv(folder / "kaggle" / name, rows[order], beats.label[order])
    return folder


def assert_same(one: BeatTable, other: BeatTable) -> None:
    for field in dataclasses.fields(BeatTable):
        if field.name != "notes":
            a, b = getattr(one, field.name), getattr(other, field.name)
            assert np.array_equal(a, b) and getattr(a, "dtype", 0) == getattr(b, "dtype", 0), field.name


# -- with the real records -----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.promise
def test_the_rebuilt_test_file_is_the_published_one_byte_for_byte(published: Path) -> None:
    content = (published / "kaggle" / "mitbih_test.csv").read_bytes()
    assert len(content) == 102_892_400
    assert hashlib.sha256(content).hexdigest() == PUBLISHED_TEST_FILE


@pytest.mark.slow
@pytest.mark.promise
def test_every_rebuilt_row_is_traced_to_where_it_was_cut(rebuilt: Rebuilt) -> None:
    rows, beats = rebuilt
    trace = load_trace()
    assert beats.same_as(trace.beats)
    assert (trace.locate(row_hashes(rows)) == np.arange(109_446)).all()
    assert len({row.tobytes() for row in rows}) == 109_446  # so that a row says which beat it is


@pytest.mark.slow
@pytest.mark.promise
def test_files_in_any_row_order_give_the_table_that_the_records_give(published: Path, data_dir: Path) -> None:
    from_files = kaggle_table(published, "csv")
    from_records = kaggle_table(data_dir, "rebuild")
    assert_same(from_files, from_records)
    assert from_files.notes == from_records.notes == ()
    assert np.bincount(from_files.label[from_files.split == 1]).tolist() == [18_118, 556, 1_448, 162, 1_608]
    assert from_files.signal.shape == (109_446, 1, 187)
    assert from_files.records == RECORDS
    assert len(set(from_files.subjects)) == 47  # 201 and 202 are one person

    training = kaggle_table(data_dir, "rebuild", test=False)
    assert len(training) == 87_554 and (training.split == 0).all()
    np.testing.assert_array_equal(training.signal, from_files.signal[from_files.split == 0])


@pytest.mark.slow
@pytest.mark.promise
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from /proc")
def test_reading_the_training_file_takes_little_memory_above_the_array(published: Path) -> None:
    program = """
import sys, pandas
from pathlib import Path
from ecgcli.beats.kaggle import read_csv
def peak():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
before = peak()
signal, label = read_csv(Path(sys.argv[1]))
print(len(label), peak() - before - signal.nbytes - label.nbytes)
"""
    path = str(published / "kaggle" / "mitbih_train.csv")
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    rows, above = map(int, done.stdout.split())
    assert rows == 87_554
    assert above < 300e6


@pytest.mark.slow
def test_the_script_makes_the_shipped_trace(data_dir: Path, tmp_path: Path) -> None:
    order = data_dir / "kaggle_test_order.csv"
    if not order.is_file():
        pytest.skip(f"needs {order.name}")
    spec = importlib.util.spec_from_file_location("make_kaggle_trace", SCRIPT)
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.main(data_dir / "mitdb", order, tmp_path / "trace.npz")
    with np.load(TRACE_FILE) as shipped, np.load(tmp_path / "trace.npz") as made:
        assert set(shipped) == set(made)
        for name in shipped:
            np.testing.assert_array_equal(shipped[name], made[name])


@pytest.mark.slow
def test_altered_and_foreign_rows_are_unknown_and_said_to_be(rebuilt: Rebuilt, tmp_path: Path) -> None:
    rows, beats = rebuilt
    a, b, c, d = np.flatnonzero(load_trace().test_row < 0)[[40_000, 3, 500, 70_000]]  # training beats
    x, y = np.flatnonzero(load_trace().test_row >= 0)[[9, 2]]  # test beats
    signal, label = rows[[a, b, c, d, x]], beats.label[[a, b, c, d, x]]
    signal[2, 5] += np.float32(0.01)  # c is altered
    label[0] = (label[0] + 1) % 5  # a is relabelled
    write_csv(tmp_path / "kaggle" / "mitbih_train.csv", signal, label)
    write_csv(tmp_path / "kaggle" / "mitbih_test.csv", rows[[y, x, y]], beats.label[[y, x, y]])
    table = kaggle_table(tmp_path, "auto")

    expected = [*sorted([(a, 0), (b, 0), (d, 0), (x, 0), (x, 1), (y, 1), (y, 1)])]
    assert len(table) == 8
    names = [table.records[record] for record in table.record]
    for row, (beat, split) in enumerate(expected):
        assert names[row] == RECORDS[beats.record[beat]]
        assert table.sample[row] == beats.sample[beat] and table.symbol[row] == beats.symbol[beat]
        assert table.span[row].tolist() == [beats.sample[beat], beats.sample[beat] + beats.window[beat]]
        assert table.split[row] == split
        np.testing.assert_array_equal(table.signal[row, 0], rows[beat])
    assert names[-1] == table.subjects[-1] == "unknown" and table.symbol[-1] == ""
    assert table.sample[-1] == -1 and table.span[-1].tolist() == [-1, -1]
    np.testing.assert_array_equal(table.signal[-1, 0], signal[2])
    assert table.label[expected.index((a, 0))] == label[0]  # the label of the file is kept
    assert table.notes == (
        "mitbih_train.csv holds 5 beats, the published file 87,554.",
        "mitbih_train.csv: 1 of 5 rows are not among the beats of MIT-BIH as published (altered, or of "
        "another database); their record is 'unknown'.",
        "mitbih_train.csv: 1 of 5 rows stand in the other published file.",
        "mitbih_test.csv holds 3 beats, the published file 21,892.",
        "mitbih_test.csv: 1 of 3 rows repeat another of the file.",
        "Labels that differ from the published ones, and are kept: 1.",
    )


def linked(mitdb: Path, folder: Path) -> Path:
    """A folder of links to every file of the database, some of which a test then replaces."""
    folder.mkdir(parents=True)
    for path in mitdb.iterdir():
        if path.is_file():
            (folder / path.name).symlink_to(path)
    return folder


def test_other_annotations_than_the_published_are_refused(mitdb_dir: Path, tmp_path: Path) -> None:
    mitdb = linked(mitdb_dir, tmp_path / "mitdb")
    (mitdb / "100.atr").unlink()
    (mitdb / "100.atr").symlink_to(mitdb_dir / "101.atr")
    with pytest.raises(EcgError, match=r"100\.atr: not the annotations of MIT-BIH 1\.0\.0"):
        kaggle_table(tmp_path, "rebuild")


def test_another_signal_than_the_published_is_refused(mitdb_dir: Path, tmp_path: Path) -> None:
    mitdb = linked(mitdb_dir, tmp_path / "mitdb")
    sample = int(load_trace().beats.sample[1000])  # of record 100, the first
    signal = bytearray((mitdb / "100.dat").read_bytes())
    signal[3 * sample] ^= 4  # format 212 packs the two leads of a sample into three bytes
    (mitdb / "100.dat").unlink()
    (mitdb / "100.dat").write_bytes(signal)
    lines = (mitdb / "100.hea").read_text().splitlines()
    (mitdb / "100.hea").unlink()  # a header that says nothing of checksums
    (mitdb / "100.hea").write_text("\n".join([lines[0], *("100.dat 212 200 11 1024" for _ in "12")]) + "\n")
    with pytest.raises(EcgError, match=rf"100\.dat: not the signal of MIT-BIH 1\.0\.0.* {sample}$"):
        kaggle_table(tmp_path, "rebuild")


# -- without them --------------------------------------------------------------------------------------


@pytest.fixture
def foreign(tmp_path: Path) -> Callable[[int], Path]:
    """Writes both files with beats of no known database, in the row order that a seed gives."""
    random = np.random.default_rng(0)
    rows, labels = random.random((40, 187), dtype=np.float32), random.integers(0, 5, 40)
    rows[1], labels[1] = rows[0], labels[0]

    def write(seed: int) -> Path:
        order = np.random.default_rng(seed).permutation(30)
        data_dir = tmp_path / str(seed)
        write_csv(data_dir / "kaggle" / "mitbih_train.csv", rows[order], labels[order])
        write_csv(data_dir / "kaggle" / "mitbih_test.csv", rows[30:], labels[30:])
        return data_dir

    return write


def test_beats_of_another_database_make_a_table_in_one_order(foreign: Callable[[int], Path]) -> None:
    one, other = kaggle_table(foreign(1), "auto"), kaggle_table(foreign(2), "csv")
    assert_same(one, other)
    assert one.records == one.subjects == ("unknown",)
    assert (one.sample == -1).all() and (one.span == -1).all() and (one.symbol == "").all()
    assert (one.split == 0).sum() == 30 and (one.split == 1).sum() == 10
    assert sum("No row of" in note for note in one.notes) == 2


def test_another_content_has_another_fingerprint(foreign: Callable[[int], Path]) -> None:
    data_dir = foreign(1)
    before = kaggle_table(data_dir, "csv").fingerprint
    path = data_dir / "kaggle" / "mitbih_train.csv"
    rows, labels = read_csv(path)
    labels[5] = (labels[5] + 1) % 5
    write_csv(path, rows, labels)
    assert kaggle_table(data_dir, "csv").fingerprint != before


def test_without_test_the_test_file_is_not_read(foreign: Callable[[int], Path]) -> None:
    data_dir = foreign(1)
    for spoil in (lambda path: path.write_text("damaged"), Path.unlink):
        spoil(data_dir / "kaggle" / "mitbih_test.csv")
        table = kaggle_table(data_dir, "auto", test=False)
        assert len(table) == 30 and (table.split == 0).all()
        with pytest.raises(EcgError, match=r"mitbih_test\.csv"):
            kaggle_table(data_dir, "csv", test=True)


def test_missing_files_are_named_with_where_to_place_them(tmp_path: Path) -> None:
    with pytest.raises(EcgError, match=r"kaggle: mitbih_train\.csv and mitbih_test\.csv not found; place"):
        kaggle_files(tmp_path, "csv")
    with pytest.raises(
        EcgError, match=r"expected mitbih_train\.csv and .*, or the MIT-BIH.* 144 of 144 files"
    ):
        kaggle_files(tmp_path, "auto")
    with pytest.raises(EcgError, match=r"expected the MIT-BIH Arrhythmia Database 1\.0\.0 in .*mitdb"):
        kaggle_files(tmp_path, "rebuild")
    (tmp_path / "kaggle").mkdir()
    (tmp_path / "kaggle" / "mitbih_train.csv").touch()
    with pytest.raises(EcgError, match=r"kaggle: mitbih_test\.csv not found"):
        kaggle_files(tmp_path, "auto")


def test_the_files_of_the_table_are_the_csv_files_where_both_are_there(tmp_path: Path) -> None:
    (tmp_path / "kaggle").mkdir()
    (tmp_path / "mitdb").mkdir()
    for name in RECORDS:
        for ending in (".hea", ".dat", ".atr"):
            (tmp_path / "mitdb" / f"{name}{ending}").touch()
    (tmp_path / "mitdb" / "102-0.atr").touch()
    records = kaggle_files(tmp_path, "auto")
    assert len(records) == 144
    assert tmp_path / "mitdb" / "102-0.atr" in records and tmp_path / "mitdb" / "102.atr" not in records
    for name in FILES:
        (tmp_path / "kaggle" / name).touch()
    assert [path.name for path in kaggle_files(tmp_path, "auto")] == list(FILES)
    assert [path.name for path in kaggle_files(tmp_path, "csv", test=False)] == ["mitbih_train.csv"]
    assert kaggle_files(tmp_path, "rebuild") == records
