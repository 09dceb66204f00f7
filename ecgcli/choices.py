"""What each axis of an experiment may be: one class for every choice in `conf/`.

`conf/` holds the values, these classes hold the meaning. A choice (`model=cnn`) is a class whose `name` says
which one it is; nothing in a configuration names code. Fields that came later than a released layout carry
their default here too, so that older run folders can be read.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

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


class Wfdb(Choice):
    """Folders of WFDB records with beat annotations; several folders are several databases in one table.

    `subjects` is a CSV file with the columns record and subject, for people with more than one record.
    """

    name: Literal["wfdb"]
    path: Annotated[tuple[str, ...], Field(min_length=1)]
    annotator: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]
    subjects: str | None
    class_map: ClassMap

    @field_validator("path", mode="before")
    @classmethod
    def _one_folder(cls, value: Any) -> Any:
        # tuples, as JSON's lists pass for tuples only where no function of ours came between
        return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _names_differ(self) -> Wfdb:
        names = [folder_name(path) for path in self.path]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"data.path has two folders named {twice[0]!r}: each database is known by its folder's name"
            )
        return self

    @property
    def database(self) -> str:
        """Where the recordings come from."""
        return "+".join(folder_name(path) for path in self.path)


class Table(Choice):
    """Beats that are cut already, one a row: CSV or Parquet with a label column, or NPZ with arrays.

    Column names that are null are looked for under their usual names; `classes` that are null are found.
    """

    name: Literal["table"]
    path: Annotated[str, Field(min_length=1)]
    label: str | None
    record: str | None
    subject: str | None
    sample: str | None
    classes: Annotated[tuple[str, ...], Field(min_length=2)] | None

    @field_validator("label", "record", "subject", "sample", "classes", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        # columns and classes may be called 187 or 0, which YAML and the command line take for numbers
        if isinstance(value, list):
            return tuple(str(one) if isinstance(one, int) else one for one in value)
        return str(value) if isinstance(value, int) else value

    @property
    def database(self) -> str:
        """Where the beats come from."""
        return folder_name(self.path)


Data = Annotated[Demo | Mitdb | Kaggle | Wfdb | Table, Field(discriminator="name")]


def folder_name(path: str) -> str:
    """Name of the database in a folder: the last part of its path; `x/1.0.0` and `x/files` are x."""
    names = [part for part in PurePath(path).parts if not re.fullmatch(r"/|files|\d+(\.\d+)+", part)]
    return names[-1] if names else path


# -- beats ---------------------------------------------------------------------------------------------


class KaggleBeat(Choice):
    """From R over 1.2 RR intervals, every third sample of 360 Hz, min-max scaled, padded to 187."""

    name: Literal["kaggle"]
    rhythm: bool = False


class CentredBeat(Choice):
    """A window around R, resampled to `rate` Hz; `before` and `after` in seconds.

    `leads` go by name, or by number from 0. `rhythm` adds RR features, `rhythm_prior` what a network that has
    seen simulated rhythms alone makes of them; `morphology` adds the patient's usual beat as further
    channels, and how far a beat is from it as features.
    """

    name: Literal["centred"]
    rate: Annotated[float, Field(ge=50, le=1000)]
    before: Annotated[float, Field(gt=0, le=5)]
    after: Annotated[float, Field(gt=0, le=5)]
    leads: Annotated[tuple[str | Annotated[int, Field(ge=0)], ...], Field(min_length=1, max_length=12)]
    fallback: Literal["other", "refuse"]
    scaling: Literal["record", "beat", "none"]
    rhythm: bool = False
    rhythm_prior: bool = False
    morphology: bool = False

    @model_validator(mode="after")
    def _prior_of_a_rhythm(self) -> CentredBeat:
        if self.rhythm_prior and not self.rhythm:
            raise ValueError("beat.rhythm_prior judges the rhythm: it needs beat.rhythm=true")
        return self


class GivenBeat(Choice):
    """Beats as a table has them, of whatever length; `rate` in Hz.

    `rhythm` needs a table with the columns record and sample.
    """

    name: Literal["given"]
    rate: Annotated[float, Field(gt=0)]
    scaling: Literal["beat", "min_max", "none"]
    rhythm: bool = False


Beat = Annotated[KaggleBeat | CentredBeat | GivenBeat, Field(discriminator="name")]

# -- protocols -----------------------------------------------------------------------------------------


class KaggleProtocol(Choice):
    """The published split of the Kaggle files; validation is carved at random from the training file."""

    name: Literal["kaggle"]
    validation: Share
    seed: Annotated[int, Field(ge=0)]


class InterPatient(Choice):
    """DS1 → DS2 (de Chazal 2004); validation is one of `folds` subject folds of DS1.

    `folds=null` trains on all of DS1 and validates on nothing.
    """

    name: Literal["inter_patient"]
    folds: Annotated[int, Field(ge=2, le=11)] | None
    seed: Annotated[int, Field(ge=0)]


class InterPatientStrict(Choice):
    """DS1 → DS2 without record 201, whose subject is also that of record 202 in DS2."""

    name: Literal["inter_patient_strict"]
    folds: Annotated[int, Field(ge=2, le=11)] | None
    seed: Annotated[int, Field(ge=0)]


class IntraPatient(Choice):
    """Beats at random, stratified by class: the same patients on all sides. Shares are of the beats."""

    name: Literal["intra_patient"]
    test: Share
    validation: Share
    seed: Annotated[int, Field(ge=0)]


class KFold(Choice):
    """Folds of whole subjects, stratified by class; every fold is tested once, the next one validates.

    `records=ds1` takes the records of DS1 alone, `unpaced` those of DS1 and DS2; both without class Q.
    """

    name: Literal["k_fold"]
    k: Annotated[int, Field(ge=3, le=100)]
    records: Literal["all", "ds1", "unpaced"]
    seed: Annotated[int, Field(ge=0)]


class CrossDatabase(Choice):
    """Trained on some databases, tested on others, each known by its folder's name (`data=wfdb`).

    `validation` is a share of the training databases' subjects. Classes without a training beat are neither
    trained nor scored.
    """

    name: Literal["cross_database"]
    train: Annotated[tuple[str, ...], Field(min_length=1)]
    test: Annotated[tuple[str, ...], Field(min_length=1)]
    validation: Share
    seed: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _apart(self) -> CrossDatabase:
        both = sorted(set(self.train) & set(self.test))
        if both:
            raise ValueError(f"protocol.train and protocol.test both have {both[0]}: expected different ones")
        return self


class LabelledMinutes(Choice):
    """Other patients train, a copy adapts to the first `minutes` of a held-out recording, the rest is tested.

    Adapting is `steps` optimizer steps at the learning rate `lr` on the labelled beats of the one recording.
    `records=ds2` is DS1 → DS2, one of `k` subject folds of DS1 validates. `ds1`, `unpaced` and `all` are `k`
    folds as of `k_fold`.
    """

    name: Literal["labelled_minutes"]
    minutes: Annotated[float, Field(gt=0, le=60)]
    steps: Annotated[int, Field(ge=0, le=10_000)]
    lr: Annotated[float, Field(gt=0)]
    records: Literal["ds2", "ds1", "unpaced", "all"]
    k: Annotated[int, Field(ge=3, le=11)]
    seed: Annotated[int, Field(ge=0)]


class BySubject(Choice):
    """A seeded hold-out of whole subjects; `test` and `validation` are shares of the subjects."""

    name: Literal["by_subject"]
    test: Share
    validation: Share
    seed: Annotated[int, Field(ge=0)]


Protocol = Annotated[
    KaggleProtocol
    | InterPatient
    | InterPatientStrict
    | IntraPatient
    | BySubject
    | KFold
    | LabelledMinutes
    | CrossDatabase,
    Field(discriminator="name"),
]

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


def _odd(size: int) -> int:
    if size % 2 == 0:
        raise ValueError(f"model.kernel_size={size}: kernel sizes must be odd")
    return size


OddKernel = Annotated[int, Field(ge=3, le=63), AfterValidator(_odd)]


class NetworkChoice(Choice):
    """What every network that reads the signal has.

    Attributes:
        fusion: how it takes in the features beside the signal (rhythm, morphology). `concat` puts them beside
            what the network has made of the signal, before the last layer; `add` lets a small network of
            their own vote in log-probability space.
        stretches: factors on the time of a beat; trained, the network answers with the mean of its
            probabilities for the beat stretched by each. None: the beat as it is. For beats that begin at R.
    """

    fusion: Literal["concat", "add"] = "concat"
    stretches: Annotated[tuple[Annotated[float, Field(ge=0.5, le=2)], ...], Field(max_length=16)] = ()


class BaselineCnn(NetworkChoice):
    """The network this project grew from: a Linear on the time axis, three Conv1d(16, k=3), two Linear."""

    name: Literal["baseline_cnn"]


class Cnn(NetworkChoice):
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


class Resnet(NetworkChoice):
    """A residual network over time (He et al. 2016): a stem, then stages, between which the rate is halved.

    `channels` has one entry a stage, each of `blocks` blocks of two convolutions; `bins` averages over equal
    stretches of time go to the last layer.
    """

    name: Literal["resnet"]
    channels: Annotated[tuple[Size, ...], Field(min_length=1, max_length=8)]
    blocks: Annotated[int, Field(ge=1, le=16)]
    kernel_size: OddKernel
    stem_stride: Annotated[int, Field(ge=1, le=4)]
    bins: Annotated[int, Field(ge=1, le=64)]
    dropout: Annotated[float, Field(ge=0, lt=1)]


class Convnext(NetworkChoice):
    """A ConvNeXt over time (Liu et al. 2022): depthwise convolutions with long kernels, inverted bottlenecks.

    `channels` has one entry a stage, each of `blocks` blocks; `patch` samples make one step of the first
    stage; `stochastic_depth` is the chance of leaving out the last block in training; `bins` averages over
    equal stretches of time go to the last layer.
    """

    name: Literal["convnext"]
    channels: Annotated[tuple[Size, ...], Field(min_length=1, max_length=8)]
    blocks: Annotated[int, Field(ge=1, le=16)]
    kernel_size: OddKernel
    patch: Annotated[int, Field(ge=1, le=16)]
    expansion: Annotated[int, Field(ge=1, le=8)]
    bins: Annotated[int, Field(ge=1, le=64)]
    stochastic_depth: Annotated[float, Field(ge=0, lt=1)]
    dropout: Annotated[float, Field(ge=0, lt=1)]


class Minirocket(NetworkChoice):
    """MiniRocket (Dempster et al. 2021): a fixed transform, and a linear layer, which alone is trained.

    `features` is about the number of features that the transform gives, rounded down to a multiple of 84.
    """

    name: Literal["minirocket"]
    features: Annotated[int, Field(ge=84, le=100_000)]
    dropout: Annotated[float, Field(ge=0, lt=1)]


class Mlp(Choice):
    """A multilayer perceptron over the features beside the signal; over its samples where there are none.

    `units` has one entry a hidden layer; `dropout` comes after each.
    """

    name: Literal["mlp"]
    units: Annotated[tuple[Size, ...], Field(min_length=1, max_length=8)]
    dropout: Annotated[float, Field(ge=0, lt=1)]


Network = Annotated[BaselineCnn | Cnn | Resnet | Convnext | Minirocket | Mlp, Field(discriminator="name")]

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


class Focal(Choice):
    """Focal loss (Lin et al. 2017): beats that are right already weigh (1 − p) ** gamma."""

    name: Literal["focal"]
    gamma: Annotated[float, Field(ge=0, le=10)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]


class ClassBalanced(Choice):
    """Cross-entropy weighted by the effective number of beats of each class (Cui et al. 2019)."""

    name: Literal["class_balanced"]
    beta: Annotated[float, Field(ge=0, lt=1)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]


class LogitAdjusted(Choice):
    """Cross-entropy on logits raised by tau times the log of the class's share (Menon et al. 2021)."""

    name: Literal["logit_adjusted"]
    tau: Annotated[float, Field(ge=0, le=10)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]


Loss = Annotated[CrossEntropy | Focal | ClassBalanced | LogitAdjusted, Field(discriminator="name")]


class Augment(Choice):
    """Changes of training beats, drawn anew for every batch; 0 leaves a kind out.

    Attributes:
        name: `none` or `standard`.
        scaling: standard deviation of the logarithm of a factor on the amplitude, one a beat.
        shift: standard deviation of an offset of the amplitude, in spreads of the beat, one a beat and lead.
        noise: standard deviation of white noise, in spreads of the beat.
        wander: amplitude of a slow sine of random phase, in spreads of the beat.
        lead_dropout: chance that a lead of a beat is set to zero; one lead always stays.
        jitter: standard deviation of the R position, in seconds.
        mixup: alpha of the Beta distribution by which beats and labels are mixed (Zhang et al. 2018).
        stretch: how far a factor on time goes from 1, one a beat, uniform; for beats that begin at R.
        rhythm: chance that the rhythm around a beat becomes that around a simulated one of its class.
    """

    name: Literal["none", "standard"]
    scaling: Annotated[float, Field(ge=0, le=2)]
    shift: Annotated[float, Field(ge=0, le=10)]
    noise: Annotated[float, Field(ge=0, le=10)]
    wander: Annotated[float, Field(ge=0, le=10)]
    lead_dropout: Annotated[float, Field(ge=0, lt=1)]
    jitter: Annotated[float, Field(ge=0, le=0.2)]
    mixup: Annotated[float, Field(ge=0, le=10)]
    stretch: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    rhythm: Annotated[float, Field(ge=0, le=1)] = 0.0

    @model_validator(mode="after")
    def _none_is_none(self) -> Augment:
        strong = [key for key, value in self if key != "name" and value]
        if self.name == "none" and strong:
            raise ValueError(
                f"augment.{strong[0]} contradicts augment=none, which changes nothing: use augment=standard"
            )
        return self


class TensorBoardLog(Choice):
    """TensorBoard event files in the run folder, which every run writes."""

    name: Literal["tensorboard"]


class CsvLog(Choice):
    """The curves as CSV files in the run folder, beside TensorBoard."""

    name: Literal["csv"]


class MlflowLog(Choice):
    """MLflow, beside TensorBoard; `tracking_uri` null is the folder `outputs/mlflow`."""

    name: Literal["mlflow"]
    experiment: str
    tracking_uri: str | None


class WandbLog(Choice):
    """Weights & Biases, beside TensorBoard; `offline` writes to `outputs/wandb` alone."""

    name: Literal["wandb"]
    project: str
    offline: bool


Logger = Annotated[TensorBoardLog | CsvLog | MlflowLog | WandbLog, Field(discriminator="name")]


class TrainerChoice(Choice):
    """How and where to train. The budget is `epochs` passes' worth of steps, whatever the sampling.

    `ema` is the decay of an exponential average of the weights, which is then used in place of the last ones;
    `early_stopping` ends a network after so many rounds without a better validation macro-F1. With several
    `devices` a process each takes its share of every batch.
    """

    accelerator: Literal["auto", "cpu", "gpu", "mps"]
    precision: Literal["32-true", "bf16-mixed", "16-mixed"]
    epochs: Positive
    steps: Annotated[int, Field(ge=2)] | None
    batch_size: Positive
    gradient_clip: Annotated[float, Field(gt=0)] | None
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    early_stopping: Positive | None = None
    deterministic: bool
    threads: Positive | None
    devices: Positive | Literal["auto"] = 1
    progress: Literal["auto", "bar", "lines", "none"]


# -- how certain, and where to decide --------------------------------------------------------------------


class NoCalibration(Choice):
    """Probabilities as the networks give them."""

    name: Literal["none"]


class FittedCalibration(Choice):
    """What every fitted calibration has: `from`, a k-fold run whose predictions it is fitted on.

    Null is the validation part. In code the field is `run`, `from` being a word of the language.
    """

    run: Annotated[str | None, Field(alias="from")] = None

    @model_serializer(mode="wrap")
    def _as_typed(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = handler(self)
        return {"from" if key == "run" else key: value for key, value in values.items()}


class TemperatureScaling(FittedCalibration):
    """One temperature for all classes (Guo et al. 2017): how sure, not what is decided."""

    name: Literal["temperature"]


class LogitBias(FittedCalibration):
    """A temperature, and a bias for every class that has enough beats; this moves decisions."""

    name: Literal["bias"]


CalibrationChoice = Annotated[NoCalibration | TemperatureScaling | LogitBias, Field(discriminator="name")]


def _listed(value: Any) -> Any:
    # one for all is a list of one
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _named(value: Any) -> Any:
    # classes of a table may be called 0 and 1
    return tuple(str(one) if isinstance(one, int) else one for one in _listed(value))


def _flaggable(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError(f"operating_point.of={','.join(names)} names a class twice")
    if "abnormal" in names and len(names) > 1:
        raise ValueError(
            f"operating_point.of={','.join(names)}: expected abnormal (every class but N) alone, or classes"
        )
    if "N" in names:
        raise ValueError("operating_point.of holds N: what is flagged are abnormal beats, or classes of them")
    return names


Flagged = Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_named), AfterValidator(_flaggable)]
Targets = Annotated[tuple[Share, ...], Field(min_length=1), BeforeValidator(_listed)]
Cost = Annotated[float, Field(gt=0, le=1e6)]
Costs = Annotated[tuple[Cost, ...], Field(min_length=1), BeforeValidator(_listed)]


class Argmax(Choice):
    """Every beat is given its most probable class."""

    name: Literal["argmax"]


class AimedPoint(Choice):
    """Thresholds that reach a target on the validation part.

    `of` is `abnormal` (every class but N) or some classes, `target` one share for all of them or one each.
    """

    of: Flagged
    target: Targets

    @model_validator(mode="after")
    def _one_target_a_class(self) -> AimedPoint:
        _one_each("target", self.target, self.of)
        return self


class SensitivityPoint(AimedPoint):
    """At least this share of the beats is flagged, with as few false alarms as that allows."""

    name: Literal["sensitivity"]


class PrecisionPoint(AimedPoint):
    """At least this share of what is flagged is right, with as many beats found as that allows."""

    name: Literal["precision"]


class CostPoint(Choice):
    """The least expected cost under the calibrated probabilities, a false alarm being the unit.

    `miss` is what a beat of the classes `of` costs if it is called N, one cost for all of them or one each;
    abnormal classes that are not named cost 1. `mistype` is the cost of the wrong abnormal class.
    """

    name: Literal["cost"]
    of: Flagged
    miss: Costs
    mistype: Annotated[float, Field(ge=0, le=1e6)]

    @model_validator(mode="after")
    def _one_cost_a_class(self) -> CostPoint:
        _one_each("miss", self.miss, self.of)
        return self


def _one_each(field: str, values: tuple[float, ...], of: tuple[str, ...]) -> None:
    if len(values) not in (1, len(of)):
        raise ValueError(
            f"operating_point.{field} has {len(values)} entries, operating_point.of has {len(of)}: "
            f"give one for all or one for each"
        )


class Report(Choice):
    """How much is said of a finished run; `replicates` of the bootstrap behind the intervals.

    `gallery` draws the most confident mistakes and what drove them, `figures` all but those, `none` nothing.
    """

    replicates: Annotated[int, Field(ge=10, le=100_000)] = 1000
    pictures: Literal["gallery", "figures", "none"] = "gallery"


PointChoice = Annotated[Argmax | SensitivityPoint | PrecisionPoint | CostPoint, Field(discriminator="name")]

# -- what a search may try -------------------------------------------------------------------------------


class Range(Choice):
    """Numbers from `low` to `high`, whole ones where both are; `step` or `log` says how they are spaced."""

    low: float | int
    high: float | int
    step: float | int | None = None
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether it holds whole numbers alone."""
        return all(isinstance(number, int) for number in (self.low, self.high, self.step or 1))

    @model_validator(mode="after")
    def _is_one(self) -> Range:
        if self.low >= self.high:
            raise ValueError(f"expected low below high, got {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"expected low above 0 with log: true, got {self.low}")
        if self.step is not None:
            steps = (self.high - self.low) / self.step if self.step > 0 else 0.5
            if self.log or abs(steps - round(steps)) > 1e-9:
                raise ValueError(f"expected whole steps of {self.step} from low to high, and no log")
        return self


class Space(Choice):
    """What a search may try: for each setting, named with its dots, a range or a list of options.

    In a file the settings stand as they do in a configuration: `optimizer: {lr: {low: 1e-4, high: 1e-2}}`, or
    `optimizer.lr: {…}`; a list (`model: [cnn, resnet]`) holds options, each as it would be given.
    """

    name: Annotated[str, Field(pattern=r"^[\w-]+$")]
    ranges: dict[str, Range]
    options: dict[str, Annotated[list[Any], Field(min_length=1)]]

    @model_validator(mode="before")
    @classmethod
    def _by_setting(cls, values: Any) -> Any:
        if not isinstance(values, dict) or {"ranges", "options"} <= set(values):
            return values
        ranges: dict[str, Any] = {}
        options: dict[str, Any] = {}

        def walk(group: dict[str, Any], prefix: str) -> None:
            for key, value in group.items():
                if isinstance(value, list):
                    options[prefix + key] = value
                elif isinstance(value, dict) and not {"low", "high"} & set(value):
                    walk(value, f"{prefix}{key}.")
                elif isinstance(value, dict):
                    ranges[prefix + key] = value
                else:
                    raise ValueError(
                        f"space.{prefix}{key}={value}: expected a list of options, or a range "
                        f"{{low: …, high: …}}"
                    )

        walk({key: value for key, value in values.items() if key != "name"}, "")
        if not ranges and not options:
            raise ValueError("the space is empty: expected at least one setting with a range or options")
        return {"name": values.get("name"), "ranges": ranges, "options": options}
