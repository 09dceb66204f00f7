"""The built wheel: it carries `conf/` and works from any directory."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ecgcli.cli import conf_dir
from tests.conftest import ROOT


@pytest.mark.slow
@pytest.mark.promise
def test_the_wheel_holds_everything_and_runs_from_elsewhere(tmp_path: Path) -> None:
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
    ]
    subprocess.run([*build, str(ROOT)], check=True, capture_output=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    held = {
        str(path.relative_to(site / "ecgcli" / "conf")) for path in (site / "ecgcli" / "conf").rglob("*.yaml")
    }
    assert held == {str(path.relative_to(conf_dir())) for path in conf_dir().rglob("*.yaml")}
    assert (site / "ecgcli" / "beats" / "kaggle_trace.npz").is_file()
    assert (site / "ecgcli" / "beats" / "rhythm_prior.npz").is_file()
    assert (site / "ecgcli" / "reporting" / "page.html").is_file()
    assert (site / "ecgcli" / "py.typed").is_file()
    assert {path.name for path in (site / "ecgcli" / "shipped").iterdir()} == {
        "README.md",
        "model.json",
        "model.safetensors",
        "shipped.onnx",
    }
    # -P and the path: the wheel's package, not the checkout's
    code = "import ecgcli; print(ecgcli.__file__); from ecgcli.cli import main; main()"
    shown = subprocess.run(
        [sys.executable, "-P", "-c", code, "train", "data=kaggle", "--cfg", "job"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert shown.stdout.startswith(str(site)), shown.stderr
    assert "name: kaggle" in shown.stdout
