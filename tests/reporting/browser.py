"""Pages looked at as people do: in a browser without a screen and without a network, and as tables."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)

needs_browser = pytest.mark.skipif(BROWSER is None, reason="needs chromium or google-chrome")

# the page stands in a frame of the width wanted, as windows cannot be made as narrow as a phone
_FRAME = """<!doctype html><body style="margin:0"><iframe style="border:0" width="{width}" height="900"
srcdoc="{page}"></iframe><pre></pre><script>
onload = () => {{
  const page = document.querySelector("iframe").contentDocument, root = page.documentElement;
  const images = [...page.images].map(image => {{
    const box = image.getBoundingClientRect();
    return {{ complete: image.complete, pixels: image.naturalWidth,
              box: [box.left, box.top, box.right, box.bottom] }};
  }});
  document.querySelector("pre").textContent = JSON.stringify({{
    width: root.clientWidth, scrolled: root.scrollWidth, height: root.scrollHeight, images }});
}};
</script>"""


def measured(page: str, width: int) -> dict[str, Any]:
    """What the browser makes of a page at a width: its size, and every image with its place and pixels.

    Returns:
        `width` of the page and `scrolled`, the width of its content; `height`; `images`, each with
        `complete`, `pixels` and `box` (left, top, right, bottom).
    """
    with tempfile.TemporaryDirectory() as folder:
        framed = Path(folder) / "framed.html"
        framed.write_text(_FRAME.format(width=width, page=html.escape(page)), encoding="utf-8")
        dumped = _run(folder, "--dump-dom", framed.as_uri())
    found = re.search(r"</iframe><pre>(\{.*?\})</pre>", dumped, re.S)
    assert found, dumped[-500:]
    values: dict[str, Any] = json.loads(html.unescape(found[1]))
    return values


def screenshot(page: Path, width: int, height: int, *flags: str) -> npt.NDArray[np.uint8]:
    """(height, width, 3) picture of a page."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        _run(folder, f"--window-size={width},{height}", f"--screenshot={shot}", *flags, page.as_uri())
        with Image.open(shot) as image:
            return np.asarray(image.convert("RGB"))


def stands_whole(path: Path) -> int:
    """Whether a page is whole on a screen and on a phone, by day and by night; the number of its pictures."""
    markup = path.read_text(encoding="utf-8")
    for width in (400, 1280):
        seen = measured(markup, width)
        assert seen["scrolled"] <= seen["width"] <= width, f"no sideways scrolling at {width} pixels"
        assert len(seen["images"]) == markup.count("<img")
        assert all(image["complete"] and image["pixels"] > 800 for image in seen["images"])
    light = screenshot(path, 1280, seen["height"])
    assert light.shape == (seen["height"], 1280, 3)
    for image in seen["images"]:
        left, top, right, bottom = map(round, image["box"])
        shown = light[top:bottom:2, left:right:2].astype(np.int64) @ (65536, 256, 1)
        assert len(np.unique(shown)) > 50, "something is drawn"
        assert (shown == 0xFFFFFF).mean() > 0.1, "on the page's own ground"
    dark = screenshot(path, 1280, seen["height"], "--blink-settings=preferredColorScheme=0")
    assert dark.mean() < 60 < 200 < light.mean()
    return len(seen["images"])


class Tables(HTMLParser):
    """The rows of the tables of a page, their cells as text."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.words: list[str] = []
        self._inside = False
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._inside = False

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self._inside:
            self.rows[-1][-1] += data.strip()

    def row(self, head: str) -> list[str]:
        return next(row for row in self.rows if row and row[0] == head)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def _run(folder: str, *arguments: str) -> str:
    assert BROWSER is not None
    command = [BROWSER, *FLAGS, f"--user-data-dir={folder}/profile", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout
