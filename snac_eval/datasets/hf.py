"""``hf:REPO[@REVISION][:CONFIG]:SPLIT[:COLUMN]``: audio datasets of the Hugging Face hub.

The package ``datasets`` (extra ``hf``) streams the rows; each clip's own bytes go into the cache
with a list of what is there, so that a run repeats, offline too. Only as many are fetched as
``--limit`` asks for, spread as :mod:`snac_eval.datasets._hf_parts` says. REPO may also be a local
folder that ``datasets`` can load. In ``hf:REPO:MIDDLE:LAST``, MIDDLE is a configuration if the
dataset has one of that name, otherwise the split. COLUMN is the first audio column unless it is
given. Clips with a speaker or a transcript count as speech. A row that has no audio, or names what
:mod:`snac_eval.datasets._hf_own` does not let it have, is a clip with a problem.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from snac_eval.audio import AUDIO_SUFFIXES, file_sha256, make_clip
from snac_eval.datasets._hf_own import OwnFiles
from snac_eval.datasets._hf_parts import Layout, Row
from snac_eval.download import cache_dir, network_timeout_s, only_one, while_it_arrives
from snac_eval.errors import AudioError, DatasetError, SnacEvalError, UsageError, detail
from snac_eval.hub import check_reachable
from snac_eval.progress import track
from snac_eval.reading.names import user_path
from snac_eval.types import Clip, Dataset, DatasetRequest, Domain
from snac_eval.writing import write_file, write_json, write_text

SPEAKER_COLUMNS = ("speaker_id", "speaker", "client_id")
TEXT_COLUMNS = ("text", "transcript", "transcription", "sentence", "normalized_text")
_INDEX = "clips.json"
_ROW = {"place", "file", "id", "speaker", "transcript"}
_ROWS_TIMEOUT = 10
"""A first row comes after a whole group of rows, of which nothing is seen until then."""
_USAGE = "--dataset hf:REPO[:CONFIG]:SPLIT[:COLUMN], e.g. hf:openslr/librispeech_asr:clean:test"


@dataclass(frozen=True, slots=True)
class Source:
    """What the user asked for."""

    repository: str
    """``owner/name`` on the hub, or a local folder."""
    revision: str
    """A commit, a branch or a tag; empty: the main branch."""
    config: str
    split: str
    column: str
    """Column of the audio; empty: the first one."""
    middle: str = ""
    """The second of three parts: a configuration or a split, which only the dataset tells."""

    @classmethod
    def parse(cls, argument: str) -> Source:
        """Raises UsageError unless there are two to four parts."""
        head, *rest = argument.split(":")
        repository, _, revision = head.partition("@")
        if head.startswith(("/", "~", ".")) or Path(head).is_dir():
            repository, revision = head, ""  # user@host may stand in a path
        if not repository or not 1 <= len(rest) <= 3 or not rest[-1]:
            raise UsageError(f"dataset 'hf:{argument}' names no split: {_USAGE}")
        if len(rest) == 1:
            return cls(repository, revision, "", rest[0], "")
        if len(rest) == 2:
            return cls(repository, revision, "", rest[1], "", middle=rest[0])
        return cls(repository, revision, *rest)

    def with_configs(self, configs: Sequence[str]) -> Source:
        """The same with the middle part as one of ``configs``, or else as the split."""
        if not self.middle:
            return self
        if self.middle in configs:
            return replace(self, config=self.middle, middle="")
        return replace(self, split=self.middle, column=self.split, middle="")

    @property
    def is_local(self) -> bool:
        return os.path.isdir(self.place)

    @property
    def place(self) -> Path:
        """The local folder, where it is one."""
        return user_path(self.repository)

    @property
    def own(self) -> OwnFiles:
        """The files that its rows may read."""
        return OwnFiles(self.repository, self.place if self.is_local else None)


def load(request: DatasetRequest) -> Dataset:
    """Clips in the dataset's order; ``request.first`` of them, spread, where that is not 0.

    Raises UsageError for a name without a split, DatasetError where it cannot be had.
    """
    source = Source.parse(request.argument)
    folder = cache_dir() / "hf" / _safe(source.repository)
    with only_one(f"hf-{_safe(source.repository)}"):
        revision, notes = _revision(source, folder)
        place = folder / revision[:12] / _safe(request.argument.partition(":")[2])
        listed = _Listed.read(place / _INDEX)
        if listed is None or not (listed.complete or 0 < request.first <= len(listed.rows)):
            listed = _fetch(source, revision, place, request)
    rows = listed.chosen(request.first)
    if request.first and not (listed.complete and len(rows) == len(listed.rows)):
        notes += tuple(filter(None, [listed.layout.note(len(rows))]))
    clips = tuple(_clip(row, place, request.card.domain) for row in rows)
    asked = f"@{source.revision}" if source.revision else ""
    name = f"hf:{request.argument.replace(asked, '', 1)}@{revision[:12]}"
    return Dataset(name, request.card, clips, (f"revision {revision}", *notes))


@dataclass(frozen=True, slots=True)
class _Listed:
    """What the cache holds of one split."""

    rows: list[dict[str, str]]
    """One clip each: place, file, id, speaker, transcript, and the problem of one without audio."""
    complete: bool
    """Whether these are all clips of the split."""
    layout: Layout
    """How the split is divided."""

    @classmethod
    def read(cls, file: Path) -> _Listed | None:
        if not file.is_file():
            return None
        try:
            known = json.loads(file.read_text(encoding="utf-8"))
            if "layout" not in known:  # of an earlier version
                return None
            if any(not _ROW <= row.keys() <= {*_ROW, "problem"} for row in known["clips"]):
                raise ValueError("a row lacks a key")
            return cls(known["clips"], bool(known["complete"]), Layout(**known["layout"]))
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            raise DatasetError(f"{file}: is damaged; remove its folder to fetch it anew") from error

    def chosen(self, first: int) -> list[dict[str, str]]:
        """So many rows, or all for 0, in the dataset's order."""
        ranked = sorted(self.rows, key=lambda row: self.layout.order(row["place"]))
        return sorted(ranked[: first or None], key=lambda row: row["place"])


# The revision: of the hub, or of the cache where the hub does not answer.


def _revision(source: Source, folder: Path) -> tuple[str, tuple[str, ...]]:
    if source.is_local:
        return _local_revision(source.place), ()
    if re.fullmatch("[0-9a-f]{40}", source.revision):
        return source.revision, ()
    ref = folder / f"ref_{_safe(source.revision or 'main')}"
    try:
        revision = _ask_hub(source)
    except Exception as error:
        if not ref.is_file():
            raise _unavailable(source, error) from error
        return ref.read_text().strip(), ("the hub did not answer: the revision is the cache's",)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(ref, revision + "\n")
    return revision, ()


def _ask_hub(source: Source) -> str:
    from huggingface_hub import HfApi

    check_reachable()
    found = HfApi().dataset_info(source.repository, revision=source.revision or None, timeout=20)
    return str(found.sha)


def _local_revision(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [f"{path.relative_to(folder).as_posix()} {file_sha256(path)}" for path in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:40]


# The rows.


def _fetch(source: Source, revision: str, place: Path, request: DatasetRequest) -> _Listed:
    kept: list[int] = []

    def work() -> tuple[list[dict[str, str]], Layout]:
        opened, column = _open(source, revision)
        stream, layout = Layout.of(opened)
        wanted = layout.rows(stream, request.first)
        shown = track(wanted, f"fetching {source.repository}", "clip", request.show_progress)
        place.mkdir(parents=True, exist_ok=True)
        for left in place.glob(".*.tmp"):  # of a process that was killed
            left.unlink()
        return list(_kept(shown, column, source, place, kept)), layout

    limit_s = _ROWS_TIMEOUT * network_timeout_s()
    try:
        rows, layout = while_it_arrives(work, limit_s, lambda: sum(kept))
    except SnacEvalError:
        raise
    except Exception as error:
        raise _unavailable(source, error) from error
    complete = not request.first or len(rows) < request.first
    listing = {"revision": revision, "complete": complete, "layout": asdict(layout), "clips": rows}
    write_json(place / _INDEX, listing)
    return _Listed(rows, complete, layout)


def _open(source: Source, revision: str) -> tuple[Any, str]:
    """Stream of rows with the audio's bytes or path, and the audio's column."""
    datasets = _library()
    pinned = None if source.is_local else revision
    name = str(source.place) if source.is_local else source.repository
    if source.middle:
        source = source.with_configs(datasets.get_dataset_config_names(name, revision=pinned))
    builder = datasets.load_dataset_builder(name, source.config or None, revision=pinned)
    source.own.check_data(builder)
    stream = builder.as_streaming_dataset(split=source.split)
    features: Mapping[str, Any] = stream.features or next(iter(stream.take(1)), {})
    column = _column(source, features)
    if isinstance(features[column], datasets.Audio):
        # Its own type, even undecoded, wants a decoder that needs CUDA or a system FFmpeg.
        path = datasets.Value("string")
        in_files = stream.info.builder_name == "audiofolder"
        plain = path if in_files else {"bytes": datasets.Value("binary"), "path": path}
        stream = stream.cast_column(column, plain)
    return stream, column


def _library() -> Any:  # noqa: ANN401
    # By its name alone a type checker takes our own folder of cards for it.
    return importlib.import_module("datasets")


def _column(source: Source, features: Mapping[str, Any]) -> str:
    datasets = _library()
    names = list(features)
    audio = [name for name in names if isinstance(features[name], datasets.Audio)]
    found = source.column or next((name for name in [*audio, "audio"] if name in names), "")
    if found not in names:
        what = f"no column '{found}'" if found else "no audio column"
        raise DatasetError(
            f"hf:{source.repository}: has {what}; name one of {', '.join(names)} at the end:"
            f" hf:{source.repository}:{source.config}:{source.split}:COLUMN"
        )
    return found


def _kept(
    rows: Iterable[tuple[str, Row]], column: str, source: Source, place: Path, sizes: list[int]
) -> Iterator[dict[str, str]]:
    """What the list says of each row, its bytes written to ``place``, their number to ``sizes``.

    Raises DatasetError where the column is none of audio, as its first row tells that has a value.
    """
    audio_was_seen = False
    for at, row in rows:
        cell = row[column]
        original = cell if isinstance(cell, str) else ""
        if isinstance(cell, Mapping):
            original = str(cell.get("path") or "")
        elif cell is not None and not audio_was_seen and not _is_audio_file(cell):
            raise DatasetError(f"row {at}: column '{column}' holds no audio; name another column")
        audio_was_seen |= cell is not None
        suffix = Path(original).suffix.lower()
        name = f"{at}{suffix if suffix in AUDIO_SUFFIXES else '.audio'}"
        entry = {
            "place": at,
            "file": name,
            "id": "-".join(filter(None, (at, _safe(Path(original).stem)[:100]))),
            "speaker": _first(row, SPEAKER_COLUMNS),
            "transcript": _first(row, TEXT_COLUMNS),
        }
        try:
            content = source.own.content(cell)
        except AudioError as error:
            yield entry | {"problem": f"row {at} of {source.repository}: {error}"}
            continue
        write_file(place / name, lambda file, content=content: file.write_bytes(content))  # type: ignore[misc]
        sizes.append(len(content))
        yield entry


def _is_audio_file(cell: object) -> bool:
    return isinstance(cell, str) and Path(cell).suffix.lower() in AUDIO_SUFFIXES


def _first(row: Mapping[str, Any], columns: Sequence[str]) -> str:
    return next((str(row[one]) for one in columns if row.get(one) not in (None, "")), "")


def _clip(row: Mapping[str, str], place: Path, said: Domain) -> Clip:
    talks = said == "general" and (row["speaker"] or row["transcript"])
    domain: Domain = "speech" if talks else said
    known = {key: row[key] for key in ("id", "speaker", "transcript")}
    if problem := row.get("problem"):
        digest = hashlib.sha256(f"unreadable:{problem}".encode()).hexdigest()
        known |= {"problem": problem, "sha256": digest}
    return make_clip(place / row["file"], place, domain=domain, **known)


def _safe(text: str) -> str:
    return re.sub(r"[^\w.-]+", "--", text).strip("-.")


def _unavailable(source: Source, error: Exception) -> DatasetError:
    return DatasetError(
        f"hf:{source.repository}: cannot be read from the hub or the cache"
        f" ({detail(error)}); check the name and the connection, or give a local folder of the same"
        " layout as REPO"
    )
