"""The page in a real browser, where there is one, with the real server behind it."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.listening.held import Held, held, make_key, write_test
from tests.reports.html.browsing import CONTRAST, SPY, chromium, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

HEADING = "document.querySelector('h1').textContent"
RATED = "document.querySelectorAll('.heard').length"
CURRENT = "memory.data.current"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium of the system."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    """A MUSHRA test: training and two trials of four sounds."""
    folder = write_test(
        tmp_path_factory.mktemp("tests") / "mine", make_key("mushra"), seconds=0.1, contact="us"
    )
    with held(folder) as one:
        yield one


@pytest.fixture(scope="module")
def entered(browser: Browser, served: Held) -> Iterator[Page]:
    """A page on the way through the test, for whatever needs no page of its own."""
    with browser.new_context(
        viewport={"width": 1400, "height": 900}, reduced_motion="reduce"
    ) as one:
        page = one.new_page()
        page.add_init_script(SPY)
        _enter(page, served.server.address)
        yield page


@pytest.fixture
def training(entered: Page) -> Page:
    """That page at the training, as if it had just come there."""
    entered.evaluate("memory.data.place = 0; memory.data.current = {}; open()")
    until(entered, "shown.deck?.names")
    return entered


def _enter(page: Page, url: str) -> None:
    """Past the welcome and the volume."""
    page.goto(url)
    page.keyboard.press("Enter")
    until(page, f"{HEADING} === 'Set the volume once'")
    until(page, "shown.deck.names")
    page.keyboard.press("Space")
    until(page, "shown.hasHeard")
    page.keyboard.press("Enter")
    until(page, "shown.deck?.names")


def _hear_all(page: Page) -> None:
    for key in ("r", "1", "2", "3", "4"):
        page.keyboard.press(key)
        wanted = {"r": "shown.trial.reference"}.get(key, f"shown.screen.order[{key} - 1]")
        until(page, f"{CURRENT}.heard.includes({wanted})")


def _rate(page: Page, first: int) -> dict[str, float]:
    """Rate all sounds, the last one with 100 by its key; the ratings by the sounds' names."""
    for sign in (1, 2, 3):
        page.get_by_label(f"rating of sound {sign}").fill(str(first + sign))
    page.keyboard.press("4")
    page.keyboard.press("End")
    order = page.evaluate("shown.screen.order")
    return dict(zip(order, (first + 1, first + 2, first + 3, 100), strict=True))


def _trial(page: Page, first: int) -> tuple[str, dict[str, float]]:
    until(page, "shown.deck?.names")
    trial = page.evaluate("shown.trial.id")
    _hear_all(page)
    ratings = _rate(page, first)
    before = page.evaluate("memory.data.place")
    page.keyboard.press("Enter")
    until(page, f"memory.data.place === {before + 1}")
    return trial, ratings


def _begin(page: Page) -> None:
    """The training, and what stands behind it."""
    assert _trial(page, 0)[0] == "t0"
    until(page, f"{HEADING} === 'Now the test begins'")
    page.keyboard.press("Enter")


def _watched(context: BrowserContext, complaints: list[str]) -> Page:
    page = context.new_page()
    page.add_init_script(SPY)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page


def _downloaded(page: Page, name: str) -> list[dict[str, str]]:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=name).click()
    with Path(waiting.value.path()).open(newline="") as file:
        return list(csv.DictReader(file))


def _as_rows(lines: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    return [
        (line["test"], line["listener"], line["trial"], name, f"{rating:g}", "",
         f"{line['seconds']:g}", str(line["place"]))
        for line in lines
        for name, rating in line["ratings"].items()
    ]  # fmt: skip


def test_two_listeners_take_the_test_and_what_they_entered_arrives(
    browser: Browser, served: Held
) -> None:
    complaints: list[str] = []
    entered: dict[str, dict[str, dict[str, float]]] = {}
    for number in range(2):
        with browser.new_context(reduced_motion="reduce") as context:
            page = _watched(context, complaints)
            if number:
                _lose_the_first_reply(context)
            _enter(page, served.server.address)
            _begin(page)
            ratings = dict([_trial(page, 10 * number)])
            if not number:
                _reload_in_the_middle(page)
            ratings |= dict([_trial(page, 10 * number + 5)])
            until(page, f"{HEADING} === 'Thank you!'")
            until(page, "!memory.data.queue.length")
            assert page.get_by_text("All of your answers have been sent.").is_visible()
            listener = page.evaluate("memory.data.listener")
            entered[listener] = ratings
            rows = _downloaded(page, "Download my answers")
            own = [line for line in served.lines if line["listener"] == listener]
            assert [tuple(row.values()) for row in rows] == _as_rows(own)
            assert ",".join(rows[0]) == "test,listener,trial,stimulus,rating,correct,seconds,place"
    posted: dict[str, dict[str, dict[str, float]]] = {}
    for line in served.lines:
        posted.setdefault(line["listener"], {})[line["trial"]] = line["ratings"]
    assert posted == entered
    assert len(served.lines) == len({line["id"] for line in served.lines}) == 4
    assert sorted(line["place"] for line in served.lines) == [1, 1, 2, 2]
    assert all(line["seconds"] > 0.5 for line in served.lines)
    assert [one for one in complaints if "ERR_FAILED" not in one] == []


def _lose_the_first_reply(context: BrowserContext) -> None:
    """The server has the answer, the page never hears of it, and sends it again."""
    lost: list[bool] = []

    def handle(route: Any) -> None:  # noqa: ANN401 - Playwright's
        if lost:
            route.continue_()
        else:
            lost.append(True)
            route.fetch()
            route.abort()

    context.route("**/answers", handle)


def _reload_in_the_middle(page: Page) -> None:
    until(page, "shown.deck?.names")
    page.keyboard.press("2")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowUp")
    kept = "JSON.stringify([memory.data.listener, memory.data.answers, shown.screen])"
    before, ratings = page.evaluate(kept), page.evaluate(f"{CURRENT}.ratings")
    assert list(ratings.values()) == [1]
    page.reload()
    until(page, "shown.deck?.names")
    assert page.evaluate(kept) == before
    assert page.evaluate(f"{CURRENT}.ratings") == ratings
    assert page.get_by_label("rating of sound 2").input_value() == "1"


def test_all_sounds_start_at_once_switch_in_place_and_loop(training: Page) -> None:
    page = training
    page.evaluate("starts.length = gains.length = 0")
    page.keyboard.press("Space")
    until(page, "starts.length === 5")
    starts = page.evaluate("starts")
    assert all(one == starts[0] for one in starts)
    page.keyboard.press("2")
    gains = page.evaluate("gains")
    assert sorted(gain for gain, _, _ in gains) == [0, 0, 0, 0, 1]
    assert len({(at, fade) for _, at, fade in gains}) == 1
    assert page.evaluate("starts.length") == 5
    # No part is shorter than half a second: of this short clip it is all.
    page.evaluate("shown.timeline.pick(0.04, 0.05)")
    assert page.evaluate("shown.deck.region") == [0, 0.1]
    page.evaluate("shown.deck.length = 2; shown.timeline.pick(1, 1.1)")
    assert page.evaluate("shown.deck.region") == [1, 1.5]


def test_nothing_can_be_skipped_and_a_missing_100_is_warned_of(training: Page) -> None:
    page = training
    status = page.locator("#missing")
    page.keyboard.press("Enter")
    assert status.inner_text() == "Still to do: listen to all sounds, then rate each of them."
    _hear_all(page)
    page.get_by_label("rating of sound 1").focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert status.inner_text() == "Still to do: rate 2, 3 and 4."
    for sign in (2, 3, 4):  # a click on the thumb leaves the slider where it is, and counts
        page.get_by_label(f"rating of sound {sign}").click()
    page.get_by_role("button", name="Next").click()
    assert status.inner_text().startswith("No sound has 100")
    page.get_by_role("button", name="Next all the same").click()
    until(page, f"{HEADING} === 'Now the test begins'")


def test_orders_are_spread_over_listeners(training: Page) -> None:
    facts = "map((one) => [one.trial.id, one.order.join(' ')])"
    plans = training.evaluate(
        f"Array.from({{length: 400}}, (_, i) => planFor(`listener${{i}}`).{facts})"
    )
    assert training.evaluate(f"planFor('listener7').{facts}") == plans[7]
    assert {plan[0][0] for plan in plans} == {"t0"}
    firsts = Counter(plan[1][0] for plan in plans)
    assert all(140 < count < 260 for count in firsts.values())
    orders = Counter(plan[0][1] for plan in plans)
    assert len(orders) == 24
    assert max(orders.values()) < 40


@pytest.mark.parametrize("method", ["abx", "mos"])
def test_choices_work_from_a_disk_and_fit_phones(
    browser: Browser, tmp_path: Path, method: str
) -> None:
    key = make_key(method, num_trials=1, with_training=False)  # type: ignore[arg-type]
    folder = write_test(tmp_path / "test", key, seconds=0.1, repeats=2)
    complaints: list[str] = []
    still: Any = {"viewport": {"width": 390, "height": 844}, "reduced_motion": "reduce"}
    with browser.new_context(**still) as context:
        page = _watched(context, complaints)
        _enter(page, (folder / "index.html").as_uri())
        xs = []
        for _ in range(2 if method == "abx" else 1):
            until(page, "shown.deck?.names")
            page.keyboard.press("Enter")
            assert "listen to" in page.locator("#missing").inner_text()
            for sound in "abx" if method == "abx" else " ":
                page.keyboard.press(sound)
                sign = {"a": "order[0]", "b": "order[1]"}.get(sound, "")
                name = f"shown.screen.{sign}" if sign else "'X'"
                name = name if method == "abx" else "shown.screen.order[0]"
                until(page, f"{CURRENT}.heard.includes({name})")
            page.keyboard.press("2")
            xs.append(page.evaluate("shown.screen.x === shown.screen.order[1]"))
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                assert page.evaluate(CONTRAST) == []
            page.keyboard.press("Enter")
        until(page, f"{HEADING} === 'Thank you!'")
        rows = _downloaded(page, "Download my answers")
    if method == "abx":
        assert [row["correct"] for row in rows] == [json.dumps(one) for one in xs]
        assert {row["rating"] for row in rows} == {""}
        assert [row["place"] for row in rows] == ["1", "2"]
    else:
        assert [(row["stimulus"], row["rating"]) for row in rows] == [("t0s0", "2")]
    assert complaints == []


def test_no_rule_of_axe_is_broken(browser: Browser, served: Held) -> None:
    script = Path(os.environ.get("SNAC_EVAL_AXE", "axe.min.js"))
    if not script.is_file():
        pytest.skip("SNAC_EVAL_AXE names no axe.min.js: npm install axe-core")
    with browser.new_context(bypass_csp=True, reduced_motion="reduce") as context:
        page = context.new_page()
        _enter(page, served.server.address)
        page.evaluate(script.read_text(encoding="utf-8"))
        found = page.evaluate("axe.run()")
        assert [one["id"] for one in found["violations"]] == []
