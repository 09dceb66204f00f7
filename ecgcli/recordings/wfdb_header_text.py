"""Plain WFDB headers read without wfdb, which takes a second to import, pandas included.

The format is that of WFDB's header(5). What is written out of the ordinary is left to wfdb.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

Value = TypeVar("Value")

_RECORD = re.compile(
    r"""
    [-\w]+ [ \t]+ (?P<signals>\d+) [ \t]+ (?P<rate>\d+\.?\d*)
    (?:[ \t]+ (?P<length>\d+)
    (?:[ \t]+ (?:[01]?\d|2[0-3]):[0-5]\d:[0-5]\d (?:\.\d{1,6})?  # time of day
    (?:[ \t]+ \d{1,2}/\d{1,2}/\d{4} )?)?)?
    """,
    re.VERBOSE | re.ASCII,
)
_SIGNAL = re.compile(
    r"""
    (?P<file>[-\w]+\.?\w*) [ \t]+ (?P<format>\d+) (?:x(?P<a_frame>\d+))?
    (?::(?P<skew>\d+))? (?:\+(?P<offset>\d+))?
    (?:[ \t]+ (?P<gain>\d+\.?\d*) (?:\((?P<baseline>-?\d+)\))? (?:/(?P<units>[\w^\-?%/]+))?
    (?:[ \t]+ \d+  # bits of the converter
    (?:[ \t]+ (?P<zero>-?\d+)
    (?:[ \t]+ (?P<first>-?\d+)
    (?:[ \t]+ (?P<checksum>-?\d+)
    (?:[ \t]+ \d+  # block size
    (?:[ \t]+ (?P<name>\S[^\t]*) )?)?)?)?)?)?)?
    """,
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True)
class Header:
    """A header in the names of `wfdb.Record`; lists have one value a signal, None if not stated."""

    n_sig: int
    fs: float
    sig_len: int | None
    file_name: list[str]
    fmt: list[str]
    samps_per_frame: list[int]
    skew: list[int | None]
    byte_offset: list[int | None]
    adc_gain: list[float]
    baseline: list[int]
    units: list[str]
    init_value: list[int | None]
    checksum: list[int | None]
    sig_name: list[str | None]


def plain_header(text: str) -> Header | None:
    """Reads a header as `wfdb.rdheader` does; None where it is not plain, such as one of several segments."""
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    record = _RECORD.fullmatch(lines[0]) if lines else None
    signals = [match for line in lines[1:] if (match := _SIGNAL.fullmatch(line))]
    if record is None or not signals or len(signals) != len(lines) - 1 or not text.isascii():
        return None
    zero = _stated(signals, "zero", int)
    return Header(
        n_sig=int(record["signals"]),
        fs=float(record["rate"]),
        sig_len=int(record["length"]) if record["length"] else None,
        file_name=[match["file"] for match in signals],
        fmt=[match["format"] for match in signals],
        samps_per_frame=[n if n is not None else 1 for n in _stated(signals, "a_frame", int)],
        skew=_stated(signals, "skew", int),
        byte_offset=_stated(signals, "offset", int),
        adc_gain=[gain or 200.0 for gain in _stated(signals, "gain", float)],  # 0: not calibrated
        baseline=[
            own if own is not None else other or 0
            for own, other in zip(_stated(signals, "baseline", int), zero, strict=True)
        ],
        units=[unit or "mV" for unit in _stated(signals, "units", str)],
        init_value=_stated(signals, "first", int),
        checksum=_stated(signals, "checksum", int),
        sig_name=_stated(signals, "name", str),
    )


def _stated(signals: Sequence[re.Match[str]], field: str, kind: Callable[[str], Value]) -> list[Value | None]:
    return [None if match[field] is None else kind(match[field]) for match in signals]
