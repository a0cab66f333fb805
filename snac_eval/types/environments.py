"""What a codec or a metric needs of an interpreter of its own."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment of a codec's or a metric's own, which ``snac-eval env create`` makes.

    Codecs' cards have these as ``environment`` and ``requirements``. A metric has one as its class
    attribute ``environment``, and asks it by :func:`snac_eval.environments.computing.computed`.
    """

    name: str
    """What it is called: letters, digits, dots, dashes and underscores."""
    requirements: tuple[str, ...]
    """Packages in pip's words, one each: ``numpy<2``. What begins with ``--no-deps`` is installed
    after the others, without what it requires itself: ``--no-deps distillmos==0.9.1``."""
