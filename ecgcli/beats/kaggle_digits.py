"""The numbers of the Kaggle files as their authors wrote them, read many at a time.

Every number there is 24 characters long, `d.dddddddddddddddddde±dd`, and with its comma or line end 25: a row
is a fixed width, and the digits of all rows stand in the same columns. So whole columns of digits are put
together by integer arithmetic, eight digits in the eight bytes of a word (Lamport 1975, Multiple byte
processing with full-word instructions), in blocks that stay in the processor's cache.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_FIELD = b"0.000000000000000000e+00,"
_WIDTH = len(_FIELD)
_ROWS = 128  # taken at once, so that what lies between is not written to memory

_TEXT = np.frombuffer(_FIELD, np.uint8)
# how far a character may lie above that of _FIELD
_ABOVE = np.array([9 if character == ord("0") else 0 for character in _FIELD], np.uint8)
_ABOVE[_FIELD.index(b"+")] = ord("-") - ord("+")

# by [sign, 0 or 2][ones][tens] of the exponent: what an integer of 17 digits is multiplied by; NaN for the
# character between the signs
_SCALES = np.full((3, 16, 256), np.nan)
for _i in range(100):
    _SCALES[0, _i % 10, _i // 10] = float(f"1e{_i - 16}")
    _SCALES[2, _i % 10, _i // 10] = float(f"1e{-_i - 16}")
_SCALE: npt.NDArray[np.float64] = _SCALES.ravel()

_STEPS = tuple(
    tuple(np.uint64(number) for number in step)
    for step in (
        (10 * 2**8 + 1, 8, 0x00FF00FF00FF00FF),
        (100 * 2**16 + 1, 16, 0x0000FFFF0000FFFF),
        (10_000 * 2**32 + 1, 32, 0x00000000FFFFFFFF),
    )
)


def numbers(block: bytes, columns: int) -> npt.NDArray[np.float32] | None:
    """Reads lines of positive numbers in the form of `_FIELD`.

    A number is taken from its first 17 digits, with an error below 1e-15 of it: that is the float32 that was
    written, whichever it was.

    Args:
        block: whole lines, each of `columns` numbers.
        columns: numbers in a line.

    Returns:
        (lines, columns) float32; None where anything in the block is written in another way.
    """
    width = columns * _WIDTH
    if len(block) % width:
        return None
    text = np.frombuffer(block, np.uint8).reshape(-1, width)
    lowest, above = np.tile(_TEXT, columns), np.tile(_ABOVE, columns)
    lowest[-1] = ord("\n")
    values = np.empty((len(text), columns), np.float32)
    for start in range(0, len(text), _ROWS):
        digits = text[start : start + _ROWS] - lowest  # wraps around for what lies below
        if (digits > above).any():
            return None
        values[start : start + _ROWS] = _numbers(digits).reshape(-1, columns)
    return values


def _numbers(digits: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """(n,) numbers of fields whose characters lie so far above those of `_FIELD`."""

    def at(place: int, kind: str) -> npt.NDArray[np.uint64]:
        shape = (digits.size // _WIDTH,)
        return np.ndarray(shape, kind, digits.data, place, (_WIDTH,)).astype(np.uint64)

    high, low = _eight(at(2, "<u8")), _eight(at(10, "<u8"))
    high *= np.uint64(10**8)
    high += low
    high += at(0, "u1") * np.uint64(10**16)
    place = at(22, "<u2") + (at(21, "u1") << np.uint64(12))
    scale = _SCALE[place.view(np.int64)]
    return high.view(np.int64) * scale


def _eight(word: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Numbers whose eight digits are the bytes of a word, the first digit in the lowest byte."""
    for factor, shift, mask in _STEPS:
        word *= factor
        word >>= shift
        word &= mask
    return word
