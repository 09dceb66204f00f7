"""Scores a model from raw recordings to annotations: R peaks found, and given, on the records of DS2.

    ecg train experiment=new_patients
    python scripts/end_to_end.py outputs/train/<run> <data_dir> docs/predict.md

The run has to be trained on DS1 alone. The difference of the two rows of a class map is what detection costs.
The table replaces what stands between `<!-- end to end -->` and `<!-- /end to end -->` in the document.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ecgcli.beats.de_chazal import DS2
from ecgcli.evaluation.ec57_folders import score_folders
from ecgcli.evaluation.ec57_summary import gross
from ecgcli.files import write_text
from ecgcli.models import open_model
from ecgcli.prediction.annotate import annotate
from ecgcli.prediction.write import wfdb_annotations
from ecgcli.recordings.aami import BEAT_SYMBOLS, ClassMap
from ecgcli.recordings.annotation_writer import write_annotations
from ecgcli.recordings.source import open_source
from ecgcli.recordings.wfdb_io import record_annotations
from ecgcli.runs import Run, record_opening

MEASURES = ("QRS Se", "QRS +P", "VEB Se", "VEB +P", "SVEB Se", "SVEB +P")
MAPS: tuple[ClassMap, ...] = ("aami", "ec57")


def main(run: str, data_dir: str, document: str) -> None:
    """Annotates DS2 twice, scores it by EC57 from 0:00 and writes the table."""
    mitdb = Path(data_dir) / "mitdb"
    model, _ = open_model(run)
    if seen := set(DS2) & set(model.facts.trained_on["records"]):
        sys.exit(f"{run} was trained on {', '.join(sorted(seen))} of DS2")
    lines = [f"| R peaks | class map | {' | '.join(MEASURES)} | unreadable s |", "|-|-|" + "-|" * 7]
    for peaks in ("given", "found"):
        with TemporaryDirectory() as folder:
            unreadable = 0.0
            for name in DS2:
                source = open_source(mitdb / name)
                marks = record_annotations(source.path, "atr", source.rate, source.samples)
                beats = np.unique(marks.sample[np.isin(marks.symbol, list(BEAT_SYMBOLS))])
                found = annotate(source, model, peaks=beats if peaks == "given" else None)
                unreadable += source.samples / source.rate - found.readable_seconds
                write_annotations(Path(folder), name, wfdb_annotations(found), "ecg", source.rate)
            for class_map in MAPS:
                scores = score_folders(mitdb, Path(folder), list(DS2), "atr", "ecg", 0.0, class_map)
                measures = gross(scores.records)
                cells = [f"{measures[name].percent:.2f}" for name in MEASURES]
                lines.append(f"| {peaks} | `{class_map}` | {' | '.join(cells)} | {unreadable:.0f} |")
        opened = {"run": Path(run).resolve().name, "data": "mitdb", "protocol": "inter_patient"}
        fingerprint = Run(run).provenance["data_fingerprint"]
        record_opening("end_to_end", {**opened, "class_map": "aami", "fingerprint": fingerprint})
    text = Path(document).read_text(encoding="utf-8")
    table = "<!-- end to end -->\n" + "\n".join(lines) + "\n<!-- /end to end -->"
    pattern = r"<!-- end to end -->.*?<!-- /end to end -->"
    write_text(Path(document), re.sub(pattern, lambda _: table, text, flags=re.DOTALL))
    print("\n".join(lines))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
