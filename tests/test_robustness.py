"""Disturbances of a recording as strong as they say, and the script that measures what they cost."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgcli.runs import Run, run_name
from tests.conftest import ROOT, TINY, train_config

RATE = 360.0


@pytest.fixture
def robustness(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("robustness")


def test_a_qrs_complex_of_height_a_has_the_power_of_a_sine_of_that_height(robustness: Any) -> None:
    """A sine of height a, peak to peak, has the power a²/8: as noise it is 0 dB below such a complex."""
    time = np.arange(round(60 * RATE)) / RATE
    normal = np.arange(400, len(time) - 400, 300)
    lead = np.zeros(len(time))
    lead[normal], lead[normal + 9] = 1.5, -0.5  # 25 ms later: height 2
    lead[normal + 30] = -9.0  # 83 ms after R no longer
    sine = 7 * np.sin(2 * np.pi * 5 * time)
    qrs, noise = robustness.qrs_amplitude(lead, normal, RATE), robustness.noise_amplitude(sine, RATE)
    assert qrs == pytest.approx(2.0)
    assert np.ptp(robustness.gain(qrs, noise, 0) * sine) == pytest.approx(2.0, rel=1e-3)
    for decibel in (24, 6):
        added = robustness.gain(qrs, noise, decibel) * sine
        assert 10 * np.log10(2.0**2 / 8 / np.mean(added**2)) == pytest.approx(decibel, abs=1e-6)


def test_a_lost_electrode_for_some_seconds_does_not_set_the_scale(robustness: Any) -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=round(300 * RATE))
    usual = robustness.noise_amplitude(noise, RATE)
    noise[: round(10 * RATE)] *= 1000
    assert usual == pytest.approx(1.0, rel=0.02)
    assert robustness.noise_amplitude(noise, RATE) == pytest.approx(usual, rel=0.02)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("baseline wander", 0.0, 0.7), ("electrode motion", 0.0, 12.0), ("muscle noise", 15.0, 80.0)],
)
def test_a_noise_lies_where_it_is_said_to_lie(robustness: Any, name: str, low: float, high: float) -> None:
    noise = robustness.NOISES[name](round(300 * RATE), RATE, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(noise - noise.mean())) ** 2
    at = np.fft.rfftfreq(len(noise), 1 / RATE)
    assert power[(at >= low) & (at <= high)].sum() > 0.9 * power.sum()


@pytest.mark.slow
def test_undisturbed_the_folds_say_what_the_run_says_and_noise_costs(
    robustness: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ecgcli.commands.train import train

    monkeypatch.chdir(tmp_path)
    tiny = [one for one in TINY if not one.startswith("model.")]
    config = train_config(
        *tiny,
        *("model=mlp", "beat.rhythm=true", "beat.morphology=true"),
        *("data.patients=14", "protocol=k_fold", "protocol.k=3"),
    )
    train(config)
    monkeypatch.setattr(robustness, "LEVELS", (24, 0))
    run = Run(Path("outputs/train") / run_name(config))
    said = robustness.predictions(run, Path("nowhere"))
    known = run.predictions("test")
    columns = [f"p_{name}" for name in run.model.classes]
    np.testing.assert_allclose(said["none"][columns], known[columns], atol=1e-6)
    assert list(said["none"]["sample"]) == list(known["sample"])
    assert len(said) == 1 + 3 * 2 + 2 + 2
    before = known[columns].to_numpy()
    moved = {name: np.abs(frame[columns].to_numpy() - before).mean() for name, frame in said.items()}
    for noise in robustness.NOISES:
        assert 0 < moved[f"{noise}, 24 dB"] < moved[f"{noise}, 0 dB"]
    document = tmp_path / "robustness.md"
    document.write_text("before\n<!-- robustness -->\nold\n<!-- /robustness -->\nafter\n")
    capsys.readouterr()
    monkeypatch.setattr(robustness, "predictions", lambda *_: said)
    robustness.main(str(run.path), "nowhere", str(document))
    text = document.read_text()
    assert text == f"before\n<!-- robustness -->\n{capsys.readouterr().out}<!-- /robustness -->\nafter\n"
    assert "old" not in text and "| muscle noise, 0 dB | " in text
    assert (tmp_path / "images" / "robustness.png").stat().st_size > 1000
