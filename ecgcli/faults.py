"""What went wrong, in one line: errors of the user's, of Hydra's and of the machine's."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from ecgcli.errors import EcgError

_LAUNCHERS = {
    "joblib": "joblib",
    "submitit_slurm": "submitit",
    "submitit_local": "submitit",
    "ray": "ray",
}
"""Launchers of Hydra → the extra that brings each."""


def one_line(error: Exception) -> str | None:
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


def configuration_fault(word: str, error: Exception, known: Iterable[str]) -> str:
    """One line from Hydra's messages: the setting, and what would be right.

    Args:
        word: the command.
        error: of Hydra, of OmegaConf or ours.
        known: names of the settings that the command has.
    """
    text = str(error)
    if isinstance(error, EcgError):
        return text
    if found := re.search(r"Missing mandatory value: (\S+)", text):
        full = re.search(r"full_key: (\S+)", text) or found
        if word == "fetch" and full.group(1) == "data.path":
            return "data.path is missing: give it as data.path=<name>/<version>, such as data.path=qtdb/1.0.0"
        return f"{full.group(1)} is missing: give it as {full.group(1)}=..."
    if found := re.search(r"Could not override '([^'@]+)[^']*'", text):
        name = found.group(1)
        return f"unknown setting {name}: no such field here{meant(name, known) or '; `--cfg job` shows all'}"
    if found := re.search(r"Key '([^']+)' is not in struct[\s\S]*full_key: (\S+)", text):
        return f"unknown setting {found.group(2)}: no such field here{meant(found.group(2), known)}"
    if found := re.search(r"Could not find '([^']+)/([^'/]+)'", text):
        group, option = found.groups()
        if extra := _LAUNCHERS.get(option) if group == "hydra/launcher" else None:
            return f"this launcher needs a package that is not there: pip install 'ecgcli[{extra}]'"
        options = re.findall(r"^\t(\S+)$", text, flags=re.MULTILINE)
        return f"{group}={option}: no such choice, expected {listed(options)}{meant(option, options)}"
    if found := re.search(r"Could not append to config\. An item is already at '([^']+)'", text):
        return f"+{found.group(1)}: the setting exists; write it without the +"
    first = text.strip().splitlines()[0] if text.strip() else type(error).__name__
    if override := getattr(error, "override", None):
        return f"cannot read {override!r}: expected key=value, lists as 'key=[1,2]' in quotes for the shell"
    return first


def meant(word: str, known: Iterable[str]) -> str:
    """The end of a message that names what is nearest to a word; empty where nothing is near."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def listed(names: Iterable[str]) -> str:
    """Names as one reads them out: `a, b or c`."""
    *most, last = list(names)
    return f"{', '.join(most)} or {last}" if most else last
