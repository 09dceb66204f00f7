"""Where the tests find real data: `$ECG_DATA`, else `../shared/data` beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# before torch is imported anywhere: the suite runs a process a core, each with one thread
os.environ.setdefault("OMP_NUM_THREADS", "1")

if TYPE_CHECKING:
    from ecgcli.config import TrainConfig
    from ecgcli.runs import Run

ROOT = Path(__file__).resolve().parent.parent


def _real_data() -> Path | None:
    candidates = [os.environ.get("ECG_DATA"), ROOT.parent / "shared" / "data"]
    for candidate in candidates:
        if candidate and (Path(candidate) / "mitdb" / "100.dat").is_file():
            return Path(candidate)
    return None


REAL_DATA = _real_data()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder that holds `mitdb/`; the test is left out where there is none."""
    if REAL_DATA is None:
        pytest.skip("needs the MIT-BIH Arrhythmia Database in $ECG_DATA/mitdb")
    return REAL_DATA


@pytest.fixture(scope="session")
def mitdb_dir(data_dir: Path) -> Path:
    """The folder of the MIT-BIH Arrhythmia Database."""
    return data_dir / "mitdb"


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests build their own cache, never the user's; a cache given in `$ECG_TEST_CACHE` is reused."""
    os.environ["ECG_CACHE"] = os.environ.get("ECG_TEST_CACHE") or str(tmp_path_factory.mktemp("cache"))


# -- promises: tests that must not be skipped where the real data is, and must not disappear -----------

PROMISES = Path(__file__).with_name("promises.txt")
_kept: set[str] = set()
_skipped: set[str] = set()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if "promise" in report.keywords:
        name = report.nodeid.split("[")[0]
        if report.skipped:
            _skipped.add(name)
        elif report.when == "call":
            _kept.add(name)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With `ECG_PROMISES=1`, as CI runs it, a promise that is skipped or missing fails the run."""
    if os.environ.get("ECG_PROMISES") != "1" or hasattr(session.config, "workerinput"):
        return
    promised = set(PROMISES.read_text().split())
    broken = {f"skipped: {name}" for name in _skipped} | {
        f"missing: {name}" for name in promised - _kept - _skipped
    }
    broken |= {f"not listed in {PROMISES.name}: {name}" for name in _kept - promised}
    if broken:
        print("\nbroken promises\n  " + "\n  ".join(sorted(broken)))
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if REAL_DATA is None:
        terminalreporter.write_line(
            "no real data found ($ECG_DATA, ../shared/data): everything that needs MIT-BIH was left out"
        )


# -- small runs ----------------------------------------------------------------------------------------

TINY = (
    "data.patients=8",
    "data.minutes=1",
    "trainer.epochs=2",
    "trainer.batch_size=64",
    "trainer.threads=1",
    "trainer.accelerator=cpu",
    "model.channels=[4,8]",
    "model.kernel_sizes=[5]",
    "report.replicates=20",
    "report.pictures=none",
)
"""Overrides for a run of a few seconds on eight simulated patients."""


def compose_values(*overrides: str, command: str = "train") -> dict[str, Any]:
    """The plain values that `ecg <command> <overrides>` composes."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from ecgcli.cli import conf_dir

    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        values: Any = OmegaConf.to_container(compose(command, list(overrides)), resolve=True)
    return dict(values)


def train_config(*overrides: str) -> TrainConfig:
    """The configuration of `ecg train <overrides>`."""
    from ecgcli.config import TrainConfig
    from ecgcli.parsing import parse

    return parse(TrainConfig, compose_values(*overrides))


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished tiny run, made once; to be read only."""
    from ecgcli.commands.train import train
    from ecgcli.runs import Run, run_name

    folder = tmp_path_factory.mktemp("finished")
    before = Path.cwd()
    os.chdir(folder)
    try:
        config = train_config(*TINY, "sampling=two_stage", "report.pictures=gallery")
        train(config)
    finally:
        os.chdir(before)
    return Run(folder / "outputs" / "train" / run_name(config))
