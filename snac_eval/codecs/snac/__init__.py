"""SNAC, bundled: our own implementation of arXiv 2410.14411."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from snac_eval.codecs.snac.config import SNACConfig

if TYPE_CHECKING:
    from snac_eval.codecs.snac.model import SNAC

__all__ = ["SNAC", "SNACConfig"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562: torch is imported when it is needed
    if name == "SNAC":
        from snac_eval.codecs.snac.model import SNAC

        return SNAC
    raise AttributeError(f"module 'snac_eval.codecs.snac' has no attribute '{name}'")
