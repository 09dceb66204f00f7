"""Records cut by several processes: the table of one, and faults in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ecgcli.beats import in_parallel
from ecgcli.beats.from_records import cut_recordings, recordings_of
from ecgcli.beats.segment import Segmenter
from ecgcli.beats.store import read_table
from ecgcli.errors import EcgError
from ecgcli.recordings.simulate import write_demo
from tests.conftest import train_config


def test_a_small_set_is_left_to_this_process() -> None:
    here: list[int] = []
    assert list(in_parallel.in_order(here.append, range(5), 1000)) == [None] * 5
    assert here == [0, 1, 2, 3, 4]


@pytest.mark.slow
@pytest.mark.promise
def test_several_processes_cut_the_table_that_one_cuts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_demo(tmp_path / "records", 7, 1.0, 0)
    recordings = recordings_of(tmp_path / "records", "demo")
    segmenter = Segmenter.from_config(train_config("beat.rhythm=true").beat)
    for name, enough, cores in (("one", 10**9, 1), ("several", 0, 3)):
        monkeypatch.setattr(in_parallel, "WORTH_IT", enough)
        monkeypatch.setattr(in_parallel, "_cores", lambda cores=cores: cores)
        (tmp_path / name).mkdir()
        cut_recordings(recordings, "atr", "demo", "aami", segmenter, tmp_path / name)
    one, several = read_table(tmp_path / "one"), read_table(tmp_path / "several")
    assert one is not None and several is not None
    for field, value in vars(one).items():
        np.testing.assert_array_equal(getattr(several, field), value)

    signal = tmp_path / "records" / f"{recordings[3].path.name}.dat"
    signal.write_bytes(signal.read_bytes()[:-9])
    with pytest.raises(EcgError, match=recordings[3].path.name):
        cut_recordings(recordings, "atr", "demo", "aami", segmenter, tmp_path / "several")
