"""Compares R-peak detectors over the MIT-BIH Arrhythmia Database; prints tables in Markdown.

    python scripts/rpeaks.py DATA_DIR [--fit] [--limit SECONDS] [NAME ...]

`DATA_DIR` holds `mitdb/`. All 48 records count from 0:00, scored as `ecg score` does. Libraries are measured
if they are installed, on the first lead; one that needs more than the limit (of processor time) is left out
with a word. Times are processor time of one core. With names, only those detectors are measured. `--fit`
prints the weights of the detector's decision anew, from the records of DS1 and the paced ones.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt

from ecgcli.beats.de_chazal import DS2
from ecgcli.evaluation.ec57 import match, score_record
from ecgcli.recordings.aami import BEAT_SYMBOLS, CLASS_MAPS, CLASSES
from ecgcli.recordings.qrs_candidates import FACTS, averaged, candidates, step_of
from ecgcli.recordings.record import Annotations, Record
from ecgcli.recordings.rpeaks import find_rpeaks
from ecgcli.recordings.wfdb_io import read_record, record_names

Ints = npt.NDArray[np.int64]
Detector = Callable[[Record], npt.ArrayLike]
HALF_HOURS = 48  # in 24 hours


def detectors() -> dict[str, Detector]:
    """Name → detector, of those that are installed."""
    found: dict[str, Detector] = {
        "ecgcli, all leads": lambda record: find_rpeaks(record.signal, record.rate),
        "ecgcli, first lead": lambda record: find_rpeaks(record.signal[0], record.rate),
    }
    try:
        import sleepecg

        found["sleepecg"] = lambda record: sleepecg.detect_heartbeats(first(record), record.rate)
    except ImportError:
        print("sleepecg: not installed, left out")
    try:
        import neurokit2

        def neurokit(method: str) -> Detector:
            def find(record: Record) -> npt.ArrayLike:
                rate = int(record.rate)
                clean = neurokit2.ecg_clean(first(record), sampling_rate=rate, method=method)
                return neurokit2.ecg_peaks(clean, sampling_rate=rate, method=method)[1]["ECG_R_Peaks"]

            return find

        for method in ("neurokit", "pantompkins1985", "kalidas2017", "elgendi2010", "hamilton2002"):
            found[f"neurokit2, {method}"] = neurokit(method)
    except ImportError:
        print("neurokit2: not installed, left out")
    try:
        from wfdb.processing import XQRS, gqrs_detect

        def xqrs(record: Record) -> npt.ArrayLike:
            detector = XQRS(sig=first(record), fs=record.rate)
            detector.detect(verbose=False)
            return detector.qrs_inds

        found["wfdb, XQRS"] = xqrs
        found["wfdb, gqrs (in Python)"] = lambda record: gqrs_detect(sig=first(record), fs=record.rate)
    except ImportError:
        print("wfdb: not installed, left out")
    return found


def first(record: Record) -> npt.NDArray[np.float64]:
    return record.signal[0].astype(np.float64)


def true_beats(record: Record) -> tuple[Ints, npt.NDArray[np.str_]]:
    """Positions and AAMI classes of the annotated beats."""
    assert record.annotations is not None
    beat = np.isin(record.annotations.symbol, list(BEAT_SYMBOLS))
    label = [CLASS_MAPS["aami"][symbol] for symbol in record.annotations.symbol[beat]]
    return record.annotations.sample[beat], np.array(label)


def in_flutter(record: Record, sample: Ints) -> npt.NDArray[np.bool_]:
    assert record.annotations is not None
    marks = record.annotations
    begins, ends = (marks.sample[marks.symbol == mark] for mark in "[]")
    return ((sample >= begins[:, None]) & (sample <= ends[:, None])).any(axis=0)


class Measured:
    """What one detector did over all records: EC57 counts, timing errors and processor time."""

    def __init__(self) -> None:
        self.matrix = np.zeros((7, 7), dtype=np.int64)
        self.error: dict[tuple[str, str], Ints] = {}
        self.seconds = 0.0

    def add(self, record: Record, find: Detector) -> None:
        """Runs the detector on a record and counts."""
        started = time.process_time()
        found = np.unique(np.asarray(find(record)).astype(np.int64))
        self.seconds += time.process_time() - started
        length = record.signal.shape[1]
        found = found[(found >= 0) & (found < length)]
        n = len(found)
        test = Annotations(found, np.full(n, "N"), np.zeros(n, dtype=np.int64), np.full(n, ""))
        assert record.annotations is not None
        self.matrix += score_record(record.name, record.annotations, test, record.rate, length, 0).matrix
        true, label = true_beats(record)
        i, j = match(true, found, int(0.15 * record.rate))
        both = (i >= 0) & (j >= 0)
        off, kind = found[j[both]] - true[i[both]], label[i[both]]
        for name in CLASSES:
            if (kind == name).any():
                self.error[record.name, name] = off[kind == name]

    def row(self, name: str) -> str:
        """The detector's row of the table."""
        found = self.matrix[:5, :5].sum()
        se, pp = 100 * found / self.matrix[:5].sum(), 100 * found / self.matrix[:, :5].sum()
        every = np.concatenate(list(self.error.values()))
        classes = [middle_and_p90(self.of_class(kind)) for kind in CLASSES]
        cells = [name, f"{se:.2f}", f"{pp:.2f}", f"{np.median(every):+.0f}", *classes]
        return "| " + " | ".join([*cells, f"{self.seconds:.1f}"]) + " |"

    def of_class(self, kind: str) -> Ints:
        """Timing errors of all beats of a class, in samples."""
        return np.concatenate([error for (_, name), error in self.error.items() if name == kind])

    def late(self) -> list[str]:
        """Records' classes with a median error above two samples."""
        return [
            f"{name} {kind} ({len(error)} beats: {np.median(np.abs(error)):g}, bias {np.median(error):+g})"
            for (name, kind), error in self.error.items()
            if np.median(np.abs(error)) > 2
        ]


def middle_and_p90(error: Ints) -> str:
    return f"{np.median(np.abs(error)):.0f} / {np.quantile(np.abs(error), 0.9):.0f}"


def compare(records: list[Record], names: list[str], limit: float) -> None:
    head = ["detector", "Se %", "+P %", "bias", *(f"{kind}: median / p90" for kind in CLASSES), "s for 24 h"]
    print("| " + " | ".join(head) + " |\n|" + "-|" * len(head))
    notes = []
    for name, find in detectors().items():
        if names and name not in names:
            continue
        measured = Measured()
        for done, record in enumerate(records):
            measured.add(record, find)
            if measured.seconds > limit and done + 1 < len(records):
                each = measured.seconds / (done + 1) * HALF_HOURS
                notes.append(f"{name}: left out, needs about {each:.0f} s for 24 h")
                break
        else:
            print(measured.row(name), flush=True)
            if name.startswith("ecgcli"):
                notes.append(f"{name}: median error above 2 samples: " + ", ".join(measured.late()))
                notes.append(f"{name}: {len(measured.error)} classes of records in all")
    print("\n" + "\n".join(f"- {note}" for note in notes))


def fit(records: list[Record]) -> None:
    """Prints the decision's weights: logistic regression on what the candidates of the records are."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    facts, labels = [], []
    for record in records:
        if record.name in DS2:
            continue
        step = step_of(record.rate)
        for leads in (slice(None), slice(0, 1)):
            seen = candidates(averaged(record.signal[leads], step), record.rate / step)
            at = seen.position * step + step // 2
            is_beat = np.zeros(len(at), dtype=bool)
            for true in true_beats(record)[0]:
                near = slice(*np.searchsorted(at, [true - 54, true + 55]))
                if near.stop > near.start:
                    worth = seen.height[near] - np.abs(at[near] - true) / 200
                    is_beat[near.start + int(np.argmax(worth))] = True
            scored = ~in_flutter(record, at)
            facts.append(seen.facts[scored])
            labels.append(is_beat[scored])
    scaler = StandardScaler()
    model = LogisticRegression(max_iter=1000).fit(
        scaler.fit_transform(np.concatenate(facts)), np.concatenate(labels)
    )
    weights = model.coef_[0] / scaler.scale_
    for name, weight in zip(FACTS, weights, strict=True):
        print(f"{weight:9.4g}  {name}")
    print(f"{model.intercept_[0] - weights @ scaler.mean_:9.4g}  bias")


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares R-peak detectors over MIT-BIH.")
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--limit", type=float, default=120.0)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    folder = asked.data_dir / "mitdb"
    records = [read_record(folder / name) for name in record_names(folder) if len(name) == 3]
    fit(records) if asked.fit else compare(records, asked.names, asked.limit)


if __name__ == "__main__":
    main()
