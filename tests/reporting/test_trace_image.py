"""A trace drawn with numpy is the one that was given, and a PNG of it holds the same pixels."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ecgcli.reporting import trace_image
from ecgcli.reporting.trace_image import columns, draw, full, half, png, stamp

COLOURS = ("#222222", "#D55E00", "#0072B2")


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 3000), st.integers(1, 400), st.floats(1.0, 1.5), st.integers(0, 9))
def test_every_column_reaches_from_the_lowest_to_the_highest_it_holds(
    n: int, width: int, longer: float, seed: int
) -> None:
    signal = np.random.default_rng(seed).normal(size=n).astype(np.float32)
    low, high = columns(signal, width, longer * n)
    per_column = longer * n / width
    for i in range(width):
        # the trace between the two edges of the column, joined by straight lines
        at = np.concatenate([[i * per_column], np.arange(n), [(i + 1) * per_column]])
        inside = at[(at >= i * per_column) & (at <= (i + 1) * per_column) & (at <= n - 1)]
        if i * per_column >= n - 1:
            assert np.isnan(low[i]) or i * per_column == pytest.approx(n - 1)
        else:
            inside = np.append(inside, min((i + 1) * per_column, n - 1))
            values = np.interp(inside, np.arange(n), signal)
            assert (low[i], high[i]) == (
                pytest.approx(values.min(), abs=1e-5),
                pytest.approx(values.max(), abs=1e-5),
            )


def test_missing_samples_leave_their_columns_empty() -> None:
    signal = np.ones(1000, np.float32)
    signal[300:400] = np.nan
    low, _ = columns(signal, 100, 1000)
    assert np.flatnonzero(np.isnan(low)).tolist() == list(range(29, 40))
    assert np.isnan(columns(np.ones(1, np.float32), 100, 1000)[0]).all()
    assert np.isnan(columns(np.full(500, np.nan, np.float32), 100, 1000)[1]).all()


def drawn(low: float, high: float, pen: float, ink: int = 0) -> npt.NDArray[np.uint8]:
    some = np.ones(2, np.float32)
    return draw(low * some, high * some, np.full(2, ink), 10, pen * some)[:, 0]


def test_a_line_is_as_thick_as_the_pen_and_smooth_at_its_edges() -> None:
    assert drawn(5.0, 5.0, 2.0).tolist() == [0, 0, 0, 0, full(0), full(0), 0, 0, 0, 0]
    assert drawn(5.5, 5.0, 2.0).tolist() == [0, 0, 0, 0, full(0), full(0), half(0), 0, 0, 0]
    assert drawn(5.0, 4.5, 2.0, ink=2).tolist() == [0, 0, 0, half(2), full(2), full(2), 0, 0, 0, 0]


def test_what_is_out_of_reach_is_cut_off_and_what_is_missing_is_not_drawn() -> None:
    assert drawn(30.0, -30.0, 1.0).tolist() == [full(0)] * 10
    assert drawn(90.0, 80.0, 1.0).tolist() == [0] * 10
    assert drawn(np.nan, np.nan, 1.0).tolist() == [0] * 10


def test_a_mark_at_the_edge_is_cut_off() -> None:
    image = np.zeros((5, 10), np.uint8)
    stamp(image, np.ones((3, 5), bool), np.array([0, 9]), 1, 1)
    assert np.argwhere(image == full(1)).tolist() == [[y, x] for y in (1, 2, 3) for x in (0, 1, 2, 7, 8, 9)]


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_a_png_holds_the_pixels_that_were_drawn(height: int, half_width: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 7, (height, 2 * half_width)).astype(np.uint8)
    with Image.open(io.BytesIO(png(image, COLOURS))) as found:
        assert found.size == (2 * half_width, height)
        pixels = np.asarray(found.convert("RGBA"))
    opaque = {full(k): (*bytes.fromhex(c[1:]), 255) for k, c in enumerate(COLOURS)}
    smooth = {half(k): (*bytes.fromhex(c[1:]), 128) for k, c in enumerate(COLOURS)}
    meant = {0: (0, 0, 0, 0)} | opaque | smooth
    assert (pixels == np.array([meant[k] for k in range(7)], np.uint8)[image]).all()


def test_there_are_no_more_inks_than_a_png_of_four_bits_can_hold() -> None:
    from ecgcli.reporting.row_image import PALETTE

    assert full(trace_image.INKS - 1) + 1 <= 15
    assert len(PALETTE) <= trace_image.INKS
