"""``NAME[:SPLIT]`` for the published corpora: one loader, told by the card how each is laid out.

:mod:`snac_eval.datasets._corpus_options` explains a card's ``[options]``. A corpus is looked for
below ``--data-root`` (``ROOT/NAME``, then ``ROOT`` itself), then in the cache, else downloaded.
``SNAC_EVAL_<CARD>_URL`` names a mirror: a folder that holds the archives.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from glob import glob
from pathlib import Path, PurePosixPath

from snac_eval.audio import clip_list_digest, make_clip
from snac_eval.datasets._corpus_options import UNVERIFIED, Archive, Options, is_inside
from snac_eval.download import archive_name, cache_dir, fetch, only_one, unpack
from snac_eval.errors import DatasetError, UsageError
from snac_eval.registry.validation import read_options
from snac_eval.types import Clip, Dataset, DatasetCard, DatasetRequest

_HERE = PurePosixPath(".")


def load(request: DatasetRequest) -> Dataset:
    """Clips of one split (or of the whole corpus), sorted by id, with what the card knows of them.

    Raises UsageError for an unknown split, DatasetError where it is empty or must be fetched by
    hand, DownloadError where it cannot be had, CardError where the card's options make no sense.
    """
    corpus = _Corpus.of(request)
    base = _find(corpus) or _download(corpus)
    if base == corpus.cached:
        _clear_leftovers(corpus)
    matches = sorted(_matches(corpus, base), key=lambda match: _id(match[0], match[1]))
    if not matches:
        raise DatasetError(
            f"{base}: holds no {corpus.fill(corpus.options.glob)} of {corpus.name};"
            " is this that corpus?"
        )
    transcripts = _transcripts(corpus, base)
    root = base / corpus.fill(corpus.archives[0].to)
    clips = tuple(_clip(corpus, root, path, groups, transcripts) for path, groups in matches)
    clips, notes = _only_listed(corpus, base, clips)
    return Dataset(corpus.name, request.card, clips, (*notes, *_notes(corpus, base, clips)))


def state(card: DatasetCard) -> str:
    """What ``snac-eval list`` shows of it: whether the default split is in the cache."""
    corpus = _Corpus.of(DatasetRequest(card))
    if _find(corpus) is not None:
        return ""
    by_hand = not all(archive.url for archive in corpus.archives)
    return "needs local folder (--data-root)" if by_hand else "needs download"


def remedy(card: DatasetCard) -> tuple[str, ...]:
    """Ways to get its default split where it is not in the cache."""
    corpus = _Corpus.of(DatasetRequest(card))
    if not state(card):
        return ()
    if not all(archive.url for archive in corpus.archives):
        return (corpus.options.manual,)
    urls = " ".join(f"-O {corpus.fill(archive.url)}" for archive in corpus.archives)
    return (
        f"snac-eval run --model pcm_16bit --dataset {corpus.name} --plan-only --output DIR",
        f"curl -L {urls}, unpacked into a folder that --data-root names",
        f"SNAC_EVAL_CACHE=DIR, a cache that holds it, or {_mirror_variable(card)}=URL, a mirror",
    )


def _mirror_variable(card: DatasetCard) -> str:
    return f"SNAC_EVAL_{card.name.upper()}_URL"


@dataclass(frozen=True)
class _Corpus:
    """A card's options, with the split that was asked for."""

    request: DatasetRequest
    options: Options

    @classmethod
    def of(cls, request: DatasetRequest) -> _Corpus:
        """Raises CardError where the card's options make no sense."""
        return cls(request, read_options(request.card, Options))

    @cached_property
    def split(self) -> str:
        """What was asked for, else the default. Raises UsageError where there is no such split."""
        name, known = self.request.card.name, self.options.splits
        split = self.request.argument or self.options.default_split
        if split and (Path(split).name != split or not is_inside(split)):
            example = f"; use e.g. {known[0]}" if known else ""
            raise UsageError(f"{name} split '{split}' is no folder's name{example}")
        if split and split not in known and not self.options.split_is_folder:
            raise UsageError(f"{name} has no split '{split}'; {self.official}")
        return split

    @property
    def official(self) -> str:
        known = ", ".join(self.options.splits)
        return f"official splits: {known}" if known else "it has no splits: leave it out"

    @property
    def archives(self) -> list[Archive]:
        """Those that this split needs."""
        return [one for one in self.options.archives if self.split or not one.only_with_split]

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.request.card.name + (f":{self.split}" if self.split else "")

    @property
    def cached(self) -> Path:
        """Where the cache has it, or would."""
        return cache_dir() / self.options.roots[0]

    def fill(self, text: str) -> str:
        """``{split}`` filled in; any split where none was asked for."""
        return text.replace("{split}", self.split or "*")

    def markers(self) -> list[str]:
        return [self.fill(one.marker or one.to) for one in self.archives]

    def checksum(self, archive: Archive) -> str | None:
        """None where none is published."""
        known = archive.checksum
        found = known if isinstance(known, str) else known.get(self.split, UNVERIFIED)
        return None if found == UNVERIFIED else found

    @property
    def key(self) -> str:
        """What tables by split call this split."""
        return self.split or "all"


# Where it is, or how it gets here.


def _find(corpus: _Corpus) -> Path | None:
    markers = corpus.markers()
    for place in _places(corpus):
        if all(_has(place, marker) for marker in markers):
            return place
    return None


def _has(place: Path, marker: str) -> bool:
    """Whether something of that name or pattern is in the place; a dot: the place itself."""
    return place.is_dir() if PurePosixPath(marker) == _HERE else any(place.glob(marker))


def _places(corpus: _Corpus) -> list[Path]:
    places = [corpus.cached]
    given = corpus.request.data_root
    if given is None:
        return places
    if not given.is_dir():
        raise DatasetError(
            f"{given}: no such folder; correct --data-root, or leave it out to download"
        )
    roots = corpus.options.roots
    unpacked_twice = [given / root / root for root in roots]
    return [*(given / root for root in roots), given, *unpacked_twice, *places]


def _download(corpus: _Corpus) -> Path:
    card, split = corpus.request.card, corpus.split
    if split and split not in corpus.options.splits:
        places = ", ".join(str(place / split) for place in _places(corpus))
        raise UsageError(
            f"{card.name} has no split '{split}': not found in {places}; {corpus.official}"
        )
    base = corpus.cached
    for archive, marker in zip(corpus.archives, corpus.markers(), strict=True):
        if not archive.url:
            raise DatasetError(_by_hand(corpus, marker))
        url = _mirrored(corpus, corpus.fill(archive.url))
        with only_one(f"{card.name}-{archive_name(url)}"):
            if not _has(base, marker):  # another process may just have finished it
                _fetch_and_unpack(corpus, archive, url, base)
    return base


def _fetch_and_unpack(corpus: _Corpus, archive: Archive, url: str, base: Path) -> None:
    request = corpus.request
    place = f"{corpus.options.roots[0]}/{corpus.fill(archive.to)}"
    file = fetch(
        url,
        corpus.checksum(archive),
        cache_dir() / "downloads" / request.card.name,
        request.show_progress,
        ways_out=f"give a folder that holds {place.removesuffix('/.')} with --data-root",
    )
    unpack(file, base / corpus.fill(archive.to), corpus.fill(archive.unpacks))
    file.unlink(missing_ok=True)


def _clear_leftovers(corpus: _Corpus) -> None:
    """Remove archives that a process, killed after it had unpacked them, has left behind."""
    folder = cache_dir() / "downloads" / corpus.request.card.name
    for archive in corpus.archives if folder.is_dir() else ():
        (folder / archive_name(corpus.fill(archive.url))).unlink(missing_ok=True)


def _by_hand(corpus: _Corpus, marker: str) -> str:
    card = corpus.request.card
    places = ", ".join(str(place / marker) for place in _places(corpus))
    return f"{card.name} is not here ({places}): {corpus.options.manual}; see {card.url}"


def _mirrored(corpus: _Corpus, url: str) -> str:
    mirror = os.environ.get(_mirror_variable(corpus.request.card))
    return f"{mirror.rstrip('/')}/{archive_name(url)}" if mirror else url


# Which clips, and what is known of each.

_Groups = dict[str, str]


def _matches(corpus: _Corpus, base: Path) -> Iterator[tuple[Path, _Groups]]:
    split_of = _split_table(corpus, base)
    for path in _visible(base, corpus.fill(corpus.options.glob)):
        found = corpus.options.pattern.fullmatch(path.relative_to(base).as_posix())
        if found is None:
            continue
        groups = {key: value or "" for key, value in found.groupdict().items()}
        split = split_of.get(_id(path, groups), "") if split_of else groups.get("split", "")
        if not corpus.split or split == corpus.split:
            yield path, groups


def _visible(base: Path, pattern: str) -> list[Path]:
    """What a pattern finds below a folder, linked folders included, hidden files left out.

    A file that a loop of links shows again and again is found once.
    """
    found = [base / name for name in sorted(glob(pattern, root_dir=base, recursive=True))]
    if "**" not in pattern:
        return found
    return list({path.resolve(): path for path in reversed(found)}.values())[::-1]


def _id(path: Path, groups: _Groups) -> str:
    return groups.get("id") or path.stem


def _clip(
    corpus: _Corpus, root: Path, path: Path, groups: _Groups, transcripts: Mapping[str, str]
) -> Clip:
    name = _id(path, groups)
    return make_clip(
        path,
        root,
        id=name,
        speaker=groups.get("speaker", corpus.options.speaker),
        domain=corpus.request.card.domain,
        transcript=transcripts.get(name) or _sidecar(corpus, root, groups),
    )


def _sidecar(corpus: _Corpus, root: Path, groups: _Groups) -> str:
    template = corpus.options.transcript
    file = root / template.format_map(groups) if template else None
    if file is None or not file.is_file():
        return ""
    return " ".join(file.read_text(encoding="utf-8", errors="replace").split())


def _transcripts(corpus: _Corpus, base: Path) -> dict[str, str]:
    """Clip id to text, from files that hold many: LibriSpeech's chapters, LJSpeech's metadata."""
    table = corpus.options.transcripts
    if table is None:
        return {}
    rows = (
        line.split(table.separator, table.column)
        for file in _visible(base, corpus.fill(table.files))
        if file.is_file()
        for line in file.read_text(encoding="utf-8", errors="replace").split("\n")
    )
    return {row[0]: row[-1] for row in rows if len(row) > table.column}


def _split_table(corpus: _Corpus, base: Path) -> dict[str, str]:
    """Clip id to split, from a CSV file with a header of several rows (FMA's)."""
    table = corpus.options.split_table
    if table is None or not corpus.split:
        return {}
    import pandas as pd

    file, column = base / table.file, table.column
    try:
        frame = pd.read_csv(file, header=[*range(len(column))], index_col=0, low_memory=False)
        return {str(key).zfill(table.digits): str(value) for key, value in frame[column].items()}
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(
            f"{file}: cannot be read as a table with the column {'/'.join(column)};"
            " download it again"
        ) from error


# Whether these are the clips that everybody else means.


def _only_listed(
    corpus: _Corpus, base: Path, clips: tuple[Clip, ...]
) -> tuple[tuple[Clip, ...], list[str]]:
    name = corpus.options.listed_in
    if not name:
        return clips, []
    file = base / name
    if not file.is_file():
        return clips, [f"{file} is not there: every clip found was taken"]
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    listed = {line.split(",")[0].strip() for line in lines if line and not line.startswith("#")}
    kept = tuple(clip for clip in clips if clip.id in listed)
    if not kept:
        raise DatasetError(f"{file}: lists none of the {len(clips)} clips in {base}; check both")
    return kept, [f"{len(kept)} of the {len(listed)} clips that {name} lists are there"]


def _notes(corpus: _Corpus, base: Path, clips: Sequence[Clip]) -> Iterator[str]:
    """What sets these clips apart from the corpus that others use under the name."""
    card = corpus.request.card
    if base.is_relative_to(cache_dir()):
        for archive in corpus.archives:
            if archive.url and corpus.checksum(archive) is None:
                yield f"{archive_name(archive.url)} is unverified: no checksum of it is published"
    count = corpus.options.num_clips.get(corpus.key)
    if count is not None and count != len(clips):
        yield f"{card.name} has {count} clips here officially, {len(clips)} were found"
    digest = corpus.options.clip_lists.get(corpus.key)
    if digest is not None and digest != clip_list_digest(clip.id for clip in clips):
        yield f"the list of clips is not the frozen one of {card.name} (sha256 {digest[:12]}...)"
    for name, known in corpus.options.list_files.items():
        algorithm, _, digest = known.partition(":")
        file = base / name
        if file.is_file() and hashlib.new(algorithm, file.read_bytes()).hexdigest() != digest:
            yield f"{name} is not the published one ({known}): clips may differ"
