"""Boards in a real browser: rows are picked, links keep what is picked, nothing is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from snac_eval.site.building import build_site
from snac_eval.site.pages import board_address
from tests.reports.hostile import HOSTILE
from tests.reports.html.browsing import chromium
from tests.site.many import scored

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SCRIPT = HOSTILE[4]
CODECS = {"plain": (2.0, 3.0), "better": (3.0, 3.5), "best": (3.5, 2.5), SCRIPT: (3.2, 6.0)}
DATASET = "two\nlines | and <script>alert(2)</script>"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five runs, one of a hostile name, one measured in another way."""
    folder = tmp_path_factory.mktemp("site")
    for place, (name, (quality, kbps)) in enumerate(CODECS.items()):
        card = {"licence": name, "series": name, "weights": "w" if name == "best" else ""}
        scored(
            folder / "runs" / f"r{place}",
            name,
            quality,
            kbps,
            place,
            card=card,
            dataset={"name": DATASET},
        )
    prints = {"pesq_wb": f"pesq_wb;by={SCRIPT}"}
    scored(
        folder / "runs" / "other",
        "other",
        4.4,
        3.0,
        9,
        fingerprints=prints,
        dataset={"name": DATASET},
    )
    build_site([folder / "runs"], folder / "site")
    return folder / "site"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium of the system."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, site: Path) -> Iterator[Page]:
    """The board, opened from disk; whatever it complains of or asks for fails the test."""
    complaints: list[str] = []
    address = (site / board_address(DATASET, "speech")).as_uri()
    with browser.new_context(viewport={"width": 1200, "height": 900}) as context:
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: complaints.append(f"asks for {request.url}"))
        page.goto(address)
        yield page
        assert [one for one in complaints if not one.startswith(f"asks for {address}")] == []


def _rows(page: Page) -> list[str]:
    names = page.locator(".standings tbody tr:visible th a").all_inner_texts()
    return [name.strip() for name in names]


def _column(page: Page, kind: str) -> list[str]:
    return page.locator(f".standings tbody tr:visible td.{kind}").all_inner_texts()


def test_rows_are_ordered_by_what_is_picked_and_ranked_by_it(page: Page) -> None:
    assert _rows(page) == ["best", "better", "plain", "other", SCRIPT]
    assert _column(page, "rank") == ["1", "2", "3", "–", "–"]
    assert _column(page, "alike") == ["M1", "M1", "M1", "M2", "M1"]
    page.get_by_label("Order by").select_option("stoi")
    assert _rows(page)[0] == "other"
    assert _column(page, "alike") == ["M1"] * 5
    assert _column(page, "rank")[0] == "1"
    page.get_by_role("button", name="codec").first.click()
    assert _rows(page)[:4] == ["best", "better", "other", "plain"]


def test_link_shows_what_its_sender_saw_and_back_goes_back(page: Page) -> None:
    page.get_by_label("Order by").select_option("stoi")
    page.get_by_label("Kind").select_option("neural")
    assert _rows(page) == ["best"]
    link = page.url
    page.get_by_label("Search").fill("plain")
    assert page.locator("#nothing").is_visible()
    page.go_back()
    assert len(_rows(page)) == 5
    assert page.get_by_label("Order by").input_value() == "stoi"
    page.get_by_role("button", name="Show all").click()
    page.goto(link)
    page.reload()
    assert _rows(page) == ["best"]
    assert page.locator(".picking output").inner_text() == "1 of 5 rows"


def test_rows_measured_in_another_way_and_other_bands_can_go(page: Page) -> None:
    page.get_by_label("measured alike only").check()
    assert "other" not in _rows(page)
    page.locator("#picker").get_by_label("Bitrate").select_option("4-8")
    assert _rows(page) == [SCRIPT]
    page.get_by_label("Licence").select_option("plain")
    assert _rows(page) == []


def test_columns_are_chosen_and_kept_in_the_link(page: Page) -> None:
    head = page.locator("th[data-metric=stoi]").first
    page.locator("#picker .columns summary").click()
    page.locator("#picker .columns").get_by_label("STOI").uncheck()
    assert head.is_hidden()
    page.reload()
    assert head.is_hidden()
    assert page.locator("th[data-metric=pesq_wb]").first.is_visible()


def test_board_reads_without_scripts(browser: Browser, site: Path) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto((site / board_address(DATASET, "speech")).as_uri())
        assert _rows(page) == ["best", "better", "plain", "other", SCRIPT]
        assert _column(page, "rank") == ["1", "2", "3", "–", "–"]
