"""Checkpoints: the best and the last round of a network, each file whole; and how training goes on from them.

A round's randomness follows from (seed, round), so a network that goes on from the end of a round has, at the
end, the weights of one that was never interrupted.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, EMAWeightAveraging, ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from ecgcli.choices.trainer import TrainerChoice
from ecgcli.files import whole


class WholeFiles(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it.

    Lightning's own way goes through the system's temporary folder, from where a file is copied, not renamed,
    if that is another disk.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Writes one checkpoint."""
        # in memory first: on a full disk torch's own writer fails with a fault of its own
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with whole(Path(path)) as beside:
            beside.write_bytes(content.getbuffer())


def keeping(folder: Path, choice: TrainerChoice, validated: bool = True) -> list[Callback]:
    """The callbacks that average weights, stop early, and write `best.ckpt` and `last.ckpt` every round.

    Args:
        folder: where to.
        choice: whether to average and to stop early.
        validated: whether there are validation beats to tell the best round by; else only the last is kept.
    """
    callbacks: list[Callback] = []
    if choice.ema:
        callbacks.append(EMAWeightAveraging(decay=choice.ema))
    if choice.early_stopping:
        callbacks.append(EarlyStopping("macro_f1", mode="max", patience=choice.early_stopping))
    common: dict[str, Any] = {"enable_version_counter": False, "save_on_train_epoch_end": True}
    # two callbacks: the `save_last` of one is written only in rounds that are the best so far
    if validated:
        callbacks.append(ModelCheckpoint(folder, "best", monitor="macro_f1", mode="max", **common))
    callbacks.append(ModelCheckpoint(folder, "last", **common))
    return callbacks


def read(path: Path) -> dict[str, Any] | None:
    """A checkpoint as plain data; None where there is none that can be read."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError):
        return None
    return state if "story" in state else None
