"""What was found in a recording, on the terminal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console

from ecgcli.prediction.annotated import AnnotatedRecording
from ecgcli.prediction.events import summarise
from ecgcli.reporting.recording_terminal import lines, print_recording, print_recordings


def a_recording(called: str, gap: tuple[int, int] | None = None) -> AnnotatedRecording:
    """Beats a second apart, of the classes that are spelt, at 100 Hz."""
    n = len(called)
    return AnnotatedRecording(
        name="x",
        rate=100.0,
        samples=100 * (n + 1) + 500,
        leads=("II", "V1"),
        read_leads=(0,),
        classes=("N", "S", "V"),
        sample=100 * (np.arange(n) + 1),
        probability=np.full((n, 3), 1 / 3),
        called=np.array(["NSV".index(name) for name in called], np.int64),
        review=np.arange(n) == 0,
        unreadable=np.array([gap] if gap else np.empty((0, 2)), np.int64).reshape(-1, 2),
    )


def said(recording: AnnotatedRecording) -> dict[str, str]:
    return dict(lines(recording, summarise(recording)))


def test_runs_and_couplets_are_named_with_their_times() -> None:
    found = said(a_recording("NNVVNNVVVVNNSNN", gap=(1600, 2100)))
    assert found["beats"] == "15"
    assert found["V"] == "6 beats, 40.00% (Ventricular ectopic)"
    assert found["S"] == "1 beat, 6.67% (Supraventricular ectopic)"
    assert found["V couplets"] == "1"
    assert found["V runs"] == "1, the longest 4 beats at 60 a minute, 0:07"
    assert "S runs" not in found and "pauses" not in found
    assert found["review"] == "1 beat that the model is unsure of"
    assert found["unreadable"] == "5.0 s in 1 stretch"


def test_a_recording_without_beats_says_so() -> None:
    found = said(a_recording("", gap=(0, 600)))
    assert found == {"beats": "0", "unreadable": "6.0 s in 1 stretch"}


def test_the_files_are_named_whole(tmp_path: Path) -> None:
    console = Console(width=60, record=True, highlight=False)
    recording = a_recording("NVN")
    file = tmp_path / ("long" * 20) / "x.csv"
    print_recording(recording, summarise(recording), ["a remark"], [file], console)
    text = console.export_text()
    assert str(file) in text and "a remark" in text and "lead II at 100 Hz" in text


def test_several_recordings_have_a_line_each(tmp_path: Path) -> None:
    console = Console(width=100, record=True, highlight=False)
    print_recordings([{"recording": "a", "beats": 3}, {"recording": "b", "beats": None}], tmp_path, console)
    text = console.export_text().splitlines()
    assert text[1].split() == ["a", "3"] and text[2].split() == ["b"]
