"""`ecg <command>`: the command table, and errors in one line.

Hydra has no sub-commands: the dispatcher takes the command word off `sys.argv` and hands the rest to the
Hydra application of that command. Nothing heavy is imported before a command is known to run.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from ecgcli import __version__
from ecgcli.errors import EcgError


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

_WITHOUT_BEATS = {
    "eval": "a run is evaluated with its own beats and protocol",
    "fetch": "recordings are fetched whole, whatever is cut from them",
}
"""Commands that take `data=` without the beats and the protocol that a data set brings along, and why."""

EXAMPLES = (
    "ecg train",
    "ecg train data=kaggle sampling=two_stage 'model.channels=[16,32,64]'",
    "ecg eval run=outputs/train/<run>",
    "ecg predict input=example",
)

_LAUNCHERS = {
    "joblib": "joblib",
    "submitit_slurm": "submitit",
    "submitit_local": "submitit",
    "ray": "ray",
}
"""Launchers of Hydra → the extra that brings each."""

HYDRA_FLAGS = frozenset(
    {"-h", "-c", "-p", "-r", "-m", "-i", "-sc", "-cp", "-cn", "-cd", "--help", "--hydra-help", "--version"}
    | {"--cfg", "--resolve", "--package", "--run", "--multirun", "--info", "--shell-completion"}
    | {"--config-path", "--config-name", "--config-dir", "--experimental-rerun"}
)
"""What Hydra takes beside settings."""


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
        _fail("ecg", f"unknown command {word!r}: expected {_listed(COMMANDS)}{_meant(word, COMMANDS)}")
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
    from ecgcli.parsing import parse
    from ecgcli.runs import sweep_folder

    os.environ["ECG_COMMAND"] = word
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come back as they are, to be said in one line here
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    failed: list[str] = []
    place, typed, grid = Path.cwd(), sys.argv, word == "train" and _sweeps(arguments)
    folder = sweep_folder()
    os.environ["ECG_SWEEP"] = str(folder)  # where Hydra writes what it keeps of a sweep

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
                names = _listed(name for name in choices if name != "table")
                raise EcgError(f"data is missing: give it as data=..., one of {names}")
            if word in _WITHOUT_BEATS:
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
            message = _configuration_fault(word, error) if own else _one_line(error)
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

            job, settings = HydraConfig.get().job, list(HydraConfig.get().overrides.task)
            import_module("ecgcli.commands.grid").note(folder, job.num, settings, outcome)

    try:
        sys.argv = typed = [sys.argv[0], *_flags_first(_quoted(word, arguments))]
        if word in _WITHOUT_BEATS:
            _refuse_beats(word, arguments)
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
        _fail(f"ecg {word}", _configuration_fault(word, error))
    except Exception as error:
        message = _one_line(error)
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


def _one_line(error: Exception) -> str | None:
    """What to tell the user about an error that is theirs or the machine's; None for a fault of ours."""
    text = " ".join(str(error).split())
    if isinstance(error, EcgError):
        return text
    if "No space left on device" in text or "Disk quota exceeded" in text or "PytorchStreamWriter" in text:
        return f"the disk is full: {text}; free some space, the finished files are whole"
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, BrokenPipeError):
        return f"{error.filename or 'file'}: {error.strerror}"
    if type(error).__name__ == "OutOfMemoryError":
        return "the device is out of memory: use a smaller trainer.batch_size, or trainer.accelerator=cpu"
    if type(error).__name__ == "MisconfigurationException":
        return f"{text}; see trainer.accelerator and trainer.precision"
    return None


def _configuration_fault(word: str, error: Exception) -> str:
    """One line from Hydra's messages: the setting, and what would be right."""
    from ecgcli import config
    from ecgcli.parsing import settings

    text = str(error)
    known = settings(getattr(config, COMMANDS[word].config))
    if isinstance(error, EcgError):
        return text
    if found := re.search(r"Missing mandatory value: (\S+)", text):
        full = re.search(r"full_key: (\S+)", text) or found
        if word == "fetch" and full.group(1) == "data.path":
            return "data.path is missing: give it as data.path=<name>/<version>, such as data.path=qtdb/1.0.0"
        return f"{full.group(1)} is missing: give it as {full.group(1)}=..."
    if found := re.search(r"Could not override '([^'@]+)[^']*'", text):
        name = found.group(1)
        return f"unknown setting {name}: no such field here{_meant(name, known) or '; `--cfg job` shows all'}"
    if found := re.search(r"Key '([^']+)' is not in struct[\s\S]*full_key: (\S+)", text):
        return f"unknown setting {found.group(2)}: no such field here{_meant(found.group(2), known)}"
    if found := re.search(r"Could not find '([^']+)/([^'/]+)'", text):
        group, option = found.groups()
        if extra := _LAUNCHERS.get(option) if group == "hydra/launcher" else None:
            return f"this launcher needs a package that is not there: pip install 'ecgcli[{extra}]'"
        options = re.findall(r"^\t(\S+)$", text, flags=re.MULTILINE)
        return f"{group}={option}: no such choice, expected {_listed(options)}{_meant(option, options)}"
    if found := re.search(r"Could not append to config\. An item is already at '([^']+)'", text):
        return f"+{found.group(1)}: the setting exists; write it without the +"
    first = text.strip().splitlines()[0] if text.strip() else type(error).__name__
    if override := getattr(error, "override", None):
        return f"cannot read {override!r}: expected key=value, lists as 'key=[1,2]' in quotes for the shell"
    return first


def _meant(word: str, known: Any) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _listed(names: Any) -> str:
    *most, last = list(names)
    return f"{', '.join(most)} or {last}" if most else last


def _refuse_beats(word: str, arguments: list[str]) -> None:
    for argument in arguments:
        if re.match(r"[+~]*(beat|protocol)(\.|=|@)", argument):
            raise EcgError(f"{argument}: {_WITHOUT_BEATS[word]}; leave it out")


def _sweeps(arguments: list[str]) -> bool:
    return any(argument in ("-m", "--multirun") for argument in arguments)


def _flags_first(arguments: list[str]) -> list[str]:
    """Puts Hydra's flags before the settings: its parser refuses settings on both sides of a flag."""
    for argument in arguments:
        if argument.startswith("-") and argument.partition("=")[0] not in HYDRA_FLAGS:
            meant = _meant(argument, sorted(HYDRA_FLAGS))
            raise EcgError(f"unknown option {argument}{meant}; settings are key=value")
    settings = [argument for argument in arguments if "=" in argument and not argument.startswith("-")]
    return [argument for argument in arguments if argument not in settings] + settings


def _quoted(word: str, arguments: list[str]) -> list[str]:
    """Quotes the values of path settings, so that Hydra's grammar takes file names as typed."""
    from ecgcli.config import PATH_FIELDS, PATH_LISTS

    sweep = _sweeps(arguments)
    quoted = []
    for argument in arguments:
        key, sign, value = argument.partition("=")
        is_path = sign and key in PATH_FIELDS[word] and value and value != "null"
        there = Path(value).exists()
        if is_path and key in PATH_LISTS and not there and (several := re.fullmatch(r"\[([^][]*)\]", value)):
            if not re.search(r"(^|,)\s*['\"]", several[1]):  # else the user has put them in quotes
                items = [_quoted_path(item.strip()) for item in several[1].split(",")]
                argument = f"{key}=[{','.join(items)}]"
        elif is_path and not (sweep and "," in value and not there):
            argument = f"{key}={_quoted_path(value)}"
        quoted.append(argument)
    return quoted


def _quoted_path(path: str) -> str:
    """A path in quotes of Hydra's grammar; as it is, where the user put it in quotes or it needs none."""
    plain = re.fullmatch(r"(\.{0,2}/)?[A-Za-z_][\w./-]*", path, re.ASCII)
    if plain and path.lower() not in ("null", "true", "false", "nan", "inf"):
        return path
    if len(path) > 1 and path[0] == path[-1] and path[0] in "'\"":
        return path
    path = path.replace("\\", "\\\\") if path.endswith("\\") or "\\'" in path else path
    return "'" + path.replace("${", "\\${").replace("'", "\\'") + "'"


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
