"""A picture of the top of a page, for the README: `python scripts/page_picture.py PAGE.html PICTURE.png`.

Needs Chromium. `--sections whole strips` leaves out every other section, `--height` is in pixels of the page.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

WIDTH = 1200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--sections", nargs="*")
    parser.add_argument("--height", type=int, default=1500)
    given = parser.parse_args()
    markup = given.page.read_text(encoding="utf-8")
    if given.sections is not None:
        kept = "|".join(map(re.escape, given.sections))
        markup = re.sub(rf'<section id="(?!(?:{kept})").*?</section>', "", markup, flags=re.S)
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        raise SystemExit("needs chromium or google-chrome")
    with tempfile.TemporaryDirectory() as folder:
        page, shot = Path(folder) / "page.html", Path(folder) / "shot.png"
        page.write_text(markup, encoding="utf-8")
        flags = ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run")
        size = (f"--window-size={WIDTH},{given.height}", f"--user-data-dir={folder}/profile")
        subprocess.run([browser, *flags, *size, f"--screenshot={shot}", page.as_uri()], check=True)
        with Image.open(shot) as image:
            # colours that are rare, such as those of a class, count as much as others
            few = image.convert("RGB").quantize(
                256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
            )
            few.save(given.picture, optimize=True)


if __name__ == "__main__":
    main()
