"""Protocols: which beats train, validate and test."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ecgcli.choices import Choice, Share


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


class BySubject(Choice):
    """A seeded hold-out of whole subjects; `test` and `validation` are shares of the subjects."""

    name: Literal["by_subject"]
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
