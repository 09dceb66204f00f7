"""The benchmark still runs on the code that it measures; its figures are not judged here."""

from __future__ import annotations

import re
import runpy
from typing import Any

import pytest

from tests.conftest import ROOT


@pytest.mark.slow
def test_a_round_is_measured_against_a_bare_loop() -> None:
    bench: dict[str, Any] = runpy.run_path(str(ROOT / "scripts/bench.py"))
    small = bench["fit_ratio"]
    small.__globals__.update(REPEATS=1, BEATS=2500, STEPS=3)
    said = re.fullmatch(r"([\d.]+) of the bare loop, [\d.]+ to [\d.]+ \(goal 1.05\)", small())
    assert said and float(said.group(1)) > 0
