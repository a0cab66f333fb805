"""The sound of runs: their clips at full length, decoded again from the codes that they stored.

A run stores codes, not audio. A run that has just ended hands over its open codec; for any other
the codec is opened as the run's manifest says. What is made is checked to be what was scored: the
clip's audio, the codec's fingerprint, the file of a reconstruction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from snac_eval import audio
from snac_eval.codecs.abilities import OpenCodec
from snac_eval.errors import CodecError, StoreError, one_line
from snac_eval.results.record import Run
from snac_eval.run.config import RunConfig
from snac_eval.run.keys import text_digest
from snac_eval.run.plan import Material, clip_seed, open_clips, open_material
from snac_eval.run.store import Store
from snac_eval.types import Clip, Waveform

_PATHS = ("output", "data_root", "plan")


@dataclass(frozen=True, slots=True)
class Sound:
    """One clip as one run heard and made it."""

    reference: Waveform
    """At the clip's own rate; mono where the codec is."""
    estimate: Waveform
    """At the codec's rate, as long as the clip; mono where the reference is."""
    sha256: str
    """Of the clip."""
    transcript: str
    """What is said in it; empty where that is not known, or no longer what the run was of."""


@contextmanager
def open_sounds(
    runs: Sequence[Run],
    clip_ids: Collection[str],
    materials: Mapping[Path, Material] | None = None,
) -> Iterator[list[RunSounds]]:
    """What makes the sound of these runs, in their order, while this is open.

    No clip but those of ``clip_ids`` is looked at, and a codec of several runs is loaded once.
    ``materials`` are those of runs that have just ended, by their folders: their codecs are open
    already. A run that cannot be opened says so in :attr:`RunSounds.problem`.
    """
    with ExitStack() as stack:
        opener = _Opener(stack, clip_ids, materials or {})
        yield [RunSounds(run, opener) for run in runs]


class RunSounds:
    """Makes the sound of one run's clips."""

    def __init__(self, run: Run, opener: _Opener) -> None:
        self.run = run
        self.problem = ""
        """Why there is none of any clip; empty where the run could be opened."""
        try:
            self._store = opener.store(run)
            self._material = opener.material(run)
        except Exception as error:  # noqa: BLE001 - whatever a codec raises becomes a reason
            self.problem = f"its codec or data cannot be opened here: {one_line(error)}"
            return
        self._clips = {clip.id: clip for clip in self._material.clips}

    def make(self, clip_id: str) -> Sound:
        """The clip's sound. Raises SnacEvalError, or whatever the codec raises, where there is
        none, or where it is no longer what was scored."""
        if self.problem:
            raise StoreError(self.problem)
        if clip_id not in self.run.clips:
            raise StoreError("the run has no such clip")
        clip = self._clips.get(clip_id)
        if clip is None or clip.sha256 != self.run.clips[clip_id].digest:
            raise StoreError("the clip is no longer what the run was of")
        reference = self._material.read_reference(clip)
        estimate = self._estimate(clip)
        if reference.num_channels == 1:
            estimate = audio.to_mono(estimate)
        if not estimate.samples.size or not np.isfinite(estimate.samples).all():
            raise CodecError("the codec's output is empty or not finite")
        return Sound(reference, estimate, clip.sha256, self._transcript(clip))

    def _transcript(self, clip: Clip) -> str:
        """The run itself keeps only a digest of it."""
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


class _Opener:
    """Opens what runs were made of, and nothing twice."""

    def __init__(
        self, stack: ExitStack, clip_ids: Collection[str], materials: Mapping[Path, Material]
    ) -> None:
        self._stack, self._materials = stack, materials
        # An excerpt's id is its clip's, and where it begins.
        self._wanted = {*clip_ids, *(clip.rpartition("@")[0] for clip in clip_ids)}
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
