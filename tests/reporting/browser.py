"""A browser without a screen and without a network, to look at pages as people do."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import tempfile
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


def _run(folder: str, *arguments: str) -> str:
    assert BROWSER is not None
    command = [BROWSER, *FLAGS, f"--user-data-dir={folder}/profile", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout
