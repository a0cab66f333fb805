"""Submissions beside one another: one dataset has one recording under each clip's name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from snac_eval import audio
from snac_eval.datasets import demo
from snac_eval.registry import plugins
from snac_eval.results.record import Run
from snac_eval.submissions.exporting import place_of
from snac_eval.types import DatasetRequest

_BUNDLED = "demo"
Digests = Mapping[str, Mapping[str, tuple[str, str]]]
"""By dataset and clip the digest of its audio, and who says so."""


def contradictions(runs: Mapping[Path, Run], accepted: Sequence[Run]) -> Iterator[tuple[Path, str]]:
    """Which of these runs has another recording than the others under a clip's name, clips that
    the dataset has not, or another one's scores; its folder, and the reason.

    Of datasets that ``accepted`` results have, these say what is right, and of the bundled one the
    bundle; of others, what most of the runs say.
    """
    known = _digests(runs.values()) | _digests(accepted)
    lists = _lists(runs.values()) | _lists(accepted)
    for folder, run in runs.items():
        own = _bundled_clips(run) if run.dataset == _BUNDLED else known[run.dataset]
        complete = frozenset(own) if run.dataset == _BUNDLED else lists.get(_place(run))
        for problem in _unknown_clips(run, own, complete):
            yield folder, problem
    yield from _copies(runs)


def _unknown_clips(
    run: Run, known: Mapping[str, tuple[str, str]], complete: frozenset[str] | None
) -> Iterator[str]:
    for clip, facts in run.clips.items():
        digest, source = known.get(clip, (facts.digest, ""))
        if digest != facts.digest:
            yield (
                f"clip '{clip}' of {run.dataset}: its audio has the digest {facts.digest[:12]}...,"
                f" and {digest[:12]}... in {source}; another recording has another name"
            )
        elif complete is not None and clip not in complete:
            yield f"clip '{clip}': no other result of {run.dataset} has it, and they are complete"


def _copies(runs: Mapping[Path, Run]) -> Iterator[tuple[Path, str]]:
    """A run that is there under two names."""
    seen: dict[str, Path] = {}
    for folder, run in runs.items():
        (digest,) = run.manifest["files"].values()
        if seen.setdefault(digest, folder) != folder:
            yield folder, f"holds the same scores, to the last digit, as {seen[digest]}"


def _digests(runs: Iterable[Run]) -> dict[str, Mapping[str, tuple[str, str]]]:
    said: dict[str, dict[str, dict[str, list[str]]]] = {}
    for run in runs:
        by_clip = said.setdefault(run.dataset, {})
        for clip, facts in run.clips.items():
            by_clip.setdefault(clip, {}).setdefault(facts.digest, []).append(str(run.folder))
    return {
        dataset: {clip: _most(digests) for clip, digests in by_clip.items()}
        for dataset, by_clip in said.items()
    }


def _most(digests: Mapping[str, list[str]]) -> tuple[str, str]:
    digest = max(digests, key=lambda one: len(digests[one]))
    return digest, digests[digest][0]


def _lists(runs: Iterable[Run]) -> dict[str, frozenset[str]]:
    """By dataset, with what is taken of it, its clips, as most runs that took all of them say."""
    said: dict[str, Counter[frozenset[str]]] = {}
    for run in runs:
        if not run.manifest["config"].get("limit"):
            said.setdefault(_place(run), Counter())[frozenset(run.clips)] += 1
    return {place: lists.most_common(1)[0][0] for place, lists in said.items()}


def _place(run: Run) -> str:
    return place_of(run.manifest).parent.name


def _bundled_clips(run: Run) -> dict[str, tuple[str, str]]:
    """The clips that ship, and those excerpts of them that the run has."""
    digests = _bundled()
    for clip, facts in run.manifest["clips"].items():
        whole = digests.get(clip.rpartition("@")[0])
        if whole is not None:
            part = facts.get("start_s", 0.0), facts.get("length_s")
            digests = {**digests, clip: audio.excerpt_digest(whole, *part)}
    return {clip: (digest, "the bundled demo") for clip, digest in digests.items()}


@cache
def _bundled() -> Mapping[str, str]:
    clips = demo.load(DatasetRequest(plugins.dataset_card(_BUNDLED))).clips
    return {clip.id: audio.file_sha256(Path(str(clip.path))) for clip in clips}
