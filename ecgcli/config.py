"""The typed configuration: what every choice in `conf/` may hold, and the checks across fields.

`conf/` holds the defaults, these classes hold the meaning. A choice (`model=cnn`) is a class whose `name`
says which one it is; nothing in a configuration names code. A composed configuration and the `config.json`
of a run folder go through the same door, `parse`, and both are plain data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ecgcli.errors import EcgError
from ecgcli.recordings.aami import ClassMap

Share = Annotated[float, Field(gt=0, lt=1)]
Strength = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Size = Annotated[int, Field(ge=1, le=4096)]
Method = Literal["none", "balanced_sampler", "class_weights", "oversampling", "undersampling"]


class Choice(BaseModel):
    """Base of everything in a configuration: typed, immutable, no field that is not declared."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


# -- data ----------------------------------------------------------------------------------------------


class Demo(Choice):
    """Simulated patients: made on first use, read back as WFDB records."""

    name: Literal["demo"]
    patients: Annotated[int, Field(ge=6, le=1000)]
    minutes: Annotated[float, Field(ge=0.5, le=1440)]
    seed: Annotated[int, Field(ge=0)]

    @property
    def database(self) -> str:
        """Where the recordings come from: two data sets with the same database share recordings."""
        return f"demo-{self.seed}"


class Mitdb(Choice):
    """The MIT-BIH Arrhythmia Database, in `<data_dir>/mitdb`."""

    name: Literal["mitdb"]
    class_map: ClassMap

    @property
    def database(self) -> str:
        """Where the recordings come from."""
        return "mitdb"


class Kaggle(Choice):
    """The Kaggle heartbeat files, in `<data_dir>/kaggle`, else rebuilt from `<data_dir>/mitdb`."""

    name: Literal["kaggle"]
    source: Literal["auto", "csv", "rebuild"]

    @property
    def database(self) -> str:
        """Where the recordings come from."""
        return "mitdb"


Data = Annotated[Demo | Mitdb | Kaggle, Field(discriminator="name")]

# -- beats ---------------------------------------------------------------------------------------------


class KaggleBeat(Choice):
    """From R over 1.2 RR intervals, every third sample of 360 Hz, min-max scaled, padded to 187."""

    name: Literal["kaggle"]


class CentredBeat(Choice):
    """A window around R, resampled to `rate` Hz; `before` and `after` in seconds."""

    name: Literal["centred"]
    rate: Annotated[float, Field(ge=50, le=1000)]
    before: Annotated[float, Field(gt=0, le=5)]
    after: Annotated[float, Field(gt=0, le=5)]
    leads: Annotated[tuple[str, ...], Field(min_length=1, max_length=2)]
    fallback: Literal["other", "refuse"]
    scaling: Literal["record", "beat", "none"]


Beat = Annotated[KaggleBeat | CentredBeat, Field(discriminator="name")]

# -- protocols -----------------------------------------------------------------------------------------


class KaggleProtocol(Choice):
    """The published split of the Kaggle files; validation is carved at random from the training file."""

    name: Literal["kaggle"]
    validation: Share
    seed: Annotated[int, Field(ge=0)]


class InterPatient(Choice):
    """DS1 → DS2 (de Chazal 2004); validation is one of `folds` subject folds of DS1."""

    name: Literal["inter_patient"]
    folds: Annotated[int, Field(ge=2, le=11)]
    seed: Annotated[int, Field(ge=0)]


class BySubject(Choice):
    """A seeded hold-out of whole subjects; `test` and `validation` are shares of the subjects."""

    name: Literal["by_subject"]
    test: Share
    validation: Share
    seed: Annotated[int, Field(ge=0)]


Protocol = Annotated[KaggleProtocol | InterPatient | BySubject, Field(discriminator="name")]

# -- sampling ------------------------------------------------------------------------------------------


class Imbalanced(Choice):
    """Beats as they come. `order=fixed` permutes once and keeps that order in every epoch."""

    name: Literal["imbalanced"]
    order: Literal["shuffled", "fixed"]


class Rebalanced(Choice):
    """Rare classes weigh more; `strength` 0 leaves the data as it is, 1 makes all classes equal."""

    name: Literal["rebalanced"]
    method: Literal["balanced_sampler", "class_weights", "oversampling", "undersampling"]
    strength: Strength


class Stage(Choice):
    """How one stage of the cascade draws its beats."""

    method: Method
    strength: Strength


class TwoStage(Choice):
    """An anomaly detector and a classifier of the type, composed into one model.

    `share` is the part of the optimizer steps that the anomaly detector gets; the type classifier gets
    the rest, so that both together cost what one network costs.
    """

    name: Literal["two_stage"]
    anomaly: Stage
    type: Stage
    share: Share


Sampling = Annotated[Imbalanced | Rebalanced | TwoStage, Field(discriminator="name")]

# -- networks ------------------------------------------------------------------------------------------


class BaselineCnn(Choice):
    """The network this project grew from: a Linear on the time axis, three Conv1d(16, k=3), two Linear."""

    name: Literal["baseline_cnn"]


class Cnn(Choice):
    """A stack of 1-D convolution blocks; every list has one entry a block, or one for all."""

    name: Literal["cnn"]
    channels: Annotated[tuple[Size, ...], Field(min_length=1, max_length=32)]
    kernel_sizes: Annotated[tuple[Size, ...], Field(min_length=1)]
    strides: Annotated[tuple[Size, ...], Field(min_length=1)]
    dilations: Annotated[tuple[Size, ...], Field(min_length=1)]
    normalisation: Literal["batch", "group", "none"]
    activation: Literal["relu", "gelu", "silu", "leaky_relu"]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    pooling: Literal["average", "max", "both", "flatten"]
    residual: bool

    @model_validator(mode="after")
    def _one_entry_a_block(self) -> Cnn:
        for field in ("kernel_sizes", "strides", "dilations"):
            given = len(getattr(self, field))
            if given not in (1, len(self.channels)):
                raise ValueError(
                    f"model.{field} has {given} entries, model.channels has {len(self.channels)}: "
                    f"give one entry for all blocks or one for each"
                )
        even = [k for k in self.kernel_sizes if k % 2 == 0]
        if even:
            raise ValueError(f"model.kernel_sizes holds {even[0]}: kernel sizes must be odd")
        return self


Network = Annotated[BaselineCnn | Cnn, Field(discriminator="name")]

# -- learning ------------------------------------------------------------------------------------------


class AdamW(Choice):
    """AdamW (Loshchilov & Hutter 2019)."""

    name: Literal["adamw"]
    lr: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    schedule: Literal["one_cycle", "cosine", "constant"]
    warmup: Share


class Sgd(Choice):
    """Stochastic gradient descent."""

    name: Literal["sgd"]
    lr: Annotated[float, Field(gt=0)]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    schedule: Literal["one_cycle", "cosine", "constant"]
    warmup: Share


Optimizer = Annotated[AdamW | Sgd, Field(discriminator="name")]


class CrossEntropy(Choice):
    """Cross-entropy with label smoothing."""

    name: Literal["cross_entropy"]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]


Loss = CrossEntropy


class TrainerChoice(Choice):
    """How and where to train. The budget is `epochs` passes' worth of steps, whatever the sampling."""

    accelerator: Literal["auto", "cpu", "gpu", "mps"]
    precision: Literal["32-true", "bf16-mixed", "16-mixed"]
    epochs: Positive
    steps: Annotated[int, Field(ge=2)] | None
    batch_size: Positive
    gradient_clip: Annotated[float, Field(gt=0)] | None
    deterministic: bool
    threads: Positive | None
    progress: Literal["auto", "bar", "lines", "none"]


class TrainConfig(Choice):
    """Everything that `ecg train` needs."""

    data: Data
    beat: Beat
    protocol: Protocol
    sampling: Sampling
    model: Network
    optimizer: Optimizer
    loss: Loss
    trainer: TrainerChoice
    select: Literal["best", "last"]
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    test: bool
    allow_leak: bool
    force: bool
    data_dir: str | None

    @model_validator(mode="after")
    def _fields_agree(self) -> TrainConfig:
        data, beat, protocol = self.data.name, self.beat.name, self.protocol.name
        if data == "kaggle" and beat != "kaggle":
            raise ValueError(
                f"beat={beat} contradicts data=kaggle, whose beats are already cut: use beat=kaggle, "
                f"or data=mitdb to cut them otherwise"
            )
        if protocol == "kaggle" and data != "kaggle":
            raise ValueError(
                f"protocol=kaggle contradicts data={data}: only the Kaggle files have that split; "
                f"use protocol={'inter_patient' if data == 'mitdb' else 'by_subject'}"
            )
        if protocol == "inter_patient" and data == "demo":
            raise ValueError(
                "protocol=inter_patient contradicts data=demo: DS1 and DS2 are records of MIT-BIH; "
                "use protocol=by_subject, or data=mitdb"
            )
        if self.model.name == "baseline_cnn" and isinstance(self.beat, CentredBeat):
            length = round((self.beat.before + self.beat.after) * self.beat.rate)
            if length < 16:
                raise ValueError(
                    f"beat.before + beat.after give windows of {length} samples: model=baseline_cnn "
                    f"needs at least 16"
                )
        return self


class EvalConfig(Choice):
    """Everything that `ecg eval` needs."""

    run: str
    data: Data | None = None
    allow_leak: bool
    output: str
    data_dir: str | None
    trainer: EvalTrainer


class EvalTrainer(Choice):
    """Where to run the model."""

    accelerator: Literal["auto", "cpu", "gpu", "mps"]
    threads: Positive | None


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


EvalConfig.model_rebuild()

PATH_FIELDS: dict[str, frozenset[str]] = {
    "train": frozenset({"data_dir"}),
    "eval": frozenset({"run", "data_dir", "output"}),
    "info": frozenset({"data_dir"}),
    "score": frozenset({"reference", "test", "output"}),
}
"""Fields of each command that hold a path: the command line takes their values as typed."""

MACHINE_FIELDS: tuple[str, ...] = (
    "data_dir",
    "force",
    "trainer.accelerator",
    "trainer.threads",
    "trainer.progress",
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
        names.append(field)
        for choice in _choices(info.annotation):
            names += [f"{field}.{name}" for name in settings(choice)]
    return sorted(set(names))


def _choices(annotation: Any) -> list[type[Choice]]:
    if isinstance(annotation, type) and issubclass(annotation, Choice):
        return [annotation]
    return [choice for part in get_args(annotation) for choice in _choices(part)]


def identity(config: TrainConfig) -> dict[str, Any]:
    """The part of a configuration that decides the result: everything but the machine's matters."""
    values = plain(config)
    for field in MACHINE_FIELDS:
        *groups, key = field.split(".")
        place = values
        for group in groups:
            place = place[group]
        place.pop(key)
    return values


def _first_fault(error: ValidationError) -> str:
    """One line for the fault that says most: an unknown key before what may follow from it."""
    faults = error.errors(include_url=False)
    order = ["extra_forbidden", "missing"]
    fault = min(faults, key=lambda f: order.index(f["type"]) if f["type"] in order else len(order))
    # pydantic puts the chosen variant's name into the path (model.cnn.channels); users do not type it
    path = [str(part) for part in fault["loc"]]
    variants = {"data", "beat", "protocol", "sampling", "model", "optimizer"}
    if len(path) > 2 and path[0] in variants:
        del path[1]
    where = ".".join(path)
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "value_error":
        return str(context["error"])
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
