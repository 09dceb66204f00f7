from pathlib import Path

import pytest
import wfdb
from hypothesis import given
from hypothesis import strategies as st

from ecgcli.recordings.wfdb_header_text import Header, plain_header


def as_wfdb_reads_it(folder: Path, text: str) -> Header:
    (folder / "r.hea").write_text(text)
    read = wfdb.rdheader(str(folder / "r"))
    return Header(**{field: getattr(read, field) for field in Header.__dataclass_fields__})


def test_the_headers_of_mit_bih_are_read_as_wfdb_reads_them(mitdb_dir: Path) -> None:
    for path in sorted(mitdb_dir.glob("*.hea")):
        read = wfdb.rdheader(str(path.with_suffix("")))
        found = plain_header(path.read_text())
        assert found is not None
        assert all(getattr(found, field) == getattr(read, field) for field in Header.__dataclass_fields__)


@given(
    record=st.sampled_from(
        ["r 1 360 650000", "r 1 250", "r 1  128.5 1000", "r\t1 360.0 0", "r 1 360 9 23:59:01 31/12/2024"]
    ),
    file=st.sampled_from(["r.dat", "a-b_1.dat", "100"]),
    form=st.sampled_from(["16", "212", "16x4", "16:7", "212+24", "16x2:3+5", "8"]),
    gain=st.sampled_from(["", " 200", " 0", " 4.5/uV", " 200(1024)/mV", " 200(-5)", " 100/%"]),
    numbers=st.lists(st.integers(0, 4000), max_size=5),
    name=st.sampled_from(["", " MLII", " lead II", " ECG 1 (raw)"]),
)
def test_a_plain_header_is_read_as_wfdb_reads_it(
    tmp_path_factory: pytest.TempPathFactory,
    record: str, file: str, form: str, gain: str, numbers: list[int], name: str,
) -> None:  # fmt: skip
    rest = "".join(f" {n}" for n in numbers) if gain else ""
    text = f"# a comment\n{record}\n{file} {form}{gain}{rest}{name if gain and len(numbers) == 5 else ''}\n\n"
    assert plain_header(text) == as_wfdb_reads_it(tmp_path_factory.mktemp("header"), text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "r 1",
        "r/2 1 360 100\na 50\nb 50\n",
        "r 1 360 100 10:60:00\nr.dat 16\n",
        "r 1 360\nr.dat\n",
        "r 1 360\nr.dat 16 200/µV\n",
        "r 1 360\nr.dat 16 2e2\n",
        "r 1 360\n",
    ],
)
def test_what_is_out_of_the_ordinary_is_left_to_wfdb(text: str) -> None:
    assert plain_header(text) is None
