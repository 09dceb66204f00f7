"""`ecg predict`, from the command line to its files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import wfdb

from ecgcli.beats.segment import Segmenter
from ecgcli.commands.export import export
from ecgcli.commands.predict import SERVED, SHIPPED, predict, seen
from ecgcli.config import ExportConfig, PredictConfig
from ecgcli.errors import EcgError
from ecgcli.learning.facts import read_facts
from ecgcli.learning.model import Model
from ecgcli.learning.onnx_model import OnnxModel
from ecgcli.parsing import parse
from ecgcli.recordings.aami import BEAT_SYMBOLS
from ecgcli.recordings.example import example
from ecgcli.recordings.simulate import write_demo
from ecgcli.recordings.wfdb_io import read_record
from ecgcli.runs import Run
from tests.conftest import compose_values, train_config


def run_predict(*overrides: str) -> None:
    predict(parse(PredictConfig, compose_values(*overrides, command="predict")))


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two simulated recordings of a minute."""
    folder = tmp_path_factory.mktemp("recordings")
    write_demo(folder, patients=2, minutes=1, seed=5)
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.promise
def test_one_command_annotates_a_recording(
    finished_run: Run, records: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = sorted(path.stem for path in records.glob("*.hea"))[0]
    run_predict(f"input={records / name}", f"run={finished_run.path}")
    folder = here / "outputs" / "predict" / name
    assert sorted(path.name for path in folder.iterdir()) == [
        f"{name}.{end}" for end in ("csv", "ecg", "html", "json")
    ]
    table = pd.read_csv(folder / f"{name}.csv")
    read = wfdb.rdann(str(folder / name), "ecg")
    beats = [i for i, symbol in enumerate(read.symbol) if symbol != "~"]
    np.testing.assert_array_equal(read.sample[beats], table["sample"])
    assert [read.symbol[i] for i in beats] == table["class"].tolist()
    truth = wfdb.rdann(str(records / name), "atr")
    marks = truth.sample[[i for i, symbol in enumerate(truth.symbol) if symbol not in "+~"]]
    near = np.abs(table["sample"].to_numpy()[:, None] - marks).min(axis=1)
    assert (near <= 0.15 * truth.fs).mean() > 0.95
    said = json.loads((folder / f"{name}.json").read_text())
    assert said["beats"] == len(table) and said["model"].startswith(finished_run.path.name)
    printed = capsys.readouterr().out
    assert f"{len(table):,}" in printed and f"{name}.html" in printed


@pytest.mark.promise
def test_the_same_beats_give_what_the_run_predicts(finished_run: Run, records: Path, here: Path) -> None:
    name = sorted(path.stem for path in records.glob("*.hea"))[0]
    run_predict(f"input={records / name}", f"run={finished_run.path}", "peaks=atr", "output=o", "page=false")
    table = pd.read_csv(here / "o" / f"{name}.csv")
    record = wfdb.rdrecord(str(records / name))
    lead = record.p_signal.T.astype(np.float32)
    own = finished_run.predict(lead, record.fs, table["sample"].to_numpy(), tuple(record.sig_name))
    columns = [f"p_{name}" for name in finished_run.model.classes]
    np.testing.assert_allclose(table[columns], own[columns], atol=1e-3)


def test_a_folder_gives_files_for_each_and_a_table_of_all(
    finished_run: Run, records: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = here / "two"
    folder.mkdir()
    for file in records.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "broken.hea").write_text("broken 1 250 1000\nbroken.dat 16 200 16 0 0 0 0 MLII\n")
    with pytest.raises(EcgError, match=r"1 of 3 recordings of two could not be annotated"):
        run_predict("input=two", f"run={finished_run.path}", "page=false", "table=parquet", "annotator=me")
    done = pd.read_csv(here / "outputs" / "predict" / "two" / "summary.csv")
    assert len(done) == 2
    for name, beats in zip(done["recording"].astype(str), done["beats"], strict=True):
        assert len(pd.read_parquet(here / "outputs" / "predict" / "two" / f"{name}.parquet")) == beats
        assert (here / "outputs" / "predict" / "two" / f"{name}.me").is_file()
    assert "broken.dat" in capsys.readouterr().err


@pytest.mark.promise
def test_an_onnx_model_annotates_without_torch(finished_run: Run, records: Path, here: Path) -> None:
    values = compose_values(f"run={finished_run.path}", "output=m.onnx", command="export")
    export(parse(ExportConfig, values))
    name = sorted(path.stem for path in records.glob("*.hea"))[0]
    words = [f"input={records / name}", "run=m.onnx", "output=served"]
    code = (
        "import sys; sys.argv = ['ecg', 'predict', *sys.argv[1:]]\n"
        "from ecgcli.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, *words], check=True, timeout=300)
    run_predict(f"input={records / name}", f"run={finished_run.path}", "output=trained", "page=false")
    served, trained = (pd.read_csv(here / folder / f"{name}.csv") for folder in ("served", "trained"))
    np.testing.assert_array_equal(served["sample"], trained["sample"])
    numbers = [column for column in served if column.startswith("p_")]
    np.testing.assert_allclose(served[numbers], trained[numbers], atol=2e-4)


@pytest.mark.promise
def test_the_model_in_the_box_annotates_a_real_recording(
    mitdb_dir: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_predict("input=example")
    said = capsys.readouterr().out
    assert "In-sample" in said
    page = (here / "outputs" / "predict" / "208" / "208.html").read_text()
    assert "In-sample" in page and "Not a medical device" in page
    table = pd.read_csv(here / "outputs" / "predict" / "208" / "208.csv")
    # where the five minutes are in record 208, and what the annotators say of them
    record = read_record(mitdb_dir / "208")
    source = example()
    five, whole = source.read(0, source.samples)[0], record.signal[0]
    starts = np.flatnonzero(np.isclose(whole[: -len(five) + 1], five[0], atol=1e-3))
    begin = next(s for s in starts if np.allclose(whole[s : s + len(five)], five, atol=1e-3))
    assert record.annotations is not None
    marks = record.annotations
    inside = (
        (marks.sample >= begin)
        & (marks.sample < begin + len(five))
        & np.isin(marks.symbol, list(BEAT_SYMBOLS))
    )
    where, symbols = marks.sample[inside] - begin, marks.symbol[inside]
    nearest = np.abs(table["sample"].to_numpy()[:, None] - where).argmin(axis=0)
    found = np.abs(table["sample"].to_numpy()[nearest] - where) <= 54
    assert found.mean() > 0.97
    called = table["class"].to_numpy()[nearest]
    assert (called[found & (symbols == "V")] == "V").mean() > 0.9
    assert (called[found & (symbols == "N")] == "N").mean() > 0.9


@pytest.mark.parametrize(
    ("trained", "path", "said"),
    [
        (
            {"database": "mitdb", "records": ["201"], "subjects": ["201"]},
            "x/mitdb/201",
            "this very recording",
        ),
        ({"database": "mitdb", "records": ["201"], "subjects": ["201"]}, "x/mitdb/1.0.0/202", "this person"),
        (
            {"database": "a+mitdb", "records": ["mitdb/100"], "subjects": ["mitdb/100"]},
            "mitdb/100",
            "this very",
        ),
        ({"database": "mitdb", "records": ["201"], "subjects": ["201"]}, "x/mitdb/203", ""),
        ({"database": "mitdb", "records": ["201"], "subjects": ["201"]}, "x/other/201", ""),
    ],
)
def test_people_that_the_model_has_seen_are_in_sample(trained: dict[str, Any], path: str, said: str) -> None:
    remarks = seen(trained, replace(example(), path=Path(path)))
    assert [said in remark for remark in remarks] == ([True] if said else [])


def test_the_model_in_the_box_is_small_and_of_the_recipe_that_its_card_names() -> None:
    assert (SHIPPED / "model.safetensors").stat().st_size < 1_000_000
    facts = read_facts(SHIPPED / "model.json")
    card = (SHIPPED / "README.md").read_text()
    (command,) = re.findall(r"^ecg train (.*)$", card, flags=re.MULTILINE)
    config = train_config(*command.split())
    assert Segmenter.from_config(config.beat).to_dict() == facts.segmenter
    assert facts.networks["all"].architecture == config.model
    assert len(facts.trained_on["records"]) == 44
    assert "Not a medical device" in card and "ODC-By" in card


@pytest.mark.promise
def test_the_model_in_the_box_is_one_for_torch_and_for_onnxruntime() -> None:
    kept, served = Model.load(SHIPPED), OnnxModel.load(SERVED)
    assert served.facts == kept.facts
    random = np.random.default_rng(0)
    beats = random.normal(size=(300, kept.segmenter.channels, kept.segmenter.length)).astype(np.float32)
    features = random.normal(size=(300, len(kept.segmenter.feature_names))).astype(np.float32)
    np.testing.assert_allclose(
        served.predict(beats, features=features), kept.predict(beats, features=features), atol=1e-6
    )


MISTAKES: list[tuple[list[str], str]] = [
    (["input=nowhere"], "nowhere"),
    (["input=lead.csv"], "rate="),
    (["input=lead.csv", "rate=0"], "rate=0"),
    (["input=lead.csv", "rate=250", "leads=V9"], "no lead V9; expected one of"),
    (["input=lead.csv", "rate=250", "units=V"], "units="),
    (["input=short.csv", "rate=250"], "expected 1 s or more"),
    (["input=lead.csv", "rate=250", "peaks=atr"], "atr"),
    (["input=lead.csv", "rate=250", "run=nowhere"], "nowhere"),
    (["input=lead.csv", "rate=250", "annotator=a.b"], "annotator"),
    (["input=lead.csv", "rate=250", "review=2"], "review=2"),
    (["input=lead.csv", "rate=250", "adapt=atr"], "atr"),
    (["input=lead.csv", "rate=250", "adapt=a.b"], "adapt"),
    (["input=lead.csv", "rate=250", "adapt=atr", "adapt_minutes=0"], "adapt_minutes=0"),
    (["input=lead.csv", "rate=250", "adapt=atr", "run=model.onnx"], "expected run= to be a run folder"),
]


@pytest.mark.slow
@pytest.mark.promise
def test_five_labelled_minutes_teach_the_model_what_the_rest_of_record_213_holds(
    mitdb_dir: Path, here: Path
) -> None:
    """Its fusion beats, of which the model in the box finds hardly any although it was trained on them."""
    record = read_record(mitdb_dir / "213")
    assert record.annotations is not None
    marks = record.annotations
    later = marks.sample[(marks.symbol == "F") & (marks.sample > 5 * 60 * 360)]
    found = {}
    for name, words in {"without": [], "with": ["adapt=atr"]}.items():
        run_predict(f"input={mitdb_dir / '213'}", f"output={name}", "page=false", *words)
        table = pd.read_csv(here / name / "213.csv")
        nearest = np.abs(table["sample"].to_numpy()[:, None] - later).argmin(axis=0)
        found[name] = (table["class"].to_numpy()[nearest] == "F").mean()
    assert found["without"] < 0.2
    assert found["with"] > 0.5
    said = json.loads((here / "with" / "213.json").read_text())["remarks"]
    assert any(
        re.match(r"Adapted to \d+ labelled beats .* 93 F\) of the first 5.0 minutes", one) for one in said
    )


def test_labels_that_hold_no_class_of_the_model_are_refused(
    finished_run: Run, records: Path, here: Path
) -> None:
    name = sorted(path.stem for path in records.glob("*.hea"))[0]
    for path in records.glob(f"{name}.*"):
        (here / path.name).write_bytes(path.read_bytes())
    wfdb.wrann(name, "own", np.array([100, 500]), symbol=["~", "+"])
    with pytest.raises(EcgError, match="own: no beat of class N S V F Q in the first 5 minutes"):
        run_predict(f"input={name}", f"run={finished_run.path}", "adapt=own")


@pytest.mark.parametrize(("words", "said"), MISTAKES, ids=lambda value: str(value)[:40])
def test_a_mistake_ends_in_one_line(words: list[str], said: str, finished_run: Run, here: Path) -> None:
    time = np.arange(5000) / 250
    beats = np.exp(-0.5 * (((time + 0.4) % 0.8 - 0.4) / 0.015) ** 2)
    np.savetxt("lead.csv", beats, header="MLII", comments="")
    np.savetxt("short.csv", beats[:100], header="MLII", comments="")
    run = [] if any(word.startswith("run=") for word in words) else [f"run={finished_run.path}"]
    with pytest.raises(EcgError) as error:
        run_predict(*words, *run)
    message = str(error.value)
    assert said in message and "\n" not in message
    written: list[Any] = (
        [path for path in (here / "outputs").rglob("*") if path.is_file()]
        if (here / "outputs").exists()
        else []
    )
    assert written == []
