"""The network of the package ``distillmos``, imported with or without torchaudio.

The package needs torchaudio for its command line alone. PyPI's builds of torchaudio cannot be
imported beside every build of torch: an empty module stands in for one that cannot.
"""

from __future__ import annotations

import sys
from types import ModuleType

try:
    import torchaudio  # noqa: F401
except (ImportError, OSError):
    sys.modules["torchaudio"] = ModuleType("torchaudio")
    try:
        from distillmos import sqa
    finally:
        del sys.modules["torchaudio"]
else:
    from distillmos import sqa

__all__ = ["sqa"]
