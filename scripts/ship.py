"""Puts the model of a finished k-fold run into the box, with the card that says what it is.

    ecg train experiment=new_patients protocol=k_fold protocol.records=unpaced
    python scripts/ship.py outputs/train/<run>

Every figure of the card is the run's own; nothing is typed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from ecgcli.commands.predict import SERVED, SHIPPED
from ecgcli.files import write_text
from ecgcli.recordings.aami import CLASS_NAMES
from ecgcli.runs import Run

LARGEST = 1_000_000
"""Bytes of the weights, at most."""

CARD = Path(__file__).with_name("model_card.md")


def card(run: Run) -> str:
    """The card of a run's model."""
    facts, metrics = run.model.facts, run.metrics
    test, intervals = metrics["test"], metrics["intervals"]

    def percent(value: float | None, interval: list[float] | None) -> str:
        if value is None:
            return "–"
        return f"{100 * value:.1f}" + (
            f" ({100 * interval[0]:.1f}–{100 * interval[1]:.1f})" if interval else ""
        )

    def row(name: str) -> str:
        one, sure = test["per_class"][name], intervals["per_class"][name]
        cells = [f"{name} {CLASS_NAMES[name]}", f"{one['support']:,}"]
        cells += [percent(one[key], sure.get(key)) for key in ("recall", "precision", "called_normal")]
        return f"| {' | '.join(cells)} |"

    provenance: dict[str, Any] = run.provenance
    versions = ", ".join(f"{name} {version}" for name, version in provenance["packages"].items())
    macro = intervals["macro_f1"]
    return CARD.read_text(encoding="utf-8").format(
        members=facts.members,
        parameters=run.model.parameters,
        classes=", ".join(f"{name} ({CLASS_NAMES[name].lower()})" for name in facts.classes),
        records=len(facts.trained_on["records"]),
        subjects=len(set(facts.trained_on["subjects"])),
        class_map=metrics["class_map"],
        statement=metrics["protocol"]["statement"],
        rows="\n".join(row(name) for name in facts.classes),
        accuracy=percent(test["accuracy"], intervals["accuracy"]) + "%",
        macro_f1=f"{test['macro_f1']:.3f} ({macro[0]:.3f}–{macro[1]:.3f})",
        missed=percent(test["abnormal_called_normal"], intervals["abnormal_called_normal"]) + "%",
        calibration=facts.calibration.sentence(facts.classes),
        review=f"{facts.review_below:.2f}",
        fusion=test["per_class"]["F"]["support"],
        command=provenance["command"],
        run=run.path.resolve().name,
        made=f"Trained with ecgcli {provenance['ecgcli']}, Python {provenance['python']}, {versions}.",
    )


def main(path: str) -> None:
    """Writes the model, the same for onnxruntime, and its card."""
    run = Run(path)
    size = (run.path / "model" / "model.safetensors").stat().st_size
    if size >= LARGEST:
        sys.exit(f"{size:,} bytes of weights; expected fewer than {LARGEST:,}")
    run.model.save(SHIPPED)
    write_text(SHIPPED / "README.md", card(run))
    export = ["ecgcli", "export", f"run={SHIPPED}", f"output={SERVED}"]
    subprocess.run([sys.executable, "-m", *export], check=True)
    print(f"{SHIPPED}: {size:,} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
