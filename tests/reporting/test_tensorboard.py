"""TensorBoard: what a finished run shows there, read back as TensorBoard reads it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ecgcli.beats.protocol import parts
from ecgcli.beats.sources import beats
from ecgcli.evaluation.predictions import labels, probabilities
from ecgcli.learning.networks import build
from ecgcli.reporting.examples import SUREST, confident_mistakes
from ecgcli.reporting.network_table import network_table
from ecgcli.reporting.tensorboard import THRESHOLDS, add_graph, log_results
from ecgcli.runs import Run
from tests.conftest import train_config
from tests.reporting.conftest import CLASSES, made_up


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder)).Reload()


@dataclass
class Board:
    """A run whose results were logged, and what was printed meanwhile."""

    run: Run
    folder: Path
    said: str


@pytest.fixture(scope="module")
def board(finished_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Board:
    folder = tmp_path_factory.mktemp("board") / finished_run.path.name
    shutil.copytree(finished_run.path, folder)
    config = finished_run.config
    table = beats(config.data, config.beat, Path("none"))
    (part,) = parts(table, config.protocol)
    assert part.test is not None
    examples = {"signal": table.signal[part.test], "rate": table.rate, "start": -0.3, "unit": "spreads"}
    import contextlib
    import io

    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        for _ in range(2):  # the second time as after a kill
            log_results(folder, config, finished_run.metrics, finished_run.model, examples)
    return Board(finished_run, folder, said.getvalue())


@pytest.mark.promise
def test_a_finished_run_shows_curves_beats_mistakes_its_report_and_its_networks(board: Board) -> None:
    tags = read(board.folder / "tensorboard").Tags()
    assert {"hp/test_macro_f1", "hp/validation_accuracy", "test_recall/N"} <= set(tags["scalars"])
    assert {
        "confusion/validation",
        "confusion/test",
        "beats/test_by_class",
        "beats/test_most_confident_mistakes",
        "report/trade_off",
        "report/learning",
    } <= set(tags["images"])
    assert {
        "report/text_summary",
        "structure/anomaly/text_summary",
        "structure/type/text_summary",
        *(f"{part}/{name}" for part in ("validation", "test") for name in with_beats(board.run, part)),
    } <= set(tags["tensors"])
    for network in ("anomaly", "type"):
        assert read(board.folder / "tensorboard" / network).Tags()["graph"], network
    assert board.said == "", "no chatter"


def with_beats(run: Run, part: str) -> list[str]:
    return [name for name, one in run.metrics[part]["per_class"].items() if one["support"]]


@pytest.mark.promise
@pytest.mark.parametrize("part", ["validation", "test"])
def test_precision_and_recall_are_those_of_scikit_learn_at_every_threshold(board: Board, part: str) -> None:
    from sklearn.metrics import precision_score, recall_score
    from tensorboard.util import tensor_util

    classes = board.run.metrics["classes"]
    predictions = board.run.predictions(part)
    truth, probability = labels(predictions, classes), probabilities(predictions, classes)
    events = read(board.folder / "tensorboard")
    for name in with_beats(board.run, part):
        (event,) = events.Tensors(f"{part}/{name}")
        curve = tensor_util.make_ndarray(event.tensor_proto)  # (6, thresholds), the last two are the scores
        k = classes.index(name)
        for i in range(0, THRESHOLDS, 9):
            called = probability[:, k] >= i / (THRESHOLDS - 1)
            wanted = [f(truth == k, called, zero_division=0) for f in (precision_score, recall_score)]
            assert curve[-2:, i].tolist() == pytest.approx(wanted, abs=1e-6)


def test_the_text_is_the_report_without_its_figures(board: Board) -> None:
    from tensorboard.util import tensor_util

    (event,) = read(board.folder / "tensorboard").Tensors("report/text_summary")
    text = tensor_util.make_ndarray(event.tensor_proto).item().decode()
    report = (board.folder / "report.md").read_text()
    assert "](figures/" in report and "](figures/" not in text and "## Figures" not in text
    for heading in ("## Scores of the test part", "## Data and leaks"):
        assert heading in text
    assert all(line in report.splitlines() for line in text.splitlines())


def test_settings_reach_the_hparams_tab_and_do_not_name_its_columns(board: Board) -> None:
    """A run that names the columns hides what it does not have, such as the share of the two stages."""
    from tensorboard.plugins.hparams import metadata

    events = read(board.folder / "tensorboard")
    found = events.summary_metadata
    assert metadata.EXPERIMENT_TAG not in found and metadata.SESSION_END_INFO_TAG in found
    content = found[metadata.SESSION_START_INFO_TAG].plugin_data.content
    settings = metadata.parse_session_start_info_plugin_data(content).hparams
    assert settings["sampling.name"].string_value == "two_stage"
    assert settings["optimizer.lr"].number_value == board.run.config.optimizer.lr
    assert settings["sampling.share"].number_value == board.run.config.sampling.share  # type: ignore[union-attr]
    assert not any(name.startswith("logger") for name in settings)


# -- networks ------------------------------------------------------------------------------------------

NETWORKS = {
    "baseline_cnn": ["model=baseline_cnn"],
    "cnn": ["model=cnn"],
    "resnet": ["model=resnet"],
    "convnext": ["model=convnext"],
    "minirocket": ["model=minirocket", "model.features=168"],
    "mlp": ["model=mlp"],
}


@pytest.mark.parametrize("features", [0, 5])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_a_graph_and_a_table(
    name: str, features: int, tmp_path: Path, capfd: pytest.CaptureFixture[str], recwarn: Any
) -> None:
    network = build(train_config(*NETWORKS[name]).model, 2, 128, 4, features)
    if name == "minirocket":  # it takes its biases from beats
        network.prepare(torch.randn(50, 2, 128), 0)  # type: ignore[operator]
    inputs = (torch.zeros(1, 2, 128), torch.zeros(1, 5))[: 2 if features else 1]
    network.train()
    add_graph(tmp_path, network, inputs)
    table = network_table(network, inputs)
    assert read(tmp_path).Tags()["graph"]
    said = capfd.readouterr()
    assert said.out == said.err == "" and not recwarn.list
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    weights = [int(row.split("|")[-2].replace(",", "")) for row in rows]
    assert sum(weights) == sum(p.numel() for p in network.parameters())
    assert f"{sum(weights):,} weights" in table
    assert network.training, "as it was"


def test_the_table_says_kernel_stride_and_shape() -> None:
    network = nn.Sequential(
        nn.Conv1d(2, 8, 5, stride=2, padding=2), nn.ReLU(), nn.Flatten(), nn.Linear(80, 3)
    )
    assert network_table(network, (torch.zeros(1, 2, 20),)).splitlines() == [
        "| layer | kind | output | weights |",
        "|-|-|-|-:|",
        "| 0 | Conv1d 2 → 8, kernel 5, stride 2 | 8 × 10 | 88 |",
        "| 1 | ReLU | 8 × 10 | 0 |",
        "| 2 | Flatten | 80 | 0 |",
        "| 3 | Linear 80 → 3 | 3 | 243 |",
        "",
        "331 weights.",
    ]


def test_a_network_that_cannot_be_traced_has_no_graph_and_says_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    class Untraceable(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("cannot be traced")

    add_graph(tmp_path, Untraceable(), (torch.zeros(1, 1, 8),))
    assert not read(tmp_path).Tags()["graph"]
    assert capfd.readouterr() == ("", "")


# -- mistakes ------------------------------------------------------------------------------------------


def test_the_mistakes_shown_are_the_surest_ones_in_order() -> None:
    predictions = made_up(3, {"N": 300, "S": 40, "V": 60})
    probability, truth = probabilities(predictions, CLASSES), labels(predictions, CLASSES)
    wrong = np.flatnonzero(probability.argmax(1) != truth)
    order = wrong[np.argsort(-probability.max(1)[wrong], kind="stable")][:SUREST]
    signal = np.arange(len(predictions), dtype=np.float32)[:, None, None] * np.ones((1, 2, 30), np.float32)
    figure = confident_mistakes(signal, predictions, CLASSES, rate=100.0, start=-0.1)
    drawn = [axes for axes in figure.axes if len(axes.lines) > 1]
    assert [int(axes.lines[1].get_ydata()[0]) for axes in drawn] == order.tolist()  # type: ignore[index, arg-type]
    first = drawn[0].get_title(loc="left")
    said = CLASSES[truth[order[0]]], CLASSES[probability[order[0]].argmax()]
    assert first.startswith(f"{said[0]} called {said[1]}, p = ")


def test_a_model_without_mistakes_has_an_empty_figure() -> None:
    predictions = made_up(3, {"N": 20, "S": 5})
    predictions[[f"p_{name}" for name in CLASSES]] = np.eye(4)[labels(predictions, CLASSES)]
    figure = confident_mistakes(np.zeros((25, 1, 30), np.float32), predictions, CLASSES, rate=100.0)
    assert {text.get_text() for axes in figure.axes for text in axes.texts} == {"none"}
