"""Files and folders appear whole or not at all; paths mean what was typed."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

import pytest

from ecgcli.errors import BeingWritten
from ecgcli.files import as_typed, whole, whole_folder, write_json


def test_a_file_whose_writing_fails_does_not_appear_and_an_older_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    with pytest.raises(RuntimeError), whole(path) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="nan"):
        write_json(path, {"a": float("nan")})
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_replaces_an_older_one_only_when_it_is_whole(tmp_path: Path) -> None:
    final = tmp_path / "run"
    with whole_folder(final) as folder:
        (folder / "a").write_text("1")
    with pytest.raises(RuntimeError), whole_folder(final) as folder:
        (folder / "a").write_text("2")
        raise RuntimeError
    assert (final / "a").read_text() == "1"
    with whole_folder(final) as folder:
        assert not (folder / "a").exists(), "what the failed one left is gone"
        (folder / "b").write_text("3")
    assert [path.name for path in final.iterdir()] == ["b"]
    assert list(tmp_path.iterdir()) == [final]


def test_a_folder_that_was_finished_in_the_meantime_is_not_begun_anew(tmp_path: Path) -> None:
    """One process ends between the look and the lock of another, whose lock then is in no folder."""
    final, partial = tmp_path / "run", tmp_path / "run.partial"
    with whole_folder(final) as folder:
        (folder / "a").write_text("1")
        with pytest.raises(BeingWritten), whole_folder(final):
            raise AssertionError("two writers")
    real = fcntl.flock

    def late(file: IO[str], how: int) -> None:
        partial.replace(tmp_path / "elsewhere")
        real(file, how)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(BeingWritten):
        patch.setattr(fcntl, "flock", late)
        with whole_folder(final):
            raise AssertionError("written into a folder that has its final name")
    assert [path.name for path in final.iterdir()] == ["a"]


def test_a_folder_that_is_gone_on_with_loses_what_a_killed_process_was_writing(tmp_path: Path) -> None:
    final = tmp_path / "run"
    kept = ["checkpoints/all/last.ckpt", "checkpoints/all/.notes", "model/.v2.json"]
    half_written: list[str] = []
    with pytest.raises(RuntimeError), whole_folder(final, keep="*.ckpt") as folder:
        for name in kept:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
        for name in ("checkpoints/all/last.ckpt", "metrics.json", "LICENSE"):
            with whole(folder / name) as beside:
                half_written.append(str(beside.relative_to(folder)))
                beside.touch()
        for name in half_written:  # as they lie there when the process is killed while it writes
            (folder / name).touch()
        raise RuntimeError("killed")
    with whole_folder(final, keep="*.ckpt") as folder:
        assert [name for name in half_written if (folder / name).exists()] == []
    assert all((final / name).exists() for name in kept)


def test_only_a_leading_tilde_and_slash_mean_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert as_typed("~/data") == Path.home() / "data"
    assert as_typed("~nobody") == Path("~nobody")
    assert as_typed("a~b") == Path("a~b")
    (tmp_path / "~").mkdir()
    assert as_typed("~/data") == Path("~/data")
