"""A model from an ONNX file, run by onnxruntime. No torch here.

The file holds the whole model, every member of an ensemble and both stages of a cascade in one graph, and
`model.json` among its metadata. Reading it runs no code from it.

    signal       (batch, channels, time) float32, beats as the segmenter cuts them
    features     (batch, k) float32, what the segmenter says of them beside, where it does
    raw          (batch, classes) float64, probabilities as the networks give them
    probability  (batch, classes) float64, calibrated: for programs that have no ecgcli
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ecgcli.beats.segment import Segmenter
from ecgcli.errors import EcgError
from ecgcli.evaluation.calibration import calibrate
from ecgcli.learning.facts import ModelFacts, facts_from

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

METADATA = "model.json"
"""Name of the facts among the metadata."""

BATCH = 256
"""Beats computed at once: more is no faster and takes more memory."""


@dataclass(frozen=True)
class OnnxModel:
    """A trained classifier of beats that predicts as `Model` does.

    Attributes:
        facts: everything but the weights.
        session: the graph, ready to run.
    """

    facts: ModelFacts
    session: InferenceSession

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities."""
        return self.facts.classes

    @property
    def segmenter(self) -> Segmenter:
        """How to cut the beats that this model reads."""
        return Segmenter.from_dict(self.facts.segmenter)

    def predict(
        self,
        signal: npt.NDArray[np.float32],
        index: npt.NDArray[np.int64] | None = None,
        device: object = "cpu",
        features: npt.NDArray[np.float32] | None = None,
    ) -> npt.NDArray[np.float64]:
        """Class probabilities of beats, calibrated as the model has it.

        They are calibrated here, from `raw`, as those of a model folder are; the graph's own `probability`
        differs from them by rounding. Args and shape of what is returned as for `raw`.
        """
        return calibrate(self.raw(signal, index, device, features), self.facts.calibration)

    def raw(
        self,
        signal: npt.NDArray[np.float32],
        index: npt.NDArray[np.int64] | None = None,
        device: object = "cpu",
        features: npt.NDArray[np.float32] | None = None,
    ) -> npt.NDArray[np.float64]:
        """Class probabilities of beats, as the networks give them.

        Args:
            signal: (n, channels, time) beats, cut by `segmenter`; may be a memory map.
            index: rows of `signal` to predict; None for all.
            device: taken, as `Model` takes it, and not used: onnxruntime computes on the CPU.
            features: (n, k) what the segmenter says of the beats beside their signal, where it does.

        Returns:
            (len(index), classes) probabilities; rows sum to 1.

        Raises:
            EcgError: the beats or their features have not the size that the model reads.
        """
        need = next(iter(self.facts.networks.values()))
        given = features.shape[1] if features is not None else 0
        if signal.ndim != 3 or signal.shape[1:] != (need.leads, need.length) or given != need.features:
            raise EcgError(
                f"beats of shape {signal.shape[1:]} with {given} features: the model reads "
                f"({need.leads}, {need.length}) with {need.features}"
            )
        rows = np.arange(len(signal)) if index is None else index
        found = np.empty((len(rows), len(self.classes)))
        for start in range(0, len(rows), BATCH):
            chosen = rows[start : start + BATCH]
            beside = features[chosen] if features is not None else None
            (found[start : start + BATCH],) = self.run(("raw",), signal[chosen], beside)
        return found

    def run(
        self,
        outputs: Sequence[str],
        signal: npt.NDArray[np.float32],
        features: npt.NDArray[np.float32] | None = None,
    ) -> tuple[npt.NDArray[np.float64], ...]:
        """Some outputs of the graph, for one batch."""
        feed = {"signal": np.ascontiguousarray(signal, dtype=np.float32)}
        if features is not None and features.shape[1]:
            feed["features"] = np.ascontiguousarray(features, dtype=np.float32)
        return tuple(self.session.run(list(outputs), feed))

    @staticmethod
    def load(path: Path, threads: int | None = None) -> OnnxModel:
        """Reads an ONNX file that `ecg export` wrote.

        Args:
            path: the file.
            threads: CPU threads to compute on; None for onnxruntime's choice.

        Raises:
            EcgError: if the file is missing, damaged, or no model of ecgcli.
        """
        try:
            from onnxruntime import InferenceSession, SessionOptions
        except ImportError:
            raise EcgError(f"{path}: needs the package onnxruntime; pip install onnxruntime") from None

        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise EcgError(f"{path}: no such file") from None
        except OSError as error:
            raise EcgError(f"{path}: {error.strerror}") from None
        options = SessionOptions()
        options.log_severity_level = 4  # what is wrong is said below, in one line
        options.intra_op_num_threads = threads or 0
        try:
            # from memory: a file can then not name others to be read as its weights
            session = InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own errors have no class in common
            said = " ".join(str(error).split())[:200]
            raise EcgError(f"{path} is damaged, or no ONNX model: {said}") from None
        text = session.get_modelmeta().custom_metadata_map.get(METADATA)
        if text is None:
            raise EcgError(
                f"{path} is no model of ecgcli: {METADATA} is not in its metadata; ecg export writes it"
            )
        facts = facts_from(text, f"{METADATA} of {path}")
        if _sizes(session) != _expected(facts):
            raise EcgError(f"{path} is damaged: its graph is not the one that its {METADATA} describes")
        return OnnxModel(facts, session)


def _sizes(session: Any) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Inputs and outputs of a graph, with their types and their sizes apart from the batch."""
    places = [*session.get_inputs(), *session.get_outputs()]
    return {place.name: (place.type, tuple(place.shape[1:])) for place in places}


def _expected(facts: ModelFacts) -> dict[str, tuple[str, tuple[int, ...]]]:
    need = next(iter(facts.networks.values()))
    sizes: dict[str, tuple[str, tuple[int, ...]]] = {"signal": ("tensor(float)", (need.leads, need.length))}
    if need.features:
        sizes["features"] = ("tensor(float)", (need.features,))
    return sizes | {name: ("tensor(double)", (len(facts.classes),)) for name in ("raw", "probability")}
