"""What leaks between the parts: shared subjects, shared records, equal rows, shared raw samples."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ecgcli.beats.part import Part
from ecgcli.beats.store import taken
from ecgcli.beats.table import UNKNOWN, BeatTable
from ecgcli.errors import EcgError

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Shared:
    """What two parts have in common, `first` training and `second` test for instance.

    Attributes:
        first: name of the one part.
        second: name of the other.
        subjects: subjects with beats in both.
        records: records with beats in both.
        rows: beats of `second` whose samples are those of a beat of `first`, bit for bit; flat rows, which
            say nothing of a patient, are not counted.
        samples: beats of `second` whose window shares raw samples with that of a beat of `first`.
        beats: beats of `second`, all of them.
        unknown: beats of either part whose record is not known.
    """

    first: str
    second: str
    subjects: tuple[str, ...]
    records: tuple[str, ...]
    rows: int
    samples: int
    beats: int
    unknown: int

    @property
    def leaks(self) -> frozenset[str]:
        """Which of "subjects", "records", "rows" and "samples" the two share."""
        found = {
            "subjects": self.subjects,
            "records": self.records,
            "rows": self.rows,
            "samples": self.samples,
        }
        return frozenset(kind for kind, what in found.items() if what)

    @property
    def sentence(self) -> str:
        """The finding in words."""
        found = []
        if self.subjects:
            found.append(_count(len(self.subjects), "subject", self.subjects))
        if self.records:
            found.append(_count(len(self.records), "record", self.records))
        if self.rows:
            found.append(f"{self.rows:,} equal row{'s' if self.rows > 1 else ''}")
        said = f"share {_listed(found)}" if found else "share no subject, no record and no equal row"
        if self.samples:
            said += (
                f"; {self.samples:,} of the {self.beats:,} {self.second} windows share raw samples with "
                f"{self.first} windows"
            )
        if self.unknown:
            said += f" (of {self.unknown:,} beats the record is not known)"
        return f"{self.first.capitalize()} and {self.second} {said}."


@dataclass(frozen=True)
class Audit:
    """The findings for every pair of parts.

    Attributes:
        pairs: training/validation and, where the test part is built, training/test and validation/test.
        refused: leaks into the test part that the protocol does not itself name.
    """

    pairs: tuple[Shared, ...]
    refused: tuple[str, ...]

    def sentences(self) -> list[str]:
        """One sentence for each pair."""
        return [pair.sentence for pair in self.pairs]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        pairs = [
            {**asdict(pair), "subjects": [*pair.subjects], "records": [*pair.records]} for pair in self.pairs
        ]
        return {"pairs": pairs, "refused": [*self.refused]}


def audit(table: BeatTable, part: Part) -> Audit:
    """Looks for everything that the parts have in common."""
    sides = {"training": part.train}
    if part.labelled:
        sides["labelled"] = part.labelled.rows
    if len(part.validation):
        sides["validation"] = part.validation
    if part.test is not None:
        sides["test"] = part.test
    hashes = _hashes(table, np.concatenate(list(sides.values())))
    names = list(sides)
    pairs = tuple(
        _shared(table, hashes, (first, sides[first]), (second, sides[second]))
        for i, first in enumerate(names)
        for second in names[i + 1 :]
    )
    leaks = frozenset[str]().union(*(pair.leaks for pair in pairs if pair.second == "test"))
    return Audit(pairs, tuple(sorted(leaks - part.leaks)))


def check(audit: Audit, part: Part, allow_leak: bool) -> None:
    """Refuses to train where the test part leaks in a way that the protocol does not name.

    Raises:
        EcgError: it leaks, and `allow_leak` is false.
    """
    if audit.refused and not allow_leak:
        found = " ".join(
            pair.sentence for pair in audit.pairs if pair.second == "test" and pair.leaks - part.leaks
        )
        named = ", ".join(sorted(part.leaks)) or "nothing"
        raise EcgError(
            f"protocol={part.name} shares {named} with its test part by design, but "
            f"{', '.join(audit.refused)} leak too. {found} allow_leak=true trains nevertheless"
        )


def summary(audits: list[Audit]) -> dict[str, Any]:
    """The findings of every fold, plain JSON values; one that holds in every fold is said once."""
    if len(audits) == 1:
        return {"sentences": audits[0].sentences(), **audits[0].to_dict()}
    said: dict[str, list[int]] = {}
    for fold, one in enumerate(audits):
        for pair in one.pairs:
            said.setdefault(pair.sentence, []).append(fold)
    sentences = []
    for sentence, folds in said.items():
        where = "every fold" if len(folds) == len(audits) else f"fold {', '.join(map(str, folds))}"
        sentences.append(f"In {where}: {sentence[0].lower()}{sentence[1:]}")
    pairs = [{"fold": fold, **pair} for fold, one in enumerate(audits) for pair in one.to_dict()["pairs"]]
    return {
        "sentences": sentences,
        "pairs": pairs,
        "refused": sorted({leak for one in audits for leak in one.refused}),
    }


def _shared(
    table: BeatTable, hashes: npt.NDArray[np.uint64], first: tuple[str, Rows], second: tuple[str, Rows]
) -> Shared:
    a, b = first[1], second[1]
    records = np.intersect1d(table.record[a], table.record[b])
    code, subjects = table.subject, sorted(set(table.subjects))
    known = np.array([name != UNKNOWN for name in table.records])
    return Shared(
        first=first[0],
        second=second[0],
        subjects=tuple(n for i in np.intersect1d(code[a], code[b]) if (n := subjects[i]) != UNKNOWN),
        records=tuple(table.records[i] for i in records if known[i]),
        rows=_equal_rows(table, hashes, a, b),
        samples=_overlapping(*_on_one_line(table, a), *_on_one_line(table, b)),
        beats=len(b),
        unknown=int(np.sum(~known[table.record[a]]) + np.sum(~known[table.record[b]])),
    )


def _hashes(table: BeatTable, rows: Rows) -> npt.NDArray[np.uint64]:
    """(n,) a hash of the bits of each row, 0 for flat and for unasked ones; equal rows have equal hashes."""
    width = int(np.prod(table.signal.shape[1:]))
    odd = np.random.default_rng(0).integers(2**63, size=width, dtype=np.uint64) * 2 + 1
    hashes = np.zeros(len(table), dtype=np.uint64)
    wanted = np.zeros(len(table), dtype=bool)
    wanted[rows] = True
    for start in range(0, len(table), 4096):
        here = np.arange(start, min(start + 4096, len(table)))
        block = np.ascontiguousarray(taken(table.signal, here), dtype=np.float32)
        bits = block.reshape(len(block), width).view(np.uint32)
        asked = wanted[start : start + 4096] & (bits != bits[:, :1]).any(axis=1)
        hashes[start : start + 4096][asked] = np.maximum(bits[asked].astype(np.uint64) @ odd, 1)
    return hashes


def _equal_rows(table: BeatTable, hashes: npt.NDArray[np.uint64], a: Rows, b: Rows) -> int:
    in_both = np.intersect1d(hashes[a], hashes[b])
    in_both = in_both[in_both > 0]
    if not len(in_both):
        return 0
    # equal hashes are nearly always equal rows, but only the rows themselves are proof
    theirs = {table.signal[i].tobytes() for i in a[np.isin(hashes[a], in_both)]}
    return sum(table.signal[i].tobytes() in theirs for i in b[np.isin(hashes[b], in_both)])


def _on_one_line(table: BeatTable, rows: Rows) -> tuple[Rows, Rows]:
    """First and one past the last raw sample of each row, all records laid behind one another."""
    offset = table.record[rows] * (int(table.span.max(initial=0)) + 1)
    return table.span[rows, 0] + offset, table.span[rows, 1] + offset


def _overlapping(first_a: Rows, end_a: Rows, first_b: Rows, end_b: Rows) -> int:
    """How many of the intervals b share a point with any of the intervals a."""
    a, b = end_a > first_a, end_b > first_b  # rows of unknown origin have empty spans
    if not a.any() or not b.any():
        return 0
    order = np.argsort(first_a[a])
    starts, furthest = first_a[a][order], np.maximum.accumulate(end_a[a][order])
    before = np.searchsorted(starts, end_b[b])  # so many of a start before b ends
    return int(np.sum((before > 0) & (furthest[before - 1] > first_b[b])))


def _count(n: int, noun: str, names: tuple[str, ...]) -> str:
    return f"{n} {noun}{'s' if n > 1 else ''}" + (f" ({', '.join(names)})" if n <= 5 else "")


def _listed(found: list[str]) -> str:
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}"
