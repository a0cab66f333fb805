"""``common_voice:LANGUAGE/SPLIT``: Mozilla Common Voice, which one downloads by hand.

The lists say which clips there are (``clips/`` holds those of every split, millions of them):
``ROOT/cv-corpus-*/LANGUAGE/SPLIT.tsv``, or ``ROOT/LANGUAGE/SPLIT.tsv``.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from snac_eval.audio import make_clip
from snac_eval.errors import DatasetError, UsageError, detail
from snac_eval.reading.names import on_disk
from snac_eval.types import Clip, Dataset, DatasetCard, DatasetRequest
from snac_eval.writing import read_text


def load(request: DatasetRequest) -> Dataset:
    """Clips of one list, in its order, with transcript and speaker (``client_id``).

    Raises UsageError without language and split, DatasetError where the corpus is not there.
    """
    language, _, split = request.argument.partition("/")
    if not language or not split or Path(split).name != split or Path(language).name != language:
        raise UsageError(
            f"dataset '{request.card.name}:{request.argument}' needs a language and a split:"
            " --dataset common_voice:en/test"
        )
    file = _find(language, split, request)
    clips = tuple(_clip(row, file, request) for row in _rows(file))
    if not clips:
        raise DatasetError(f"{file}: lists no clips; choose another split")
    version = file.parents[1].name
    suffix = f"@{version}" if version.startswith("cv-corpus-") else ""
    return Dataset(f"{request.card.name}:{language}/{split}{suffix}", request.card, clips)


def state(card: DatasetCard) -> str:
    """What ``snac-eval list`` shows of it."""
    return "needs local folder (--data-root)"


def remedy(card: DatasetCard) -> tuple[str, ...]:
    """How to get it."""
    return (_by_hand("LANGUAGE", "SPLIT", DatasetRequest(card)),)


def _find(language: str, split: str, request: DatasetRequest) -> Path:
    root = request.data_root
    if root is None:
        raise DatasetError(_by_hand(language, split, request))
    tail = f"{language}/{split}.tsv"
    found = [*sorted(root.glob(f"cv-corpus-*/{tail}")), *root.glob(tail)]
    if not found:
        raise DatasetError(f"{root}: holds no {tail}; {_by_hand(language, split, request)}")
    if len(found) > 1:
        versions = ", ".join(str(file.parents[1]) for file in found)
        raise DatasetError(f"several releases hold {tail}: give one as --data-root ({versions})")
    return found[0]


def _by_hand(language: str, split: str, request: DatasetRequest) -> str:
    return (
        f"Common Voice may not be downloaded automatically: accept its terms at"
        f" {request.card.url}, unpack the archive of '{language}' so that"
        f" ROOT/cv-corpus-VERSION/{language}/{split}.tsv and .../clips/ exist,"
        " and give --data-root ROOT"
    )


def _rows(file: Path) -> list[dict[str, str]]:
    try:
        stream = io.StringIO(read_text(file), newline="")
        # Sentences hold unbalanced quotation marks: in this format they are text.
        reader = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        if "path" not in (reader.fieldnames or ()):
            raise DatasetError(f"{file}: has no column 'path'; is this a Common Voice list?")
        return [row for row in reader if row["path"]]
    except (OSError, ValueError, csv.Error) as error:
        raise DatasetError(f"{file}: cannot be read as a list: {detail(error)}") from error


def _clip(row: dict[str, str], file: Path, request: DatasetRequest) -> Clip:
    folder = file.parent / "clips"
    return make_clip(
        on_disk(folder / Path(row["path"]).name),
        folder,
        speaker=row.get("client_id") or "",
        transcript=row.get("sentence") or "",
        domain=request.card.domain,
    )
