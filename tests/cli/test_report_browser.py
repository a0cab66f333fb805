"""report.html in a real browser: it sorts, plays and switches, and nothing leaves the page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from snac_eval.cli import main
from tests.cli.hostile import CLIP_ID, run_hostile

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, of Debian's package for example; playwright's own is not downloaded."""
    path = next((found for name in _BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of two runs."""
    root = tmp_path_factory.mktemp("browser")
    output = root / "both.html"
    runs = run_hostile(root)
    assert main(["report", *map(str, runs), "--html", "-o", str(output)]) == 0
    return output


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Any]:  # noqa: ANN401
    """The open page; afterwards: nothing was said on the console, and no request was made."""
    opened = browser.new_page(viewport={"width": 1000, "height": 800})
    said: list[str] = []
    asked: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(report.as_uri())
    yield opened
    opened.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [report.as_uri()]


def _column(page: Any, table: str, number: int) -> list[str]:  # noqa: ANN401
    rows = page.locator(f"#{table} tbody tr")
    return [row.locator("th, td").nth(number).inner_text() for row in rows.all()]


def test_a_table_sorts_both_ways(page: Any) -> None:  # noqa: ANN401
    heading = page.locator("#comparison thead th", has_text="bitrate [kbps]").first
    position = [one.inner_text() for one in page.locator("#comparison thead th").all()].index(
        heading.inner_text()
    )
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    rising = [float(text.split()[0]) for text in _column(page, "comparison", position)]
    assert rising == sorted(rising)
    heading.locator("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    falling = [float(text.split()[0]) for text in _column(page, "comparison", position)]
    assert falling == rising[::-1]
    assert falling != rising


def test_a_player_plays_and_switches_without_a_jump(page: Any) -> None:  # noqa: ANN401
    player = page.locator(".player").first
    player.locator("button.play").click()
    sync_api.expect(player).to_have_attribute("data-state", "playing")
    for _ in range(200):
        if (before := float(player.locator("input").input_value())) > 0.05:
            break
        page.wait_for_timeout(20)
    assert before > 0.05
    page.keyboard.press("b")
    assert player.get_attribute("data-active") == "B"
    after = float(player.locator("input").input_value())
    assert before <= after < before + 0.5
    assert player.get_attribute("data-state") == "playing"
    page.keyboard.press("c")
    assert player.get_attribute("data-active") == "C"
    page.keyboard.press(" ")
    assert player.get_attribute("data-state") == "paused"
    stopped = float(player.locator("input").input_value())
    page.wait_for_timeout(200)
    assert float(player.locator("input").input_value()) == stopped


def test_one_player_stops_another(page: Any) -> None:  # noqa: ANN401
    first, second = page.locator(".player").all()[:2]
    first.locator("button.play").click()
    sync_api.expect(first).to_have_attribute("data-state", "playing")
    second.locator("button.play").click()
    sync_api.expect(second).to_have_attribute("data-state", "playing")
    sync_api.expect(first).to_have_attribute("data-state", "paused")


def test_hostile_text_is_text(page: Any) -> None:  # noqa: ANN401
    titles = [one.inner_text() for one in page.locator("article h3").all()]
    assert CLIP_ID in titles
    assert any("{{7*7}}" in title for title in titles)
    assert page.locator("img[src='x']").count() == 0
    assert page.evaluate("document.scripts.length") == 1


def test_it_fits_a_phone_and_both_schemes(browser: Any, report: Path) -> None:  # noqa: ANN401
    shades = []
    for scheme in ("light", "dark"):
        phone = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)
        phone.goto(report.as_uri())
        assert phone.evaluate("document.documentElement.scrollWidth") <= 360
        shades.append(phone.evaluate("getComputedStyle(document.body).backgroundColor"))
        phone.close()
    assert shades[0] != shades[1]


def test_tables_and_players_work_without_scripts(browser: Any, report: Path) -> None:  # noqa: ANN401
    context = browser.new_context(java_script_enabled=False)
    bare = context.new_page()
    bare.goto(report.as_uri())
    assert bare.locator("#summary tbody tr").count() > 5
    assert bare.locator("audio[controls]").first.is_visible()
    assert not bare.locator(".script-only").first.is_visible()
    context.close()


def test_keyboard_reaches_controls_with_a_visible_focus(page: Any) -> None:  # noqa: ANN401
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator("#summary thead button").first.focus()
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
    assert page.evaluate("document.activeElement.closest('th') !== null")
