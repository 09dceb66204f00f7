"""Which parts of a beat drove a decision: gradients summed on the way from a flat line to the beat.

Source: Sundararajan, Taly & Yan 2017, Axiomatic Attribution for Deep Networks (Integrated Gradients), as
captum computes it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ecgcli.beats.table import BeatTable
from ecgcli.learning.minirocket import MinirocketNetwork
from ecgcli.learning.mlp import PerceptronNetwork
from ecgcli.learning.model import Model

STEPS = 64
"""Points on the way from the flat line to the beat, by Gauss–Legendre quadrature."""

OCCLUDED = 16
"""Part of a beat, as one over this number, that is flattened at a time where there is no gradient."""

_TOGETHER = 8  # beats; times `STEPS`, what a network holds at once


def attribute(
    model: Model,
    signal: npt.NDArray[np.float32],
    features: npt.NDArray[np.float32] | None,
    called: npt.NDArray[np.int64],
    rather_than: npt.NDArray[np.int64] | None = None,
    steps: int = STEPS,
) -> npt.NDArray[np.float32]:
    """What each sample of a beat adds to the decision for one class rather than another.

    What is explained is log p(called) − log p(rather_than): how many times likelier the model holds the one
    class than the other. It does not saturate where a probability near 1 has no gradient left, and a
    calibration scales it or shifts it, but leaves its shape. Probabilities are those of the whole model: of
    its one network, of its two stages put together, of the mean of its members.

    The beats are compared with flat lines (see `flat`), so that what is there in a beat, and the lack of it,
    counts: QRS complex, P wave, where a padded row ends. Features beside the signal stay as they are. The
    attributions of a beat sum to what the difference is at the beat less what it is at the flat line.

    A network without gradients (MiniRocket) is asked by occlusion instead: a sample's value is how much the
    difference falls when a sixteenth of the beat around it is flattened. These values do not sum to anything.

    Args:
        model: the model; it computes where its weights are.
        signal: (n, channels, time) beats as its segmenter cuts them; some tens of them.
        features: (n, k) what the segmenter says of them beside their signal, where it does.
        called: (n,) index of the class that is explained, into `model.classes`.
        rather_than: (n,) index of the class it is held against; None for all the others together.
        steps: points on the way from the flat line to the beat.

    Returns:
        (n, channels, time) float32. Positive speaks for `called`, negative for `rather_than`. Channels behind
        the leads are those that the segmenter made (the patient's usual beat).
    """
    from captum.attr import IntegratedGradients, Occlusion  # half a second, and not for every command

    networks = [network.eval() for member in model.members for network in member.values()]
    device = next(weight.device for network in networks for weight in network.parameters())
    no_gradient = any(isinstance(network, MinirocketNetwork) for network in networks)

    def difference(x: Tensor, beside: Tensor | None, one: Tensor, other: Tensor | None) -> Tensor:
        log_p = log_probabilities(model, x, beside)
        return _of(log_p, one) - (_others(log_p, one) if other is None else _of(log_p, other))

    found = np.zeros(signal.shape, np.float32)
    together = len(signal) if no_gradient else _TOGETHER
    for start in range(0, len(signal), max(1, together)):
        here = slice(start, start + together)
        x, baseline = (torch.from_numpy(part).to(device) for part in (signal[here], flat(signal[here])))
        beside = (
            torch.from_numpy(features[here]).to(device) if features is not None and features.size else None
        )
        one = torch.from_numpy(called[here]).to(device)
        other = None if rather_than is None else torch.from_numpy(rather_than[here]).to(device)
        if no_gradient:
            window = max(2, signal.shape[2] // OCCLUDED)
            with torch.no_grad():
                said = Occlusion(difference).attribute(
                    x, (1, window), (1, window // 2), baseline, additional_forward_args=(beside, one, other)
                )
        else:
            with torch.enable_grad():
                said = IntegratedGradients(difference).attribute(
                    x, baseline, additional_forward_args=(beside, one, other), n_steps=steps
                )
        found[here] = said.detach().cpu().numpy()
    return found


def reads_signal(model: Model) -> bool:
    """Whether the signal has a part in the model's decisions, or its features alone (`model=mlp`)."""
    networks = [network for member in model.members for network in member.values()]
    return not all(isinstance(network, PerceptronNetwork) and network.features for network in networks)


def attribute_table(
    model: Model,
    table: BeatTable,
    rows: npt.NDArray[np.int64],
    called: npt.NDArray[np.int64],
    rather_than: npt.NDArray[np.int64],
    fold: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.float32]:
    """`attribute` for some rows of a table.

    Args:
        model: the model.
        table: the beats.
        rows: (n,) which of them.
        called: (n,) as for `attribute`.
        rather_than: (n,) as for `attribute`.
        fold: (n,) the member of the model that each was predicted by, as it has not seen it; None for all
            members together.

    Returns:
        (n, channels, time) float32.
    """
    found = np.zeros((len(rows), *table.signal.shape[1:]), np.float32)
    for which in [None] if fold is None else np.unique(fold).tolist():
        here = np.flatnonzero(np.ones(len(rows), bool) if which is None else fold == which)
        own, beats = model if which is None else model.member(which), rows[here]
        signal = np.asarray(table.signal[beats])
        found[here] = attribute(own, signal, table.features[beats], called[here], rather_than[here])
    return found


def flat(signal: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The beat with nothing in it: each channel at its own median, which lies near the isoelectric line.

    It serves beats in mV, in standard deviations and from 0 to 1. Zeros behind the end of a row that was
    padded do not count towards the median, and are at the median in what comes out: that a beat ends there is
    a part of what a network sees.

    Args:
        signal: (n, channels, time).

    Returns:
        (n, channels, time), constant over time.
    """
    there = (signal != 0).any(axis=1)  # (n, time)
    length = np.where(there.any(axis=1), signal.shape[2] - there[:, ::-1].argmax(axis=1), signal.shape[2])
    lines = [np.median(beat[:, :end], axis=1) for beat, end in zip(signal, length, strict=True)]
    middle = np.array(lines, np.float32).reshape(*signal.shape[:2], 1)
    return np.ascontiguousarray(np.broadcast_to(middle, signal.shape))


def log_probabilities(model: Model, x: Tensor, features: Tensor | None) -> Tensor:
    """(n, classes) logarithms of what `Model.predict` gives before calibration, open to gradients.

    Args:
        model: the model.
        x: (n, channels, time) beats.
        features: (n, k), or None where the model reads none.
    """
    members = [_member(model, networks, x, features) for networks in model.members]
    return torch.logsumexp(torch.stack(members), 0) - float(np.log(len(members)))


def _member(model: Model, networks: dict[str, nn.Module], x: Tensor, features: Tensor | None) -> Tensor:
    outputs = {name: network(x, features).log_softmax(1) for name, network in networks.items()}
    if "all" in outputs:
        single: Tensor = outputs["all"]
        return single
    # p(N) = 1 − a and p(k) = a · t_k, as logarithms
    normal, abnormal = outputs["anomaly"].unbind(1)
    types = model.facts.types
    columns = [
        normal if name == "N" else abnormal + outputs["type"][:, types.index(name)] for name in model.classes
    ]
    return torch.stack(columns, 1)


def _of(log_p: Tensor, classes: Tensor) -> Tensor:
    return log_p.gather(1, classes[:, None]).squeeze(1)


def _others(log_p: Tensor, one: Tensor) -> Tensor:
    """Logarithm of the probability of all classes but one."""
    return log_p.scatter(1, one[:, None], float("-inf")).logsumexp(1)
