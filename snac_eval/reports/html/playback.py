"""The sound of a page: the clips of a run, decoded again from the codes that it stored.

A run stores codes, not audio. A run that has just ended hands over its open codec; for any other
the codec is opened as the run's manifest says. Where that cannot be done here, the page says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from snac_eval import audio
from snac_eval.codecs.abilities import OpenCodec
from snac_eval.errors import CodecError, StoreError, one_line
from snac_eval.reports.html.sound import EXCERPTS_S, ReportClip
from snac_eval.results.record import Run
from snac_eval.run.config import RunConfig
from snac_eval.run.keys import text_digest
from snac_eval.run.plan import Material, clip_seed, open_clips, open_material
from snac_eval.run.store import Store
from snac_eval.types import Clip, Waveform

_PATHS = ("output", "data_root", "plan")


def play(
    runs: Mapping[int, Sequence[Run]],
    clip_ids: Mapping[int, Sequence[str]],
    materials: Mapping[Path, Material] | None = None,
) -> tuple[dict[int, list[ReportClip]], list[str]]:
    """The clips of each dataset as each of its runs heard and made them, and why runs have nothing
    to play.

    ``materials`` are those of runs that have just ended, by their folders: their codecs are open
    already. A codec of several runs is loaded once, and no more clips are looked at than are
    played.
    """
    found: dict[int, list[ReportClip]] = {}
    with ExitStack() as stack:
        opener = _Opener(stack, clip_ids, materials or {})
        makers = {
            group: [_Maker(run, opener) for run in several]
            for group, several in runs.items()
            if clip_ids[group]
        }
        for group, several in makers.items():
            found[group] = [_report_clip(group, one, several) for one in clip_ids[group]]
    tried = [maker for several in makers.values() for maker in several]
    notes = [f"Nothing to play of {one.run.name}: {one.problem}" for one in tried if one.problem]
    return found, notes


class _Opener:
    """Opens what runs were made of, and nothing twice."""

    def __init__(
        self,
        stack: ExitStack,
        clip_ids: Mapping[int, Sequence[str]],
        materials: Mapping[Path, Material],
    ) -> None:
        self._stack, self._materials = stack, materials
        # An excerpt's id is its clip's, and where it begins.
        every = [clip for ids in clip_ids.values() for clip in ids]
        self._wanted = {*every, *(clip.rpartition("@")[0] for clip in every)}
        self._codecs: dict[tuple[object, ...], OpenCodec] = {}
        self._inspected: dict[Clip, Clip] = {}

    def store(self, run: Run) -> Store:
        """The run's store. Raises StoreError where it has none."""
        if run.folder is None:
            raise StoreError("it has no folder")
        return self._stack.enter_context(Store.open_run(run.folder))

    def material(self, run: Run) -> Material:
        """Codec and clips of the run, the codec prepared; only clips to play are inspected."""
        known = self._materials.get(run.folder) if run.folder is not None else None
        material = known or self._open(_config(run.manifest))
        config = material.config
        key = (config.model, config.weights, config.card_dirs, config.channels, config.model_args)
        codec = self._codecs.setdefault((*key, id(config.instance)), material.codec)
        codec.prepare()
        return replace(material, codec=codec)

    def _open(self, config: RunConfig) -> Material:
        return open_material(config, open_clips(config, self._inspect))

    def _inspect(self, clip: Clip, longest_s: float) -> Clip:
        if clip.id not in self._wanted:
            return clip
        if clip not in self._inspected:
            self._inspected[clip] = audio.inspect(clip, longest_s)
        return self._inspected[clip]


@dataclass(frozen=True, slots=True)
class _Made:
    """One clip as one run heard and made it; both cut to what a page can play."""

    reference: Waveform
    estimate: Waveform
    total_s: float
    sha256: str
    transcript: str


class _Maker:
    """Makes the sound of one run's clips. Whatever stands in the way becomes a reason."""

    def __init__(self, run: Run, opener: _Opener) -> None:
        self.run = run
        self.problem = ""
        try:
            self._store = opener.store(run)
            self._material = opener.material(run)
        except Exception as error:  # noqa: BLE001 - whatever a codec raises becomes a reason
            self.problem = f"its codec or data cannot be opened here: {one_line(error)}"
            return
        self._clips = {clip.id: clip for clip in self._material.clips}

    def make(self, clip_id: str) -> _Made | str:
        """The clip's sound, or why there is none: "" where :attr:`problem` says it of all."""
        if self.problem:
            return ""
        if clip_id not in self.run.clips:
            return "the run has no such clip"
        try:
            return self._make(clip_id)
        except Exception as error:  # noqa: BLE001 - whatever a codec raises becomes a reason
            return one_line(error)

    def _make(self, clip_id: str) -> _Made:
        clip = self._clips.get(clip_id)
        if clip is None or clip.sha256 != self.run.clips[clip_id].digest:
            raise StoreError("the clip is no longer what the run was of")
        reference = self._material.read_reference(clip)
        estimate = self._estimate(clip)
        if reference.num_channels == 1:
            estimate = audio.to_mono(estimate)
        if not estimate.samples.size or not np.isfinite(estimate.samples).all():
            raise CodecError("the codec's output is empty or not finite")
        length_s, said = reference.duration_s, self._transcript(clip)
        return _Made(_head(reference), _head(estimate), length_s, clip.sha256, said)

    def _transcript(self, clip: Clip) -> str:
        """What is said in it, as long as that is what the run was of: it keeps only a digest."""
        known = self.run.manifest["clips"][clip.id].get("transcript")
        return clip.transcript if known == text_digest(clip.transcript) else ""

    def _estimate(self, clip: Clip) -> Waveform:
        material, key = self._material, self.run.manifest["clips"][clip.id]["key"]
        codec = material.codec
        if codec.source is not None:
            if material.key(clip).id != key:
                raise StoreError("the reconstruction is no longer the file that was scored")
            return codec.source.read(clip)
        if codec.fingerprint != self.run.codec_fingerprint:
            raise StoreError("the codec is no longer the one that made these codes")
        stored = self._store.get_codes(key)
        if stored is None or codec.coder is None:
            raise StoreError("the store holds no codes of this clip")
        return codec.coder.decode([stored.codes], [clip_seed(clip, material.config.seed)])[0]


def _report_clip(group: int, clip_id: str, makers: Sequence[_Maker]) -> ReportClip:
    tried = {maker.run.name: maker.make(clip_id) for maker in makers}
    made = {name: one for name, one in tried.items() if isinstance(one, _Made)}
    problems = {name: one for name, one in tried.items() if isinstance(one, str) and one}
    if not made:
        return ReportClip(clip_id, None, {}, 0.0, problems, group)
    # A stereo reference is the better one to listen to where any codec kept both channels.
    first = max(made.values(), key=lambda one: one.reference.num_channels)
    same = {name: one for name, one in made.items() if one.sha256 == first.sha256}
    for name in made.keys() - same.keys():
        problems[name] = "another recording has this name in its dataset"
    estimates = {name: one.estimate for name, one in same.items()}
    total_s, said = first.total_s, first.transcript
    return ReportClip(clip_id, first.reference, estimates, total_s, problems, group, said)


def _head(waveform: Waveform) -> Waveform:
    """As much as the longest excerpt needs, with some left over for the resampler."""
    end = round((EXCERPTS_S[0] + 1.0) * waveform.sample_rate)
    return Waveform(waveform.samples[:, :end].copy(), waveform.sample_rate)


def _config(manifest: Mapping[str, Any]) -> RunConfig:
    """The configuration that a manifest tells of."""
    known = {field.name for field in fields(RunConfig)}
    stored = manifest.get("config", {})
    values = {key: _thawed(key, value) for key, value in stored.items() if key in known}
    # The machine that shows a run need not have the device that made it.
    return RunConfig(**(values | {"show_progress": False, "device": "auto"}))


def _thawed(key: str, value: Any) -> Any:  # noqa: ANN401 - any field of RunConfig
    if key == "card_dirs":
        return tuple(map(Path, value))
    if isinstance(value, list):
        return tuple(value)
    return Path(value) if key in _PATHS and value is not None else value
