"""A long trace as a small picture: drawn with numpy, packed as a PNG of 16 colours.

A day of ECG is 1,440 rows of a minute, too many for matplotlib. Here a row is the band between the lowest and
the highest sample of each column of pixels, in one ink a column.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
"""(height, width) numbers of colours, from the top: 0 is empty, `full(ink)` and `half(ink)` are ink."""

INKS = 7
"""How many inks there are, each with two strengths."""


def full(ink: int) -> int:
    """Number of the colour of an ink."""
    return 1 + 2 * ink


def half(ink: int) -> int:
    """Number of the colour of an ink at half its strength, for smooth edges."""
    return 2 + 2 * ink


def columns(
    signal: npt.NDArray[np.floating], width: int, samples: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Lowest and highest value of a trace in each column of a row.

    Args:
        signal: (time,); NaN where samples are missing.
        width: columns of the row.
        samples: that the row holds, `signal` from its beginning; where the signal is shorter, the rest of the
            row is empty.

    Returns:
        (width,) each; NaN in columns of which nothing is known. Neighbouring columns meet.
    """
    n = len(signal)
    low, high = np.full(width, np.nan, np.float32), np.full(width, np.nan, np.float32)
    edges = np.arange(width + 1) * (samples / width)
    drawn = int(np.searchsorted(edges, n - 1, side="right")) if n > 1 else 0
    if not drawn:
        return low, high
    at = np.minimum(edges[: drawn + 1], n - 1)
    between = np.interp(at, np.arange(n), signal).astype(np.float32)  # the trace where two columns meet
    drawn = len(at) - 1
    first, after = np.ceil(at[:-1]).astype(np.int64), np.floor(at[1:]).astype(np.int64) + 1
    some = after > first  # with few samples a column has none of its own
    inner = signal[: after[-1]]
    with np.errstate(invalid="ignore"):
        for found, meets in ((low, np.minimum), (high, np.maximum)):
            edge = meets(between[:-1], between[1:])
            own = meets.reduceat(inner, np.minimum(first, len(inner) - 1))
            found[:drawn] = np.where(some, meets(edge, own), edge)
    return low, high


def draw(
    low: npt.NDArray[np.floating],
    high: npt.NDArray[np.floating],
    ink: npt.NDArray[np.integer],
    height: int,
    pen: npt.NDArray[np.floating],
) -> Image:
    """Draws the band between two traces.

    Args:
        low: (width,) lower edge, in pixels from the top (so it is the greater number); NaN draws nothing.
        high: (width,) upper edge.
        ink: (width,) ink of each column.
        height: of the picture; what lies outside is cut off.
        pen: (width,) thickness of the line, in pixels.
    """
    known = np.isfinite(low) & np.isfinite(high)
    # in half pixels
    top = np.where(known, np.rint(np.clip(2 * (high - pen / 2), 0, 2 * height)), 0).astype(np.int16)
    bottom = np.where(known, np.rint(np.clip(2 * (low + pen / 2), 0, 2 * height)), 0).astype(np.int16)
    y = np.arange(height, dtype=np.int16)[:, None]
    inside = (y >= (top + 1) // 2) & (y < bottom // 2)
    image: Image = inside.view(np.uint8) * (1 + 2 * ink).astype(np.uint8)
    for edge in (top, bottom):
        odd = np.flatnonzero((edge % 2 == 1) & (bottom > top))
        image[edge[odd] // 2, odd] = (2 + 2 * ink[odd]).astype(np.uint8)
    return image


def stamp(image: Image, shape: npt.NDArray[np.bool_], x: npt.NDArray[np.integer], top: int, ink: int) -> None:
    """Draws a small shape over the picture, its middle at each column of `x`; outside nothing is drawn."""
    down, across = np.nonzero(shape)
    columns = x[:, None] + (across - shape.shape[1] // 2)
    inside = (columns >= 0) & (columns < image.shape[1])
    image[np.broadcast_to(top + down, columns.shape)[inside], columns[inside]] = full(ink)


def png(image: Image, inks: Sequence[str]) -> bytes:
    """The picture as a PNG on a transparent ground.

    Args:
        image: of an even width.
        inks: `#RRGGBB` of each ink, `INKS` at most.
    """
    height, width = image.shape
    packed = (image[:, ::2] << 4) | image[:, 1::2]
    lines = np.empty((height, 1 + width // 2), np.uint8)
    lines[:, 0] = 2  # each line less the one above it: strokes that go on are zeros
    lines[0, 1:] = packed[0]
    np.subtract(packed[1:], packed[:-1], out=lines[1:, 1:])
    # runs of zeros are nearly all there is: run lengths alone are four times as fast as a search, and smaller
    compressor = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
    data = compressor.compress(lines.tobytes()) + compressor.flush()
    colours = bytes(3) + b"".join(2 * bytes.fromhex(ink[1:]) for ink in inks)
    opacity = b"\x00" + b"\xff\x80" * len(inks)
    header = struct.pack(">IIBBBBB", width, height, 4, 3, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"PLTE", colours), (b"tRNS", opacity), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def data_uri(picture: bytes) -> str:
    """A PNG as the source of an image of a page."""
    return "data:image/png;base64," + base64.b64encode(picture).decode()
