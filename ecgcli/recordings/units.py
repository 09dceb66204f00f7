"""Units of voltage, and amplitudes that no ECG has."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_MV = {"uv": 1e-3, "mv": 1.0, "v": 1e3}
UNITS = ("uV", "mV", "V")
"""Names of the units that recordings come in, from small to large."""

_LEAST, _MOST = 0.02, 50.0
"""mV from peak to peak, by the measure below, which gives 0.17 to 5.1 mV for the leads of MIT-BIH."""


def mv_per(unit: str) -> float | None:
    """How many millivolts one of a unit is; None where it is no unit of voltage (µ and u are one)."""
    return _MV.get(
        unit.strip().replace("\N{MICRO SIGN}", "u").replace("\N{GREEK SMALL LETTER MU}", "u").lower()
    )


def amplitude_fault(
    signal: npt.NDArray[np.floating], rate: float, leads: tuple[str, ...], units: str = "mV"
) -> str | None:
    """Says if a signal cannot be an ECG in mV, because of its size.

    The size of a lead is the median, over windows of 2 s, of its range from peak to peak: whatever the heart
    rate, most such windows hold a QRS complex, and an artefact does not move the median. Flat and missing
    stretches do not count.

    Args:
        signal: (leads, time) in mV, NaN where a sample is missing; some ten seconds or more tell enough.
        rate: samples per second, in Hz.
        leads: names of the leads.
        units: the unit that the values were taken for.

    Returns:
        What is wrong and which `units=` would be right, in one line; None where the size of the largest lead
        is that of an ECG, or where all of the signal is flat or missing.
    """
    sizes = [_size(lead, max(1, round(2 * rate))) for lead in signal]
    largest = int(np.argmax(sizes))
    size = sizes[largest]
    if not size or _LEAST <= size <= _MOST:
        return None
    said = f"lead {leads[largest]} is {size:.3g} mV from peak to peak, expected {_LEAST:g} to {_MOST:g} mV"
    for other in UNITS:
        if _LEAST <= size * _MV[other.lower()] / (mv_per(units) or 1.0) <= _MOST:
            look = "uV or raw ADC values" if other == "uV" else other
            return f"{said}: its values look like {look}, they were taken for {units}; try units={other}"
    return f"{said}: it is no ECG in uV, mV or V"


def _size(lead: npt.NDArray[np.floating], window: int) -> float:
    whole = len(lead) // window * window
    windows = lead[:whole].reshape(-1, window) if whole else lead[None]
    windows = windows[~np.isnan(windows).any(axis=1)]
    span = np.ptp(windows, axis=1) if windows.size else np.zeros(0)
    return float(np.median(span[span > 0])) if (span > 0).any() else 0.0
