"""The stretch of a recording around a beat, and where a data set's recordings are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecgcli.beats.from_records import Recording, recordings_of
from ecgcli.beats.neighbourhood import stretches
from ecgcli.beats.sources import demo_folder, recordings
from ecgcli.choices.data import Demo, Kaggle, Mitdb, Table, Wfdb
from ecgcli.recordings.record import Annotations, Record
from ecgcli.recordings.wfdb_io import write_record

MARKS = [
    (100, "+", "(N"),
    (500, "N", ""),
    (1500, "V", ""),
    (1600, "+", "(AFIB"),
    (2500, "N", ""),
    (2600, "~", ""),
    (2700, '"', "MISSB"),
    (5900, "+", "(N"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two records of a minute at 100 Hz, the value of a sample its own number; the second has no marks."""
    sample, symbol, aux = (np.array(column) for column in zip(*MARKS, strict=True))
    marks = Annotations(sample, symbol, np.zeros(len(MARKS), np.int64), aux)
    ramp = np.stack([np.arange(6000), -np.arange(6000)]).astype(np.float32) / 200
    write_record(tmp_path, Record("100", ramp, 100.0, ("MLII", "V1"), marks, "100"), fmt="16")
    write_record(tmp_path, Record("101", ramp[:1], 100.0, ("II",), None, "101"), fmt="16")
    return tmp_path


def named(folder: Path) -> dict[str, Recording]:
    return {recording.name: recording for recording in recordings_of(folder, "x")}


def test_a_stretch_is_the_recording_around_the_beat(folder: Path) -> None:
    before, after = stretches(named(folder), ["100", "100"], [1500, 2500])
    assert before is not None and after is not None
    assert (before.start, before.end, before.rate, before.leads) == (1250, 1751, 100.0, ("MLII", "V1"))
    assert before.signal[0] * 200 == pytest.approx(np.arange(1250, 1751))
    assert before.signal[1] * 200 == pytest.approx(-np.arange(1250, 1751))
    assert before.marks == ((1600, "AFIB"),), "the beats themselves are the table's"
    assert (before.rhythm, after.rhythm) == ("N", "AFIB"), "as annotated last before the beat"
    assert after.marks == ((2600, "~"), (2700, "MISSB"))


def test_at_the_ends_of_a_recording_it_is_shorter(folder: Path) -> None:
    first, last = stretches(named(folder), ["100", "100"], [50, 5990], reach=1.0)
    assert first is not None and last is not None
    assert (first.start, first.end) == (0, 151)
    assert (last.start, last.end) == (5890, 6000)
    assert (first.rhythm, last.rhythm) == ("", "N")


def test_a_recording_without_annotations_has_neither_marks_nor_rhythm(folder: Path) -> None:
    (found,) = stretches(named(folder), ["101"], [3000])
    assert found is not None
    assert (found.marks, found.rhythm, found.leads) == ((), "", ("II",))


def test_what_cannot_be_read_stops_nothing(folder: Path) -> None:
    (folder / "101.dat").write_bytes(b"")
    records = ["100", "101", "102", "unknown", "100", "100"]
    found = stretches(named(folder), records, [1000, 1000, 1000, -1, -1, 6000])
    assert [stretch is not None for stretch in found] == [True, False, False, False, False, False]


def test_every_choice_of_data_knows_its_recordings(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECG_CACHE", str(tmp_path / "cache"))
    data_dir = tmp_path / "data"
    demo = Demo(name="demo", patients=6, minutes=0.5, seed=3)
    mitdb, kaggle = Mitdb(name="mitdb", class_map="aami"), Kaggle(name="kaggle", source="auto")
    assert [recordings(data, data_dir) for data in (demo, mitdb, kaggle)] == [{}, {}, {}]
    for place in (data_dir / "mitdb", demo_folder(demo)):
        place.mkdir(parents=True)
        for file in folder.glob("10*"):
            (place / file.name).write_bytes(file.read_bytes())
    assert set(recordings(demo, data_dir)) == {"100", "101"}
    for data in (mitdb, kaggle):
        assert recordings(data, data_dir)["100"].path == data_dir / "mitdb" / "100"
    wfdb = Wfdb(name="wfdb", path=(str(folder),), annotator="atr", subjects=None, class_map="aami")
    assert set(recordings(wfdb, data_dir)) == {"100"}, "the annotated ones"
    unknown = dict.fromkeys(("label", "record", "subject", "sample", "classes"))
    table = Table.model_validate({"name": "table", "path": "beats.csv"} | unknown)
    assert recordings(table, data_dir) == {}
