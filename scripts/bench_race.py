"""The races of `scripts/bench.py`: training until validation scores stand for a score on the test file.

Scores on the validation part lie a little above those on the test file; by how much is taken from the
opponent, at its end. The goal on the test file plus that is the goal on validation. Ours is a whole run of
the recipe, opened on the test file once, after it has ended. Seconds are processor seconds of one thread, in
training alone, on both sides; what an epoch of theirs takes is measured beside ours.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from ecgcli.beats.protocol import parts
from ecgcli.beats.sources import beats
from ecgcli.config import TrainConfig
from ecgcli.parsing import parse

GOALS = {"baseline": {"accuracy": 0.970}, "resnet": {"accuracy": 0.9886, "macro_f1": 0.929}}
RECIPES = {"baseline": "kaggle_quick", "resnet": "kaggle_cnn"}


def figures(data: Path, curves: Path) -> list[dict[str, Any]]:
    """Both races; the opponents' curves are kept in a folder."""
    curves.mkdir(parents=True, exist_ok=True)
    return [_race(opponent, data, curves) for opponent in GOALS]


def _race(opponent: str, data: Path, curves: Path) -> dict[str, Any]:
    curve = curves / f"{opponent}.json"
    if not curve.is_file() or "test" not in json.loads(curve.read_text()):
        subprocess.run(_opponent(opponent, data, curve), check=True)
    story = json.loads(curve.read_text())
    rounds, test = story["validation"], story["test"]
    wanted = {name: goal + rounds[-1][name] - test[name] for name, goal in GOALS[opponent].items()}
    there = [row for row in rounds if all(row[name] >= goal for name, goal in wanted.items())]
    epochs = there[0]["epoch"] if there else len(rounds)
    # one epoch of theirs beside ours: an earlier hour of the machine is no measure
    beside = curves / f"{opponent}-beside.json"
    with subprocess.Popen([*_opponent(opponent, data, beside), "1"], stderr=subprocess.DEVNULL) as process:
        ours, scored = _ours(RECIPES[opponent], data)
        if process.wait():
            sys.exit(f"{opponent} failed")
    theirs = epochs * json.loads(beside.read_text())["validation"][0]["processor"]
    reached = all(scored["validation"][name] >= goal for name, goal in wanted.items())
    asked = " and ".join(f"{name} {goal:.4f}" for name, goal in wanted.items())
    end = f"epoch {epochs}" if there else f"never in {epochs} epochs, which are counted"
    return {
        "figure": f"training until validation {asked}: `experiment={RECIPES[opponent]}`",
        "against": f"{opponent}: {end}; test at its end {_said(test)}",
        "note": f"ours ended {'above' if reached else 'BELOW'} it; test {_said(scored['test'])}",
        "ours": [ours], "theirs": [theirs], "goal": {"baseline": 1 / 50, "resnet": 1 / 4}[opponent],
        "compared": "ratio", "unit": "s", "curve": rounds,
    }  # fmt: skip


def _opponent(name: str, data: Path, curve: Path) -> list[str]:
    return [sys.executable, str(Path(__file__).with_name("bench_opponents.py")), name, str(data), str(curve)]


def _said(scores: dict[str, float]) -> str:
    return f"{100 * scores['accuracy']:.2f}%, macro-F1 {scores['macro_f1']:.3f}"


def _ours(recipe: str, data: Path) -> tuple[float, dict[str, dict[str, float]]]:
    """Processor seconds of the whole training, and the scores at its end."""
    import hydra
    import numpy as np
    from omegaconf import OmegaConf
    from sklearn.metrics import accuracy_score, f1_score

    from ecgcli.learning.fit import fit_one
    from ecgcli.learning.inference import Ready, probabilities
    from ecgcli.learning.progress import quiet_libraries
    from ecgcli.learning.ranks import World
    from ecgcli.learning.tasks import tasks

    quiet_libraries()
    torch.set_num_threads(1)
    with hydra.initialize_config_dir(str(Path(__file__).parents[1] / "conf"), version_base="1.3"):
        words = [f"experiment={recipe}", "trainer.threads=1", "trainer.progress=none"]
        values: Any = OmegaConf.to_container(hydra.compose("train", words), resolve=True)
    config = parse(TrainConfig, values)
    table = beats(config.data, config.beat, data)
    part = parts(table, config.protocol)[0]
    (task,) = tasks(table, part, config)
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        network, _ = fit_one(World(), table, task, config, Path(folder), "all", (0, 0))
        seconds = time.process_time() - started
    scored = {}
    for name, rows in {"validation": part.validation, "test": part.test}.items():
        assert rows is not None
        said = probabilities(Ready([network]), table.signal, table.features, rows)[0].argmax(1)
        right = np.asarray(table.label)[rows]
        scored[name] = {
            "accuracy": float(accuracy_score(right, said)),
            "macro_f1": float(f1_score(right, said, average="macro")),
        }
    return seconds, scored
