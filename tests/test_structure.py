"""A room imports from those before it, and no module from one that imports it."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter

from tests.conftest import ROOT

ROOMS = ("recordings", "beats", "evaluation", "learning", "prediction", "reporting", "commands")
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in (ROOT / "ecgcli").rglob("*.py")
}


def imports(module: str) -> set[str]:
    """Modules of ecgcli that a module imports when it is loaded."""
    found = set()
    for line in ast.parse(MODULES[module].read_text(encoding="utf-8")).body:
        if isinstance(line, ast.ImportFrom) and str(line.module).startswith("ecgcli"):
            names = {f"{line.module}.{alias.name}" for alias in line.names}
            found |= (names & set(MODULES)) or {str(line.module)}
    return found


def test_modules_import_each_other_in_no_circle() -> None:
    list(TopologicalSorter({module: imports(module) for module in MODULES}).static_order())


def test_no_room_imports_from_one_further_down_the_flow() -> None:
    for place, room in enumerate(ROOMS):
        later = tuple(f"ecgcli.{name}." for name in ROOMS[place + 1 :])
        for module in (name for name in MODULES if name.startswith(f"ecgcli.{room}.")):
            wrong = {name for name in imports(module) if name.startswith(later)}
            assert not wrong, f"{module} imports {wrong}"
