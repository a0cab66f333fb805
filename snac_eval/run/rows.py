"""What the store takes and gives: codes, scores, and what needs not be computed again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from snac_eval.codecs.packing import pack, unpack
from snac_eval.run.keys import ReconstructionKey
from snac_eval.types import Codes, Score, Timing


@dataclass(frozen=True, slots=True)
class StoredCodes:
    """Codes of one reconstruction and what making them took."""

    codes: Codes
    timing: Timing

    def packed(self) -> PackedCodes:
        """As the store keeps them; compressing takes some milliseconds."""
        return PackedCodes(pack(self.codes), self.timing)


@dataclass(frozen=True, slots=True)
class PackedCodes:
    """The same as bytes, for those who pass them on."""

    blob: bytes
    timing: Timing

    def unpacked(self) -> StoredCodes:
        """The codes themselves. Raises CodecError for bytes that hold none."""
        return StoredCodes(unpack(self.blob), self.timing)


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one reconstruction."""

    key: ReconstructionKey
    scores: Mapping[str, Score]
    """By their keys."""
    codes: PackedCodes | None = None
    """Where there are new ones."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What needs not be computed again for one reconstruction."""

    scores: frozenset[str]
    """Keys of its scores, less errors, and less those that are undefined for a reason that another
    version of this program gave."""
    has_codes: bool
