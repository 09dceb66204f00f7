"""Measures what the README says about speed and memory; prints a table.

    python scripts/bench.py [DATA_DIR]

Times are medians over repeats of whole processes or of interleaved loops, so that a busy machine disturbs
both sides of a ratio alike. Without a folder that holds `mitdb/`, what needs it is left out and named.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPEATS = 5
BEATS, STEPS = 20_000, 60


def process(code: str, environment: dict[str, str] | None = None) -> tuple[float, str]:
    """Seconds of a process, and what it printed."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=True,
    )
    return time.perf_counter() - started, done.stdout


def help_time() -> str:
    code = "import sys; sys.argv = ['ecg', '--help']; from ecgcli.cli import main; main()"
    return f"{statistics.median(process(code)[0] for _ in range(REPEATS)):.2f} s (goal 0.5)"


TABLE = """
import time
from pathlib import Path
from ecgcli.beats.sources import beats
from ecgcli.choices import CentredBeat, Mitdb
beat = CentredBeat(name="centred", rate=125.0, before=0.3, after=0.5, leads=("MLII",), fallback="other",
                   scaling="record")
started = time.perf_counter()
table = beats(Mitdb(name="mitdb", class_map="aami"), beat, Path({data!r}))
float(table.signal[::1000].sum())
print(time.perf_counter() - started)
"""


def table_times(data: Path) -> tuple[str, str]:
    cold, warm = [], []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as cache:
            code = TABLE.replace("{data!r}", repr(str(data)))
            cold.append(float(process(code, {"ECG_CACHE": cache})[1]))
            warm += [float(process(code, {"ECG_CACHE": cache})[1]) for _ in range(3)]
    return f"{statistics.median(cold):.2f} s (goal 6)", f"{statistics.median(warm):.3f} s (goal 0.2)"


CSV = """
import resource, sys
from pathlib import Path
from ecgcli.beats.kaggle_csv import read_csv
import pandas
def peak():
    # of this process alone: ru_maxrss would begin at the parent's
    line = next(l for l in open("/proc/self/status") if l.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
before = peak()
signal, label = read_csv(Path({path!r}))
print((peak() - before - signal.nbytes) / 1e6)
"""


def csv_memory(data: Path) -> str:
    from ecgcli.beats.kaggle import rebuild
    from ecgcli.beats.kaggle_csv import write_csv

    rows, beats = rebuild(data / "mitdb")
    labels = beats.label
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mitbih_train.csv"
        write_csv(path, rows[:87_554], labels[:87_554])
        return (
            f"{float(process(CSV.replace('{path!r}', repr(str(path))))[1]):.0f} MB above the array (goal 300)"
        )


def fit_ratio() -> str:
    """Rounds of `Trainer.fit` against a bare loop over the same batches, interleaved."""
    import numpy as np
    import pytorch_lightning as pl
    import torch
    from torch.nn import functional as F

    from ecgcli.choices import AdamW, Cnn, CrossEntropy, Stage
    from ecgcli.config import NO_AUGMENT
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
    batch = 256
    signal = torch.from_numpy(rng.normal(size=(BEATS, 1, 187)).astype(np.float32))
    features = torch.zeros(BEATS, 0)
    label = rng.integers(0, 5, BEATS)
    network = Cnn(
        name="cnn", channels=(16, 32, 64, 96), kernel_sizes=(7, 5, 5, 3), strides=(2,), dilations=(1,),
        normalisation="batch", activation="relu", dropout=0.1, pooling="both", residual=True,
    )  # fmt: skip
    optimizer = AdamW(name="adamw", lr=0.008, weight_decay=0.01, schedule="one_cycle", warmup=0.25)

    def batches() -> TrainingBatches:
        stream = Stream(label, Stage(method="none", strength=0.0), False, 0)
        return TrainingBatches(signal, features, torch.from_numpy(label), stream, batch, STEPS)

    validation = EvaluationBatches(signal[:2000], features[:2000], torch.from_numpy(label[:2000]))

    def bare() -> float:
        net = build(network, 1, 187, 5)
        step = build_optimizer(optimizer, net.parameters())
        schedule = build_schedule(optimizer, step, STEPS)
        started = time.perf_counter()
        net.train()
        for x, _, y in batches():
            value = F.cross_entropy(net(x), y)
            step.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            step.step()
            schedule.step()
        net.eval()
        with torch.inference_mode():
            for x, _, _ in validation:
                net(x)
        return time.perf_counter() - started

    def lightning(folder: str) -> float:
        marks: list[float] = []

        class Watch(pl.Callback):
            def on_train_start(self, *_: object) -> None:
                marks.append(time.perf_counter())

            def on_train_end(self, *_: object) -> None:
                marks.append(time.perf_counter())

        from pytorch_lightning.loggers import TensorBoardLogger

        loss = TrainingLoss(
            CrossEntropy(name="cross_entropy", label_smoothing=0.0), torch.bincount(torch.from_numpy(label))
        )
        module = Classifier(
            build(network, 1, 187, 5), tuple("NSVFQ"), loss, NO_AUGMENT, 120.0, 1, optimizer, STEPS, 0
        )
        trainer = pl.Trainer(
            accelerator="cpu", devices=1, max_epochs=1, gradient_clip_val=1.0, deterministic=True,
            logger=TensorBoardLogger(folder), enable_progress_bar=False, enable_model_summary=False,
            num_sanity_val_steps=0, callbacks=[Watch()], enable_checkpointing=False,
        )  # fmt: skip
        trainer.fit(module, datamodule=BeatData(batches(), validation))
        return marks[1] - marks[0]

    with tempfile.TemporaryDirectory() as folder:
        pairs = [(lightning(folder), bare()) for _ in range(REPEATS + 1)][1:]
    ratios = sorted(a / b for a, b in pairs)
    return (
        f"{statistics.median(ratios):.2f} of the bare loop, {ratios[0]:.2f} to {ratios[-1]:.2f} (goal 1.05)"
    )


def main() -> None:
    data = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("ECG_DATA", "data"))
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    print(f"{machine}, Python {platform.python_version()}")
    rows = [
        ("`ecg --help`", help_time()),
        ("`Trainer.fit`, a round with logging and validation", fit_ratio()),
    ]
    if (data / "mitdb" / "100.dat").is_file():
        cold, warm = table_times(data)
        rows += [("48 records to a BeatTable, first time", cold), ("the same, later", warm)]
        rows += [("reading the Kaggle training CSV", csv_memory(data))]
    else:
        print(f"no MIT-BIH in {data}/mitdb: reading and cutting it is left out")
    print("\n| what | measured |\n|-|-|")
    print("\n".join(f"| {what} | {measured} |" for what, measured in rows))
    print(f"\npeak memory of this process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")


if __name__ == "__main__":
    main()
