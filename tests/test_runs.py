"""Run: what a notebook gets from a run folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ecgcli.beats.sources import demo_folder
from ecgcli.errors import EcgError
from ecgcli.recordings.aami import BEAT_SYMBOLS
from ecgcli.recordings.wfdb_io import read_record
from ecgcli.runs import Run, begin, run_name
from tests.conftest import TINY, train_config


@pytest.mark.promise
def test_a_recording_is_predicted_as_its_beats_were_in_the_test_part(finished_run: Run) -> None:
    """From the raw signal to the same probabilities that the run saved for these beats."""
    frame = finished_run.predictions("test")
    name = frame["record"].iloc[0]
    record = read_record(demo_folder(finished_run.config.data) / name)  # type: ignore[arg-type]
    assert record.annotations is not None
    peaks = record.annotations.sample[np.isin(record.annotations.symbol, list(BEAT_SYMBOLS))]
    predicted = finished_run.predict(record.signal, record.rate, peaks=peaks, leads=record.leads)
    saved = frame[frame["record"] == name]
    assert np.array_equal(predicted["sample"], saved["sample"])
    columns = [f"p_{c}" for c in finished_run.metrics["classes"]]
    assert predicted[columns].to_numpy() == pytest.approx(saved[columns].to_numpy(), abs=1e-5)
    assert predicted["time"].to_numpy() == pytest.approx(predicted["sample"] / record.rate)


def test_r_peaks_are_found_where_none_are_given(finished_run: Run) -> None:
    record = read_record(demo_folder(finished_run.config.data) / "p001")  # type: ignore[arg-type]
    assert record.annotations is not None
    beats = np.isin(record.annotations.symbol, list(BEAT_SYMBOLS)).sum()
    found = finished_run.predict(record.signal[0], record.rate)
    assert len(found) == pytest.approx(beats, rel=0.1)
    assert found["class"].isin(finished_run.metrics["classes"]).all()


BAD = {
    "NaN": (lambda: (np.full(1000, np.nan), 360.0, None), "NaN or infinity"),
    "time first": (lambda: (np.zeros((1000, 2)), 360.0, None), "expected \\(leads, time\\)"),
    "no rate": (lambda: (np.zeros(1000), 0.0, None), "expected samples per second"),
    "peak outside": (lambda: (np.zeros(1000), 360.0, [10, 5000]), "between 0 and 999"),
    "descending": (lambda: (np.zeros(1000), 360.0, [500, 10]), "ascending"),
    "fractions": (lambda: (np.zeros(1000), 360.0, [10.5, 20.5]), "whole numbers"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_predicted_is_said_in_one_line(case: str, finished_run: Run) -> None:
    make, message = BAD[case]
    signal, rate, peaks = make()
    with pytest.raises(EcgError, match=message):
        finished_run.predict(signal, rate, peaks=peaks)


def test_a_recording_without_beats_gives_an_empty_table(finished_run: Run) -> None:
    empty = finished_run.predict(np.zeros(1000), 360.0, peaks=[])
    assert len(empty) == 0
    assert {"sample", "time", "class", "p_N"} <= set(empty.columns)


@pytest.mark.promise
def test_two_writers_of_one_run_are_kept_apart(tmp_path: Path) -> None:
    config = train_config(*TINY)
    with begin(config, "data", tmp_path) as folder:
        (folder / "x").write_text("x")
        code = (
            "from pathlib import Path; from tests.conftest import *; from ecgcli.runs import begin\n"
            f"with begin(train_config(*TINY), 'data', Path({str(tmp_path)!r})): pass"
        )
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path.cwd())
        assert "is being written by another process" in other.stderr
        assert (folder / "x").exists()
    assert [p.name for p in (tmp_path / "train").iterdir()] == [run_name(config)]


def test_an_error_leaves_nothing_and_an_interruption_a_partial_folder(tmp_path: Path) -> None:
    config = train_config(*TINY)
    with pytest.raises(RuntimeError), begin(config, "data", tmp_path):
        raise RuntimeError("mid-way")
    assert list((tmp_path / "train").iterdir()) == []
    with pytest.raises(KeyboardInterrupt), begin(config, "data", tmp_path):
        raise KeyboardInterrupt
    assert [p.name for p in (tmp_path / "train").iterdir()] == [f"{run_name(config)}.partial"]
    with pytest.raises(EcgError, match="is unfinished"):
        Run(tmp_path / "train" / f"{run_name(config)}.partial")


def test_checkpoints_outlive_an_interruption_or_an_error_but_not_a_change_of_the_data(tmp_path: Path) -> None:
    config = train_config(*TINY)
    with pytest.raises(RuntimeError), begin(config, "data", tmp_path) as folder:
        (folder / "checkpoints/all").mkdir(parents=True)
        (folder / "checkpoints/all/last.ckpt").write_text("round 3")
        (folder / "predictions").mkdir()
        raise RuntimeError("mid-way")
    with pytest.raises(KeyboardInterrupt), begin(config, "data", tmp_path) as folder:
        assert (folder / "checkpoints/all/last.ckpt").read_text() == "round 3"
        assert not (folder / "predictions").exists()
        raise KeyboardInterrupt
    with begin(config, "other data", tmp_path) as folder:
        assert not (folder / "checkpoints").exists()


@pytest.mark.promise
def test_the_torch_free_rooms_import_no_torch() -> None:
    code = (
        "import sys, ecgcli.runs, ecgcli.config, ecgcli.beats.sources, ecgcli.beats.protocol, "
        "ecgcli.beats.audit, ecgcli.recordings.wfdb_io, ecgcli.recordings.simulate, ecgcli.beats.kaggle, "
        "ecgcli.models, ecgcli.learning.facts, ecgcli.learning.onnx_model, ecgcli.commands.export\n"
        "print([m for m in ('torch', 'pytorch_lightning', 'torchmetrics') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
