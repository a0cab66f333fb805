"""Every kind of page in a real browser: no rule of axe broken, nothing asked for, hostile text
inert, lists and players by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from snac_eval.reports.html.sound import ReportClip
from snac_eval.results.record import Run
from snac_eval.site import building
from snac_eval.site.building import build_site
from snac_eval.site.pages import ABOUT, CODECS, DATASETS, HOME, board_address, dataset_address, slug
from snac_eval.site.sounds import Heard
from snac_eval.types import Waveform
from tests.reports.hostile import HOSTILE
from tests.reports.html.browsing import CONTRAST, SPY, chromium, until
from tests.site.many import CLIPS, NUM_CLIPS, scored

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

EVIL = "</script><script>alert(1)</script>"
CODEC = f"{HOSTILE[4]} {HOSTILE[7]}"
DATASET = f"data {EVIL}"
CARD = {
    "family": "javascript:alert(2)",
    "description": EVIL,
    "label": f"label {EVIL}",
    "licence": "javascript:alert(3)",
    "citation": f"{EVIL} \\input{{x}}",
    "weights": "javascript:alert(4)",
    "codebook_sizes": [1024],
    "frame_rates_hz": [50.0],
    "domains": ["speech"],
}
DATA_CARD = {
    "name": "data",
    "description": EVIL,
    "licence": EVIL,
    "citation": EVIL,
    "url": "javascript:alert(5)",
    "domain": "speech",
}
STREAM = {
    "stream": 0,
    "codebook_size": 1024,
    "num_tokens": 100,
    "tokens_per_second": 50.0,
    "usage": 9.0,
    "seen": 5.0,
    "coverage": 0.5,
    "perplexity": 80.0,
    "entropy_bits": 6.0,
}
PAGES = {
    "home": HOME,
    "board": board_address(DATASET, "speech"),
    "codecs": CODECS,
    "codec": f"codecs/{slug(CODEC)}.html",
    "datasets": DATASETS,
    "dataset": dataset_address(DATASET),
    "about": ABOUT,
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four codecs, one whose submitter is hostile, on a hostile dataset of two domains; of two
    codecs a clip can be heard."""
    folder = tmp_path_factory.mktemp("every")
    clips = [*CLIPS[:-1], EVIL]
    domains = ["music" if place == 3 else "speech" for place in range(NUM_CLIPS)]
    for place, name in enumerate((CODEC, "one", "two", "three")):
        own = {"card": CARD, "notes": [EVIL], "streams": [STREAM]} if name == CODEC else {}
        failed = ["error: " + EVIL, *[0.1] * (NUM_CLIPS - 1)]
        scored(
            folder / "runs" / f"r{place}",
            name,
            2.0 + 0.3 * place,
            1.2 + 0.2 * place,
            place,
            {"encode_real_time_factor": failed} if name == CODEC else {},
            clips=clips,
            domains=domains,
            dataset={"name": DATASET, "card": DATA_CARD, "clip_list_sha256": "a" * 64},
            **own,
        )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(building, "hear", _heard)
        build_site([folder / "runs"], folder / "site")
    return folder / "site"


def _heard(runs: list[Run], _: object) -> Heard:
    """A clip of noise, and two that made it softer."""
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (1, 16_000)).astype(np.float32)
    names = [run.name for run in runs if run.codec in (CODEC, "one")]
    made = {
        name: Waveform(noise * np.float32(0.8 - 0.2 * place), 16_000)
        for place, name in enumerate(names)
    }
    clip = ReportClip(EVIL, Waveform(noise, 16_000), made, 1.0, transcript=EVIL)
    return Heard({DATASET: (clip,)}, having=frozenset((DATASET, name) for name in names))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium of the system."""
    with chromium() as browser:
        yield browser


def _opened(context: BrowserContext, complaints: list[str]) -> Page:
    page = context.new_page()
    page.add_init_script(SPY)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
    page.on("request", lambda request: complaints.append(f"asks for {request.url[:80]}"))
    return page


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that may ask for nothing but files of the site, and complain of nothing."""
    complaints: list[str] = []
    with browser.new_context(viewport={"width": 1400, "height": 900}) as context:
        yield _opened(context, complaints)
    kept = ("asks for file:", "asks for data:", "asks for blob:")
    assert [one for one in complaints if not one.startswith(kept)] == []


@pytest.mark.parametrize("kind", PAGES)
def test_no_rule_of_axe_is_broken_and_hostile_text_is_text(
    browser: Browser, site: Path, kind: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    complaints: list[str] = []
    address = (site / PAGES[kind]).as_uri()
    # axe comes into the page by eval, which the page's policy forbids.
    with browser.new_context(viewport={"width": 390, "height": 800}, bypass_csp=True) as context:
        page = _opened(context, complaints)
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.locator("script").count() == 2
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        links = page.evaluate("[...document.links].map((link) => link.protocol)")
        assert set(links) <= {"file:", "https:"}
        page.emulate_media(color_scheme="dark")
        assert page.evaluate(CONTRAST) == []
        page.emulate_media(color_scheme="light")
        found = Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
    kept = ("asks for data:", "asks for blob:")
    asked = [one for one in complaints if not one.startswith(kept)]
    assert asked == [f"asks for {address[:80]}"]


def test_a_list_is_picked_and_sorted_by_keyboard_and_the_address_keeps_it(
    page: Page, site: Path
) -> None:
    page.goto((site / CODECS).as_uri())
    page.keyboard.press("Tab")
    skip = page.locator("a.skip")
    assert skip.evaluate("one => one === document.activeElement")
    assert (skip.bounding_box() or {"x": -1})["x"] >= 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('.picking') !== null")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"
    rows = page.locator("#codecs tbody tr:visible th")
    page.get_by_label("measured from").fill("1.5")
    assert rows.all_inner_texts() == ["two", "three"]
    page.reload()
    assert rows.all_inner_texts() == ["two", "three"]
    heading = page.locator("#codecs thead button").first
    heading.focus()
    page.keyboard.press("Enter")
    assert rows.all_inner_texts() == ["three", "two"]
    page.get_by_role("button", name="Show all").click()
    assert rows.count() == 4


def test_codec_and_reference_switch_at_one_instant_by_keyboard(page: Page, site: Path) -> None:
    page.goto((site / PAGES["codec"]).as_uri())
    player = page.locator(".player")
    assert player.locator(".version").count() == 2
    player.get_by_role("button", name="Play").focus()
    page.keyboard.press("Enter")
    until(page, "document.querySelector('.player').dataset.state === 'playing'")
    own = player.locator(".version").nth(1).get_attribute("data-letter") or ""
    page.keyboard.press(own.lower())
    assert player.get_attribute("data-active") == own
    assert len(page.evaluate("starts")) == 2
    assert len({at for _, at, _ in page.evaluate("gains")}) == 1
    page.keyboard.press("Space")
    assert player.get_attribute("data-state") == "paused"
