"""Measures how fast recordings are annotated, models applied, beats read, and commands begin.

    python scripts/bench_speed.py [DATA_DIR]

Every function measures one figure and gives a dict: what it is, the seconds of ours and of what it is held
against, interleaved so that a busy machine disturbs both alike, what is compared (their `ratio`, their
`difference`, or our `seconds` alone) and the goal. What was tried to reach the goals: docs/speed.md.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPEATS = 5
HOURS = 24

Figure = dict[str, Any]


def figure(what: str, ours: list[float], against: list[float], goal: float, compared: str) -> Figure:
    """What every function gives; see the head of this file."""
    return {
        "figure": what, "ours": ours, "against": against, "goal": goal, "compared": compared,
        "unit": "1" if compared == "ratio" else "s",
    }  # fmt: skip


def value(found: Figure) -> float:
    """The figure itself: the median over the repeats of what is compared."""
    if found["compared"] == "seconds":
        seconds: list[float] = found["ours"]
        return statistics.median(seconds)
    pairs: list[tuple[float, float]] = list(zip(found["ours"], found["against"], strict=True))
    return statistics.median(a / b if found["compared"] == "ratio" else a - b for a, b in pairs)


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


ECG = "import sys; from ecgcli.cli import main; main()"


def help_time() -> Figure:
    """`ecg --help`."""
    return figure("ecg --help", [child(ECG, "--help")[0] for _ in range(REPEATS)], [], 0.3, "seconds")


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


def predict_day(page: bool = False) -> Figure:
    """`ecg predict` from the shell on, against R-peak detection alone in a running process."""
    ours, against = [], []
    with tempfile.TemporaryDirectory() as folder:
        day = a_day(Path(folder))
        for _ in range(REPEATS):
            words = ("predict", f"input={day}", f"output={folder}/out", f"page={str(page).lower()}")
            ours.append(child(ECG, *words)[0])
            against.append(float(child(DETECTION, str(day))[1]))
    what = f"ecg predict, {HOURS} h at 360 Hz, {'with' if page else 'without'} the page / R peaks alone"
    return figure(what, ours, against, 2.5, "ratio")


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
    against: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        to_onnx(model, Path(folder) / "model.onnx")
        served = OnnxModel.load(Path(folder) / "model.onnx", threads)
        for _ in range(REPEATS + 1):  # the first one prepares
            for one, seconds in ((model, ours), (served, against)):
                started = time.perf_counter()
                one.raw(signal, features=features)
                seconds.append(time.perf_counter() - started)
    what = f"time for {beats:,} beats, {name} / onnxruntime, {threads} thread{'s' * (threads > 1)}"
    return figure(what, ours[1:], against[1:], 1.0, "ratio")


def _model(name: str) -> Any:
    """The model in the box, or an untrained one of a shape in conf/, on single beats of the Kaggle files."""
    from omegaconf import OmegaConf
    from pydantic import TypeAdapter

    from ecgcli.beats.segment import Segmenter
    from ecgcli.choices import KaggleBeat, Network
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
from ecgcli.choices import CentredBeat, Mitdb
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
    ours, against = [], []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as cache:
            ours.append(float(child(TABLE, str(data), cache=cache)[1]))
        against.append(float(child(BY_WFDB, str(data / "mitdb"))[1]))
    return figure("48 records to a BeatTable, cold / reading them with wfdb", ours, against, 1.5, "ratio")


def table_warm(data: Path) -> Figure:
    """The same with a filled cache, against opening a memory-mapped array; the goal is in seconds too."""
    ours, against = [], []
    with tempfile.TemporaryDirectory() as cache:
        child(TABLE, str(data), cache=cache)
        for _ in range(REPEATS):
            ours.append(float(child(TABLE, str(data), cache=cache)[1]))
            against.append(float(child(MAPPED, f"{cache}/zeros.npy")[1]))
    return figure("48 records to a BeatTable, warm / opening a memory map", ours, against, 3.0, "ratio")


CSV_READERS = {
    "ours": "import pandas; from ecgcli.beats.kaggle_csv import read_csv; read = lambda p: read_csv(Path(p))[0]",
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
    return figure(f"Kaggle CSV to an array, cold / {best}", ours, seconds[best], 1.1, "ratio")


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
    ours, against = [], []
    with tempfile.TemporaryDirectory() as cache:
        for repeat in range(REPEATS + 1):  # the first one fills the cache
            with tempfile.TemporaryDirectory() as folder:
                started = time.monotonic()
                said = child(FIRST_BATCH, "train", *words, folder=folder, cache=cache)[1]
            if repeat:
                ours.append(float(said) - started)
                against.append(child("import torch, pytorch_lightning")[0])
    what = f"ecg train {' '.join(words)} up to the first batch, warm − importing torch and Lightning"
    return figure(what, ours, against, 1.0, "difference")


def describe_warm(data: Path) -> Figure:
    """`ecg describe data=mitdb` with a warm cache."""
    ours = []
    with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryDirectory() as folder:
        for repeat in range(min(REPEATS, 2) + 1):
            words = ("describe", "data=mitdb", f"data_dir={data}")
            seconds, _ = child(ECG, *words, folder=folder, cache=cache)
            ours += [seconds] if repeat else []
    return figure("ecg describe data=mitdb, warm", ours, [], 15.0, "seconds")


def figures(data: Path) -> list[Callable[[], Figure]]:
    """All that can be measured here; without `<data>/mitdb` what needs it is left out."""
    found: list[Callable[[], Figure]] = [help_time, first_batch, predict_day, lambda: predict_day(page=True)]
    for name in ("shipped", "kaggle_cnn", "resnet"):
        for threads in (1, 2):
            found.append(lambda name=name, threads=threads: inference(name, threads))  # type: ignore[misc]
    found.append(csv_cold)
    if (data / "mitdb" / "100.dat").is_file():
        found += [lambda: table_cold(data), lambda: table_warm(data), lambda: describe_warm(data)]
    return found


def line(found: Figure) -> str:
    """A row of a table: the figure, the goal, and the medians it comes from."""
    ours, against = (f"{statistics.median(s):.3g} s" if s else "" for s in (found["ours"], found["against"]))
    unit = "" if found["compared"] == "ratio" else " s"
    return f"| {found['figure']} | {value(found):.3g}{unit} | {found['goal']:g}{unit} | {ours} | {against} |"


def main() -> None:
    data = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("ECG_DATA", "data")).resolve()
    print("| figure | measured | goal | ours | against |\n|-|-|-|-|-|")
    for measure in figures(data):
        print(line(measure()), flush=True)


if __name__ == "__main__":
    main()
