"""What a model says of the beats of a part, and what that makes of them once it is calibrated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from ecgcli.beats.part import Part, labels
from ecgcli.beats.store import taken
from ecgcli.evaluation.calibration import calibrate
from ecgcli.evaluation.operating_point import decide
from ecgcli.learning.adapt import adapted
from ecgcli.learning.model import Model

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from ecgcli.beats.table import BeatTable


def outputs(
    model: Model,
    table: BeatTable,
    divisions: list[Part],
    which: Literal["validation", "test"],
    device: str | torch.device = "cpu",
) -> pd.DataFrame:
    """What the networks say of one part, a row a beat: record, subject, sample, label, p_<class>.

    Of several folds each is predicted by its own member of the model, which has not seen it, and a column
    `fold` says which; rows are ordered as in the table. Where beats of these patients are labelled, each
    record is predicted by a copy that has adapted to its own. `settled` makes predictions of it.
    """
    import pandas as pd

    rows = [getattr(part, which) for part in divisions]
    if len(divisions) == 1:
        return _outputs(model, table, divisions[0], rows[0], device)
    frames = [
        _outputs(model.member(i), table, part, own, device).assign(fold=i, row=own)
        for i, (part, own) in enumerate(zip(divisions, rows, strict=True))
    ]
    return pd.concat(frames).sort_values("row", ignore_index=True).drop(columns="row")


def settled(model: Model, said: pd.DataFrame) -> pd.DataFrame:
    """The model's predictions: calibrated, and decided at its operating point.

    Args:
        model: the model.
        said: what `outputs` gave.

    Returns:
        The same with calibrated probabilities p_<class>, what they were as raw_<class> where the model is
        calibrated, and the decision as `predicted`.
    """
    names = [f"p_{name}" for name in model.classes]
    raw = said[names].to_numpy()
    probability = calibrate(raw, model.facts.calibration)
    columns: dict[str, Any] = {name: probability[:, k] for k, name in enumerate(names)}
    if model.facts.calibration.method != "none":
        columns |= {f"raw_{name}": raw[:, k] for k, name in enumerate(model.classes)}
    decided = decide(probability, model.facts.operating_point, model.classes)
    return said.assign(**columns, predicted=np.array(model.classes)[decided])


def _outputs(
    model: Model, table: BeatTable, part: Part, rows: npt.NDArray[np.int64], device: str | torch.device
) -> pd.DataFrame:
    import pandas as pd

    record = table.record[rows]
    if part.labelled is None:
        probability = model.raw(table.signal, rows, device, table.features)
    else:
        probability = np.zeros((len(rows), len(model.classes)))
        for number in np.unique(record):
            own = part.labelled.rows[table.record[part.labelled.rows] == number]
            of_patient = adapted(
                model,
                taken(table.signal, own),
                table.features[own],
                labels(table, part, own),
                part.labelled.steps,
                part.labelled.lr,
                device,
            )
            here = record == number
            probability[here] = of_patient.raw(table.signal, rows[here], device, table.features)
    columns: dict[str, Any] = {
        "record": np.array(table.records)[record],
        "subject": np.array(table.subjects)[record],
        "sample": table.sample[rows],
        "label": np.array(table.classes)[table.label[rows]],
    }
    columns |= {f"p_{name}": probability[:, k] for k, name in enumerate(model.classes)}
    return pd.DataFrame(columns)
