"""SNAC, bundled: our own implementation of arXiv 2410.14411."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snac_eval.codecs.snac.model import SNAC, SNACConfig

__all__ = ["SNAC", "SNACConfig"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562: torch is imported when it is needed
    if name in __all__:
        from snac_eval.codecs.snac import model

        return getattr(model, name)
    raise AttributeError(f"module 'snac_eval.codecs.snac' has no attribute '{name}'")
