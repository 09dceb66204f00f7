"""`ecg compare`: what is ranked together, what is refused, and what is written."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ecgcli.commands.compare import asked_for, compare, found_runs
from ecgcli.config import CompareConfig
from ecgcli.errors import EcgError
from ecgcli.evaluation.rows import rows_of
from ecgcli.parsing import parse
from ecgcli.runs import Run
from tests.conftest import compose_values
from tests.made_up_runs import made_up_beats, made_up_run

SAMPLINGS = {"imbalanced": 0.3, "rebalanced": 0.3, "two_stage": 0.12}
"""How wrong the made-up runs are: the third is plainly better."""


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three samplings, three seeds each."""
    outputs = tmp_path_factory.mktemp("outputs")
    for name, wrong in SAMPLINGS.items():
        for seed in range(3):
            made_up_run(outputs, f"sampling={name}", f"seed={seed}", wrong=wrong)
    return outputs / "train"


def run_compare(folder: Path | str, **changes: Any) -> None:
    values = compose_values(command="compare") | {"replicates": 2000}
    compare(parse(CompareConfig, values | {"runs": str(folder)} | changes))


@pytest.fixture(scope="module")
def written(sweep: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compared") / "it"
    run_compare(sweep, output=str(folder))
    return folder


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than all the rest."""
    monkeypatch.setattr("ecgcli.reporting.compare_files.figures", lambda comparison: {})


def rows_in(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.promise
def test_runs_that_differ_in_their_seed_alone_make_one_row(written: Path, sweep: Path) -> None:
    rows = rows_in(written / "compare.csv")
    assert [row["name"] for row in rows] == [f"sampling={name}" for name in SAMPLINGS]
    assert {row["seeds"] for row in rows} == {"3"}
    mine = [Run(path).metrics["test"] for path in sweep.glob("*two_stage*")]
    for column, values in {
        "accuracy": [one["accuracy"] for one in mine],
        "S_precision": [one["per_class"]["S"]["precision"] for one in mine],
        "abnormal_called_normal": [one["abnormal_called_normal"] for one in mine],
    }.items():
        assert float(rows[2][f"{column}_mean"]) == pytest.approx(np.mean(values))
        assert float(rows[2][f"{column}_sd"]) == pytest.approx(np.std(values, ddof=1))


@pytest.mark.promise
def test_a_plain_difference_is_clear_and_none_is_made_up(written: Path) -> None:
    found = rows_in(written / "differences.csv")
    assert len(found) == 3 * 7
    by = {(one["row"] + one["reference"], one["score"]): one for one in found}
    assert float(by["CA", "accuracy"]["p_holm"]) < 0.05
    assert float(by["CA", "accuracy"]["low"]) > 0
    assert float(by["CA", "abnormal called normal"]["high"]) < 0
    assert float(by["BA", "accuracy"]["p_holm"]) > 0.05
    accuracy = {row["row"]: float(row["accuracy_mean"]) for row in rows_in(written / "compare.csv")}
    for (pair, score), one in by.items():
        low, value, high = (float(one[key]) for key in ("low", "difference", "high"))
        assert low <= value <= high
        if score == "accuracy":
            assert value == pytest.approx(accuracy[pair[0]] - accuracy[pair[1]])


def test_the_columns_of_the_field_come_first_and_the_best_is_bold(written: Path) -> None:
    text = (written / "compare.md").read_text(encoding="utf-8")
    head = next(line for line in text.splitlines() if line.startswith("| row"))
    columns = [cell.strip() for cell in head.split("|")[3:10]]
    assert columns == [
        *("abnormal called normal %", "S Se %", "S +P %", "V Se %", "V +P %", "macro-F1", "accuracy %")
    ]
    best = next(line for line in text.splitlines() if line.startswith("| C sampling=two"))
    assert best.split("|")[3].strip().startswith("**")
    assert "sampling.share | - | - | 0.7" in text
    assert "optimizer.lr" not in text  # equal in all
    assert "none of F, which no mean holds" in text
    assert sorted(path.name for path in (written / "figures").iterdir()) == [
        *("differences.png", "misses.png", "seeds.png")
    ]
    assert all(f"(figures/{name}.png)" in text for name in ("differences", "misses", "seeds"))


def test_the_latex_tables_are_whole_and_escaped(written: Path) -> None:
    text = (written / "compare.tex").read_text(encoding="utf-8")
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == text.count(r"\toprule") == 2
    assert r"two\_stage" in text
    body = re.sub(r"\\[&%$#_{}]|\$[^$]*\$", "", "\n".join(text.splitlines()[1:]))
    assert not set(body) & set("%#_$^~±−→")
    for table in re.findall(r"\\midrule\n(.*?)\\bottomrule", body, flags=re.DOTALL):
        widths = {line.count("&") for line in table.strip().splitlines()}
        assert len(widths) == 1
    assert body.count("{") == body.count("}")


def test_the_page_stands_alone(written: Path) -> None:
    text = (written / "compare.html").read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(?!data:|#)', text)
    assert text.count("<img") == 3
    assert "<strong>" in text
    assert "With 3 seeds, how far they differ is hardly known." in text
    told = json.loads((written / "compare.json").read_text(encoding="utf-8"))
    assert told["patients"] == 24
    assert len(told["rows"][0]["scores"]["accuracy"]) == 3


@pytest.mark.usefixtures("no_pictures")
def test_the_terminal_shows_the_table(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_compare(sweep, output=str(tmp_path / "it"))
    shown = capsys.readouterr().out
    assert "C  sampling=two_stage" in shown
    assert "24 patients were drawn with" in shown
    assert re.search(r"^C - A +accuracy", shown, flags=re.MULTILINE) or "C − A" in shown


@pytest.mark.usefixtures("no_pictures")
def test_given_a_row_all_others_are_compared_with_it(sweep: Path, tmp_path: Path) -> None:
    rebalanced = next(sweep.glob("*rebalanced*"))
    for against in ("sampling=rebalanced", str(rebalanced), rebalanced.name):
        run_compare(sweep, against=against, output=str(tmp_path / "it"))
        found = rows_in(tmp_path / "it" / "differences.csv")
        assert {one["row"] + one["reference"] for one in found} == {"AB", "CB"}
    with pytest.raises(EcgError, match="against=sampling=none: no row is or has that; expected a run of th"):
        asked_for("sampling=none", rows_of(found_runs([str(sweep)])))


@pytest.mark.usefixtures("no_pictures")
def test_of_many_rows_each_is_compared_with_the_best(tmp_path: Path) -> None:
    for place in range(6):
        made_up_run(tmp_path, f"trainer.epochs={place + 1}", wrong=0.1 + 0.05 * abs(place - 2))
    run_compare(tmp_path / "train", output=str(tmp_path / "it"))
    rows = {row["row"]: row["name"] for row in rows_in(tmp_path / "it" / "compare.csv")}
    (reference,) = {one["reference"] for one in rows_in(tmp_path / "it" / "differences.csv")}
    assert rows[reference] == "trainer.epochs=3"
    assert "looks better than it is" in (tmp_path / "it" / "compare.md").read_text(encoding="utf-8")


@pytest.mark.promise
@pytest.mark.usefixtures("no_pictures")
def test_mcnemar_speaks_where_no_patient_is_known(tmp_path: Path) -> None:
    beats = made_up_beats(known=False)
    for name, wrong in (("imbalanced", 0.3), ("two_stage", 0.1)):
        for seed in (0, 1):
            made_up_run(tmp_path, f"sampling={name}", f"seed={seed}", wrong=wrong, beats=beats)
    run_compare(tmp_path / "train", output=str(tmp_path / "it"))
    found = {one["score"]: one for one in rows_in(tmp_path / "it" / "differences.csv")}
    assert found["macro-F1"]["p"] == found["S +P"]["p"] == ""
    assert float(found["accuracy"]["p_holm"]) < 0.05
    text = (tmp_path / "it" / "compare.md").read_text(encoding="utf-8")
    assert "McNemar" in text
    assert "the intervals are too narrow" in text
    from scipy.stats import binom

    frames = {
        (name, seed): Run(next((tmp_path / "train").glob(f"*{name}*-s{seed}-*"))).predictions("test")
        for name in ("imbalanced", "two_stage")
        for seed in (0, 1)
    }

    def right(frame: pd.DataFrame) -> Any:
        columns = [column for column in frame if column.startswith("p_")]
        return frame[columns].idxmax(axis=1).str[2:] == frame["label"]

    values = []
    for seed in (0, 1):
        mine, theirs = right(frames["two_stage", seed]), right(frames["imbalanced", seed])
        fewer = min((mine & ~theirs).sum(), (~mine & theirs).sum())
        apart = int((mine != theirs).sum())
        values.append(2 * binom.cdf(fewer, apart, 0.5) - binom.pmf(fewer, apart, 0.5))
    assert float(found["accuracy"]["p"]) == pytest.approx(sum(values))


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "other data": (
        lambda outputs: made_up_run(outputs, "seed=9", data_fingerprint="0b"),
        "runs mix data: 0a (demo-by_subject-imbalanced-cnn-s0-",
    ),
    "other protocol": (
        lambda outputs: made_up_run(outputs, "protocol=k_fold"),
        "runs mix protocols: by_subject test=",
    ),
    "other hold-out": (
        lambda outputs: made_up_run(outputs, "protocol.seed=3"),
        "runs mix protocols: test=0.25 seed=3 (",
    ),
    "other class map": (
        lambda outputs: made_up_run(outputs, "seed=9", class_map="ec57"),
        "runs mix class maps: aami (",
    ),
    "closed test part": (
        lambda outputs: made_up_run(outputs, "seed=9", "test=false", parts=("validation",)),
        "never opened the test part: compare on validation with part=validation, or leave it out",
    ),
    "older results": (
        lambda outputs: made_up_run(outputs, "seed=9", results_version=2),
        "has results version 2, this ecgcli makes",
    ),
    "other beats": (
        lambda outputs: made_up_run(outputs, "seed=9", beats=made_up_beats(24, 49)),
        "were not scored on the same beats: 1,200 and 1,176",
    ),
    "other labels": (
        lambda outputs: made_up_run(
            outputs, "seed=9", beats=made_up_beats().assign(label=lambda b: b["label"].replace("S", "V"))
        ),
        "were not scored on the same beats: row ",
    ),
}


@pytest.mark.promise
@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_ranking_is_refused_with_the_reason(what: str, tmp_path: Path) -> None:
    made_up_run(tmp_path, "seed=0")
    make, said = REFUSED[what]
    make(tmp_path)
    with pytest.raises(EcgError, match=re.escape(said)) as refused:
        run_compare(tmp_path / "train", output=str(tmp_path / "it"))
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.glob("it*"))


def test_how_a_model_adapts_is_a_row_and_how_much_is_labelled_another_protocol(tmp_path: Path) -> None:
    adapted = ("protocol=labelled_minutes", "protocol.records=all")
    for steps in (0, 200):
        made_up_run(tmp_path, *adapted, f"protocol.steps={steps}")
    run_compare(tmp_path / "train", output=str(tmp_path / "it"))
    assert "protocol.steps=200" in (tmp_path / "it" / "compare.md").read_text(encoding="utf-8")
    made_up_run(tmp_path, *adapted, "protocol.minutes=2")
    with pytest.raises(EcgError, match="runs mix protocols: minutes="):
        run_compare(tmp_path / "train", output=str(tmp_path / "other"))


def test_other_classes_are_refused(tmp_path: Path) -> None:
    made_up_run(tmp_path, "seed=0")
    other = made_up_run(tmp_path, "seed=1")
    metrics = json.loads((other.path / "metrics.json").read_text())
    (other.path / "metrics.json").write_text(json.dumps(metrics | {"classes": ["N", "S", "V"]}))
    with pytest.raises(EcgError, match=r"runs mix classes: N S V F .* and N S V "):
        run_compare(tmp_path / "train")


@pytest.mark.usefixtures("no_pictures")
def test_runs_without_a_test_part_are_compared_on_validation(tmp_path: Path) -> None:
    """A run that opened its test part and one that did not are of one recipe."""
    for seed, opened in ((0, "true"), (1, "false")):
        parts = ("validation", "test") if opened == "true" else ("validation",)
        made_up_run(tmp_path, f"seed={seed}", f"test={opened}", parts=parts)
    run_compare(tmp_path / "train", part="validation", output=str(tmp_path / "it"))
    (row,) = rows_in(tmp_path / "it" / "compare.csv")
    assert row["seeds"] == "2"
    text = (tmp_path / "it" / "compare.md").read_text(encoding="utf-8")
    assert "the validation part" in text
    assert "nothing to compare it with" in text


def test_the_same_run_is_meant_once_and_unfinished_ones_are_left_out(sweep: Path, tmp_path: Path) -> None:
    first = next(sweep.glob("*imbalanced*"))
    assert len(found_runs([str(sweep), str(first), str(sweep / "*imbalanced*")])) == 9
    assert len(found_runs([str(sweep / "*-s1-*")])) == 3
    made_up_run(tmp_path).path.rename(tmp_path / "train" / "left.partial")
    with pytest.raises(EcgError, match="no finished run in it"):
        found_runs([str(tmp_path / "train")])
    with pytest.raises(EcgError, match="is unfinished: repeat its command to finish it"):
        found_runs([str(tmp_path / "train" / "left.partial")])
    with pytest.raises(EcgError, match="no such folder; expected a run folder or a folder of runs"):
        found_runs([str(tmp_path / "nowhere")])


def test_a_sweep_is_meant_by_its_folder(tmp_path: Path) -> None:
    runs = [made_up_run(tmp_path, f"seed={seed}") for seed in range(3)]
    jobs = [{"how": "trained", "run": f"outputs/train/{run.path.name}"} for run in runs[:2]]
    jobs += [{"how": "failed", "why": "no beats"}, {"how": "left", "run": "outputs/train/not-there"}]
    (tmp_path / "sweeps/now/jobs").mkdir(parents=True)
    for number, job in enumerate(jobs):
        (tmp_path / f"sweeps/now/jobs/{number:05}.json").write_text(json.dumps(job))
    assert [run.path for run in found_runs([str(tmp_path / "sweeps/now")])] == [run.path for run in runs[:2]]


def test_one_run_alone_and_a_copy_of_a_run_are_refused(sweep: Path, tmp_path: Path) -> None:
    first = next(sweep.glob("*imbalanced*"))
    with pytest.raises(EcgError, match="is one run alone: give several, or a folder of several, in runs="):
        run_compare(first)
    copied = made_up_run(tmp_path, "sampling=imbalanced", "seed=0")
    with pytest.raises(EcgError, match="have the same settings and the same seed: leave one out"):
        run_compare(sweep, runs=[str(sweep), str(copied.path)])


def test_a_folder_that_holds_other_things_is_never_replaced(sweep: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(EcgError, match="exists and holds other things: expected a new folder"):
        run_compare(sweep, output=str(tmp_path))
    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_damaged_predictions_are_named(tmp_path: Path) -> None:
    made_up_run(tmp_path, "seed=0")
    other = made_up_run(tmp_path, "seed=1")
    (other.path / "predictions" / "test.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(EcgError, match=r"test.parquet is damaged"):
        run_compare(tmp_path / "train", output=str(tmp_path / "it"))
    assert not list(tmp_path.glob("it*"))
