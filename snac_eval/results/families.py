"""Which runs are of one codec, at several rates, with several streams or at several steps of its
training; and what is therefore joined by a line."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from snac_eval.codecs.losses import OPTIONS
from snac_eval.registry.cards import base_of
from snac_eval.results.conditions import lines
from snac_eval.results.record import Run, named_apart

# A part of a codec's name that chooses a rate: so many streams, or so many kbps.
_CHOICE = re.compile(r"@(k|kbps)=[0-9.]+")
# A number that letters follow is of something else: 24khz.
_NUMBER = r"(?P<number>\d+(?:\.\d+)?)(?P<times>[kKmM]?)(?![0-9A-Za-z])"
_STEP = re.compile(rf"(?:step|iter|iteration|epoch)s?[-_= ]?{_NUMBER}", re.IGNORECASE)
_ANY = re.compile(rf"(?<![0-9.]){_NUMBER}")
# Options of a codec's name that its card's series says in words.
_IN_SERIES = ("noise_db", *OPTIONS)
_TIMES = {"": 1.0, "k": 1e3, "m": 1e6}
_NUM_PARTS = 2
"""How much of a path tells folders of weights apart."""


@dataclass(frozen=True, slots=True)
class _Family:
    """What runs of one family have in common."""

    name: str
    weights: str = ""
    """The end of their path, the step in it replaced by a star."""
    seed: str = "0"

    @property
    def detail(self) -> str:
        """What parts it from others of its name."""
        weights = f"weights {self.weights}" if self.weights else ""
        return ", ".join(filter(None, (weights, f"seed {self.seed}" if self.seed != "0" else "")))


def named_by_title(runs: Sequence[Run]) -> list[Run]:
    """The runs in their order, under names that differ within their dataset: their titles where
    these do, else the title with the folder's name, else as :func:`named_apart` says."""
    found: dict[int, Run] = {}
    for dataset in dict.fromkeys(run.dataset for run in runs):
        places = [place for place, run in enumerate(runs) if run.dataset == dataset]
        apart = named_apart([runs[place] for place in places])
        titles = Counter(run.title for run in apart)
        for place, run in zip(places, apart, strict=True):
            own = run.name == run.codec and titles[run.title] == 1
            found[place] = replace(run, name=run.title) if own else run
    return [found[place] for place in range(len(runs))]


def families(runs: Sequence[Run], by_step: bool = False, over_loss: str = "") -> dict[Run, str]:
    """The name of each run's family.

    A family is a codec at its rates and numbers of streams (its card's ``series``, else its name
    without the rate), with the same weights and seed; ``by_step``: a codec at its steps of training
    (:func:`training_step`); ``over_loss``: a codec at its losses, ``packet_loss`` or
    ``bit_errors``. A codec that is there twice in one dataset joins no family, and a
    family of one codec is called by the run's own name.
    """
    line = lines(runs, over_loss) if over_loss else {}
    keys = {run: _family(run, by_step, line.get(run, "")) for run in runs}
    times = Counter((keys[run], run.dataset, run.codec) for run in runs)
    codecs: dict[_Family, set[str]] = {}
    for run, key in keys.items():
        codecs.setdefault(key, set()).add(f"{run.codec} {training_step(run) if by_step else ''}")
    shares = Counter(key.name for key in codecs)
    found = {}
    for run, key in keys.items():
        again = times[key, run.dataset, run.codec] > 1 and not by_step
        told = f"{key.name} ({key.detail})" if shares[key.name] > 1 and key.detail else key.name
        found[run] = run.name if again or len(codecs[key]) == 1 else told
    return found


def num_streams(run: Run) -> int:
    """How many streams of codes the codec sends; 0 where it sends none."""
    sizes = _card(run).get("codebook_sizes")
    return len(sizes) if isinstance(sizes, list) else 0


def nominal_bitrate(run: Run) -> float:
    """Bits a second that the codec's card states; NaN where it states none."""
    rate = _card(run).get("nominal_bitrate_bps")
    return float(rate) if isinstance(rate, int | float) else math.nan


def training_step(run: Run) -> float | None:
    """The step of training that its weights' folder names, or that of ``files:DIR``: ``step_12000``
    or ``12k``, in the last part of the path or in the one before; None where neither has a number.
    """
    return _split_step(run)[0]


def _family(run: Run, by_step: bool, line: str) -> _Family:
    config, card = run.manifest.get("config", {}), _card(run)
    name, *options = _CHOICE.sub("", run.codec).split("@")
    if card.get("series"):
        options = [one for one in options if one.partition("=")[0] not in _IN_SERIES]
    named = line or ", ".join([str(card.get("series") or base_of(name) or name), *options])
    seed = str(config.get("seed") or 0)
    if not by_step:
        return _Family(named, _end(str(config.get("weights") or "")), seed)
    place = _split_step(run)[1]
    return (
        _Family(place, "", seed) if card.get("family") == "files" else _Family(named, place, seed)
    )


def _split_step(run: Run) -> tuple[float | None, str]:
    """The step, and the end of the path without it."""
    text = str(run.manifest.get("config", {}).get("weights") or "")
    if not text and _card(run).get("family") == "files":
        text = _argument(run)
    parts = list(PurePath(text).parts[-_NUM_PARTS:])
    for place in range(len(parts) - 1, -1, -1):
        hits = [*_STEP.finditer(parts[place])] or [*_ANY.finditer(parts[place])]
        if hits:
            number, start, end = hits[-1], hits[-1].start("number"), hits[-1].end("times")
            parts[place] = f"{parts[place][:start]}*{parts[place][end:]}"
            times = _TIMES[number["times"].lower()]
            return float(number["number"]) * times, "/".join(parts)
    return None, "/".join(parts)


def _argument(run: Run) -> str:
    model = str(run.manifest.get("config", {}).get("model", ""))
    return _CHOICE.sub("", model.partition(":")[2])


def _end(path: str) -> str:
    return "/".join(PurePath(path).parts[-_NUM_PARTS:])


def _card(run: Run) -> Mapping[str, Any]:
    card: Mapping[str, Any] = run.manifest.get("codec", {}).get("card", {})
    return card
