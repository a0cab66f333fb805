"""The clips that a page plays: the sound of its runs, or why there is none.

Where a clip or a whole run cannot be decoded again here, the page says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from snac_eval.errors import one_line
from snac_eval.reports.html.sound import EXCERPTS_S, ReportClip
from snac_eval.results.record import Run
from snac_eval.results.sounds import RunSounds, Sound, open_sounds
from snac_eval.run.plan import Material
from snac_eval.types import Waveform


def play(
    runs: Mapping[int, Sequence[Run]],
    clip_ids: Mapping[int, Sequence[str]],
    materials: Mapping[Path, Material] | None = None,
) -> tuple[dict[int, list[ReportClip]], list[str]]:
    """The clips of each dataset as each of its runs heard and made them, and why runs have nothing
    to play.

    ``materials`` are those of runs that have just ended, by their folders: their codecs are open
    already.
    """
    pairs = [(group, run) for group, several in runs.items() if clip_ids[group] for run in several]
    wanted = {clip for ids in clip_ids.values() for clip in ids}
    found: dict[int, list[ReportClip]] = {}
    with open_sounds([run for _, run in pairs], wanted, materials) as opened:
        makers: dict[int, list[RunSounds]] = {}
        for (group, _), maker in zip(pairs, opened, strict=True):
            makers.setdefault(group, []).append(maker)
        for group, several in makers.items():
            found[group] = [_report_clip(group, one, several) for one in clip_ids[group]]
    notes = [f"Nothing to play of {one.run.name}: {one.problem}" for one in opened if one.problem]
    return found, notes


def _make(maker: RunSounds, clip_id: str) -> tuple[Sound, float] | str:
    """The sound, cut to what a page can play, and how many seconds the whole clip lasts; or why
    there is none: "" where the run's problem says it of all."""
    if maker.problem:
        return ""
    try:
        sound = maker.make(clip_id)
    except Exception as error:  # noqa: BLE001 - whatever a codec raises becomes a reason
        return one_line(error)
    total_s = sound.reference.duration_s
    reference, estimate = _head(sound.reference), _head(sound.estimate)
    return replace(sound, reference=reference, estimate=estimate), total_s


def _report_clip(group: int, clip_id: str, makers: Sequence[RunSounds]) -> ReportClip:
    tried = {maker.run.name: _make(maker, clip_id) for maker in makers}
    made = {name: one for name, one in tried.items() if not isinstance(one, str)}
    problems = {name: one for name, one in tried.items() if isinstance(one, str) and one}
    if not made:
        return ReportClip(clip_id, None, {}, 0.0, problems, group)
    # A stereo reference is the better one to listen to where any codec kept both channels.
    first, total_s = max(made.values(), key=lambda one: one[0].reference.num_channels)
    same = {name: one for name, (one, _) in made.items() if one.sha256 == first.sha256}
    for name in made.keys() - same.keys():
        problems[name] = "another recording has this name in its dataset"
    estimates = {name: one.estimate for name, one in same.items()}
    said = first.transcript
    return ReportClip(clip_id, first.reference, estimates, total_s, problems, group, said)


def _head(waveform: Waveform) -> Waveform:
    """As much as the longest excerpt needs, with some left over for the resampler."""
    end = round((EXCERPTS_S[0] + 1.0) * waveform.sample_rate)
    return Waveform(waveform.samples[:, :end].copy(), waveform.sample_rate)
