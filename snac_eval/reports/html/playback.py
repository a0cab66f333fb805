"""``report.html`` of run folders: their numbers from disk, their sound from the stored codes.

A run stores codes, not audio. What the page plays is decoded again by the run's own codec, opened
as the run's manifest says; where that cannot be done here, the page says why and stays silent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from snac_eval import audio
from snac_eval.errors import CodecError, SnacEvalError, StoreError, UsageError
from snac_eval.reports.html.page import clips_worth_hearing, make_runs, write_html
from snac_eval.reports.html.sound import EXCERPTS_S, ReportClip
from snac_eval.reports.html.tables import ReportRun
from snac_eval.results.frames import load_frames
from snac_eval.run.plan import Plan, RunConfig, clip_seed, make_plan
from snac_eval.run.store import Store
from snac_eval.types import Clip, Waveform

FILE_NAME = "report.html"
DEFAULT_CLIPS = 20


def write_report(
    run_dirs: Sequence[Path], output: Path | None = None, num_clips: int = DEFAULT_CLIPS
) -> Path:
    """Write the page of one run, or of several side by side, and return its path.

    ``output`` None: ``report.html``, in the run's folder or, for several, in the current one.
    ``num_clips`` is how many of the worst clips can be played. Raises UsageError without runs or
    for a negative number, StoreError for a folder that holds no run, OutputError where the page
    cannot be written.
    """
    if not run_dirs:
        raise UsageError("no runs given; name at least one run folder")
    if num_clips < 0:
        raise UsageError(f"--report-clips {num_clips}: must be at least 0")
    path = output or (run_dirs[0] / FILE_NAME if len(run_dirs) == 1 else Path(FILE_NAME))
    with ExitStack() as stack:
        stores = [stack.enter_context(Store.open_run(run_dir)) for run_dir in run_dirs]
        manifests = [_manifest(run_dir) for run_dir in run_dirs]
        frames = [load_frames(store) for store in stores]
        names = [run_dir.resolve().name for run_dir in run_dirs]
        runs = make_runs(list(zip(names, frames, manifests, strict=True)))
        chosen = clips_worth_hearing(runs, num_clips)
        makers = [_Maker(run, store, chosen) for run, store in zip(runs, stores, strict=True)]
        notes = [f"Nothing to play of {one.label}: {one.problem}" for one in makers if one.problem]
        write_html(path, runs, list(_report_clips(makers, chosen)), notes)
    return path


def _manifest(run_dir: Path) -> dict[str, Any]:
    """The run's manifest; empty where it is missing or damaged, which the page then says."""
    try:
        manifest = json.loads((run_dir / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


@dataclass(frozen=True, slots=True)
class _Made:
    """One clip as one run heard and made it; both cut to what a page can play."""

    reference: Waveform
    estimate: Waveform
    total_s: float
    sha256: str


class _Maker:
    """Makes the sound of one run's clips. Whatever stands in the way is a reason, not an end."""

    def __init__(self, run: ReportRun, store: Store, chosen: Sequence[str]) -> None:
        self.label = run.label
        self._store = store
        snapshot = store.snapshot() or {}
        self._keys = {clip["id"]: str(clip["key"]) for clip in snapshot.get("clips", ())}
        self._plan: Plan | None = None
        self._clips: dict[str, Clip] = {}
        self.problem = ""
        if chosen:
            self._open(run.manifest)

    def _open(self, manifest: Mapping[str, Any]) -> None:
        try:
            plan = make_plan(_config(manifest))
            plan.codec.prepare()
        except Exception as error:  # noqa: BLE001 - whatever a codec raises becomes a reason
            self.problem = f"its codec or data cannot be opened here: {_reason(error)}"
            return
        self._plan = plan
        self._clips = {clip.id: clip for clip in plan.clips}

    def make(self, clip_id: str) -> _Made | str:
        """The clip's sound, or why there is none: "" where :attr:`problem` says it of all."""
        if self._plan is None:
            return ""
        if clip_id not in self._keys:
            return "the run has no such clip"
        try:
            return self._make(self._plan, clip_id, self._keys[clip_id])
        except Exception as error:  # noqa: BLE001 - whatever a codec raises becomes a reason
            return _reason(error)

    def _make(self, plan: Plan, clip_id: str, key: str) -> _Made:
        clip = self._clips.get(clip_id)
        kept = self._store.keys([key]).get(key)
        if clip is None or kept is None or clip.sha256 != kept.clip:
            raise StoreError("the clip is no longer what the run was of")
        reference = audio.read_clip(clip, plan.config.max_duration_s)
        if plan.codec.card.channels == 1:
            reference = audio.to_mono(reference)
        estimate = _estimate(plan, self._store, clip, key)
        if reference.num_channels == 1:
            estimate = audio.to_mono(estimate)
        if not estimate.samples.size or not np.isfinite(estimate.samples).all():
            raise CodecError("the codec's output is empty or not finite")
        return _Made(_head(reference), _head(estimate), reference.duration_s, clip.sha256)


def _estimate(plan: Plan, store: Store, clip: Clip, key: str) -> Waveform:
    if plan.codec.source is not None:
        if plan.key(clip).id != key:
            raise StoreError("the reconstruction is no longer the file that was scored")
        return plan.codec.source.read(clip)
    stored = store.get_codes(key)
    if stored is None:
        raise StoreError("the store holds no codes of this clip")
    if store.keys([key])[key].codec != plan.codec.fingerprint or plan.codec.coder is None:
        raise StoreError("the codec is no longer the one that made these codes")
    return plan.codec.coder.decode([stored.codes], [clip_seed(clip, plan.config.seed)])[0]


def _report_clips(makers: Sequence[_Maker], chosen: Sequence[str]) -> Iterator[ReportClip]:
    for clip_id in chosen:
        tried = {maker.label: maker.make(clip_id) for maker in makers}
        made = {label: one for label, one in tried.items() if isinstance(one, _Made)}
        problems = {label: one for label, one in tried.items() if isinstance(one, str) and one}
        if not made:
            yield ReportClip(clip_id, None, {}, 0.0, problems)
            continue
        # A stereo reference is the better one to listen to where any codec kept both channels.
        first = max(made.values(), key=lambda one: one.reference.num_channels)
        for label, one in list(made.items()):
            if one.sha256 != first.sha256:
                problems[label] = "another recording has this name in its dataset"
                del made[label]
        estimates = {label: one.estimate for label, one in made.items()}
        yield ReportClip(clip_id, first.reference, estimates, first.total_s, problems)


def _head(waveform: Waveform) -> Waveform:
    """As much as the longest excerpt needs, with some left over for the resampler."""
    end = round((EXCERPTS_S[0] + 1.0) * waveform.sample_rate)
    return Waveform(waveform.samples[:, :end].copy(), waveform.sample_rate)


_PATHS = ("output", "data_root")


def _config(manifest: Mapping[str, Any]) -> RunConfig:
    """The configuration that a manifest tells of."""
    stored = manifest.get("config")
    if not isinstance(stored, Mapping):
        raise StoreError("manifest.json is missing, damaged or from another version")
    known = {field.name for field in fields(RunConfig)}
    values = {key: _thawed(key, value) for key, value in stored.items() if key in known}
    # The machine that shows a run need not have the device that made it.
    return RunConfig(**(values | {"show_progress": False, "device": "auto"}))


def _thawed(key: str, value: Any) -> Any:  # noqa: ANN401 - any field of RunConfig
    if key == "card_dirs":
        return tuple(map(Path, value))
    if isinstance(value, list):
        return tuple(value)
    return Path(value) if key in _PATHS and value is not None else value


def _reason(error: Exception) -> str:
    if isinstance(error, SnacEvalError):
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
