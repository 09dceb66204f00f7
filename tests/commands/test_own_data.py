"""Somebody's own recordings and beats: trained, evaluated and applied by one command each."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ecgcli.beats.part import Part
from ecgcli.commands.evaluate import evaluate
from ecgcli.commands.other_data import other_table, trained_on, unseen
from ecgcli.commands.train import train
from ecgcli.config import EvalConfig
from ecgcli.errors import EcgError
from ecgcli.parsing import parse
from ecgcli.recordings.simulate import simulate
from ecgcli.recordings.wfdb_io import write_record
from ecgcli.runs import Run, run_name
from tests.conftest import compose_values, train_config

TINY = (
    *("trainer.steps=6", "trainer.epochs=2", "trainer.batch_size=64", "trainer.threads=1"),
    *("trainer.accelerator=cpu", "model.channels=[4,8]", "model.kernel_sizes=[5]"),
)


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def trained(*overrides: str) -> Run:
    config = train_config(*overrides, *TINY)
    train(config)
    return Run(Path("outputs/train") / run_name(config))


def asked(run: Run, *overrides: str) -> EvalConfig:
    values = compose_values(f"run='{run.path}'", *overrides, command="eval")
    return parse(EvalConfig, {k: v for k, v in values.items() if k not in ("beat", "protocol")})


def scored(run: Run, *overrides: str) -> dict[str, Any]:
    """What `ecg eval` writes."""
    shutil.rmtree("outputs/eval", ignore_errors=True)
    evaluate(asked(run, *overrides))
    (folder,) = Path("outputs/eval").iterdir()
    metrics: dict[str, Any] = json.loads((folder / "metrics.json").read_text())
    return metrics | {"files": sorted(path.name for path in folder.iterdir())}


def to_score(run: Run, *overrides: str) -> Part:
    """The beats that `ecg eval` would score."""
    config = asked(run, *overrides)
    return unseen(config, run, other_table(config, run))


def recordings(
    folder: Path, patients: range, rate: float = 250, leads: tuple[str, str] = ("II", "V5")
) -> None:
    """Simulated patients as some other laboratory would keep them."""
    for patient in patients:
        record = simulate(patient, 1.0, 7, rate=rate)
        record = replace(record, name=f"rec{patient:02d}", leads=leads, signal=record.signal[:2])
        write_record(folder, record, fmt="16", gain=1000)


def beats_of_three_classes(path: Path, n: int = 360, seed: int = 0, people: int = 12) -> pd.DataFrame:
    """300 samples a beat; the classes differ in frequency."""
    rng = np.random.default_rng(seed)
    kind, time = rng.integers(0, 3, n), np.linspace(0, 1, 300)
    signal = np.sin(2 * np.pi * (2 + kind[:, None]) * time) + 0.3 * rng.standard_normal((n, 300))
    table = pd.DataFrame(signal.round(4), columns=[f"s{i}" for i in range(300)])
    table["kind"] = np.array(["N", "PAC", "PVC"])[kind]
    if people:
        table["subject"] = rng.integers(0, people, n)
    table.to_csv(path, index=False)
    return table


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with recordings and people of one's own, and a run trained on them."""
    folder = tmp_path_factory.mktemp("clinic")
    recordings(folder / "theirs", range(1, 11))
    people = "".join(f"rec{i:02d},{(i + 1) // 2 if i < 5 else i}\n" for i in range(1, 11))
    (folder / "people.csv").write_text("record,subject\n" + people)
    with inside(folder):
        trained("data=wfdb", "data.path=theirs", "data.subjects=people.csv", "beat.leads=[II,V5]")
    return folder


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of one's own beats, and a run trained on it."""
    folder = tmp_path_factory.mktemp("tables")
    beats_of_three_classes(folder / "own.csv")
    with inside(folder):
        trained("data=table", "data.path=own.csv", "data.label=kind")
    return folder


def the_run(folder: Path) -> Run:
    (path,) = (folder / "outputs" / "train").iterdir()
    return Run(path)


# -- recordings ----------------------------------------------------------------------------------------


@pytest.mark.promise
@pytest.mark.slow
def test_a_folder_of_somebody_elses_recordings_trains_and_evaluates(clinic: Path) -> None:
    """250 Hz, leads II and V5, people with two recordings."""
    run = the_run(clinic)
    assert run.metrics["data"]["subjects"] == 8
    assert run.metrics["audit"]["refused"] == []
    assert run.metrics["test"]["beats"] > 0
    assert run.model.facts.trained_on["database"] == "theirs"
    with inside(clinic):
        again = scored(run)
    assert again["test"] == run.metrics["test"]
    assert "ec57.md" in again["files"]


@pytest.mark.slow
def test_recordings_are_left_out_wherever_their_folder_lies(clinic: Path) -> None:
    run = the_run(clinic)
    left = f"{len(run.model.facts.trained_on['records'])} records of people that the model was trained on are"
    with inside(clinic):
        assert left in to_score(run, "data=wfdb", "data.path=theirs").statement
        # the same content under another name, and the same name with other content
        shutil.copytree("theirs", "moved")
        assert left in to_score(run, "data=wfdb", "data.path=moved", "data.subjects=people.csv").statement
        recordings(Path("elsewhere/theirs"), range(11, 13))
        other = to_score(run, "data=wfdb", "data.path=elsewhere/theirs")
        assert other.statement == "every beat of 2 records of theirs."
        both = to_score(run, "data=wfdb", "data.path=[theirs,moved]")
        assert left in both.statement


def a_table(*records: str, fingerprint: str = "x") -> Any:
    from types import SimpleNamespace

    return SimpleNamespace(records=records, subjects=records, fingerprint=fingerprint)


@pytest.mark.promise
@pytest.mark.parametrize(
    ("database", "records", "seen"),
    [
        ("mitdb", ("100", "101"), [True, False]),
        ("svdb", ("100", "101"), [False, False]),
        ("svdb+mitdb", ("mitdb/100", "svdb/100", "svdb/800"), [True, False, True]),
    ],
)
def test_a_recording_is_known_by_its_database_and_name(
    database: str, records: tuple[str, ...], seen: list[bool]
) -> None:
    """Whether one folder or several were trained on, and are evaluated."""
    alone = {"database": "mitdb", "records": ["100"], "subjects": ["100"], "fingerprint": "y"}
    both = {
        "database": "mitdb+svdb",
        "records": ["mitdb/100", "svdb/800"],
        "subjects": [],
        "fingerprint": "y",
    }
    assert trained_on(a_table(*records), database, both).tolist() == seen
    assert trained_on(a_table(*records), database, alone)[: len(seen)].tolist()[0] == seen[0]
    assert trained_on(a_table("100", fingerprint="y"), "copy", alone).tolist() == [True]


# -- tables --------------------------------------------------------------------------------------------


@pytest.mark.promise
@pytest.mark.slow
def test_a_csv_of_three_classes_of_300_samples_trains_and_evaluates(tables: Path) -> None:
    run = the_run(tables)
    assert run.metrics["classes"] == ["N", "PAC", "PVC"]
    assert run.model.facts.networks["all"].length == 300
    assert run.metrics["data"]["subjects"] == 12
    assert run.metrics["protocol"]["name"] == "by_subject"
    with inside(tables):
        # a file of one class, whose people are not known
        new = beats_of_three_classes(Path("new.csv"), n=60, seed=9, people=0).query("kind == 'PVC'")
        new.to_csv("new.csv", index=False)
        other = scored(run, "data=table", "data.path=new.csv", "data.label=kind")
    assert other["test"]["beats"] == len(new)
    assert other["support"]["test"] == {"N": 0, "PAC": 0, "PVC": len(new)}
    assert other["protocol"]["name"] == "other beats"
    assert "trained on the same beats or people is not known" in other["protocol"]["statement"]
    assert "ec57.md" not in other["files"]


@pytest.mark.promise
@pytest.mark.slow
def test_without_subjects_only_a_protocol_that_needs_none_is_taken(tmp_path: Path) -> None:
    beats_of_three_classes(tmp_path / "own.csv", people=0)
    data = ("data=table", "data.path=own.csv", "data.label=kind")
    with inside(tmp_path):
        with pytest.raises(EcgError, match=r"subjects of the beats are unknown; use protocol=intra_patient"):
            trained(*data)
        run = trained(*data, "protocol=intra_patient")
        assert run.metrics["protocol"]["intra_patient"] is True
        assert scored(run)["test"] == run.metrics["test"]
        with pytest.raises(EcgError, match=r"has no recording that .* was not trained on"):
            to_score(run, *data)
        beats_of_three_classes(Path("with.csv"))
        assert "is not known" in to_score(run, *data[:1], "data.path=with.csv", data[2]).statement


@pytest.mark.slow
def test_tables_of_the_same_people_are_pointed_out(tables: Path) -> None:
    run = the_run(tables)
    people = len(run.model.facts.trained_on["subjects"])
    with inside(tables):
        beats_of_three_classes(Path("later.csv"), seed=5)
        later = to_score(run, "data=table", "data.path=later.csv", "data.label=kind").statement
        assert (
            f"{people} of the records have names of records that the model was trained on in own.csv" in later
        )
        same = to_score(run, "data=table", "data.path=own.csv", "data.label=kind").statement
        assert f"{people} records of people that the model was trained on are left out" in same


@pytest.mark.promise
@pytest.mark.slow
def test_a_table_that_does_not_fit_the_model_is_refused_in_one_line(tables: Path, clinic: Path) -> None:
    run = the_run(tables)
    label = "data.label=kind"
    with inside(tables):
        given = beats_of_three_classes(Path("other.csv"), n=30)
        given.drop(columns="s299").to_csv("short.csv", index=False)
        with pytest.raises(EcgError, match=r"beats of 299 samples in 1 channels; .* reads 300 samples in 1"):
            to_score(run, "data=table", "data.path=short.csv", label)
        given["kind"] = given["kind"].map({"N": 0, "PAC": 1, "PVC": 2})
        given.to_csv("other.csv", index=False)
        with pytest.raises(EcgError, match=r"classes 0, 1, 2, .* knows N, PAC, PVC; data\.classes names"):
            to_score(run, "data=table", "data.path=other.csv", label)
        named = to_score(run, "data=table", "data.path=other.csv", label, "data.classes=[N,PAC,PVC]")
        assert len(named.test if named.test is not None else ()) == 30
        given["kind"] = "N"
        given.to_csv("one.csv", index=False)
        with pytest.raises(EcgError, match=r"one\.csv has beats of class N alone; expected two classes"):
            trained("data=table", "data.path=one.csv", label)
        with pytest.raises(EcgError, match=r"cannot be cut from data=wfdb; use data=table"):
            to_score(run, "data=wfdb", f"data.path='{clinic / 'theirs'}'")
        with pytest.raises(EcgError, match=r"reads 100 samples in 2"):
            to_score(the_run(clinic), "data=table", "data.path=own.csv", label)
