"""The HTML report: written by the command line, looked at in a real browser where there is one."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import soundfile

from snac_eval.cli.main import main
from snac_eval.run.sealed import read_manifest
from tests.conftest import tone
from tests.runs import edit_manifest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOSTILE = "<script>alert(1)</script>"
HOSTILE_TEXT = "</pre></script><script>alert(2)</script><img src=x onerror=alert(3)> {{ 7 * 7 }}"
CARD = f"""
name = "evil_pcm"
family = "pcm"
sample_rate = 0
description = "{HOSTILE_TEXT}"
channels = 1
licence = "{HOSTILE_TEXT}"
citation = "{HOSTILE_TEXT}"
[options]
bits = 8
"""
METRICS = "bitrate,mel_dac_paper,si_sdr,stoi,encode_real_time_factor,decode_real_time_factor"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs over the same clips, one of them with a hostile name, by a hostile card and Opus."""
    root = tmp_path_factory.mktemp("html")
    (root / "cards" / "codecs").mkdir(parents=True)
    (root / "cards" / "codecs" / "evil_pcm.toml").write_text(CARD)
    ids = [HOSTILE, "bravo", "charlie"]
    with (root / "list.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "id", "speaker", "domain"])
        for index, name in enumerate(ids):
            soundfile.write(root / f"{index}.wav", tone(2.0 + 0.1 * index, seed=index), 16000)
            rows.writerow([f"{index}.wav", name, f"speaker {HOSTILE}", "speech"])
    for model in ("evil_pcm", "opus_6kbps"):
        run = ["run", "--model", model, "--dataset", f"manifest:{root / 'list.csv'}", "--quiet"]
        how = ["--cards", str(root / "cards"), "--workers", "0", "--metrics", METRICS]
        assert main([*run, *how, "--output", str(root / model)]) == 0
    return [root / "evil_pcm", root / "opus_6kbps"]


@pytest.fixture(scope="module")
def comparison(runs: list[Path]) -> Path:
    """The page of both runs."""
    page = runs[0].parent / "both.html"
    assert main(["report", *map(str, runs), "--html", "--output", str(page)]) == 0
    return page


def test_run_writes_a_page_that_carries_everything(runs: list[Path]) -> None:
    html = (runs[1] / "report.html").read_text()
    assert len(html) < 15e6
    assert html.count('src="data:audio/flac;base64,') == 3 * 2
    assert html.count('src="data:image/webp;base64,') == 3 * 3
    for section in ("Scores", "Distributions", "Breakdown", "Failures", "Clips", "Manifest"):
        assert f">{section}" in html
    assert not re.search(r'(src|href)="(?!data:|#)', html)


def test_hostile_text_is_only_text(comparison: Path) -> None:
    html = comparison.read_text()
    assert html.count("<script>") == 1
    assert "<img src=x" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "{{ 7 * 7 }}" in html


def test_no_html_and_no_clips(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    page = runs[0] / "quiet.html"
    given = ["report", str(runs[0]), "--html", "--output", str(page)]
    assert main([*given, "--report-clips", "0"]) == 0
    assert str(page) in capsys.readouterr().out
    assert "<audio" not in page.read_text()
    assert main([*given, "--report-clips", "-1"]) == 2
    assert main(["report", str(runs[0]), "--output", str(page)]) == 2
    assert "give --html" in capsys.readouterr().err


def test_run_can_leave_the_page_out(audio_dir: Path, tmp_path: Path) -> None:
    base = ["run", "--model", "pcm_8bit", "--dataset", f"folder:{audio_dir}", "--quiet"]
    more = ["--metrics", "bitrate", "--workers", "0", "--output", str(tmp_path / "r")]
    assert main([*base, *more, "--report-clips", "-3"]) == 2
    assert not (tmp_path / "r").exists()
    assert main([*base, *more, "--no-html"]) == 0
    assert not (tmp_path / "r" / "report.html").exists()


def test_a_codec_that_cannot_be_opened_leaves_its_players_out(
    runs: list[Path], tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(runs[1], moved)
    config = read_manifest(moved)["config"]
    edit_manifest(moved, config=config | {"model": "no_such_codec"})
    assert main(["report", str(moved), str(runs[0]), "--html", "--output", str(moved / "x")]) == 0
    html = (moved / "x").read_text()
    assert "Nothing to play of opus_6kbps: its codec or data cannot be opened here" in html
    assert html.count("<audio") == 3 * 2
    (moved / "store.sqlite").unlink()
    assert main(["report", str(moved), "--html"]) == 0
    html = (moved / "report.html").read_text()
    assert "no store.sqlite" in html
    assert "<audio" not in html
    (moved / "manifest.json").unlink()
    assert main(["report", str(moved), "--html"]) == 2


def test_changed_weights_or_clips_are_not_passed_off_as_the_runs(
    runs: list[Path], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(runs[1], other)
    config = read_manifest(other)["config"]
    edit_manifest(other, config=config | {"model": "opus_12kbps"})
    assert main(["report", str(other), "--html"]) == 0
    html = (other / "report.html").read_text()
    assert "the codec is no longer the one that made these codes" in html
    assert "<audio" not in html


def test_files_are_played_as_long_as_they_are_what_was_scored(
    audio_dir: Path, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    shutil.copytree(audio_dir, made)
    run = ["run", "--model", f"files:{made}", "--dataset", f"folder:{audio_dir}", "--quiet"]
    more = ["--metrics", "mel_dac_paper", "--workers", "0", "--output", str(tmp_path / "r")]
    assert main([*run, *more]) == 0
    page = tmp_path / "r" / "report.html"
    assert page.read_text().count("<audio") == 3 * 2
    soundfile.write(made / "speech" / "a.wav", tone(0.5, seed=9), 16000)
    assert main(["report", str(tmp_path / "r"), "--html"]) == 0
    assert page.read_text().count("<audio") == 2 * 2
    assert "no longer the file that was scored" in page.read_text()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium of the system; nothing is downloaded."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        pytest.skip("needs Chromium: apt-get install --no-install-recommends chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


# Notes each start of a sound and each change of its loudness, and plays on.
SPY = """
window.starts = []; window.gains = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (...when) {
  window.starts.push(when); return start.apply(this, when);
};
const target = AudioParam.prototype.setTargetAtTime;
AudioParam.prototype.setTargetAtTime = function (...to) {
  window.gains.push(to); return target.apply(this, to);
};
"""


@pytest.fixture
def page(browser: Browser, comparison: Path) -> Iterator[Page]:
    """The comparison, opened from disk; whatever it complains of or asks for fails the test."""
    complaints: list[str] = []
    with browser.new_context(viewport={"width": 1200, "height": 900}) as context:
        page = context.new_page()
        page.add_init_script(SPY)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: complaints.append(f"asks for {request.url[:80]}"))
        page.goto(comparison.as_uri())
        yield page
        left = [one for one in complaints if not one.startswith(("asks for data:",))]
        assert left == [f"asks for {comparison.as_uri()}"[: len("asks for ") + 80]]


def test_heading_sorts_its_table_by_number_both_ways(page: Page) -> None:
    table = page.locator("#every-clip")
    page.locator("details", has=table).locator("summary").click()
    heading = table.locator("th", has=page.get_by_role("button", name="mel_dac_paper"))
    column = heading.evaluate("cell => cell.cellIndex")

    def values() -> list[float]:
        cells = table.locator(f"tbody tr > :nth-child({column + 1})").all_inner_texts()
        return [float(text) for text in cells]

    heading.get_by_role("button").focus()
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert values() == sorted(values())
    assert len(set(values())) > 3
    heading.get_by_role("button").click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert values() == sorted(values(), reverse=True)


def _until(page: Page, condition: str) -> None:
    """Ask until it holds. Playwright's own waiting uses eval, which the page's policy forbids."""
    for _ in range(500):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"never: {condition}")


def test_player_starts_all_versions_at_once_and_switches_in_place(page: Page) -> None:
    player = page.locator(".player").first
    player.get_by_role("button", name="Play").click()
    _until(page, "document.querySelector('.player').dataset.state === 'playing'")
    starts = page.evaluate("starts")
    assert len(starts) == 3
    assert starts[0] == starts[1] == starts[2]
    _until(page, "Number(document.querySelector('.player input').value) > 0.05")
    page.keyboard.press("b")
    assert player.get_attribute("data-active") == "B"
    gains = page.evaluate("gains")
    assert [gain for gain, _, _ in gains] == [0, 1, 0]
    assert len({at for _, at, _ in gains}) == 1
    assert page.evaluate("starts.length") == 3
    assert player.get_attribute("data-state") == "playing"
    page.keyboard.press("Space")
    assert player.get_attribute("data-state") == "paused"
    assert float(player.locator("input").input_value()) > 0.05


def test_players_take_turns_and_can_be_moved(page: Page) -> None:
    first, second = page.locator(".player").nth(0), page.locator(".player").nth(1)
    first.get_by_role("button", name="Play").click()
    _until(page, "document.querySelector('.player').dataset.state === 'playing'")
    second.get_by_role("button", name="Play").click()
    _until(page, "document.querySelectorAll('.player')[1].dataset.state === 'playing'")
    assert first.get_attribute("data-state") == "paused"
    page.keyboard.press("Space")
    before = float(second.locator("input").input_value())
    page.keyboard.press("ArrowRight")
    moved = "document.querySelectorAll('.player')[1].querySelector('input').value"
    _until(page, f"{moved} - {before} > 0.3")


def test_hostile_names_stand_there_as_text(page: Page) -> None:
    assert page.locator("article h3", has_text=HOSTILE).count() == 1
    assert page.locator("dd", has_text="onerror=alert(3)").count() > 0
    assert page.locator("script").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fits_a_phone_and_reads_in_both_themes(
    browser: Browser, comparison: Path, scheme: str
) -> None:
    width = 360
    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 640}}
    with browser.new_context(**options) as context:  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(comparison.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CONTRAST) == []


# Texts whose colour is closer than 4.5 to 1 to what is painted behind them (WCAG 2, 1.4.3).
CONTRAST = """
() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => {
      const s = c / 255;
      return s <= 0.03928 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const poor = [];
  const texts = "p, th, td, h1, h2, h3, a, button, li, dt, dd, span";
  for (const one of document.querySelectorAll(texts)) {
    if (!one.textContent.trim() || one.closest("[hidden]")) continue;
    const front = light(parse(getComputedStyle(one).color).slice(0, 3));
    const back = light(behind(one));
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    if (ratio < 4.5) poor.push(`${one.tagName} ${one.className} ${ratio.toFixed(2)}`);
  }
  return poor;
}
"""


def test_reads_and_plays_without_scripts(browser: Browser, comparison: Path) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(comparison.as_uri())
        assert page.locator("#summary tbody tr").count() == 2 * len(METRICS.split(","))
        assert page.locator("audio[controls]").first.is_visible()
        assert page.locator(".script-only").first.is_hidden()
