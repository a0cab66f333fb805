"""Photograph a report for README and docs: its table, its figures and one clip to hear.

    python tools/picture.py runs/demo/report.html -o docs/picture.png

Nothing is drawn here: the page is opened in Chromium, parts of it are left out so that the rest
fits one look, and what is left is photographed. Without a Chromium it says so and ends with 0,
so that ``make demo`` never fails for want of a picture; ``--must`` ends with 1.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

MOST_BYTES = 300_000
"""How large the picture may be."""
WIDTH = 1100
"""Of the page in CSS pixels: about what README has on a screen, so that its text can be read."""
SCALE = 1.6
COLOURS = 96
CLIP = "speech_en_gb"
"""The clip that is shown, where the page has it; else the first that is spoken, else the first."""
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
LACKING = "no picture: it needs Chromium and playwright (pip install playwright)"

LEFT_OUT = """
.skip, .bar, main > .note, .warning, .dataset > h2, .dataset > h3, .dataset > .note,
.dataset > .tools, .dataset > details, .dataset > p, .clip, #every, #manifest, main ~ *,
main > section:not(.dataset), .caption, #d0-comparison caption, .remark,
.clip.shown .scroll, .clip.shown .tools, .plots .note, .plots button, button.svg, button.csv
{ display: none !important; }
.clip.shown { display: block !important; }
body, main, .dataset, .clip.shown { padding-bottom: .5rem !important; margin-bottom: 0 !important; }
.player { grid-template-columns: repeat(4, 1fr) !important; gap: .5rem !important; }
.plots.large { align-items: center; }
.plots.large svg { max-width: 27rem; margin: auto; }
th button::after { display: none; }
"""

FOLDED = ("Mel distance (audiotools)", "STFT distance", "ESTOI", "Encode time", "Decode time")
"""Columns of the table that are folded away, as a reader may do: speeds are this machine's."""

FOLD = """names => {
    const table = document.querySelector('.dataset table');
    [...table.tHead.rows[0].cells].forEach((head, column) => {
        if (!names.some(name => head.textContent.trim().startsWith(name))) return;
        for (const row of table.rows) row.cells[column].classList.add('folded');
    });
}"""

CHOOSE = """wanted => {
    const clips = [...document.querySelectorAll('.dataset .clip')];
    const named = clips.find(one => one.querySelector('h4').textContent.trim() === wanted);
    const spoken = clips.find(one => /\\bspeech\\b/.test(one.querySelector('.note')?.textContent));
    (named ?? spoken ?? clips[0])?.classList.add('shown');
}"""


def photograph(page: Page, report: Path) -> Image.Image:
    """The report as it is shown in README: RGB, `WIDTH` x `SCALE` pixels wide."""
    page.goto(report.resolve().as_uri())
    page.wait_for_selector(".dataset")
    page.evaluate(CHOOSE, CLIP)
    page.evaluate(FOLD, FOLDED)
    page.add_style_tag(content=LEFT_OUT)
    page.evaluate("window.dispatchEvent(new Event('resize'))")
    page.wait_for_timeout(500)
    return Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")


def small(picture: Image.Image) -> bytes:
    """It as PNG of a palette. Raises ValueError where that is over `MOST_BYTES`."""
    kept = io.BytesIO()
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(kept, "PNG", optimize=True)
    if len(kept.getvalue()) > MOST_BYTES:
        raise ValueError(f"the picture has {len(kept.getvalue())} bytes, over {MOST_BYTES}")
    return kept.getvalue()


@contextmanager
def chromium() -> Iterator[Browser | None]:
    """A headless Chromium, of the system or of playwright; None where there is none."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        yield None
        return
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    with sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except Error:
            yield None
            return
        yield browser
        browser.close()


def main(arguments: list[str] | None = None) -> int:
    """The command; 0, or 1 where ``--must`` asks for a picture that cannot be made."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("report", type=Path, help="a report.html")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a PNG")
    parser.add_argument("--must", action="store_true", help="fail where there is no Chromium")
    asked = parser.parse_args(arguments)
    with chromium() as browser:
        if browser is None:
            print(LACKING, file=sys.stderr)
            return int(asked.must)
        page = browser.new_page(
            viewport={"width": WIDTH, "height": 600},
            device_scale_factor=SCALE,
            color_scheme="light",
        )
        picture = small(photograph(page, asked.report))
    asked.output.write_bytes(picture)
    print(f"{asked.output}: {len(picture)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
