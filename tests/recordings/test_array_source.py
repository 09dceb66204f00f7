"""NPY and NPZ files in pieces are the arrays that were saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgcli.recordings.source import open_source
from tests.recordings.test_source import in_pieces, refused, whole


@pytest.mark.promise
@settings(max_examples=60, deadline=None)
@given(
    leads=st.integers(0, 4),  # 0: an array of one axis
    time=st.integers(5, 300),
    time_first=st.booleans(),
    order=st.sampled_from(["C", "F"]),
    dtype=st.sampled_from(["<f4", ">f4", "<f8", "<f2", "<i2", ">i4", "u1"]),
    units=st.sampled_from(["mV", "uV", "V"]),
    kind=st.sampled_from(["npy", "npz", "compressed"]),
    cuts=st.lists(st.integers(0, 10_000), max_size=5),
)
def test_an_array_is_read_as_it_was_saved(
    tmp_path_factory: pytest.TempPathFactory,
    leads: int,
    time: int,
    time_first: bool,
    order: str,
    dtype: str,
    units: str,
    kind: str,
    cuts: list[int],
) -> None:
    values = np.random.default_rng(0).integers(0, 200, (leads, time) if leads else time).astype(dtype)
    saved = np.array(values.T if time_first else values, order=order)  # type: ignore[call-overload]
    folder = tmp_path_factory.mktemp("array")
    path = folder / ("r.npy" if kind == "npy" else "r.npz")
    if kind == "npy":
        np.save(path, saved)
    else:
        (np.savez if kind == "npz" else np.savez_compressed)(path, signal=saved)
    source = open_source(path, 250, units)
    scale = {"mV": 1, "uV": 1e-3, "V": 1e3}[units]
    np.testing.assert_allclose(whole(source), np.atleast_2d(values).astype(np.float64) * scale, rtol=1e-6)
    np.testing.assert_array_equal(in_pieces(source, cuts), whole(source))
    assert (source.name, source.rate, source.samples, source.units) == ("r", 250, time, units)
    assert source.leads == tuple(f"signal {i + 1}" for i in range(max(leads, 1)))


def test_missing_and_infinite_samples_are_missing(tmp_path: Path) -> None:
    np.save(tmp_path / "r.npy", np.array([1, np.nan, np.inf, -np.inf, 1e300]))
    assert np.isnan(whole(open_source(tmp_path / "r.npy", 100))).tolist() == [[False, True, True, True, True]]


def test_an_npz_says_what_it_holds(tmp_path: Path) -> None:
    signal = np.random.default_rng(0).standard_normal((2, 500))
    for rate in ({"rate": 125.5}, {"fs": np.array([125.5])}):
        about: dict[str, Any] = {"leads": np.array(["II", "V5"]), "units": "uV", "noise": np.zeros(3), **rate}
        np.savez(tmp_path / "r.npz", signal=signal, **about)
        source = open_source(tmp_path / "r.npz")
        assert (source.rate, source.leads, source.units) == (125.5, ("II", "V5"), "uV")
        np.testing.assert_allclose(whole(source), signal / 1000, rtol=1e-6)
    np.savez(tmp_path / "one.npz", anything=signal)
    np.testing.assert_allclose(whole(open_source(tmp_path / "one.npz", 250)), signal, rtol=1e-6)


@pytest.mark.promise
@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((2, 3, 4)), "shape (2, 3, 4); expected numbers of (time,), (leads, time) or (time, leads)"),
        (np.zeros(()), "shape ()"),
        (np.zeros((0,)), "shape (0,)"),
        (np.zeros((2, 0)), "shape (2, 0)"),
        (np.zeros((9, 9)), "which axis is time?"),
        (np.zeros(9, complex), "complex128"),
        (np.zeros(9, bool), "bool"),
        (np.array(["a", "b"]), "<U1"),
        (np.array([{}, None], dtype=object), "object"),
        (np.zeros(9, [("x", "f4")]), "('x', '<f4')"),
        (np.zeros(900, np.int16), "whole numbers (int16), which may be raw ADC values; say units=uV"),
    ],
)
@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_an_array_that_is_no_signal_is_refused(
    tmp_path: Path, array: np.ndarray[Any, Any], said: str, ending: str
) -> None:
    path = tmp_path / f"r.{ending}"
    if ending == "npy":
        np.save(path, array)
    else:
        np.savez(path, signal=array)
    refused(path, f"r.{ending}", said, rate=360)


@pytest.mark.promise
def test_an_array_without_a_rate_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "r.npy", np.zeros(900))
    refused(tmp_path / "r.npy", "r.npy: does not say its sampling rate; expected rate= in Hz")
    np.savez(tmp_path / "r.npz", signal=np.zeros(900), rate=250)
    refused(tmp_path / "r.npz", "rate=360 contradicts the file, which says 250 Hz", rate=360)


@pytest.mark.promise
@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"rate": "fast"}, "its rate is no number"),
        ({"rate": np.array([1, 2])}, "its rate is no number"),
        ({"rate": 0}, "a sampling rate of 0 Hz"),
        ({"rate": 360, "leads": np.array(["I"])}, "names 1 leads, its signal has 2"),
        ({"rate": 360, "units": "mmHg"}, "its units are mmHg; expected one of uV, mV, V"),
        ({"rate": 360, "units": np.array({}, dtype=object)}, "cannot be read as NPZ"),
    ],
)
def test_what_an_npz_says_wrongly_is_refused(tmp_path: Path, about: dict[str, Any], said: str) -> None:
    np.savez(tmp_path / "r.npz", signal=np.zeros((2, 900)), **about)
    refused(tmp_path / "r.npz", said)


@pytest.mark.promise
def test_an_npz_of_several_arrays_or_none_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "r.npz", a=np.zeros(9), b=np.zeros(9))
    refused(tmp_path / "r.npz", "holds the arrays a, b; expected one, or one named signal", rate=360)
    np.savez(tmp_path / "r.npz", rate=360)
    refused(tmp_path / "r.npz", "holds the arrays none")


@pytest.mark.promise
@pytest.mark.parametrize("ending", ["npy", "npz"])
@pytest.mark.parametrize("kept", [0, 5, 60, 128, 1000])
def test_a_truncated_array_is_refused(tmp_path: Path, ending: str, kept: int) -> None:
    path = tmp_path / f"r.{ending}"
    if ending == "npy":
        np.save(path, np.zeros(900))
    else:
        np.savez(path, np.zeros(900))
    path.write_bytes(path.read_bytes()[:kept])
    refused(path, f"r.{ending}", rate=360)


@settings(max_examples=60, deadline=None)
@given(
    content=st.binary(max_size=200), start=st.sampled_from([b"", b"\x93NUMPY", b"\x93NUMPY\1\0", b"PK\3\4"])
)
def test_arbitrary_bytes_are_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, start: bytes
) -> None:
    folder = tmp_path_factory.mktemp("array")
    for ending in ("npy", "npz"):
        (folder / f"r.{ending}").write_bytes(start + content)
        refused(folder / f"r.{ending}", f"r.{ending}", rate=360)
