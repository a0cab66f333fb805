"""snac-eval: how good is this neural audio codec, at what bitrate and at what speed?

    >>> import snac_eval
    >>> result = snac_eval.evaluate("opus_12kbps", "demo", metrics=["bitrate"], limit=2)
    >>> print(result.summary[["codec", "metric", "unit", "n_ok"]].to_csv(index=False).strip())
    codec,metric,unit,n_ok
    opus_12kbps,bitrate,kbps,2

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # what type checkers take for typing's, whose import takes a while
if TYPE_CHECKING:
    from typing import Any

    from snac_eval.api import evaluate, load_codec, load_dataset, load_metric
    from snac_eval.evaluation.result import Evaluation

    __version__: str

__all__ = [
    "Evaluation",
    "__version__",
    "evaluate",
    "load_codec",
    "load_dataset",
    "load_metric",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name == "__version__":
        from importlib.metadata import version

        return version("snac-eval")
    if name in __all__:
        from snac_eval import api

        return getattr(api, name)
    raise AttributeError(f"module 'snac_eval' has no attribute '{name}'")
