"""The page in a real browser, where there is one: nothing is downloaded, nothing is asked for."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.reports.html.browsing import (
    CONTRAST,
    HOSTILE,
    NUM_CLIPS,
    SPY,
    WORDS,
    chromium,
    scores,
    until,
    write_study,
)
from tools import picture

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

STATE = "document.querySelector('.player').dataset.state"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of three codecs, one of a hostile name, on two datasets."""
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium of the system."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, study: Path) -> Iterator[Page]:
    """The page, opened from disk; whatever it complains of or asks for fails the test."""
    complaints: list[str] = []
    with browser.new_context(viewport={"width": 1200, "height": 900}) as context:
        page = context.new_page()
        page.add_init_script(SPY)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: complaints.append(f"asks for {request.url[:80]}"))
        page.goto(study.as_uri())
        yield page
        left = [
            one for one in complaints if not one.startswith(("asks for data:", "asks for blob"))
        ]
        assert left == [f"asks for {study.as_uri()}"[: len("asks for ") + 80]]


def _clip_names(page: Page) -> list[str]:
    return page.locator("#every-clip tbody th").all_inner_texts()


def _filter(page: Page, name: str) -> Locator:
    return page.locator("#filters").get_by_label(name)


def _output(page: Page) -> str:
    return page.locator("#filters output").inner_text()


def test_heading_sorts_its_table_by_number_both_ways(page: Page) -> None:
    page.locator("#d0-scores > summary").click()
    table = page.locator("#d0-summary")
    heading = table.locator("th", has=page.get_by_role("button", name="mean"))

    def values() -> list[float]:
        return [float(text) for text in table.locator("tbody td:nth-child(3)").all_inner_texts()]

    heading.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert values() == sorted(values())
    assert len(set(values())) > 3
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert values() == sorted(values(), reverse=True)


def test_clips_are_searched_filtered_and_turned_over(page: Page) -> None:
    assert _output(page) == f"{2 * NUM_CLIPS} of {2 * NUM_CLIPS} clips"
    assert len(_clip_names(page)) == 50
    page.get_by_role("button", name="Next").click()
    assert "51 to 100 of 240" in page.locator(".pages").inner_text()
    _filter(page, "Dataset").select_option("1")
    assert page.locator("#d0").is_hidden()
    _filter(page, "Domain").select_option("music")
    _filter(page, "Speaker").select_option("speaker 1")
    assert _output(page) == f"{NUM_CLIPS // 12} of {NUM_CLIPS} clips"
    means = page.locator("#chosen tbody tr")
    assert means.count() == 3
    picked = [index for index in range(NUM_CLIPS) if index % 4 == 0 and index % 3 == 1]
    values = [scores(0, 1)["stoi"][index] for index in picked]
    pooled = np.average(values, weights=[WORDS[index] for index in picked])
    heads = page.locator("#chosen thead th").all_inner_texts()
    column = next(place for place, head in enumerate(heads) if head.startswith("STOI"))
    assert means.nth(0).locator("td").nth(column - 1).inner_text() == f"{pooled:.3f}"
    assert abs(np.mean(values) - pooled) > 0.001
    _filter(page, "Search").fill("CLIP004")
    until(page, "document.querySelector('#filters output').textContent.startsWith('1 ')")
    assert _clip_names(page) == ["clip004"]
    shown = page.locator("#every-clip tbody td").nth(-3).inner_text()
    assert shown == means.nth(0).locator("td").nth(2).inner_text()
    assert page.locator("article:visible").count() == 0


def test_a_clip_opens_to_all_its_scores_and_hostile_names_are_text(page: Page) -> None:
    _filter(page, "Search").fill("clip003")
    until(page, "document.querySelectorAll('#every-clip tbody th').length === 2")
    opener = page.locator("#every-clip button.opener").first
    opener.click()
    assert opener.get_attribute("aria-expanded") == "true"
    detail = page.locator("tr.detail")
    assert f"undefined: {HOSTILE}" in detail.inner_text()
    assert detail.locator("tbody tr").count() == 3
    opener.click()
    assert page.locator("tr.detail").count() == 0
    assert page.locator("article h4", has_text=HOSTILE).count() == 2
    assert page.locator("blockquote", has_text=f"{HOSTILE} is said").count() == 4
    assert page.locator("script").count() == 2


def test_the_picked_metric_is_drawn_large_and_heads_the_clips(page: Page) -> None:
    large = page.locator("#d0 .plots.large figure")
    assert [one.get_attribute("data-metric") for one in large.all()] == ["pesq_wb", "pesq_wb"]
    _filter(page, "Metric").select_option(label="STOI ↑")
    assert [one.get_attribute("data-metric") for one in large.all()] == ["stoi", "stoi"]
    assert "STOI ↑" in page.locator("#every-clip caption").inner_text()
    _filter(page, "Speaker").select_option("speaker 2")
    live = large.locator("svg.live")
    assert live.locator("circle").count() == 3 * NUM_CLIPS // 3
    _filter(page, "Metric").select_option(label="Bitrate [kbps]")
    assert large.count() == 1


def test_columns_are_chosen_and_a_codec_can_be_left_out_everywhere(page: Page) -> None:
    heading = page.locator("#d0-comparison thead th", has_text="STOI")
    assert heading.is_visible()
    columns = page.locator("#d0 .columns").first
    columns.locator("summary").click()
    columns.get_by_label("STOI").uncheck()
    assert heading.is_hidden()
    page.get_by_role("group", name="Codecs").get_by_role("button", name="D · third").click()
    assert page.locator("#d0-comparison tbody tr:visible").count() == 2
    assert page.locator("#d0 .plots.large svg.live text", has_text="D").count() == 0
    marks = page.locator("#d0 figure[data-axis=bitrate] [data-codec]:visible")
    assert {one.get_attribute("data-codec") for one in marks.all()} == {"B", "C"}
    assert page.locator("#d0-clip0 .version:visible").count() == 3
    assert "third" not in page.locator("#every-clip thead").inner_text()


def _downloaded(page: Page, within: Locator, name: str) -> Path:
    with page.expect_download() as waiting:
        within.get_by_role("button", name=name).first.click()
    return Path(waiting.value.path())


def test_tables_plots_and_sounds_can_be_taken_along(page: Page) -> None:
    _filter(page, "Search").fill("clip00")
    until(page, "document.querySelector('#filters output').textContent.startsWith('20 ')")
    with _downloaded(page, page.locator("#every"), "CSV").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20 * 3
    first = next(row for row in rows if (row["clip"], row["codec"]) == ("clip003", "plain"))
    assert (first["pesq_wb"], first["bitrate"], first["speaker"]) == ("", "3", "speaker 0")
    svg = _downloaded(page, page.locator("#d0 .plots.large figure").first, "SVG").read_text()
    assert svg.startswith("<svg")
    assert "var(--" not in svg
    sound = _downloaded(page, page.locator("#d0-clip1 .version").nth(1), "FLAC").read_bytes()
    assert sound[:4] == b"fLaC"


def test_player_starts_all_versions_at_once_and_switches_in_place(page: Page) -> None:
    player = page.locator(".player").first
    player.get_by_role("button", name="Play").click()
    until(page, f"{STATE} === 'playing'")
    starts = page.evaluate("starts")
    assert len(starts) == 4
    assert all(one == starts[0] for one in starts)
    until(page, "Number(document.querySelector('.player input').value) > 0.05")
    page.keyboard.press("b")
    assert player.get_attribute("data-active") == "B"
    gains = page.evaluate("gains")
    assert [gain for gain, _, _ in gains] == [0, 1, 0, 0]
    assert len({at for _, at, _ in gains}) == 1
    assert page.evaluate("starts.length") == 4
    assert player.get_attribute("data-state") == "playing"
    page.keyboard.press("Space")
    assert player.get_attribute("data-state") == "paused"
    assert float(player.locator("input").input_value()) > 0.05


def test_space_plays_without_focus_and_is_left_to_fields_and_buttons(page: Page) -> None:
    _filter(page, "Search").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Next").focus()
    page.keyboard.press("Space")
    assert page.locator(".player[data-state=playing]").count() == 0
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Space")
    # Of the clips in sight: "Next" has scrolled the page.
    until(page, "document.querySelectorAll('.player[data-state=playing]').length === 1")


def test_a_click_in_a_spectrogram_goes_there_and_zoom_draws_it_anew(page: Page) -> None:
    first, second = page.locator(".player").nth(0), page.locator(".player").nth(1)
    picture = second.locator(".picture").first
    box = picture.bounding_box()
    assert box is not None
    picture.click(position={"x": 0.75 * box["width"], "y": 10})
    value = "document.querySelectorAll('.player')[1].querySelector('input').value"
    until(page, f"Math.abs({value} - 0.75) < 0.02")
    left = second.locator(".playhead").first.evaluate("head => parseFloat(head.style.left)")
    assert left == pytest.approx(75, abs=2)
    second.get_by_role("button", name="zoom into").click()
    until(page, "document.querySelectorAll('.picture canvas').length === 7")
    assert picture.evaluate("one => one.scrollWidth / one.clientWidth") == pytest.approx(2, abs=0.1)
    assert first.locator("canvas").count() == 0
    second.get_by_role("button", name="zoom out").click()
    until(page, "document.querySelectorAll('.picture canvas').length === 0")


def test_a_blind_test_hides_which_is_which_until_it_is_revealed(page: Page) -> None:
    article = page.locator("#d0-clip1")
    page.get_by_role("button", name="Blind test").click()
    buttons = article.locator(".letters button")
    assert buttons.all_inner_texts() == ["A", "1", "2", "3"]
    assert article.locator(".who").all_inner_texts() == ["reference", "", "", ""]
    assert article.locator(".scores").is_hidden()
    assert article.locator(".spectrum:visible").count() == 0
    labels = " ".join(one.get_attribute("aria-label") or "" for one in buttons.all())
    assert "plain" not in labels
    assert "third" not in labels
    article.locator(".player").get_by_role("button", name="Reveal").click()
    assert set(article.locator(".who").all_inner_texts()[1:]) == {"plain", HOSTILE, "third"}
    assert page.locator("#d0-clip0 .who").nth(1).inner_text() == ""
    page.get_by_role("button", name="Blind test").click()
    assert buttons.all_inner_texts() == ["A", "B", "C", "D"]
    assert page.locator("#d0-clip0 .who").all_inner_texts() == [
        "reference",
        "plain",
        HOSTILE,
        "third",
    ]


def test_fits_a_phone_and_a_wide_screen_and_reads_in_both_themes(
    browser: Browser, study: Path
) -> None:
    with browser.new_context(viewport={"width": 360, "height": 640}) as context:
        page = context.new_page()
        page.goto(study.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert page.evaluate(CONTRAST) == []
        page.set_viewport_size({"width": 1400, "height": 900})
        fits = "one => one.scrollWidth <= one.clientWidth"
        assert page.locator(".scroll", has=page.locator("#d0-comparison")).evaluate(fits)


def test_reads_and_plays_without_scripts(browser: Browser, study: Path) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(study.as_uri())
        assert page.locator("#d0-comparison tbody tr").count() == 3
        assert page.locator("#d1 .plots.large svg").count() == 2
        assert page.locator("#d1-summary tbody tr").count() == 3 * 3
        assert page.locator("audio[controls]").first.is_visible()
        assert page.locator("#filters").is_hidden()


def test_no_rule_of_axe_is_broken(browser: Browser, study: Path) -> None:
    script = Path(os.environ.get("SNAC_EVAL_AXE", "axe.min.js"))
    if not script.is_file():
        pytest.skip("SNAC_EVAL_AXE names no axe.min.js: npm install axe-core")
    with browser.new_context(bypass_csp=True) as context:
        page = context.new_page()
        page.goto(study.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        page.evaluate(script.read_text(encoding="utf-8"))
        found = page.evaluate("axe.run()")
        assert [one["id"] for one in found["violations"]] == []


def test_a_picture_of_it_fits_one_look(browser: Browser, study: Path) -> None:
    """tools/picture.py leaves out what the page has beside a table, figures and one clip."""
    size = {"width": picture.WIDTH, "height": 600}
    with browser.new_context(viewport=size, device_scale_factor=picture.SCALE) as context:  # type: ignore[arg-type]
        page = context.new_page()
        found = picture.photograph(page, study)
        assert page.locator(".clip:visible").count() == 1
        for part in ("#every", "#manifest", ".bar", ".warning"):
            assert page.locator(f"{part}:visible").count() == 0
    assert found.width == round(picture.WIDTH * picture.SCALE)
    assert found.height < 2 * found.width
