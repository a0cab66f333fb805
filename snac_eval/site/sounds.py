"""What can be heard on the site: a few clips of each dataset, as runs made them.

Only runs that still have their store can be heard: a submission has scores and no audio. The codes
that the store holds are decoded once for all pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from snac_eval.reports.html.playback import play
from snac_eval.reports.html.sound import ReportClip
from snac_eval.results.ranking import worst_clips
from snac_eval.results.record import Run
from snac_eval.run.store import FILE_NAME
from snac_eval.site.boards import clips_digest

MOST_CLIPS = 3
"""Of each dataset: the worst, the best, and one from the middle."""
NO_AUDIO = "it was submitted without audio, as submissions are"


@dataclass(frozen=True, slots=True)
class Heard:
    """The clips of the site, and what cannot be heard."""

    clips: Mapping[str, tuple[ReportClip, ...]] = field(default_factory=dict)
    """By dataset; their estimates are by the run's name."""
    notes: tuple[str, ...] = ()
    """Why runs that have a store cannot be heard all the same."""
    having: frozenset[tuple[str, str]] = frozenset()
    """Dataset and name of the runs that have a store, or are lent one."""

    def has(self, run: Run) -> bool:
        """Whether there is what the run's sound is made of."""
        return (run.dataset, run.name) in self.having

    def of(self, dataset: str, runs: Sequence[Run]) -> list[ReportClip]:
        """Clips of the dataset, with what these runs made of them, in the order of the runs."""
        names = [run.name for run in runs]
        return [
            replace(
                clip,
                estimates={one: clip.estimates[one] for one in names if one in clip.estimates},
                problems={one: clip.problems[one] for one in names if one in clip.problems},
            )
            for clip in self.clips.get(dataset, ())
            if set(names) & clip.estimates.keys()
        ]


def has_audio(run: Run) -> bool:
    """Whether the run's folder still holds what its sound is made of."""
    return run.folder is not None and (run.folder / FILE_NAME).is_file()


def hear(runs: Sequence[Run], lenders: Sequence[Run] = ()) -> Heard:
    """What can be heard of these runs, whose names differ within a dataset; of those without audio
    what a lender has of the same codec and clips."""
    having = list(_sources(runs, lenders))
    datasets = list(dict.fromkeys(run.dataset for run in having))
    by_group = {
        place: [run for run in having if run.dataset == dataset]
        for place, dataset in enumerate(datasets)
    }
    wanted = {place: _some(worst_clips(several)) for place, several in by_group.items()}
    found, notes = play(by_group, wanted)
    clips = {datasets[place]: tuple(of) for place, of in found.items()}
    notes = [*notes, *_useless(runs, lenders)]
    return Heard(clips, tuple(notes), frozenset((run.dataset, run.name) for run in having))


def _sources(runs: Sequence[Run], lenders: Sequence[Run]) -> Iterator[Run]:
    """Of each run that can be heard itself or its lender, under its name."""
    known = {_heard_as(run): run for run in lenders if has_audio(run)}
    for run in runs:
        if has_audio(run):
            yield run
        elif lender := known.get(_heard_as(run)):
            yield replace(lender, name=run.name)


def _useless(runs: Sequence[Run], lenders: Sequence[Run]) -> Iterator[str]:
    """Why lenders are not heard."""
    wanted = {_heard_as(run) for run in runs if not has_audio(run)}
    for lender in lenders:
        if not has_audio(lender):
            yield f"{lender.folder}: has no audio to lend"
        elif _heard_as(lender) not in wanted:
            yield f"{lender.folder}: lends no audio: no row is of this codec and these clips"


def _heard_as(run: Run) -> tuple[str, ...]:
    """What decides how a run's clips sound."""
    seed = str(run.manifest.get("config", {}).get("seed", 0))
    return run.codec, run.codec_fingerprint, run.dataset, clips_digest(run), seed


def _some(clips: Sequence[str]) -> list[str]:
    """From the worst to the best."""
    last = len(clips) - 1
    places = {round(last * part / (MOST_CLIPS - 1)) for part in range(MOST_CLIPS)} if clips else ()
    return [clips[place] for place in sorted(places)]
