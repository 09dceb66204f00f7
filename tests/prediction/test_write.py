"""An annotated recording as files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb

from ecgcli.evaluation.ec57_folders import score_folders
from ecgcli.prediction.annotated import AnnotatedRecording
from ecgcli.prediction.events import summarise
from ecgcli.prediction.write import beats_table, summary_values, wfdb_annotations, write
from ecgcli.recordings.aami import BEAT_SYMBOLS, CLASS_MAPS
from ecgcli.recordings.wfdb_io import read_record

CLASSES = ("N", "S", "V", "F")


def a_recording(n: int = 40, rate: float = 128.0, name: str = "x") -> AnnotatedRecording:
    rng = np.random.default_rng(0)
    sample = np.cumsum(rng.integers(60, 200, n))
    gap = np.array([[sample[9] + 10, sample[10] - 10], [sample[-1] + 5, sample[-1] + 500]])
    probability = rng.dirichlet(np.ones(4), n)
    called = probability.argmax(axis=1)
    return AnnotatedRecording(
        name=name,
        rate=rate,
        samples=int(sample[-1] + 500),
        leads=("II",),
        read_leads=(0,),
        classes=CLASSES,
        sample=sample,
        probability=probability,
        called=called,
        review=probability.max(axis=1) < 0.5,
        unreadable=gap,
    )


@pytest.mark.promise
def test_wfdb_reads_back_what_was_written(tmp_path: Path) -> None:
    recording = a_recording()
    write(recording, summarise(recording), tmp_path, "ecg", "csv", {})
    read = wfdb.rdann(str(tmp_path / "x"), "ecg")
    assert read.fs == 128
    beats = np.isin(read.symbol, list(CLASSES))
    np.testing.assert_array_equal(np.array(read.sample)[beats], recording.sample)
    assert np.array(read.symbol)[beats].tolist() == recording.names.tolist()
    np.testing.assert_array_equal(np.array(read.num)[beats], np.rint(100 * recording.probability.max(axis=1)))
    np.testing.assert_array_equal(np.array(read.subtype)[beats], recording.review)
    noise = [
        (int(s), int(t)) for s, t, y in zip(read.sample, read.subtype, read.symbol, strict=True) if y == "~"
    ]
    first, last = recording.unreadable
    # the last stretch ends with the recording, whose last sample is the last that can be named
    assert noise == [(first[0], -1), (first[1], 0), (last[0], -1), (recording.samples - 1, 0)]


def test_scorers_take_an_unreadable_stretch_for_shutdown(tmp_path: Path, mitdb_dir: Path) -> None:
    record = read_record(mitdb_dir / "100")
    assert record.annotations is not None
    marks = record.annotations
    beat = np.isin(marks.symbol, list(BEAT_SYMBOLS))
    names = [CLASS_MAPS["aami"][symbol] for symbol in marks.symbol[beat].tolist()]
    called = np.array([CLASSES.index(name) for name in names])
    gap = np.array([[100_000, 136_000]])
    kept = (marks.sample[beat] < gap[0, 0]) | (marks.sample[beat] >= gap[0, 1])
    recording = AnnotatedRecording(
        name="100",
        rate=record.rate,
        samples=record.signal.shape[1],
        leads=record.leads,
        read_leads=(0,),
        classes=CLASSES,
        sample=marks.sample[beat][kept],
        probability=np.eye(4)[called[kept]],
        called=called[kept],
        review=np.zeros(kept.sum(), bool),
        unreadable=gap,
    )
    write(recording, summarise(recording), tmp_path, "ecg", "csv", {})
    scores = score_folders(mitdb_dir, tmp_path, ["100"], "atr", "ecg", 0.0, "aami", 0.15)
    lost = int((~kept).sum())
    assert lost > 100
    (one,) = scores.records
    assert one.matrix[:5, 6].sum() == lost  # missed in shutdown
    assert one.matrix[:5, 5].sum() == 0  # simply missed
    assert one.shutdown == 100.0


def test_the_table_has_a_row_a_beat(tmp_path: Path) -> None:
    recording = a_recording()
    table = beats_table(recording)
    assert list(table) == [
        "time",
        "sample",
        "class",
        *(f"p_{c}" for c in CLASSES),
        "rr_before",
        "rr_after",
        "review",
    ]
    np.testing.assert_allclose(table["time"], recording.sample / 128, atol=1e-4)
    assert np.isnan(table["rr_before"][0]) and np.isnan(table["rr_after"][39])
    assert np.isnan(table["rr_after"][9]) and np.isnan(table["rr_before"][10])  # a gap lies between
    np.testing.assert_allclose(table["rr_after"][20], np.diff(recording.sample)[20] / 128, atol=1e-4)
    for kind in ("csv", "parquet"):
        write(recording, summarise(recording), tmp_path, "ecg", kind, {})
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "x.csv"), pd.read_parquet(tmp_path / "x.parquet"))


def test_the_summary_is_plain_and_says_where_it_comes_from(tmp_path: Path) -> None:
    recording = a_recording()
    write(recording, summarise(recording), tmp_path, "ecg", "csv", {"model": "a model"})
    said = json.loads((tmp_path / "x.json").read_text())
    assert said["model"] == "a model" and said["read_leads"] == ["II"]
    assert said["beats"] == 40 == sum(said["counts"].values())
    assert said["unreadable"] == (recording.unreadable / 128).round(3).tolist()
    assert json.loads(json.dumps(summary_values(recording, summarise(recording)))) == {
        key: value for key, value in said.items() if key != "model"
    }


def test_a_recording_without_beats_is_written_all_the_same(tmp_path: Path) -> None:
    recording = a_recording()
    nothing = AnnotatedRecording(
        **{
            **recording.__dict__,
            "sample": np.empty(0, np.int64),
            "probability": np.empty((0, 4)),
            "called": np.empty(0, np.int64),
            "review": np.empty(0, bool),
            "unreadable": np.empty((0, 2), np.int64),
        }
    )
    write(nothing, summarise(nothing), tmp_path, "ecg", "csv", {})
    assert len(wfdb_annotations(nothing)) == 0
    assert len(pd.read_csv(tmp_path / "x.csv")) == 0
    assert json.loads((tmp_path / "x.json").read_text())["mean_rate"] is None
