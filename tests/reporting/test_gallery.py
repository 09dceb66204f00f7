"""The gallery draws the beats it says it draws, among their neighbours, with what drove the decision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecgcli.beats.from_records import Recording, recordings_of
from ecgcli.beats.segment import Segmenter
from ecgcli.beats.sources import beats
from ecgcli.beats.table import BeatTable
from ecgcli.choices.beat import CentredBeat
from ecgcli.choices.data import Wfdb
from ecgcli.evaluation.mistakes import most_confident_mistakes
from ecgcli.recordings.record import Annotations, Record
from ecgcli.recordings.wfdb_io import write_record
from ecgcli.reporting.beat_panel import draw_beat, regions
from ecgcli.reporting.gallery import gallery

CLASSES = ("N", "S", "V", "F", "Q")
BEAT = {"name": "centred", "rate": 125.0, "before": 0.3, "after": 0.5, "leads": ("V1",), "fallback": "other"}
RATE = 250


def table_of(tmp_path: Path, **beat: Any) -> tuple[BeatTable, Segmenter, dict[str, Recording]]:
    """Two recordings with a beat a second, N but for every fifth, which is V; V1 is their second lead."""
    folder = tmp_path / "two"
    for k, name in enumerate(("100", "101")):
        at = RATE * np.arange(1, 31)
        time = np.arange(31 * RATE + 1)
        waves = sum(np.exp(-0.5 * ((time - sample) / 8) ** 2) for sample in at)
        signal = np.stack([0.5 * waves, -(1 + k) * waves]).astype(np.float32)
        symbol = np.array(["V" if i % 5 == 4 else "N" for i in range(30)])
        marks = Annotations(at, symbol, np.zeros(30, np.int64), np.full(30, ""))
        write_record(folder, Record(name, signal, RATE, ("MLII", "V1"), marks, name))
    choice = CentredBeat(**{**BEAT, "scaling": "none", **beat})
    data = Wfdb(name="wfdb", path=(str(folder),), annotator="atr", subjects=None, class_map="aami")
    found = {recording.name: recording for recording in recordings_of(folder, "two")}
    return beats(data, choice, tmp_path), Segmenter.from_config(choice), found


def predicted(table: BeatTable, rows: np.ndarray) -> pd.DataFrame:
    """Every V beat is called N, the later the surer; all else is right."""
    p = np.full((len(rows), 5), 0.01)
    label = table.label[rows]
    p[label == 0, 0] = 0.96
    sure = 0.9 + 0.05 * np.linspace(0, 1, len(rows))
    p[label == 2, 0] = sure[label == 2]
    p[label == 2, 1] = 0.97 - sure[label == 2]
    names = np.array(table.records)[table.record[rows]]
    columns = {"record": names, "subject": names, "sample": table.sample[rows]}
    columns["label"] = np.array(CLASSES)[label]
    return pd.DataFrame(columns | {f"p_{name}": p[:, k] for k, name in enumerate(CLASSES)})


def said(axes: Axes | Figure) -> list[str]:
    return [text.get_text() for text in axes.texts]


@pytest.mark.promise
def test_a_mistake_is_drawn_in_its_recording_with_what_its_neighbours_were_called(tmp_path: Path) -> None:
    table, segmenter, found = table_of(tmp_path)
    rows = np.arange(len(table))
    beside = predicted(table, rows)
    mistakes = most_confident_mistakes(beside, CLASSES, per_pair=2)
    attribution = np.zeros((2, *table.signal.shape[1:]), np.float32)
    attribution[:, 0, 37] = (2, -1)  # R is sample 38 of the beat
    ((name, caption, figure),) = gallery(
        mistakes, beside, CLASSES, table, rows, segmenter, found, attribution
    )
    assert name == "mistakes_1"
    assert caption.startswith("V called N, the surest of 12 beats of 2 subjects.")
    heads = [line.split("   ·   ") for line in said(figure)]
    assert heads == [
        ["V called N, p = 0.950", "record 101 at 0:30.0"],
        ["V called N, p = 0.925", "record 100 at 0:30.0"],
    ]

    strip, beat, *_ = figure.axes
    letters: dict[str, list[str]] = {}
    for rail in ("annotated", "called"):
        height = next(text.get_position()[1] for text in strip.texts if text.get_text() == rail)
        letters[rail] = [text.get_text() for text in strip.texts if text.get_position()[1] == height][1:]
    assert letters == {"annotated": ["N", "N", "V"], "called": ["N", "N", "N"]}, "the record ends 1 s later"
    assert [text for text in said(strip) if text in ("MLII", "V1")] == ["V1", "MLII"], "the lead read, first"
    drawn = np.asarray(strip.lines[0].get_ydata())
    assert np.ptp(drawn) == pytest.approx(10 * 2, abs=0.2), "V1 of record 101 is 2 mV deep, 10 mm/mV"

    row = table.signal[rows[mistakes["row"][0]], 0]
    trace = next(line for line in beat.lines if len(line.get_xdata()) == len(row))
    assert np.ptp(trace.get_ydata()) == pytest.approx(np.ptp(row))
    assert trace.get_xdata()[[0, -1]] == pytest.approx([-38 / 125, (len(row) - 39) / 125], abs=0.01)
    assert said(beat)[-2:] == ["▲ speaks for N", "▼ for V"]
    figure.draw_without_rendering()


def test_colour_stands_where_the_attribution_is_above_for_the_call_under_for_the_truth() -> None:
    axes = Figure().add_subplot()
    drove = np.zeros((1, 100))
    drove[0, 30], drove[0, 60] = 1, -0.5
    seconds = np.arange(100) / 100
    draw_beat(axes, np.sin(seconds)[None], seconds, ["I"], "mV", drove=drove, between=("N", "V"))
    above, under = (image.get_array()[0, :, 3] for image in axes.images)
    places = np.linspace(*axes.get_xlim(), len(above))
    assert places[above.argmax()] == pytest.approx(0.30, abs=0.01)
    assert places[under.argmax()] == pytest.approx(0.60, abs=0.01)
    assert above.max() == pytest.approx(2 * under.max(), rel=0.1), "half as strong, half as deep"
    assert above[places > 0.4].max() == 0 == under[places < 0.5].max()


def test_channels_behind_the_leads_count_for_the_lead_they_belong_to() -> None:
    attribution = np.zeros((2, 4, 100))
    attribution[0, 1, 50], attribution[0, 3, 50], attribution[1, 2, 20] = 1, 2, 5
    found = regions(attribution, leads=2, rate=100.0)
    assert found.shape == (2, 2, 100)
    assert found.sum(axis=-1) == pytest.approx(np.array([[0, 3], [5, 0]]))
    assert found[0, 1].argmax() == 50 and found[1, 0].argmax() == 20
    assert found[0, 1, 40] == 0, "smoothed over some 10 ms alone"


def test_the_usual_beat_is_drawn_where_the_model_reads_it(tmp_path: Path) -> None:
    table, segmenter, found = table_of(tmp_path, morphology=True)
    rows = np.arange(len(table))
    beside = predicted(table, rows)
    mistakes = most_confident_mistakes(beside, CLASSES)
    attribution = np.ones((len(mistakes), *table.signal.shape[1:]), np.float32)
    ((_, caption, figure),) = gallery(mistakes, beside, CLASSES, table, rows, segmenter, found, attribution)
    assert "dashed the patient's usual beat" in caption
    assert "What the features beside the signal add" in caption
    assert sum(line.get_linestyle() == "--" for line in figure.axes[1].lines) >= 1


def test_without_recordings_the_rows_themselves_are_drawn(tmp_path: Path) -> None:
    table, segmenter, _ = table_of(tmp_path)
    rows = np.flatnonzero(table.record == 0)  # a part of the table
    beside = predicted(table, rows)
    mistakes = most_confident_mistakes(beside, CLASSES, per_pair=5)
    ((_, caption, figure),) = gallery(mistakes, beside, CLASSES, table, rows, segmenter, {})
    assert "tinted" not in caption and "Orange" not in caption
    assert len(figure.axes) == 5
    assert said(figure)[0] == "V called N, p = 0.950\nrecord 100 at 0:30.0"
    figure.draw_without_rendering()


def test_beats_of_other_parts_have_an_annotation_and_no_call(tmp_path: Path) -> None:
    table, segmenter, found = table_of(tmp_path)
    rows = np.flatnonzero(table.label == 2)
    beside = predicted(table, rows)
    mistakes = most_confident_mistakes(beside, CLASSES, per_pair=1)
    ((_, caption, figure),) = gallery(mistakes, beside, CLASSES, table, rows, segmenter, found)
    assert "Beats without a call stand in other parts." in caption
    strip = figure.axes[0]
    under = next(text.get_position()[1] for text in strip.texts if text.get_text() == "called")
    calls = [text.get_text() for text in strip.texts if text.get_position()[1] == under]
    assert calls == ["called", "N"]


def test_no_mistakes_no_figures(tmp_path: Path) -> None:
    table, segmenter, found = table_of(tmp_path)
    rows = np.flatnonzero(table.label == 0)
    beside = predicted(table, rows)
    mistakes = most_confident_mistakes(beside, CLASSES)
    assert list(gallery(mistakes, beside, CLASSES, table, rows, segmenter, found)) == []
