"""Single ratings of a listening test, whoever ran it: who gave which clip of which codec what.

``formats`` reads them from files, ``screening`` says which listeners count, ``means`` and
``consistency`` what they say together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

Role = Literal["codec", "reference", "anchor"]
Scale = Literal["mushra", "acr", "other"]
"""What listeners were asked for: ITU-R BS.1534's 0 to 100, absolute categories of 1 to 5 (ITU-T
P.800, P.808), or neither."""


@dataclass(frozen=True, slots=True)
class Rating:
    """One listener's answer about one stimulus."""

    clip: str
    """The clip's id as the file has it."""
    codec: str
    """The codec, the reference or the anchor, as the file calls it."""
    listener: str
    value: float


@dataclass(frozen=True, slots=True)
class Ratings:
    """All answers of one test; higher is better."""

    rows: tuple[Rating, ...]
    """A listener rates a stimulus once; where a file has several, their mean."""
    scale: Scale
    source: str
    """The file, for messages."""
    roles: Mapping[str, Role] = field(default_factory=dict)
    """By codec name; every name in ``rows`` has one."""
    notes: tuple[str, ...] = ()
    """What a reader must know of how the file was read: sentences."""

    @property
    def codecs(self) -> tuple[str, ...]:
        """Every name in the rows, in their order; reference and anchors included."""
        return tuple(dict.fromkeys(row.codec for row in self.rows))

    @property
    def clips(self) -> tuple[str, ...]:
        """Every clip, in the order of the rows."""
        return tuple(dict.fromkeys(row.clip for row in self.rows))

    @property
    def listeners(self) -> tuple[str, ...]:
        """Every listener, in the order of the rows."""
        return tuple(dict.fromkeys(row.listener for row in self.rows))

    def of_role(self, *roles: Role) -> Iterator[Rating]:
        """The rows of these roles."""
        return (row for row in self.rows if self.roles[row.codec] in roles)

    def without(self, listeners: Collection[str]) -> Ratings:
        """All but the answers of these listeners."""
        return replace(self, rows=tuple(row for row in self.rows if row.listener not in listeners))
