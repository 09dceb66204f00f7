"""Measures what noise, another lead, inverted polarity and other sampling rates cost a classifier of beats.

    ecg train experiment=new_patients protocol=k_fold protocol.records=ds1
    python scripts/robustness.py outputs/train/<run> <data_dir> [docs/robustness.md]

Every record of the k-fold run is disturbed, cut anew at its annotated R peaks and predicted by the member of
the model that has not seen its subject. The table replaces what stands between `<!-- robustness -->` and
`<!-- /robustness -->` in the document; the picture is written into `images/` beside it. Only records of the
run are opened.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from ecgcli.beats.sources import recordings
from ecgcli.evaluation.metrics import score
from ecgcli.files import write_text
from ecgcli.recordings.aami import BEAT_SYMBOLS, CLASS_MAPS
from ecgcli.recordings.record import Record
from ecgcli.recordings.resample import rate_ratio, resample
from ecgcli.recordings.simulate import coloured
from ecgcli.recordings.wfdb_io import read_record
from ecgcli.reporting.markdown import table
from ecgcli.runs import Run

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from ecgcli.beats.segment import Segmenter
    from ecgcli.learning.model import Model

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]

LEVELS = (24, 18, 12, 6, 0)  # dB
RATES = (128.0, 257.0)  # Hz
MEASURES = ("S Se", "S +P", "V Se", "V +P", "macro-F1")
_EVENTS = 1.0  # jerks of an electrode a second, on average
_DECAYS = (0.03, 0.08, 0.16)  # s: corners at 5, 2 and 1 Hz


def baseline_wander(n: int, rate: float, rng: np.random.Generator) -> Floats:
    """(n,) pink noise from 0.05 to 0.5 Hz: the recorded one has nothing below either."""
    tenths = int(n / rate * 10) + 2
    slow = coloured(tenths, 10, (0.05, 0.5), rng)
    return np.interp(np.arange(n) / rate, np.arange(tenths) / 10, slow)


def electrode_motion(n: int, rate: float, rng: np.random.Generator) -> Floats:
    """(n,) steps that decay within 30 to 160 ms; one in four is a bump as wide as a QRS complex."""
    from scipy.ndimage import gaussian_filter1d
    from scipy.signal import lfilter

    signal = np.zeros(n)
    for decay in _DECAYS:
        signal += lfilter([1.0], [1.0, -np.exp(-1 / (decay * rate))], _jerks(n, rate, _EVENTS / 4, rng))
    width = 0.02 * rate
    # σ 20 ms, 47 ms wide at half its height, of height 1
    signal += gaussian_filter1d(_jerks(n, rate, _EVENTS / 4, rng), width) * width * np.sqrt(2 * np.pi)
    return np.asarray(gaussian_filter1d(signal, 0.005 * rate))


def muscle_noise(n: int, rate: float, rng: np.random.Generator) -> Floats:
    """(n,) noise from 20 to 60 Hz in bursts: every two seconds the muscle pulls harder or less hard."""
    knots = np.arange(0, n / rate + 2, 2.0)
    tension = np.interp(np.arange(n) / rate, knots, rng.lognormal(0, 0.7, len(knots)))
    return np.asarray(tension * coloured(n, rate, (20, 60), rng))


def _jerks(n: int, rate: float, per_second: float, rng: np.random.Generator) -> Floats:
    """(n,) zeros, and at random times a number from the normal distribution."""
    jerks = np.zeros(n)
    at = rng.integers(0, n, size=rng.poisson(n / rate * per_second))
    jerks[at] = rng.normal(size=len(at))
    return jerks


NOISES: dict[str, Callable[[int, float, np.random.Generator], Floats]] = {
    "baseline wander": baseline_wander,
    "electrode motion": electrode_motion,
    "muscle noise": muscle_noise,
}


def qrs_amplitude(lead: Floats, normal: Ints, rate: float) -> float:
    """Peak to peak within 50 ms of R, the trimmed mean of the first 300 normal beats, as nst(1) says."""
    reach = round(0.05 * rate)
    inside = normal[(normal >= reach) & (normal < len(lead) - reach)][:300]
    return _trimmed(np.ptp(lead[inside[:, None] + np.arange(-reach, reach + 1)], axis=1))


def noise_amplitude(noise: Floats, rate: float) -> float:
    """RMS about the mean of a second, the trimmed mean of the first 300 seconds, as nst(1) says."""
    second = round(rate)
    count = min(300, len(noise) // second)
    return _trimmed(noise[: count * second].reshape(count, second).std(axis=1))


def _trimmed(values: Floats) -> float:
    """The mean without the highest and the lowest 5%."""
    out = int(0.05 * len(values))
    return float(np.sort(values)[out : len(values) - out].mean())


def gain(qrs: float, noise: float, decibel: float) -> float:
    """What noise is multiplied by, so that a²/8 of the QRS complex lies so far above its power."""
    return float(qrs / np.sqrt(8) / noise * 10 ** (-decibel / 20))


def disturbed(record: Record, segmenter: Segmenter, beats: Ints, normal: Ints) -> Iterator[tuple[str, Any]]:
    """The lead that the model reads, undisturbed and in every disturbance.

    Args:
        record: the recording.
        segmenter: of a model that reads one lead.
        beats: (n,) positions of all R peaks.
        normal: (k,) positions of those of class N.

    Yields:
        Name of the disturbance; lead (1, time), its rate, and the R peaks in it.
    """
    taken = segmenter.leads_taken(record.leads)
    if len(taken) != 1:
        sys.exit(f"the model reads {len(taken)} leads; expected one")
    lead = record.signal[list(taken)]
    yield "none", (lead, record.rate, beats)
    size = qrs_amplitude(lead[0], normal, record.rate)
    for name, made in NOISES.items():
        rng = np.random.default_rng([crc32(record.name.encode()), crc32(name.encode())])
        noise = made(lead.shape[1], record.rate, rng)
        amplitude = noise_amplitude(noise, record.rate)
        for level in LEVELS:
            added = (gain(size, amplitude, level) * noise).astype(lead.dtype)
            yield f"{name}, {level} dB", (lead + added, record.rate, beats)
    yield "polarity inverted", (-lead, record.rate, beats)
    other = [i for i in range(len(record.leads)) if i not in taken][:1]
    yield "the other lead", (record.signal[other], record.rate, beats)
    for rate in RATES:
        ratio = rate_ratio(record.rate, rate)
        slower = resample(lead, ratio)
        moved = np.rint(beats * float(ratio)).astype(np.int64).clip(0, slower.shape[1] - 1)
        yield f"sampled at {rate:g} Hz", (slower, record.rate * float(ratio), moved)


def predictions(run: Run, data_dir: Path) -> dict[str, pd.DataFrame]:
    """Disturbance → predictions of every beat that the run has scored."""
    import pandas as pd

    from ecgcli.learning.outputs import settled

    known = run.predictions("test")
    if "fold" not in known:
        sys.exit(f"{run.path} is no k-fold run: expected one of protocol=k_fold")
    at_hand = recordings(run.config.data, data_dir)
    members = [run.model.member(fold) for fold in range(run.model.facts.members)]
    said: dict[str, list[pd.DataFrame]] = {}
    for name, own in known.groupby("record", observed=True):
        record = read_record(at_hand[str(name)].path)
        member = members[int(own["fold"].iloc[0])]
        for disturbance, frame in _of_record(record, member, own):
            said.setdefault(disturbance, []).append(frame)
    return {name: settled(run.model, pd.concat(frames)) for name, frames in said.items()}


def _of_record(record: Record, member: Model, own: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    marks = record.annotations
    assert marks is not None
    beat = np.isin(marks.symbol, list(BEAT_SYMBOLS))
    beats, symbol = marks.sample[beat], marks.symbol[beat]
    normal = beats[np.array([CLASS_MAPS["aami"][one] == "N" for one in symbol.tolist()])]
    segmenter = member.segmenter
    for name, (lead, rate, positions) in disturbed(record, segmenter, beats, normal):
        cut = segmenter.cut(lead, rate, segmenter.leads, positions)
        # beats that are not scored (class Q of DS1) are cut all the same, as they are neighbours of others
        rows = np.flatnonzero(np.isin(beats[cut.kept], own["sample"]))
        probability = member.raw(cut.signal, rows, features=cut.features)
        yield name, own.assign(**{f"p_{one}": probability[:, k] for k, one in enumerate(member.classes)})


def figure(scores: dict[str, dict[str, Any]]) -> Figure:
    """F1 of S and V over the signal-to-noise ratio, a line a noise."""
    from matplotlib.figure import Figure

    from ecgcli.reporting.plots import BLUE, INK, VERMILION, plain

    styles = ((BLUE, "--", "o"), (VERMILION, "-", "s"), ("#009E73", ":", "^"))
    drawn = Figure(figsize=(7.6, 3.2), layout="constrained")
    for axes, kind in zip(drawn.subplots(1, 2, sharey=True), "SV", strict=True):
        plain(axes)
        axes.grid(axis="y", color="#E5E5E5", linewidth=0.8)

        def f1(name: str, of: str = kind) -> float:
            return 100 * float(scores[name]["per_class"][of]["f1"])

        axes.axhline(f1("none"), color=INK, linewidth=1)
        axes.text(LEVELS[-1], f1("none") + 1.5, "no noise", fontsize=8.5, ha="right", color=INK)
        for name, (colour, dashes, mark) in zip(NOISES, styles, strict=True):
            values = [f1(f"{name}, {level} dB") for level in LEVELS]
            axes.plot(LEVELS, values, color=colour, linestyle=dashes, marker=mark, ms=5, label=name)
        axes.set_xlim(LEVELS[0] + 1, LEVELS[-1] - 1)
        axes.set_xticks(LEVELS)
        axes.set_ylim(0, 100)
        axes.set_xlabel("signal-to-noise ratio (dB)")
        axes.set_title(f"class {kind}", fontsize=10.5, loc="left")
    drawn.axes[0].set_ylabel("F1 (%)")
    drawn.axes[0].legend(frameon=False, fontsize=8.5, loc="lower left")
    return drawn


def _row(name: str, result: dict[str, Any]) -> list[str]:
    one = result["per_class"]
    shares = [one[kind][key] for kind in "SV" for key in ("recall", "precision")]
    cells = ["–" if share is None else f"{100 * share:.1f}" for share in shares]
    return [name, *cells, f"{result['macro_f1']:.3f}"]


def main(run: str, data_dir: str, document: str | None = None) -> None:
    """Measures, prints the table, and writes it and the picture."""
    opened = Run(run)
    said = predictions(opened, Path(data_dir))
    scores = {name: score(frame, opened.model.classes) for name, frame in said.items()}
    lines = table(["disturbance", *MEASURES], [_row(name, result) for name, result in scores.items()])
    print(lines)
    if document is None:
        return
    from ecgcli.reporting.plots import save

    path = Path(document)
    new = f"<!-- robustness -->\n{lines}\n<!-- /robustness -->"
    pattern = r"<!-- robustness -->.*?<!-- /robustness -->"
    write_text(path, re.sub(pattern, lambda _: new, path.read_text(encoding="utf-8"), flags=re.DOTALL))
    save(figure(scores), path.parent / "images" / "robustness.png")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
