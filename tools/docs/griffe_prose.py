"""An extension of griffe: docstrings reach mkdocstrings as Markdown."""

from __future__ import annotations

from typing import Any

import griffe

from tools.docs.prose import markdown


class Prose(griffe.Extension):
    """Rewrites every docstring once, when it is read."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:  # noqa: ANN401 - griffe's
        """Of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = markdown(obj.docstring.value)
