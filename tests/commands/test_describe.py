"""`ecg describe`: a data set looked at before anything is trained on it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from ecgcli.commands.describe import describe
from ecgcli.config import DescribeConfig
from ecgcli.errors import EcgError
from ecgcli.parsing import parse
from ecgcli.recordings.simulate import write_demo
from tests.conftest import compose_values

PAGES = Path("outputs/describe")


def config(*overrides: str) -> DescribeConfig:
    return parse(DescribeConfig, compose_values(*overrides, command="describe"))


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_simulated_patients_are_described(capsys: pytest.CaptureFixture[str]) -> None:
    describe(config("data.patients=12", "data.minutes=1"))
    said = capsys.readouterr().out
    page = (PAGES / "demo-by_subject/describe.html").read_text(encoding="utf-8")
    for text in (said, page):
        assert "12 records" in text and "Supraventricular" in text
        assert "near-identical" in text and "nearest" in text
    assert said.splitlines()[-1].endswith("outputs/describe/demo-by_subject/describe.html")
    assert 'src="http' not in page and 'href="http' not in page, "opens without a network"
    assert not list(PAGES.rglob(".*")), "nothing half-written is left"


def test_every_data_set_of_ones_own_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    write_demo(Path("mine"), 8, 1.0, 0)
    describe(config("data=wfdb", "data.path=mine"))
    rng = np.random.default_rng(0)
    label = np.arange(240) % 2
    signal = (np.sin(np.arange(90) / (5 + 3 * label[:, None])) + rng.normal(size=(240, 90)) / 10)[:, None]
    np.savez("beats.npz", signal=signal.astype(np.float32), label=label)
    describe(config("data=table", "data.path=beats.npz", "protocol=intra_patient"))
    said = capsys.readouterr().out
    assert "mine, protocol by_subject" in said and "8 records" in said
    assert "beats.npz, protocol intra_patient" in said and "240 beats" in said
    for name, counted in (("mine-by_subject", "records of 8 subjects"), ("beats.npz-intra_patient", "240")):
        assert counted in (PAGES / name / "describe.html").read_text(encoding="utf-8")


def test_of_several_folds_the_first_stands_for_all() -> None:
    describe(config("data.patients=12", "data.minutes=1", "protocol=k_fold", "protocol.k=3"))
    assert (PAGES / "demo-k_fold/describe.html").is_file()


def test_what_is_not_there_ends_in_one_line_and_leaves_nothing() -> None:
    for overrides in (("data=mitdb", "data_dir=nowhere"), ("data=wfdb", "data.path=nowhere")):
        with pytest.raises(EcgError) as told:
            describe(config(*overrides))
        assert "nowhere" in str(told.value) and "\n" not in str(told.value)
    with pytest.raises(EcgError, match="DS1 and DS2 are records of MIT-BIH"):
        describe(config("protocol=inter_patient"))
    assert not PAGES.exists()


@pytest.mark.slow
@pytest.mark.promise
def test_mitbih_is_described_with_the_published_counts(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    describe(config("data=mitdb", "protocol=inter_patient", f"data_dir='{data_dir}'"))
    said = capsys.readouterr().out
    for count in ("90,631", "2,781", "7,236", "803", "8,043"):  # all 48 records
        assert count in said
    assert re.search(r"S Supraventricular ectopic .* 1,837", said), "of DS2"
    page = (PAGES / "mitdb-inter_patient/describe.html").read_text(encoding="utf-8")
    assert "MLII is missing in 102 and 104; it is the second lead of 114." in page
    assert "None of the test beats has a near-identical training beat." in page
    assert "232" in page and "360" in page
    assert len(page) < 5_000_000


@pytest.mark.slow
@pytest.mark.promise
def test_the_kaggle_files_are_described_as_memory_of_patients(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    describe(config("data=kaggle", "data.source=rebuild", f"data_dir='{data_dir}'"))
    said = " ".join(capsys.readouterr().out.split())
    assert "109,446 beats" in said and "intra" in said.casefold()
    found = re.search(r"accuracy ([\d.]+)%.*?([\d.]+)%", said[said.index("nearest of") :])
    assert found and float(found[1]) > 96 and float(found[2]) < 90, said
