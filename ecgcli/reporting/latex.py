"""LaTeX: tables for a paper, by the package booktabs, and text that is set as it was given."""

from __future__ import annotations

from collections.abc import Sequence

ESCAPED = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "−": r"$-$",
    "–": "--",
    "→": r"$\to$",
    "κ": r"$\kappa$",
}


def text(words: str) -> str:
    """Text that LaTeX sets as it is, on one line."""
    return "".join(ESCAPED.get(letter, letter) for letter in " ".join(words.split()))


def table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    caption: str,
    label: str,
    bold: frozenset[tuple[int, int]] = frozenset(),
) -> str:
    r"""A floating table; the first column stands on the left, the others on the right.

    Args:
        headings: one a column.
        rows: cells, as many as headings.
        caption: below the table.
        label: for `\ref`.
        bold: (row, column) of the cells in bold.
    """
    lines = [
        r"\begin{table}",
        r"\centering",
        r"\begin{tabular}{l" + "r" * (len(headings) - 1) + "}",
        r"\toprule",
    ]
    lines += [" & ".join(map(text, headings)) + r" \\", r"\midrule"]
    for i, row in enumerate(rows):
        cells = [rf"\textbf{{{text(one)}}}" if (i, k) in bold else text(one) for k, one in enumerate(row)]
        lines.append(" & ".join(cells) + r" \\")
    lines += [r"\bottomrule", r"\end{tabular}", rf"\caption{{{text(caption)}}}", rf"\label{{{label}}}"]
    return "\n".join([*lines, r"\end{table}"])
