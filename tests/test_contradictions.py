"""Settings that cannot go together: each is refused, with what to use instead."""

from __future__ import annotations

import pytest

from ecgcli.config import TrainConfig
from ecgcli.errors import EcgError
from ecgcli.parsing import parse
from tests.conftest import compose_values

CONTRADICTIONS = {
    "trainer.early_stopping=2": "trainer.early_stopping contradicts optimizer.schedule=one_cycle",
    "loss=class_balanced sampling=rebalanced sampling.method=class_weights": "both make up for rare classes",
    "data=mitdb protocol.folds=null select=best": "leaves no validation part, which select=best needs",
    "data=mitdb protocol.folds=null test=false": "leaves no validation part, which test=false needs",
    "data=mitdb protocol.folds=null trainer.early_stopping=2 optimizer.schedule=constant": (
        "leaves no validation part, which trainer.early_stopping needs"
    ),
    "data=kaggle beat.rhythm=true": "its rows are single beats in no order",
    "augment=standard augment.stretch=0.1": "moves R away from its place in windows of beat=centred",
    "model.stretches=[1,1.1]": "model.stretches moves R away from its place in windows of beat=centred",
    "augment=standard augment.rhythm=0.1": "it needs beat.rhythm=true",
    "beat.rhythm_prior=true": "beat.rhythm_prior judges the rhythm: it needs beat.rhythm=true",
    "data=table data.path=x.csv beat=centred": "use beat=given",
}


@pytest.mark.parametrize("overrides", CONTRADICTIONS)
def test_settings_that_contradict_each_other_are_refused_with_what_to_use(overrides: str) -> None:
    values = compose_values(*overrides.split())
    with pytest.raises(EcgError) as refused:
        parse(TrainConfig, values)
    assert CONTRADICTIONS[overrides] in str(refused.value)
