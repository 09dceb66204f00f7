"""A table on disk appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecgcli.beats import store
from ecgcli.beats.store import put_beside, read_table, taken, write_signal


@pytest.mark.parametrize("sizes", [[0, 5, 0, 100_000, 1], [0, 0], [3]])
def test_blocks_of_beats_become_one_array(tmp_path: Path, sizes: list[int]) -> None:
    blocks = [np.random.default_rng(i).normal(size=(n, 2, 3)).astype(np.float32) for i, n in enumerate(sizes)]
    assert write_signal(tmp_path / "signal.npy", iter(blocks)) == sum(sizes)
    read = np.load(tmp_path / "signal.npy", allow_pickle=False)
    np.testing.assert_array_equal(read, np.concatenate(blocks))
    assert read.flags.c_contiguous


def test_a_folder_is_replaced_by_the_new_one_whole(tmp_path: Path) -> None:
    folder = tmp_path / "entry"
    for text in ("old", "new"):
        with put_beside(folder) as beside:
            (beside / "a").write_text(text)
            assert not folder.exists() or (folder / "a").read_text() == "old"
        assert (folder / "a").read_text() == text
    assert list(tmp_path.iterdir()) == [folder]


def test_a_failure_leaves_the_old_folder(tmp_path: Path) -> None:
    folder = tmp_path / "entry"
    with put_beside(folder) as beside:
        (beside / "a").write_text("old")
    with pytest.raises(KeyboardInterrupt), put_beside(folder) as beside:
        (beside / "a").write_text("half")
        raise KeyboardInterrupt
    assert (folder / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [folder]


def test_the_work_of_a_quicker_process_stands(tmp_path: Path) -> None:
    folder = tmp_path / "entry"
    with put_beside(folder) as beside:
        (beside / "a").write_text("slower")
        folder.mkdir()
        (folder / "a").write_text("quicker")
    assert (folder / "a").read_text() == "quicker"
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"facts": 3}', '{"facts": {"classes": 1}}', "\ud800"])
def test_what_is_no_table_is_none(tmp_path: Path, text: str) -> None:
    assert read_table(tmp_path) is None
    (tmp_path / "meta.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert read_table(tmp_path) is None


@pytest.mark.parametrize("rows", [[], [0], [4, 4, 0, 99], list(range(20, 60)), list(range(99, -1, -1))])
def test_beats_of_a_large_file_are_read_as_they_would_be_mapped(
    tmp_path: Path, rows: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    beats = np.random.default_rng(0).normal(size=(100, 2, 7)).astype(np.float32)
    write_signal(tmp_path / "signal.npy", [beats])
    signal = np.load(tmp_path / "signal.npy", mmap_mode="r")
    index = np.array(rows, dtype=np.int64)
    np.testing.assert_array_equal(taken(signal, index), beats[index])
    monkeypatch.setattr(store, "LARGE", 0)
    read = taken(signal, index)
    np.testing.assert_array_equal(read, beats[index])
    assert read.shape == (len(rows), 2, 7) and not isinstance(read, np.memmap)


def test_a_large_file_that_is_read_takes_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not Path("/proc/self/smaps_rollup").exists():
        pytest.skip("needs Linux to say what is mapped")
    write_signal(tmp_path / "signal.npy", (np.ones((10_000, 1, 250), np.float32) for _ in range(5)))
    signal = np.load(tmp_path / "signal.npy", mmap_mode="r")  # 50 MB
    rows = np.random.default_rng(0).permutation(50_000)

    def resident() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssFile"))

    monkeypatch.setattr(store, "LARGE", 0)
    before = resident()
    for batch in np.split(rows, 500):
        assert taken(signal, batch).sum() == 25_000
    assert resident() - before < 5_000  # kB
    monkeypatch.setattr(store, "LARGE", 2**40)
    for batch in np.split(rows, 500):
        assert taken(signal, batch).sum() == 25_000
    assert resident() - before > 40_000  # so the figure above says something
