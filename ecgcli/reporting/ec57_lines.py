"""EC57 scores as WFDB's `bxb` and `sumstats` print them, to the last digit."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from ecgcli.evaluation.ec57 import ALONE, BEAT_MEASURES, SHUT, F, N, Q, Ratio, RecordScore, S, V
from ecgcli.evaluation.ec57_beats import Ints
from ecgcli.evaluation.ec57_summary import Scores, average, average_rr_error, beats_of, gross, pooled_matrix
from ecgcli.recordings.aami import CLASSES

_HEADING = (
    "Record Nn' Sn' Vn' Fn' On'  Ns  Ss  Vs  Fs' Os' Nv  Sv   Vv  Fv' Ov' No' So' Vo' Fo'"
    "  Q Se   Q +P   V Se   V +P   S Se   S +P RR err"
)
_NFQ, _EXTRA, _FQ = (N, F, Q), (ALONE, SHUT), (F, Q)
# each column of the line format: the rows and the columns of the matrix that it adds up
_COLUMNS = (
    *((rows, _NFQ) for rows in ((N,), (S,), (V,), _FQ, _EXTRA)),
    *((rows, (S,)) for rows in ((N,), (S,), (V,), _FQ, _EXTRA)),
    *((rows, (V,)) for rows in ((N,), (S,), (V,), _FQ, _EXTRA)),
    *((rows, _EXTRA) for rows in ((N,), (S,), (V,), _FQ)),
)
_WIDTHS = tuple({0: 5, 12: 4}.get(k, 3) for k in range(len(_COLUMNS)))
_MARGIN = 4 + sum(width + 1 for width in _WIDTHS)

_STANDARD_MEASURES = MappingProxyType(
    {
        "QRS Se": "QRS sensitivity",
        "QRS +P": "QRS positive predictivity",
        "VEB Se": "VEB sensitivity",
        "VEB +P": "VEB positive predictivity",
        "SVEB Se": "SVEB sensitivity",
        "SVEB +P": "SVEB positive predictivity",
    }
)


def line(scores: Scores) -> str:
    """One line a record as `bxb -L` prints it, then the sums, gross and average of `sumstats`.

    A primed column pools outcomes: `Fv'` counts reference beats of class F or Q called V, `On'` beats that
    only the test file has, called N, F or Q, in shutdown or not.
    """
    rows = [_HEADING]
    for score in scores.records:
        cells = [score.measures[name].percent for name in BEAT_MEASURES]
        rows.append(f"{score.record:>4}{_counts(score.matrix)}{_cells([*cells, score.rr_error])}")
    pooled, mean = gross(scores.records), average(scores.records)
    total = pooled_matrix(scores.records)
    beats = beats_of(total)
    rows += [
        "_" * 132,
        f"{'Sum':<4}{_counts(total)}",
        f"{'Gross':<{_MARGIN}}{_cells([pooled[name].percent for name in BEAT_MEASURES])}",
        f"{'Average':<{_MARGIN}}"
        f"{_cells([*(mean[name] for name in BEAT_MEASURES), average_rr_error(scores.records)])}",
        f"Total QRS complexes: {sum(beats.values())}  Total VEBs: {beats['V']}  Total SVEBs: {beats['S']}",
        "",
        f"Summary of results from {len(scores.records)} records",
    ]
    return "\n".join(rows) + "\n"


def _counts(matrix: Ints) -> str:
    sums = (int(matrix[list(rows)][:, list(columns)].sum()) for rows, columns in _COLUMNS)
    return "".join(f" {count:>{width}}" for count, width in zip(sums, _WIDTHS, strict=True))


def _cells(values: Sequence[float | None]) -> str:
    return "".join(f" {_number(value):>6}" for value in values)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def shutdown_lines(scores: Scores) -> str:
    """Beats missed in the test annotator's shutdown, one line a record, as `bxb -L` prints it.

    As there, the time is that of the whole record, whatever is scored of it, and "% beats" leaves out missed
    supraventricular beats (`Sx`); the markdown table counts them.
    """
    rows = [
        "Record Nx   Sx   Vx   Fx   Qx  % beats  % N    % S    % V    % F   Total Shutdown",
        "                                missed missed missed missed missed      Time",
    ]
    for score in scores.records:
        missed = [int(count) for count in score.matrix[:5, SHUT]]
        beats = list(beats_of(score.matrix).values())
        shares = [Ratio(*pair).percent for pair in zip(missed[:4], beats[:4], strict=True)]
        without_s = Ratio(sum(missed) - missed[S], sum(beats)).percent
        rows.append(
            f"{score.record:>4}{''.join(f' {count:>4}' for count in missed)}"
            f" {_number(without_s):>8}{_cells(shares)}"
            f" {score.shutdown:>4.0f} seconds {' '.join(map(str, beats))}"
        )
    return "\n".join(rows) + "\n"


def standard(scores: Scores) -> str:
    """The matrix and measures of each record, as `bxb -S` prints them."""
    return "".join(_standard(score, scores) for score in scores.records)


def _standard(score: RecordScore, scores: Scores) -> str:
    rows = [
        f"Beat-by-beat comparison results for record {score.record}",
        f"Reference annotator: {scores.reference_annotator}",
        f"     Test annotator: {scores.test_annotator}",
        "",
        "               Algorithm",
        "        n    s    v    f    q    o    x",
        "   " + "_" * 36,
    ]
    for k, name in enumerate((*CLASSES, "O", "X")):
        counts = score.matrix[k] if k < ALONE else score.matrix[k, :ALONE]
        rows.append(f" {name} |" + "".join(f" {count:>4}" for count in counts))
    rows.append("")
    for name, title in _STANDARD_MEASURES.items():
        ratio = score.measures[name]
        share = " " if ratio.percent is None else "%"
        rows.append(f"{title:>26}: {_number(ratio.percent):>6}{share} ({ratio.hits}/{ratio.total})")
    rows.append(f"{'RMS RR interval error':>26}: {_number(score.rr_error):>6} ms")
    return "\n".join(rows) + "\n"
