"""The figures of `scripts/bench.py` about training: the cost of Lightning, layout, precision, memory.

Both sides of a ratio are measured in turn, in one process or in processes side by side, one thread each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from bench_speed import peak_memory

RATIO = {"compared": "ratio", "unit": "s"}
BEATS, BATCH, STEPS, REPEATS = 20_000, 256, 24, 7

NETWORK = {
    "name": "cnn", "channels": [24, 48, 72, 96], "kernel_sizes": [7, 5, 5, 3], "strides": [2],
    "dilations": [1], "normalisation": "batch", "activation": "relu", "dropout": 0.3, "pooling": "flatten",
    "residual": True, "fusion": "concat",
}  # fmt: skip
"""The network of `experiment=kaggle_cnn`: two convolutions a block, with a shortcut."""


def fit_figures() -> list[dict[str, Any]]:
    """A round of `Trainer.fit`, as `ecg train` runs it, against bare loops over the same batches."""
    import pytorch_lightning as pl
    import torch
    from pytorch_lightning.loggers import TensorBoardLogger
    from torch import Tensor, nn
    from torch.nn import functional as F

    from ecgcli.choices.augment import NO_AUGMENT
    from ecgcli.choices.loss import CrossEntropy
    from ecgcli.choices.model import Cnn
    from ecgcli.choices.optimizer import AdamW
    from ecgcli.choices.sampling import Stage
    from ecgcli.learning.classifier import Classifier
    from ecgcli.learning.datamodule import BeatData, EvaluationBatches, TrainingBatches
    from ecgcli.learning.losses import TrainingLoss
    from ecgcli.learning.networks import build
    from ecgcli.learning.optim import build_optimizer, build_schedule
    from ecgcli.learning.progress import quiet_libraries
    from ecgcli.learning.sampling import Stream

    quiet_libraries()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    signal = torch.from_numpy(rng.normal(size=(BEATS, 1, 187)).astype(np.float32))
    features = torch.zeros(BEATS, 0)
    label = rng.integers(0, 5, BEATS)
    choice = Cnn.model_validate_json(json.dumps(NETWORK))
    optimizer = AdamW(name="adamw", lr=0.008, weight_decay=0.05, schedule="one_cycle", warmup=0.25)
    validation = EvaluationBatches(signal[:2000], features[:2000], torch.from_numpy(label[:2000]))

    def batches() -> TrainingBatches:
        stream = Stream(label, Stage(method="none", strength=0.0), False, 0)
        return TrainingBatches(signal, features, torch.from_numpy(label), stream, BATCH, STEPS)

    class PlainBlock(nn.Module):
        """A block of `Cnn` as one would write it: Conv1d over (batch, channels, time)."""

        def __init__(self, width: int, channels: int, kernel: int) -> None:
            super().__init__()
            self.layers = nn.Sequential(
                nn.Conv1d(width, channels, kernel, 2, kernel // 2, bias=False),
                nn.BatchNorm1d(channels),
                nn.ReLU(),
                nn.Conv1d(channels, channels, kernel, 1, kernel // 2, bias=False),
                nn.BatchNorm1d(channels),
            )
            self.shortcut = nn.Conv1d(width, channels, 1, 2, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return torch.relu(self.layers(x) + self.shortcut(x))

    def plain() -> nn.Module:
        widths = (1, *choice.channels)
        blocks = [
            PlainBlock(*pair, kernel)
            for *pair, kernel in zip(widths, widths[1:], choice.kernel_sizes, strict=False)
        ]
        return nn.Sequential(
            *blocks, nn.Flatten(), nn.Dropout(choice.dropout), nn.Linear(choice.channels[-1] * 12, 5)
        )

    ours = build(choice, 1, 187, 5)
    _same_network(ours, plain(), signal[:64])

    def bare(make: Callable[[], nn.Module]) -> float:
        network = make()
        step = build_optimizer(optimizer, network.parameters())
        schedule = build_schedule(optimizer, step, STEPS)
        network.train()
        started = time.perf_counter()
        for x, _, y in batches():
            value = F.cross_entropy(network(x), y)
            step.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            step.step()
            schedule.step()
        network.eval()
        with torch.inference_mode():
            for x, _, _ in validation:
                network(x)
        return time.perf_counter() - started

    def lightning(folder: str, precision: str = "32-true") -> float:
        marks: list[float] = []

        class Watch(pl.Callback):
            def on_train_start(self, *_: object) -> None:
                marks.append(time.perf_counter())

            def on_train_end(self, *_: object) -> None:
                marks.append(time.perf_counter())

        loss = TrainingLoss(
            CrossEntropy(name="cross_entropy", label_smoothing=0.0), torch.bincount(torch.from_numpy(label))
        )
        module = Classifier(
            build(choice, 1, 187, 5), tuple("NSVFQ"), loss, NO_AUGMENT, 120.0, 1, optimizer, STEPS, 0
        )
        trainer = pl.Trainer(
            accelerator="cpu", devices=1, max_epochs=1, gradient_clip_val=1.0, deterministic=True,
            precision=precision, logger=TensorBoardLogger(folder), enable_progress_bar=False,
            enable_model_summary=False, num_sanity_val_steps=0, callbacks=[Watch()],
            enable_checkpointing=False, use_distributed_sampler=False, log_every_n_steps=1,
        )  # fmt: skip
        trainer.fit(module, datamodule=BeatData(batches(), validation))
        return marks[1] - marks[0]

    sides: dict[str, list[float]] = {"fit": [], "bare": [], "conv1d": [], "bf16": []}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(REPEATS + 1):
            row = {
                "fit": lightning(folder),
                "bare": bare(lambda: build(choice, 1, 187, 5)),
                "conv1d": bare(plain),
                "bf16": lightning(folder, "bf16-mixed"),
            }
            if repeat:  # the first warms up
                for side, seconds in row.items():
                    sides[side].append(seconds)
    return [
        {"figure": "a round of `Trainer.fit`, logging and metrics on", "against": "a bare PyTorch loop",
         "ours": sides["fit"], "theirs": sides["bare"], "goal": 1.02, **RATIO},
        {"figure": "the same, fp32", "against": "Conv1d in a bare loop", "ours": sides["fit"],
         "theirs": sides["conv1d"], "goal": 0.65, **RATIO},
        {"figure": "the same, `trainer.precision=bf16-mixed`", "against": "Conv1d fp32 in a bare loop",
         "ours": sides["bf16"], "theirs": sides["conv1d"], "goal": 0.5, **RATIO,
         "judged": _has_bf16(), "note": "" if _has_bf16() else "this CPU has no bf16 instructions"},
    ]  # fmt: skip


def _same_network(ours: Any, plain: Any, x: Any) -> None:
    """Gives both the same weights and checks that they are the same function."""
    import torch

    theirs = list(plain.state_dict())
    values = [value.squeeze(2) if value.ndim == 4 else value for value in ours.state_dict().values()]
    plain.load_state_dict(dict(zip(theirs, values, strict=True)))
    with torch.inference_mode():
        apart = (ours.eval()(x) - plain.eval()(x)).abs().max()
    assert apart < 1e-4, f"the two networks are not the same: {apart}"


def _has_bf16() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def training_memory(data: Path) -> dict[str, Any]:
    """Peak memory of `ecg train data=kaggle` beside the array of all beats."""
    with tempfile.TemporaryDirectory() as folder:
        words = [f"data_dir={data.resolve()}", "data=kaggle", "experiment=kaggle_quick"]
        process = subprocess.Popen(
            [sys.executable, "-m", "ecgcli", "train", *words, "report.replicates=20"],
            cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )  # fmt: skip
        peak = peak_memory(process)
    array = 109_446 * 187 * 4
    return {
        "figure": "peak memory of `ecg train data=kaggle`, report included", "against": "the array + 500 MB",
        "ours": [peak], "theirs": [array / 1e6 + 500], "goal": 1.0,
        "compared": "ratio", "unit": "MB",
    }  # fmt: skip
