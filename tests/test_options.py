"""Every file in `conf/` trains at least once, to the end of its report."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from ecgcli.beats.protocol import parts
from ecgcli.beats.sources import beats
from ecgcli.cli import conf_dir
from ecgcli.commands.train import train
from ecgcli.learning.fit import fit
from ecgcli.recordings.physionet import DATABASES
from ecgcli.runs import Run, run_name
from tests.conftest import REAL_DATA, train_config
from tests.test_config import CHOICES, EXPERIMENTS
from tests.test_config import VARIANTS as VARIANT_FILES

SHORT = (
    "trainer.steps=4",
    "trainer.epochs=1",
    "trainer.threads=1",
    "trainer.accelerator=cpu",
    "report.replicates=20",
    "report.pictures=none",
)
SMALL = {
    "cnn": ("model.channels=[4]", "model.kernel_sizes=[5]", "model.strides=[2]"),
    "resnet": ("model.channels=[4,4]",),
    "convnext": ("model.channels=[4,4]",),
    "minirocket": ("model.features=84",),
    "mlp": ("model.units=[8]",),
    "baseline_cnn": (),
}
PATIENTS = ("data.patients=12", "data.minutes=1")


def run(*overrides: str) -> Run:
    config = train_config(*overrides)
    train(config)
    return Run(Path("outputs/train") / run_name(config))


DEFAULTS = {
    f"{group}={choice}"
    for entry in yaml.safe_load((conf_dir() / "train.yaml").read_text())["defaults"]
    if isinstance(entry, dict)
    for group, choice in entry.items()
}

TOGETHER = [
    "data=demo",
    "sampling=two_stage model=resnet loss=focal augment=standard logger=csv beat.rhythm=true",
    "sampling=rebalanced model=convnext loss=class_balanced logger=mlflow beat.morphology=true"
    " calibration=none operating_point=precision",
    "protocol=k_fold protocol.k=3 trainer=ddp model=minirocket loss=logit_adjusted beat.rhythm=true"
    " operating_point=cost",
    "protocol=intra_patient model=baseline_cnn optimizer=sgd logger=wandb beat.rhythm=true model.fusion=add"
    " calibration=bias operating_point=sensitivity",
    "data=wfdb data.path=[one,two] protocol=cross_database protocol.train=[one] protocol.test=[two]",
    "data=table data.path=beats.csv beat=given",
    "data=mitdb protocol=inter_patient_strict protocol.folds=null beat=kaggle",
    "model=mlp beat.rhythm=true beat.rhythm_prior=true protocol=labelled_minutes protocol.records=all"
    " protocol.k=3 protocol.minutes=0.2",
    "protocol=kaggle data=kaggle",
    *(f"experiment={name}" for name in EXPERIMENTS),
]
"""Every file in `conf/` once, several in one run where they do not depend on each other."""


def test_every_choice_is_in_one_of_the_runs_below() -> None:
    taken = {word for line in TOGETHER for word in line.split()} | DEFAULTS
    for name in EXPERIMENTS:
        text = (conf_dir() / f"experiment/{name}.yaml").read_text()
        taken |= {f"{group}={choice}" for group, choice in re.findall(r"override /(\w+): (\w+)", text)}
    # data=wfdb with the path of a known database; tests/commands/test_fetch.py composes each
    taken |= {f"data={name}" for name in DATABASES}
    # what data=mitdb and data=kaggle bring along
    taken |= {"protocol=inter_patient", "beat=kaggle", "protocol=kaggle"}
    # tests/commands/test_grid.py starts each of them
    taken |= {f"launcher={name}" for name in ("joblib", "submitit_local", "slurm", "ray")}
    assert set(CHOICES) <= taken


@pytest.fixture(scope="module")
def own_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of recordings and a table of beats, as somebody may have them."""
    from ecgcli.recordings.simulate import write_demo

    place = tmp_path_factory.mktemp("own")
    write_demo(place / "one", 8, 1.0, 0)
    write_demo(place / "two", 6, 1.0, 1)
    rng = np.random.default_rng(0)
    lines = [",".join([*(f"x{i}" for i in range(300)), "label", "patient"])]
    for i in range(240):
        wave = np.sin(np.arange(300) / (5 + 3 * (i % 3))) + rng.normal(size=300) / 10
        lines.append(",".join([*(f"{value:.3f}" for value in wave), "NSV"[i % 3], f"p{i // 12}"]))
    (place / "beats.csv").write_text("\n".join(lines) + "\n")
    return place


@pytest.mark.slow
@pytest.mark.promise
@pytest.mark.parametrize("line", TOGETHER)
def test_every_choice_trains(line: str, own_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(own_data)
    overrides = tuple(line.split())
    config = train_config(*overrides)
    if config.data.name in ("mitdb", "kaggle"):
        if REAL_DATA is None:
            pytest.skip("needs the MIT-BIH Arrhythmia Database in $ECG_DATA/mitdb")
        overrides += (f"data_dir='{REAL_DATA}'",)
    elif config.data.name == "demo":
        overrides += PATIENTS
    done = run(*overrides, *SHORT, *SMALL[config.model.name])
    assert done.metrics["test"]["beats"] > 0
    assert (done.path / "report.md").is_file()
    assert done.config.logger.name != "csv" or list(done.path.glob("csv/*.csv"))
    # without folds nothing validates, and no record of the training part is held back
    alone = getattr(done.config.protocol, "folds", 0) is None
    assert (done.metrics["validation"] is None) == alone
    assert not alone or len(done.model.facts.trained_on["records"]) == 21


VARIANTS = [
    *(f"sampling=rebalanced sampling.method={m}" for m in ("class_weights", "oversampling", "undersampling")),
    "sampling=two_stage sampling.anomaly.method=balanced_sampler sampling.type.method=class_weights",
    "sampling.order=fixed",
    *(f"optimizer.schedule={s}" for s in ("cosine", "constant")),
    *(f"beat.scaling={s}" for s in ("beat", "none")),
    "beat.leads=[MLII,V1] beat.rate=100.0",
    "beat.leads=[other]",
    "select=best loss.label_smoothing=0.1 trainer.gradient_clip=null",
    "trainer.precision=bf16-mixed",
    "trainer.progress=bar",
    "trainer.progress=none trainer.deterministic=false",
    *(f"model.normalisation={n} model.residual=false" for n in ("group", "none")),
    *(f"model.activation={a} model.pooling={p}" for a, p in (("gelu", "average"), ("silu", "max"))),
    "model.activation=leaky_relu model.pooling=flatten model.dilations=[2] model.strides=[1]",
    "trainer.ema=0.9 trainer.early_stopping=1 optimizer.schedule=constant select=best",
    "augment=standard augment.mixup=0.4 beat.morphology=true beat.leads=[MLII,V1]",
    "beat.leads=[1] beat.rhythm=true model.fusion=add",
    "protocol=k_fold protocol.k=4 sampling=two_stage",
    *(f"variant={name}" for name in VARIANT_FILES),
]


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_value_trains(variant: str, tmp_path: Path) -> None:
    config = train_config(*PATIENTS, *SHORT, *SMALL["cnn"], *variant.split())
    table = beats(config.data, config.beat, tmp_path)
    divisions = parts(table, config.protocol)
    model = fit(table, divisions, config, tmp_path).model
    rows = divisions[0].validation
    assert np.isfinite(model.predict(table.signal, rows, features=table.features)).all()


@pytest.mark.promise
def test_kaggle_training_without_the_test_part_never_reads_the_test_file(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder holds the training file alone; `test=false` is content with that."""
    from ecgcli.beats.kaggle import rebuild
    from ecgcli.beats.kaggle_csv import write_csv
    from ecgcli.beats.kaggle_trace import load_trace

    monkeypatch.chdir(tmp_path)
    rows, beats = rebuild(data_dir / "mitdb")
    training = np.flatnonzero(load_trace().test_row < 0)[::9]
    write_csv(tmp_path / "data/kaggle/mitbih_train.csv", rows[training], beats.label[training])
    monkeypatch.delenv("ECG_DATA", raising=False)
    done = run("data=kaggle", "data.source=csv", "test=false", *SHORT, *SMALL["cnn"])
    assert done.metrics["test"] is None
    assert done.metrics["data"]["beats"] == len(training)
