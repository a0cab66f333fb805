"""The page of many clips: how large it is, and how soon a browser answers.

    python -m benchmarks.page [--clips 5000] [--codecs 3] [--datasets 1] [--keep FILE]

Makes runs with scores by the default metrics of speech, in the files that a run leaves and that
``read_run`` reads; the numbers are drawn, no codec is run. The page gets twenty clips of noise to
hear, the worst case for FLAC. Then Chromium opens it: "ready" is when every control works, counted
from the start of the navigation; a filter, a sort and a change of metric are timed from the event
to the next frame that was painted. Needs Chromium and playwright.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from snac_eval.metrics.base import DEFAULT_METRICS
from snac_eval.reports.html.groups import by_dataset, show
from snac_eval.reports.html.page import page
from snac_eval.reports.html.sound import ReportClip
from snac_eval.results.families import named_by_title
from snac_eval.results.ranking import worst_clips
from snac_eval.results.record import Run, read_run
from snac_eval.types import Waveform
from tests.runs import write_run

_RATE, _SECONDS, _PLAYED = 24_000, 6.0, 20
_CORPUS = ("bitrate_entropy", "codebook_usage", "codebook_perplexity", "fad_clap")
_ACTIONS = {
    "filter by speaker": """
        const box = [...document.querySelectorAll('#filters select')].at(-1);
        box.selectedIndex = 2; box.dispatchEvent(new Event('change'));""",
    "filter off": """
        const box = [...document.querySelectorAll('#filters select')].at(-1);
        box.selectedIndex = 0; box.dispatchEvent(new Event('change'));""",
    "sort every clip": "document.querySelectorAll('#every-clip thead button')[4].click();",
    "next page": "document.querySelectorAll('.pages button')[1].click();",
    "another metric": """
        const box = document.querySelector('#filters select');
        box.selectedIndex = 1; box.dispatchEvent(new Event('change'));""",
}
_TIMED = """async (act) => {
  const start = performance.now();
  new Function(act)();
  const work = performance.now() - start;
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return [work, performance.now() - start];
}"""


def _run(folder: Path, codec: int, dataset: int, num_clips: int) -> Run:
    rng = np.random.default_rng(100 * dataset + codec)
    names = [name for name in DEFAULT_METRICS["speech"] if name not in _CORPUS]
    scores = {name: list(map(float, rng.normal(2.0 + codec, 0.4, num_clips))) for name in names}
    scores["bitrate"] = list(map(float, rng.normal(1.5 * (codec + 1), 0.02, num_clips)))
    speakers = [f"speaker {index % 250}" for index in range(num_clips)]
    clips = [f"{index % 250:04d}/{index:06d}-utterance" for index in range(num_clips)]
    name = {"name": f"corpus_{dataset}"}
    return read_run(write_run(folder, scores, f"codec_{codec}", speakers, clips, dataset=name))


def _sounds(runs: Sequence[Run], group: int) -> list[ReportClip]:
    rng = np.random.default_rng(0)
    made = []
    for clip in worst_clips(runs)[:_PLAYED]:
        noise = rng.uniform(-0.5, 0.5, (1, int(_RATE * _SECONDS))).astype(np.float32)
        estimates = {run.name: Waveform(noise, _RATE) for run in runs}
        made.append(ReportClip(clip, Waveform(noise, _RATE), estimates, _SECONDS, {}, group))
    return made


def _write(path: Path, num_clips: int, num_codecs: int, num_datasets: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            _run(Path(folder) / f"{dataset}-{codec}", codec, dataset, num_clips)
            for dataset in range(num_datasets)
            for codec in range(num_codecs)
        ]
    shown = show(named_by_title(runs))
    sounds = [one for group in by_dataset(shown) for one in _sounds(group.runs, group.index)]
    start = time.process_time(), time.perf_counter()
    path.write_text(page(shown, sounds), encoding="utf-8")
    spent = time.process_time() - start[0], time.perf_counter() - start[1]
    print(f"written in {spent[1]:.1f} s ({spent[0]:.1f} s of computing)")
    print(f"size {path.stat().st_size / 1e6:.1f} MB")


def _open(path: Path) -> None:
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        # The policy of the page forbids to time it from outside.
        context = browser.new_context(bypass_csp=True, viewport={"width": 1400, "height": 900})
        tab = context.new_page()
        tab.goto(path.as_uri())
        ready = tab.evaluate("performance.getEntriesByName('ready')[0].startTime")
        parsed = tab.evaluate("performance.getEntriesByType('navigation')[0].domInteractive")
        print(f"parsed after {parsed / 1e3:.2f} s, ready after {ready / 1e3:.2f} s")
        for name, act in _ACTIONS.items():
            work, painted = tab.evaluate(_TIMED, act)
            print(f"{name}: {work:.0f} ms of script, painted after {painted:.0f} ms")
        browser.close()


def main() -> None:
    """Write the page, open it, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=5000)
    parser.add_argument("--codecs", type=int, default=3)
    parser.add_argument("--datasets", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="where the page stays")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.keep or Path(folder) / "page.html"
        _write(path, options.clips, options.codecs, options.datasets)
        _open(path)


if __name__ == "__main__":
    main()
