"""The page of an annotated recording says what one counts by hand, and what it names can be seen."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgcli.prediction.annotated import AnnotatedRecording
from ecgcli.prediction.events import summarise
from ecgcli.recordings.aami import CLASS_MAPS
from ecgcli.reporting import page
from ecgcli.reporting.recording_events import FASTEST, RUNS, listed_events, not_listed
from ecgcli.reporting.recording_page import recording_page
from ecgcli.reporting.recording_summary import gravest_sentence
from ecgcli.reporting.recording_trend import heart_rate, joined, period
from ecgcli.reporting.row_image import INKS
from ecgcli.reporting.words import when
from tests.prediction.recordings import a_recording
from tests.reporting.browser import Tables, measured, needs_browser, screenshot
from tests.reporting.made_up_recording import of_all_kinds, reader


def shown(recording: AnnotatedRecording, **more: Any) -> tuple[str, Tables]:
    """The page as HTML, and what is read on it."""
    made = recording_page(recording, summarise(recording), reader(recording), **({"model": "a model"} | more))
    markup = page.html(made)
    return markup, Tables(markup)


# -- what it says --------------------------------------------------------------------------------------


@pytest.mark.promise
def test_the_page_opens_with_what_one_counts_by_hand() -> None:
    # 20 beats, each 0.8 s after the one before but for a pause of 2.4 s
    rr = np.full(19, 0.8)
    rr[14] = 2.4
    recording = a_recording(
        "NNVNNVVNNVVVNNNNNSNN", rr=rr.tolist(), review=np.arange(20) == 17, unreadable=[(17.5, 17.7)]
    )
    _, seen = shown(recording, model="model M", remarks=["In-sample: trained on this patient."])
    for said in (
        "In-sample: trained on this patient.",
        "20 beats in 17.8 s, on average 68 a minute, from 60 (at 0:06) to 75 (at 0:00).",
        "A ventricular run of 3 beats at 0:07.7, 75 a minute.",
        "V: 6 beats, 30.00% of all (1 single, 1 couplet, 1 run). "
        "S: 1 beat, 5.00% of all (1 single, 0 couplets, 0 runs).",
        "1 beat (5.0%), marked with ?, is too uncertain to be left to the model.",
        "0.2 s (1.1%) in 1 stretch cannot be read: what happened there is not known.",
        "model M",
        "Not a medical device",
    ):
        assert said in seen.text
    assert seen.row("V · Ventricular ectopic")[1:] == [
        "6",
        "30.0%",
        "1",
        "1",
        "1",
        *2 * ["3 at 0:08, 75/min"],
    ]
    assert seen.row("Pause of 2.4 s, longest")[1:3] == ["0:11.7", "2.4 s"]
    assert seen.row("0:17.5") == ["0:17.5", "0:17.7", "0.2 s"]


@pytest.mark.parametrize(
    ("names", "rr", "said"),
    [
        ("NNNN", 0.8, "None: no ectopic beat and no pause of more than 2 s."),
        ("NVNSN", 0.8, "Single beats of V and S; no couplet, no run, no pause of more than 2 s."),
        ("NSSNSSN", 0.5, "2 supraventricular couplets, the first at 0:01.0."),
        ("NVVNSSN", 0.5, "A ventricular couplet at 0:01.0."),
        ("NVVN", [0.5, 0.5, 2.5], "A pause of 2.5 s at 0:01.5."),
        ("NSSSN", [0.5, 0.5, 0.5, 2.5], "A supraventricular run of 3 beats at 0:01.0, 120 a minute."),
        ("NSSSN", [0.5, 0.5, 0.5, 3.5], "A pause of 3.5 s at 0:02.0."),
        (
            "NVVVN",
            [0.5, 0.5, 0.5, 3.5],
            "A ventricular run of 3 beats at 0:01.0, 120 a minute. A pause of 3.5 s at 0:02.0.",
        ),
        (
            "NVVVVNVVVN",
            [0.5] * 6 + [0.3, 0.3, 0.5],
            "A ventricular run of 4 beats at 0:01.0, 120 a minute, the longest; the fastest has 3 beats at "
            "0:03.5, 200 a minute.",
        ),
    ],
)
def test_the_gravest_event_is_named(names: str, rr: Any, said: str) -> None:
    assert gravest_sentence(summarise(a_recording(names, rr=rr))) == said


def test_silence_beside_what_cannot_be_read_is_named() -> None:
    _, seen = shown(a_recording("NNNN", rr=[1.0, 9.0, 1.0], unreadable=[(5.0, 9.0)]))
    assert "so that it is counted as no pause: from 0:01.5." in seen.text


def test_times_have_hours_throughout_where_there_are_any() -> None:
    assert [when(s, 7200, d) for s, d in ((0, 0), (65.25, 1), (3700, 0))] == [
        "0:00:00",
        "0:01:05.2",
        "1:01:40",
    ]
    assert when(65, 600) == "1:05"


# -- what can be seen ----------------------------------------------------------------------------------


@pytest.mark.promise
def test_every_listed_event_leads_to_its_strip_and_every_link_somewhere() -> None:
    recording = of_all_kinds()
    markup, _ = shown(recording)
    anchors = re.findall(r'id="([^"]+)"', markup)
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r'href="#([^"]+)"', markup)) <= set(anchors)
    listed = listed_events(recording, summarise(recording))
    assert {event.anchor for event in listed} == {a for a in anchors if re.fullmatch(r"strip-\d+", a)}
    kinds = {re.sub(r"[\d.]+.*", "", event.what).strip() for event in listed}
    assert {"run of", "pause of", "single V", "single S", "F", "Q"} <= kinds
    assert {"couplet of V", "couplet of S", "highest heart rate", "lowest heart rate"} <= kinds
    assert any(kind.startswith("unsure") for kind in kinds)


def test_a_strip_shows_the_whole_of_its_event_or_says_that_it_goes_on() -> None:
    recording = a_recording("N" * 5 + "V" * 60 + "N" * 5, rr=0.5)
    markup, seen = shown(recording)
    assert "Goes on until 0:32; see the whole recording." in seen.text
    figures = re.findall(r'<figure id="strip-1">.*?</figure>(.*?)<figure id="strip-2"', markup, re.S)
    assert figures[0].count("<figure>") == 2, "three lines of eight seconds"
    strip = re.search(r'alt="(Strip from [^"]*)"', markup)
    assert strip and strip[1] == "Strip from 0:02.0: N N" + 14 * " V", "from a second before the run"


def test_what_the_page_has_no_room_for_is_counted() -> None:
    recording = a_recording(("N" + "V" * 3) * 3000, rr=0.5, rate=100.0)
    summary = summarise(recording)
    listed = listed_events(recording, summary)
    runs = [event for event in listed if event.what.startswith("run")]
    assert RUNS <= len(runs) <= RUNS + FASTEST
    assert runs[0].why == "longest and fastest"
    assert not_listed(summary, listed) == [f"3,000 runs of V, of which {3000 - len(runs):,} are not listed."]
    markup, seen = shown(recording)
    assert f"which {3000 - len(runs):,} are not listed" in seen.text
    assert len(markup) < 3_000_000


def test_the_least_certain_beats_are_shown_first_and_never_twice() -> None:
    recording = of_all_kinds()
    beats = [e.first for e in listed_events(recording, summarise(recording)) if e.what.startswith("unsure")]
    assert len(beats) > 1 and recording.review[beats].all()
    assert beats[0] == np.argmin(recording.confidence)
    assert (np.diff(recording.confidence[beats]) >= 0).all()
    assert np.diff(np.sort(recording.seconds[beats])).min() >= 4


def test_the_trend_counts_each_beat_in_its_period() -> None:
    recording = of_all_kinds()
    _, seen = shown(recording)
    step = period(recording.samples / recording.rate)
    assert step == 60
    for k in range(5):
        own = (recording.seconds >= 60 * k) & (recording.seconds < 60 * (k + 1))
        row = seen.row(f"{k}:00")
        assert row[1] == f"{own.sum():,}"
        v = int((own & (recording.names == "V")).sum())
        assert row[3].startswith(f"{v} (")
        assert row[-1] == (f"{n}" if (n := int((own & recording.review).sum())) else "")


def test_the_curve_of_the_heart_rate_is_that_of_the_beats() -> None:
    recording = a_recording("N" * 61, rr=[1.0] * 30 + [0.5] * 30)
    at, low, middle, high = heart_rate(recording, 10.0)
    assert middle[:3].tolist() == [60, 60, 60] and middle[3:-1].tolist() == [120]
    assert (low <= middle)[:4].all() and (middle <= high)[:4].all()
    assert at[:2].tolist() == [5, 15]


def test_gaps_too_close_to_tell_apart_are_drawn_as_one() -> None:
    stretches = np.array([[0.0, 1.0], [1.05, 2.0], [5.0, 6.0]])
    assert joined(stretches, 0.1).tolist() == [[0, 2], [5, 6]]
    assert joined(stretches, 0.01).tolist() == stretches.tolist()
    assert joined(np.empty((0, 2)), 1.0).shape == (0, 2)


# -- every kind of recording ---------------------------------------------------------------------------

TWELVE = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
NASTY = ("N", "<b>V", "a very long name of a class")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "recording",
    [
        a_recording(""),
        a_recording("", unreadable=[(0, 10)]),
        a_recording("V"),
        a_recording("NVN", rr=1.0),
        a_recording("N" * 30, unreadable=[(25, 60)], samples=250 * 60),
        a_recording("NVVVS" * 20, leads=TWELVE, read_leads=(1,)),
        a_recording("NVVVS" * 20, leads=TWELVE, read_leads=(1, 6, 11), rate=1000.0),
        a_recording("NVVVS" * 20, leads=("ECG",)),
        a_recording("NVVV" * 20, classes=("N", "V")),
        a_recording("NaN" * 20, classes=("N", "a")),
        a_recording("N" * 40, classes=("N",), confidence=1.0),
        a_recording("N" * 40, confidence=0.4),
        a_recording("NVNV" * 5, name="<script>alert(1)</script>", leads=("<i>", "&amp;")),
        a_recording("N" * 100, unreadable=[(k + 0.6, k + 0.7) for k in range(70)], rr=0.8, rate=100.0),
    ],
    ids=[
        "no beats",
        "all unreadable",
        "one beat",
        "three seconds",
        "half unreadable",
        "twelve leads",
        "three of twelve leads",
        "one lead",
        "no S",
        "own class",
        "one class",
        "all for review",
        "nasty names",
        "many gaps",
    ],
)
def test_no_recording_breaks_the_page(recording: AnnotatedRecording) -> None:
    markup, seen = shown(recording)
    assert "nan" not in seen.text.lower() and "None " not in seen.text
    assert "<script" not in markup and "<b>V" not in markup
    assert set(re.findall(r'href="#([^"]+)"', markup)) <= set(re.findall(r'id="([^"]+)"', markup))
    assert markup.count('class="row"') >= 1


def test_missing_samples_leave_gaps_and_no_number() -> None:
    recording = a_recording("NVVVN" * 8)

    def read(start: int, end: int) -> np.ndarray[Any, Any]:
        signal = reader(recording)(start, end)
        signal[:, ::7] = np.nan
        signal[1] = np.nan
        return signal

    markup = page.html(recording_page(recording, summarise(recording), read, model="a model"))
    assert "nan" not in Tables(markup).text.lower()


def test_the_page_needs_no_torch_and_loads_no_matplotlib_before_it_draws() -> None:
    code = (
        "import sys, ecgcli.reporting.recording_page\n"
        "print([m for m in ('torch', 'matplotlib', 'pytorch_lightning') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def annotated_by_its_own_annotations(folder: Path, name: str) -> tuple[AnnotatedRecording, Any]:
    from ecgcli.recordings.wfdb_io import read_record

    record = read_record(folder / name)
    assert record.annotations is not None
    aami = CLASS_MAPS["aami"]
    beats = [
        (s, aami[c])
        for s, c in zip(record.annotations.sample, record.annotations.symbol, strict=True)
        if c in aami
    ]
    recording = a_recording(
        "".join(c for _, c in beats),
        rate=record.rate,
        samples=record.signal.shape[1],
        sample=np.array([s for s, _ in beats]),
        leads=record.leads,
        name=name,
    )
    return recording, lambda start, end: record.signal[:, start:end]


@pytest.mark.promise
def test_a_real_recording_has_the_burden_that_its_annotations_have(mitdb_dir: Path) -> None:
    recording, read = annotated_by_its_own_annotations(mitdb_dir, "200")
    made = recording_page(recording, summarise(recording), read, model="its annotations")
    seen = Tables(page.html(made))
    # MIT-BIH's own tables: 826 premature ventricular and 30 atrial premature beats, 2 fusion beats
    assert seen.row("V · Ventricular ectopic")[1:3] == ["826", "31.8%"]
    assert seen.row("S · Supraventricular ectopic")[1] == "30"
    assert seen.row("F · Fusion of ventricular and normal")[1] == "2"


# -- a day ---------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.promise
def test_a_day_makes_a_light_page_in_little_time() -> None:
    rng = np.random.default_rng(0)
    beats = 100_000
    names = "".join(rng.choice(list("NSV"), beats, p=[0.8, 0.05, 0.15]))
    rr = rng.normal(0.86, 0.05, beats - 1)
    recording = a_recording(names, rr=rr.tolist(), rate=200.0, review=rng.random(beats) < 0.02)
    piece = reader(recording)(0, 200 * 600)
    read = lambda start, end: piece[:, : end - start]  # noqa: E731
    recording_page(a_recording("NVN"), summarise(a_recording("NVN")), reader(a_recording("NVN")), model="")
    began = time.process_time()
    markup = page.html(recording_page(recording, summarise(recording), read, model="a model"))
    took = time.process_time() - began
    assert recording.samples / recording.rate > 23.5 * 3600
    assert len(markup) < 10_000_000
    assert took < 15, "seconds of one core; some three where nothing else runs"


# -- in a browser --------------------------------------------------------------------------------------


@needs_browser
@pytest.mark.slow
@pytest.mark.promise
def test_the_page_stands_whole_in_a_browser_and_abnormal_beats_stand_out(tmp_path: Path) -> None:
    recording = a_recording(
        "NNNNVNNNNVVVNNNSNN" * 6,
        review=np.arange(108) == 50,
        samples=250 * 100,
        unreadable=[(88, 95)],
    )
    made = recording_page(recording, summarise(recording), reader(recording), model="a model")
    path = page.write(made, tmp_path / "report.html")
    markup = path.read_text(encoding="utf-8")
    for width in (400, 1280):
        seen = measured(markup, width)
        assert seen["scrolled"] <= seen["width"] <= width, f"no sideways scrolling at {width} pixels"
        assert all(image["complete"] and image["pixels"] > 800 for image in seen["images"])
    light = screenshot(path, 1280, seen["height"]).astype(int)
    dark = screenshot(path, 1280, seen["height"], "--blink-settings=preferredColorScheme=0").astype(int)
    assert dark.mean() < 60 < 200 < light.mean()
    rows = [image["box"] for image in seen["images"]][1 : 1 + markup.count('class="row"')]
    vermilion = np.array(list(bytes.fromhex(INKS["V"][1:])))
    for k, box in enumerate(rows):
        left, top, right, bottom = map(round, box)
        own = recording.names[(recording.seconds >= 30 * k) & (recording.seconds < 30 * (k + 1))]
        for picture, near in ((light, 60), (dark, 130)):
            part = picture[top + 12 : bottom - 12, left:right]
            coloured = (abs(part - vermilion).sum(axis=2) < near).any(axis=0).sum()
            assert (coloured > 3) == ("V" in own)
    strips = [image["box"] for image in seen["images"]][1 + len(rows) :]
    assert len(strips) >= len(listed_events(recording, summarise(recording)))
    for box in strips[:3]:
        left, top, right, bottom = map(round, box)
        assert len(np.unique(light[top:bottom:2, left:right:2] @ (65536, 256, 1))) > 50
