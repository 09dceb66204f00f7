"""Beat classes and the two maps from annotation symbols to them.

One place for every constant of the domain that has to do with symbols. `aami` follows the grouping of
ANSI/AAMI EC57 as the literature on MIT-BIH uses it (escape beats are normal); `ec57` follows WFDB's `bxb`,
which counts the escape beats e and j as supraventricular too. Both are in use and must not be mixed.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal

ClassMap = Literal["aami", "ec57"]

CLASSES: tuple[str, ...] = ("N", "S", "V", "F", "Q")
"""N normal, S supraventricular ectopic, V ventricular ectopic, F fusion, Q paced or unclassifiable."""

CLASS_NAMES = MappingProxyType(
    {
        "N": "Normal",
        "S": "Supraventricular ectopic",
        "V": "Ventricular ectopic",
        "F": "Fusion of ventricular and normal",
        "Q": "Paced or unclassifiable",
    }
)

_AAMI = {"N": "NLRejB", "S": "AaJSn", "V": "VEr", "F": "F", "Q": "/fQ?"}
_EC57 = {"N": "NLRB", "S": "AaJSnej", "V": "VEr", "F": "F", "Q": "/fQ?"}


def _by_symbol(symbols: dict[str, str]) -> MappingProxyType[str, str]:
    return MappingProxyType({symbol: name for name, group in symbols.items() for symbol in group})


CLASS_MAPS: MappingProxyType[str, MappingProxyType[str, str]] = MappingProxyType(
    {"aami": _by_symbol(_AAMI), "ec57": _by_symbol(_EC57)}
)
"""Map name → (beat symbol → class). A symbol that is in neither map is no beat."""

BEAT_SYMBOLS: frozenset[str] = frozenset(CLASS_MAPS["aami"])
"""Every annotation symbol that marks a beat; `!` (flutter wave) and `[ ]` are none."""

NON_BEAT_SYMBOLS: frozenset[str] = frozenset("[]!x()ptu`'^|~+sT*D=\"@")
"""Annotation symbols of the WFDB standard that mark rhythm, noise, waves or comments."""
