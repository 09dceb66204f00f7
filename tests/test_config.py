"""The configuration: every file in `conf/` fits its class, and back from JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import ecgcli.choices
from ecgcli.cli import COMMANDS, conf_dir
from ecgcli.config import MACHINE_FIELDS, TrainConfig, identity
from ecgcli.parsing import parse, plain, settings
from tests.conftest import compose_values

GROUPS = sorted(path.name for path in conf_dir().iterdir() if path.is_dir())
CHOICES = sorted(
    f"{path.parent.name}={path.stem}"
    for path in conf_dir().glob("*/*.yaml")
    if path.parent.name not in ("experiment", "variant", "space")
)
VARIANTS = sorted(path.stem for path in conf_dir().glob("variant/*.yaml"))
EXPERIMENTS = sorted(path.stem for path in conf_dir().glob("experiment/*.yaml"))


FOLDERS = "data.path=[one,two]"


def natural(choice: str) -> list[str]:
    """What a choice needs beside it: the data of a protocol, the path of a folder."""
    return {
        "protocol=kaggle": ["data=kaggle"],
        "protocol=inter_patient": ["data=mitdb"],
        "protocol=inter_patient_strict": ["data=mitdb"],
        "protocol=labelled_minutes": ["data=mitdb"],
        "protocol=cross_database": ["data=wfdb", FOLDERS, "protocol.train=[one]", "protocol.test=[two]"],
        "data=wfdb": [FOLDERS],
        "data=table": ["data.path=beats.csv"],
        "beat=given": ["data=table", "data.path=beats.csv"],
        "beat=kaggle": ["data=mitdb"],
    }.get(choice, [])


@pytest.mark.parametrize("choice", CHOICES)
def test_every_file_fits_its_class(choice: str) -> None:
    config = parse(TrainConfig, compose_values(choice, *natural(choice)))
    assert parse(TrainConfig, json.loads(json.dumps(plain(config)))) == config


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_fits(experiment: str) -> None:
    parse(TrainConfig, compose_values(f"experiment={experiment}"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_fits_and_is_in_the_sweep_of_the_samplings(variant: str) -> None:
    parse(TrainConfig, compose_values("experiment=samplings", f"variant={variant}"))
    swept = yaml.safe_load((conf_dir() / "experiment/samplings.yaml").read_text())
    assert variant in swept["hydra"]["sweeper"]["params"]["variant"].split(",")


def test_every_choice_has_the_module_of_its_group() -> None:
    modules = {path.stem for path in Path(ecgcli.choices.__file__).parent.glob("[a-z]*.py")}
    assert {choice.partition("=")[0] for choice in CHOICES} - {"launcher"} <= modules


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_file(command: str) -> None:
    assert (conf_dir() / f"{command}.yaml").is_file()


def test_every_data_set_has_its_natural_protocol_and_an_override_wins() -> None:
    assert compose_values("data=kaggle")["protocol"]["name"] == "kaggle"
    assert compose_values("data=kaggle")["beat"]["name"] == "kaggle"
    assert compose_values("data=mitdb")["protocol"]["name"] == "inter_patient"
    assert compose_values()["protocol"]["name"] == "by_subject"
    assert compose_values("data=kaggle", "protocol=inter_patient")["protocol"]["name"] == "inter_patient"


def test_the_schema_and_the_files_know_the_same_settings() -> None:
    written: set[str] = set()

    def walk(values: dict[str, Any], prefix: str = "") -> None:
        for key, value in values.items():
            written.add(prefix + key)
            if isinstance(value, dict):
                walk(value, f"{prefix}{key}.")

    for choice in CHOICES:
        walk(compose_values(choice, *natural(choice)))
    assert written == set(settings(TrainConfig))


def test_machine_matters_are_no_part_of_the_identity() -> None:
    base = parse(TrainConfig, compose_values())
    for override in ("data_dir=x", "force=true", "trainer.accelerator=cpu", "trainer.threads=1"):
        assert identity(parse(TrainConfig, compose_values(override))) == identity(base)
    assert identity(parse(TrainConfig, compose_values("seed=1"))) != identity(base)
    assert set(MACHINE_FIELDS) <= set(settings(TrainConfig))


def test_a_setting_that_came_later_renames_no_run_that_does_without_it() -> None:
    config, whole = parse(TrainConfig, compose_values("data=kaggle")), compose_values("data=kaggle")
    del whole["model"]["stretches"], whole["augment"]["stretch"], whole["trainer"]["devices"]
    assert parse(TrainConfig, whole) == config
    listed, named = identity(config), identity(config, unused=False)
    assert "stretches" in listed["model"]
    assert "stretches" not in named["model"]
    used = parse(TrainConfig, compose_values("data=kaggle", "model.stretches=[1,1.1]"))
    assert identity(used, unused=False)["model"] == {**named["model"], "stretches": [1.0, 1.1]}
