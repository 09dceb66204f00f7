"""The run folder: its name, its layout, what stands in it, and who may write it.

A run is written into `<name>.partial` beside its final place and renamed when it is whole. So a folder
without that ending is finished, whatever happened to the process that wrote it.

    config.json        the resolved configuration
    run.json           provenance: versions, git state, data fingerprint, seed, durations
    metrics.json       scores, the audit, what training cost
    model/             model.safetensors, model.json
    predictions/       validation.parquet, test.parquet
    figures/, report.md
    checkpoints/       to resume
    tensorboard/       event files
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgcli import __version__
from ecgcli.config import TrainConfig, identity
from ecgcli.errors import BeingWritten, EcgError
from ecgcli.files import as_typed, whole_folder, write_json
from ecgcli.parsing import parse, plain

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from ecgcli.learning.model import Model

FORMAT = 1
"""Version of the run folder's layout."""

RESULTS_VERSION = 3
"""Raised when a change makes equal configurations give other results; older runs are not reused then."""

OUTPUTS = Path("outputs")


@dataclass(frozen=True)
class Run:
    """A finished run folder.

    Raises:
        EcgError: if the folder is none, is unfinished, damaged, or of another format version.
    """

    path: Path

    def __init__(self, path: str | Path) -> None:
        object.__setattr__(self, "path", as_typed(path))
        if not self.path.is_dir():
            raise EcgError(f"{self.path}: no such run folder")
        if self.path.name.endswith(".partial"):
            raise EcgError(f"{self.path} is unfinished: repeat its command to finish it")
        found = self.provenance.get("format")
        if found != FORMAT:
            raise EcgError(f"{self.path} has format {found!r}: this version of ecgcli reads format {FORMAT}")

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """What `run.json` holds."""
        return _read_json(self.path / "run.json")

    @cached_property
    def config(self) -> TrainConfig:
        """The configuration that made the run."""
        try:
            return parse(TrainConfig, _read_json(self.path / "config.json"))
        except EcgError as error:
            raise EcgError(f"{self.path / 'config.json'} is damaged: {error}") from None

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """What `metrics.json` holds."""
        return _read_json(self.path / "metrics.json")

    @cached_property
    def model(self) -> Model:
        """The trained model."""
        from ecgcli.learning.model import Model

        return Model.load(self.path / "model")

    def predictions(self, part: str) -> pd.DataFrame:
        """The saved predictions of `validation` or `test`: record, subject, sample, label, p_<class>."""
        import pandas as pd

        path = self.path / "predictions" / f"{part}.parquet"
        if not path.is_file():
            raise EcgError(f"{path} is missing: this run has no predictions of its {part} part")
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise EcgError(f"{path} is damaged: {str(error).splitlines()[0]}") from None

    def predict(
        self,
        signal: npt.ArrayLike,
        rate: float,
        peaks: npt.ArrayLike | None = None,
        leads: tuple[str, ...] | None = None,
    ) -> pd.DataFrame:
        """Classifies the beats of a recording.

        Args:
            signal: (time,) or (leads, time) in mV.
            rate: samples per second, in Hz.
            peaks: positions of the R peaks in samples; None finds them (`recordings.rpeaks`).
            leads: names of the leads; None takes them in the order in which the model wants them.

        Returns:
            A row a beat: sample, time (seconds), class, and p_<class> for every class. Beats that the
            model's window cannot be cut for (such as the last two of a recording) are left out.

        Raises:
            EcgError: if the signal, its rate or the peaks cannot be used.
        """
        import numpy as np
        import pandas as pd

        from ecgcli.recordings.rpeaks import find_rpeaks

        trace = np.atleast_2d(np.asarray(signal, dtype=np.float32))
        if trace.ndim != 2 or trace.shape[1] < 2:
            raise EcgError(f"signal has shape {np.shape(signal)}: expected (time,) or (leads, time)")
        if trace.shape[0] > trace.shape[1]:
            raise EcgError(f"signal has shape {trace.shape}: expected (leads, time), time last")
        if not np.isfinite(trace).all():
            raise EcgError("signal holds NaN or infinity: cut such stretches out first")
        if not (np.isfinite(rate) and rate > 0):
            raise EcgError(f"rate={rate}: expected samples per second, above 0")
        segmenter = self.model.segmenter
        names = leads or tuple(segmenter.leads[: len(trace)])
        names += tuple(f"lead{i}" for i in range(len(names), len(trace)))
        found = find_rpeaks(trace, rate) if peaks is None else np.asarray(peaks)
        found = _checked_peaks(found, trace.shape[1])
        beats, kept, _, features = segmenter.cut(trace, rate, names, found)
        from ecgcli.evaluation.operating_point import decide

        probability = self.model.predict(beats, features=features)
        classes = self.model.classes
        decided = decide(probability, self.model.facts.operating_point, classes)
        return pd.DataFrame(
            {
                "sample": found[kept],
                "time": found[kept] / rate,
                "class": np.array(classes)[decided],
                **{f"p_{name}": probability[:, k] for k, name in enumerate(classes)},
            }
        )


def _checked_peaks(peaks: npt.NDArray[Any], length: int) -> npt.NDArray[np.int64]:
    import numpy as np

    if peaks.ndim != 1 or not np.issubdtype(peaks.dtype, np.integer):
        if len(peaks) == 0:
            return np.empty(0, dtype=np.int64)
        raise EcgError("peaks: expected whole numbers, positions in samples")
    if len(peaks) and (peaks.min() < 0 or peaks.max() >= length or (np.diff(peaks) <= 0).any()):
        raise EcgError(f"peaks: expected ascending positions between 0 and {length - 1}")
    return peaks.astype(np.int64)


def run_name(config: TrainConfig) -> str:
    """`<data>-<protocol>-<sampling>-<model>-s<seed>-<hash8>`; equal names, equal results."""
    what = json.dumps([RESULTS_VERSION, identity(config, unused=False)], sort_keys=True).encode()
    choices = (config.data.name, config.protocol.name, config.sampling.name, config.model.name)
    return f"{'-'.join(choices)}-s{config.seed}-{hashlib.sha256(what).hexdigest()[:8]}"


def finished(config: TrainConfig, outputs: Path = OUTPUTS) -> Run | None:
    """The finished run of this configuration, if there is one."""
    path = outputs / "train" / run_name(config)
    return Run(path) if path.exists() else None


@contextmanager
def begin(config: TrainConfig, fingerprint: str, outputs: Path = OUTPUTS) -> Iterator[Path]:
    """Gives the folder to write a run into; when the block ends well, it gets its final name.

    An interrupted run of the same configuration, data and versions is given as it was left, with its
    checkpoints; any other leftover is removed first.

    Args:
        config: the configuration.
        fingerprint: of the data.
        outputs: folder of all results.

    Raises:
        BeingWritten: if another process is writing the same run, or has finished it since it was looked for.
    """
    path = outputs / "train" / run_name(config)
    begun = {"data": fingerprint, "ecgcli": __version__, "torch": metadata.version("torch")}
    with whole_folder(path, keep="*.ckpt") as folder:
        if path.exists() and not config.force:
            raise BeingWritten(f"{path} was finished by another process just now; the same command shows it")
        if _begun(folder) != begun:
            kept: tuple[str, ...] = (".lock",)
        else:
            kept = (".lock", "checkpoints", "tensorboard", "csv", "logger.json")
        for leftover in folder.iterdir():
            # all else is quickly made again; a half-written file of a killed process is among it
            if leftover.name not in kept:
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        write_json(folder / "begun.json", begun)
        write_json(folder / "config.json", plain(config))
        yield folder
        (folder / "begun.json").unlink()


def _begun(folder: Path) -> Any:
    """What an interrupted run was begun with; None where none was."""
    try:
        return json.loads((folder / "begun.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def sweep_folder(outputs: Path = OUTPUTS) -> Path:
    """A folder for what a sweep leaves beside its runs; no two processes get the same."""
    return outputs / "sweeps" / f"{datetime.now():%Y-%m-%d_%H-%M-%S}-{os.getpid()}"


def provenance(config: TrainConfig, fingerprint: str, seconds: dict[str, float]) -> dict[str, Any]:
    """What `run.json` holds: enough to know what made the run, and on what."""
    packages = ("torch", "pytorch-lightning", "torchmetrics", "hydra-core", "numpy", "pandas", "wfdb")
    return {
        "format": FORMAT,
        "results_version": RESULTS_VERSION,
        "ecgcli": __version__,
        "git": _git_state(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: metadata.version(name) for name in packages},
        "command": command_line(),
        "seed": config.seed,
        "data_fingerprint": fingerprint,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": seconds,
    }


def command_line() -> str:
    """The command as the user could type it again."""
    import shlex

    return shlex.join(["ecg", os.environ.get("ECG_COMMAND", "train"), *sys.argv[1:]])


def record_opening(command: str, what: dict[str, Any], outputs: Path = OUTPUTS) -> None:
    """Appends a line to `outputs/test_openings.csv`: every scoring of a test part leaves one."""
    import csv
    import io

    columns = ("time", "command", "run", "data", "protocol", "class_map", "beats", "fingerprint")
    path = outputs / "test_openings.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    row = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "command": command, **what}
    with path.open("a", newline="", encoding="utf-8") as file:
        # one writer at a time: runs of a sweep may end in the same moment
        fcntl.flock(file, fcntl.LOCK_EX)
        text = io.StringIO()
        writer = csv.DictWriter(text, columns)
        if os.fstat(file.fileno()).st_size == 0:
            writer.writeheader()
        writer.writerow(row)
        file.write(text.getvalue())


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EcgError(f"{path} is missing: {path.parent} is no run folder of ecgcli") from None
    except NotADirectoryError:
        raise EcgError(f"{path.parent} is a file, not a run folder") from None
    except ValueError as error:
        raise EcgError(f"{path} is damaged: {str(error).splitlines()[0]}") from None
    if not isinstance(values, dict):
        raise EcgError(f"{path} is damaged: expected an object")
    return values


def _git_state() -> dict[str, Any] | None:
    """Commit of the checkout that this package runs from, and whether it was changed since."""
    here = Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        if Path(git("rev-parse", "--show-toplevel")).resolve() != here.parent:
            return None  # installed into somebody else's repository
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.SubprocessError):
        return None


class Clock:
    """Durations of the stages of a command, in seconds."""

    def __init__(self) -> None:
        self.started = self.last = time.perf_counter()
        self.seconds: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """Books the time since the last lap to a stage."""
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self.last
        self.last = now

    def rounded(self) -> dict[str, float]:
        """The durations to a hundredth of a second."""
        return {stage: round(value, 2) for stage, value in self.seconds.items()}
