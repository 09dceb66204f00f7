"""A study: a journal that several processes share, who of them is alive, and what a dead one left.

Every process that works on a study holds a lock of the system on a file of its own. The lock ends with the
process, however that ends, so that a trial left running is told from one that still runs.

    <study>/
      search.json    what is searched, on which data
      journal.log    the trials, in Optuna's journal format
      workers/       a file for each process at work
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ecgcli.errors import EcgError

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial

JOURNAL = "journal.log"

DEATHS = 5
"""Processes that may die on a trial before it counts as failed: it may be what kills them."""

WARM_UP = 25
"""Percent of its training that a trial has before it may be pruned; what is reported is so, too."""


def need_optuna() -> None:
    """Refuses to go on without the package that looks for settings."""
    if find_spec("optuna") is None:
        raise EcgError("ecg search needs the package optuna: pip install 'ecgcli[search]'")


class JournalLock:
    """The lock on the journal as one of the system, which ends with the process that holds it.

    Optuna's own is a file that a killed process leaves behind. Half a line that such a process left at the
    end of the journal, which would spoil the next one, is taken off.
    """

    def __init__(self, journal: Path) -> None:
        self.journal = journal
        self.file: IO[str] | None = None

    def acquire(self) -> bool:
        """Waits for the lock."""
        self.file = self.journal.with_suffix(".lock").open("a")
        fcntl.flock(self.file, fcntl.LOCK_EX)
        with self.journal.open("rb+") as journal:
            content = journal.read()
            if not content.endswith(b"\n"):
                journal.truncate(content.rfind(b"\n") + 1)
        return True

    def release(self) -> None:
        """Gives it back."""
        assert self.file is not None
        self.file.close()


def open_study(folder: Path, more: Sequence[bool], pruner: BasePruner) -> Study:
    """The study in a folder, made where there is none yet.

    Args:
        folder: of the study.
        more: for each goal, whether more is better.
        pruner: ends hopeless trials.
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    journal = folder / JOURNAL
    backend = JournalFileBackend(str(journal), lock_obj=JournalLock(journal))  # type: ignore[arg-type]
    with turn(folder):
        return optuna.create_study(
            storage=JournalStorage(backend),
            study_name=folder.name,
            directions=["maximize" if one else "minimize" for one in more],
            pruner=pruner,
            load_if_exists=True,
        )


def build_sampler(name: str, seed: Sequence[int]) -> BaseSampler:
    """What chooses the next trial's settings; equal seeds and equal earlier trials give equal ones."""
    import numpy as np
    from optuna.samplers import NSGAIISampler, RandomSampler, TPESampler

    drawn = int(np.random.SeedSequence(seed).generate_state(1)[0])
    match name:
        case "random":
            return RandomSampler(seed=drawn)
        case "nsga2":
            return NSGAIISampler(population_size=20, seed=drawn)
    # trials that other processes have at work are taken for bad ones, so that no two try the same
    return TPESampler(seed=drawn, constant_liar=True)


def build_pruner(name: str) -> BasePruner:
    """What ends hopeless trials; its resource is the percentage of a trial's training."""
    from optuna.pruners import HyperbandPruner, MedianPruner, NopPruner

    match name:
        case "median":
            return MedianPruner(n_startup_trials=5, n_warmup_steps=WARM_UP)
        case "hyperband":
            return HyperbandPruner(min_resource=WARM_UP // 2, max_resource=100)
    return NopPruner()


@contextmanager
def turn(folder: Path) -> Iterator[None]:
    """One process at a time looks at the whole study and acts on what it sees."""
    with (folder / ".turn").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def worker(folder: Path) -> Iterator[str]:
    """Gives the name under which this process is known to be alive as long as the block runs."""
    path = folder / "workers" / f"{os.getpid()}-{secrets.token_hex(4)}"
    path.parent.mkdir(exist_ok=True)
    with turn(folder):
        file = path.open("w")
        fcntl.flock(file, fcntl.LOCK_EX)
    try:
        yield path.name
    finally:
        path.unlink(missing_ok=True)
        file.close()


def alive(folder: Path, name: str | None) -> bool:
    """Whether the process of this name still works on the study."""
    path = folder / "workers" / (name or "-")
    try:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    path.unlink(missing_ok=True)
    return False


def take_up(study: Study, folder: Path) -> None:
    """Marks trials of dead processes as failed and lines their settings up again; to be called in turn."""
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    again = {trial.user_attrs.get("again") for trial in trials}
    for trial in trials:
        if trial.state != TrialState.RUNNING or alive(folder, trial.user_attrs.get("worker")):
            continue
        polite = bool(trial.user_attrs.get("interrupted"))
        deaths = trial.user_attrs.get("deaths", 0) + (0 if polite else 1)
        if deaths < DEATHS:
            note(study, trial, killed=True, reason="its process ended; taken up again")
            if trial.number not in again:
                study.enqueue_trial(trial.params, user_attrs={"again": trial.number, "deaths": deaths})
        else:
            note(study, trial, reason=f"the process that ran it died {deaths} times")
        study.tell(trial.number, state=TrialState.FAIL)


def note(study: Study, trial: FrozenTrial, **facts: Any) -> None:
    """Writes facts to a trial that is not finished."""
    for key, value in facts.items():
        study._storage.set_trial_user_attr(trial._trial_id, key, value)


def finished(study: Study) -> list[FrozenTrial]:
    """The trials that are over: complete, pruned or failed, but not those taken up again."""
    return [
        trial
        for trial in study.get_trials(deepcopy=False)
        if trial.state.is_finished() and not trial.user_attrs.get("killed")
    ]


def running(study: Study) -> int:
    """How many trials are at work."""
    from optuna.trial import TrialState

    return len(study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
