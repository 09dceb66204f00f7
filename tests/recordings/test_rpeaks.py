from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.evaluation.ec57 import match, score_record
from ecgcli.recordings.aami import BEAT_SYMBOLS, CLASS_MAPS
from ecgcli.recordings.record import Annotations, Record
from ecgcli.recordings.resample import resample
from ecgcli.recordings.rpeaks import RPEAK_CONTEXT, find_rpeaks, find_rpeaks_in_pieces
from ecgcli.recordings.simulate import simulate
from ecgcli.recordings.wfdb_io import read_record

Ints = npt.NDArray[np.int64]

RECORDS = (
    *(str(n) for n in range(100, 125) if n not in (110, 120)),
    *(str(n) for n in range(200, 235) if n not in (204, 206, 211, 216, 218, 224, 225, 226, 227, 229)),
)


def beats_of(annotations: Annotations) -> tuple[Ints, npt.NDArray[np.str_]]:
    beat = np.isin(annotations.symbol, list(BEAT_SYMBOLS))
    return annotations.sample[beat], annotations.symbol[beat]


def paired(true: Ints, found: Ints, window: int) -> tuple[Ints, Ints]:
    """Indices of the beats that were found, and those of what was found there."""
    i, j = match(true, found, window)
    both = (i >= 0) & (j >= 0)
    return i[both], j[both]


def assert_found(true: Ints, found: Ints, rate: float, within: float) -> None:
    """All beats but those in the first and last half second, each within `within` seconds, and no others."""
    i, j = paired(true, found, int(0.15 * rate))
    assert len(i) >= len(true) - 2
    assert len(found) - len(j) <= 1
    assert np.median(np.abs(found[j] - true[i])) <= within * rate


@pytest.fixture(scope="module")
def record_100(mitdb_dir: Path) -> Record:
    return read_record(mitdb_dir / "100")


@pytest.fixture(scope="module")
def simulated() -> Record:
    return simulate(patient=3, minutes=4, seed=5)


# -- how good it is --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def of_mitbih(mitdb_dir: Path) -> dict[str, tuple[Record, Ints, Ints]]:
    """Record → itself, what is found with both leads, and with the first alone."""
    found = {}
    for name in RECORDS:
        record = read_record(mitdb_dir / name)
        found[name] = record, find_rpeaks(record.signal, 360), find_rpeaks(record.signal[0], 360)
    return found


@pytest.mark.slow
@pytest.mark.promise
@pytest.mark.parametrize("leads", [2, 1])
def test_sensitivity_and_predictivity_over_all_records(
    of_mitbih: dict[str, tuple[Record, Ints, Ints]], leads: int
) -> None:
    total = np.zeros((7, 7), dtype=np.int64)
    for name, (record, both, first) in of_mitbih.items():
        sample = both if leads == 2 else first
        test = Annotations(
            sample, np.full(len(sample), "N"), np.zeros(len(sample), dtype=np.int64), np.full(len(sample), "")
        )
        assert record.annotations is not None
        total += score_record(name, record.annotations, test, 360, record.signal.shape[1], start=0).matrix
    assert total[:5].sum() == 109_494  # beats outside flutter
    assert total[:5, :5].sum() / total[:5].sum() > 0.9982
    assert total[:5, :5].sum() / total[:, :5].sum() > 0.9982


@pytest.mark.slow
@pytest.mark.promise
def test_r_peaks_lie_where_the_annotators_put_them(
    of_mitbih: dict[str, tuple[Record, Ints, Ints]],
) -> None:
    error: dict[str, list[Ints]] = {name: [] for name in "NSVFQ"}
    far = set()
    for name, (record, found, _) in of_mitbih.items():
        assert record.annotations is not None
        true, symbol = beats_of(record.annotations)
        i, j = paired(true, found, 54)
        off = found[j] - true[i]
        label = np.array([CLASS_MAPS["aami"][one] for one in symbol[i]])
        for kind in "NSVFQ":
            error[kind].append(off[label == kind])
            if (label == kind).sum() >= 5 and np.median(np.abs(off[label == kind])) > 2:
                far.add((name, kind))
    for parts in error.values():
        assert np.median(np.abs(np.concatenate(parts))) <= 1
        assert far <= {("117", "N"), ("217", "Q")}
    for kind, p90 in zip("NSVFQ", (1, 1, 6, 3, 6), strict=True):
        assert np.quantile(np.abs(np.concatenate(error[kind])), 0.9) <= p90


# -- in pieces -------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.promise
@settings(max_examples=10, deadline=None)
@given(piece=st.floats(2.0, 250.0), long=st.booleans())
def test_a_recording_in_pieces_gives_the_beats_of_the_whole(
    record_203: Record, simulated: Record, piece: float, long: bool
) -> None:
    record = record_203 if long else simulated
    signal, rate = record.signal[:, : 300 * 360], record.rate
    longest = 0

    def read(start: int, end: int) -> npt.NDArray[np.floating]:
        nonlocal longest
        longest = max(longest, end - start)
        return signal[:, start:end]

    whole = find_rpeaks(signal, rate)
    assert len(whole) > 200
    piece = max(piece, 20.0) if long else piece
    pieces = find_rpeaks_in_pieces(read, signal.shape[1], [0, 1], rate, piece=piece)
    np.testing.assert_array_equal(pieces, whole)
    assert longest <= (piece + 2 * RPEAK_CONTEXT + 6) * rate


@pytest.fixture(scope="module")
def record_203(mitdb_dir: Path) -> Record:
    return read_record(mitdb_dir / "203")


def test_only_the_leads_asked_for_are_used(simulated: Record) -> None:
    noise = np.random.default_rng(0).normal(size=(1, simulated.signal.shape[1])).astype(np.float32)
    signal = np.concatenate([noise, simulated.signal])
    found = find_rpeaks_in_pieces(lambda a, b: signal[:, a:b], signal.shape[1], [1, 2], simulated.rate)
    np.testing.assert_array_equal(found, find_rpeaks(simulated.signal, simulated.rate))


def test_what_lies_beyond_the_context_changes_nothing(record_100: Record) -> None:
    signal = record_100.signal[:, : 180 * 360].copy()
    before = find_rpeaks(signal, 360)
    far = int((90 + RPEAK_CONTEXT) * 360)
    signal[:, far:] = np.random.default_rng(1).normal(0, 20, size=signal[:, far:].shape)
    after = find_rpeaks(signal, 360)
    np.testing.assert_array_equal(before[before < 90 * 360], after[after < 90 * 360])


# -- what must not matter --------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1e-3, -1.0, 200.0, -1e3])
def test_unit_and_polarity_do_not_matter(record_100: Record, factor: float) -> None:
    signal = record_100.signal[:, : 120 * 360]
    found = find_rpeaks(signal * factor, 360)
    np.testing.assert_array_equal(found, find_rpeaks(signal, 360))


def test_gains_of_the_leads_do_not_matter(record_100: Record) -> None:
    signal = record_100.signal[:, : 120 * 360]
    found = find_rpeaks(signal * np.array([[1.0], [64.0]]), 360)
    np.testing.assert_array_equal(found, find_rpeaks(signal, 360))


@pytest.mark.parametrize("rate", [50, 100, 125, 128, 200, 250, 257, 500, 1000, 2000])
def test_any_rate_gives_the_same_beats(record_100: Record, rate: int) -> None:
    assert record_100.annotations is not None
    signal = record_100.signal[:, : 120 * 360]
    true, _ = beats_of(record_100.annotations)
    true = np.rint(true[true < 120 * 360] * rate / 360).astype(np.int64)
    found = find_rpeaks(resample(signal, Fraction(rate, 360)), rate)
    assert_found(true, found, rate, within=max(0.0056, 1 / rate))


# -- where there is no beat ------------------------------------------------------------------------------


def test_no_beat_is_found_in_a_gap(record_100: Record) -> None:
    assert record_100.annotations is not None
    signal = record_100.signal[:, : 180 * 360].copy()
    whole = find_rpeaks(signal, 360)
    start, end = 60 * 360, 100 * 360
    signal[:, start:end] = np.nan
    found = find_rpeaks(signal, 360)
    assert not ((found >= start) & (found < end)).any()
    outside = (whole < start - 180) | (whole >= end + 180)
    np.testing.assert_array_equal(found[(found < start - 180) | (found >= end + 180)], whole[outside])


def test_a_gap_in_one_lead_leaves_the_beats_of_the_other(record_100: Record) -> None:
    signal = record_100.signal[:, : 180 * 360].copy()
    whole = find_rpeaks(signal, 360)
    signal[0, 60 * 360 : 100 * 360] = np.nan
    i, j = paired(whole, find_rpeaks(signal, 360), 20)
    assert len(i) == len(whole) == len(np.unique(j))


@pytest.mark.parametrize("level", [0.0, -3.7, 1e6])
def test_no_beat_is_found_in_a_flat_line(level: float) -> None:
    assert not len(find_rpeaks(np.full((2, 100 * 360), level), 360))


def test_a_flat_lead_changes_nothing(record_100: Record) -> None:
    signal = record_100.signal[:1, : 120 * 360]
    found = find_rpeaks(np.concatenate([signal, np.full_like(signal, 2.5)]), 360)
    alone = find_rpeaks(signal, 360)
    assert len(alone) > 140
    i, _ = paired(alone, found, 2)
    assert len(i) == len(alone) == len(found)


@pytest.mark.parametrize("time", [0, 1, 7, 100, 719, 1000])
def test_a_recording_of_a_moment_is_no_error(time: int) -> None:
    signal = np.random.default_rng(0).normal(size=(2, time))
    found = find_rpeaks(signal, 360)
    assert found.dtype == np.int64
    assert not len(found) or (found[0] >= 0 and found[-1] < time)


def test_all_missing_is_no_error() -> None:
    assert not len(find_rpeaks(np.full((2, 5000), np.nan), 360))


def test_beats_of_simulated_patients_are_found_where_they_are(simulated: Record) -> None:
    assert simulated.annotations is not None
    true, _ = beats_of(simulated.annotations)
    found = find_rpeaks(simulated.signal, simulated.rate)
    i, _ = paired(true, found, 54)
    assert len(i) > 0.98 * len(true)
    assert len(i) > 0.98 * len(found)
