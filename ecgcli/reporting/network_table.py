"""A network as a table: its layers in order, what they give and how many weights they have."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def network_table(network: nn.Module, inputs: tuple[Tensor, ...]) -> str:
    """Markdown table, a row a layer, and the sum of the weights below.

    Args:
        network: any network.
        inputs: of one beat, to see the shapes that the layers give.
    """
    rows = [
        (name, module)
        for name, module in network.named_modules()
        if not list(module.children()) or list(module.parameters(recurse=False))
    ]
    shapes = _shapes(network, inputs)
    lines = ["| layer | kind | output | weights |", "|-|-|-|-:|"]
    for name, module in rows:
        weights = sum(p.numel() for p in module.parameters(recurse=False))
        shape = " × ".join(str(size) for size in shapes.get(name, ())) or "–"
        lines.append(f"| {name or '(itself)'} | {_kind(module)} | {shape} | {weights:,} |")
    total = sum(p.numel() for p in network.parameters())
    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    frozen = "" if trained == total else f", {trained:,} of them trained"
    return "\n".join([*lines, "", f"{total:,} weights{frozen}."])


def _shapes(network: nn.Module, inputs: tuple[Tensor, ...]) -> dict[str, tuple[int, ...]]:
    """What every module gives for one beat, without the batch; of one that is called twice, the last."""
    shapes: dict[str, tuple[int, ...]] = {}

    def remember(name: str) -> Any:
        def hook(module: nn.Module, given: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                shapes[name] = tuple(output.shape[1:])

        return hook

    hooks = [module.register_forward_hook(remember(name)) for name, module in network.named_modules()]
    was_training = network.training
    try:
        with torch.no_grad():
            network.eval()(*inputs)
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return shapes


def _kind(module: nn.Module) -> str:
    """`Conv2d 16 → 32, kernel 5, stride 2`; for other layers the name alone."""
    kind = type(module).__name__
    if isinstance(module, nn.Linear):
        return f"{kind} {module.in_features} → {module.out_features}"
    if not isinstance(module, nn.Conv1d | nn.Conv2d):
        return kind
    kind += f" {module.in_channels} → {module.out_channels}, kernel {module.kernel_size[-1]}"
    for what in ("stride", "dilation"):
        if getattr(module, what)[-1] > 1:
            kind += f", {what} {getattr(module, what)[-1]}"
    return kind + (f", {module.groups} groups" if module.groups > 1 else "")
