"""The figures of `scripts/bench.py` about applying models, reading beats and starting commands.

Both sides of a figure are measured in turn; processes of their own where starting is part of it. What was
tried to reach the goals: docs/speed.md.
"""

from __future__ import annotations

import itertools
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPEATS = 3
HOURS = 24

Figure = dict[str, Any]


def figure(
    what: str, against: str, ours: list[float], theirs: list[float], goal: float, compared: str = "ratio"
) -> Figure:
    """A figure as `bench.py` takes it; `compared` is a ratio, a difference or the value of ours alone."""
    return {
        "figure": what, "against": against, "ours": ours, "theirs": theirs, "goal": goal,
        "compared": compared, "unit": "s",
    }  # fmt: skip


def child(code: str, *words: str, folder: str | None = None, cache: str | None = None) -> tuple[float, str]:
    """Seconds of a Python process of its own, and what it printed last."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    if cache is not None:
        environment["ECG_CACHE"] = cache
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=folder, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return time.perf_counter() - started, (done.stdout.splitlines() or [""])[-1]


def peak_memory(process: subprocess.Popen[Any]) -> float:
    """Peak memory, in MB, of a process that is waited for, its children included; its failure ends the bench.

    The peaks of the processes are added, so pages that they share count more than once.
    """
    peaks: dict[int, int] = {}
    while process.poll() is None:
        _look(process.pid, peaks)
        time.sleep(0.05)
    if process.wait():
        sys.exit(f"{process.args!r} failed")
    return sum(peaks.values()) * 1024 / 1e6


def _look(pid: int, peaks: dict[int, int]) -> None:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        children = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:  # it has ended
        return
    if found := re.search(r"VmHWM:\s+(\d+) kB", status):
        peaks[pid] = int(found[1])
    for child in itertools.chain(*children):
        _look(int(child), peaks)


ECG = "import sys; from ecgcli.cli import main; main()"


def help_time() -> Figure:
    """`ecg --help`."""
    return figure("`ecg --help`", "", [child(ECG, "--help")[0] for _ in range(REPEATS)], [], 0.3, "value")


# -- a day of ECG ------------------------------------------------------------------------------------------

DETECTION = """
import sys, time
from pathlib import Path
from ecgcli.recordings.rpeaks import find_rpeaks_in_pieces
from ecgcli.recordings.source import open_source
source = open_source(Path(sys.argv[1]))
started = time.perf_counter()
find_rpeaks_in_pieces(source.read, source.samples, range(len(source.leads)), source.rate)
print(time.perf_counter() - started)
"""


def a_day(folder: Path, hours: int = HOURS) -> Path:
    """Writes two leads at 360 Hz in WFDB format 212, a simulated half hour repeated; its name."""
    import numpy as np
    import wfdb

    from ecgcli.recordings.simulate import simulate

    record = simulate(patient=1, minutes=30, seed=0)
    once = np.clip(np.rint(200 * record.signal.T), -2047, 2047).astype(np.int64)
    once = np.repeat(once, 2, axis=1) if once.shape[1] == 1 else once[:, :2]
    wfdb.wrsamp(
        "day", fs=round(record.rate), units=["mV"] * 2, sig_name=["MLII", "V1"],
        d_signal=np.tile(once, (2 * hours, 1)), fmt=["212"] * 2, adc_gain=[200.0] * 2, baseline=[0] * 2,
        write_dir=str(folder),
    )  # fmt: skip
    return folder / "day"


def predict_day() -> list[Figure]:
    """`ecg predict` from the shell on, against R-peak detection alone in a running process."""
    ours, paged, theirs = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        day = a_day(Path(folder))
        for _ in range(REPEATS):
            words = ("predict", f"input={day}", f"output={folder}/out")
            ours.append(child(ECG, *words, "page=false")[0])
            theirs.append(float(child(DETECTION, str(day))[1]))
            paged.append(child(ECG, *words)[0])
    what = f"`ecg predict`, {HOURS} h of two leads at 360 Hz, all in"
    return [
        figure(f"{what}, without the page", "R-peak detection alone", ours, theirs, 2.5),
        figure(f"{what}, without the page", "", ours, [], 15.0, "value"),
        figure(f"{what}, with the page", "", paged, [], 15.0, "value"),
    ]


# -- beats per second --------------------------------------------------------------------------------------


def inference(name: str, threads: int = 1, beats: int = 4096) -> Figure:
    """A model applied, against onnxruntime on the same networks; `name`: shipped, kaggle_cnn or resnet."""
    import numpy as np
    import torch

    from ecgcli.learning.export import to_onnx
    from ecgcli.learning.onnx_model import OnnxModel

    torch.set_num_threads(threads)
    model = _model(name)
    need = model.facts.networks["all"]
    draw = np.random.default_rng(0)
    signal = draw.normal(size=(beats, need.leads, need.length)).astype(np.float32)
    features = draw.normal(size=(beats, need.features)).astype(np.float32)
    ours: list[float] = []
    theirs: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        to_onnx(model, Path(folder) / "model.onnx")
        served = OnnxModel.load(Path(folder) / "model.onnx", threads)
        for _ in range(REPEATS + 1):  # the first one prepares
            for one, seconds in ((model, ours), (served, theirs)):
                started = time.perf_counter()
                one.raw(signal, features=features)
                seconds.append(time.perf_counter() - started)
    what = f"{beats:,} beats classified, network `{name}`, {threads} thread{'s' * (threads > 1)}"
    return figure(what, "onnxruntime", ours[1:], theirs[1:], 1.0)


def _model(name: str) -> Any:
    """The model in the box, or an untrained one of a shape in conf/, on single beats of the Kaggle files."""
    from omegaconf import OmegaConf
    from pydantic import TypeAdapter

    from ecgcli.beats.segment import Segmenter
    from ecgcli.choices.beat import KaggleBeat
    from ecgcli.choices.model import Network
    from ecgcli.cli import conf_dir
    from ecgcli.commands.predict import SHIPPED
    from ecgcli.learning.model import Model, ModelFacts, NetworkFacts
    from ecgcli.learning.networks import build

    if name == "shipped":
        return Model.load(SHIPPED)
    shape = "cnn" if name == "kaggle_cnn" else name
    values: Any = OmegaConf.to_container(OmegaConf.load(conf_dir() / f"model/{shape}.yaml"))
    if name == "kaggle_cnn":
        values |= OmegaConf.to_container(OmegaConf.load(conf_dir() / "experiment/kaggle_cnn.yaml").model)
    values = {key: tuple(one) if isinstance(one, list) else one for key, one in values.items()}
    choice: Any = TypeAdapter(Network).validate_python(values)
    classes = tuple("NSVFQ")
    facts = ModelFacts(
        format=1, kind="single", classes=classes, trained_on={"data": "none"},
        segmenter=Segmenter(KaggleBeat(name="kaggle")).to_dict(),
        networks={"all": NetworkFacts(architecture=choice, leads=1, length=187, classes=classes)},
    )  # fmt: skip
    return Model(facts, ({"all": build(choice, 1, 187, len(classes)).eval()},))


# -- beats from files --------------------------------------------------------------------------------------

TABLE = """
import sys, time
from pathlib import Path
from ecgcli.beats.sources import beats
from ecgcli.choices.beat import CentredBeat
from ecgcli.choices.data import Mitdb
beat = CentredBeat(name="centred", rate=125.0, before=0.3, after=0.5, leads=("MLII",), fallback="other",
                   scaling="record")
started = time.perf_counter()
table = beats(Mitdb(name="mitdb", class_map="aami"), beat, Path(sys.argv[1]))
print(time.perf_counter() - started)
"""

BY_WFDB = """
import sys, time
from pathlib import Path
import wfdb
started = time.perf_counter()
for header in sorted(Path(sys.argv[1]).glob("*.hea")):
    name = str(header.with_suffix(""))
    if Path(name + ".atr").exists():
        wfdb.rdrecord(name)
        wfdb.rdann(name, "atr")
print(time.perf_counter() - started)
"""

MAPPED = """
import sys, time
import numpy as np
np.save(sys.argv[1], np.zeros((100_000, 1, 100), np.float32))
started = time.perf_counter()
np.load(sys.argv[1], mmap_mode="r")
print(time.perf_counter() - started)
"""


def table_cold(data: Path) -> Figure:
    """48 records to a BeatTable with an empty cache, against reading the same files with wfdb."""
    ours, theirs = [], []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as cache:
            ours.append(float(child(TABLE, str(data), cache=cache)[1]))
        theirs.append(float(child(BY_WFDB, str(data / "mitdb"))[1]))
    return figure("48 records to a BeatTable, cold", "reading them with wfdb", ours, theirs, 1.5)


def table_warm(data: Path) -> list[Figure]:
    """The same with a filled cache, against opening a memory-mapped array."""
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as cache:
        child(TABLE, str(data), cache=cache)
        for _ in range(REPEATS):
            ours.append(float(child(TABLE, str(data), cache=cache)[1]))
            theirs.append(float(child(MAPPED, f"{cache}/zeros.npy")[1]))
    return [
        figure("the same, warm", "opening a memory-mapped array", ours, theirs, 3.0),
        figure("the same, warm", "", ours, [], 0.05, "value"),
    ]


CSV_READERS = {
    "ours": (
        "import pandas; from ecgcli.beats.kaggle_csv import read_csv; read = lambda p: read_csv(Path(p))[0]"
    ),
    "pandas": "import pandas; read = lambda p: pandas.read_csv(p, header=None, dtype='float32').to_numpy()",
    "pyarrow": (
        "import pyarrow.csv as c, numpy as np; read = lambda p: np.column_stack([a.to_numpy().astype('f4')"
        " for a in c.read_csv(p, c.ReadOptions(autogenerate_column_names=True)).columns])"
    ),
    "polars": (
        "import polars; read = lambda p: polars.read_csv(p, has_header=False,"
        " schema={f'c{i}': polars.Float32 for i in range(188)}).to_numpy()"
    ),
}


def csv_cold(rows: int = 40_000) -> Figure:
    """A CSV file such as the Kaggle ones to an array, against the fastest of the readers at hand."""
    import numpy as np

    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mitbih_train.csv"
        beats = np.random.default_rng(0).random((1000, 188))
        beats[:, 100:187], beats[:, 187] = 0, np.arange(1000) % 5
        once = "\n".join(",".join(f"{number:.18e}" for number in beat) for beat in beats) + "\n"
        with path.open("w") as file:
            for _ in range(rows // 1000):
                file.write(once)
        for _ in range(REPEATS):
            for name, reader in CSV_READERS.items():
                timed = f"t = time.perf_counter(); read({str(path)!r}); print(time.perf_counter() - t)"
                try:
                    found = child(f"import time; from pathlib import Path; {reader}\n{timed}")[1]
                except subprocess.CalledProcessError:
                    continue  # not installed
                seconds.setdefault(name, []).append(float(found))
    ours = seconds.pop("ours")
    best = min(seconds, key=lambda name: statistics.median(seconds[name]))
    there = ", ".join(sorted(seconds))
    return figure("Kaggle CSV to an array, cold", f"{best}, the fastest of {there}", ours, seconds[best], 1.1)


# -- beginnings --------------------------------------------------------------------------------------------

FIRST_BATCH = """
import os, sys, time
from ecgcli.learning.classifier import Classifier
def first(*_):
    print(time.monotonic(), flush=True)
    os._exit(0)
Classifier.training_step = first
from ecgcli.cli import main
main()
"""


def first_batch(*words: str) -> Figure:
    """`ecg train` with a warm cache up to its first batch, against importing torch and Lightning."""
    words = words or ("data=demo",)
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as cache:
        for repeat in range(REPEATS + 1):  # the first one fills the cache
            with tempfile.TemporaryDirectory() as folder:
                started = time.monotonic()
                said = child(FIRST_BATCH, "train", *words, folder=folder, cache=cache)[1]
            if repeat:
                ours.append(float(said) - started)
                theirs.append(child("import torch, pytorch_lightning")[0])
    what = f"`ecg train {' '.join(words)}` up to the first batch, warm"
    return figure(what, "importing torch and Lightning", ours, theirs, 1.0, "difference")


def describe_warm(data: Path) -> Figure:
    """`ecg describe data=mitdb` with a warm cache."""
    ours = []
    with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryDirectory() as folder:
        for repeat in range(min(REPEATS, 2) + 1):
            words = ("describe", "data=mitdb", f"data_dir={data}")
            seconds, _ = child(ECG, *words, folder=folder, cache=cache)
            ours += [seconds] if repeat else []
    return figure("`ecg describe data=mitdb`, warm", "", ours, [], 15.0, "value")


def figures(data: Path) -> dict[str, Callable[[], list[Figure]]]:
    """What is measured here, by name."""
    models = ("shipped", "kaggle_cnn", "resnet")
    return {
        "table": lambda: [table_cold(data), *table_warm(data)],
        "csv": lambda: [csv_cold()],
        "predict": predict_day,
        "inference": lambda: [inference(name, threads) for name in models for threads in (1, 2)],
        "start": lambda: [help_time(), first_batch()],
        "describe": lambda: [describe_warm(data)],
    }
