"""Every file in `conf/` trains at least once, to the end of its report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from ecgcli.beats.protocol import parts
from ecgcli.beats.sources import beats
from ecgcli.cli import conf_dir
from ecgcli.commands.train import train
from ecgcli.learning.fit import fit
from ecgcli.runs import Run, run_name
from tests.conftest import REAL_DATA, train_config
from tests.test_config import CHOICES, EXPERIMENTS, natural

SHORT = ("trainer.steps=4", "trainer.epochs=1", "trainer.threads=1", "trainer.accelerator=cpu")
SMALL = {
    "cnn": ("model.channels=[4]", "model.kernel_sizes=[5]"),
    "baseline_cnn": (),
}


def run(*overrides: str) -> Run:
    config = train_config(*overrides)
    train(config)
    return Run(Path("outputs/train") / run_name(config))


def needs_real_data(overrides: tuple[str, ...]) -> bool:
    return train_config(*overrides).data.name != "demo"


DEFAULTS = {
    f"{group}={choice}"
    for entry in yaml.safe_load((conf_dir() / "train.yaml").read_text())["defaults"]
    if isinstance(entry, dict)
    for group, choice in entry.items()
}
"""One run covers them all: each is what `ecg train` takes of itself."""

OTHERS = [choice for choice in CHOICES if choice not in DEFAULTS]


@pytest.mark.slow
@pytest.mark.promise
@pytest.mark.parametrize("choice", ["data=demo", *OTHERS, *(f"experiment={name}" for name in EXPERIMENTS)])
def test_every_choice_trains(choice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    overrides = (*natural(choice), choice)
    if needs_real_data(overrides):
        if REAL_DATA is None:
            pytest.skip("needs the MIT-BIH Arrhythmia Database in $ECG_DATA/mitdb")
        overrides += (f"data_dir='{REAL_DATA}'",)
    else:
        overrides += ("data.patients=12", "data.minutes=1")
    model = train_config(*overrides).model.name
    done = run(*overrides, *SHORT, *SMALL[model])
    assert done.metrics["test"]["beats"] > 0
    assert (done.path / "report.md").is_file()


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
]


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_value_trains(variant: str, tmp_path: Path) -> None:
    config = train_config("data.patients=12", "data.minutes=1", *SHORT, *SMALL["cnn"], *variant.split())
    table = beats(config.data, config.beat, tmp_path)
    (part,) = parts(table, config.protocol)
    model = fit(table, part, config, tmp_path).model
    assert np.isfinite(model.predict(table.signal, part.validation)).all()


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
