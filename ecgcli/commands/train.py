"""`ecg train`: beats → parts → audit → fit → predictions → report."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from ecgcli.beats.audit import audit, check
from ecgcli.beats.protocol import parts, pooled
from ecgcli.beats.sources import beats, data_dir
from ecgcli.commands.certainty import out_of_fold, settle
from ecgcli.commands.results import conclude, examples, show
from ecgcli.config import TrainConfig
from ecgcli.errors import EcgError
from ecgcli.evaluation.operating_point import check_operating_point
from ecgcli.files import write_json
from ecgcli.runs import (
    OUTPUTS,
    Clock,
    Run,
    begin,
    finished,
    provenance,
    record_opening,
    run_name,
)

if TYPE_CHECKING:
    import pandas as pd

    from ecgcli.learning.progress import Watch


def train(config: TrainConfig) -> None:
    """Trains a classifier, scores it, writes the run folder and shows its report.

    A run that is finished already is shown, not repeated, unless `force` asks for it.

    Raises:
        EcgError: for whatever the user can mend; see the rooms that this walks through.
    """
    run, fresh = finish(config)
    show(run.metrics)
    if not fresh:
        print(f"This run was finished before: {run.path}\nforce=true repeats it.")
        return
    print(f"Run folder   {run.path}")
    print(f"Report       {run.path / 'report.html'}")
    print(f"TensorBoard  tensorboard --logdir {run.path.parent}")
    print(f"Next         {next_command(config, run)}")


def finish(config: TrainConfig, watch: Watch | None = None) -> tuple[Run, bool]:
    """The finished run of a configuration, and whether it was trained now; prints nothing.

    Args:
        config: the configuration.
        watch: is told of every round of training, and may end it with an exception.

    Raises:
        EcgError: for whatever the user can mend; `BeingWritten` where another process is at the same run.
    """
    clock = Clock()
    table = beats(config.data, config.beat, data_dir(config.data_dir), config.reads_test)
    done = None if config.force else finished(config)
    if done:
        _still_holds(done, table.fingerprint)
        return done, False
    divisions = parts(table, config.protocol, test=config.test)
    audits = [audit(table, part) for part in divisions]
    for part, leaks in zip(divisions, audits, strict=True):
        check(leaks, part, config.allow_leak)
    part = pooled(divisions)
    check_operating_point(config.operating_point, part.classes)
    others = out_of_fold(config, table, part)
    clock.lap("beats")

    with begin(config, table.fingerprint) as folder:
        # here and not at the top: torch and Lightning cost seconds, which a mistake above should not
        from ecgcli.learning.devices import device
        from ecgcli.learning.fit import fit
        from ecgcli.learning.loggers import finish_loggers
        from ecgcli.learning.outputs import outputs, settled
        from ecgcli.reporting.tensorboard import final_scores, log_results

        fitted = fit(table, divisions, config, folder, watch)
        clock.lap("training")
        where = device(config.trainer.accelerator, config.trainer.threads)
        said: dict[str, pd.DataFrame] = {}
        if len(part.validation):
            said["validation"] = outputs(fitted.model, table, divisions, "validation", where)
        model = settle(fitted.model, config, said.get("validation"), others)
        model.save(folder / "model")
        if part.test is not None:
            said["test"] = outputs(model, table, divisions, "test", where)
            opened: dict[str, object] = {"run": run_name(config), "data": table.source, "protocol": part.name}
            opened |= {"class_map": table.class_map, "beats": len(part.test)}
            record_opening("train", {**opened, "fingerprint": table.fingerprint})
        clock.lap("prediction")
        facts = provenance(config, table.fingerprint, clock.rounded())
        metrics = conclude(
            folder,
            title=run_name(config),
            table=table,
            part=part,
            audits=audits,
            predictions={name: settled(model, frame) for name, frame in said.items()},
            model=model,
            data=config.data,
            data_dir=data_dir(config.data_dir),
            report=config.report,
            training=fitted.story(config),
            provenance=facts,
        )
        log_results(folder, config, metrics, model, examples(table, part, model.segmenter))
        finish_loggers(config, folder, final_scores(metrics))
        clock.lap("report")
        write_json(folder / "run.json", facts | {"seconds": clock.rounded()})
    return Run(OUTPUTS / "train" / run_name(config)), True


def next_command(config: TrainConfig, run: Run) -> str:
    """What to try after this run: the cascade, where it was none; else the run scored on its own."""
    if config.sampling.name == "two_stage" or "N" not in run.metrics["classes"]:
        return f"ecg eval run={shlex.quote(str(run.path))}"
    others = [argument for argument in sys.argv[1:] if not argument.startswith("sampling")]
    return shlex.join(["ecg", "train", *others, "sampling=two_stage"])


def _still_holds(run: Run, fingerprint: str) -> None:
    # the version of the results is part of the run's name; the content of the data is not
    if run.provenance.get("data_fingerprint") != fingerprint:
        raise EcgError(f"{run.path} was trained on other data than there are now; force=true repeats it")
