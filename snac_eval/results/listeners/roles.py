"""Which name in a listening test is the hidden reference, which are anchors, and what was asked."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from snac_eval.errors import UsageError
from snac_eval.registry import plugins
from snac_eval.results.listeners.ratings import Rating, Role, Scale

RANGES: Mapping[Scale, tuple[float, float]] = {
    "mushra": (0.0, 100.0),
    "acr": (1.0, 5.0),
    "other": (float("-inf"), float("inf")),
}
"""What an answer on each scale can be."""
SCALE_NAMES: Mapping[Scale, str] = {
    "mushra": "MUSHRA, 0 to 100",
    "acr": "absolute categories, 1 to 5",
    "other": "a scale of its own",
}
UNITS: Mapping[Scale, tuple[str, str]] = {
    "mushra": ("MUSHRA", "0 to 100"),
    "acr": ("MOS", "1 to 5"),
    "other": ("rating", ""),
}
"""What a mean rating is called, and its unit."""
_REFERENCES = frozenset(
    ("ref", "reference", "hiddenref", "hiddenreference", "hr", "original", "openreference")
)
_ANCHOR = re.compile(
    r"(?:low|mid|middle|high|hidden)?(?:range)?anchor.*|lp(?:35|70)(?:00)?(?:k?hz)?"
)
_MIDDLE = re.compile(r"mid|(?<![0-9])7(?:0|000|k|0k)?(?![0-9])")


def roles(
    names: Iterable[str], reference: str | None = None, anchors: Collection[str] | None = None
) -> dict[str, Role]:
    """What each name stands for: as told, else by the names that tests usually give.

    ``reference`` empty: there is none. Raises UsageError for a name that is not there.
    """
    known = list(dict.fromkeys(names))
    for told, flag in [(reference, "reference"), *((one, "anchors") for one in anchors or ())]:
        if told and told not in known:
            raise UsageError(
                plugins.unknown_name(told, known, f"codec of the ratings ({flag})", "")
            )

    def role(name: str) -> Role:
        if name == reference or (reference is None and is_reference(name)):
            return "reference"
        if name in anchors if anchors is not None else is_anchor(name):
            return "anchor"
        return "codec"

    return {name: role(name) for name in known}


def is_reference(name: str) -> bool:
    """Whether tests usually call the hidden reference so."""
    return _letters(name) in _REFERENCES


def is_anchor(name: str) -> bool:
    """Whether tests usually call an anchor so."""
    return _ANCHOR.fullmatch(_letters(name)) is not None


def is_middle_anchor(name: str) -> bool:
    """Whether an anchor of this name is the mid-range one, of 7 kHz."""
    return is_anchor(name) and _MIDDLE.search(_letters(name)) is not None


def scale_of(values: Sequence[float], source: str) -> Scale:
    """What listeners were asked for, by what they answered. Raises UsageError where that does not
    say it."""
    if all(1 <= one <= 5 for one in values):
        if all(one == int(one) for one in values):
            return "acr"
        raise UsageError(
            f"{source}: all ratings lie between 1 and 5, some are no whole numbers: say --scale acr"
            " for categories of 1 to 5, --scale mushra for 0 to 100"
        )
    return "mushra"


def first_outside(rows: Iterable[tuple[int, Rating]], scale: Scale) -> tuple[int, str] | None:
    """The line of the first rating that this scale does not have, and what is wrong."""
    low, high = RANGES[scale]
    for line, row in rows:
        if not low <= row.value <= high:
            return line, (
                f"the rating {row.value:g} is outside of {low:g} to {high:g}"
                f" ({SCALE_NAMES[scale]}); mend it, or say --scale other"
            )
    return None


def _letters(name: str) -> str:
    return "".join(one for one in name.casefold() if one.isalnum())
