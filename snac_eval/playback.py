"""``report.html`` with audio: chosen clips of runs, decoded again from the stored codes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from snac_eval.errors import SnacEvalError, StoreError
from snac_eval.plan import Plan, RunConfig, clip_seed, make_plan
from snac_eval.reports.frames import load_frames
from snac_eval.reports.html import clips_worth_hearing, make_runs, write_html
from snac_eval.reports.sound import LONGEST_S, ReportClip
from snac_eval.store import Store
from snac_eval.types import Clip, ReconstructionSource, Waveform

FILE_NAME = "report.html"


def write_html_report(
    run_dirs: Sequence[Path], num_clips: int, output: Path | None = None, plan: Plan | None = None
) -> Path:
    """Write the page of one run, or of several side by side, and return where it is.

    Args:
        run_dirs: folders of runs; their ``store.sqlite`` and ``manifest.json`` are read.
        num_clips: how many clips, worst first, can be heard.
        output: file to write; None: ``report.html`` in the first folder.
        plan: the plan of the run where there is just one and it was made a moment ago.

    Raises:
        StoreError: for a folder that holds no run. A codec or a clip that cannot be had here is no
            error: the page then says why there is nothing to hear.
    """
    manifests = [_manifest(folder) for folder in run_dirs]
    named = []
    for folder, manifest in zip(run_dirs, manifests, strict=True):
        with Store.open_run(folder) as store:
            named.append((folder.resolve().name, load_frames(store), manifest))
    runs = make_runs(named)
    sources, notes = [], []
    for run, folder, manifest in zip(runs, run_dirs, manifests, strict=True):
        try:
            sources.append(_Source(run.label, folder, plan or _plan_again(manifest, folder)))
        except SnacEvalError as error:
            notes.append(f"{run.label}: nothing to hear, {error}")
    clips, missing = _audible(clips_worth_hearing(runs, num_clips), sources)
    path = output or run_dirs[0] / FILE_NAME
    write_html(path, runs, clips, notes + missing)
    return path


class _Source:
    """Where one run's reconstructions come from."""

    def __init__(self, label: str, folder: Path, plan: Plan) -> None:
        self.label = label
        self._folder = folder
        self._plan = plan
        self._clips = {clip.id: clip for clip in plan.clips}
        self._prepared = False

    def clip(self, clip_id: str) -> Clip | None:
        """The clip of that id, where this run has it."""
        return self._clips.get(clip_id)

    def reference(self, clip: Clip) -> Waveform:
        """The beginning of what the run scored against."""
        return _beginning(self._plan.read(clip)[0])

    def estimate(self, clip: Clip) -> Waveform:
        """The beginning of what the run scored."""
        codec = self._plan.codec
        if isinstance(codec, ReconstructionSource):
            return _beginning(codec.read(clip))
        with Store.open_run(self._folder) as store:
            stored = store.get_codes(self._plan.key(clip))
        if stored is None:
            raise StoreError(
                "the run holds no codes of this clip; clip, codec or weights have changed since"
            )
        if not self._prepared:
            codec.prepare()
            self._prepared = True
        (estimate,) = codec.decode([stored.codes], [clip_seed(clip, self._plan.config.seed)])
        return _beginning(estimate)


def _beginning(waveform: Waveform) -> Waveform:
    length = round(LONGEST_S * waveform.sample_rate)
    return replace(waveform, samples=waveform.samples[:, :length])


def _audible(
    chosen: Sequence[str], sources: Sequence[_Source]
) -> tuple[list[ReportClip], list[str]]:
    """The clips that can be heard, and why others cannot."""
    clips, missing = [], []
    for clip_id in chosen:
        having = [(source, clip) for source in sources if (clip := source.clip(clip_id))]
        if not having:
            continue
        source, clip = having[0]
        try:
            reference = source.reference(clip)
        except SnacEvalError as error:
            missing.append(f"nothing to hear of {clip_id}: {error}")
            continue
        estimates, problems = _estimates(having)
        clips.append(ReportClip(clip_id, clip.duration_s, reference, estimates, problems))
    return clips, missing


def _estimates(
    having: Sequence[tuple[_Source, Clip]],
) -> tuple[dict[str, Waveform], dict[str, str]]:
    estimates, problems = {}, {}
    for source, clip in having:
        try:
            estimates[source.label] = source.estimate(clip)
        except Exception as error:  # noqa: BLE001 - whatever a codec raises is shown in its place
            problems[source.label] = " ".join(str(error).split()) or type(error).__name__
    return estimates, problems


def _manifest(folder: Path) -> dict[str, Any]:
    """What the manifest says; nothing where it is missing or damaged, which the page tells."""
    try:
        content = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _plan_again(manifest: Mapping[str, Any], folder: Path) -> Plan:
    """The plan behind a manifest, with codec and data opened anew."""
    config = dict(manifest.get("config") or {})
    if not config:
        raise StoreError(f"{folder}: its manifest does not say how it was made")
    known = {field.name for field in fields(RunConfig)}
    config = {name: value for name, value in config.items() if name in known}
    config |= {
        "output": folder,
        "data_root": Path(config["data_root"]) if config.get("data_root") else None,
        "card_dirs": tuple(map(Path, config.get("card_dirs") or ())),
        "metrics": tuple(config.get("metrics") or ()),
        "show_progress": False,
        "device": manifest.get("codec", {}).get("device", "cpu"),
    }
    return make_plan(RunConfig(**config))
