"""Figures show the numbers they were given, and can be read in grey."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from ecgcli.reporting import plots
from ecgcli.reporting.examples import example_beats


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_the_confusion_matrix_shows_counts_shares_and_classes_without_beats() -> None:
    figure = plots.confusion_matrix([[1500, 500], [0, 0]], ("N", "V"))
    assert sorted(texts(figure)) == ["1,500", "25.0%", "500", "75.0%", "no beats"]
    figure.draw_without_rendering()


@pytest.mark.promise
def test_the_bars_are_the_three_columns_and_say_what_does_not_exist(facts: dict[str, Any]) -> None:
    score = facts["metrics"]["test"]
    score["per_class"]["V"] |= {"wrong_share": None}
    figure = plots.class_bars(score, facts["classes"])
    recall, wrong, called = figure.axes
    expected = [100 * score["per_class"][c]["recall"] for c in "NSV"] + [0]
    assert [bar.get_width() for bar in recall.patches] == pytest.approx(expected)
    assert [text.get_text() for text in wrong.texts][2:] == ["none predicted", "no beats"]
    assert called.texts[0].get_text() == "–", "normal beats cannot be called normal by mistake"


def test_learning_curves_leave_out_steps_without_a_value(facts: dict[str, Any]) -> None:
    figure = plots.learning_curves(facts["training"]["curves"])
    for loss in figure.axes[:2]:
        training, validation = loss.lines
        assert list(training.get_xdata()) == [100, 200, 300]
        assert (list(validation.get_xdata()), list(validation.get_ydata())) == ([200], [0.6])
    rows = [{"step": 1, "train_loss": 0.7}, {"step": 2, "train_loss": 0.5}]
    assert list(plots.learning_curves({"all": rows}).axes[0].lines[0].get_ydata()) == [0.7, 0.5]


def test_the_class_balance_writes_every_count(facts: dict[str, Any]) -> None:
    written = texts(plots.class_balance(facts["support"], facts["classes"]))
    assert "1,500  (74.6%)" in written and "600  (81.1%)" in written
    assert written.count("no beats") == 1


def test_the_examples_are_the_most_confident_mistakes_from_their_own_rows(facts: dict[str, Any]) -> None:
    beats = facts["predictions"]["test"]
    signal = np.arange(len(beats), dtype=np.float32)[:, None, None] + np.zeros((1, 2, 50), dtype=np.float32)
    figure = example_beats(signal, beats, facts["classes"], rate=100.0, start=-0.2)
    grid = np.array(figure.axes).reshape(3, 5)  # N, S, V have beats
    p = beats[[f"p_{c}" for c in facts["classes"]]].to_numpy()
    decided = np.array(facts["classes"])[p.argmax(axis=1)]
    mistakes = beats[(beats["label"] == "V") & (decided != "V")]
    worst = p[mistakes.index].max(axis=1).argmax()
    shown = grid[2, 2]
    assert shown.lines[1].get_ydata()[0] == mistakes.index[worst], "the trace is the row of that beat"
    assert shown.lines[1].get_xdata()[[0, -1]] == pytest.approx([-0.2, 0.29]), "seconds from R"
    row = mistakes.iloc[worst]
    assert shown.get_title(loc="left").endswith(f"{row['record']}, sample {row['sample']:,}")
    figure.draw_without_rendering()


def test_parts_can_be_told_apart_in_grey() -> None:
    grey = [np.dot(to_rgb(colour), (0.2126, 0.7152, 0.0722)) for colour, _ in plots.PARTS.values()]
    assert np.diff(grey).min() > 0.2
    assert len({mark for _, mark in plots.PARTS.values()}) == len(plots.PARTS)


def test_a_figure_is_written_whole_or_not_at_all_and_the_same_twice(tmp_path: Path) -> None:
    matrix = [[3, 1], [0, 2]]
    one = plots.save(plots.confusion_matrix(matrix, ("N", "V")), tmp_path / "one.png").read_bytes()
    two = plots.save(plots.confusion_matrix(matrix, ("N", "V")), tmp_path / "two.png").read_bytes()
    assert one == two and one.startswith(b"\x89PNG")

    broken = plots.confusion_matrix(matrix, ("N", "V"))
    broken.axes[0].set_title("$\\no_such_command$")
    with pytest.raises(ValueError, match="no_such_command"):
        plots.save(broken, tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes() == one
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.png", "two.png"]


def test_reporting_imports_neither_torch_nor_pyplot() -> None:
    rooms = ", ".join(f"ecgcli.reporting.{name}" for name in ("report", "examples", "gallery", "terminal"))
    code = f"import sys, {rooms}; print([m for m in ('torch', 'matplotlib.pyplot') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
