"""`describe.html` and its short form: every number is the data's own, and no data set breaks a picture."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from rich.console import Console

from ecgcli.beats.neighbours import Memory, Nearest
from ecgcli.beats.overview import ClassShape, Overview
from ecgcli.beats.quality import RecordFacts
from ecgcli.reporting import describe_plots, record_map
from ecgcli.reporting.describe_page import DataFacts, Description, ProtocolFacts, write_page
from ecgcli.reporting.describe_tables import classes_section, quality_section
from ecgcli.reporting.describe_terminal import print_description
from ecgcli.reporting.description import between_records, faults, memory_sentence, near_sentences
from ecgcli.reporting.page import Page, Section, html
from tests.reporting.browser import Tables, needs_browser, stands_whole

AAMI = ("N", "S", "V", "F", "Q")
EVERYONE = Nearest(np.array([0.05, 0.2, np.inf], np.float32), near=0.4, accuracy=0.98, macro_f1=0.88)
OTHERS = Nearest(np.array([0.3, 0.4, 0.5], np.float32), near=0.0, accuracy=0.712, macro_f1=0.41)


def looked_at(
    signal: np.ndarray[Any, Any],
    label: np.ndarray[Any, Any],
    record: np.ndarray[Any, Any],
    classes: Sequence[str],
    records: Sequence[str],
    intervals: bool = True,
) -> Overview:
    """An overview of these beats, each number computed by itself."""
    counts = np.zeros((len(records), len(classes)), np.int64)
    np.add.at(counts, (record, label), 1)
    means = np.full((*counts.shape, *signal.shape[1:]), np.nan, np.float32)
    for r, k in np.argwhere(counts):
        means[r, k] = signal[(record == r) & (label == k)].mean(axis=0)
    shapes = {
        name: ClassShape(
            beats=int(np.sum(label == k)),
            mean=signal[label == k].mean(axis=0),
            spread=signal[label == k].std(axis=0),
            examples=signal[label == k][:20],
        )
        for k, name in enumerate(classes)
        if (label == k).any()
    }
    rng = np.random.default_rng(1)
    rr = {
        name: rng.normal(0.8 - 0.05 * k, 0.1, shapes[name].beats if intervals and name in shapes else 0)
        for k, name in enumerate(classes)
    }
    return Overview(tuple(classes), tuple(records), counts, shapes, means, rr)


def made_up(
    classes: Sequence[str] = AAMI, n_records: int = 12, beats: int = 900, leads: int = 1, **data: Any
) -> Description:
    """A description of simulated beats: every record has its own shapes, the last class has no beat."""
    rng = np.random.default_rng(0)
    label = rng.choice(len(classes) - 1, beats, p=_falling(len(classes) - 1))
    label[: len(classes) - 1] = range(len(classes) - 1)
    record = rng.integers(n_records, size=beats)
    time = np.linspace(-0.3, 0.5, 100)
    width = 0.02 + 0.01 * label[:, None, None] + 0.01 * (record % 5)[:, None, None]
    signal = np.exp(-((time / width) ** 2)) + rng.normal(0, 0.05, (beats, leads, 100))
    records = data.pop("names", [f"{100 + r}" for r in range(n_records)])
    intervals = data.pop("intervals", True)
    overview = looked_at(signal.astype(np.float32), label, record, classes, records, intervals)
    total = dict(zip(classes, overview.counts.sum(axis=0).tolist(), strict=True))
    tested = {name: n // 4 for name, n in total.items()}
    held = {name: n // 5 for name, n in total.items()}
    support = {
        "train": {name: n - tested[name] - held[name] for name, n in total.items()},
        "validation": held,
        "test": tested,
    }
    facts = {
        "name": "demo",
        "beats": beats,
        "records": n_records,
        "subjects": n_records,
        "class_map": "aami",
        "rate": 125.0,
        "leads": tuple(f"lead {k}" for k in range(leads)),
        "unit": "mV",
        "offset": 0.3,
        "fingerprint": "c0ffee",
        "notes": ("V5 stands in for MLII in record 104.",),
    }
    return Description(
        title="demo, protocol intra_patient",
        command="ecg describe protocol=intra_patient",
        version="0.1.0",
        seed=0,
        data=DataFacts(**(facts | data)),
        overview=overview,
        protocol=ProtocolFacts("intra_patient", "Intra-patient: drawn at random.", (), True, support),
        audit=["Training and validation share 12 subjects."],
        memory=Memory("validation", 4000, 70043, EVERYONE, OTHERS),
        near=[("training", "validation", 0.4), ("training", "test", 0.0)],
        records=[_recording(name, r) for r, name in enumerate(records)],
        differences=["The leads differ between records."],
    )


def _falling(n: int) -> np.ndarray[Any, Any]:
    share = 0.5 ** np.arange(n)
    return np.asarray(share / share.sum())


def _recording(name: str, number: int, **change: Any) -> RecordFacts:
    noisy = 0.01 * (number % 7)
    facts = {
        "seconds": 1805.6,
        "rate": 360.0,
        "units": ("mV", "mV"),
        "leads": ("MLII", "V5"),
        "beats": 100 + number,
        "faulty": {"flat": (0.0, 0.0), "noisy": (noisy / 2, noisy)},
        "any_faulty": {"flat": 0.0, "noisy": noisy},
        "unknown": {},
    }
    return RecordFacts(name=name, subject=f"subject {name}", **(facts | change))


def written(description: Description, folder: Path) -> tuple[str, Tables]:
    path = write_page(description, folder)
    assert path == folder / "describe.html"
    markup = path.read_text(encoding="utf-8")
    assert len(markup) < 5_000_000
    return markup, Tables(markup)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """The page of the simulated beats, written once."""
    _, tables = written(made_up(), tmp_path_factory.mktemp("page"))
    return tables


def section(made: Section) -> tuple[str, Tables]:
    """A section alone, without the pictures of the others."""
    markup = html(Page("ecg describe", "A title", (), (), (made,), ""))
    return markup, Tables(markup)


# -- the numbers ---------------------------------------------------------------------------------------


@pytest.mark.promise
def test_every_class_is_counted_in_all_and_in_every_part(page: Tables) -> None:
    description = made_up()
    counts = description.overview.counts.sum(axis=0)
    row = page.row("S · Supraventricular ectopic")
    support = {part: of["S"] for part, of in description.protocol.support.items()}
    sums = {part: sum(of.values()) for part, of in description.protocol.support.items()}
    assert row[1] == f"{counts[1]:,}" and row[2] == f"{100 * counts[1] / 900:.1f}%"
    assert row[4:] == [f"{n:,} ({100 * n / sums[part]:.1f}%)" for part, n in support.items()]
    assert page.row("Q · Paced or unclassifiable")[1] == "none"
    assert page.row("all classes")[1] == "900"
    assert f"{counts[0] / counts[3]:,.0f} : 1" in page.text, "the imbalance at a glance"


@pytest.mark.promise
def test_the_folded_table_holds_the_exact_counts_of_every_record(page: Tables) -> None:
    description = made_up()
    for name, counts in zip(description.overview.records, description.overview.counts, strict=True):
        assert page.row(name) == [name, *(f"{n:,}" if n else "·" for n in counts), f"{counts.sum():,}"]
    assert "Exact counts of 12 records" in page.text


def test_the_map_has_a_cell_for_every_record_with_beats_of_a_class_the_darker_the_more() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 2000, (12, 5)) * (rng.random((12, 5)) < 0.4)
    overview = replace(made_up().overview, counts=counts)
    groups = {"training": [3, 1, 2], "test": [0, *range(4, 12)]}
    (axes,) = record_map.records_by_class(overview, groups).axes
    (cells,) = (c for c in axes.collections if isinstance(c, PolyCollection))
    middles = [path.vertices[:4].mean(axis=0).round().astype(int) for path in cells.get_paths()]
    order = [3, 1, 2, None, 0, *range(4, 12)]
    assert {tuple(place) for place in middles} == {(order.index(r), k) for r, k in np.argwhere(counts)}
    beats = [counts[order[x], k] for x, k in middles]
    lightness = cells.get_facecolor()[:, :3].sum(axis=1)
    assert (np.diff(lightness[np.argsort(beats)]) <= 0).all()
    assert [label.get_text() for label in axes.get_xticklabels()][:3] == ["103", "101", "102"]
    said = {text.get_text() for text in axes.texts}
    assert {"training", "test", f"{np.count_nonzero(counts[:, 4])} of 12 records"} <= said


def test_the_variance_between_records_is_the_whole_less_that_within_them() -> None:
    rng = np.random.default_rng(0)
    record, label = rng.integers(4, size=400), rng.integers(2, size=400)
    signal = rng.normal(0, 1, (400, 2, 30)) + record[:, None, None] * np.array([0.1, 1.0])[:, None]
    overview = looked_at(signal, label, record, ("N", "V"), "abcd")
    for k, name in enumerate(("N", "V")):
        beats, whose = signal[label == k], record[label == k]
        within = sum(((beats[whose == r] - beats[whose == r].mean(axis=0)) ** 2).sum() for r in range(4))
        whole = ((beats - beats.mean(axis=0)) ** 2).sum()
        assert between_records(overview)[name] == pytest.approx(1 - within / whole, abs=1e-5)


def test_classes_of_one_record_say_nothing_of_differences_between_records() -> None:
    assert between_records(made_up(n_records=1).overview) == {}


def test_faults_are_shares_of_beats_not_of_records() -> None:
    long = _recording("100", 0, beats=900, any_faulty={"noisy": 0.1})
    short = _recording("101", 0, beats=100, any_faulty={"noisy": 0.5, "flat": 0.2})
    found = faults(replace(made_up(), records=[long, short]))
    assert found == {"noisy": pytest.approx(0.14), "flat": pytest.approx(0.02)}
    assert faults(replace(made_up(), records=None, row_faults={"flat": 0.3})) == {"flat": 0.3}
    assert faults(replace(made_up(), records=None)) is None


def test_ready_beats_are_not_judged_for_noise_and_the_page_says_so() -> None:
    rows = replace(made_up(), records=None, row_faults={"missing": 0.0, "flat": 0.3, "clipped": 0.0})
    assert "told from the recording around it" in section(quality_section(rows))[1].text
    assert "told from the recording around it" not in section(quality_section(made_up()))[1].text


def test_the_worst_record_comes_first_with_its_worst_lead() -> None:
    worst = _recording("208", 0, any_faulty={"noisy": 0.31}, faulty={"noisy": (0.3, 0.02)})
    strange = _recording("209", 0, unknown={"%": 3})
    description = replace(made_up(), records=[_recording("100", 2), strange, worst])
    _, page = section(quality_section(description))
    start = next(i for i, row in enumerate(page.rows) if row[:1] == ["record"] and "noisy" in row)
    assert page.rows[start + 1][0] == "208" and "31.0% MLII" in page.rows[start + 1]
    assert ["100", "subject 100", "0:30:06", "360", "MLII, V5", "mV", "102"] in [row[:7] for row in page.rows]
    assert "does not name: % (3 times in 1 record)" in page.text
    assert "The leads differ between records." in page.text


def test_rr_intervals_are_said_in_numbers() -> None:
    overview = made_up().overview
    figure = describe_plots.intervals_by_class(overview)
    assert figure is not None
    said = [text.get_text() for text in figure.axes[0].texts]
    for name in ("N", "S", "V", "F"):
        low, median, high = np.percentile(overview.intervals[name], [25, 50, 75])
        assert f"{median:.2f} s  ({low:.2f} to {high:.2f})" in said


# -- what leaks ----------------------------------------------------------------------------------------


@pytest.mark.promise
def test_what_is_memory_of_the_patient_is_said_in_a_sentence() -> None:
    description = made_up()
    assert memory_sentence(description) == (
        "Of 4,000 validation beats, each given the class of its nearest of 70,043 training beats: accuracy "
        "98.0%, macro-F1 0.88; without beats of the same patient accuracy 71.2%, macro-F1 0.41: the "
        "difference is memory of the patient."
    )
    assert description.memory is not None
    alike = replace(description, memory=replace(description.memory, others=replace(EVERYONE, accuracy=0.975)))
    assert "hardly a difference" in (memory_sentence(alike) or "")


def test_where_nothing_can_be_left_out_the_reason_is_said() -> None:
    alone = replace(made_up(), memory=Memory("validation", 100, 900, OTHERS, None))
    apart = replace(alone, protocol=replace(alone.protocol, intra_patient=False))
    nameless = replace(alone, data=replace(alone.data, subjects=0))
    assert "None of them has training beats of its own patient" in (memory_sentence(apart) or "")
    assert "Whose beats they are is not known" in (memory_sentence(nameless) or "")
    assert "no training beats of other patients" in (memory_sentence(alone) or "")
    assert memory_sentence(replace(alone, memory=None)) is None


def test_near_identical_beats_are_said_for_every_pair_of_parts() -> None:
    first, second = near_sentences([("training", "validation", 0.4), ("training", "test", 0.0)])
    assert first.startswith("40.0% of the validation beats have a near-identical training beat (")
    assert second == "None of the test beats has a near-identical training beat."


# -- every kind of data --------------------------------------------------------------------------------

NASTY = ("<html>", "$\\frac{", "a\nb", "a very long name of a class that nobody would want to write " * 2)


@pytest.mark.parametrize(
    ("classes", "more"),
    [
        (("healthy", "ill"), {"class_map": "own"}),
        (AAMI, {"n_records": 1}),
        (AAMI, {"leads": 2, "offset": None}),
        (AAMI, {"records": 0, "subjects": 0, "n_records": 1, "names": ["unknown"], "intervals": False}),
        ((*NASTY, "x", "empty"), {"names": [f"{name}{r}" for r in range(3) for name in NASTY]}),
        (tuple(f"class {k}" for k in range(31)), {"n_records": 3}),
        (("healthy", "ill", "empty"), {"n_records": 500, "beats": 2000}),
    ],
    ids=[
        "two classes",
        "one record",
        "two leads",
        "unknown subjects",
        "nasty names",
        "31 classes",
        "500 records",
    ],
)
@pytest.mark.filterwarnings("error")
def test_no_data_set_breaks_the_page(classes: Sequence[str], more: Mapping[str, Any], tmp_path: Path) -> None:
    description = made_up(classes, **more)
    _, page = written(description, tmp_path)
    for name, n in zip(classes, description.overview.counts.sum(axis=0), strict=True):
        assert any(
            name.strip() in row[0] and row[1] == (f"{n:,}" if n else "none") for row in page.rows if row
        )
    assert "nan" not in page.text.lower() and "None " not in page.text.replace("None of", "")
    print_description(description, Console(file=io.StringIO()))


def test_what_nobody_looked_at_is_left_out(tmp_path: Path) -> None:
    description = made_up(intervals=False)
    bare = replace(description, memory=None, records=None, near=(), differences=())
    bare = replace(bare, data=replace(bare.data, notes=()))
    _, page = written(bare, tmp_path)
    assert "Signal quality" not in page.text
    assert "RR intervals" in page.text and "is not known" in page.text
    assert "nearest" not in page.text


def test_folds_take_turns_and_the_page_says_so() -> None:
    description = made_up()
    total = dict(zip(AAMI, description.overview.counts.sum(axis=0).tolist(), strict=True))
    support = dict.fromkeys(("train", "validation", "test"), total)
    folds = replace(description.protocol, name="k_fold", support=support, folds=5)
    markup, page = section(classes_section(replace(description, protocol=folds)))
    assert "some of the 5 folds" in page.text and 'class="stack"' not in markup


def test_beats_that_a_protocol_leaves_out_are_shown_as_such() -> None:
    description = made_up()
    support = {p: {c: n for c, n in of.items() if c != "V"} for p, of in description.protocol.support.items()}
    left = replace(description, protocol=replace(description.protocol, support=support))
    markup, page = section(classes_section(left))
    n = description.overview.counts.sum(axis=0)[2]
    assert f'title="not in the protocol: {n:,}"' in markup
    assert page.row("V · Ventricular ectopic")[-3:] == ["", "", ""]


# -- on the terminal -----------------------------------------------------------------------------------


def printed(description: Description, **console: Any) -> str:
    output = io.StringIO()
    print_description(
        description, Console(file=output, **({"width": 80} | console)), Path("out/describe.html")
    )
    return output.getvalue()


@pytest.mark.promise
def test_the_terminal_has_the_numbers_that_come_first() -> None:
    description = made_up()
    text = printed(description)
    assert max(map(len, text.splitlines())) <= 80
    assert text.isascii() and "\x1b" not in text
    counts = description.overview.counts.sum(axis=0)
    (row,) = (line for line in text.splitlines() if line.startswith("S Supraventricular"))
    support = [f"{of['S']:,}" for of in description.protocol.support.values()]
    assert row.split()[3:] == [f"{counts[1]:,}", f"{100 * counts[1] / 900:.1f}%", *support]
    words = " ".join(text.split())
    assert memory_sentence(description) in words
    assert "Training and validation share 12 subjects." in words
    assert "noisy; none flat." in words and "V5 stands in for MLII" in words
    assert "out/describe.html" in words


def test_a_wide_terminal_has_the_shares_of_every_part_too() -> None:
    description = made_up()
    held = description.protocol.support["validation"]
    (row,) = (line for line in printed(description, width=120).splitlines() if line.startswith("V Ventr"))
    assert f"{held['V']:,} ({100 * held['V'] / sum(held.values()):.1f}%)" in row


# -- in a browser --------------------------------------------------------------------------------------


@needs_browser
@pytest.mark.slow
@pytest.mark.promise
def test_the_page_stands_whole_in_a_browser_without_a_network(tmp_path: Path) -> None:
    path = write_page(made_up(leads=2), tmp_path)
    assert stands_whole(path) == 5
