"""Settings that contradict each other, and what to use instead.

Every check raises a ValueError in the words of the command line, which the typed configurations of
`ecgcli.config` hand on.
"""

from __future__ import annotations

from typing import Literal

from ecgcli.choices.augment import Augment
from ecgcli.choices.beat import Beat, CentredBeat
from ecgcli.choices.calibration import CalibrationChoice
from ecgcli.choices.data import Data
from ecgcli.choices.loss import Loss
from ecgcli.choices.model import Network
from ecgcli.choices.operating_point import PointChoice
from ecgcli.choices.optimizer import Optimizer
from ecgcli.choices.protocol import Protocol
from ecgcli.choices.sampling import Sampling
from ecgcli.choices.trainer import TrainerChoice


def beats_suit_data(data: Data, beat: Beat) -> None:
    """Checks that the beats can be cut from the data, or are those that it has."""
    if data.name == "kaggle" and beat.name != "kaggle":
        raise ValueError(
            f"beat={beat.name} contradicts data=kaggle, whose beats are already cut: use beat=kaggle, "
            f"or data=mitdb to cut them otherwise"
        )
    if data.name == "kaggle" and beat.rhythm:
        raise ValueError(
            "beat.rhythm contradicts data=kaggle: its rows are single beats in no order, so their RR "
            "intervals are not known; use data=mitdb beat=kaggle beat.rhythm=true"
        )
    if (data.name == "table") != (beat.name == "given"):
        wanted = "beat=given" if data.name == "table" else "beat=centred or beat=kaggle"
        raise ValueError(
            f"beat={beat.name} contradicts data={data.name}: beats of a table are cut already, recordings "
            f"have to be cut; use {wanted}"
        )


def protocol_suits_data(data: Data, protocol: Protocol) -> None:
    """Checks that the data has the records, files or databases by which the protocol splits."""
    records = getattr(protocol, "records", "all")
    if data.name == "demo" and records != "all":
        raise ValueError(
            f"protocol.records={records} contradicts data=demo: DS1 and DS2 are records of MIT-BIH; "
            f"use data=mitdb, or protocol.records=all"
        )
    if protocol.name == "kaggle" and data.name != "kaggle":
        raise ValueError(
            f"protocol=kaggle contradicts data={data.name}: only the Kaggle files have that split; "
            f"use protocol={'inter_patient' if data.name == 'mitdb' else 'by_subject'}"
        )
    if protocol.name.startswith("inter_patient") and data.name == "demo":
        raise ValueError(
            f"protocol={protocol.name} contradicts data=demo: DS1 and DS2 are records of MIT-BIH; "
            f"use protocol=by_subject, or data=mitdb"
        )
    if protocol.name == "cross_database" and data.name != "wfdb":
        raise ValueError(
            f"protocol=cross_database contradicts data={data.name}: it needs several databases; "
            f"use data=wfdb 'data.path=[folder_a,folder_b]'"
        )


def validation_is_there(
    protocol: Protocol,
    select: Literal["best", "last"],
    test: bool,
    trainer: TrainerChoice,
    calibration: CalibrationChoice,
    point: PointChoice,
) -> None:
    """Checks that nothing is asked of the validation part where the protocol leaves none."""
    if getattr(protocol, "folds", 0) is not None:
        return
    from_run = getattr(calibration, "run", None) is not None
    needs = {
        "select=best": select == "best",
        "test=false": not test,
        "trainer.early_stopping": trainer.early_stopping is not None,
        f"operating_point={point.name}": point.name in ("sensitivity", "precision") and not from_run,
    }
    if contradicting := [name for name, wanted in needs.items() if wanted]:
        raise ValueError(
            f"protocol.folds=null leaves no validation part, which {contradicting[0]} needs: use "
            f"protocol.folds=5, or leave {contradicting[0]} out"
            + ("; calibration.from=<k-fold run> will do too" if "point" in contradicting[0] else "")
            + ("; a grid (-m) takes test=true" if contradicting[0] == "test=false" else "")
        )


def schedule_suits_stopping(optimizer: Optimizer, trainer: TrainerChoice) -> None:
    """Checks that a training that may stop early follows no schedule that needs all steps."""
    if trainer.early_stopping and optimizer.schedule == "one_cycle":
        raise ValueError(
            "trainer.early_stopping contradicts optimizer.schedule=one_cycle, which is planned for all "
            "steps: use optimizer.schedule=constant, or trainer.early_stopping=null"
        )


def loss_suits_sampling(loss: Loss, sampling: Sampling) -> None:
    """Checks that rare classes are not made up for in the loss twice."""
    methods = [getattr(sampling, key, None) for key in ("method", "anomaly", "type")]
    methods = [getattr(method, "method", method) for method in methods]
    if loss.name in ("class_balanced", "logit_adjusted") and "class_weights" in methods:
        raise ValueError(
            f"loss={loss.name} contradicts the sampling method class_weights: both make up for rare "
            f"classes in the loss; use loss=cross_entropy, or another method"
        )


def stretches_suit_beats(augment: Augment, model: Network, beat: Beat) -> None:
    """Checks that beats whose time is stretched begin at R."""
    stretching = {"augment.stretch": augment.stretch, "model.stretches": getattr(model, "stretches", ())}
    used = [name for name, value in stretching.items() if value]
    if isinstance(beat, CentredBeat) and used:
        raise ValueError(
            f"{used[0]} moves R away from its place in windows of beat=centred: "
            f"it is for beats that begin at R (beat=kaggle)"
        )


def rhythms_suit_beats(augment: Augment, beat: Beat) -> None:
    """Checks that beats whose rhythm is changed have features of it."""
    if augment.rhythm and not beat.rhythm:
        raise ValueError("augment.rhythm changes the features of beat.rhythm: it needs beat.rhythm=true")


def network_suits_beats(model: Network, beat: Beat) -> None:
    """Checks that the beats are long enough for the network, as far as their length is known."""
    if model.name == "baseline_cnn" and isinstance(beat, CentredBeat):
        length = round((beat.before + beat.after) * beat.rate)
        if length < 16:
            raise ValueError(
                f"beat.before + beat.after give windows of {length} samples: model=baseline_cnn "
                f"needs at least 16"
            )
