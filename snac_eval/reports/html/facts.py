"""What a page says of its runs in words: notes for readers of the numbers, and the manifests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from snac_eval.reports.html.groups import Group
from snac_eval.reports.text import lost_lines
from snac_eval.results.pairing import lost_by_metric
from snac_eval.results.record import Run, first_info, metric_names


def per_clip(runs: Sequence[Run]) -> list[str]:
    """Metrics with a score per clip."""
    return [name for name in metric_names(*runs) if first_info(runs, name).kind != "corpus"]


def group_notes(group: Group) -> list[str]:
    """What a reader must know of a dataset's numbers, what runs lost before all else."""
    lost = lost_lines(lost_by_metric(group.runs, per_clip(group.runs)))
    return [*(f"Clips were lost. {one}" for one in lost), *_run_notes(group.runs)]


def _run_notes(runs: Sequence[Run]) -> Iterable[str]:
    """Each note once, after the names of all runs that it is of."""
    names: dict[str, list[str]] = {}
    for run in runs:
        unfinished = [run.unfinished] if run.unfinished else []
        for note in (*run.manifest.get("notes", ()), *unfinished, *run.caveats()):
            names.setdefault(note, []).append(run.name)
    for note, found in names.items():
        every = len(runs) > 1 and len(set(found)) == len(runs)
        yield f"{'Every codec' if every else '; '.join(dict.fromkeys(found))}: {note}"
    if len({json.dumps(run.manifest.get("hardware"), sort_keys=True) for run in runs}) > 1:
        yield "The runs were made on different machines: their speeds do not compare."


def left_out(problems: Mapping[str, str]) -> Iterable[str]:
    """A line per reason, with the metrics that share it."""
    for problem in dict.fromkeys(filter(None, problems.values())):
        names = [name for name, one in problems.items() if one == problem]
        which = "Nothing can be compared" if len(names) == len(problems) else ", ".join(names)
        yield f"{which}: {problem}"


def facts(run: Run) -> list[tuple[str, str]]:
    """What a reader asks first of a manifest."""
    manifest = run.manifest
    codec, dataset = manifest["codec"], manifest["dataset"]
    card, data_card = codec.get("card", {}), dataset.get("card", {})
    hardware, config = manifest["hardware"], manifest.get("config", {})
    found = {
        "command": " ".join(["snac-eval", *map(str, manifest.get("argv", ()))]),
        "model": run.codec,
        "codec": card.get("description"),
        "codec licence": card.get("licence"),
        "codec citation": card.get("citation"),
        "dataset": run.dataset,
        "dataset licence": data_card.get("licence"),
        "dataset citation": data_card.get("citation"),
        "seed": config.get("seed"),
        "machine": ", ".join(str(hardware[key]) for key in ("gpu", "cpu") if hardware.get(key)),
        "device": codec.get("device"),
        "snac-eval": f"{manifest['snac_eval']} {manifest.get('commit', '')}".strip(),
        "finished": manifest.get("finished"),
    }
    return [(key, str(value)) for key, value in found.items() if value not in (None, "")]


def manifest_json(run: Run, most_clips: int = 50) -> str:
    """The run's manifest; of many clips the first, for ``manifest.json`` has them all."""
    shown = dict(run.manifest)
    clips = shown.get("clips", {})
    if len(clips) > most_clips:
        left = len(clips) - most_clips
        shown["clips"] = dict(list(clips.items())[:most_clips])
        shown["clips"]["…"] = f"{left} more in manifest.json"
    return json.dumps(shown, indent=2, ensure_ascii=False)
