"""Data sets: simulated patients, the MIT-BIH database, the Kaggle files, folders and tables of one's own."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from ecgcli.choices import Choice
from ecgcli.recordings.aami import ClassMap


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
