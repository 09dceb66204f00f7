"""One HTML page: sections of text, key figures, tables and pictures in a single file that needs nothing else.

A page says what stands where; `page.html` beside this module says what that looks like. Every text is escaped
on its way there. The page forbids the browser to load anything, so that it opens the same without a network.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ecgcli.files import write_text

if TYPE_CHECKING:
    from jinja2 import Template
    from matplotlib.figure import Figure

CSS_DPI = 96
"""Pixels of a page per inch of a figure."""

SHARPNESS = 2
"""Pixels of a picture per pixel of the page, for fine screens and for print."""


@dataclass(frozen=True)
class Bar:
    """A cell with a bar from 0 to 1, and what is written beside it.

    Attributes:
        share: length of the bar; what is above 1 is drawn as 1.
        text: the number in words.
        colour: name of a colour of the page: "plain", "strong", "train", "validation", "test", "rest", or
            that of a class of beats: "S", "V", "F", "Q", "other".
        width: of the longest bar, in pixels.
    """

    kind: ClassVar[str] = "bar"
    share: float
    text: str
    colour: str = "plain"
    width: int = 150


@dataclass(frozen=True)
class Stack:
    """A cell with one bar of several pieces: (colour, share, what it is), shares of the cell's width."""

    kind: ClassVar[str] = "stack"
    pieces: tuple[tuple[str, float, str], ...]


@dataclass(frozen=True)
class Link:
    """A cell that leads elsewhere on the page.

    Attributes:
        text: what is read.
        anchor: where it leads to: that of a section, a picture or a row of a recording.
    """

    kind: ClassVar[str] = "link"
    text: str
    anchor: str


@dataclass(frozen=True)
class Strong:
    """A cell in bold: the best of its column."""

    kind: ClassVar[str] = "strong"
    text: str


Cell = str | Bar | Stack | Link | Strong


@dataclass(frozen=True)
class Prose:
    """A paragraph; `tone` is "" or "warning" or "quiet"."""

    kind: ClassVar[str] = "prose"
    text: str
    tone: str = ""


@dataclass(frozen=True)
class Points:
    """Sentences, one below the other."""

    kind: ClassVar[str] = "points"
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Lines:
    """What matters most, each line (what it is about, sentences)."""

    kind: ClassVar[str] = "lines"
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Figures:
    """Key figures: (number, what it is)."""

    kind: ClassVar[str] = "figures"
    numbers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Legend:
    """Which colour means what: (colour, name)."""

    kind: ClassVar[str] = "legend"
    entries: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Grid:
    """A table; its first column names the row, the others hold numbers unless they are in `words`.

    Attributes:
        headings: one a column.
        rows: cells, as many as headings.
        folded: the table is shown when this line is clicked; None shows it at once.
        words: places of columns that hold words, which stand on the left.
    """

    kind: ClassVar[str] = "grid"
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    folded: str | None = None
    words: tuple[int, ...] = ()


@dataclass(frozen=True)
class Picture:
    """A picture inside the page.

    Attributes:
        source: the picture itself, as a data URI.
        width: on the page, in pixels.
        height: on the page, in pixels.
        alt: what it shows, for those who cannot see it.
        caption: how to read it.
        heading: what it is, above it.
        anchor: its name in links.
    """

    kind: ClassVar[str] = "picture"
    source: str
    width: int
    height: int
    alt: str
    caption: str = ""
    heading: str = ""
    anchor: str = ""


@dataclass(frozen=True)
class Stretch:
    """A part of a row of a recording.

    Attributes:
        left: where it begins, as a share of the row.
        width: as a share of the row.
        text: what it is.
        anchor: where it leads to; "" leads nowhere.
    """

    left: float
    width: float
    text: str
    anchor: str = ""


@dataclass(frozen=True)
class Row:
    """A row of a recording.

    Attributes:
        anchor: its name in links.
        time: when it begins.
        note: what is below the time.
        source: its trace on a transparent ground, as a data URI.
        alt: what it shows, for those who cannot see it.
        shaded: stretches of which nothing is known.
        links: stretches that lead to a strip.
        reach: how much of the row the recording fills, as a share.
    """

    anchor: str
    time: str
    note: str
    source: str
    alt: str
    shaded: tuple[Stretch, ...] = ()
    links: tuple[Stretch, ...] = ()
    reach: float = 1.0


@dataclass(frozen=True)
class Rows:
    """A recording, or a part of one, in rows below each other, on a grid.

    Attributes:
        rows: the rows.
        width: of a row on the page, in pixels.
        height: of a row on the page, in pixels.
        steps: distances of the fine and the strong lines of the grid, as shares of a row.
        ticks: (where, what) of the scale above the rows, as shares of a row.
        folded: the rows are shown when this line is clicked; None shows them at once.
    """

    kind: ClassVar[str] = "rows"
    rows: tuple[Row, ...]
    width: int
    height: int
    steps: tuple[float, float]
    ticks: tuple[tuple[float, str], ...]
    folded: str | None = None


@dataclass(frozen=True)
class Marks:
    """What the marks on a trace mean: (colour, mark, name)."""

    kind: ClassVar[str] = "marks"
    entries: tuple[tuple[str, str, str], ...]


Block = Prose | Points | Lines | Figures | Legend | Marks | Grid | Picture | Rows


@dataclass(frozen=True)
class Section:
    """A part of a page under its heading; `anchor` is its name in links."""

    anchor: str
    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        command: which command made it ("ecg describe").
        title: what it is about.
        lead: sentences below the title.
        head: blocks before the first section.
        sections: the sections.
        footer: the last line.
    """

    command: str
    title: str
    lead: tuple[str, ...]
    head: tuple[Block, ...]
    sections: tuple[Section, ...]
    footer: str


def rendered(figure: Figure) -> bytes:
    """A figure as PNG of `SHARPNESS` times `CSS_DPI`, transparent where nothing is drawn."""
    from matplotlib.text import Text

    drawn = io.BytesIO()
    with warnings.catch_warnings():
        # names may be in letters that the font lacks; a box in their place is no reason to speak
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(
            drawn, format="png", dpi=SHARPNESS * CSS_DPI, transparent=True, metadata={"Software": None}
        )
    for text in figure.findobj(Text):  # each keeps what it was drawn by, and that all pixels of the figure
        text._renderer = None  # type: ignore[attr-defined]
    return drawn.getvalue()


def picture(figure: Figure | bytes, alt: str, caption: str = "") -> Picture:
    """A figure, rendered or not yet, as a picture of the page; equal figures give equal bytes."""
    from PIL import Image

    image = Image.open(io.BytesIO(figure if isinstance(figure, bytes) else rendered(figure)))
    # the same pixels in half the space
    small = io.BytesIO()
    image.save(small, "WEBP", lossless=True, method=2, quality=20)
    source = "data:image/webp;base64," + base64.b64encode(small.getvalue()).decode()
    return Picture(source, round(image.width / SHARPNESS), round(image.height / SHARPNESS), alt, caption)


def table(
    headings: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    folded: str | None = None,
    words: Sequence[int] = (),
) -> Grid:
    """A table of these rows."""
    return Grid(tuple(headings), tuple(map(tuple, rows)), folded, tuple(words))


def html(page: Page) -> str:
    """The page as HTML."""
    return _template().render(page=page)


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    markup = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(markup)


def write(page: Page, path: Path) -> Path:
    """Writes the page as one file, whole or not at all."""
    write_text(path, html(page))
    return path
