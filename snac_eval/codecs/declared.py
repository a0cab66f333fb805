"""What reconstructions took to send, where their codes are not there: as somebody says it.

Beside the reconstructions in a folder may lie ``bitrate.csv``, or the bit streams that they were
decoded from; or the folder's name ends in ``@kbps=0.98``. A bit stream lies beside its
reconstruction under the same stem, with one of the suffixes :data:`BIT_STREAMS`; the whole file
counts, headers included.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from snac_eval import audio
from snac_eval.errors import UsageError, readable
from snac_eval.reading.names import composed
from snac_eval.types import Clip, Codes

FILE_NAME = "bitrate.csv"
BIT_STREAMS = (".bin", ".bit", ".bits", ".bitstream", ".c2", ".ecdc", ".evs", ".lc3", ".lyra")
_OPTION = re.compile(r"(?P<folder>.*?)/?@kbps=(?P<kbps>[^@/]*)")
_UNITS = ("kbps", "bits")


@dataclass(frozen=True, slots=True)
class Declared(Codes):
    """Stands for codes of which only the number of bits is known."""

    bits: float = math.nan

    @property
    def num_bits(self) -> float:
        """As somebody says it."""
        return self.bits


@dataclass(frozen=True, slots=True)
class Sent:
    """What one reconstruction took: a rate, or the bits of the whole file that it lies in."""

    kbps: float = math.nan
    bits: float = math.nan

    def bits_of(self, duration_s: float, file_s: Callable[[], float]) -> float:
        """Bits of a clip that lasts so long; ``file_s`` gives the length of its whole file."""
        if math.isnan(self.kbps):
            whole_s = file_s()
            return self.bits * duration_s / whole_s if whole_s > 0 else math.nan
        return 1000 * self.kbps * duration_s


@dataclass(frozen=True, slots=True)
class Rates:
    """Where it is said what the reconstructions of a folder took."""

    kind: Literal["declared", "files"]
    """Part of the metric's fingerprint: somebody's word, or sizes of files."""
    says: str
    """What says it: ``bitrate.csv``."""
    note: str
    """For whoever reads the numbers."""
    kbps: float = math.nan
    """Of all clips alike; NaN where each has its own."""
    rows: Mapping[str, Sent] | None = None
    """By path without suffix, or by stem; None where no list says it."""
    _claimed: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_of_all(self) -> bool:
        """Whether all clips have the same, which the card says then."""
        return not math.isnan(self.kbps)

    def of(self, clip: Clip, found: Path) -> Sent | None:
        """What the clip's reconstruction, which is ``found``, took; None where nothing says it.

        Raises UsageError where a stem in the list could be that of two clips, and where two bit
        streams lie beside one reconstruction.
        """
        if self.rows is not None:
            path = _bare(clip.relative_path)
            stem = path.rpartition("/")[2]
            if path != stem and path in self.rows:
                return self.rows[path]
            if stem not in self.rows:
                return None
            claim(self._claimed, stem, clip, f"the row '{readable(stem)}' of {self.says}")
            return self.rows[stem]
        return _size(found) if self.kind == "files" else Sent(kbps=self.kbps)


def split_rate(argument: str, folder_exists: Callable[[str], bool]) -> tuple[str, float]:
    """``DIR@kbps=0.98`` as ``DIR`` and 0.98; NaN without, and where a folder has that very name.

    Raises UsageError for a rate that is none.
    """
    found = _OPTION.fullmatch(argument)
    if found is None or folder_exists(argument):
        return argument, math.nan
    kbps = _positive(found["kbps"])
    if math.isnan(kbps):
        raise UsageError(
            f"--model files:{readable(argument)}: give kbit/s above 0, such as @kbps=0.98"
        )
    return found["folder"], kbps


def read_rates(root: Path, kbps: float) -> Rates | None:
    """What is said of the reconstructions below ``root``: by a list, else by bit streams, else by
    ``kbps``. Raises UsageError, with the line, where the list is broken."""
    list_file = root / FILE_NAME
    if list_file.is_file():
        note = f"bitrates are declared in {FILE_NAME}, not counted"
        return Rates("declared", FILE_NAME, note, rows=_read(list_file))
    if suffix := _bit_streams_in(root):
        note = f"bitrates are sizes of the bit streams' files ({suffix}), headers included"
        return Rates("files", f"a {suffix} file", note)
    if math.isnan(kbps):
        return None
    note = f"the bitrate is declared (@kbps={kbps:g}), not counted"
    return Rates("declared", f"@kbps={kbps:g}", note, kbps)


def claim(claimed: dict[str, str], key: str, clip: Clip, what: str) -> None:
    """Note that this clip takes what a stem alone names. Raises UsageError where another has."""
    other = claimed.setdefault(key, clip.relative_path)
    if other != clip.relative_path:
        raise UsageError(
            f"{what} could be of '{readable(other)}' and of '{readable(clip.relative_path)}'; give"
            " each its own, below folders as in the dataset"
        )


def _size(found: Path) -> Sent | None:
    streams = [path for path in map(found.with_suffix, BIT_STREAMS) if path.is_file()]
    if len(streams) > 1:
        names = " and ".join(readable(path.name) for path in streams)
        raise UsageError(
            f"{readable(found.parent)}: {names} could both be the bit stream of"
            f" {readable(found.name)}; keep one"
        )
    return Sent(bits=8.0 * streams[0].stat().st_size) if streams else None


def _bit_streams_in(root: Path) -> str:
    """The suffix of bit streams in the first folder that holds files; empty where it has none."""
    folder = root
    while folder.is_dir():
        inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        suffixes = {path.suffix.lower() for path in inside if path.is_file()}
        if known := sorted(suffixes & set(BIT_STREAMS)):
            return known[0]
        below = [path for path in inside if path.is_dir()]
        if suffixes & audio.AUDIO_SUFFIXES or not below:
            return ""
        folder = below[0]
    return ""


def _read(file: Path) -> dict[str, Sent]:
    rows: dict[str, Sent] = {}
    for where, row in _lines(file):
        path = _bare(row.get("path") or "")
        given = {unit: row[unit] for unit in _UNITS if row.get(unit)}
        if not path or len(given) != 1:
            raise UsageError(f"{where}: needs a path, and either kbps or bits")
        if path in rows:
            raise UsageError(f"{where}: '{readable(path)}' is there twice; keep one row")
        ((unit, text),) = given.items()
        if math.isnan(value := _positive(text)):
            raise UsageError(f"{where}: {unit} is '{readable(text)}'; give a number above 0")
        rows[path] = Sent(kbps=value) if unit == "kbps" else Sent(bits=value)
    if not rows:
        raise UsageError(f"{readable(file)}: lists nothing; give a row for each clip")
    return rows


def _lines(file: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    name = readable(file)
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened, strict=True, skipinitialspace=True)
            header = reader.fieldnames = [cell.strip() for cell in reader.fieldnames or ()]
            if "path" not in header or not set(header) & set(_UNITS):
                first = readable(", ".join(header))[:80]
                raise UsageError(
                    f"{name}:1: is '{first}'; the first line is path,kbps or path,bits"
                )
            for row in reader:
                yield f"{name}:{reader.line_num}", {key: row[key] or "" for key in header}
    except (OSError, UnicodeError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{name}: cannot be read: {why}; save it as CSV in UTF-8") from error


def _bare(path: str) -> str:
    """The path without the suffix of audio, its accents composed."""
    plain = composed(path.strip().replace("\\", "/").removeprefix("./"))
    head, dot, suffix = plain.rpartition(".")
    return head if f"{dot}{suffix}".lower() in audio.AUDIO_SUFFIXES else plain


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if 0 < value < math.inf else math.nan
