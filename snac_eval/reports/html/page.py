"""``report.html``: one self-contained page of one run, or of several of one or more datasets.

It opens from disk without a network and reads without scripts. Nothing in it may load or send
anything: a Content-Security-Policy allows the page's own script by its hash and data URIs, and
nothing else. Everything that comes from cards, clips and paths is escaped by the template engine.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snac_eval.errors import UsageError
from snac_eval.reports.agreed import shipped
from snac_eval.reports.grid import Grid
from snac_eval.reports.html import tables
from snac_eval.reports.html.data import most_clips, page_data
from snac_eval.reports.html.drawings import draw
from snac_eval.reports.html.facts import facts, group_notes, left_out, manifest_json
from snac_eval.reports.html.groups import (
    Group,
    Shown,
    by_dataset,
    clip_metrics,
    main_metric,
    show,
)
from snac_eval.reports.html.playback import play
from snac_eval.reports.html.render import drawn_by, render
from snac_eval.reports.html.sound import (
    DIFFERENCE_RANGE_DB,
    SPECTROGRAM_RANGE_DB,
    PlayableClip,
    ReportClip,
    fit,
)
from snac_eval.results.families import named_by_title
from snac_eval.results.pairing import shared
from snac_eval.results.ranking import Contest, contest, mark, quality_metrics, worst_clips
from snac_eval.results.record import Run, RunClip
from snac_eval.results.stats import MIN_UNITS
from snac_eval.writing import write_text

if TYPE_CHECKING:
    from snac_eval.run.plan import Material

FILE_NAME = "report.html"
MAX_BYTES = 15_000_000
DEFAULT_CLIPS = 20
_TITLED = 4
# Enough to find the digest, which stands in the page's head.
_HEAD_BYTES = 4096
_DIGEST = re.compile(r'<meta name="snac-eval-record" content="([0-9a-f]{64})">')
_MOMENTS = {"argv", "started", "finished", "num_clips_computed_now"}


@dataclass(frozen=True, slots=True)
class ShownClip:
    """A clip as the template shows it: ``names`` are its versions' letters, names and colours."""

    clip: PlayableClip
    anchor: str
    facts: RunClip
    names: Sequence[tuple[str, str, int]]
    scores: Grid


def page_path(folders: Sequence[Path]) -> Path:
    """Where the page goes unless told: beside the run; of several runs, into this folder."""
    return folders[0] / FILE_NAME if len(folders) == 1 else Path(FILE_NAME)


def write_page(
    runs: Sequence[Run],
    path: Path,
    num_clips: int = DEFAULT_CLIPS,
    material: Material | Sequence[Material | None] | None = None,
) -> None:
    """Write the page of one run, or of several, grouped by dataset.

    ``num_clips`` is how many of the worst clips can be played, of each dataset equally many;
    ``material`` is that of the only run, or of each of several, where they have just ended. Raises
    UsageError without runs or for a negative number, OutputError where the page cannot be written.
    """
    if not runs:
        raise UsageError("no runs given; name at least one run folder")
    if num_clips < 0:
        raise UsageError(f"--report-clips {num_clips}: must be at least 0")
    own = named_by_title(runs)
    digest = _page_digest(own, num_clips)
    shown = show(own)
    clips, notes = _play(by_dataset(shown), num_clips, _materials(runs, material))
    write_text(path, page(shown, clips, notes, digest))


def shows(path: Path, runs: Sequence[Run], num_clips: int) -> bool:
    """Whether the page there is of these very runs: writing it again would change nothing."""
    return _digest_of(path) == _page_digest(named_by_title(runs), num_clips)


def page(
    shown: Sequence[Shown],
    clips: Sequence[ReportClip] = (),
    notes: Sequence[str] = (),
    digest: str = "",
) -> str:
    """The page's HTML, at most :data:`MAX_BYTES` long unless its tables alone are longer."""
    groups = by_dataset(shown)
    context = _context(groups, shown, notes) | {"digest": digest, "clip_notes": []}
    bare = len(render(context | {"clips": [[] for _ in groups]}).encode())
    markup = (4_000 + 5_000 * max(len(group.shown) for group in groups)) * (len(clips) + 1)
    playable = fit(clips, MAX_BYTES - bare - markup)
    context["clip_notes"] = list(_clip_notes(clips, playable))
    return render(context | {"clips": _playing(groups, playable)})


def _context(
    groups: Sequence[Group], shown: Sequence[Shown], notes: Sequence[str]
) -> dict[str, Any]:
    """Everything but what can be played."""
    runs = [one.run for one in shown]
    main, contests = main_metric(runs), _contests(groups)
    num_tests = mark([one for found, _ in contests for one in found])
    codecs = list({one.letter: one for one in shown}.values())
    return {
        "title": _title([one.run.name for one in codecs]),
        "codecs": codecs,
        "runs": shown,
        "notes": notes,
        "main": main,
        "datasets": [
            _dataset(group, main, *found, num_tests)
            for group, found in zip(groups, contests, strict=True)
        ],
        "facts": [(one, facts(one.run), manifest_json(one.run)) for one in shown],
        "listed": list(_listed(groups)),
        "data": page_data(groups, main),
        "min_units": MIN_UNITS,
        "level_db": SPECTROGRAM_RANGE_DB,
        "difference_db": DIFFERENCE_RANGE_DB,
    }


def _listed(groups: Sequence[Group]) -> Iterable[str]:
    most = most_clips(groups)
    for group in groups:
        if group.num_clips > most:
            yield (
                f"{group.dataset}: the worst {most} of {group.num_clips} clips; what is picked of"
                " them is picked of these, and scores.parquet has them all."
            )


def _title(names: Sequence[str]) -> str:
    return " · ".join(names) if len(names) <= _TITLED else f"{len(names)} codecs"


def _contests(groups: Sequence[Group]) -> list[tuple[list[Contest], list[str]]]:
    """For each dataset the metrics by which its runs can be compared, and what cannot be."""
    found = []
    for group in groups:
        names = clip_metrics(group.runs) if len(group.runs) > 1 else []
        tried = {name: contest(group.runs, name) for name in names}
        problems = {name: _problem(group, one) for name, one in tried.items()}
        usable = [one for name, one in tried.items() if not problems[name]]
        found.append((usable, list(left_out(problems))))
    return found


def _problem(group: Group, one: Contest) -> str:
    """Why the runs of the dataset cannot be compared by this metric; empty where they can."""
    if one.runs and one.problem:
        return one.problem
    whole = len(one.runs) == len(group.runs)
    return "" if whole else shared(group.runs, one.info.name).problem


def _dataset(
    group: Group, main: str, contests: Sequence[Contest], problems: Sequence[str], num_tests: int
) -> dict[str, Any]:
    """What the page shows of one dataset."""
    shown, several = group.shown, len(group.runs) > 1
    compared = tables.comparison_table(shown, contests, num_tests) if several else None
    broken = [tables.breakdown_table(shown, by) for by in ("domain", "speaker")]
    return {
        "group": group,
        "notes": group_notes(group),
        "comparison": compared,
        "folded": tables.folded_columns(group.runs),
        "problems": problems,
        "drawings": draw(group, main),
        "summary": _told(tables.summary_table(shown), shown),
        "breakdowns": [_told(table, shown) for table in broken if table is not None],
        "streams": _told(tables.stream_table(shown), shown),
        "failures": _told(tables.failure_table(shown), shown),
        "ranked_by": quality_metrics(group.runs),
    }


def _told(table: Grid | None, shown: Sequence[Shown]) -> Grid | None:
    """The table; of one run, without the column that says which."""
    return table.without("codec") if table is not None and len(shown) == 1 else table


def _playing(groups: Sequence[Group], playable: Sequence[PlayableClip]) -> list[list[ShownClip]]:
    """The clips that can be played, by dataset."""
    clips: list[list[ShownClip]] = [[] for _ in groups]
    for clip in playable:
        group, of = groups[clip.group], clips[clip.group]
        of.append(shown_clip(group, clip, f"{group.key}-clip{len(of)}"))
    return clips


def shown_clip(group: Group, clip: PlayableClip, anchor: str) -> ShownClip:
    """A clip of this dataset, as templates show it under this id."""
    letters = {one.run.name: (one.letter, one.run.name, one.colour) for one in group.shown}
    letters[""] = ("A", "reference", -1)
    names = [letters[version.label] for version in clip.versions]
    facts = next((run.clips[clip.clip_id] for run in group.runs if clip.clip_id in run.clips), None)
    scores = tables.score_table(group.shown, clip.clip_id)
    return ShownClip(clip, anchor, facts or RunClip(""), names, scores)


def _clip_notes(clips: Sequence[ReportClip], shown: Sequence[PlayableClip]) -> Iterable[str]:
    if left := len(clips) - len(shown):
        yield (
            f"{left} more clips were left out to keep this file below {MAX_BYTES / 1e6:.0f} MB;"
            " a smaller --report-clips leaves longer excerpts"
        )
    if any(clip.length_s < clip.total_s - 0.01 for clip in shown):
        seconds = max(clip.length_s for clip in shown)
        yield (
            f"The players have the first {seconds:g} s of longer clips; the scores are of the whole"
            " clip."
        )


def _play(
    groups: Sequence[Group], num_clips: int, materials: Mapping[Path, Material]
) -> tuple[list[ReportClip], list[str]]:
    """The worst clips of each dataset, in turn, and why runs have nothing to play."""
    share = -(-num_clips // len(groups))
    wanted = {group.index: worst_clips(group.runs)[:share] for group in groups}
    runs = {group.index: group.runs for group in groups}
    found, notes = play(runs, wanted, materials)
    turns = chain.from_iterable(zip_longest(*found.values()))
    return [clip for clip in turns if clip is not None][:num_clips], notes


def _materials(
    runs: Sequence[Run], material: Material | Sequence[Material | None] | None
) -> dict[Path, Material]:
    given = material if isinstance(material, Sequence) else [material]
    found = zip(runs, given, strict=False)
    return {run.folder: one for run, one in found if run.folder is not None and one is not None}


def _page_digest(runs: Sequence[Run], num_clips: int) -> str:
    """Identity of what a page shows: the runs' records, and how it is drawn."""
    from pandas.util import hash_pandas_object

    said = hashlib.sha256(f"{version('snac-eval')} {num_clips}".encode())
    said.update(drawn_by().encode())
    said.update(repr(shipped()).encode())  # what stands beside the names of metrics
    for run in runs:
        # What changes when the same run is merely asked for again is not part of it.
        kept = {key: one for key, one in run.manifest.items() if key not in _MOMENTS}
        said.update(json.dumps([run.name, kept], sort_keys=True).encode())
        if "files" not in kept:  # else the digest of the rows is among what is kept
            said.update(hash_pandas_object(run.rows, index=False).to_numpy().tobytes())
    return said.hexdigest()


def _digest_of(path: Path) -> str:
    """What :func:`_page_digest` was when this page was written; empty where there is no page."""
    if not path.is_file():
        return ""
    with path.open(encoding="utf-8", errors="replace") as file:
        found = _DIGEST.search(file.read(_HEAD_BYTES))
    return found[1] if found else ""
