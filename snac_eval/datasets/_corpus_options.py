"""What the card of a published corpus says of its layout: the ``[options]`` of loader ``corpus``.

``{split}`` in a path or an address stands for the split that was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from string import Formatter
from typing import Annotated

from annotated_types import Ge, Le, MinLen

from snac_eval.errors import one_line

UNVERIFIED = "unverified"
_ALGORITHMS = ("md5", "sha1", "sha256", "sha512")


@dataclass(frozen=True, slots=True)
class Archive:
    """A file to download and unpack."""

    url: str = ""
    """Empty: it is fetched by hand."""
    checksum: str | Mapping[str, str] = UNVERIFIED
    """``ALGORITHM:DIGEST``, one or one a split; ``unverified`` where none is published."""
    unpacks: str = "."
    """The folder inside the archive that is taken out; a dot: all of it."""
    to: str = "."
    """Where that goes, below the root."""
    marker: str = ""
    """What is there once it is unpacked, below the root; empty: what ``to`` says."""
    only_with_split: bool = False
    """Whether the whole corpus does without it."""


@dataclass(frozen=True, slots=True)
class Transcripts:
    """Text files that hold the transcripts of many clips, a line each."""

    files: str
    """Pattern of their paths below the root."""
    separator: Annotated[str, MinLen(1)]
    """Between the columns of a line, whose first is the clip's id."""
    column: Annotated[int, Ge(1), Le(1000)]
    """Which column is the text, counted from 0; it takes the rest of the line."""


@dataclass(frozen=True, slots=True)
class SplitTable:
    """A CSV file that says which split a clip is of. Its first column is the clip's id."""

    file: str
    """Path below the root."""
    column: Annotated[tuple[str, ...], MinLen(1)]
    """Name of the split's column, one part for each row of the header."""
    digits: Annotated[int, Ge(0), Le(100)]
    """Ids are filled up with zeros to this length."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a corpus is laid out and what its clips are called."""

    roots: Annotated[tuple[str, ...], MinLen(1)]
    """Names of the corpus's folder; the first is its name in the cache."""
    archives: Annotated[tuple[Archive, ...], MinLen(1)]
    glob: str
    """Where the clips are, below the root."""
    pattern: re.Pattern[str]
    """What the paths of clips match whole, with the groups ``id``, ``speaker`` and ``split`` where
    a path tells them."""
    manual: str = ""
    """What to download by hand and where to put it."""
    default_split: str = ""
    """Empty: the whole corpus."""
    splits: tuple[str, ...] = ()
    """The official ones."""
    split_is_folder: bool = False
    """Whether local splits of other names may be asked for."""
    speaker: str = ""
    """The only speaker, where there is one."""
    transcript: str = ""
    """Path of each clip's text file below the root; the pattern's groups stand in braces."""
    transcripts: Transcripts | None = None
    split_table: SplitTable | None = None
    listed_in: str = ""
    """A file whose first column lists the official clips; others are left out."""
    num_clips: Mapping[str, int] = field(default_factory=dict)
    """How many clips a split has; ``all``: the whole corpus. The same goes for ``clip_lists``."""
    clip_lists: Mapping[str, str] = field(default_factory=dict)
    """Digests that freeze which clips a split has."""
    list_files: Mapping[str, str] = field(default_factory=dict)
    """Digests of the corpus's own lists, ``ALGORITHM:DIGEST`` by path below the root."""

    def __post_init__(self) -> None:
        """Raise ValueError where the options make no sense together."""
        if problem := self._problem() or self._outside():
            raise ValueError(problem)

    def _problem(self) -> str:
        if not self.manual and not all(archive.url for archive in self.archives):
            return "an archive has no url: say in 'manual' how to get it by hand"
        if strange := self._strange_field():
            groups = ", ".join(self.pattern.groupindex)
            return (
                f"transcript is '{self.transcript}' ({strange});"
                f" in braces stand groups of pattern: {groups}"
            )
        for digest in self._digests():
            algorithm, _, value = digest.partition(":")
            if digest != UNVERIFIED and (algorithm not in _ALGORITHMS or not value):
                known = ", ".join(_ALGORITHMS)
                return f"'{digest}' is no checksum; write ALGORITHM:DIGEST ({known})"
        return ""

    def _strange_field(self) -> str:
        """What stands in braces in ``transcript`` and is no group; empty: nothing."""
        try:
            for _, name, form, conversion in Formatter().parse(self.transcript):
                if name is not None and (form or conversion or name not in self.pattern.groupindex):
                    return repr(name)
        except ValueError as error:
            return one_line(error)
        return ""

    def _digests(self) -> Iterator[str]:
        for archive in self.archives:
            known = archive.checksum
            yield from [known] if isinstance(known, str) else known.values()
        yield from self.list_files.values()

    def _outside(self) -> str:
        """Which path leads out of the corpus's folder, or is no path; empty where none does.

        A card says where to write and what to move: it must not reach what is not its own.
        """
        for where, path in self._paths():
            if not is_inside(path):
                return f"{where} is '{path}'; give a relative path without '..'"
        for where, pattern in self._patterns():
            if not pattern or not is_inside(pattern) or not _is_pattern(pattern):
                return f"{where} is '{pattern}'; give a relative pattern such as 'wav/*.wav'"
        if empty := [root for root in self.roots if PurePosixPath(root) == PurePosixPath(".")]:
            return f"roots is '{empty[0]}'; give the name of a folder"
        return ""

    def _paths(self) -> Iterator[tuple[str, str]]:
        yield from (("roots", root) for root in self.roots)
        for one in self.archives:
            yield from (("unpacks", one.unpacks), ("to", one.to))
        yield from (("transcript", self.transcript), ("listed_in", self.listed_in))
        yield from (("list_files", name) for name in self.list_files)
        if self.split_table is not None:
            yield "split_table.file", self.split_table.file

    def _patterns(self) -> Iterator[tuple[str, str]]:
        yield "glob", self.glob
        yield from (("marker", one.marker or one.to) for one in self.archives)
        if self.transcripts is not None:
            yield "transcripts.files", self.transcripts.files


def is_inside(path: str) -> bool:
    """Whether a path that is written with slashes stays below where it starts."""
    parts = PurePosixPath(path).parts
    return not (path.startswith("/") or ".." in parts or set(path) & set("\\:\0"))


def _is_pattern(pattern: str) -> bool:
    """pathlib refuses ``a**``."""
    return all(part == "**" or "**" not in part for part in PurePosixPath(pattern).parts)
