"""`model.json`: files of before, and what must not stand in one."""

from __future__ import annotations

import json

import pytest

from ecgcli.errors import EcgError
from ecgcli.learning.facts import facts_from
from tests.learning.test_model import model


def text(**changes: object) -> str:
    return json.dumps({**model("two_stage").facts.model_dump(mode="json"), **changes})


def test_a_file_from_before_the_review_limit_says_that_nothing_is_reviewed() -> None:
    values = json.loads(text())
    del values["review_below"]
    assert facts_from(json.dumps(values), "model.json").review_below is None
    assert facts_from(text(review_below=0.9), "model.json").review_below == 0.9


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (text(review_below=1.5), "model.json of a.onnx is damaged: review_below=1.5: expected less than"),
        (text(format=2), "model.json of a.onnx has format 2: this version of ecgcli reads format 1"),
        ("[" * 100_000, "model.json of a.onnx is damaged"),
        ("", "model.json of a.onnx is damaged"),
        ("null", "model.json of a.onnx has format None"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_the_place(harm: str, expected: str) -> None:
    with pytest.raises(EcgError) as error:
        facts_from(harm, "model.json of a.onnx")
    assert str(error.value).startswith(expected)
    assert "\n" not in str(error.value)
