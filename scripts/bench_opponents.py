"""The two trainings that `scripts/bench.py` races against, each the way its authors run it.

    python scripts/bench_opponents.py baseline|resnet DATA_DIR CURVE.json [EPOCHS]

`baseline` is the project that this one grew from: its network, SGD 0.01, batches of 32, a Dataset that takes
a row of a DataFrame at a time, in a DataLoader, rows permuted once, 30 epochs. `resnet` is a usual recipe of
today: the residual Conv1d network of Kachuee et al. 2018, AdamW, one-cycle, batches of 128 from a DataLoader,
20 epochs. Neither uses ecgcli but for its beats and its division of them. After every epoch the validation
scores and the time spent in training go to the curve; the test file is scored once, at the end.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import accuracy_score, f1_score
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from ecgcli.beats.protocol import parts
from ecgcli.beats.sources import beats
from ecgcli.choices.beat import KaggleBeat
from ecgcli.choices.data import Kaggle
from ecgcli.choices.protocol import KaggleProtocol


class Rows(Dataset[tuple[Tensor, int]]):
    """Rows of the CSV file, one at a time."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        row = self.frame.iloc[index]
        return torch.tensor(row.values[:-1], dtype=torch.float32).unsqueeze(0), int(row.iloc[-1])


class Baseline(nn.Module):
    """The network this project grew from, as it stood."""

    def __init__(self) -> None:
        super().__init__()
        self.linear1 = nn.Linear(187, 128)
        self.conv1, self.conv2, self.conv3 = nn.Conv1d(1, 16, 3), nn.Conv1d(16, 16, 3), nn.Conv1d(16, 16, 3)
        self.pool = nn.MaxPool1d(2)
        self.linear2, self.linear3 = nn.Linear(480, 64), nn.Linear(64, 5)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 1, 187) → (batch, 5)."""
        x = torch.relu(self.linear1(x))
        x = torch.relu(self.conv1(x))
        x = self.pool(torch.relu(self.conv2(x)))
        x = self.pool(torch.relu(self.conv3(x)))
        out: Tensor = self.linear3(torch.relu(self.linear2(x.flatten(1))))
        return out


class Kachuee(nn.Module):
    """The residual network of Kachuee et al. 2018: five blocks of 32 channels, each halved by pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv1d(1, 32, 5, padding=2)
        self.blocks = nn.ModuleList(
            nn.ModuleList([nn.Conv1d(32, 32, 5, padding=2), nn.Conv1d(32, 32, 5, padding=2)])
            for _ in range(5)
        )
        self.pool = nn.MaxPool1d(5, 2)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 5))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 1, 187) → (batch, 5)."""
        x = self.stem(x)
        for block in self.blocks:
            x = self.pool(torch.relu(x + block[1](torch.relu(block[0](x)))))  # type: ignore[index]
        out: Tensor = self.head(x)
        return out


def scores(network: nn.Module, x: Tensor, y: Tensor) -> dict[str, float]:
    """Accuracy and macro-F1."""
    network.eval()
    with torch.inference_mode():
        said = torch.cat([network(part).argmax(1) for part in torch.split(x, 1024)])
    network.train()
    return {
        "accuracy": float(accuracy_score(y, said)),
        "macro_f1": float(f1_score(y, said, average="macro")),
    }


def main() -> None:
    which, data, curve = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    epochs = int(sys.argv[4]) if len(sys.argv) > 4 else {"baseline": 30, "resnet": 20}[which]
    torch.set_num_threads(1)
    torch.manual_seed(0)
    table = beats(Kaggle(name="kaggle", source="auto"), KaggleBeat(name="kaggle"), data)
    part = parts(table, KaggleProtocol(name="kaggle", validation=0.1, seed=0))[0]
    x, y = torch.from_numpy(np.array(table.signal)), torch.from_numpy(np.array(table.label)).long()
    train = torch.from_numpy(part.train)
    network: nn.Module
    loader: DataLoader[Any]
    if which == "baseline":
        frame = pd.DataFrame(np.column_stack([x[train, 0].numpy(), y[train].numpy()]))
        frame = frame.sample(frac=1, random_state=0)  # permuted once
        loader, network = DataLoader(Rows(frame), batch_size=32), Baseline()
        optimizer: torch.optim.Optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
        schedule = None
    else:
        loader, network = DataLoader(TensorDataset(x[train], y[train]), 128, shuffle=True), Kachuee()
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, epochs * len(loader))
    validation = torch.from_numpy(part.validation)
    story: list[dict[str, float]] = []
    wall = cpu = 0.0
    for epoch in range(epochs):
        began, began_cpu = time.perf_counter(), time.process_time()
        for signal, label in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(signal), label).backward()
            optimizer.step()
            if schedule:
                schedule.step()
        wall, cpu = wall + time.perf_counter() - began, cpu + time.process_time() - began_cpu
        scored = scores(network, x[validation], y[validation])
        story.append({"epoch": epoch + 1, "seconds": wall, "processor": cpu, **scored})
        print(json.dumps(story[-1]), file=sys.stderr, flush=True)
        curve.write_text(json.dumps({"validation": story}))
    test = torch.from_numpy(part.test)
    curve.write_text(json.dumps({"validation": story, "test": scores(network, x[test], y[test])}))


if __name__ == "__main__":
    main()
