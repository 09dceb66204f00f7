"""Batches are the same whether their beats are in memory, mapped, or read from a file that is too large."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ecgcli.beats import store
from ecgcli.beats.store import write_signal
from ecgcli.learning.datamodule import Rows


@pytest.mark.parametrize("index", [torch.tensor([3, 0, 3]), slice(1, 4), slice(0, 0)])
def test_a_batch_does_not_depend_on_where_its_beats_are(
    tmp_path: Path, index: torch.Tensor | slice, monkeypatch: pytest.MonkeyPatch
) -> None:
    beats = np.random.default_rng(0).normal(size=(50, 1, 9)).astype(np.float32)
    write_signal(tmp_path / "signal.npy", [beats])
    signal = np.load(tmp_path / "signal.npy", mmap_mode="r")
    rows = np.array([7, 49, 0, 20, 21])
    in_memory, on_map = Rows(beats, rows), Rows(signal, rows)
    monkeypatch.setattr(store, "LARGE", 0)
    from_file = Rows(signal, rows)
    assert from_file.large and not in_memory.large and not on_map.large
    expected = torch.from_numpy(beats[rows])[index]
    for some in (in_memory, on_map, from_file):
        assert torch.equal(some[index], expected)
