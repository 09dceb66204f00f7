"""Pages: every text arrives as it is, and a page needs nothing but itself."""

from __future__ import annotations

import base64
import gc
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import UndefinedError
from matplotlib.figure import Figure
from PIL import Image

from ecgcli.reporting import page
from ecgcli.reporting.page import Bar, Figures, Legend, Page, Points, Prose, Section, Stack


class Read(HTMLParser):
    """What a browser would read: texts in order, and every tag with its attributes."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(markup)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def of(*blocks: page.Block, title: str = "A title") -> Page:
    return Page("ecg describe", title, ("A lead.",), (), (Section("one", "One", blocks),), "The end.")


def drawn() -> Figure:
    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    axes.plot([0, 1, 0.5])
    return figure


def everywhere(text: str) -> str:
    """A page with this text in every place that takes one."""
    cells: list[page.Cell] = [text, Bar(0.5, text), Stack((("train", 1.0, text),))]
    blocks = (
        Prose(text),
        Points((text,)),
        Figures(((text, text),)),
        Legend((("train", text),)),
        page.table([text] * 3, [cells], folded=text),
        page.Picture("data:,", 1, 1, text, text),
    )
    return page.html(Page(text, text, (text,), blocks, (Section("one", text, blocks),), text))


@settings(deadline=None, max_examples=50)
@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=30))
def test_any_name_is_shown_as_it_is_wherever_it_stands(name: str) -> None:
    read, plain = Read(everywhere(name)), Read(everywhere("@"))
    assert [tag for tag, _ in read.tags] == [tag for tag, _ in plain.tags], "no name is markup"
    body = plain.texts.index("@")  # of the first paragraph: before it stand the title and the style
    shown = [re.sub(r"^(\s*)@(\s*)$", lambda m: m[1] + name + m[2], text) for text in plain.texts[body:]]
    assert shown.count(name) > 20
    assert "".join(read.texts).endswith("".join(shown))
    for attribute in ("alt", "title"):
        texts = {attributes[attribute] for _, attributes in read.tags if attribute in attributes}
        assert texts == {name}


@pytest.mark.promise
def test_a_page_is_whole_in_itself_and_forbids_the_browser_to_load_anything() -> None:
    markup = page.html(of(page.picture(drawn(), "a line"), Prose("See https://physionet.org/.")))
    read = Read(markup)
    for tag, attributes in read.tags:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), (tag, attributes)
    assert "@import" not in markup and not re.search(r"url\(", markup)
    assert not [tag for tag, _ in read.tags if tag in ("script", "iframe", "object", "form")]
    (policy,) = (a["content"] for _, a in read.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    anchors = {attributes["href"] for tag, attributes in read.tags if tag == "a"}
    assert anchors == {"#" + str(attributes["id"]) for tag, attributes in read.tags if tag == "section"}


def test_pictures_are_drawn_twice_as_fine_as_shown_and_the_same_every_time() -> None:
    one, two = page.picture(drawn(), "a line"), page.picture(drawn(), "a line")
    assert one == two
    with Image.open(io.BytesIO(base64.b64decode(one.source.partition(",")[2]))) as image:
        assert image.size == (2 * one.width, 2 * one.height) == (2 * 288, 2 * 192)
        pixels = np.asarray(image.convert("RGBA"))
    assert pixels[0, 0, 3] == 0, "the ground is the page's own, light or dark"
    assert pixels[..., 3].max() == 255


def test_letters_without_a_glyph_are_no_reason_to_warn(recwarn: pytest.WarningsRecorder) -> None:
    figure = drawn()
    figure.axes[0].set_title("心電図")
    page.picture(figure, "a line")
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]


def test_numbers_stand_on_the_right_and_words_on_the_left() -> None:
    markup = page.html(of(page.table(["record", "lead", "beats"], [["100", "MLII", "2,273"]], words=(1,))))
    cells = [(tag, a.get("class")) for tag, a in Read(markup).tags if tag in ("th", "td")]
    assert cells == [("th", None), ("th", "words"), ("th", None), ("th", None), ("td", "words"), ("td", None)]


@pytest.mark.parametrize(("share", "width"), [(0.5, "50.00%"), (0, "0.00%"), (1.7, "100.00%")])
def test_a_bar_is_as_long_as_its_share(share: float, width: str) -> None:
    markup = page.html(of(page.table(["a", "b"], [["x", Bar(share, "so much")]])))
    (bar,) = (a for tag, a in Read(markup).tags if tag == "i")
    assert bar["style"] == f"width:{width}"


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = page.write(of(Prose("First.")), tmp_path / "new" / "page.html")
    before = path.read_text(encoding="utf-8")
    with pytest.raises(UndefinedError):
        page.write(of(page.table(["a"], [[None]])), path)  # type: ignore[list-item]
    assert path.read_text(encoding="utf-8") == before and "First." in before
    assert [file.name for file in path.parent.iterdir()] == ["page.html"]


def test_a_rendered_figure_leaves_no_pixels_behind() -> None:
    """20 MB of them, which a figure would keep until the collector of cycles comes by."""
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("needs Linux to say what a process holds")

    def resident() -> int:
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if "VmRSS" in line)

    def one() -> None:
        figure = Figure(figsize=(10, 14))
        figure.text(0.5, 0.5, "N")
        assert len(page.rendered(figure)) > 1000

    one()
    gc.collect()
    gc.disable()
    try:
        before = resident()
        for _ in range(6):
            one()
        assert resident() - before < 50_000  # kB
    finally:
        gc.enable()
