"""The typed configuration of each command.

What the single choices may hold stands in `choices/`, which of them contradict each other in
`contradictions.py`; `parsing.py` makes a configuration from plain data.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from ecgcli.choices import Choice, Positive
from ecgcli.choices.augment import NO_AUGMENT, Augment
from ecgcli.choices.beat import Beat
from ecgcli.choices.calibration import CalibrationChoice, NoCalibration
from ecgcli.choices.data import Data
from ecgcli.choices.logger import Logger, TensorBoardLog
from ecgcli.choices.loss import Loss
from ecgcli.choices.model import Network
from ecgcli.choices.operating_point import Argmax, PointChoice
from ecgcli.choices.optimizer import Optimizer
from ecgcli.choices.protocol import Protocol
from ecgcli.choices.report import Report
from ecgcli.choices.sampling import Sampling
from ecgcli.choices.space import Space
from ecgcli.choices.trainer import TrainerChoice
from ecgcli.contradictions import (
    beats_suit_data,
    loss_suits_sampling,
    network_suits_beats,
    protocol_suits_data,
    rhythms_suit_beats,
    schedule_suits_stopping,
    stretches_suit_beats,
    validation_is_there,
)
from ecgcli.recordings.aami import ClassMap


def _one_or_several(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else (value,) if isinstance(value, str) else value


class TrainConfig(Choice):
    """Everything that `ecg train` needs."""

    data: Data
    beat: Beat
    protocol: Protocol
    sampling: Sampling
    model: Network
    optimizer: Optimizer
    loss: Loss
    augment: Augment = NO_AUGMENT
    trainer: TrainerChoice
    logger: Logger = TensorBoardLog(name="tensorboard")
    select: Literal["best", "last"]
    calibration: CalibrationChoice = NoCalibration(name="none")
    operating_point: PointChoice = Argmax(name="argmax")
    report: Report = Report()
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    test: bool
    allow_leak: bool
    force: bool
    data_dir: str | None

    @property
    def reads_test(self) -> bool:
        """Whether a test file is read: under their own protocol alone, the Kaggle data can do without it."""
        return self.test or self.protocol.name != "kaggle"

    @field_validator("test", mode="before")
    @classmethod
    def _opened_unless_told(cls, value: Any) -> Any:
        # null is a single run's: the command line has said no where it is one of a grid
        return True if value is None else value

    @model_validator(mode="after")
    def _fields_agree(self) -> TrainConfig:
        beats_suit_data(self.data, self.beat)
        protocol_suits_data(self.data, self.protocol)
        validation_is_there(
            self.protocol, self.select, self.test, self.trainer, self.calibration, self.operating_point
        )
        schedule_suits_stopping(self.optimizer, self.trainer)
        loss_suits_sampling(self.loss, self.sampling)
        stretches_suit_beats(self.augment, self.model, self.beat)
        rhythms_suit_beats(self.augment, self.beat)
        network_suits_beats(self.model, self.beat)
        return self


OneOrMore = str | Annotated[tuple[str, ...], Field(min_length=1)]
"""A run, or several."""


class SearchConfig(TrainConfig):
    """Everything that `ecg search` needs: what `ecg train` does for every trial, and what to look for."""

    space: Space
    name: Annotated[str, Field(pattern=r"^[\w][\w.-]*$")] | None
    trials: Positive
    goals: Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_one_or_several)]
    sampler: Literal["tpe", "random", "nsga2"]
    pruner: Literal["median", "hyperband", "none"]


class EvalTrainer(Choice):
    """Where to run the model."""

    accelerator: Literal["auto", "cpu", "gpu", "mps"]
    threads: Positive | None


class EvalConfig(Choice):
    """Everything that `ecg eval` needs; several runs are one model, the mean of their probabilities."""

    run: OneOrMore
    test: bool | None = None
    against: str | None = None
    data: Data | None = None
    report: Report = Report()
    allow_leak: bool
    output: str
    data_dir: str | None
    trainer: EvalTrainer


class PredictConfig(Choice):
    """Everything that `ecg predict` needs; `rate` in Hz."""

    input: str
    run: OneOrMore | None
    output: str | None
    rate: Annotated[float, Field(gt=0)] | None
    units: Literal["mV", "uV", "V"] | None
    leads: tuple[str, ...] | None
    peaks: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")] | None
    adapt: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")] | None
    adapt_minutes: Annotated[float, Field(gt=0)]
    annotator: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]
    table: Literal["csv", "parquet"]
    page: bool
    review: Annotated[float, Field(ge=0, le=1)] | None
    trainer: EvalTrainer

    @field_validator("leads", mode="before")
    @classmethod
    def _as_names(cls, value: Any) -> Any:
        # leads may go by number, and one of them needs no brackets
        listed = value if isinstance(value, list | tuple) or value is None else [value]
        return None if listed is None else tuple(str(one) for one in listed)


class ExportTrainer(Choice):
    """How to compute."""

    threads: Positive | None


class ExportConfig(Choice):
    """Everything that `ecg export` needs; several runs are one model."""

    run: OneOrMore
    format: Literal["onnx", "torchscript", "safetensors"]
    output: str | None
    data_dir: str | None
    trainer: ExportTrainer


class FetchConfig(Choice):
    """Everything that `ecg fetch` needs; `timeout` in seconds without a byte."""

    data: Data
    data_dir: str | None
    mirror: Annotated[str, Field(pattern=r"^https?://\S+$")]
    timeout: Annotated[float, Field(gt=0)]
    force: bool


class DescribeConfig(Choice):
    """Everything that `ecg describe` needs."""

    data: Data
    beat: Beat
    protocol: Protocol
    output: str
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    data_dir: str | None

    @model_validator(mode="after")
    def _fields_agree(self) -> DescribeConfig:
        beats_suit_data(self.data, self.beat)
        protocol_suits_data(self.data, self.protocol)
        return self


class InfoConfig(Choice):
    """Everything that `ecg info` needs."""

    clean: Literal["cache"] | None
    data_dir: str | None


ScoreFormat = Literal["line", "standard", "markdown", "csv", "json"]


class ScoreConfig(Choice):
    """Everything that `ecg score` needs; `window` in seconds."""

    reference: str
    test: str
    records: tuple[str | int, ...] | None
    reference_annotator: str
    test_annotator: str
    start: str | int | float
    class_map: ClassMap
    window: Annotated[float, Field(gt=0, le=1)]
    format: ScoreFormat
    shutdown: bool
    output: str | None


class CompareConfig(Choice):
    """Everything that `ecg compare` needs; `replicates` of the bootstrap behind the intervals."""

    runs: Annotated[tuple[str, ...], Field(min_length=1)]
    against: str | None
    part: Literal["test", "validation"]
    replicates: Annotated[int, Field(ge=100, le=1_000_000)]
    output: str | None

    @field_validator("runs", mode="before")
    @classmethod
    def _as_paths(cls, value: Any) -> Any:
        # one folder needs no brackets
        listed = value if isinstance(value, list | tuple) else [value]
        return tuple(str(one) for one in listed)


PATH_FIELDS: dict[str, frozenset[str]] = {
    "train": frozenset({"data_dir", "data.path", "data.subjects", "logger.tracking_uri", "calibration.from"}),
    "eval": frozenset({"run", "against", "data_dir", "output", "data.path", "data.subjects"}),
    "predict": frozenset({"input", "run", "output"}),
    "export": frozenset({"run", "output", "data_dir"}),
    "compare": frozenset({"runs", "against", "output"}),
    "fetch": frozenset({"data_dir", "data.path", "data.subjects"}),
    "describe": frozenset({"data_dir", "output", "data.path", "data.subjects"}),
    "info": frozenset({"data_dir"}),
    "score": frozenset({"reference", "test", "output"}),
}
"""Fields of each command that hold a path: the command line takes their values as typed."""
PATH_FIELDS["search"] = PATH_FIELDS["train"]

PATH_LISTS = frozenset({"data.path", "run", "runs"})
"""Those of them that may hold several, as `[a,b]`."""

MACHINE_FIELDS: tuple[str, ...] = (
    "data_dir",
    "force",
    "trainer.accelerator",
    "trainer.threads",
    "trainer.devices",
    "trainer.progress",
    "logger",
    "report",
)
"""Fields that say where and how to run, not what: they are no part of a run's identity."""


def identity(config: TrainConfig, unused: bool = True) -> dict[str, Any]:
    """The part of a configuration that decides the result: everything but the machine's matters.

    Args:
        config: the configuration.
        unused: whether to list settings that came later than others and are not in use. Without them, equal
            configurations stay equal from one release to the next.
    """
    values: dict[str, Any] = config.model_dump(mode="json", exclude_defaults=not unused)
    for field in MACHINE_FIELDS:
        *groups, key = field.split(".")
        place = values
        for group in groups:
            place = place[group]
        place.pop(key, None)
    return values
