"""EC57 scores as tables for people, in markdown."""

from __future__ import annotations

from ecgcli.evaluation.ec57 import BEAT_MEASURES, SHUT, Ratio
from ecgcli.evaluation.ec57_beats import Ints
from ecgcli.evaluation.ec57_summary import Scores, average, average_rr_error, beats_of, gross, pooled_matrix
from ecgcli.recordings.aami import CLASSES


def markdown(scores: Scores) -> str:
    """Beats per record, gross and average; then shutdown, runs and flutter where there are any."""
    minutes, seconds = divmod(scores.start, 60)
    text = [
        f"# EC57 scores: {scores.test_annotator} against {scores.reference_annotator}",
        "",
        f"{len(scores.records)} records, scored from {minutes:.0f}:{seconds:02.0f}; class map "
        f"{scores.class_map}; match window {1000 * scores.window:.0f} ms; Se and +P in %, RR error in ms.",
        "",
        *_beat_table(scores),
    ]
    if any(score.shutdown for score in scores.records):
        text += ["", "## Shutdown of the test annotator", "", *_shutdown_table(scores)]
    for title, names in _sections(scores):
        text += ["", f"## {title}", "", *_measure_table(scores, names)]
    text += ["", *(f"- {note}" for note in scores.notes)] if scores.notes else []
    return "\n".join(text) + "\n"


def _sections(scores: Scores) -> list[tuple[str, list[str]]]:
    names = list(gross(scores.records))
    sections = [
        ("Runs of ventricular ectopic beats", [name for name in names if name.startswith("V ")]),
        ("Runs of supraventricular ectopic beats", [name for name in names if name.startswith("S ")]),
        ("Ventricular flutter and fibrillation", [name for name in names if name.startswith("flutter")]),
    ]
    return [
        (title, own)
        for title, own in sections
        if any(score.measures[name].total for score in scores.records for name in own)
    ]


def _beat_table(scores: Scores) -> list[str]:
    heads = ["record", "beats", "VEB", "SVEB", "missed", "extra", *BEAT_MEASURES, "RR error"]
    rows = []
    for score in scores.records:
        shares = [_number(score.measures[name].percent) for name in BEAT_MEASURES]
        rows.append([score.record, *_supports(score.matrix), *shares, _number(score.rr_error)])
    pooled, mean = gross(scores.records), average(scores.records)
    supports = _supports(pooled_matrix(scores.records))
    rows.append(["gross", *supports, *(_number(pooled[name].percent) for name in BEAT_MEASURES), ""])
    means = [_number(mean[name]) for name in BEAT_MEASURES]
    rows.append(["average", *[""] * 5, *means, _number(average_rr_error(scores.records))])
    return _table(heads, rows)


def _supports(matrix: Ints) -> list[str]:
    beats = beats_of(matrix)
    missed, extra = int(matrix[:5, 5:].sum()), int(matrix[5:, :5].sum())
    return [str(count) for count in (sum(beats.values()), beats["V"], beats["S"], missed, extra)]


def _shutdown_table(scores: Scores) -> list[str]:
    heads = ["record", "seconds", *(f"{name} missed in it" for name in CLASSES), "% of all beats"]
    rows = []
    for score in scores.records:
        missed = score.matrix[:5, SHUT]
        share = Ratio(int(missed.sum()), int(score.matrix[:5].sum())).percent
        rows.append([score.record, f"{score.shutdown:.0f}", *map(str, missed.tolist()), _number(share)])
    return _table(heads, rows)


def _measure_table(scores: Scores, names: list[str]) -> list[str]:
    """Records that have something of these names, then gross and average; shares with what they are of."""
    heads = ["record", *(name.removeprefix("V ").removeprefix("S ") for name in names)]
    seconds = [name.startswith("flutter duration") for name in names]
    rows = []
    for score in scores.records:
        if any(score.measures[name].total for name in names):
            own = [score.measures[name] for name in names]
            rows.append([score.record, *(_share(r, s) for r, s in zip(own, seconds, strict=True))])
    pooled, mean = gross(scores.records), average(scores.records)
    rows.append(["gross", *(_number(pooled[name].percent) for name in names)])
    rows.append(["average", *(_number(mean[name]) for name in names)])
    return _table(heads, rows)


def _share(ratio: Ratio, seconds: bool) -> str:
    of = f"{ratio.hits / 1000:.1f}/{ratio.total / 1000:.1f} s" if seconds else f"{ratio.hits}/{ratio.total}"
    return f"{_number(ratio.percent)} ({of})"


def _table(heads: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[k]) for row in [heads, *rows]) for k in range(len(heads))]
    ruler = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]

    def joined(row: list[str]) -> str:
        first, *others = zip(row, widths, strict=True)
        return "| " + " | ".join([f"{first[0]:<{first[1]}}", *(f"{c:>{w}}" for c, w in others)]) + " |"

    return [joined(heads), "|" + "|".join(f" {dashes} " for dashes in ruler) + "|", *map(joined, rows)]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
