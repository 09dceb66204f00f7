"""A table on disk appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecgcli.beats.store import put_beside, read_table, write_signal


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
