"""What a process beside the first one does: it fits with it, and writes nothing (see `ranks.py`)."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.distributed.distributed_c10d import PrefixStore, Store

from ecgcli.beats.protocol import parts
from ecgcli.beats.sources import beats, data_dir
from ecgcli.config import TrainConfig
from ecgcli.errors import EcgError
from ecgcli.learning.fit import fit_as
from ecgcli.learning.progress import quiet_libraries
from ecgcli.learning.ranks import World, connected, torchrun_store, under_torchrun
from ecgcli.parsing import parse

_A_MONTH = timedelta(days=30)


def main() -> None:
    """Fits once with the process that started this one, and ends with it however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all of them
    told = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_first, daemon=True).start()
    world = World(told["rank"], told["size"], told["rank"], told["size"])
    store = TCPStore("127.0.0.1", told["port"], is_master=False)
    store.set(f"here/{world.rank}", "")
    try:
        _follow(told, world, PrefixStore("group", store))
    except EcgError as error:
        sys.exit(f"ecg train: {error}")


def serve() -> None:
    """Fits with the first of the processes that torchrun has started, as often as that one does."""
    world, store = under_torchrun(), torchrun_store()
    assert world is not None
    for number in count():
        store.wait([f"job/{number}"], _A_MONTH)
        told = json.loads(store.get(f"job/{number}"))
        if told is None:
            return
        try:
            _follow(told, world, PrefixStore(f"group/{number}", store))
        except EcgError as error:
            sys.exit(f"ecg train: {error}")


def _follow(told: dict[str, Any], world: World, store: Store) -> None:
    quiet_libraries()
    config = parse(TrainConfig, told["config"])
    table = beats(config.data, config.beat, data_dir(config.data_dir), config.reads_test)
    if table.fingerprint != told["fingerprint"]:
        raise EcgError(f"process {world.rank} found other data than the first one; expected the same files")
    divisions = parts(table, config.protocol, test=config.test)
    with connected(world, store, config.trainer):
        fit_as(world, table, divisions, config, Path(told["folder"]))


def _end_with_the_first() -> None:
    sys.stdin.read()  # ends when the first process has gone
    os._exit(1)


if __name__ == "__main__":
    main()
