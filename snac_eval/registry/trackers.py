"""Trackers by name: ``mlflow``, ``tensorboard:DIR``. They register as codecs and metrics do."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, cast

from snac_eval.errors import SnacEvalError, UsageError, one_line, redacted
from snac_eval.registry import plugins
from snac_eval.registry.environments import require_there
from snac_eval.registry.extras import missing_extra
from snac_eval.types import Callback


def open_tracker(text: str) -> Callback:
    """The tracker of ``NAME`` or ``NAME:ARGUMENT``, ready to be told of runs.

    Raises UnknownNameError, UsageError where its extra is missing, and whatever of ours it raises
    itself; what else it raises becomes a UsageError of one line.
    """
    name, _, argument = text.partition(":")
    entry = plugins.tracker_entry(name)
    require_there(f"tracker '{name}'", entry)
    try:
        return cast(Callback, entry.load()(argument))
    except SnacEvalError:
        raise
    except Exception as error:
        raise UsageError(f"tracker '{redacted(text)}': {one_line(error)}") from error


def tracker_state(name: str) -> str:
    """``ready``, or what the tracker lacks here: an extra."""
    missing = missing_extra(plugins.tracker_entry(name))
    return plugins.READY if missing is None else missing.state


def tracker_remedy(name: str) -> tuple[str, ...]:
    """Ways to get what it lacks, as :func:`snac_eval.registry.plugins.codec_remedy`."""
    missing = missing_extra(plugins.tracker_entry(name))
    return () if missing is None else (missing.command,)


def tracker_source(name: str) -> str:
    """Where the tracker is made: ``module:object``."""
    return plugins.tracker_entry(name).value


def tracker_description(name: str) -> str:
    """The first line of what its class says of itself. Raises UsageError where it cannot be
    loaded."""
    entry = plugins.tracker_entry(name)
    try:
        made: Callable[..., Any] = entry.load()
    except (ImportError, AttributeError) as error:
        raise UsageError(
            f"tracker '{name}' cannot be loaded from {entry.value}: {error}"
        ) from error
    return (inspect.getdoc(made) or "").partition("\n")[0].rstrip(".")
