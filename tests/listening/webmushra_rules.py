"""What webMUSHRA takes as its configuration, and no more than that.

Derived from its documentation for experimenters (doc/experimenter.md) and its examples (configs/ at
https://github.com/audiolabs/webMUSHRA): which keys a page of each type has, and their types.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from snac_eval.listening.shapes import TestKey

BUFFER_SIZES = (256, 512, 1024, 2048, 4096, 8192, 16384)
TOP: dict[str, type] = {
    "testname": str,
    "testId": str,
    "bufferSize": int,
    "stopOnErrors": bool,
    "showButtonPreviousPage": bool,
    "remoteService": str,
    "pages": list,
}
_TEXT: dict[str, type] = {"type": str, "id": str, "name": str, "content": str}
_SIDE_BY_SIDE = _TEXT | {
    "showWaveform": bool,
    "enableLooping": bool,
    "reference": str,
    "stimuli": dict,
}
REQUIRED: dict[str, dict[str, type]] = {
    "generic": _TEXT,
    "volume": _TEXT | {"stimulus": str, "defaultVolume": float},
    "mushra": _SIDE_BY_SIDE | {"createAnchor35": bool, "createAnchor70": bool},
    "paired_comparison": _SIDE_BY_SIDE,
    "likert_single_stimulus": _TEXT | {"stimuli": dict, "response": list},
    "finish": {"type": str, "name": str, "content": str, "showResults": bool, "writeResults": bool},
}
OPTIONAL: dict[str, dict[str, type]] = {
    "mushra": {"strict": bool, "randomize": bool, "showConditionNames": bool},
    "paired_comparison": {"unforced": str},
    "likert_single_stimulus": {"mustRate": bool, "mustPlayback": str},
    "finish": {"popupContent": str, "showErrors": bool, "questionnaire": list},
}
TRIALS = {"mushra": "mushra", "abx": "paired_comparison", "mos": "likert_single_stimulus"}
_NAME = re.compile(r"[a-z][a-z0-9]*")


def check(config: Mapping[str, Any], key: TestKey, folder: Path) -> None:
    """Hold the configuration of this test against the rules."""
    _check_keys(config, TOP, {})
    assert config["testId"] == key.test_id
    assert config["bufferSize"] in BUFFER_SIZES
    pages = list(_flat(config["pages"]))
    assert pages[-1]["type"] == "finish"
    assert pages[0]["type"] == "generic"  # else the first page with sound stays silent
    for page in pages:
        _check_keys(page, REQUIRED[page["type"]], OPTIONAL.get(page["type"], {}))
        _check_sounds(page, folder, key.test_id)
    ids = [page["id"] for page in pages if page["type"] != "finish"]
    assert len(set(ids)) == len(ids)
    trials = {page["id"]: page for page in pages if page["type"] == TRIALS[key.method]}
    assert trials.keys() == {trial.id for trial in key.trials}
    for trial in key.trials:
        hidden = "" if key.method == "mos" else "reference"  # which webMUSHRA adds by itself
        heard = {one.name for one in trial.stimuli if one.role != hidden}
        assert trials[trial.id]["stimuli"].keys() == heard
        assert ("reference" in trials[trial.id]) == bool(trial.reference)
    asked = {trial.id for trial in key.trials if not trial.is_training}
    assert {page["id"] for page in _flat(_random(config["pages"]))} == asked
    _check_finish(pages[-1])
    _check_scale(trials.values())


def _flat(pages: Sequence[Any]) -> Any:  # noqa: ANN401 - pages, and lists of such
    for page in pages:
        if isinstance(page, list):
            yield from _flat(page[1:] if page[0] == "random" else page)
        else:
            yield page


def _random(pages: Sequence[Any]) -> list[Any]:
    (found,) = (page for page in pages if isinstance(page, list))
    assert found[0] == "random"
    return list(found[1:])


def _check_keys(
    found: Mapping[str, Any], required: Mapping[str, type], optional: Mapping[str, type]
) -> None:
    assert required.keys() <= found.keys()
    assert found.keys() <= required.keys() | optional.keys()
    for name, value in found.items():
        assert type(value) is {**required, **optional}[name], name


def _check_sounds(page: Mapping[str, Any], folder: Path, test: str) -> None:
    stimuli = page.get("stimuli", {})
    assert len(stimuli) <= 11
    for name in stimuli:  # goes into HTML and selectors as it is
        assert _NAME.fullmatch(name)
    sounds = [*stimuli.values(), page.get("stimulus"), page.get("reference")]
    for sound in filter(None, sounds):
        assert sound.startswith(f"configs/{test}/")
        assert (folder / sound.removeprefix(f"configs/{test}/")).is_file()
    if page["type"] == "mushra":  # ours are among the stimuli
        assert not page["createAnchor35"]
        assert not page["createAnchor70"]


def _check_finish(page: Mapping[str, Any]) -> None:
    assert page["writeResults"]
    for asked in page["questionnaire"]:
        assert {"type", "label", "name"} <= asked.keys()
        assert asked["type"] in ("text", "number", "likert", "long_text")


def _check_scale(trials: Any) -> None:  # noqa: ANN401 - pages
    for page in trials:
        for point in page.get("response", ()):
            assert point.keys() == {"value", "label"}
            assert point["value"] in "12345"
