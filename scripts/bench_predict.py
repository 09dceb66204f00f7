"""Measures `ecg predict` on 24 hours of two leads at 360 Hz; prints a table.

    python scripts/bench_predict.py [RUN]

The day is made of a simulated half hour, repeated, and written in WFDB format 212. Whole processes are timed
from the shell on, with and without the page; the stages one after the other in a process of its own, where
nothing runs beside. RUN is any model that `run=` takes; without it, the model in the box.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench_speed import HOURS, a_day, peak_memory

REPEATS = 3

STAGES = """
import sys, time
from pathlib import Path
import numpy as np
from ecgcli.models import open_model
from ecgcli.prediction import annotate as road
from ecgcli.prediction.annotate import annotate
from ecgcli.prediction.events import summarise
from ecgcli.prediction.resampled import resampled
from ecgcli.prediction.write import write
from ecgcli.recordings.rpeaks import find_rpeaks_in_pieces
from ecgcli.recordings.source import open_source

source = open_source(Path(sys.argv[1]))
model, _ = open_model(sys.argv[2])
marks = [("", time.perf_counter())]
def lap(stage):
    marks.append((stage, time.perf_counter()))
for start in range(0, source.samples, 108_000):
    source.read(start, min(source.samples, start + 108_000))
lap("reading")
peaks = find_rpeaks_in_pieces(source.read, source.samples, range(len(source.leads)), source.rate)
lap("R peaks, reading included")
segmenter = model.segmenter
ratio = segmenter.ratio(source.rate)
signal = resampled(source.read, source.samples, (0,), source.rate, ratio)
lap("resampling and what can be read, reading included")
marks_at = np.minimum(np.rint(peaks * float(ratio)).astype(np.int64), signal.length - 1)
blocks = list(road._blocks(segmenter, signal, peaks, marks_at, source.rate, segmenter.scale(signal.mapped())))
lap("cutting")
for beats, features, _ in blocks:
    model.predict(beats, features=features)
lap("classification")
del blocks
found = annotate(source, model, peaks=peaks)
marks.append(("", time.perf_counter()))
write(found, summarise(found), Path(sys.argv[3]), "ecg", "csv", {})
lap("annotation file, table and summary")
for (_, before), (stage, after) in zip(marks, marks[1:]):
    if stage:
        print(f"{stage}: {after - before:.2f}")
print("beats:", len(found))
"""


def whole(day: Path, output: Path, *words: str) -> tuple[float, float]:
    """Seconds and peak memory in MB of one `ecg predict`."""
    command = [sys.executable, "-m", "ecgcli", "predict", f"input={day}", f"output={output}", *words]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = peak_memory(process)
    return time.perf_counter() - started, peak


def main() -> None:
    from ecgcli.commands.predict import SHIPPED

    run = sys.argv[1] if len(sys.argv) > 1 else str(SHIPPED)
    print(
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}"
    )
    with tempfile.TemporaryDirectory() as folder:
        day = a_day(Path(folder))
        output = Path(folder) / "out"
        rows = []
        for what, words in (("all in, without the page", ["page=false"]), ("all in, with the page", [])):
            seconds, peaks = zip(
                *(whole(day, output, f"run={run}", *words) for _ in range(REPEATS)), strict=True
            )
            middle, least, most = statistics.median(seconds), min(seconds), max(seconds)
            times = f"{middle:.1f} s ({least:.1f} to {most:.1f}), {max(peaks):.0f} MB"
            rows.append(f"| `ecg predict`, {HOURS} h, {what} | {times} |")
        stages = subprocess.run(
            [sys.executable, "-c", STAGES, str(day), run, str(output)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        rows += [f"| {' | '.join(line.split(': '))} |" for line in stages.splitlines()]
    print("\n| what | seconds, memory |\n|-|-|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
