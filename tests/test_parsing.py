"""Plain data from elsewhere: it becomes a typed configuration, or is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecgcli.config import TrainConfig
from ecgcli.errors import EcgError
from ecgcli.parsing import parse
from tests.conftest import compose_values


def test_a_configuration_from_elsewhere_names_no_code(tmp_path: Path) -> None:
    values = compose_values()
    values["model"] = {"_target_": "pathlib.Path.write_text", "name": "cnn"}
    with pytest.raises(EcgError, match=r"unknown setting model\._target_"):
        parse(TrainConfig, values)
