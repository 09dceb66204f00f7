"""`ecg search`: trials of `ecg train` within a space of settings, judged on the validation part alone."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from ecgcli.beats.part import support
from ecgcli.beats.protocol import parts, pooled
from ecgcli.beats.sources import beats, data_dir
from ecgcli.commands import study as shared
from ecgcli.commands.search_results import conclude
from ecgcli.commands.search_space import distributions, of_train, searched, trial_config, typed
from ecgcli.commands.train import finish
from ecgcli.config import SearchConfig, TrainConfig, identity
from ecgcli.errors import BeingWritten, EcgError
from ecgcli.evaluation.goals import Goal, check_goals, goal, reached
from ecgcli.files import write_json
from ecgcli.parsing import parse, plain
from ecgcli.reporting.search_page import said
from ecgcli.runs import OUTPUTS, RESULTS_VERSION, Run, command_line, run_name

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import Trial

    from ecgcli.learning.progress import Watch


def search(config: SearchConfig) -> None:
    """Works on a study until it has its trials, and says what came of it.

    The same command, started again or several times at once, works on the same study.

    Raises:
        EcgError: for whatever the user can mend. What a single trial cannot do is kept with that trial.
    """
    shared.need_optuna()
    given = list(HydraConfig.get().overrides.task)
    goals = [goal(one) for one in config.goals]
    if config.test:
        raise EcgError(
            "test=true: a search never opens a test part; leave it out, and open it once at the end"
        )
    base = parse(TrainConfig, of_train(plain(config)))
    config = config.model_copy(update={"space": searched(config.space, base, given)})
    table = beats(base.data, base.beat, data_dir(base.data_dir), test=base.protocol.name != "kaggle")
    part = pooled(parts(table, base.protocol, test=False))
    check_goals(goals, support(table, part)["validation"])

    folder = OUTPUTS / "search" / study_name(config, base)
    folder.mkdir(parents=True, exist_ok=True)
    with shared.turn(folder):
        _same_study(folder, config, base, table.fingerprint)
    study = shared.open_study(folder, [one.more for one in goals], shared.build_pruner(config.pruner))
    print(f"Study {folder}: {len(shared.finished(study))} of {config.trials} trials are finished", flush=True)
    pruned = _prunes(config, goals)
    with shared.worker(folder) as me:
        while (trial := _next(study, folder, config, me)) is not None:
            try:
                told = _run(trial, given, goals, pruned)
            except KeyboardInterrupt:
                trial.set_user_attr("interrupted", True)
                raise
            print(f"trial {trial.number:<3d} {told}  {' '.join(_settings(trial))}", flush=True)
    with shared.turn(folder):
        conclude(folder, study, goals, config, given)


def study_name(config: SearchConfig, base: TrainConfig) -> str:
    """The name given, else `<data>-<protocol>-<space>-<hash8>`: equal names, equal searches."""
    if config.name is not None:
        return config.name
    what = json.dumps([RESULTS_VERSION, _what(config, base)], sort_keys=True).encode()
    choices = (base.data.name, base.protocol.name, config.space.name)
    return f"{'-'.join(choices)}-{hashlib.sha256(what).hexdigest()[:8]}"


def _what(config: SearchConfig, base: TrainConfig) -> dict[str, Any]:
    """What makes a search this one; how many trials it has is no part of it."""
    own = {key: plain(config)[key] for key in ("space", "goals", "sampler", "pruner")}
    return {"train": identity(base, unused=False), **own}


def _same_study(folder: Path, config: SearchConfig, base: TrainConfig, fingerprint: str) -> None:
    """Writes `search.json` into a new study; refuses to go on with one of other settings or other data."""
    path = folder / "search.json"
    now = {"results_version": RESULTS_VERSION, "data_fingerprint": fingerprint, **_what(config, base)}
    if not path.exists():
        write_json(path, {"format": 1, "command": command_line(), **now})
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    other = [key for key, value in now.items() if before.get(key) != value]
    if other:
        what = "data" if other == ["data_fingerprint"] else f"settings ({', '.join(other)})"
        raise EcgError(f"{folder} is a study of other {what}; give this one another name, as name=…")


def _prunes(config: SearchConfig, goals: Sequence[Goal]) -> bool:
    """Whether hopeless trials can be told before they end; says why, where they cannot."""
    if config.pruner == "none":
        return False
    why = None
    if len(goals) > 1:
        why = "with several goals no trial is hopeless before its end"
    elif goals[0].key != "macro_f1":
        why = f"rounds of training report macro_f1, which says nothing for sure about {goals[0].key}"
    elif config.sampling.name == "two_stage":
        why = "a cascade cannot be judged by one of its stages"
    if why:
        print(f"pruner={config.pruner}: {why}; trials go on unpruned")
    return why is None


def _next(study: Study, folder: Path, config: SearchConfig, me: str) -> Trial | None:
    """The next trial, one left behind by a dead process first; None where the study has all it should."""
    with shared.turn(folder):
        shared.take_up(study, folder)
        begun = len(shared.finished(study)) + shared.running(study)
        if begun >= config.trials:
            return None
        # a sampler for every trial: what it draws then depends on the earlier trials and not on the process
        study.sampler = shared.build_sampler(config.sampler, (config.seed, begun))
        trial = study.ask(distributions(config.space))
        trial.set_user_attr("worker", me)
        return trial


def _run(trial: Trial, given: Sequence[str], goals: Sequence[Goal], judge: bool) -> str:
    """Trains what a trial asks for, keeps what came of it and gives it in words."""
    from optuna import TrialPruned
    from optuna.trial import TrialState

    study, name = trial.study, None
    try:
        config = trial_config(given, _settings(trial))
        name = run_name(config)
        trial.set_user_attr("run", name)
        run = _trained(config, _judged(trial, config) if judge else None)
        training = run.metrics["training"]
        values = reached(goals, run.predictions("validation"), run.metrics["classes"], training)
        for one, value in zip(goals, values, strict=True):
            if not math.isfinite(value):
                raise EcgError(f"{one.key} is no number on its validation part")
        trial.set_user_attr("seconds", training["seconds"])
        study.tell(trial, values)
        told = (f"{one.key} {said(value)}" for one, value in zip(goals, values, strict=True))
        return f"{'  '.join(told)}  {training['seconds']:.0f} s"
    except TrialPruned as pruned:
        # a hopeless trial leaves no unfinished run behind
        shutil.rmtree(OUTPUTS / "train" / f"{name}.partial", ignore_errors=True)
        reason, state = str(pruned), TrialState.PRUNED
    except OSError:
        raise  # such as a full disk: no trial's fault
    except (EcgError, HydraException, OmegaConfBaseException) as error:
        reason, state = _first_line(error), TrialState.FAIL
    except Exception as error:
        reason, state = f"{type(error).__name__}: {_first_line(error)}", TrialState.FAIL
    trial.set_user_attr("reason", reason)
    study.tell(trial, state=state)
    return reason if state == TrialState.PRUNED else f"failed: {reason}"


def _trained(config: TrainConfig, watch: Watch | None) -> Run:
    """The run of a trial; where another process has begun the same one, that is waited for."""
    while True:
        try:
            return finish(config, watch)[0]
        except BeingWritten:
            time.sleep(1)


def _judged(trial: Trial, config: TrainConfig) -> Watch | None:
    """Reports the rounds of a trial by the percentage of its training; ends it where it is hopeless."""
    if config.sampling.name == "two_stage":
        return None
    folds = getattr(config.protocol, "k", 1)
    told: set[int] = set()

    def watch(fold: int, network: str, share: float, macro_f1: float) -> None:
        from optuna import TrialPruned

        percent = round(100 * (fold + share) / folds)
        if percent not in told and percent < 100:
            told.add(percent)
            trial.report(macro_f1, percent)
            if trial.should_prune():
                raise TrialPruned(f"pruned after {percent}% of its training, macro_f1 {said(macro_f1)}")

    return watch


def _settings(trial: Trial) -> list[str]:
    return [f"{name}={value}" for name, value in typed(trial.params).items()]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
