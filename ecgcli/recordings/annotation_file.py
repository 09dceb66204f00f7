"""What scoring needs of a recording: annotations, rate and length, without the signal and without wfdb.

Importing `wfdb` takes a second and `wfdb.rdann` about 18 ms for the annotations of half an hour; scoring
reads two such files a record and nothing else. The format is that of WFDB's annot(5): 16-bit words, the upper
6 bits a code, the lower 10 a time difference in samples or, from code 59 on, a modifier's value.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import numpy as np

from ecgcli.errors import EcgError
from ecgcli.recordings.record import Annotations

SYMBOLS = MappingProxyType(
    {
        **dict(enumerate("NLRaVFJASEj/Q~", start=1)),
        **{16: "|", 18: "s", 19: "T", 20: "*", 21: "D", 22: '"', 23: "=", 24: "p", 25: "B", 26: "^", 27: "t"},
        **{28: "+", 29: "u", 30: "?", 31: "!", 32: "[", 33: "]", 34: "e", 35: "n", 36: "@", 37: "x", 38: "f"},
        **{39: "(", 40: ")", 41: "r"},
    }
)
"""Code of an annotation in the file → its symbol."""

NOTE, SKIP, NUM, SUB, CHN, AUX = 22, 59, 60, 61, 62, 63
"""Codes with a meaning for the file itself: a comment, and the modifiers."""


def read_annotations(file: Path) -> tuple[Annotations, float | None]:
    """Reads a WFDB annotation file in the MIT format.

    Args:
        file: the annotation file (`data/mitdb/100.atr`).

    Returns:
        The annotations in the order of the file, and the sampling rate in Hz that the file states, or None
        where it states none. A code that neither the standard nor the file itself names has the symbol
        `<code>`, such as `<42>`.

    Raises:
        EcgError: the file is missing, truncated or no annotation file.
    """
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise EcgError(f"{file}: no such annotation file") from None
    except OSError as error:
        raise EcgError(f"{file}: cannot be read: {error.strerror or error}") from error
    if len(content) % 2 or content[-2:] != b"\0\0":  # the standard closes every file with a null annotation
        raise EcgError(
            f"{file}: truncated: its closing mark is missing; expected a whole WFDB annotation file"
        )
    try:
        samples, codes, subtypes, nums, notes = _decode(content)
    except (IndexError, ValueError):
        raise EcgError(f"{file}: damaged; expected a WFDB annotation file") from None
    rate, names, first = _preamble(samples, codes, notes)
    try:
        sample = np.array(samples[first:], dtype=np.int64)
    except OverflowError:
        raise EcgError(f"{file}: damaged; expected a WFDB annotation file") from None
    return (
        Annotations(
            sample=sample,
            symbol=np.array([names.get(code) or f"<{code}>" for code in codes[first:]], dtype=np.str_),
            subtype=np.array(subtypes[first:], dtype=np.int64),
            aux=np.array(notes[first:], dtype=np.str_),
            num=np.array(nums[first:], dtype=np.int64),
        ),
        rate,
    )


def _decode(content: bytes) -> tuple[list[int], list[int], list[int], list[int], list[str]]:
    words = np.frombuffer(content, dtype="<u2").tolist()
    samples: list[int] = []
    codes: list[int] = []
    subtypes: list[int] = []
    nums: list[int] = []
    notes: list[str] = []
    at = now = num = 0
    while words[at]:
        code, value = words[at] >> 10, words[at] & 1023
        at += 1
        if code < SKIP:
            now += value
            if code:  # code 0 is no annotation: it only moves on in time
                samples.append(now)
                codes.append(code)
                subtypes.append(0)
                nums.append(num)  # it holds until another is given
                notes.append("")
        elif code == SKIP:  # a signed 32-bit time difference, its upper half first
            jump = words[at] << 16 | words[at + 1]
            now += jump - (1 << 32) if jump >> 31 else jump
            at += 2
        elif code == SUB:
            subtypes[-1] = _signed(value)
        elif code == NUM:
            num = _signed(value)
            nums[-1:] = [num] if nums else []
        elif code == AUX:
            notes[-1] = content[2 * at : 2 * at + value].decode("latin-1").rstrip("\0")
            at += (value + 1) // 2
        # CHN says which lead was looked at: nothing here depends on it
    if any(words[at:]):
        raise ValueError("something follows the closing mark")
    return samples, codes, subtypes, nums, notes


def _signed(value: int) -> int:
    return (value & 127) - (value & 128)


def _preamble(
    samples: list[int], codes: list[int], notes: list[str]
) -> tuple[float | None, dict[int, str], int]:
    """The notes at sample 0 that speak about the file itself: its rate and the codes that it defines."""
    rate: float | None = None
    names = dict(SYMBOLS)
    defining = False
    first = 0
    for first in range(len(codes) + 1):
        if first == len(codes) or codes[first] != NOTE or samples[first] != 0:
            break
        note = notes[first]
        if note.startswith("## time resolution:"):
            try:
                rate = float(note.partition(":")[2])
            except ValueError:
                break
        elif note.startswith("## annotation type definitions"):
            defining = True
        elif note.startswith("## end of definitions"):
            defining = False
        elif defining and len(words := note.split()) > 1 and words[0].isdigit():
            names[int(words[0])] = words[1]
        else:
            break
    return rate, names, first


def read_rate_and_length(file: Path) -> tuple[float, int | None]:
    """Reads a record's sampling rate and length from its header.

    Args:
        file: the header file (`data/mitdb/100.hea`).

    Returns:
        The rate in Hz, and the length in samples or None where the header leaves it open.

    Raises:
        EcgError: the header is missing or its first line is none of a header.
    """
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise EcgError(f"{file}: no such header file; a record's rate and length come from it") from None
    except OSError as error:
        raise EcgError(f"{file}: cannot be read: {error.strerror or error}") from error
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    words = lines[0].split() if lines else []
    try:
        int(words[1])  # the number of signals
        rate = float(words[2].partition("/")[0]) if len(words) > 2 else 250.0  # WFDB's default
        length = int(words[3]) if len(words) > 3 else 0
    except (IndexError, ValueError):
        rate, length = 0.0, -1
    if not 0 < rate < float("inf") or length < 0:
        raise EcgError(f"{file}: unreadable header; expected a first line such as '100 2 360 650000'")
    return rate, length or None
