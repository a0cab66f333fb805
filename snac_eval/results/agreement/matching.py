"""Which run a rated codec is, and which clip of it a rated clip is.

A rated name is a run's by the run's codec, its title, its folder's name, or the folder of
``files:DIR``: exactly, or else but for case, spaces, underscores and hyphens. ``--map RATED=RUN``
comes first. A rated clip is the run's by its id, or else by its file's name without folders and
ending, where that names one clip on either side. What finds nothing is listed, never dropped
silently; what could be two is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath

from snac_eval.errors import UnknownNameError, UsageError, readable
from snac_eval.registry import plugins
from snac_eval.results.agreement.shapes import LeftOut
from snac_eval.results.listeners.ratings import Ratings
from snac_eval.results.record import Run

_LOOSE = re.compile(r"[\s_-]+")
_ENDING = re.compile(r"\.(wav|flac|mp3|ogg|opus|m4a|aac)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Matches:
    """What of the ratings is in the runs."""

    runs: Mapping[str, Run]
    """By rated name."""
    clips: Mapping[str, Mapping[str, str]]
    """By rated name: the run's clip of each rated clip."""
    left_out: tuple[LeftOut, ...] = ()
    """Rated codecs without a run, runs without ratings, rated clips that no run has."""


def parse_mapping(texts: Iterable[str]) -> dict[str, str]:
    """``RATED=RUN`` texts as a mapping. Raises UsageError for what is none, and for a rated name
    that is mapped twice. A name that holds ``=`` itself may stand on the right side alone."""
    found: dict[str, str] = {}
    for text in texts:
        rated, equals, run = (part.strip() for part in text.partition("="))
        if not (rated and equals and run):
            raise UsageError(
                f"--map '{readable(text)}': write RATED=RUN, the name in the ratings first"
            )
        if found.setdefault(rated, run) != run:
            raise UsageError(
                f"--map: '{readable(rated)}' is mapped to '{readable(found[rated])}' and to"
                f" '{readable(run)}'; keep one"
            )
    return found


def match(
    runs: Sequence[Run], ratings: Ratings, mapping: Mapping[str, str] | None = None
) -> Matches:
    """Find the run of every rated name, and the clips of it.

    Raises UsageError where a name could be two runs or two names are one run, and UnknownNameError
    for a name in ``mapping`` that is in no rating or no run.
    """
    mapping = {} if mapping is None else mapping
    _check_mapping(runs, ratings, mapping)
    rated = ratings.codecs
    of_run = [clips_of(ratings.clips, run) for run in runs]
    chosen: dict[str, int] = {}
    for name in rated:
        places = _places(mapping.get(name, name), runs, strict=name in mapping)
        # A study may hold a codec's runs on other data as well, which nobody rated.
        heard = [place for place in places if of_run[place]] or places
        if len(heard) > 1:
            raise UsageError(_ambiguous(name, [runs[place] for place in heard]))
        if heard:
            chosen[name] = heard[0]
    _check_once(chosen, runs)
    kept = {name: place for name, place in chosen.items() if of_run[place]}
    return Matches(
        runs={name: runs[place] for name, place in kept.items()},
        clips={name: of_run[place] for name, place in kept.items()},
        left_out=tuple(_left_out(runs, ratings, chosen, kept, of_run)),
    )


def clips_of(rated: Sequence[str], run: Run) -> dict[str, str]:
    """The run's clip of each of these rated clips that it has."""
    exact = {clip: clip for clip in rated if clip in run.clips}
    theirs, ours = _by_stem(rated), _by_stem(run.clips)
    taken = set(exact.values())
    for clip in rated:
        stem = _stem(clip)
        if clip in exact or len(theirs[stem]) > 1 or len(ours.get(stem, ())) != 1:
            continue
        own = ours[stem][0]
        # Two that have folders, but other ones, are two clips of one name.
        bare = "/" not in _plain(clip) or "/" not in own
        if own not in taken and (bare or _plain(clip) == _plain(own)):
            exact[clip] = own
    return {clip: exact[clip] for clip in rated if clip in exact}


def names_of(run: Run) -> tuple[str, ...]:
    """Every name by which ratings may call the run, the codec's own first."""
    names = [run.codec, run.title, run.name]
    card = run.manifest.get("codec", {}).get("card", {})
    if card.get("family") == "files" or run.codec.startswith("files:"):
        folder = str(run.manifest.get("config", {}).get("model") or run.codec).partition(":")[2]
        names.append(PurePath(folder.partition("@")[0]).name)
    return tuple(dict.fromkeys(name for name in names if name))


def _places(name: str, runs: Sequence[Run], strict: bool) -> list[int]:
    """Where the runs of this name are: exactly so called, else loosely."""
    known = [names_of(run) for run in runs]
    exact = [place for place, names in enumerate(known) if name in names]
    if exact:
        return exact
    wanted = _loose(name)
    found = [place for place, names in enumerate(known) if wanted in map(_loose, names)]
    if strict and not found:
        every = [one for names in known for one in names]
        raise UnknownNameError(
            "--map: " + plugins.unknown_name(name, dict.fromkeys(every), "run", "")
        )
    return found


def _check_mapping(runs: Sequence[Run], ratings: Ratings, mapping: Mapping[str, str]) -> None:
    for name in mapping:
        if name in ratings.codecs:
            continue
        if mapping[name] in ratings.codecs and _places(name, runs, strict=False):
            raise UsageError(
                f"--map: the name in the ratings comes first: {readable(mapping[name])}="
                f"{readable(name)}"
            )
        raise UnknownNameError(
            "--map: " + plugins.unknown_name(name, ratings.codecs, "codec in the ratings", "")
        )


def _check_once(chosen: Mapping[str, int], runs: Sequence[Run]) -> None:
    by_place: dict[int, str] = {}
    for name, place in chosen.items():
        other = by_place.setdefault(place, name)
        if other != name:
            raise UsageError(
                f"'{readable(other)}' and '{readable(name)}' of the ratings are both the run"
                f" '{readable(runs[place].title)}'; map one to another run with --map RATED=RUN"
            )


def _ambiguous(name: str, runs: Sequence[Run]) -> str:
    folders = " and ".join(f"'{readable(run.name)}'" for run in runs)
    return (
        f"'{readable(name)}' of the ratings could be the runs {folders};"
        f" say which: --map '{readable(name)}={readable(runs[0].name)}'"
    )


def _left_out(
    runs: Sequence[Run],
    ratings: Ratings,
    chosen: Mapping[str, int],
    kept: Mapping[str, int],
    of_run: Sequence[Mapping[str, str]],
) -> Iterable[LeftOut]:
    for name in ratings.codecs:
        if name not in chosen:
            yield LeftOut("codec", name, _no_run(ratings.roles.get(name, "codec")))
        elif name not in kept:
            title = runs[chosen[name]].title
            yield LeftOut("codec", name, f"the run {title} has none of the rated clips")
    for place, run in enumerate(runs):
        if place not in chosen.values():
            why = "nobody rated it" if of_run[place] else "it has none of the rated clips"
            yield LeftOut("run", run.title, why)
    found = {clip for place in kept.values() for clip in of_run[place]}
    for clip in ratings.clips:
        if clip not in found:
            yield LeftOut("clip", clip, "no run has it")


def _no_run(role: str) -> str:
    if role == "codec":
        return "no run of it"
    return f"the {'reference' if role == 'reference' else 'anchor'}; no run of it"


def _loose(name: str) -> str:
    return _LOOSE.sub("", name).casefold()


def _plain(clip: str) -> str:
    return _ENDING.sub("", clip.replace("\\", "/"))


def _stem(clip: str) -> str:
    return PurePosixPath(_plain(clip)).name


def _by_stem(clips: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for clip in clips:
        found.setdefault(_stem(clip), []).append(clip)
    return found
