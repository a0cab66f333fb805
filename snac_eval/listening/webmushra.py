"""``config.yaml``: the same test for webMUSHRA (https://github.com/audiolabs/webMUSHRA).

Page types and keys are those that its documentation for experimenters and its examples show. Sounds
are at ``configs/TEST/audio``, since webMUSHRA reads paths from its own root: the folder of the test
is copied to ``configs/TEST`` there and opened as ``?config=TEST/config.yaml``, TEST being the
test's id.

webMUSHRA adds the hidden reference by itself and calls it ``reference``, so it is no stimulus here;
the anchors are ours, and it is told to make none.
"""

from __future__ import annotations

from typing import Any

from snac_eval.listening.shapes import AUDIO_FOLDER, Method, TestKey, Trial

_TYPES: dict[Method, str] = {
    "mushra": "mushra",
    "abx": "paired_comparison",
    "mos": "likert_single_stimulus",
}
_ASKED: dict[Method, str] = {
    "mushra": "Rate the quality of each sound against the reference. One of them is the reference"
    " itself; give it 100.",
    "abx": "Which of A and B is the same as the reference?",
    "mos": "How good does this sound?",
}
CATEGORIES = ((5, "Excellent"), (4, "Good"), (3, "Fair"), (2, "Poor"), (1, "Bad"))
"""Of ITU-T P.800, with their votes."""


def webmushra_yaml(key: TestKey, title: str) -> str:
    """The text of the file; ``title`` is what listeners read above the test."""
    import yaml

    text: str = yaml.safe_dump(
        configuration(key, title), sort_keys=False, allow_unicode=True, width=100
    )
    return text


def configuration(key: TestKey, title: str) -> dict[str, Any]:
    """What the file holds."""
    training = [_page(key, trial, "Training") for trial in key.trials if trial.is_training]
    asked = [_page(key, trial, "Listen") for trial in key.trials if not trial.is_training]
    return {
        "testname": title,
        "testId": key.test_id,
        "bufferSize": 2048,
        "stopOnErrors": True,
        "showButtonPreviousPage": False,
        "remoteService": "service/write.php",
        "pages": [
            # Without a page before it, the first page with sound stays silent in some browsers.
            _text("welcome", "Welcome", "<p>Please use headphones, in a quiet room.</p>"),
            _volume(key),
            *training,
            _text(
                "begin", "The test", "<p>The test begins. What you answer from here on counts.</p>"
            ),
            ["random", *asked],
            _finish(),
        ],
    }


def _page(key: TestKey, trial: Trial, name: str) -> dict[str, Any]:
    page: dict[str, Any] = {
        "type": _TYPES[key.method],
        "id": trial.id,
        "name": name,
        "content": _ASKED[key.method],
    }
    sounds = {
        one.name: _path(key, one.name)
        for one in sorted(trial.stimuli, key=lambda one: one.name)
        if one.role != "reference" or key.method == "mos"
    }
    if key.method == "mos":
        votes = [{"value": str(vote), "label": f"{vote} {label}"} for vote, label in CATEGORIES]
        return {
            **page,
            "mustRate": True,
            "mustPlayback": "ended",
            "stimuli": sounds,
            "response": votes,
        }
    looks = {"showWaveform": False, "enableLooping": True, "reference": _path(key, trial.reference)}
    if key.method == "mushra":
        looks |= {"createAnchor35": False, "createAnchor70": False, "randomize": True}
        looks |= {"showConditionNames": False}
    return {**page, **looks, "stimuli": sounds}


def _volume(key: TestKey) -> dict[str, Any]:
    first = key.trials[0]
    return {
        "type": "volume",
        "id": "volume",
        "name": "Volume",
        "content": "<p>Set the volume so that this is comfortable, and leave it there.</p>",
        "stimulus": _path(key, first.reference or first.stimuli[0].name),
        "defaultVolume": 0.5,
    }


def _text(page: str, name: str, content: str) -> dict[str, Any]:
    return {"type": "generic", "id": page, "name": name, "content": content}


def _finish() -> dict[str, Any]:
    # Older versions tell listeners apart by nothing but what they are asked here.
    code = {
        "type": "text",
        "label": "A code of your own (not your name)",
        "name": "listener",
        "optional": False,
    }
    return {
        "type": "finish",
        "name": "Thank you",
        "content": "<p>Thank you. Please send your answers.</p>",
        "popupContent": "Your answers were sent.",
        "showResults": False,
        "writeResults": True,
        "questionnaire": [code],
    }


def _path(key: TestKey, name: str) -> str:
    return f"configs/{key.test_id}/{AUDIO_FOLDER}/{name}.wav"
