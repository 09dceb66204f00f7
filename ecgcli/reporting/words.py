"""How times and numbers are said."""

from __future__ import annotations


def clock(seconds: float, digits: int = 0) -> str:
    """Time of a recording as minutes and seconds, with hours where there are any."""
    units = round(seconds * 10**digits)
    whole, rest = divmod(units, 10**digits)
    hours, minutes, left = whole // 3600, whole // 60 % 60, whole % 60
    said = f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"
    return said + (f".{rest:0{digits}d}" if digits else "")


def when(seconds: float, length: float, digits: int = 0) -> str:
    """Time in a recording of `length` seconds: with hours throughout where it has any."""
    said = clock(seconds, digits)
    if length < 3600 or said.count(":") == 2:
        return said
    return f"0:{said:0>{5 + (digits + 1 if digits else 0)}}"


def counted(n: int, noun: str) -> str:
    """`1 record`, `2,000 records`."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
