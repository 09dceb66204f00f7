"""The figures of `scripts/bench.py` about ten times MIT-BIH: memory and time.

The records of `DATA_DIR/mitdb` are written several times over, each time with other noise of a few ADC units,
as a folder of WFDB records. Their beats are then cut into a table, and `ecg train` runs on it for one pass,
audit, predictions and report included. Memory is that of all processes of a command together, as Linux tells
it (`/proc/<pid>/smaps_rollup`): a page that several of them share counts once. What is anonymous is a
process's own; the rest are pages of files (libraries, the mapped table), which the system takes back when
somebody else needs the room.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ecgcli.recordings.wfdb_io import read_record, record_names

ONE_PASS = ("trainer.epochs=1", "trainer.accelerator=cpu", "trainer.progress=none")
TABLE_ALONE = (
    "import sys; from pathlib import Path; from ecgcli.beats.sources import beats; "
    "from ecgcli.choices.data import Wfdb; from ecgcli.config import TrainConfig; "
    "from ecgcli.parsing import parse; import json; "
    "config = parse(TrainConfig, json.loads(sys.argv[1])); "
    "print(len(beats(config.data, config.beat, Path('.'))))"
)


def write_records(mitdb: Path, folder: Path, times: int) -> int:
    """Writes every record of MIT-BIH `times` times, no two with equal samples; returns how many."""
    names = record_names(mitdb)
    folder.mkdir()
    for name in names:
        record = read_record(mitdb / name, digital=True)
        for copy in range(times):
            noise = np.random.default_rng([copy, int(name)]).integers(-2, 3, record.signal.shape)
            signal = (record.signal - 1024 + noise).astype("<i2")  # (leads, time), 200 units a mV
            written = f"{copy:02d}x{name}"
            signal.T.tofile(folder / f"{written}.dat")
            lines = [f"{written} {len(signal)} {record.rate:g} {signal.shape[1]}"]
            for lead, values in zip(record.leads, signal, strict=True):
                total = int(values.sum(dtype=np.int64)) & 0xFFFF
                total -= (total > 0x7FFF) << 16
                lines.append(f"{written}.dat 16 200(0)/mV 16 0 {values[0]} {total} 0 {lead}")
            (folder / f"{written}.hea").write_text("\n".join(lines) + "\n")
            shutil.copy(mitdb / f"{name}.atr", folder / f"{written}.atr")
    return times * len(names)


def watched(command: list[str], folder: Path, cache: Path) -> dict[str, float]:
    """Seconds and peak memory (MB) of a command and all the processes that it starts."""
    environment = {**os.environ, "ECG_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    peak = {"resident": 0.0, "anonymous": 0.0}
    started = time.perf_counter()
    with (folder / "log.txt").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        while process.poll() is None:
            total, own = memory(process.pid)
            peak = {
                "resident": max(peak["resident"], total),
                "anonymous": max(peak["anonymous"], own),
            }
            time.sleep(0.5)
    if process.returncode:
        sys.exit(f"{' '.join(command)}\n{(folder / 'log.txt').read_text()[-2000:]}")
    return {"seconds": time.perf_counter() - started, **peak}


def memory(pid: int) -> tuple[float, float]:
    """MB of a process and its descendants: all of it, and what is anonymous."""
    total = own = 0.0
    waiting = [pid]
    while waiting:
        here = Path(f"/proc/{waiting.pop()}")
        try:
            waiting += map(int, (here / f"task/{here.name}/children").read_text().split())
            rows = (line.split() for line in (here / "smaps_rollup").read_text().splitlines()[1:])
            found = {row[0].rstrip(":"): int(row[1]) / 1024 for row in rows}
        except OSError:  # it has ended
            continue
        total, own = total + found["Pss"], own + found["Pss_Anon"]
    return total, own


def measure(mitdb: Path, times: int, settings: list[str]) -> dict[str, Any]:
    """Builds the table of so many times MIT-BIH, trains on it and reports."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    from ecgcli.cli import conf_dir

    with tempfile.TemporaryDirectory() as place:
        folder, cache = Path(place), Path(place) / "cache"
        records = write_records(mitdb, folder / "records", times)
        size = sum(file.stat().st_size for file in (folder / "records").iterdir())
        chosen = ["data=wfdb", "data.path=[records]", *ONE_PASS, *settings]
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            config = OmegaConf.to_container(compose("train", chosen), resolve=True)
        building = watched([sys.executable, "-c", TABLE_ALONE, json.dumps(config)], folder, cache)
        training = watched([sys.executable, "-m", "ecgcli", "train", *chosen], folder, cache)
        (run,) = (folder / "outputs/train").glob("*/run.json")
        stages = json.loads(run.read_text())["seconds"]
        beats = int((folder / "log.txt").read_text().split(" beats of ")[0].split()[-1].replace(",", ""))
        table = sum(file.stat().st_size for file in cache.glob("beats-*/*"))
    return {
        "times": times,
        "records": records,
        "beats": beats,
        "bytes_of_records": size,
        "bytes_of_table": table,
        "build": building,
        "train": training,
        "stages": stages,
    }


def figures(data: Path) -> dict[str, Any]:
    """What `bench.py` takes of it."""
    return {"scale": lambda: _scale(data.resolve() / "mitdb")}


def _scale(mitdb: Path) -> list[dict[str, Any]]:
    small = ["model.channels=[8,16]", "model.kernel_sizes=[5]", "report.pictures=none"]
    once, tenfold = (measure(mitdb, times, small) for times in (1, 10))
    steps = {
        "cutting": ("build", "ten times MIT-BIH cut"),
        "training": ("train", "one pass of training on it"),
    }
    found = []
    for step, (command, said) in steps.items():
        ours, theirs = (
            [(row["stages"][step] if step == "training" else row["build"]["seconds"]) / row["beats"] * 1e6]
            for row in (tenfold, once)
        )
        found.append(
            {
                "figure": said,
                "against": "the same on MIT-BIH, a beat",
                "ours": ours,
                "theirs": theirs,
                "goal": 1.05,
                "compared": "ratio",
                "unit": "µs",
            }
        )
        own, lent = tenfold[command]["anonymous"], tenfold[command]["resident"]
        whole = "" if step == "cutting" else ", all of `ecg train`, its report without pictures"
        found.append(
            {
                "figure": f"{said}{whole}: peak memory of all processes",
                "against": f"once: {once[command]['resident']:.0f} MB; {own:.0f} MB are not pages of files",
                "ours": [lent],
                "theirs": [],
                "goal": 1000.0,
                "compared": "value",
                "unit": "MB",
            }
        )
    return found
