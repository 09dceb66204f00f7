"""The text form of the Kaggle files: what is written is read back, and what is damaged is named."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ecgcli.beats import kaggle_csv
from ecgcli.beats.kaggle_csv import read_csv, write_csv
from ecgcli.errors import EcgError

UNIT = st.floats(0, 1, width=32)
BEATS = st.integers(1, 4).flatmap(lambda n: arrays(np.float32, (n, 187), elements=UNIT))
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def some_beats(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.random((count, 187), dtype=np.float32), random.integers(0, 5, count)


def lines_of(count: int) -> list[str]:
    rows, labels = some_beats(count)
    return [
        ",".join([*map(repr, row), str(label)])
        for row, label in zip(rows.tolist(), labels.tolist(), strict=True)
    ]


def write_lines(path: Path, lines: list[str], end: str = "\n") -> Path:
    path.write_text("\n".join(lines) + end)
    return path


@FEW
@given(rows=BEATS, seed=st.integers(0, 100))
def test_any_beat_survives_writing_and_reading(tmp_path: Path, rows: np.ndarray, seed: int) -> None:
    labels = np.random.default_rng(seed).integers(0, 5, len(rows))
    write_csv(tmp_path / "beats.csv", rows, labels)
    signal, label = read_csv(tmp_path / "beats.csv")
    assert signal.dtype == np.float32 and label.dtype == np.int64
    np.testing.assert_array_equal(signal, rows)
    np.testing.assert_array_equal(label, labels)


@FEW
@given(rows=BEATS)
def test_the_text_is_that_of_numpy_savetxt(tmp_path: Path, rows: np.ndarray) -> None:
    labels = np.arange(len(rows)) % 5
    expected = io.BytesIO()
    np.savetxt(
        expected, np.column_stack([rows, labels]), delimiter=","
    )  # what the published files were made by
    write_csv(tmp_path / "beats.csv", rows, labels)
    assert (tmp_path / "beats.csv").read_bytes() == expected.getvalue()


def test_values_of_other_widths_and_signs_are_written_in_full(tmp_path: Path) -> None:
    rows, labels = some_beats(3)
    rows[0, :4] = [-1.5, -0.0, 1e-42, 3e38]
    write_csv(tmp_path / "beats.csv", rows, labels)
    assert (
        (tmp_path / "beats.csv")
        .read_text()
        .startswith("-1.500000000000000000e+00,-0.000000000000000000e+00,")
    )
    np.testing.assert_array_equal(read_csv(tmp_path / "beats.csv")[0].view(np.uint32), rows.view(np.uint32))


@FEW
@given(rows=BEATS, ending=st.sampled_from(["\n", "\r\n"]), whole_label=st.booleans())
def test_the_shortest_way_of_writing_a_float32_reads_as_the_same_float32(
    tmp_path: Path, rows: np.ndarray, ending: str, whole_label: bool
) -> None:
    label = "3" if whole_label else "3.0"
    lines = [",".join([*(str(value) for value in row), label]) for row in rows]
    (tmp_path / "beats.csv").write_text(ending.join(lines), newline="")  # and no line end after the last row
    signal, labels = read_csv(tmp_path / "beats.csv")
    np.testing.assert_array_equal(signal, rows)
    assert (labels == 3).all()


@pytest.mark.parametrize(
    "header",
    [
        ",".join(map(str, range(188))),
        ",".join([*map(str, range(187)), "label"]),
        ",".join([*(f"t{i}" for i in range(187)), "class"]),
    ],
    ids=["column numbers", "column numbers and label", "names"],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "byte order mark"])
def test_a_header_line_is_skipped(tmp_path: Path, header: str, mark: str) -> None:
    rows, labels = some_beats(3)
    plain = write_lines(tmp_path / "plain.csv", [mark + lines_of(3)[0], *lines_of(3)[1:]])
    headed = write_lines(tmp_path / "headed.csv", [mark + header, *lines_of(3)])
    for path in (plain, headed):
        signal, label = read_csv(path)
        np.testing.assert_array_equal(signal, rows)
        np.testing.assert_array_equal(label, labels)


def test_a_file_larger_than_a_block_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, labels = some_beats(50)
    write_csv(tmp_path / "beats.csv", rows, labels)
    for size in (1, 4_700, 4_701, 10_000):  # a row takes 4,700 bytes
        monkeypatch.setattr(kaggle_csv, "_BLOCK", size)
        signal, label = read_csv(tmp_path / "beats.csv")
        np.testing.assert_array_equal(signal, rows)
        np.testing.assert_array_equal(label, labels)


def with_field(line: str, column: int, text: str) -> str:
    fields = line.split(",")
    fields[column] = text
    return ",".join(fields)


BAD = {
    "a column too few": (
        lambda line: line.split(",", 1)[1],
        "row 4: expected 188 columns (187 samples and a label), found 187",
    ),
    "a column too many": (lambda line: "0.5," + line, "a label), found 189"),
    "a comma at the end": (lambda line: line + ",", "a label), found 189"),
    "an empty line": (lambda line: "", "a label), found 1"),
    "text": (lambda line: with_field(line, 9, "flat"), "row 4, column 10: 'flat' is no number"),
    "a quoted number": (
        lambda line: with_field(line, 9, '"0.5"'),
        "row 4, column 10: '\"0.5\"' is no number",
    ),
    "an empty field": (lambda line: with_field(line, 0, ""), "row 4, column 1: '' is no number"),
    "NaN": (lambda line: with_field(line, 186, "nan"), "row 4, column 187: 'nan' is no finite number"),
    "NA": (lambda line: with_field(line, 186, "NA"), "row 4, column 187: 'NA' is no number"),
    "infinity": (lambda line: with_field(line, 2, "-inf"), "row 4, column 3: '-inf' is no finite number"),
    "more than float32 holds": (
        lambda line: with_field(line, 2, "1e39"),
        "column 3: '1e39' is no finite number",
    ),
    "a label above the map": (
        lambda line: with_field(line, 187, "5.0"),
        "row 4: label '5.0', expected a whole",
    ),
    "a label below the map": (lambda line: with_field(line, 187, "-1"), "row 4: label '-1'"),
    "half a label": (lambda line: with_field(line, 187, "0.5"), "row 4: label '0.5'"),
    "no label": (lambda line: with_field(line, 187, ""), "row 4, column 188: '' is no number"),
    "a NUL": (lambda line: with_field(line, 5, "0.5\0"), "row 4"),
    "a lone carriage return": (lambda line: with_field(line, 5, "0.5\r"), "row"),
}


@pytest.mark.parametrize("block", [1, 8 << 20], ids=["many blocks", "one block"])
@pytest.mark.parametrize("fault", BAD)
def test_a_bad_row_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, block: int) -> None:
    monkeypatch.setattr(kaggle_csv, "_BLOCK", block)
    spoil, message = BAD[fault]
    lines = lines_of(6)
    lines[3] = spoil(lines[3])
    path = write_lines(tmp_path / "beats.csv", lines)
    with pytest.raises(EcgError) as error:
        read_csv(path)
    assert str(error.value).startswith(f"{path}, row")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_first_of_several_bad_rows_is_named(tmp_path: Path) -> None:
    lines = lines_of(6)
    lines[2], lines[4] = with_field(lines[2], 0, "x"), "1,2"
    with pytest.raises(EcgError, match=r"row 3, column 1: 'x'"):
        read_csv(write_lines(tmp_path / "beats.csv", lines))


@pytest.mark.parametrize("kept", [0.5, 187 / 188], ids=["half a row", "no label"])
def test_a_file_that_breaks_off_in_a_row_is_called_truncated(tmp_path: Path, kept: float) -> None:
    rows, labels = some_beats(4)
    write_csv(tmp_path / "whole.csv", rows, labels)
    content = (tmp_path / "whole.csv").read_bytes()
    (tmp_path / "beats.csv").write_bytes(content[: 3 * 4700 + round(4700 * kept)])
    with pytest.raises(EcgError, match=r"row 4.*is it truncated\?"):
        read_csv(tmp_path / "beats.csv")


@pytest.mark.parametrize("content", ["", "\ufeff", ",".join(map(str, range(188))) + "\n"])
def test_a_file_without_beats_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "beats.csv").write_text(content)
    with pytest.raises(EcgError, match=r"beats\.csv: holds no beats"):
        read_csv(tmp_path / "beats.csv")


def test_a_page_saved_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    page = write_lines(tmp_path / "beats.csv", ["<!DOCTYPE html>", "<html>"])
    with pytest.raises(EcgError, match=r"row 1: expected 188 columns .*, found 1"):
        read_csv(page)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EcgError, match=r"none\.csv: cannot be read: No such file"):
        read_csv(tmp_path / "none.csv")


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    rows, labels = np.zeros((5000, 187), np.float32), np.zeros(5000, np.int64)
    with pytest.raises(ValueError, match="dimension"):
        write_csv(tmp_path / "beats.csv", rows, labels[:3000])
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(EcgError, match=r"beats\.csv: cannot be written"):
        write_csv(tmp_path / "file" / "beats.csv", rows, labels)
