"""The commands in the README and the docs are true: each is composed, and those that train are run short."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from ecgcli.cli import COMMANDS, EXAMPLES
from ecgcli.command_line import quoted
from ecgcli.config import (
    CompareConfig,
    DescribeConfig,
    EvalConfig,
    ExportConfig,
    FetchConfig,
    InfoConfig,
    PredictConfig,
    ScoreConfig,
    SearchConfig,
    TrainConfig,
)
from ecgcli.parsing import parse
from tests.conftest import REAL_DATA, ROOT, compose_values

FILLED_IN = {"<sampling>": "two_stage", "<data>": "mitdb"}
"""What a reader might put in the place of a word that stands for a choice."""

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands() -> list[str]:
    found: list[str] = list(EXAMPLES)
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        blocks = re.findall(r"```(?:sh|console)\n(.*?)```", text, flags=re.DOTALL)
        lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
        lines += re.findall(r"`(ecg [^`]+)`", text)
        found += [line.split("  #")[0].strip() for line in lines if line.startswith("ecg ")]
    return sorted(
        {line for line in found if not line.startswith(("ecg train:", "ecg -", "ecg: ")) and "…" not in line}
    )


def test_there_are_commands_to_check() -> None:
    assert len(commands()) >= 10


@pytest.mark.promise
@pytest.mark.parametrize("line", commands())
def test_a_shown_command_is_one_that_the_program_takes(line: str) -> None:
    line = re.sub("outputs/train/<[^>]*>", "run", line)
    for place, choice in FILLED_IN.items():
        line = line.replace(place, choice)
    word, *arguments = shlex.split(line)[1:] or ["info"]
    assert word in COMMANDS
    if not arguments:
        return  # the name of a command, not a call
    if "model.chanels=[16]" in arguments or "beat=centred" in arguments:
        return  # shown as mistakes; tests/test_cli.py holds their answers
    overrides = []
    for argument in arguments:
        key, _, value = argument.partition("=")
        if argument in ("-m", "--cfg", "job"):
            continue
        overrides.append(f"{key}={value}" if value.startswith(("[", "{")) else f"{key}={value.split(',')[0]}")
    values = compose_values(*quoted(word, overrides), command=word)
    if word in ("eval", "fetch"):
        values = {key: value for key, value in values.items() if key not in ("beat", "protocol")}
    configs = {"train": TrainConfig, "eval": EvalConfig, "score": ScoreConfig, "info": InfoConfig}
    configs |= {
        "compare": CompareConfig,
        "fetch": FetchConfig,
        "describe": DescribeConfig,
        "export": ExportConfig,
        "predict": PredictConfig,
        "search": SearchConfig,
    }
    parse(configs[word], values)


def short(line: str) -> str:
    quick = "trainer.steps=2 trainer.epochs=1 trainer.threads=1 report.replicates=20 report.pictures=none"
    return f"{line} {quick}"


TRAINED = [
    line
    for line in commands()
    if line.startswith("ecg train") and "--cfg" not in line and not any(place in line for place in FILLED_IN)
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the docs speak of, as a reader may have them."""
    from ecgcli.recordings.simulate import write_demo

    here = tmp_path_factory.mktemp("reader")
    for seed, name in enumerate(("my_recordings", "data/mitdb", "data/svdb", "data/demo")):
        write_demo(here / name, 10, 1.0, seed)
    rng = np.random.default_rng(0)
    label = np.arange(240) % 3
    signal = np.sin(np.arange(120) / (5 + 3 * label[:, None])) + rng.normal(size=(240, 120)) / 10
    np.savez(here / "beats.npz", signal=signal, label=label)
    rows = [
        ",".join([*(f"{x:.3f}" for x in beat), "NSV"[k], f"p{i // 12}"])
        for i, (beat, k) in enumerate(zip(signal, label, strict=True))
    ]
    head = ",".join([*(f"x{i}" for i in range(120)), "label", "subject"])
    (here / "beats.csv").write_text("\n".join([head, *rows]) + "\n")
    return here


@pytest.mark.slow
@pytest.mark.promise
@pytest.mark.parametrize("line", [line for line in TRAINED if " -m" not in line and "centred" not in line])
def test_a_shown_training_runs_to_its_report(line: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "chanels" in line:
        return
    from ecgcli.commands.train import train
    from ecgcli.runs import run_name

    real = re.search("data=(mitdb|kaggle)|experiment=", line)
    if real and REAL_DATA is None:
        pytest.skip("needs the MIT-BIH Arrhythmia Database in $ECG_DATA/mitdb")
    monkeypatch.chdir(place)
    monkeypatch.setenv("ECG_DATA", str(REAL_DATA) if real else "data")
    config = parse(TrainConfig, compose_values(*shlex.split(short(line))[2:]))
    train(config)
    assert (place / "outputs/train" / run_name(config) / "report.md").is_file()


def test_links_inside_the_repository_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (document.parent / target).exists(), f"{document.name}: {target}"
