"""From a `data=` choice to its beats: built once, then mapped."""

from __future__ import annotations

import json
import os
import resource
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgcli.beats import sources
from ecgcli.beats.sources import beats, cache_dir, cache_size, clean_cache, data_dir, demo_folder
from ecgcli.beats.table import BeatTable
from ecgcli.choices.beat import CentredBeat, KaggleBeat
from ecgcli.choices.data import Demo, Kaggle, Mitdb
from ecgcli.errors import EcgError
from ecgcli.recordings.record import Annotations, Record
from ecgcli.recordings.wfdb_io import read_record, write_record

KAGGLE = KaggleBeat(name="kaggle")
MITDB = Mitdb(name="mitdb", class_map="aami")
DEMO = Demo(name="demo", patients=6, minutes=0.5, seed=3)
COLUMNS = ("signal", "label", "symbol", "record", "sample", "span", "split")


def centred(**choices: Any) -> CentredBeat:
    defaults: dict[str, Any] = {"rate": 125.0, "before": 0.3, "after": 0.5, "leads": ("MLII",)}
    return CentredBeat(name="centred", **{"fallback": "other", "scaling": "record", **defaults, **choices})


def a_record(name: str, symbols: str, leads: tuple[str, ...] = ("MLII", "V1")) -> Record:
    """A recording with an annotation every 250 samples."""
    rng = np.random.default_rng(int(name))
    time = 250 * (len(symbols) + 2)
    n = len(symbols)
    annotations = Annotations(
        sample=250 * np.arange(1, n + 1),
        symbol=np.array(list(symbols)),
        subtype=np.zeros(n, dtype=np.int64),
        aux=np.full(n, ""),
    )
    signal = (rng.integers(-300, 300, size=(len(leads), time)) / 200).astype(np.float32)
    return Record(name, signal, 360, leads, annotations, name)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own."""
    monkeypatch.setenv("ECG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a small `mitdb`."""
    for record in (
        a_record("202", "+NNA~NVN"),
        a_record("100", "NN[!!!]NFN"),
        a_record("201", "N/Nj"),
        a_record("102", "NVNN", leads=("V5", "V2")),
    ):
        write_record(tmp_path / "data" / "mitdb", record)
    return tmp_path / "data"


def same(a: BeatTable, b: BeatTable) -> bool:
    return (
        all(np.array_equal(getattr(a, c), getattr(b, c)) for c in COLUMNS) and a.fingerprint == b.fingerprint
    )


# -- MIT-BIH -------------------------------------------------------------------------------------------


@pytest.mark.promise
def test_the_beats_of_mitbih_are_those_that_are_annotated(data_dir: Path) -> None:
    """Totals as published; DS1 and DS2 counted by wfdb's own reader."""
    wfdb = pytest.importorskip("wfdb")
    table = beats(MITDB, centred(), data_dir)
    assert np.bincount(table.label).tolist() == [90631, 2781, 7236, 803, 8043]
    assert table.signal.shape == (109494, 1, 100)
    assert np.isfinite(table.signal).all()
    assert len(table.records) == 48
    assert len(set(table.subjects)) == 47
    assert set(table.rates) == {360.0}
    order = np.lexsort((table.sample, table.record))
    assert (order == np.arange(len(table))).all()
    for name in ("102", "207", "232"):
        marks = wfdb.rdann(str(data_dir / "mitdb" / name), "atr")
        expected = [
            (s, k) for s, k in zip(marks.sample, marks.symbol, strict=True) if k in "NLRejBAaJSnVErF/fQ?"
        ]
        here = table.record == table.records.index(name)
        assert list(zip(table.sample[here], table.symbol[here], strict=True)) == expected
    assert "V5 stands in for MLII in records 102, 104." in table.notes
    assert any("record 207 has 472 waves in 6 episodes, 143 s" in note for note in table.notes)


# -- a small database ----------------------------------------------------------------------------------


def test_a_table_is_ordered_by_record_and_sample(cache: Path, data: Path) -> None:
    table = beats(MITDB, centred(), data)
    assert table.records == ("100", "102", "201", "202")
    assert table.subjects == ("100", "102", "201", "201")
    assert "".join(table.symbol) == "NNNFN" + "NVNN" + "N/Nj" + "NNANVN"
    assert table.record.tolist() == [0] * 5 + [1] * 4 + [2] * 4 + [3] * 6
    assert table.sample[:5].tolist() == [250, 500, 2000, 2250, 2500]
    assert [table.classes[i] for i in table.label[5:13]] == ["N", "V", "N", "N", "N", "Q", "N", "N"]
    assert (table.split == -1).all()
    assert (table.source, table.class_map, table.leads, table.rate) == ("mitdb", "aami", ("MLII",), 125)
    assert table.notes == (
        "V5 stands in for MLII in record 102.",
        "Ventricular flutter is not cut into beats: record 100 has 3 waves in 1 episode, 3 s.",
    )


def test_escape_beats_are_supraventricular_under_ec57(cache: Path, data: Path) -> None:
    aami, ec57 = (beats(Mitdb(name="mitdb", class_map=name), centred(), data) for name in ("aami", "ec57"))
    changed = aami.label != ec57.label
    assert ec57.class_map == "ec57"
    assert set(aami.symbol[changed]) == {"j"}
    assert {
        (aami.classes[a], ec57.classes[e])
        for a, e in zip(aami.label[changed], ec57.label[changed], strict=False)
    } == {("N", "S")}


def test_intervals_are_taken_between_beats_alone(cache: Path, data: Path) -> None:
    """Neither a rhythm nor a noise mark ends an RR interval."""
    table = beats(MITDB, KAGGLE, data)
    last = table.record == 3
    assert table.sample[last].tolist() == [500, 750, 1000, 1500]
    assert table.span[last].tolist() == [[500, 800], [750, 1100], [1000, 1550], [1500, 1800]]
    assert "8 beats at the ends of records lack the next two that their window needs." in table.notes


def test_each_beat_holds_its_own_signal(cache: Path, data: Path) -> None:
    table = beats(MITDB, centred(scaling="none", rate=360.0, leads=("V1", "MLII")), data)
    record = read_record(data / "mitdb" / "201")
    for row in np.flatnonzero(table.record == 2):
        first, end = table.span[row]
        np.testing.assert_array_equal(table.signal[row], record.signal[::-1, first:end])


def test_unknown_symbols_are_counted_in_the_notes(cache: Path, data: Path) -> None:
    pairs = [struct.pack("<H", code << 10 | 200) for code in (1, 42, 1, 42, 5)]
    (data / "mitdb" / "201.atr").write_bytes(b"".join(pairs) + b"\0\0")
    table = beats(MITDB, centred(), data)
    assert "".join(table.symbol[table.record == 2]) == "NNV"
    assert "The annotation symbol '<42>' is unknown and counts as no beat: 2 in record 201." in table.notes


# -- the cache -----------------------------------------------------------------------------------------


def test_beats_are_built_once(
    cache: Path, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = beats(MITDB, centred(), data)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "4 records" in said
    monkeypatch.setattr(sources, "_build", lambda *_: pytest.fail("built again"))
    again = beats(MITDB, centred(), data)
    assert same(first, again)
    assert again.notes == first.notes
    assert isinstance(again.signal, np.memmap)
    assert not again.signal.flags.writeable
    assert capsys.readouterr().err == ""


def test_whatever_determines_the_beats_makes_another_entry(cache: Path, data: Path) -> None:
    def entries() -> int:
        return len(list(cache.iterdir()))

    beats(MITDB, centred(), data)
    first = beats(MITDB, centred(), data)
    assert entries() == 1
    for i, build in enumerate(
        (
            lambda: beats(MITDB, centred(after=0.4), data),
            lambda: beats(Mitdb(name="mitdb", class_map="ec57"), centred(), data),
            lambda: (os.utime(data / "mitdb" / "201.atr", (1, 1)), beats(MITDB, centred(), data)),
            lambda: (write_record(data / "mitdb", a_record("203", "NNN")), beats(MITDB, centred(), data)),
        )
    ):
        build()
        assert entries() == i + 2
    assert len(beats(MITDB, centred(), data)) == len(first) + 3


def test_equal_content_has_an_equal_fingerprint(cache: Path, data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "moved")
    os.utime(tmp_path / "moved" / "mitdb" / "100.dat", (1, 1))
    first = beats(MITDB, centred(), data)
    assert same(first, beats(MITDB, centred(), tmp_path / "moved"))
    assert first.fingerprint == beats(MITDB, centred(after=0.4), data).fingerprint
    write_record(data / "mitdb", a_record("201", "NVNN"))
    assert beats(MITDB, centred(), data).fingerprint != first.fingerprint


@pytest.mark.promise
@pytest.mark.parametrize("damaged", ["signal.npy", "columns.bin", "meta.json"])
@pytest.mark.parametrize("how", ["removed", "truncated", "emptied", "overwritten"])
def test_a_damaged_entry_is_rebuilt(cache: Path, data: Path, damaged: str, how: str) -> None:
    first = beats(MITDB, centred(), data)
    whole = {c: np.array(getattr(first, c)) for c in COLUMNS}
    (entry,) = cache.iterdir()
    file = entry / damaged
    content = file.read_bytes()
    next_tick()
    if how == "removed":
        file.unlink()
    else:
        file.write_bytes({"truncated": content[:-9], "emptied": b"", "overwritten": b"{}" + content[2:]}[how])
    again = beats(MITDB, centred(), data)
    for column, expected in whole.items():
        np.testing.assert_array_equal(getattr(again, column), expected)
    if damaged == "meta.json":  # which says when the columns were written
        del (now := json.loads(file.read_bytes()))["stamp"], (then := json.loads(content))["stamp"]
        assert now == then
    else:
        assert file.read_bytes() == content
    assert list(cache.iterdir()) == [entry]


def next_tick() -> None:
    """Some file systems tell times apart by hundredths of a second alone."""
    time.sleep(0.02)


@pytest.mark.parametrize("byte", [0, -1])
def test_a_changed_column_is_noticed(cache: Path, data: Path, byte: int) -> None:
    first = beats(MITDB, centred(), data)
    expected = {c: np.array(getattr(first, c)) for c in COLUMNS}
    file = next(cache.iterdir()) / "columns.bin"
    content = bytearray(file.read_bytes())
    content[byte] ^= 1
    next_tick()
    file.write_bytes(content)
    again = beats(MITDB, centred(), data)
    for column, values in expected.items():
        np.testing.assert_array_equal(getattr(again, column), values)
    assert file.read_bytes() != content


def test_a_copied_entry_serves(cache: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = beats(MITDB, centred(), data)
    (entry,) = cache.iterdir()
    next_tick()
    for file in list(entry.iterdir()):
        file.with_suffix(".copy").write_bytes(file.read_bytes())
        file.with_suffix(".copy").rename(file)
    monkeypatch.setattr(sources, "_build", lambda *_: pytest.fail("built again"))
    assert same(first, beats(MITDB, centred(), data))


def test_an_entry_of_an_older_form_is_replaced(cache: Path, data: Path) -> None:
    """Columns were files of their own once."""
    first = beats(MITDB, centred(), data)
    (entry,) = cache.iterdir()
    for name in ("label", "symbol", "record", "sample", "span", "split", "features"):
        np.save(entry / f"{name}.npy", getattr(first, name))
    meta = json.loads((entry / "meta.json").read_bytes())
    (entry / "meta.json").write_text(json.dumps({"facts": meta["facts"], "crc32": {"label": 0}}))
    (entry / "columns.bin").unlink()
    assert same(first, beats(MITDB, centred(), data))
    assert sorted(file.name for file in entry.iterdir()) == ["columns.bin", "meta.json", "signal.npy"]


def test_what_is_no_record_plays_no_part(cache: Path, data: Path) -> None:
    beats(MITDB, centred(), data)
    (data / "mitdb" / "gone.txt").symlink_to(data / "nothing")
    (data / "mitdb" / ".hidden").touch()
    (data / "mitdb" / "x_mitdb").mkdir()
    beats(MITDB, centred(), data)
    assert len(list(cache.iterdir())) == 1


def test_a_failed_build_leaves_nothing(cache: Path, data: Path) -> None:
    (data / "mitdb" / "202.atr").unlink()
    with pytest.raises(EcgError, match=r"202\.atr: no such annotation file"):
        beats(MITDB, centred(), data)
    assert list(cache.iterdir()) == []


@pytest.mark.promise
def test_a_full_disk_is_said_in_one_line_and_leaves_nothing(cache: Path, data: Path) -> None:
    """The limit on the size of files makes writing fail as a full disk does: in the middle of it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, hard))
    try:
        with pytest.raises(EcgError) as caught:
            beats(MITDB, centred(), data)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(cache) in str(caught.value)
    assert "$ECG_CACHE" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(cache.iterdir()) == []
    assert len(beats(MITDB, centred(), data)) == 19


@pytest.mark.promise
def test_mapping_the_beats_loads_no_reader(cache: Path, data: Path) -> None:
    """What a later use costs is a few milliseconds as long as neither wfdb nor pandas is imported."""
    beats(MITDB, centred(), data)
    program = (
        "import json, sys; from pathlib import Path; from ecgcli.beats.sources import beats;"
        "from ecgcli.choices.beat import CentredBeat; from ecgcli.choices.data import Mitdb;"
        f"beat = CentredBeat.model_validate_json({centred().model_dump_json()!r});"
        f"beats(Mitdb(name='mitdb', class_map='aami'), beat, Path({str(data)!r}));"
        "print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"wfdb", "pandas", "scipy", "sklearn", "torch"} & set(json.loads(done.stdout))
    assert done.stderr == ""


def test_cleaning_takes_only_what_is_the_programs_own(cache: Path, data: Path) -> None:
    assert (cache_size(), clean_cache()) == (0, 0)  # no such folder yet
    beats(MITDB, centred(), data)
    beats(DEMO, centred(), data)
    (cache / "thesis").mkdir()
    (cache / "thesis" / "chapter.tex").write_text("years of work")
    (cache / "beats-mitdb-by-hand").mkdir()
    size = cache_size()
    assert size > 10_000
    assert clean_cache() == size
    assert sorted(path.name for path in cache.iterdir()) == ["beats-mitdb-by-hand", "thesis"]
    assert (cache / "thesis" / "chapter.tex").is_file()


# -- demo and kaggle -----------------------------------------------------------------------------------


def test_demo_recordings_go_the_road_of_real_ones(cache: Path, data: Path) -> None:
    table = beats(DEMO, centred(), data)
    assert table.source == "demo"
    assert len(table.records) == 6
    assert len(set(table.subjects)) == 6
    record = read_record(demo_folder(DEMO) / table.records[0])
    assert record.annotations is not None
    assert np.isin(table.sample[table.record == 0], record.annotations.sample).all()
    shutil.rmtree(demo_folder(DEMO))
    assert same(table, beats(DEMO, centred(), data))  # the beats do not need the recordings any more
    assert not demo_folder(DEMO).exists()


def test_damaged_demo_recordings_are_made_anew(cache: Path, data: Path) -> None:
    first = beats(DEMO, centred(), data)
    dat = next(demo_folder(DEMO).glob("*.dat"))
    dat.write_bytes(b"")
    assert same(first, beats(DEMO, centred(), data))
    other = beats(DEMO, centred(after=0.4), data)
    assert other.sample.tolist() == first.sample.tolist()
    assert dat.stat().st_size > 0


def test_the_kaggle_table_is_cached(cache: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ecgcli.beats import kaggle

    source = beats(MITDB, KAGGLE, data)
    calls = []
    monkeypatch.setattr(kaggle, "kaggle_files", lambda data_dir, *_: sorted((data_dir / "mitdb").iterdir()))
    monkeypatch.setattr(kaggle, "kaggle_table", lambda *asked: calls.append(asked) or source)
    choice = Kaggle(name="kaggle", source="rebuild")
    assert same(source, beats(choice, KAGGLE, data, test=False))
    assert same(source, beats(choice, KAGGLE, data, test=False))
    assert calls == [(data, "rebuild", False)]
    beats(choice, KAGGLE, data)
    assert calls == [(data, "rebuild", False), (data, "rebuild", True)]


# -- places and bad input ------------------------------------------------------------------------------


def test_the_data_folder_is_given_or_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("ECG_DATA", "~/ecg, all")
    assert data_dir("~/x") == Path("/home/someone/x")
    assert data_dir(None) == Path("/home/someone/ecg, all")
    monkeypatch.delenv("ECG_DATA")
    assert data_dir(None) == Path("data")


def test_the_cache_is_where_the_user_keeps_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("ECG_CACHE", "~/fast")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_dir() == Path("/home/someone/fast")
    monkeypatch.delenv("ECG_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache_dir() == Path("/home/someone/.cache/ecgcli")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_dir() == Path("/home/someone/Library/Caches/ecgcli")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_dir() == Path("/home/someone/Library/Caches/ecgcli")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/someone")
    assert cache_dir() == Path("/var/cache/someone/ecgcli")


@pytest.mark.promise
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda m: shutil.rmtree(m), "mitdb: no such folder"),
        (lambda m: [p.unlink() for p in m.glob("*.hea")], "holds no WFDB record"),
        (lambda m: (m / "201.atr").unlink(), "201.atr: no such annotation file"),
        (lambda m: (m / "201.dat").unlink(), "201.dat: no such signal file"),
        (lambda m: (m / "201.dat").write_bytes(b"\0" * 99), "201.dat: truncated"),
        (lambda m: (m / "201.hea").write_text("?"), "201.hea: unreadable header"),
        (lambda m: [p.write_bytes(b"\0\0") for p in m.glob("*.atr")], "no beat in its 4 records"),
    ],
)
def test_bad_recordings_are_named_in_one_line(cache: Path, data: Path, spoil: Any, said: str) -> None:
    spoil(data / "mitdb")
    with pytest.raises(EcgError) as caught:
        beats(MITDB, centred(), data)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not cache.exists() or list(cache.iterdir()) == []


def test_a_record_without_the_lead_is_named(cache: Path, data: Path) -> None:
    with pytest.raises(EcgError, match=r"mitdb/102: no lead MLII, only V5, V2; fallback=other takes another"):
        beats(MITDB, centred(fallback="refuse"), data)


def test_a_cache_that_cannot_be_written_is_named(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECG_CACHE", "/dev/null/cache")
    with pytest.raises(EcgError, match=r"Not a directory; the cache is /dev/null/cache, \$ECG_CACHE"):
        beats(MITDB, centred(), data)
