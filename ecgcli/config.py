"""The typed configuration of each command, and the checks across fields.

A composed configuration and the `config.json` of a run folder go through the same door, `parse`, and both are
plain data. What the single choices may hold stands in `choices/`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from ecgcli.choices import Choice, Positive
from ecgcli.choices.augment import NO_AUGMENT, Augment
from ecgcli.choices.beat import Beat, CentredBeat
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
from ecgcli.errors import EcgError
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
        _beats_suit_data(self.data.name, self.beat.name, self.beat.rhythm)
        _protocol_suits_data(self.data.name, self.protocol)
        _learning_agrees(self)
        stretching = {
            "augment.stretch": self.augment.stretch,
            "model.stretches": getattr(self.model, "stretches", ()),
        }
        if isinstance(self.beat, CentredBeat) and (
            used := [name for name, value in stretching.items() if value]
        ):
            raise ValueError(
                f"{used[0]} moves R away from its place in windows of beat=centred: "
                f"it is for beats that begin at R (beat=kaggle)"
            )
        if self.augment.rhythm and not self.beat.rhythm:
            raise ValueError("augment.rhythm changes the features of beat.rhythm: it needs beat.rhythm=true")
        if self.model.name == "baseline_cnn" and isinstance(self.beat, CentredBeat):
            length = round((self.beat.before + self.beat.after) * self.beat.rate)
            if length < 16:
                raise ValueError(
                    f"beat.before + beat.after give windows of {length} samples: model=baseline_cnn "
                    f"needs at least 16"
                )
        return self


def _beats_suit_data(data: str, beat: str, rhythm: bool) -> None:
    if data == "kaggle" and beat != "kaggle":
        raise ValueError(
            f"beat={beat} contradicts data=kaggle, whose beats are already cut: use beat=kaggle, "
            f"or data=mitdb to cut them otherwise"
        )
    if data == "kaggle" and rhythm:
        raise ValueError(
            "beat.rhythm contradicts data=kaggle: its rows are single beats in no order, so their RR "
            "intervals are not known; use data=mitdb beat=kaggle beat.rhythm=true"
        )
    if (data == "table") != (beat == "given"):
        wanted = "beat=given" if data == "table" else "beat=centred or beat=kaggle"
        raise ValueError(
            f"beat={beat} contradicts data={data}: beats of a table are cut already, recordings have to be "
            f"cut; use {wanted}"
        )


def _protocol_suits_data(data: str, choice: Protocol) -> None:
    protocol = choice.name
    records = getattr(choice, "records", "all")
    if data == "demo" and records != "all":
        raise ValueError(
            f"protocol.records={records} contradicts data=demo: DS1 and DS2 are records of MIT-BIH; "
            f"use data=mitdb, or protocol.records=all"
        )
    if protocol == "kaggle" and data != "kaggle":
        raise ValueError(
            f"protocol=kaggle contradicts data={data}: only the Kaggle files have that split; "
            f"use protocol={'inter_patient' if data == 'mitdb' else 'by_subject'}"
        )
    if protocol.startswith("inter_patient") and data == "demo":
        raise ValueError(
            f"protocol={protocol} contradicts data=demo: DS1 and DS2 are records of MIT-BIH; "
            f"use protocol=by_subject, or data=mitdb"
        )
    if protocol == "cross_database" and data != "wfdb":
        raise ValueError(
            f"protocol=cross_database contradicts data={data}: it needs several databases; "
            f"use data=wfdb 'data.path=[folder_a,folder_b]'"
        )


def _learning_agrees(config: TrainConfig) -> None:
    """Checks what training, calibration and the operating point ask of each other."""
    trainer, sampling = config.trainer, config.sampling
    if getattr(config.protocol, "folds", 0) is None:
        needs = {"select=best": config.select == "best", "test=false": not config.test}
        needs["trainer.early_stopping"] = trainer.early_stopping is not None
        from_run = getattr(config.calibration, "run", None) is not None
        name = config.operating_point.name
        needs[f"operating_point={name}"] = name in ("sensitivity", "precision") and not from_run
        if contradicting := [name for name, wanted in needs.items() if wanted]:
            raise ValueError(
                f"protocol.folds=null leaves no validation part, which {contradicting[0]} needs: use "
                f"protocol.folds=5, or leave {contradicting[0]} out"
                + ("; calibration.from=<k-fold run> will do too" if "point" in contradicting[0] else "")
                + ("; a grid (-m) takes test=true" if contradicting[0] == "test=false" else "")
            )
    if trainer.early_stopping and config.optimizer.schedule == "one_cycle":
        raise ValueError(
            "trainer.early_stopping contradicts optimizer.schedule=one_cycle, which is planned for all "
            "steps: use optimizer.schedule=constant, or trainer.early_stopping=null"
        )
    methods = [getattr(sampling, key, None) for key in ("method", "anomaly", "type")]
    methods = [getattr(method, "method", method) for method in methods]
    if config.loss.name in ("class_balanced", "logit_adjusted") and "class_weights" in methods:
        raise ValueError(
            f"loss={config.loss.name} contradicts the sampling method class_weights: both make up for rare "
            f"classes in the loss; use loss=cross_entropy, or another method"
        )


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


class EvalTrainer(Choice):
    """Where to run the model."""

    accelerator: Literal["auto", "cpu", "gpu", "mps"]
    threads: Positive | None


class PredictConfig(Choice):
    """Everything that `ecg predict` needs; `rate` in Hz."""

    input: str
    run: OneOrMore | None
    output: str | None
    rate: Annotated[float, Field(gt=0)] | None
    units: Literal["mV", "uV", "V"] | None
    leads: tuple[str, ...] | None
    peaks: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")] | None
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


class ExportConfig(Choice):
    """Everything that `ecg export` needs; several runs are one model."""

    run: OneOrMore
    format: Literal["onnx", "torchscript", "safetensors"]
    output: str | None
    data_dir: str | None
    trainer: ExportTrainer


class ExportTrainer(Choice):
    """How to compute."""

    threads: Positive | None


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
        _beats_suit_data(self.data.name, self.beat.name, self.beat.rhythm)
        _protocol_suits_data(self.data.name, self.protocol)
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


EvalConfig.model_rebuild()
PredictConfig.model_rebuild()
ExportConfig.model_rebuild()

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

AnyConfig = TypeVar("AnyConfig", bound=Choice)


def parse(cls: type[AnyConfig], values: Mapping[str, Any]) -> AnyConfig:
    """Turns plain values into a typed configuration.

    Args:
        cls: the configuration to make, such as `TrainConfig`.
        values: nested dicts, lists, strings, numbers and None, as JSON has them.

    Raises:
        EcgError: naming the first field that is unknown, missing, of the wrong type or in contradiction
            to another one, and what would be right.
    """
    try:
        return cls.model_validate_json(json.dumps(values))
    except ValidationError as error:
        raise EcgError(_first_fault(error)) from None
    except (TypeError, ValueError) as error:
        raise EcgError(f"the configuration is no plain data: {error}") from None


def plain(config: Choice) -> dict[str, Any]:
    """The configuration as plain data, the inverse of `parse`."""
    values: dict[str, Any] = config.model_dump(mode="json")
    return values


def settings(cls: type[Choice]) -> list[str]:
    """Dotted names of every setting that some choice of this configuration has, such as `model.channels`."""
    names: list[str] = []
    for field, info in cls.model_fields.items():
        typed = info.alias or field
        names.append(typed)
        for choice in _choices(info.annotation):
            names += [f"{typed}.{name}" for name in settings(choice)]
    return sorted(set(names))


def _choices(annotation: Any) -> list[type[Choice]]:
    if isinstance(annotation, type) and issubclass(annotation, Choice):
        return [annotation]
    return [choice for part in get_args(annotation) for choice in _choices(part)]


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


def _first_fault(error: ValidationError) -> str:
    """One line for the fault that says most: an unknown key before what may follow from it."""
    faults = error.errors(include_url=False)
    order = ["extra_forbidden", "missing"]
    fault = min(faults, key=lambda f: order.index(f["type"]) if f["type"] in order else len(order))
    # pydantic puts the chosen variant's name into the path (model.cnn.channels); users do not type it
    path = [str(part) for part in fault["loc"] if not re.fullmatch(r"constrained-int|literal\[.*", str(part))]
    variants = {"data", "beat", "protocol", "sampling", "model", "optimizer", "loss", "logger"}
    variants |= {"calibration", "operating_point", "space"}
    if len(path) > 2 and path[0] in variants:
        del path[1]
    if path[:1] == ["space"] and path[-1] == "float":
        path.pop()  # which kind of number it was not
    where = ".".join(path)
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "value_error":
        return f"{where}: {context['error']}" if where.startswith("space.") else str(context["error"])
    given = json.dumps(fault["input"], default=str)
    if kind == "extra_forbidden":
        return f"unknown setting {where}: no such field; `--cfg job` shows the ones there are"
    if kind == "missing":
        return f"setting {where} is missing"
    if kind == "union_tag_invalid":
        return f"{where}.name={context['tag']}: expected {context['expected_tags']}"
    if kind == "union_tag_not_found":
        return f"{where}: expected a choice with a name, got {given}"
    expected = fault["msg"][0].lower() + fault["msg"][1:]
    expected = expected.removeprefix("input should be ").replace("a valid array", "a list")
    expected = expected.replace("a valid string", "text").replace("a valid boolean", "true or false")
    expected = expected.replace("a valid integer", "a whole number").replace("a valid number", "a number")
    return f"{where}={given}: expected {expected}"
