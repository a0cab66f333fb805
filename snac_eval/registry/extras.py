"""Optional extras: which of them an entry point needs, and what of those is not installed.

An entry point names its extras as the packaging standard has it, ``module:object [extra]``; what an
extra brings stands in the metadata of the distribution that declares it, a third party's alike.
Nothing is imported to find out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, requires, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.requirements import Requirement

ALONE = frozenset({"audiobox", "bigcodec", "distillmos", "speechtokenizer"})
"""Our extras whose packages are best installed without what they require: torchaudio, which we do
not use. Where its build does not fit torch's, half of transformers cannot be imported any more."""


@dataclass(frozen=True, slots=True)
class MissingExtra:
    """An extra of a distribution, and the packages of it that are not there or are too old."""

    distribution: str
    extra: str
    packages: tuple[str, ...]

    @property
    def state(self) -> str:
        """As the lists show it."""
        return f"needs extra {self.extra}"

    @property
    def remedy(self) -> str:
        """What to do, for an error message."""
        return f"{', '.join(self.packages)}: {self.command}"

    @property
    def command(self) -> str:
        """What installs it."""
        if self.extra in ALONE and self.distribution == "snac-eval":
            return f"pip install --no-deps {' '.join(self.packages)}"
        return f"pip install '{self.distribution}[{self.extra}]'"


def missing_extra(entry: EntryPoint) -> MissingExtra | None:
    """The first extra of the entry point that is not wholly installed; None: all there."""
    for extra in entry.extras:
        distribution = _distribution(entry)
        if packages := _missing(distribution, extra):
            return MissingExtra(distribution, extra, packages)
    return None


@cache
def _distribution(entry: EntryPoint) -> str:
    """Who declares it. Kept, for its metadata is read anew each time that its name is asked for."""
    return entry.dist.name if entry.dist is not None else "snac-eval"


@cache
def _missing(distribution: str, extra: str) -> tuple[str, ...]:
    from packaging.requirements import Requirement

    wanted = [Requirement(line) for line in requires(distribution) or ()]
    return tuple(
        str(one.name)
        for one in wanted
        if one.marker is not None
        and one.marker.evaluate({"extra": extra})
        and not one.marker.evaluate({"extra": ""})
        and not _is_there(one)
    )


def _is_there(wanted: Requirement) -> bool:
    try:
        return wanted.specifier.contains(version(wanted.name), prereleases=True)
    except PackageNotFoundError:
        return False
