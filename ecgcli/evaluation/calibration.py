"""Calibration: that of the beats called V with 90% certainty, 90% are V.

The log-probabilities of a model are divided by a temperature T (Guo et al. 2017), a bias may be added for
each class (post-hoc logit adjustment, Menon et al. 2021), and softmax makes probabilities of them again. Both
are fitted on beats that trained nothing and test nothing, by the negative log-likelihood.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from ecgcli.choices import Choice
from ecgcli.errors import EcgError

MINIMUM = 100
"""Fewest beats to fit a temperature on."""

MINIMUM_OF_CLASS = 10
"""Fewest beats outside the largest class to fit a temperature on, and of a class for a bias of its own."""

COLDEST, HOTTEST = 0.05, 20.0
"""Bounds of the temperature."""

BINS = 15

PROBABILITY_FLOOR = 1e-38
"""Below any probability in single precision: what is 0 counts as this."""

_PRIOR = 0.1
"""Pull of 1/T towards 1 and of the biases towards 0, as the precision of a Gaussian prior.

Next to a hundred beats it is nothing; without it, beats that are all right would make T vanish.
"""

Floats = npt.NDArray[np.float64]


class Calibration(Choice):
    """How probabilities are corrected. Plain data: `ecgcli.parsing.plain` and `parse` write and read it.

    Attributes:
        method: what was fitted; `none` for the identity.
        temperature: T; above 1 makes the model less sure.
        bias: one number a class, added to its log-probability; empty for none.
        fitted_on: the part and its number of beats; empty for the identity.
        notes: what a report has to say about the fit, such as why there is none.
    """

    method: Literal["none", "temperature", "bias"] = "none"
    temperature: Annotated[float, Field(ge=COLDEST, le=HOTTEST)] = 1.0
    bias: tuple[float, ...] = ()
    fitted_on: str = ""
    notes: tuple[str, ...] = ()

    def sentence(self, classes: Sequence[str]) -> str:
        """What was done to the probabilities, in words."""
        if self.method == "none":
            return " ".join(["Probabilities are as the model gives them.", *self.notes])
        given = f"Probabilities are calibrated: temperature {self.temperature:.3g}"
        if any(self.bias):
            biases = (f"{name} {value:+.2f}" for name, value in zip(classes, self.bias, strict=True))
            given += f", biases {', '.join(biases)}"
        return " ".join([f"{given} (fitted on {self.fitted_on}).", *self.notes])


def calibrate(probability: Floats, calibration: Calibration) -> Floats:
    """Corrects the probabilities of a model.

    Args:
        probability: (n, classes), rows that sum to 1.
        calibration: as fitted; the identity gives the probabilities back.

    Returns:
        (n, classes). A temperature alone leaves the most probable class of every beat as it is.

    Raises:
        EcgError: biases for another number of classes.
    """
    bias = np.array(calibration.bias or np.zeros(probability.shape[1]))
    if len(bias) != probability.shape[1]:
        raise EcgError(
            f"the calibration has {len(bias)} biases: expected {probability.shape[1]}, one a class"
        )
    if calibration.temperature == 1 and not bias.any():
        return probability.copy()
    calibrated = _softmax(_log(probability) / calibration.temperature + bias)
    if not bias.any():
        # rounding makes a tie of a near-tie: what was ahead by one bit stays ahead by one bit
        most = probability.argmax(axis=1)
        rows = np.flatnonzero(calibrated.argmax(axis=1) != most)
        calibrated[rows, most[rows]] = np.nextafter(calibrated[rows].max(axis=1), 1)
    return calibrated


def fit_calibration(
    probability: Floats,
    truth: npt.NDArray[np.int64],
    classes: Sequence[str],
    method: Literal["none", "temperature", "bias"],
    part: str = "validation",
    minimum: int = MINIMUM,
) -> Calibration:
    """Fits a temperature, and biases where asked for, by the negative log-likelihood.

    The problem is convex in (1/T, biases). The largest class has the bias 0, and so has a class with fewer
    than `MINIMUM_OF_CLASS` beats: its odds against the largest class change with the temperature alone.

    Args:
        probability: (n, classes) of the model, before any calibration.
        truth: (n,) index of the true class.
        classes: names of the classes.
        method: what to fit.
        part: what the beats are, for the report; never the test part.
        minimum: fewest beats to fit on.

    Returns:
        The calibration; of a part that is too small the identity, with the reason among its notes.
    """
    if method == "none":
        return Calibration()
    support = np.bincount(truth, minlength=len(classes))
    largest = int(support.argmax())
    beats, others = len(truth), len(truth) - int(support[largest])
    if beats < minimum or others < MINIMUM_OF_CLASS:
        reason = (
            f"The {part} part is too small to calibrate on: {beats:,} beats, {others:,} of them not "
            f"{classes[largest]}; expected at least {minimum:,}, {MINIMUM_OF_CLASS} of them of other classes."
        )
        return Calibration(notes=(reason,))
    free = np.array([method == "bias" and n >= MINIMUM_OF_CLASS for n in support])
    free[largest] = False
    temperature, bias = _least_nll(_log(probability), truth, free)
    notes = []
    if temperature in (COLDEST, HOTTEST):
        notes.append(f"The temperature is at its bound of {temperature:g}: distrust it.")
    scarce = [f"{classes[k]} ({n:,} beats)" for k, n in enumerate(support) if n < MINIMUM_OF_CLASS]
    if method == "bias" and scarce:
        notes.append(f"Too few beats for a bias of their own: {', '.join(scarce)}.")
    return Calibration(
        method=method,
        temperature=temperature,
        bias=tuple(bias.tolist()) if method == "bias" else (),
        fitted_on=f"{part}, {beats:,} beats",
        notes=tuple(notes),
    )


def calibration_scores(
    probability: Floats, truth: npt.NDArray[np.int64], normal: int | None = None
) -> dict[str, Any]:
    """How far probabilities are to be believed.

    Args:
        probability: (n, classes).
        truth: (n,) index of the true class.
        normal: index of the class N, where there is one.

    Returns:
        Plain data: `beats`; `ece`, the expected calibration error of the most probable class over 15 bins of
        equal width (Naeini et al. 2015); `brier`, the squared error summed over the classes, from 0 to 2
        (Brier 1950); `nll`, the mean negative log-likelihood in nats; `abnormal_ece`, as `ece`, of 1 − p(N)
        for being abnormal. None for what does not exist.
    """
    import torch
    from sklearn.metrics import log_loss
    from torchmetrics.functional.classification import binary_calibration_error

    if not len(truth):
        return {"beats": 0} | dict.fromkeys(("ece", "brier", "nll", "abnormal_ece"))

    def ece(stated: Floats, came_true: npt.NDArray[np.bool_]) -> float:
        # torchmetrics' multi-class version adds up in single precision, which rounds 0.9999 among a hundred
        # thousand beats to 1; the binary one, given the largest probability, is the same sum. Below 1,
        # because a probability of exactly 1 would have a sixteenth bin of its own.
        stated = stated.clip(0, 1 - 1e-12)
        return float(binary_calibration_error(torch.tensor(stated), torch.tensor(came_true).long(), BINS))

    scaled = probability / probability.sum(axis=1, keepdims=True)
    return {
        "beats": len(truth),
        "ece": ece(*_stated(scaled, truth)),
        "brier": float(((scaled - np.eye(scaled.shape[1])[truth]) ** 2).sum(axis=1).mean()),
        "nll": float(log_loss(truth, scaled, labels=range(scaled.shape[1]))),
        "abnormal_ece": None if normal is None else ece(1 - scaled[:, normal], truth != normal),
    }


def reliability_bins(
    probability: Floats, truth: npt.NDArray[np.int64], normal: int | None = None, bins: int = BINS
) -> dict[str, list[Any]]:
    """What was stated and what came true, in bins of equal width, for a reliability diagram.

    Args:
        probability: (n, classes).
        truth: (n,) index of the true class.
        normal: index of the class N to judge 1 − p(N), how often a beat is abnormal; None to judge the
            largest probability, how often the most probable class is right.
        bins: number of bins from 0 to 1.

    Returns:
        Plain data, an entry a bin: `low` and `high` (its edges), `confidence` (mean of what was stated),
        `accuracy` (share that came true), `count`. The means of an empty bin are None.
    """
    stated, came_true = (
        _stated(probability, truth) if normal is None else (1 - probability[:, normal], truth != normal)
    )
    edges = np.linspace(0, 1, bins + 1)
    place = np.digitize(stated, edges[1:-1])
    count = np.bincount(place, minlength=bins)

    def mean(values: npt.NDArray[Any]) -> list[float | None]:
        sums = np.bincount(place, weights=values, minlength=bins)
        return [float(total / n) if n else None for total, n in zip(sums, count, strict=True)]

    return {
        "low": edges[:-1].tolist(),
        "high": edges[1:].tolist(),
        "confidence": mean(stated),
        "accuracy": mean(came_true),
        "count": count.tolist(),
    }


def _least_nll(
    log_p: Floats, truth: npt.NDArray[np.int64], free: npt.NDArray[np.bool_]
) -> tuple[float, Floats]:
    """Temperature and biases of the least negative log-likelihood; biases that are not free are 0."""
    from scipy.optimize import minimize

    beats = np.arange(len(truth))
    start = np.zeros(1 + int(free.sum()))
    start[0] = 1.0

    def bias(values: Floats) -> Floats:
        full = np.zeros(len(free))
        full[free] = values[1:]
        return full

    def loss(values: Floats) -> tuple[float, Floats]:
        logits = values[0] * log_p + bias(values)
        residual = _softmax(logits)
        top = logits.max(axis=1)
        nll = np.mean(top + np.log(np.exp(logits - top[:, None]).sum(axis=1)) - logits[beats, truth])
        residual[beats, truth] -= 1
        slope = np.array([(residual * log_p).sum(axis=1).mean(), *residual.mean(axis=0)[free]])
        pull = _PRIOR / len(truth) * (values - start)
        return float(nll + 0.5 * (pull * (values - start)).sum()), slope + pull

    bounds = [(1 / HOTTEST, 1 / COLDEST), *[(None, None)] * (len(start) - 1)]
    options = {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 1000}
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return min(max(1 / float(best[0]), COLDEST), HOTTEST), bias(best)


def _stated(probability: Floats, truth: npt.NDArray[np.int64]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    return probability.max(axis=1), probability.argmax(axis=1) == truth


def _log(probability: Floats) -> Floats:
    scaled: Floats = np.log(probability.clip(PROBABILITY_FLOOR, None))
    return scaled


def _softmax(logits: Floats) -> Floats:
    shares: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return shares
