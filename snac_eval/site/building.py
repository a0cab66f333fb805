"""A site out of folders: runs are found and read, pages drawn, and the whole put in place at once.

The site is written beside its place and then moved there, so that a reader sees the old site or the
new one. What is there already is replaced only if it is a site of ours. The same runs give the same
bytes, whatever their order.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from snac_eval.errors import OutputError, SubmissionRefused, UsageError
from snac_eval.progress import say, track
from snac_eval.results.record import Run, read_run
from snac_eval.results.sheet import FILE_NAME as SHEET_FILE
from snac_eval.results.study import run_folders
from snac_eval.run.sealed import FILE_NAME as MANIFEST_FILE
from snac_eval.site import layout
from snac_eval.site.about import about_page
from snac_eval.site.boards import Board, clips_digest, make_boards, named
from snac_eval.site.codec_pages import codec_pages
from snac_eval.site.data import data_assets
from snac_eval.site.dataset_pages import dataset_pages
from snac_eval.site.leaderboard import leaderboard_pages
from snac_eval.site.pages import Asset, Page
from snac_eval.site.plots import Look
from snac_eval.site.records import record_assets
from snac_eval.site.sounds import Heard, has_audio, hear
from snac_eval.submissions.checking import check_submissions

MARKER = "snac-eval-site.json"
"""Says that a folder is a site of ours, which the next may replace."""


@dataclass(frozen=True, slots=True)
class Built:
    """What was written."""

    num_runs: int
    num_boards: int
    num_pages: int
    notes: tuple[str, ...]
    """What is not on the site, and why."""


def build_site(
    places: Sequence[Path],
    output: Path,
    repository: str = "",
    card_dirs: Sequence[Path] = (),
    sounds: Sequence[Path] = (),
    show_progress: bool = False,
) -> Built:
    """Write the site of the runs behind these folders: runs', studies', submissions', or folders of
    many of these. ``repository`` is the address where submissions go, where one is known;
    ``card_dirs`` are the user's own folders of cards. The runs behind ``sounds`` have no rows: they
    are heard where a run of the same codec on the same clips has no audio itself.

    Raises SubmissionRefused for a submission that does not hold, UsageError for a place without
    runs and where ``output`` is something else than a site of ours, StoreError for a run that is
    broken, OutputError where the site cannot be written.
    """
    check_output(output)
    folders = find_runs(places)
    check_submitted(folders)
    read = [read_run(folder) for folder in track(folders, "reading", " runs", show_progress)]
    benches = [run for run in read if run.manifest.get("kind") == "bench"]
    kept, again = _shown([run for run in read if run not in benches])
    notes = [*_without_row(benches, kept), *again]
    runs = named(kept)
    boards = list(make_boards(runs))
    say("decoding the clips that can be heard", show_progress)
    heard = hear(runs, [read_run(folder) for folder in find_runs(sounds)])
    num_pages = 0
    with _replacing(output) as place:
        for made in track(
            _made(runs, boards, heard, card_dirs, benches), "writing", " files", show_progress
        ):
            num_pages += isinstance(made, Page)
            _write(place, made, repository)
        _write(place, Asset.of_json(MARKER, _marker()), repository)
    return Built(len(runs), len(boards), num_pages, (*notes, *heard.notes))


def _without_row(benches: Sequence[Run], runs: Sequence[Run]) -> Iterator[str]:
    known = {run.codec for run in runs}
    for bench in benches:
        if bench.codec not in known:
            yield f"{bench.folder}: a bench of {bench.codec}, of which there is no run; left out"


def _made(
    runs: Sequence[Run],
    boards: Sequence[Board],
    heard: Heard,
    card_dirs: Sequence[Path],
    benches: Sequence[Run],
) -> Iterator[Page | Asset]:
    yield from leaderboard_pages(boards, Look.of(runs))
    yield from codec_pages(runs, boards, heard, card_dirs, benches)
    yield from dataset_pages(runs, boards, heard, card_dirs)
    yield about_page()
    yield from data_assets(boards)
    yield from record_assets(runs)


def find_runs(places: Iterable[Path]) -> list[Path]:
    """The folders of runs behind these, each once. Raises UsageError for a place without a run,
    StoreError for a broken study."""
    found: dict[Path, Path] = {}
    for folder in run_folders(places):
        if not (folder / MANIFEST_FILE).is_file():
            raise UsageError(f"{folder}: holds no run; give a folder that run or export wrote")
        found.setdefault(Path(os.path.realpath(folder)), folder)
    return list(found.values())


def check_submitted(folders: Iterable[Path]) -> None:
    """Raise SubmissionRefused if one of those that are submissions does not hold."""
    submitted = [folder for folder in folders if (folder / SHEET_FILE).is_file()]
    checked = check_submissions(submitted) if submitted else []
    refused = [one for one in checked if one.problems]
    if refused:
        more = f" (and {len(refused) - 1} more submissions)" if len(refused) > 1 else ""
        raise SubmissionRefused(
            f"{refused[0].folder}: refused: {refused[0].problems[0]}{more};"
            " snac-eval export --check lists every problem"
        )


def _shown(runs: Sequence[Run]) -> tuple[list[Run], list[str]]:
    """Those that a board can hold, each result once, and what is left out."""
    kept, notes = dict[str, Run](), list[str]()
    for run in runs:
        where = f"{run.folder}: {run.codec} on {run.dataset}"
        key = _result(run)
        if key not in kept:
            kept[key] = run
            continue
        notes.append(f"{where}: the same scores as in {kept[key].folder}; shown once")
        if has_audio(run) and not has_audio(kept[key]):
            kept[key] = run
    return list(kept.values()), notes


def _result(run: Run) -> str:
    """Digest of what a run found out, its speeds apart."""
    scores = {
        name: (str(result.info.fingerprint), sorted(result.values.items()))
        for name, result in run.metrics.items()
        if not result.info.speed
    }
    told = [run.codec, run.title, run.codec_fingerprint, run.dataset, clips_digest(run), scores]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def check_output(output: Path) -> None:
    """Raise UsageError unless the site may be written there: nothing is there, or a site of ours,
    or an empty folder."""
    if not os.path.lexists(output):
        return
    if not output.is_dir():
        raise UsageError(f"-o {output}: is no folder; name one for the site")
    if any(output.iterdir()) and not (output / MARKER).is_file():
        raise UsageError(
            f"-o {output}: holds something else than a site (no {MARKER}); name another folder"
        )


@contextmanager
def _replacing(output: Path) -> Iterator[Path]:
    """A fresh folder, which stands in ``output``'s place afterwards if nothing failed."""
    target = Path(os.path.realpath(output))
    fresh = target.with_name(f".{target.name}.{os.getpid()}.new")
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    try:
        fresh.mkdir(parents=True)
        yield fresh
        if target.exists():
            target.rename(old)
        try:
            fresh.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
    except OSError as error:
        raise OutputError(f"{output}: cannot be written: {error.strerror or error}") from error
    finally:
        for left in (fresh, old):
            shutil.rmtree(left, ignore_errors=True)


def _write(place: Path, made: Page | Asset, repository: str) -> None:
    path = place / made.address
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(made, Page):
        path.write_text(layout.render(made, repository), encoding="utf-8", newline="\n")
    else:
        path.write_bytes(made.content)


def _marker() -> dict[str, str]:
    return {"site": "snac-eval leaderboard", "snac_eval": version("snac-eval")}
