"""Make `ecgcli/beats/kaggle_trace.npz`, which says of every Kaggle beat where it was cut.

    python scripts/make_kaggle_trace.py <mitdb> <kaggle_test_order.csv> [<trace.npz>]

`<mitdb>` is the folder of the MIT-BIH Arrhythmia Database 1.0.0 (Moody & Mark 2001, PhysioNet, ODC-By 1.0);
the CSV says row by row which record and annotation sample stand behind the published test file. Written are,
for all records one after the other, the annotations (the beats and their windows follow from them), the index
of the beat in each test row, and 48 bits of a hash of every beat. The script stops where two rows are equal
or where two hashes agree.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from ecgcli.beats.kaggle_recipe import RECORDS, beats_of, concatenate, cut, read
from ecgcli.beats.kaggle_trace import KEY_BYTES, TRACE_FILE, row_hashes


def main(mitdb: Path, test_order: Path, out: Path) -> None:
    lengths, annotations, parts, cuts = [], [], [], []
    for index, name in enumerate(RECORDS):
        signal, marks = read(mitdb, name)
        lengths.append(len(signal))
        annotations.append(marks)
        parts.append(beats_of(index, marks.sample, marks.symbol, len(signal)))
        cuts.append(cut(signal, parts[-1].sample, parts[-1].window))
    beats, rows = concatenate(parts), np.concatenate(cuts)
    if len({row.tobytes() for row in rows}) < len(rows):
        sys.exit("two beats are equal: a row would not say which it is")
    key = row_hashes(rows).astype("<u8").view(np.uint8).reshape(-1, 8)[:, :KEY_BYTES]
    if len(np.unique(key, axis=0)) < len(key):
        sys.exit("two beats have the same key: it needs more bits")

    names = [RECORDS[index] for index in beats.record]
    place = {where: row for row, where in enumerate(zip(names, beats.sample.tolist(), strict=True))}
    lines = [line.split(",") for line in test_order.read_text().splitlines()[1:]]
    test = np.array([place[record, int(sample)] for record, sample in lines], dtype=np.uint32)
    if len(np.unique(test)) < len(test):
        sys.exit(f"{test_order}: a beat stands in two rows")

    step = np.concatenate([np.diff(marks.sample, prepend=0) for marks in annotations])
    if step.max() > np.iinfo(np.uint16).max:
        sys.exit("two annotations are too far apart for 16 bits")
    np.savez_compressed(
        out,
        annotations=np.array([len(marks) for marks in annotations], dtype=np.uint16),
        length=np.array(lengths, dtype=np.uint32),
        step=step.astype(np.uint16),
        symbol=np.concatenate([marks.symbol.astype("S1").view(np.uint8) for marks in annotations]),
        test=test,
        key=key,
    )
    print(
        f"{out}: {len(beats):,} beats, {len(test):,} of them in the test file, {out.stat().st_size:,} bytes"
    )


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]) if len(sys.argv) == 4 else TRACE_FILE)
