"""The page of a test: what it is told of the key, its text, and the sounds it can read from disk.

A page that is opened from a disk may not read the files beside it, by any rule of browsers; a
script it may load. So every sound lies there twice: ``NAME.wav`` for servers, and ``NAME.js``,
which hands the same samples to the page, as FLAC, for its size.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from markupsafe import Markup

from snac_eval.errors import UsageError
from snac_eval.listening.shapes import AUDIO_FOLDER, PAGE_FILE, TestKey, Trial
from snac_eval.writing import write_text

if TYPE_CHECKING:
    from jinja2 import Template

SCRIPTS = (
    "base.js",
    "memory.js",
    "sending.js",
    "sound.js",
    "timeline.js",
    "trial.js",
    "mushra.js",
    "choices.js",
    "screens.js",
    "start.js",
)
"""Joined in this order they are the page's one script."""
DEFAULT_TITLES = {
    "mushra": "Listening test: audio quality",
    "abx": "Listening test: can you hear a difference?",
    "mos": "Listening test: quality of speech and music",
}


def write_page(
    folder: Path,
    key: TestKey,
    *,
    title: str = "",
    post_to: str = "",
    contact: str = "",
    repeats: int = 1,
) -> Path:
    """Write ``index.html`` of the test in ``folder``, and a script beside each of its sounds.

    Every ``audio/NAME.wav`` of the key must be there. The rest is as in :func:`page`. Raises
    UsageError as that does, OutputError where a file cannot be written, OSError where a sound
    cannot be read.
    """
    text = page(key, title=title, post_to=post_to, contact=contact, repeats=repeats)
    for name in sorted(set(_names(key.trials))):
        path = folder / AUDIO_FOLDER / f"{name}.wav"
        write_text(path.with_suffix(".js"), _sound_script(name, _as_flac(path)))
    write_text(folder / PAGE_FILE, text)
    return folder / PAGE_FILE


def page(
    key: TestKey, *, title: str = "", post_to: str = "", contact: str = "", repeats: int = 1
) -> str:
    """The HTML of the page. It knows the names of the key, and not what they stand for.

    ``title`` and ``contact`` are shown to listeners; ``post_to`` is the http or https address that
    every answered trial is posted to, empty for none (a page that ``listen serve`` serves posts
    there by itself); ``repeats`` says how often each trial of an ABX test is asked, 1 or more.
    Raises UsageError for another address or number.
    """
    if repeats < 1:
        raise UsageError(f"repeats: {repeats} is no number of 1 or more")
    script = '"use strict";\n' + "\n".join(map(_read, SCRIPTS))
    style = _read("page.css")
    facts = _facts(key, post_to, repeats)
    return _template().render(
        title=title or DEFAULT_TITLES[key.method],
        contact=contact,
        facts=Markup(_json_in_html(facts)),
        script=Markup(script),
        script_hash=_digest(script),
        style=Markup(style),
        style_hash=_digest(style),
        post_origin=_origin(post_to),
    )


def _facts(key: TestKey, post_to: str, repeats: int) -> dict[str, Any]:
    """All that the page is told of the test. Names are sorted: their order in the key speaks."""
    return {
        "test": key.test_id,
        "method": key.method,
        "post_to": post_to,
        "repeats": repeats if key.method == "abx" else 1,
        "trials": [_trial(trial, key.method) for trial in key.trials],
    }


def _trial(trial: Trial, method: str) -> dict[str, Any]:
    # In ABX one of both sounds is the reference; which one is nothing that listeners are told.
    known = trial.reference if method == "mushra" else ""
    stimuli = sorted(stimulus.name for stimulus in trial.stimuli)
    if known in stimuli:
        raise UsageError(
            f"trial {trial.id}: its hidden reference is the file of the known one, {known}; give it"
            " a name of its own"
        )
    return {
        "id": trial.id,
        "reference": known,
        "stimuli": stimuli,
        "training": trial.is_training,
    }


def _names(trials: Iterable[Trial]) -> Iterable[str]:
    for trial in trials:
        yield from (stimulus.name for stimulus in trial.stimuli)
        if trial.reference:
            yield trial.reference


def _as_flac(path: Path) -> bytes:
    import soundfile

    samples, rate = soundfile.read(os.fsencode(path), dtype="int16")
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def _sound_script(name: str, content: bytes) -> str:
    return f'sound({json.dumps(name)}, "{base64.b64encode(content).decode("ascii")}");\n'


def _origin(post_to: str) -> str:
    """What the page's policy allows it to post to; empty for none."""
    if not post_to:
        return ""
    try:
        parts = urlsplit(post_to)
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise UsageError(f"{post_to}: no address to post to: {error}") from error
    host = parts.hostname or ""
    legal = host.replace("-", "").replace(".", "").replace(":", "")
    if parts.scheme not in ("http", "https") or not (legal.isascii() and legal.isalnum()):
        raise UsageError(f"{post_to}: no address to post to; it begins with http:// or https://")
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"


def _json_in_html(facts: dict[str, Any]) -> str:
    """JSON whose text cannot end the element that it stands in."""
    text = json.dumps(facts, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


@cache
def _template() -> Template:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")


@cache
def _read(name: str) -> str:
    return files("snac_eval.listening.page").joinpath("templates", name).read_text(encoding="utf-8")
