"""R-peak detection, by wfdb's XQRS."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def find_rpeaks(signal: npt.NDArray[np.floating], rate: float) -> npt.NDArray[np.int64]:
    """Finds the R peaks of one lead.

    Args:
        signal: (time,) in mV.
        rate: samples per second, in Hz.

    Returns:
        (n,) positions in samples, ascending. Positions are XQRS's own, within its filter's accuracy of the
        fiducials that a person would set.
    """
    from wfdb.processing import XQRS

    detector = XQRS(sig=np.asarray(signal, dtype=np.float64), fs=rate)
    detector.detect(verbose=False)
    return np.asarray(detector.qrs_inds, dtype=np.int64)
