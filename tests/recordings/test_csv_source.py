"""CSV files in pieces are the numbers that stand in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.recordings.source import open_source
from tests.recordings.test_source import in_pieces, refused, whole


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a few rows, so that small files have several."""
    monkeypatch.setattr("ecgcli.recordings.csv_source._CELLS", 40)


def csv(folder: Path, *lines: str, ending: str = "\n") -> Path:
    path = folder / "r.csv"
    path.write_text(ending.join(lines) + ending, encoding="utf-8", newline="")
    return path


@pytest.mark.promise
@settings(max_examples=50, deadline=None)
@given(
    leads=st.integers(1, 4),
    time=st.integers(1, 90),
    separator=st.sampled_from([",", ";", "\t", ", "]),
    named=st.booleans(),
    ending=st.sampled_from(["\n", "\r\n"]),
    mark=st.sampled_from(["", "\N{ZERO WIDTH NO-BREAK SPACE}"]),
    seed=st.integers(0, 2**32 - 1),
    cuts=st.lists(st.integers(0, 10_000), max_size=5),
)
def test_a_csv_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    leads: int,
    time: int,
    separator: str,
    named: bool,
    ending: str,
    mark: str,
    seed: int,
    cuts: list[int],
) -> None:
    rng = np.random.default_rng(seed)
    values = np.round(rng.uniform(-5, 5, (time, leads)), 4)
    if leads > 1:
        values[rng.random(values.shape) < 0.05] = np.nan
    values[0] = 1.5
    rows = [separator.join("" if np.isnan(v) else f"{v:g}" for v in row) for row in values]
    names = [f"lead {i}" for i in range(leads)]
    header = [separator.join(names)] if named else []
    lines = [mark + line if i == 0 else line for i, line in enumerate([*header, *rows])]
    path = csv(tmp_path_factory.mktemp("csv"), *lines, ending=ending)
    source = open_source(path, 250)
    np.testing.assert_allclose(whole(source), values.T, rtol=1e-6)
    np.testing.assert_array_equal(in_pieces(source, cuts), whole(source))
    assert source.leads == (tuple(names) if named else tuple(f"signal {i + 1}" for i in range(leads)))
    assert (source.name, source.rate, source.samples, source.units) == ("r", 250, time, "mV")


@pytest.mark.parametrize(
    ("name", "rate", "digits"),
    [
        ("time", 360, 3),
        ("t", 250, 4),
        ("Seconds", 333.25, 7),
        ("Time (s)", 1000, 3),
        ("'Elapsed time'", 128, 6),
    ],
)
def test_a_column_of_seconds_tells_the_rate(tmp_path: Path, name: str, rate: float, digits: int) -> None:
    seconds = 12 + np.arange(1000) / rate
    path = csv(tmp_path, f"{name},MLII", *(f"{t:.{digits}f},{i % 7}.5" for i, t in enumerate(seconds)))
    source = open_source(path)
    assert source.leads == ("MLII",)
    assert source.rate == pytest.approx(rate, rel=1e-9 if rate != 333.25 else 1e-6)
    np.testing.assert_array_equal(whole(source)[0], np.arange(1000) % 7 + 0.5)
    assert open_source(path, rate).rate == source.rate
    refused(path, "rate=500 contradicts the file", rate=500)


def test_columns_that_only_count_are_no_leads(tmp_path: Path) -> None:
    for line in ("'sample #','MLII','V5'", ",MLII,V5", '"index";"MLII";"V5"'):
        separator = ";" if ";" in line else ","
        path = csv(tmp_path, line, *(separator.join([str(i), "0.5", "-0.5"]) for i in range(30)))
        source = open_source(path, 360, "V")
        assert source.leads == ("MLII", "V5")
        np.testing.assert_array_equal(whole(source), np.repeat([[500], [-500]], 30, axis=1))


def test_what_pandas_writes_is_read(tmp_path: Path) -> None:
    import pandas as pd

    signal = np.random.default_rng(0).standard_normal((100, 2))
    pd.DataFrame(signal, columns=["I", "II"]).to_csv(tmp_path / "r.csv")
    source = open_source(tmp_path / "r.csv", 500)
    assert source.leads == ("I", "II")
    np.testing.assert_allclose(whole(source), signal.T, rtol=1e-6)


@pytest.mark.promise
@pytest.mark.parametrize("cell", ["abc", "1,5", "0x10", "True", "12:00"])
@pytest.mark.parametrize("row", [2, 14, 31])
def test_a_cell_that_is_no_number_is_named(tmp_path: Path, cell: str, row: int) -> None:
    lines = ["0.5;0.25"] * 31
    lines[row - 1] = f"0.5;{cell}"
    path = csv(tmp_path, "I;II", *lines)
    refused(path, f"r.csv: row {row}, column 'II': '{cell}' is no number", rate=360)


@pytest.mark.promise
@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["", ""], "empty"),
        (["time,I"], "holds no samples"),
        (["time"], "holds no column of a lead"),
        (
            ["I,II", "1.5,2"],
            "does not say its sampling rate; expected rate= in Hz, or seconds in a column 'time'",
        ),
        (["time_ms,I", "1,2"], "column 'time_ms' is no lead; expected seconds"),
        (["date,I", "1,2"], "column 'date' is no lead"),
        (
            ["time,I", "0,1", "0.01,1", "0.02,1", "0.05,1"],
            "row 4: column 'time' goes on by 0.03 s; expected equal",
        ),
        (["time,I", "0,1", "0.01,1", "0.02,1", ",1"], "row 4: column 'time' goes on by nan s"),
        (["time,I", "0,1", "0,1", "0,1"], "row 2: column 'time' goes on by 0 s; expected times that ascend"),
        (["time,I", "2,1", "1,1", "0,1"], "column 'time' goes on by -1 s"),
        (
            ["time,I", "0,995", "0.01,1011", "0.02,"],
            "whole numbers only, which may be raw ADC values; say units=",
        ),
        (["time,I", "0,1.5", "1,1", "2,1"], "a sampling rate of 1 Hz"),
        (["time,I", ",1", ",1"], "row 2: column 'time' goes on by nan s"),
        (["time,I", "0,0.1"], "one sample does not tell the rate"),
    ],
)
def test_a_csv_that_is_no_recording_is_refused(tmp_path: Path, lines: list[str], said: str) -> None:
    refused(csv(tmp_path, *lines), "r.csv", said)


@pytest.mark.promise
def test_rows_of_too_many_cells_are_refused(tmp_path: Path) -> None:
    for row in (1, 20):
        lines = ["0.5,0.25"] * 25
        lines[row] = "0.5,0.25,0.125"
        refused(csv(tmp_path, "I,II", *lines), "r.csv", rate=360)


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=60) | st.text("0123456789.,;-e\n\"' tx", max_size=60).map(str.encode))
def test_arbitrary_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    from ecgcli.errors import EcgError

    path = tmp_path_factory.mktemp("csv") / "r.csv"
    path.write_bytes(content)
    try:
        source = open_source(path, 360)
    except EcgError as error:
        assert "r.csv" in str(error) or "rate=360" in str(error)
        assert "\n" not in str(error)
    else:
        assert whole(source).shape == (len(source.leads), source.samples)
