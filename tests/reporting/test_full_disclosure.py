"""Full disclosure shows every second of a recording once, its abnormal beats in the colour of their class."""

from __future__ import annotations

import base64
import io
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from ecgcli.reporting import plots
from ecgcli.reporting.full_disclosure import full_disclosure, legend, row_anchor, row_seconds
from ecgcli.reporting.page import Row
from ecgcli.reporting.row_image import INKS, PALETTE, WIDTH
from tests.prediction.recordings import a_recording
from tests.reporting.made_up_recording import of_all_kinds, reader


def pixels(row: Row) -> npt.NDArray[np.uint8]:
    """(height, width, 4) of a row's picture."""
    content = base64.b64decode(row.source.removeprefix("data:image/png;base64,"))
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image.convert("RGBA"))


def columns_of(row: Row, colour: str, below: int = 16) -> npt.NDArray[np.intp]:
    """Columns of a row's picture, in which the trace (not the marks above it) has a colour."""
    image = pixels(row)[below:]
    return np.flatnonzero(
        ((image[..., :3] == list(bytes.fromhex(colour[1:]))).all(-1) & (image[..., 3] > 0)).any(0)
    )


def test_the_inks_are_the_colours_of_the_classes_everywhere_else() -> None:
    assert {name: ink for name, ink in INKS.items() if name != "N"} == {
        name: colour for name, (colour, _) in plots.LINES.items()
    }
    assert INKS["N"] == plots.INK


@pytest.mark.parametrize("seconds", [3, 10, 300, 601, 1805.6, 7200])
def test_every_second_is_in_one_row(seconds: float) -> None:
    recording = a_recording("N", samples=round(seconds * 250))
    rows = [row for part in full_disclosure(recording, reader(recording)) for row in part.rows]
    step = row_seconds(seconds)
    assert len(rows) == np.ceil(seconds / step)
    assert [row.reach for row in rows[:-1]] == [1.0] * (len(rows) - 1)
    assert sum(row.reach for row in rows) * step == pytest.approx(seconds, abs=0.01)
    assert [row.anchor for row in rows] == [row_anchor(k * step, seconds) for k in range(len(rows))]


@pytest.mark.promise
def test_the_signal_is_read_piece_by_piece() -> None:
    recording = a_recording("N", samples=3600 * 250)
    spans: list[tuple[int, int]] = []
    full_disclosure(recording, reader(recording, spans))
    assert max(end - start for start, end in spans) <= 600 * 250
    whole = [(start, end) for start, end in spans if end - start > 10 * 250]
    assert whole[0][0] == 0 and whole[-1][1] == recording.samples
    assert all(before[1] == after[0] for before, after in pairwise(whole))


@pytest.mark.promise
def test_an_abnormal_beat_has_the_colour_of_its_class_and_no_other_beat_has() -> None:
    # a row of 30 s; beats each second from 0.5 s on
    recording = a_recording("NNNVNNNNSNNNNFNNNNQNN", rr=1.0, samples=250 * 30)
    (row,) = full_disclosure(recording, reader(recording))[0].rows
    per_second = 2 * WIDTH / 30
    for name, at in {"V": 3.5, "S": 8.5, "F": 13.5, "Q": 18.5}.items():
        found = columns_of(row, INKS[name]) / per_second
        assert at - 0.25 < found.min() < at < found.max() < at + 0.45
    black = columns_of(row, INKS["N"])
    assert all((abs(black / per_second - at) < 0.05).any() for at in (0.5, 1.5, 9.5))
    assert not any((abs(black / per_second - at) < 0.1).any() for at in (3.5, 8.5, 13.5, 18.5))


def test_between_two_beats_the_colour_ends_half_way() -> None:
    recording = a_recording("NVSN", rr=0.3, samples=250 * 10)
    (row,) = full_disclosure(recording, reader(recording))[0].rows
    per_second = 2 * WIDTH / 10
    v, s = columns_of(row, INKS["V"]) / per_second, columns_of(row, INKS["S"]) / per_second
    assert (v.min(), v.max()) == (pytest.approx(0.65, abs=0.02), pytest.approx(0.95, abs=0.02))
    assert (s.min(), s.max()) == (pytest.approx(0.95, abs=0.02), pytest.approx(1.25, abs=0.02))


def test_every_abnormal_beat_is_marked_above_and_every_uncertain_one_below() -> None:
    recording = a_recording("NNVNN", rr=1.0, samples=250 * 10, review=np.array([0, 1, 0, 0, 0], bool))
    (row,) = full_disclosure(recording, reader(recording))[0].rows
    image, per_second = pixels(row), 2 * WIDTH / 10
    marked = np.flatnonzero(image[2:12, 20:, 3].any(axis=0)) + 20
    assert marked.mean() / per_second == pytest.approx(2.5, abs=0.02)
    asked = np.flatnonzero(image[-10:, 20:, 3].any(axis=0)) + 20
    assert asked.mean() / per_second == pytest.approx(1.5, abs=0.02)


@pytest.mark.promise
def test_what_cannot_be_read_is_shaded_where_it_is_and_drawn_pale() -> None:
    recording = a_recording("NNN", rr=10.0, samples=250 * 60, unreadable=[(3, 6), (25, 36)])
    (part,) = full_disclosure(recording, reader(recording))
    first, second = part.rows
    assert [(s.left * 30, s.width * 30) for s in first.shaded] == [
        (pytest.approx(3), pytest.approx(3)),
        (pytest.approx(25), pytest.approx(5)),
    ]
    assert [(s.left * 30, s.width * 30) for s in second.shaded] == [(0, pytest.approx(6))]
    assert second.shaded[0].text == "unreadable, 0:30 to 0:36"
    pale = columns_of(first, PALETTE[-1]) / (2 * WIDTH / 30)
    assert ((pale > 2.98) & (pale < 6.02) | (pale > 24.98)).all() and len(pale) > 400


def test_missing_samples_leave_the_row_empty() -> None:
    recording = a_recording("", samples=250 * 30)
    (row,) = full_disclosure(recording, lambda start, end: np.full((2, end - start), np.nan, np.float32))[
        0
    ].rows
    assert not pixels(row)[:, 8:, 3].any()
    assert row.alt == "From 0:00: no beats"


def test_an_event_leads_to_its_strip_from_every_row_that_it_is_in() -> None:
    recording = a_recording("N", samples=250 * 90)
    rows = full_disclosure(recording, reader(recording), [(28.0, 33.0, "a run", "strip-1")])[0].rows
    assert [[link.anchor for link in row.links] for row in rows] == [["strip-1"], ["strip-1"], []]
    assert (rows[0].links[0].left, rows[0].links[0].width) == (pytest.approx(28 / 30), pytest.approx(2 / 30))
    assert (rows[1].links[0].left, rows[1].links[0].width) == (0, pytest.approx(0.1))


def test_beyond_an_hour_every_hour_is_folded_and_says_what_is_in_it() -> None:
    recording = a_recording("N" * 3000 + "V" * 30 + "N" * 3000, rr=1.0)
    parts = full_disclosure(recording, reader(recording))
    assert [part.folded for part in parts] == [
        "0:00:00 to 1:00:00: 3,600 beats, 30 V",
        "1:00:00 to 1:40:30: 2,430 beats",
    ]
    assert [len(part.rows) for part in parts] == [60, 41]
    assert [row.time for row in parts[1].rows[:2]] == ["1:00:00", "1:01:00"]
    half_an_hour = a_recording("N", samples=250 * 1800)
    assert [part.folded for part in full_disclosure(half_an_hour, reader(half_an_hour))] == [None]


def test_all_rows_have_one_scale_and_beats_fit_it() -> None:
    recording = of_all_kinds()
    rows = full_disclosure(recording, reader(recording))[0].rows
    for row in rows[:-1]:
        image = pixels(row)[:, 8:, 3] > 0
        edges = image[[0, 1, -1]].mean()
        assert edges < 0.01, "hardly anything is cut off"
        assert image[20:-20].any(axis=0).mean() > 0.9


def test_the_legend_names_the_marks_that_there_are() -> None:
    entries = legend(of_all_kinds()).entries
    assert [mark for _, mark, _ in entries] == ["●", "▼", "◆", "■", "?", "▏"]
    assert [mark for _, mark, _ in legend(a_recording("NN")).entries] == ["▏"]
    own = legend(a_recording("ab", classes=("a", "b"))).entries
    assert [(colour, name) for colour, _, name in own[:2]] == [("other", "a"), ("other", "b")]
