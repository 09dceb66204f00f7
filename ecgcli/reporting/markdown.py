"""Markdown: tables, code and text that shows as it was given."""

from __future__ import annotations

import re
from collections.abc import Sequence


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], right: bool = True) -> str:
    """A table; all columns but the first stand on the right, or none."""
    aligned = ["---", *(["---:" if right else "---"] * (len(headings) - 1))]
    lines = [[text(cell) for cell in row] for row in (headings, *rows)]
    lines.insert(1, aligned)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def code(text: str, language: str) -> str:
    """A block of code, whatever stands in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def text(words: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*\[\]<>|~&]|(?<!\w)_|_(?!\w))", r"\\\1", " ".join(words.split()))
