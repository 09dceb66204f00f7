"""Settings and flags as a user types them, made into what Hydra's grammar takes."""

from __future__ import annotations

import re
from pathlib import Path

from ecgcli.errors import EcgError
from ecgcli.faults import meant

WITHOUT_BEATS = {
    "eval": "a run is evaluated with its own beats and protocol",
    "fetch": "recordings are fetched whole, whatever is cut from them",
}
"""Commands that take `data=` without the beats and the protocol that a data set brings along, and why."""

HYDRA_FLAGS = frozenset(
    {"-h", "-c", "-p", "-r", "-m", "-i", "-sc", "-cp", "-cn", "-cd", "--help", "--hydra-help", "--version"}
    | {"--cfg", "--resolve", "--package", "--run", "--multirun", "--info", "--shell-completion"}
    | {"--config-path", "--config-name", "--config-dir", "--experimental-rerun"}
)
"""What Hydra takes beside settings."""


def refuse_beats(word: str, arguments: list[str]) -> None:
    """Refuses beats and protocols where a command takes none.

    Raises:
        EcgError: naming the setting, and why it has no place.
    """
    for argument in arguments:
        if re.match(r"[+~]*(beat|protocol)(\.|=|@)", argument):
            raise EcgError(f"{argument}: {WITHOUT_BEATS[word]}; leave it out")


def sweeps(arguments: list[str]) -> bool:
    """Whether a command is one of many runs."""
    return any(argument in ("-m", "--multirun") for argument in arguments)


def flags_first(arguments: list[str]) -> list[str]:
    """Puts Hydra's flags before the settings: its parser refuses settings on both sides of a flag.

    Raises:
        EcgError: naming an option that is neither.
    """
    for argument in arguments:
        if argument.startswith("-") and argument.partition("=")[0] not in HYDRA_FLAGS:
            near = meant(argument, sorted(HYDRA_FLAGS))
            raise EcgError(f"unknown option {argument}{near}; settings are key=value")
    settings = [argument for argument in arguments if "=" in argument and not argument.startswith("-")]
    return [argument for argument in arguments if argument not in settings] + settings


def quoted(word: str, arguments: list[str]) -> list[str]:
    """Quotes the values of path settings, so that Hydra's grammar takes file names as typed."""
    from ecgcli.config import PATH_FIELDS, PATH_LISTS

    sweep = sweeps(arguments)
    typed = []
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
        typed.append(argument)
    return typed


def _quoted_path(path: str) -> str:
    """A path in quotes of Hydra's grammar; as it is, where the user put it in quotes or it needs none."""
    plain = re.fullmatch(r"(\.{0,2}/)?[A-Za-z_][\w./-]*", path, re.ASCII)
    if plain and path.lower() not in ("null", "true", "false", "nan", "inf"):
        return path
    if len(path) > 1 and path[0] == path[-1] and path[0] in "'\"":
        return path
    path = path.replace("\\", "\\\\") if path.endswith("\\") or "\\'" in path else path
    return "'" + path.replace("${", "\\${").replace("'", "\\'") + "'"
