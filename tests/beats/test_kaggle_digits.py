"""Numbers of a fixed width are read as any other reader reads them, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ecgcli.beats import kaggle_csv
from ecgcli.beats.kaggle_csv import read_csv, write_csv
from ecgcli.beats.kaggle_digits import numbers
from ecgcli.errors import EcgError

POSITIVE = st.floats(0, width=32, allow_infinity=False, allow_nan=False).map(abs)


def text_of(values: list[float], columns: int) -> bytes:
    fields = [f"{value:.18e}" for value in values]
    lines = [",".join(fields[i : i + columns]) for i in range(0, len(fields), columns)]
    return "".join(line + "\n" for line in lines).encode()


@given(st.lists(POSITIVE, min_size=1, max_size=6), st.integers(1, 3))
@example([1e-45, 1.1754944e-38, 3.4028234663852886e38, 0.0, 1.0, 0.99999994], 2)
def test_every_float32_is_read_as_it_was_written(values: list[float], lines: int) -> None:
    expected = np.array([values] * lines, np.float32)
    read = numbers(text_of(expected.ravel().tolist(), len(values)), len(values))
    assert read is not None and read.shape == expected.shape
    np.testing.assert_array_equal(read.view(np.uint32), expected.view(np.uint32))


@given(st.floats(1e-99, 3.4e38))
def test_any_other_number_is_read_within_a_float32_of_python(value: float) -> None:
    read = numbers(text_of([value], 1), 1)
    assert read is not None
    assert abs(float(read[0, 0]) - value) <= 0.5000001 * float(np.spacing(np.float32(value)))


def test_a_million_numbers_are_those_of_python() -> None:
    values = np.random.default_rng(0).random((1000, 1000))
    read = numbers(text_of(values.ravel().tolist(), 1000), 1000)
    assert read is not None
    np.testing.assert_array_equal(read, values.astype(np.float32))


@pytest.mark.parametrize(
    "line",
    ["1,2\n", "1.0,2.0\n", "1.000000000000000000e+00,1.000000000000000000e+00\r\n", "", "\n"]
    + [
        f"1.000000000000000000e+00,{field}\n"
        for field in (
            "-1.00000000000000000e+00",
            "1.00000000000000000e+100",
            "1.000000000000000000E+00",
            " .000000000000000000e+00",
            "1.00000000000000000 e+00",
            "1.00000000000000000:e+00",
            "1.00000000000000000/e+00",
            "1,000000000000000000e+00",
            "1.0000000000000000000+00",
            "1.000000000000000000e.00",
            "1.000000000000000000e+0x",
            "nannannannannannannannan",
        )
    ],
)
def test_another_way_of_writing_is_left_to_others(line: str) -> None:
    read = numbers(line.encode(), 2)
    assert read is None or not len(read)


def test_what_stands_between_plus_and_minus_is_no_number() -> None:
    read = numbers(b"1.000000000000000000e,00\n", 1)
    assert read is None or np.isnan(read).all()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.integers(0, 3 * 4700 - 1), byte=st.integers(0, 255) | st.sampled_from(list(b"0123456789.,e+-\n"))
)
def test_a_changed_character_is_judged_as_by_the_careful_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int, byte: int
) -> None:
    rows = np.random.default_rng(0).random((3, 187), dtype=np.float32)
    path = tmp_path / "beats.csv"
    write_csv(path, rows, np.arange(3))
    content = bytearray(path.read_bytes())
    content[place] = byte
    path.write_bytes(content)
    found: list[object] = []
    for careful in (False, True):
        with monkeypatch.context() as patch:
            if careful:
                patch.setattr(kaggle_csv, "numbers", lambda *_: None)
            try:
                signal, label = read_csv(path)
                found.append((signal.tolist(), label.tolist()))
            except EcgError as error:
                found.append(str(error))
    assert found[0] == found[1]
