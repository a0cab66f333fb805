"""``NAME[:SPLIT]`` for the published corpora: one loader, told by the card how each is laid out.

A card's ``[options]`` hold:

=================== =============================================================================
``roots``           names of the corpus's folder; the first is its name in the cache
``archives``        what to download: ``url``, ``checksum`` (one, or one per split), the folder
                    ``unpacks`` inside the archive, which goes ``to`` below the root; ``marker``,
                    what is there once it is unpacked (default: ``to``); ``only_with_split`` for
                    one that a whole corpus does without. No ``url``: it is fetched by hand
``manual``          what to download by hand and where to put it
``glob, pattern``   where the clips are below the root: paths, and a regular expression with
                    the groups ``id``, ``speaker`` and ``split``
``default_split``   empty: the whole corpus
``splits``          the official ones; ``split_is_folder``: local splits of other names are found
``speaker``         the only speaker, where there is one
``transcript``      path of each clip's text file, or ``transcripts``: lines ``id SEPARATOR text``
``split_table``     a CSV file that says which split a clip is of
``listed_in``       a file whose first column lists the official clips; others are left out
``num_clips``       how many clips a split has, and ``clip_lists``, ``list_files``: digests that
                    freeze which
=================== =============================================================================

``{split}`` in a text is the split that was asked for. A corpus is looked for below
``--data-root`` (``ROOT/NAME``, then ``ROOT`` itself), then in the cache, else downloaded.
``SNAC_EVAL_<CARD>_URL`` names a mirror: a folder that holds the archives.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from snac_eval.audio import clip_list_digest, make_clip
from snac_eval.download import archive_name, cache_dir, fetch, only_one, unpack
from snac_eval.errors import DatasetError, UsageError
from snac_eval.types import Clip, Dataset, DatasetCard, DatasetRequest

UNVERIFIED = "unverified"


def load(request: DatasetRequest) -> Dataset:
    """Clips of one split (or of the whole corpus), sorted by id, with what the card knows of them.

    Raises UsageError for an unknown split, DatasetError where it is empty or must be fetched by
    hand, DownloadError where it cannot be had.
    """
    corpus = _Corpus(request)
    base = _find(corpus) or _download(corpus)
    matches = sorted(_matches(corpus, base), key=lambda match: _id(match[0], match[1]))
    if not matches:
        raise DatasetError(
            f"{base}: holds no {corpus.text('glob')} of {corpus.name}; is this that corpus?"
        )
    transcripts = _transcripts(corpus, base)
    root = base / corpus.fill(corpus.archives[0].get("to", "."))
    clips = tuple(_clip(corpus, root, path, groups, transcripts) for path, groups in matches)
    clips, notes = _only_listed(corpus, base, clips)
    return Dataset(corpus.name, request.card, clips, (*notes, *_notes(corpus, base, clips)))


def state(card: DatasetCard) -> str:
    """What ``snac-eval list`` shows of it: whether the default split is in the cache."""
    corpus = _Corpus(DatasetRequest(card))
    if _find(corpus) is not None:
        return ""
    by_hand = any("url" not in archive for archive in corpus.archives)
    return "needs local folder (--data-root)" if by_hand else "needs download"


@dataclass(frozen=True)
class _Corpus:
    """A card's options, with the split that was asked for."""

    request: DatasetRequest

    @cached_property
    def split(self) -> str:
        """What was asked for, else the default. Raises UsageError where there is no such split."""
        name, options = self.request.card.name, self.request.card.options
        split = self.request.argument or str(options.get("default_split", ""))
        known = options.get("splits", ())
        if split and Path(split).name != split:
            raise UsageError(f"{name} split '{split}' is no folder's name; use e.g. {known[0]}")
        if split and split not in known and not options.get("split_is_folder"):
            raise UsageError(f"{name} has no split '{split}'; {self.official}")
        return split

    @property
    def official(self) -> str:
        known = self.request.card.options.get("splits", ())
        return f"official splits: {', '.join(known)}" if known else "it has no splits: leave it out"

    @property
    def archives(self) -> list[dict[str, Any]]:
        """Those that this split needs."""
        every = self.request.card.options["archives"]
        return [one for one in every if self.split or not one.get("only_with_split")]

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.request.card.name + (f":{self.split}" if self.split else "")

    def fill(self, text: str) -> str:
        """``{split}`` filled in; any split where none was asked for."""
        return text.replace("{split}", self.split or "*")

    def text(self, key: str) -> str:
        return self.fill(str(self.request.card.options.get(key, "")))

    def markers(self) -> list[str]:
        return [self.fill(one.get("marker", one.get("to", "."))) for one in self.archives]

    def checksum(self, archive: Mapping[str, Any]) -> str | None:
        known = archive.get("checksum")
        found = known.get(self.split) if isinstance(known, Mapping) else known
        return None if found in (None, UNVERIFIED) else str(found)

    def for_split(self, key: str) -> Any:  # noqa: ANN401 - whatever the card holds
        """The entry of a table by split, ``all`` for the whole corpus."""
        return self.request.card.options.get(key, {}).get(self.split or "all")


# Where it is, or how it gets here.


def _find(corpus: _Corpus) -> Path | None:
    markers = corpus.markers()
    for place in _places(corpus):
        if all(any(place.glob(marker)) for marker in markers):
            return place
    return None


def _places(corpus: _Corpus) -> list[Path]:
    roots = [str(root) for root in corpus.request.card.options["roots"]]
    places = [cache_dir() / roots[0]]
    given = corpus.request.data_root
    if given is None:
        return places
    if not given.is_dir():
        raise DatasetError(
            f"{given}: no such folder; correct --data-root, or leave it out to download"
        )
    return [*(given / root for root in roots), given, *places]


def _download(corpus: _Corpus) -> Path:
    card, split = corpus.request.card, corpus.split
    if split and split not in card.options.get("splits", ()):
        places = ", ".join(str(place / split) for place in _places(corpus))
        raise UsageError(
            f"{card.name} has no split '{split}': not found in {places}; {corpus.official}"
        )
    base = cache_dir() / str(card.options["roots"][0])
    for archive, marker in zip(corpus.archives, corpus.markers(), strict=True):
        if "url" not in archive:
            raise DatasetError(_by_hand(corpus, marker))
        url = _mirrored(corpus, corpus.fill(archive["url"]))
        with only_one(f"{card.name}-{archive_name(url)}"):
            if not any(base.glob(marker)):  # another process may just have finished it
                _fetch_and_unpack(corpus, archive, url, base)
    return base


def _fetch_and_unpack(corpus: _Corpus, archive: Mapping[str, Any], url: str, base: Path) -> None:
    request = corpus.request
    place = f"{request.card.options['roots'][0]}/{corpus.fill(archive.get('to', '.'))}"
    file = fetch(
        url,
        corpus.checksum(archive),
        cache_dir() / "downloads" / request.card.name,
        request.show_progress,
        ways_out=f"give a folder that holds {place.removesuffix('/.')} with --data-root",
    )
    target = base / corpus.fill(archive.get("to", "."))
    unpack(file, target, corpus.fill(archive["unpacks"]))
    file.unlink()


def _by_hand(corpus: _Corpus, marker: str) -> str:
    card = corpus.request.card
    places = ", ".join(str(place / marker) for place in _places(corpus))
    return f"{card.name} is not here ({places}): {card.options['manual']}; see {card.url}"


def _mirrored(corpus: _Corpus, url: str) -> str:
    mirror = os.environ.get(f"SNAC_EVAL_{corpus.request.card.name.upper()}_URL")
    return f"{mirror.rstrip('/')}/{archive_name(url)}" if mirror else url


# Which clips, and what is known of each.

_Groups = dict[str, str]


def _matches(corpus: _Corpus, base: Path) -> Iterator[tuple[Path, _Groups]]:
    pattern = re.compile(corpus.request.card.options["pattern"])
    split_of = _split_table(corpus, base)
    for path in base.glob(corpus.text("glob")):
        found = pattern.fullmatch(path.relative_to(base).as_posix())
        if found is None:
            continue
        groups = {key: value or "" for key, value in found.groupdict().items()}
        split = split_of.get(_id(path, groups), "") if split_of else groups.get("split", "")
        if not corpus.split or split == corpus.split:
            yield path, groups


def _id(path: Path, groups: _Groups) -> str:
    return groups.get("id") or path.stem


def _clip(
    corpus: _Corpus, root: Path, path: Path, groups: _Groups, transcripts: Mapping[str, str]
) -> Clip:
    card = corpus.request.card
    name = _id(path, groups)
    return make_clip(
        path,
        root,
        id=name,
        speaker=groups.get("speaker", str(card.options.get("speaker", ""))),
        domain=card.domain,
        transcript=transcripts.get(name) or _sidecar(corpus, root, groups),
    )


def _sidecar(corpus: _Corpus, root: Path, groups: _Groups) -> str:
    template = str(corpus.request.card.options.get("transcript", ""))
    file = root / template.format_map(groups) if template else None
    if file is None or not file.is_file():
        return ""
    return " ".join(file.read_text(encoding="utf-8", errors="replace").split())


def _transcripts(corpus: _Corpus, base: Path) -> dict[str, str]:
    """Clip id to text, from files that hold many: LibriSpeech's chapters, LJSpeech's metadata."""
    table = corpus.request.card.options.get("transcripts")
    if table is None:
        return {}
    rows = (
        line.split(table["separator"], table["column"])
        for file in sorted(base.glob(corpus.fill(table["files"])))
        for line in file.read_text(encoding="utf-8").splitlines()
    )
    return {row[0]: row[-1] for row in rows if len(row) > table["column"]}


def _split_table(corpus: _Corpus, base: Path) -> dict[str, str]:
    """Clip id to split, from a CSV file with a header of several rows (FMA's)."""
    table = corpus.request.card.options.get("split_table")
    if table is None or not corpus.split:
        return {}
    import pandas as pd

    file, column = base / table["file"], tuple(table["column"])
    try:
        frame = pd.read_csv(file, header=[*range(len(column))], index_col=0, low_memory=False)
        return {str(key).zfill(table["digits"]): str(value) for key, value in frame[column].items()}
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(
            f"{file}: cannot be read as a table with the column {'/'.join(column)};"
            " download it again"
        ) from error


# Whether these are the clips that everybody else means.


def _only_listed(
    corpus: _Corpus, base: Path, clips: tuple[Clip, ...]
) -> tuple[tuple[Clip, ...], list[str]]:
    name = corpus.request.card.options.get("listed_in")
    file = base / str(name)
    if name is None or not file.is_file():
        return clips, [f"{file} is not there: every clip found was taken"] if name else []
    lines = file.read_text(encoding="utf-8").splitlines()
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
            if corpus.checksum(archive) is None:
                yield (
                    f"{archive_name(archive['url'])} is unverified: no checksum of it is published"
                )
    count = corpus.for_split("num_clips")
    if count is not None and count != len(clips):
        yield f"{card.name} has {count} clips here officially, {len(clips)} were found"
    digest = corpus.for_split("clip_lists")
    if digest is not None and digest != clip_list_digest(clips):
        yield f"the list of clips is not the frozen one of {card.name} (sha256 {digest[:12]}...)"
    for name, known in card.options.get("list_files", {}).items():
        algorithm, _, digest = known.partition(":")
        file = base / name
        if file.is_file() and hashlib.new(algorithm, file.read_bytes()).hexdigest() != digest:
            yield f"{name} is not the published one ({known}): clips may differ"
