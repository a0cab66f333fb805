"""A page of six runs that were never computed, and what a browser is asked about it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from snac_eval.reports.html.groups import show
from snac_eval.reports.html.page import page
from snac_eval.reports.html.sound import ReportClip
from snac_eval.results.families import named_by_title
from snac_eval.results.record import read_run
from snac_eval.types import Waveform
from tests.runs import Column, noisy, write_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")

HOSTILE = "</script><script>alert(1)</script><!--<script>"
CODECS = ("plain", HOSTILE, "third")
DATASETS = ("one", f"two {HOSTILE}")
NUM_CLIPS = 120
CLIPS = [f"clip{index:03d}" for index in range(NUM_CLIPS - 1)] + [HOSTILE]


WORDS = [1.0 + index % 7 for index in range(NUM_CLIPS)]
"""How much each clip counts in a mean of STOI, which here is pooled."""


def write_study(folder: Path) -> Path:
    """The page of three codecs on two datasets, with two clips to hear of each dataset."""
    folders = [
        write_run(
            folder / f"{place}{number}",
            scores(number, place),
            codec,
            [f"speaker {index % 3}" for index in range(NUM_CLIPS)],
            CLIPS,
            domains=["music" if index % 4 == 0 else "speech" for index in range(NUM_CLIPS)],
            words={"stoi": WORDS},
            dataset={"name": dataset},
        )
        for place, dataset in enumerate(DATASETS)
        for number, codec in enumerate(CODECS)
    ]
    shown = show(named_by_title([read_run(one) for one in folders]))
    path = folder / "page.html"
    clips = [_clip(clip, place) for clip in (HOSTILE, "clip001") for place in range(2)]
    path.write_text(page(shown, clips), encoding="utf-8")
    return path


def scores(number: int, place: int) -> dict[str, Column]:
    seed = 10 * place + number
    pesq: list[float | str] = [*noisy(2.0 + 0.5 * number, 0.2, NUM_CLIPS, seed)]
    pesq[3] = f"undefined: {HOSTILE}"
    stoi = noisy(0.8 + 0.05 * number, 0.02, NUM_CLIPS, seed)
    return {"stoi": stoi, "pesq_wb": pesq, "bitrate": [3.0 * (number + 1)] * NUM_CLIPS}


def _clip(clip_id: str, group: int) -> ReportClip:
    rng = np.random.default_rng(group)
    reference = rng.uniform(-0.3, 0.3, (1, 24_000)).astype(np.float32)
    estimates = {
        codec: Waveform(reference * np.float32(1 - 0.2 * number), 16000)
        for number, codec in enumerate(CODECS)
    }
    said = f"{HOSTILE} is said"
    return ReportClip(clip_id, Waveform(reference, 16000), estimates, 1.5, {}, group, said)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium of the system; skips the test where there is none."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        pytest.skip("needs Chromium: apt-get install --no-install-recommends chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


def until(page: Page, condition: str) -> None:
    """Ask until it holds. Playwright's own waiting uses eval, which the page's policy forbids."""
    for _ in range(500):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"never: {condition}")


SPY = """
window.starts = []; window.gains = []; window.saved = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (...when) {
  window.starts.push(when); return start.apply(this, when);
};
const target = AudioParam.prototype.setTargetAtTime;
AudioParam.prototype.setTargetAtTime = function (...to) {
  window.gains.push(to); return target.apply(this, to);
};
"""
"""Notes each start of a sound and each change of its loudness, and plays on."""

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
  const texts = "p, th, td, h1, h2, h3, h4, a, button, li, dt, dd, span, label, summary";
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
"""Texts whose colour is closer than 4.5 to 1 to what is painted behind them (WCAG 2, 1.4.3)."""
