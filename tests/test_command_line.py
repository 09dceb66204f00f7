"""Settings as typed: file names reach the configuration whatever is in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecgcli.command_line import quoted

NAMES = ["my data", "a=b", "~back", "#1", "ECG (2024)", "a,b", "é'è", "100", 'say "x"', "${x}", "[1]", "a\\b"]


@pytest.mark.promise
@pytest.mark.parametrize("name", [*NAMES, "null", "true", "1e5", "../x", "a b/c"])
@pytest.mark.parametrize("key", ["data.path", "data.subjects"])
def test_any_name_reaches_the_data_as_typed(
    key: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if name == "[1]":
        (tmp_path / name).mkdir()  # a folder of that name, no list
    expected = None if name == "null" else name
    assert values("train", f"{key}={name}") == [expected]
    assert values("eval", f"{key}={name}") == [expected]


@pytest.mark.promise
@pytest.mark.parametrize(
    ("typed", "folders"),
    [
        ("[a,b]", ["a", "b"]),
        ("[my folder (1), x=y]", ["my folder (1)", "x=y"]),
        ("[100,2.5,true]", ["100", "2.5", "true"]),
        ("[~/ecg,${x},é'è]", ["~/ecg", "${x}", "é'è"]),
        ("['a,b',\"c d\"]", ["a,b", "c d"]),
        ("[one]", ["one"]),
        ("[a][b]", "[a][b]"),
    ],
)
def test_several_folders_are_a_list_of_names_as_typed(typed: str, folders: list[str] | str) -> None:
    assert values("train", f"data.path={typed}") == [folders]
    assert values("train", "-m", f"data.path={typed}") == [folders]


def test_what_is_plain_is_left_as_typed() -> None:
    plain = ["data.path=physionet.org/mitdb", "data_dir=../data", "seed=1", "data.path=[a,b]"]
    assert quoted("train", plain) == plain


def values(word: str, *arguments: str) -> list[object]:
    """What Hydra's grammar makes of the settings."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    settings = [a for a in quoted(word, list(arguments)) if not a.startswith("-")]
    parsed = OverridesParser.create().parse_overrides(settings)
    resolved = OmegaConf.create({"values": [override.value() for override in parsed]})
    return list(OmegaConf.to_container(resolved, resolve=True)["values"])
