"""A run's manifest as others may have it: no path, no name of a person or a machine, no secret.

Only what :mod:`snac_eval.submissions.schema` lists stays, and every text in it is looked through.
To do so twice changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from snac_eval.errors import redacted
from snac_eval.submissions.schema import CLIP, KEYS, PARTS, SCHEMA, SUBMISSION, metric_table

# What begins with a slash, a drive or a tilde, as far as a path without spaces goes; addresses do
# not begin so.
_PATH = re.compile(r"(?<![\w/.<>~-])(?:~[\w.-]*|[A-Za-z]:)?[/\\](?![/\\])[^\s'\"<>|;,()\[\]{}]*")
_HOME = re.compile(r"(?<![\w/])/(?:home|Users)/[^/\s'\"]+(?=/|\b|$)|(?<![\w/])/root(?=/|\b|$)")
_SECRET = re.compile(r"\b(?:hf_|sk-|gh[opsu]_|github_pat_|glpat-|AKIA)[A-Za-z0-9_-]{12,}")
_FLAGS = {
    "metrics": "--metrics",
    "limit": "--limit",
    "seed": "--seed",
    "excerpt_s": "--excerpt",
    "balance": "--balance",
    "sample_seed": "--sample-seed",
    "reference_rate": "--reference-rate",
    "channels": "--channels",
    "domain": "--domain",
    "label": "--label",
}
_DEFAULTS: tuple[object, ...] = (None, "", 0, 0.0, [], "clip", "downmix")


def public_manifest(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of the submission of this run, less ``files``: they are not written yet."""
    known = {**manifest, SUBMISSION: {"schema": SCHEMA}}
    kept = {key: known[key] for key in KEYS if key in known and key != "files"}
    for name, keys in PARTS.items():
        kept[name] = {key: kept[name][key] for key in keys if key in kept[name]}
    kept["clips"] = {
        clip: {key: facts[key] for key in CLIP if key in facts}
        for clip, facts in kept["clips"].items()
    }
    kept["metrics"] = {name: metric_table(facts) for name, facts in kept["metrics"].items()}
    kept["hardware"] |= _system(kept["hardware"])
    kept["config"] |= {"model": kept["label"], "dataset": kept["dataset"]["name"]}
    if weights := str(kept["config"].get("weights") or ""):
        kept["config"]["weights"] = "" if _are_the_cards(kept["codec"]) else _last(weights)
    places = sorted(set(_places(manifest)), key=len, reverse=True)
    clean: dict[str, Any] = _scrubbed(kept, places)
    return clean | {"argv": _command(clean["config"])}


def public_text(text: str, places: Iterable[str] = ()) -> str:
    """The text without paths, of which the last part stays, and without secrets. ``places`` are
    paths that are known to be some, spaces and all.

    >>> public_text("cannot read /home/ada/clips/a.wav of MIT/Apache (see https://host/a?token=b)")
    'cannot read a.wav of MIT/Apache (see https://host/a?token=***)'
    """
    for place in places:
        text = text.replace(place, _last(place))
    text = _PATH.sub(lambda found: _last(found[0]), _HOME.sub("~", text))
    return _SECRET.sub("***", redacted(text))


def _are_the_cards(codec: Mapping[str, Any]) -> bool:
    """Whether a folder of weights held those that the card names: where it lay is nobody's
    business."""
    digest = codec["card"].get("sha256")
    return bool(digest) and f"weights={digest}" in codec["fingerprint"].split(";")


def _scrubbed(value: Any, places: Iterable[str]) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        return public_text(value, places)
    if isinstance(value, Mapping):
        return {key: _scrubbed(one, places) for key, one in value.items()}
    if isinstance(value, list):
        return [_scrubbed(one, places) for one in value]
    return value


def _places(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Absolute paths that the run's own manifest names."""
    config, known = manifest.get("config", {}), manifest.get("identity", {})
    said = [config.get(key) for key in ("output", "data_root", "plan", "runtime_env", "weights")]
    said += [*config.get("card_dirs", ()), known.get("data folder")]
    said += [known.get("folder of reconstructions"), *manifest.get("argv", ())]
    for text in said:
        if isinstance(text, str) and len(text) > 1 and _is_absolute(text):
            yield text


def _is_absolute(text: str) -> bool:
    return PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()


def _last(path: str) -> str:
    """The last part of a path; of a home folder a tilde."""
    parts = [part for part in re.split(r"[/\\]", path) if part]
    return "~" if not parts or parts[-1].startswith("~") else parts[-1]


def _system(hardware: Mapping[str, Any]) -> dict[str, str]:
    """Which system, without the build of its kernel, which may name its owner."""
    return {"system": str(hardware["system"]).partition("-")[0]} if "system" in hardware else {}


def _command(config: Mapping[str, Any]) -> list[str]:
    """What one types to do the same."""
    words = ["run", "--model", str(config["model"]), "--dataset", str(config["dataset"])]
    for key, flag in _FLAGS.items():
        value = config.get(key)
        if value not in _DEFAULTS:
            words += [flag, ",".join(value) if isinstance(value, list) else str(value)]
    return words
