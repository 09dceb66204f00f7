"""`ecg <command>`: the command table, and how a command is run.

Hydra has no sub-commands: the dispatcher takes the command word off `sys.argv` and hands the rest to the
Hydra application of that command. Nothing heavy is imported before a command is known to run.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from ecgcli import __version__
from ecgcli.command_line import WITHOUT_BEATS, flags_first, quoted, refuse_beats, sweeps
from ecgcli.errors import EcgError
from ecgcli.faults import configuration_fault, listed, meant, one_line


class Command(NamedTuple):
    """One command: what it does, and where it is."""

    summary: str
    module: str
    function: str
    config: str


COMMANDS: dict[str, Command] = {
    "fetch": Command("download a database, rebuild the Kaggle files", "fetch", "fetch", "FetchConfig"),
    "describe": Command("look at a data set before training", "describe", "describe", "DescribeConfig"),
    "train": Command("train a classifier and report on it", "train", "train", "TrainConfig"),
    "search": Command("look for better settings, on validation alone", "search", "search", "SearchConfig"),
    "eval": Command("score a finished run, on its own or other data", "evaluate", "evaluate", "EvalConfig"),
    "compare": Command("runs in one table, and what of it is real", "compare", "compare", "CompareConfig"),
    "predict": Command("annotate a recording", "predict", "predict", "PredictConfig"),
    "export": Command("write a model for other programs, such as ONNX", "export", "export", "ExportConfig"),
    "score": Command("score annotation files by ANSI/AAMI EC57", "score", "score", "ScoreConfig"),
    "info": Command("versions, devices, data and cache", "info", "info", "InfoConfig"),
}

EXAMPLES = (
    "ecg train",
    "ecg train data=kaggle sampling=two_stage 'model.channels=[16,32,64]'",
    "ecg eval run=outputs/train/<run>",
    "ecg predict input=example",
)

_FAULT = f"this is a fault of ecgcli {__version__}, please report it with the lines above"


def main() -> None:
    """Entry point of `ecg`."""
    if "TORCHELASTIC_RUN_ID" not in os.environ or os.environ.get("WORLD_SIZE", "1") == "1":
        _main(sys.argv[1:])
    elif os.environ["RANK"] == "0":
        try:
            _main(sys.argv[1:])
        finally:
            import_module("ecgcli.learning.ranks").dismiss()
    else:  # torchrun started this process beside the first one, which reads the command
        import_module("ecgcli.learning.follower").serve()


def _main(arguments: list[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(overview())
        return
    word, *rest = arguments
    if word == "--version":
        print(f"ecg {__version__}")
        return
    if word in ("-sc", "--shell-completion"):
        completed = _complete(rest)
        if completed is None:
            return
        word, rest = completed, arguments
    if word not in COMMANDS:
        _fail("ecg", f"unknown command {word!r}: expected {listed(COMMANDS)}{meant(word, COMMANDS)}")
    sys.exit(_run(word, rest))


def overview() -> str:
    """What `ecg` alone prints."""
    lines = ["ecg: train, trust and apply heartbeat classifiers", "", "Commands:"]
    lines += [f"  ecg {name:<8} {command.summary}" for name, command in COMMANDS.items()]
    lines += ["", "Examples:", *(f"  {example}" for example in EXAMPLES), ""]
    lines += ["`ecg <command> --help` shows its settings, `--cfg job` the composed configuration,"]
    lines += ['`ecg --version` the version; eval "$(ecg -sc install=bash)" turns tab completion on.']
    return "\n".join(lines)


def conf_dir() -> Path:
    """The folder of the configuration: inside an installed package, else beside it in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def _run(word: str, arguments: list[str]) -> int:
    """Runs one command through Hydra; returns the exit code."""
    import hydra
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    from ecgcli import config
    from ecgcli.parsing import parse, settings
    from ecgcli.runs import sweep_folder

    os.environ["ECG_COMMAND"] = word
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come back as they are, to be said in one line here
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    failed: list[str] = []
    place, typed, grid = Path.cwd(), sys.argv, word == "train" and sweeps(arguments)
    folder = sweep_folder()
    os.environ["ECG_SWEEP"] = str(folder)  # where Hydra writes what it keeps of a sweep

    def fault(error: Exception) -> str:
        return configuration_fault(word, error, settings(getattr(config, COMMANDS[word].config)))

    def task(cfg: DictConfig) -> None:
        command = COMMANDS[word]
        outcome: dict[str, Any] = {}
        try:
            # a launcher may run this in another process, which knows nothing but this function
            os.environ["ECG_COMMAND"], sys.argv = word, typed
            os.chdir(place)
            values: Any = OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
            if word == "fetch" and not values.get("data"):
                choices = sorted(path.stem for path in (conf_dir() / "data").glob("*.yaml"))
                names = listed(name for name in choices if name != "table")
                raise EcgError(f"data is missing: give it as data=..., one of {names}")
            if word in WITHOUT_BEATS:
                values = {key: value for key, value in values.items() if key not in ("beat", "protocol")}
            if grid and values.get("test") is None:
                values["test"] = False  # of a grid, unless the user opens the test parts
            parsed = parse(getattr(config, command.config), values)
            if grid:
                outcome = import_module("ecgcli.commands.grid").job(parsed)
            else:
                getattr(import_module(f"ecgcli.commands.{command.module}"), command.function)(parsed)
        except BrokenPipeError:
            _leave_pipe()  # here: Hydra would call it an error of the job
            failed.append("the reader of the pipe has gone")
        except Exception as error:
            own = isinstance(error, OmegaConfBaseException)
            message = fault(error) if own else one_line(error)
            if message is None and not grid:
                raise
            # said here and not raised: in a sweep the other runs go on
            if message is None:
                traceback.print_exc()
                message = f"{_FAULT}: {type(error).__name__}: {' '.join(str(error).split())}"
            print(f"ecg {word}: {message}", file=sys.stderr, flush=True)
            failed.append(message)
            outcome = {"how": "failed", "why": message}
        if grid and outcome:
            from hydra.core.hydra_config import HydraConfig

            job, given = HydraConfig.get().job, list(HydraConfig.get().overrides.task)
            import_module("ecgcli.commands.grid").note(folder, job.num, given, outcome)

    try:
        sys.argv = typed = [sys.argv[0], *flags_first(quoted(word, arguments))]
        if word in WITHOUT_BEATS:
            refuse_beats(word, arguments)
        application = hydra.main(version_base="1.3", config_path=str(conf_dir()), config_name=word)(task)
        application()
        if grid and not import_module("ecgcli.commands.grid").conclude(folder):
            return 1
    except KeyboardInterrupt:
        resumes = word in ("train", "search")
        on = "the same command goes on from there" if resumes else "nothing half-written was kept"
        print(f"\necg {word}: interrupted; {on}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        _leave_pipe()
        return 1
    except (EcgError, OmegaConfBaseException, hydra.errors.HydraException) as error:
        _fail(f"ecg {word}", fault(error))
    except Exception as error:
        message = one_line(error)
        if message is None and grid:
            # a launcher's, such as of a job that was killed; the others have left what became of them
            import_module("ecgcli.commands.grid").conclude(folder)
            said = (str(error).strip() or "no reason given").splitlines()[0]
            message = f"{type(error).__name__}: {said}; the same command runs what is missing"
        elif message is None:
            traceback.print_exc()
            message = _FAULT
        _fail(f"ecg {word}", message)
    return 1 if failed else 0


def _leave_pipe() -> None:
    """The reader of a pipe has gone: stdout points elsewhere, so that closing it raises no second error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(who: str, message: str) -> None:
    print(f"{who}: {message}", file=sys.stderr)
    sys.exit(1)


def _complete(query: list[str]) -> str | None:
    """Completes the command word itself, or says which command's settings Hydra is to complete."""
    if not query or not query[0].startswith("query="):
        return "train"  # install and uninstall are the same for every command
    line = os.environ.get("COMP_LINE", "")
    words = line.split()
    if len(words) > 1 and words[1] in COMMANDS and (len(words) > 2 or line.endswith(" ")):
        os.environ["COMP_LINE"] = re.sub(rf"^(\s*\S+)\s+{words[1]}", r"\1", line, count=1)
        return words[1]
    start = words[1] if len(words) > 1 else ""
    print(" ".join(name for name in COMMANDS if name.startswith(start)))
    return None
