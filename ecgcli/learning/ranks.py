"""Several processes that fit together: rank 0 is the command itself, the others follow it.

Rank 0 starts the others for the length of one `fit` and ends them with it (`follower.py` is what they run).
All they are told is the configuration and the run folder, from which they make the same table and the same
parts; each batch is shared out among the ranks, and rank 0 alone writes. So a sweep, a search, a cascade and
a k-fold run need nothing of their own. Where torchrun has started the processes, on one machine or on
several, the others are told the same through the store that torchrun keeps.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from ecgcli.choices.trainer import TrainerChoice
from ecgcli.config import TrainConfig
from ecgcli.errors import EcgError
from ecgcli.learning.devices import device
from ecgcli.parsing import plain

FOLLOWER = (sys.executable, "-m", "ecgcli.learning.follower")
"""Command of a process that follows."""

_HERE = "127.0.0.1"
_GIVEN_UP = timedelta(minutes=30)  # without a word from another rank
_jobs = count()  # fits of this process, of those that torchrun has started


@dataclass(frozen=True)
class World:
    """The place of a process among those that fit together.

    Attributes:
        rank: its number; 0 writes.
        size: how many there are.
        local_rank: its number on its machine, and so its GPU.
        local_size: how many there are on a machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1

    @property
    def share(self) -> slice:
        """Which beats of a batch are this rank's."""
        return slice(self.rank, None, self.size)

    def agreed(self, value: Any) -> Any:
        """What rank 0 has for `value`, on every rank."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def trainer(self) -> dict[str, Any]:
        """Settings of Lightning's `Trainer`."""
        if self.size == 1:
            return {"devices": 1}
        nodes = self.size // self.local_size
        return {"devices": self.local_size, "num_nodes": nodes, "strategy": "ddp"}

    def plugins(self) -> list[ClusterEnvironment]:
        """Plugins of Lightning's `Trainer`."""
        return [] if self.size == 1 else [Started(self)]


class Started(ClusterEnvironment):
    """Tells Lightning that the processes are there and connected already."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    creates_processes_externally = True
    main_address = _HERE  # neither is used: the processes are connected
    main_port = 0

    @staticmethod
    def detect() -> bool:
        """Never of itself."""
        return False

    def world_size(self) -> int:
        """How many processes there are."""
        return self.world.size

    def set_world_size(self, size: int) -> None:
        """Is known."""

    def global_rank(self) -> int:
        """Number of this one."""
        return self.world.rank

    def set_global_rank(self, rank: int) -> None:
        """Is known."""

    def local_rank(self) -> int:
        """Number on this machine."""
        return self.world.local_rank

    def node_rank(self) -> int:
        """Number of this machine."""
        return self.world.rank // self.world.local_size


@contextmanager
def together(config: TrainConfig, folder: Path, fingerprint: str) -> Iterator[World]:
    """The place of this process, rank 0, among those that fit together as long as the block runs.

    Args:
        config: the configuration.
        folder: the run folder.
        fingerprint: of the data, which have to be the same for all.

    Raises:
        EcgError: there are not so many devices, a batch is too small to be shared, or a process ended.
    """
    choice = config.trainer
    launched = under_torchrun()
    if launched and choice.devices not in ("auto", launched.local_size):
        raise EcgError(
            f"trainer.devices={choice.devices}: torchrun started {launched.local_size} processes on this "
            f"machine; use trainer=ddp, which takes as many as there are"
        )
    size = launched.local_size if launched else _devices(choice)
    world = launched or World(0, size, 0, size)
    if world.size > choice.batch_size:
        raise EcgError(
            f"trainer.batch_size={choice.batch_size} cannot be shared by {world.size} processes: use "
            f"trainer.batch_size={world.size} or more"
        )
    told = {"config": plain(config), "folder": str(folder.absolute()), "fingerprint": fingerprint}
    if world.size == 1:
        device(choice.accelerator, choice.threads)
        yield world
    elif launched:
        number, store = next(_jobs), torchrun_store()
        store.set(f"job/{number}", json.dumps(told))
        with connected(world, PrefixStore(f"group/{number}", store), choice):
            yield world
    else:
        store = TCPStore(_HERE, 0, is_master=True, wait_for_workers=False)
        with _followers(told | {"port": store.port}, size) as followers:
            while not store.check([f"here/{rank}" for rank in range(1, size)]):
                _none_ended(followers)
                time.sleep(0.05)
            with connected(world, PrefixStore("group", store), choice):
                yield world


@contextmanager
def connected(world: World, store: Store, choice: TrainerChoice) -> Iterator[None]:
    """Connects this process to the others of its world for a while; it leaves when all have come to the end.

    Args:
        world: its place among them.
        store: where they find each other.
        choice: where they compute; without a number of threads they share those of their machine.
    """
    before = torch.get_num_threads()
    where = device(choice.accelerator, choice.threads or max(1, before // world.local_size))
    on_gpu: dict[str, Any] = {}
    if where.type == "cuda":
        torch.cuda.set_device(world.local_rank)
        on_gpu["device_id"] = torch.device("cuda", world.local_rank)
    dist.init_process_group(
        "nccl" if on_gpu else "gloo",
        store=store,
        rank=world.rank,
        world_size=world.size,
        timeout=_GIVEN_UP,
        **on_gpu,
    )
    try:
        yield
        dist.barrier()
    finally:
        dist.destroy_process_group()
        torch.set_num_threads(before)


def under_torchrun() -> World | None:
    """This process's place among those that torchrun has started; None where there are none."""
    if "TORCHELASTIC_RUN_ID" not in os.environ or os.environ.get("WORLD_SIZE", "1") == "1":
        return None
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    return World(*(int(os.environ[name]) for name in names))


@cache
def torchrun_store() -> Store:
    """The store that torchrun keeps for its processes."""
    store: Store = next(iter(rendezvous("env://")))[0]
    return store


def dismiss() -> None:
    """Tells the processes that torchrun has started that rank 0 has nothing more for them."""
    torchrun_store().set(f"job/{next(_jobs)}", json.dumps(None))


def _devices(choice: TrainerChoice) -> int:
    """How many devices to use on this machine."""
    kind = device(choice.accelerator, None).type
    there = {"cuda": torch.cuda.device_count(), "mps": 1}.get(kind)
    if choice.devices == "auto":
        return there or 1
    if there is not None and choice.devices > there:
        raise EcgError(
            f"trainer.devices={choice.devices}: this machine has {there} of the kind {kind}; use "
            f"trainer.devices={there}, or trainer.accelerator=cpu"
        )
    return choice.devices


@contextmanager
def _followers(told: dict[str, Any], size: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Starts ranks 1 to `size` − 1; they are gone when the block ends, however it ends."""
    root = str(Path(__file__).resolve().parents[2])
    places = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    followers: list[subprocess.Popen[str]] = []
    try:
        for rank in range(1, size):
            process = subprocess.Popen(
                FOLLOWER,
                stdin=subprocess.PIPE,  # kept open: when this process is gone, it closes and they end too
                stdout=subprocess.DEVNULL,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
            )
            followers.append(process)
            assert process.stdin is not None
            process.stdin.write(json.dumps({**told, "rank": rank, "size": size}) + "\n")
            process.stdin.flush()
        yield followers
    except (RuntimeError, BrokenPipeError):
        # a lost connection, mostly because one of them has gone
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            _none_ended(followers)
            time.sleep(0.05)
        raise
    finally:
        for process in followers:
            process.kill()
        for process in followers:
            process.communicate()


def _none_ended(followers: list[subprocess.Popen[str]]) -> None:
    for rank, process in enumerate(followers, 1):
        code = process.poll()
        if code is not None:
            how = f"was killed by signal {-code}" if code < 0 else "ended with a fault"
            raise EcgError(
                f"process {rank} of trainer.devices={len(followers) + 1} {how}; the same command goes on "
                f"after the last whole round"
            ) from None
