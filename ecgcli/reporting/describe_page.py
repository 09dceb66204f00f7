"""`describe.html`: what there is to know about a data set before anything is trained on it."""

from __future__ import annotations

from pathlib import Path

from ecgcli.reporting import describe_plots as plots
from ecgcli.reporting import page
from ecgcli.reporting.describe_tables import classes_section, quality_section, records_section
from ecgcli.reporting.description import (
    DataFacts,
    Description,
    ProtocolFacts,
    between_records,
    class_counts,
    faults,
    memory_sentence,
    near_sentences,
    origin_sentence,
)
from ecgcli.reporting.page import Bar, Block, Cell, Page, Points, Prose, Section
from ecgcli.reporting.tables import NOT_A_DEVICE, percent
from ecgcli.reporting.words import counted

__all__ = ["DataFacts", "Description", "ProtocolFacts", "write_page"]


def write_page(description: Description, folder: Path) -> Path:
    """Writes `<folder>/describe.html`, a file that needs nothing else, whole or not at all.

    Returns:
        Its path.
    """
    return page.write(description_page(description), folder / "describe.html")


def description_page(description: Description) -> Page:
    """The page: its head and its sections."""
    sections = (
        classes_section(description),
        records_section(description),
        _shapes(description),
        _patients(description),
        _intervals(description),
        quality_section(description),
        _leaks(description),
        _made(description),
    )
    protocol = description.protocol
    tone = "warning" if protocol.intra_patient else ""
    return Page(
        command="ecg describe",
        title=description.title,
        lead=(origin_sentence(description),),
        head=(
            Prose(f"Protocol {protocol.name}. {protocol.statement}", tone),
            page.Figures(tuple(_key_figures(description))),
        ),
        sections=tuple(section for section in sections if section.blocks),
        footer=f"ecgcli {description.version}. {NOT_A_DEVICE}",
    )


def _key_figures(description: Description) -> list[tuple[str, str]]:
    """What a glance should take away."""
    data, memory = description.data, description.memory
    found = [(f"{data.beats:,}", "beats" if data.beats > 1 else "beat")]
    if data.records:
        whose = f" of {counted(data.subjects, 'subject')}" if data.subjects else ""
        found.append((f"{data.records:,}", f"{'records' if data.records > 1 else 'record'}{whose}"))
    counts = {name: n for name, n in class_counts(description.overview).items() if n}
    if len(counts) > 1:
        most, least = max(counts, key=lambda c: counts[c]), min(counts, key=lambda c: counts[c])
        found.append((f"{counts[most] / counts[least]:,.0f} : 1", f"class {most} to class {least}"))
    worst = max((faults(description) or {}).items(), key=lambda item: item[1], default=None)
    if worst and worst[1] >= 0.001:
        found.append((percent(worst[1]), f"of the beats are {worst[0]}, the most frequent fault"))
    if memory:
        right = percent(memory.everyone.accuracy)
        found.append((right, f"of {memory.part} beats have the class of the nearest training beat"))
        if memory.others:
            right = percent(memory.others.accuracy)
            found.append((right, "have it when only beats of other patients count"))
    return found


# -- what they look like -------------------------------------------------------------------------------


def _shapes(description: Description) -> Section:
    data, overview = description.data, description.overview
    if not overview.shapes:
        return Section("shapes", "What the beats look like", ())
    drawn = max(len(shape.examples) for shape in overview.shapes.values())
    figure = plots.class_shapes(overview, data.rate, data.offset, data.leads, data.unit)
    blocks: list[Block] = [Prose(f"Window of a beat: {data.windows}.")] if data.windows else []
    caption = (
        f"Mean of all beats of a class (line), one standard deviation to both sides (band) and up to {drawn} "
        f"of its beats, drawn at random (grey)."
    )
    blocks.append(page.picture(figure, "Mean, spread and examples of the beats of each class", caption))
    return Section("shapes", "What the beats look like", tuple(blocks))


def _patients(description: Description) -> Section:
    data, overview = description.data, description.overview
    if not overview.shapes or not data.records:
        return Section("patients", "How patients differ", ())
    figure = plots.record_means(overview, data.rate, data.offset, data.leads, data.unit)
    blocks: list[Block] = []
    between = between_records(overview)
    if between:
        said = ", ".join(f"{percent(share, 0)} of {name}" for name, share in between.items())
        blocks.append(
            Prose(
                f"How much of the variance of a class lies between its records, not within them: {said}. The "
                f"more, the less beats of one patient say about the next."
            )
        )
    caption = (
        "The mean beat of each record (thin lines, fainter where it is of few beats) and of all beats of the "
        "class (dashed)."
    )
    blocks.append(page.picture(figure, "Mean beat of each record, by class", caption))
    return Section("patients", "How patients differ", tuple(blocks))


def _intervals(description: Description) -> Section:
    figure = plots.intervals_by_class(description.overview)
    if figure is None:
        why = "Where the beats stand in their recordings is not known, nor therefore their RR intervals."
        return Section("intervals", "RR intervals", (Prose(why),))
    caption = (
        "Interval from the beat before to the beat itself; each curve is scaled to its own height. The "
        "upright line is the median, the thick bar the middle half."
    )
    return Section(
        "intervals", "RR intervals", (page.picture(figure, "Distribution of RR intervals by class", caption),)
    )


# -- what leaks ----------------------------------------------------------------------------------------


def _leaks(description: Description) -> Section:
    blocks: list[Block] = [Points((*description.audit, *near_sentences(description.near)))]
    memory = description.memory
    if memory:
        sides = [("all training beats", memory.everyone)]
        if memory.others:
            sides.append(("without those of the same patient", memory.others))
        rows: list[list[Cell]] = []
        for name, side in sides:
            colour = "strong" if memory.others and side is memory.everyone else "plain"
            accuracy, f1 = percent(side.accuracy), f"{side.macro_f1:.2f}"
            bars = (Bar(side.accuracy, accuracy, colour), Bar(side.macro_f1, f1, colour))
            rows.append([name, *bars, percent(side.near)])
        blocks += [
            Prose(memory_sentence(description) or ""),
            page.table(
                ["class of the nearest of", "accuracy", "macro-F1", "with a near-identical beat"],
                rows,
                words=(1, 2),
            ),
            page.picture(
                plots.nearest_distances(memory),
                "How far the nearest training beat is",
                "Nothing is learnt here: each beat takes the class of the training beat that is most like "
                "it. What needs the patient's own beats to be right is lost on a new patient.",
            ),
        ]
    return Section("leaks", "Protocol and leaks", tuple(blocks))


def _made(description: Description) -> Section:
    data = description.data
    rows = (
        ("command", description.command),
        ("ecgcli", description.version),
        (
            "seed",
            f"{description.seed}, for what is drawn at random: examples, RR intervals, compared beats",
        ),
        ("data", f"{data.name}, content {data.fingerprint}"),
        ("protocol", description.protocol.name),
    )
    return Section("made", "How this page was made", (page.table(("what", "which"), rows, words=(1,)),))
