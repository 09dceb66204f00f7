"""`report.md`: what was trained on what, what it gets wrong and on whom, with its figures."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecgcli.evaluation.predictions import NORMAL, by_record, trade_off
from ecgcli.files import write_text
from ecgcli.reporting import plots, tables
from ecgcli.reporting.tables import part_name, percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WORST = 10
"""Records listed, those with the most wrong beats first."""


def write_report(folder: Path, facts: Mapping[str, Any]) -> Path:
    """Writes `report.md` and `figures/` into `folder`.

    Scores of the test part lead where there are any, else those of validation.

    Args:
        folder: the run folder, or that of an evaluation.
        facts: plain data and tables:
            `title`: the run's identity; `command`: the command line that repeats it;
            `data`: `name`, `beats`, `records`, `subjects`, `fingerprint`, `notes` (sentences);
            `protocol`: `name`, `statement`, `caveats` (sentences), `intra_patient`;
            `class_map`, `classes`; `audit`: `sentences`;
            `support`: part → class → beats;
            `training` (may be left out): `steps`, `parameters`, `seconds`, `weights` ("best" or "last"),
            `curves` (network → table, see `plots.learning_curves`); told where `support` has `train`;
            `metrics`: part → what `score` gave, or None;
            `folds` (may be left out): what `by_fold` gave for the leading part, or None;
            `error_budget`: what `error_budget` gave for the leading part, or None;
            `predictions`: part → table, or None, for the parts of `metrics`;
            `examples` (may be left out): `signal`, `rate`, `start`, `unit`, as for
            `examples.example_beats`, of the leading part;
            `provenance`: anything that JSON holds.

    Returns:
        The path of `report.md`.
    """
    pages = [
        _opening(facts),
        _scores(facts),
        _trade_off(facts),
        _budget(facts),
        _figures(folder / "figures", facts),
        _records(facts),
        _data(facts),
        _provenance(facts),
        [f"*{tables.NOT_A_DEVICE}*"],
    ]
    report = folder / "report.md"
    write_text(report, "\n\n".join(block for page in pages for block in page) + "\n")
    return report


def _opening(facts: Mapping[str, Any]) -> Iterator[str]:
    yield f"# {_md(facts['title'])}"
    data, protocol, training = facts["data"]["name"], facts["protocol"]["name"], facts.get("training")
    sentence = f"Scores are of {tables.scores_sentence(facts)}."
    weights = f" of {training['parameters']:,} weights" if training else ""
    if training and _trained_here(facts):
        beats = f"{sum(facts['support']['train'].values()):,} beats of {data}"
        if facts.get("folds"):
            members = len(facts["folds"])
            beats = f"the folds of {beats} that each of its {members} members neither tests nor validates on,"
        sentence = (
            f"A model{weights}, trained on {beats} under the protocol {protocol}: "
            f"{training['steps']:,} optimizer steps in {training['seconds']:,.0f} seconds; the "
            f"{training['weights']} weights are used. {sentence}"
        )
    else:
        sentence = f"A model{weights}, trained before, applied to {data}: {protocol}. {sentence}"
    yield _md(sentence)
    warning = tables.intra_patient_sentence(facts)
    if warning:
        yield f"> **{_md(warning)}**"
    lines = {
        "Data": tables.data_sentence(facts),
        "Protocol": tables.protocol_sentence(facts),
        "Classes": tables.class_sentence(facts),
        "Leaks": " ".join(facts["audit"]["sentences"]) or "none found",
    }
    yield "\n".join(f"- **{name}**: {_md(sentence)}" for name, sentence in lines.items())
    yield _code(facts["command"], "sh")


def _trained_here(facts: Mapping[str, Any]) -> bool:
    """Whether the data hold the beats that the model was trained on."""
    return bool(facts.get("training") and facts["support"].get("train"))


def _scores(facts: Mapping[str, Any]) -> Iterator[str]:
    metrics, classes = facts["metrics"], facts["classes"]
    leading, *others = tables.scored_parts(metrics)
    yield f"## Scores of {_md(part_name(leading))}"
    yield _table(tables.CLASS_HEADINGS, tables.class_rows(metrics[leading], classes))
    absent = tables.absence_sentences(metrics[leading], classes)
    if absent:
        yield _md(" ".join(absent))
    yield "Over the whole set; macro means, AUROC and AUPRC go over the classes that have beats:"
    yield _table(("", leading, *others), tables.whole_rows(metrics))
    between = tables.fold_sentence(facts)
    if between:
        yield _md(between)
    for part in others:
        yield f"<details><summary>Classes in {html.escape(part_name(part))}</summary>"
        yield _table(tables.CLASS_HEADINGS, tables.class_rows(metrics[part], classes))
        yield "</details>"


def _trade_off(facts: Mapping[str, Any]) -> Iterator[str]:
    leading, classes = tables.scored_parts(facts["metrics"])[0], facts["classes"]
    score = facts["metrics"][leading]
    if NORMAL not in classes or score["abnormal_called_normal"] is None:
        return
    chosen = "validation" if facts["predictions"].get("validation") is not None else leading
    points = trade_off(facts["predictions"][chosen], facts["predictions"][leading], classes)
    normal = list(classes).index(NORMAL)
    confusion = score["confusion"]
    ordinary, beats = sum(confusion[normal]), score["beats"]
    alarms = beats - sum(row[normal] for row in confusion)
    false = ordinary - confusion[normal][normal]
    rows = [
        [
            "most probable class",
            percent(score["abnormal_called_normal"]),
            percent(false / ordinary if ordinary else None),
            percent((alarms - false) / alarms if alarms else None),
        ]
    ]
    for point in points:
        rule = f"1 − p({NORMAL}) ≥ {point['threshold']:.3g}, to miss at most {percent(point['aim'], 0)}"
        rows.append([rule, *(percent(point[key]) for key in ("missed", "false_alarms", "right_alarms"))])
    yield "## What fewer missed beats would cost"
    yield _table(
        (
            "a beat is called abnormal by",
            "abnormal beats missed",
            "normal beats called abnormal",
            "alarms right",
        ),
        rows,
    )
    where = f"{_md(part_name(chosen))} and counted on {_md(part_name(leading))}"
    yield f"Thresholds are set on {where}." + (
        "" if chosen != leading else " Set and counted on the same beats, they flatter."
    )


def _budget(facts: Mapping[str, Any]) -> Iterator[str]:
    budget = facts.get("error_budget")
    if budget:
        yield "## Error budget of the two stages"
        yield _table(("class", *tables.BUDGET_HEADINGS[1:]), tables.budget_rows(budget, facts["classes"]))
        yield _md(tables.budget_sentence(budget))


def _figures(folder: Path, facts: Mapping[str, Any]) -> Iterator[str]:
    yield "## Figures"
    for name, caption, figure in _drawn(facts):
        path = plots.save(figure, folder / f"{name}.png")
        yield f"![{name}]({folder.name}/{path.name})\n\n*{_md(caption)}*"


def _drawn(facts: Mapping[str, Any]) -> Iterator[tuple[str, str, Figure]]:
    leading, classes = tables.scored_parts(facts["metrics"])[0], facts["classes"]
    score, predictions = facts["metrics"][leading], facts["predictions"][leading]
    where = part_name(leading)
    yield "classes", f"The three columns of the table, {where}.", plots.class_bars(score, classes)
    caption = f"What became of the beats of each class, {where}: counts and shares of the row."
    yield "confusion", caption, plots.confusion_matrix(score["confusion"], classes)
    if score["abnormal_called_normal"] is not None:
        caption = (
            f"Missed beats against false alarms as the threshold on 1 − p({NORMAL}) moves, {where}; the dots "
            f"are where the most probable class decides."
        )
        yield "trade_off", caption, plots.trade_off_curves(predictions, classes)
    beats = facts.get("examples")
    if beats:
        from ecgcli.reporting.examples import example_beats

        caption = (
            f"Beats of each class, {where}: two that were right with usual confidence (black), and the three "
            f"most confident mistakes (orange). Thin and grey: the second lead."
        )
        yield "examples", caption, example_beats(predictions=predictions, classes=classes, **beats)
    curves = facts["training"].get("curves") if _trained_here(facts) else None
    if curves:
        caption = (
            "Learning curves. The training loss is what was optimised, with weights and label smoothing "
            "where there are any; the validation loss is plain cross-entropy."
        )
        yield "learning", caption, plots.learning_curves(curves)
    caption = "Beats of each class in each part."
    yield "balance", caption, plots.class_balance(facts["support"], classes)


def _records(facts: Mapping[str, Any]) -> Iterator[str]:
    leading = tables.scored_parts(facts["metrics"])[0]
    records = by_record(facts["predictions"][leading], facts["classes"])
    wrong = int(records["wrong"].sum())
    worst = records[records["wrong"] > 0].head(WORST)
    yield f"## Records with the most wrong beats, {_md(part_name(leading))}"
    if worst.empty:
        yield "No beat is called wrong."
        return
    rows = [
        [
            str(row["record"]),
            f"{row['beats']:,}",
            f"{row['wrong']:,}",
            percent(row["accuracy"]),
            f"{row['called_normal']:,} of {row['abnormal']:,}" if row["abnormal"] else "none there",
            f"{row['false_alarms']:,}",
        ]
        for row in worst.to_dict("records")
    ]
    headings = ("record", "beats", "wrong", "accuracy", "abnormal called normal", "normal called abnormal")
    yield _table(headings, rows)
    held = percent(int(worst["wrong"].sum()) / wrong)
    yield f"These {len(worst)} of {len(records)} records hold {held} of the {wrong:,} wrong beats."


def _data(facts: Mapping[str, Any]) -> Iterator[str]:
    yield "## Data and leaks"
    parts = [part for part in facts["support"] if facts["support"][part]]
    rows = [
        [tables.full_name(name), *(f"{facts['support'][part].get(name, 0):,}" for part in parts)]
        for name in facts["classes"]
    ]
    yield _table(("beats", *parts), rows)
    for name, sentences in (
        ("What leaks between the parts", facts["audit"]["sentences"] or ["Nothing was found."]),
        ("Limits of the protocol", facts["protocol"]["caveats"]),
        ("Notes on the data", facts["data"]["notes"]),
    ):
        if sentences:
            yield f"**{name}**"
            yield "\n".join(f"- {_md(sentence)}" for sentence in sentences)


def _provenance(facts: Mapping[str, Any]) -> Iterator[str]:
    yield "## Provenance"
    rows = [*_flat({"data_fingerprint": facts["data"]["fingerprint"]} | facts["provenance"])]
    yield _table(("", ""), rows, right=False)


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[list[str]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key} ")
        else:
            text = f"{value:,.1f}" if isinstance(value, float) else str(value)
            yield [f"{above}{key}".replace("_", " "), text]


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], right: bool = True) -> str:
    aligned = ["---", *(["---:" if right else "---"] * (len(headings) - 1))]
    lines = [[_md(cell) for cell in row] for row in (headings, *rows)]
    lines.insert(1, aligned)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _code(text: str, language: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _md(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\`*\[\]<>|~&]|(?<!\w)_|_(?!\w))", r"\\\1", " ".join(text.split()))
