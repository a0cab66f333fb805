"""What kinds of values stand where in a manifest, in a baseline and in the record of an agreement:
asked once, when one is read.

Readers go on from here without looking again. What may be missing is not decided here: whoever
needs it says so.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from snac_eval.errors import StoreError, detail
from snac_eval.types import Status
from snac_eval.writing import read_text

LARGEST = 1e100
"""No metric gives more, and squares of it can still be summed."""

_ANY = object()
_NUMBER = "a number"
_COUNT = "a whole number, not below 0"
_TEXT = "text"
_STATUS = "ok, undefined or error"
_FLAG = "true or false"
_EACH = ""
"""As a key: every other one."""

_Shape = Any
"""One of the above, an optional one in a tuple, ``[shape]`` or ``{key: shape}``."""

_CLIP = {
    "sha256": _TEXT,
    "speaker": _TEXT,
    "domain": _TEXT,
    "duration_s": (_NUMBER,),
    "key": _TEXT,
    "start_s": _NUMBER,
    "length_s": (_NUMBER,),
    "transcript": _TEXT,
    "place": _COUNT,
    "line": _TEXT,
}
_METRIC = {
    "description": _TEXT,
    "unit": _TEXT,
    "higher_is_better": (_FLAG,),
    "value_range": [(_NUMBER,)],
    "domains": [_TEXT],
    "sample_rate": (_COUNT,),
    "kind": _TEXT,
    "corpus_of": _TEXT,
    "speed": _TEXT,
    "floor": (_NUMBER,),
    "ranked": _FLAG,
    "weighted_by": _TEXT,
    "fingerprint": [_TEXT],
    "depends_on": [_TEXT],
}
_MANIFEST = {
    "snac_eval": _TEXT,
    "state": _TEXT,
    "run_id": _TEXT,
    "label": _TEXT,
    "argv": [_TEXT],
    "notes": [_TEXT],
    "shard": {"number": _COUNT, "of": _COUNT, "num_clips": _COUNT, "clip_list_sha256": _TEXT},
    "num_clips": _COUNT,
    "codec": {"card": {}, "fingerprint": _TEXT, "device": _TEXT},
    "dataset": {"name": _TEXT, "card": {}},
    "clips": {_EACH: _CLIP},
    "metrics": {_EACH: _METRIC},
    "domain_metrics": {_EACH: [_TEXT]},
    "corpus_scores": {
        _EACH: {"value": (_NUMBER,), "status": _STATUS, "reason": _TEXT, "counts": [_COUNT]}
    },
    "streams": [{}],
    "versions": {_EACH: _TEXT},
    "hardware": {},
    "config": {},
    "scoring": {"reference_rate": _TEXT},
    "files": {_EACH: _TEXT},
    "num_rows": _COUNT,
}
_BASELINE = {
    "run_id": _TEXT,
    "codec": _TEXT,
    "codec_fingerprint": _TEXT,
    "dataset": _TEXT,
    "versions": {_EACH: _TEXT},
    "place": {},
    "clips": {_EACH: _CLIP},
    "metrics": {
        _EACH: {
            **_METRIC,
            "scores": {_EACH: _NUMBER},
            "weights": {_EACH: _NUMBER},
            "missing": {_EACH: [_TEXT]},
        }
    },
}
_COEFFICIENT = {"value": (_NUMBER,), "low": (_NUMBER,), "high": (_NUMBER,)}
_POINT = {
    "codec": _TEXT,
    "clip": _TEXT,
    "score": _NUMBER,
    "rating": _NUMBER,
    "low": (_NUMBER,),
    "high": (_NUMBER,),
    "ratings": _COUNT,
}
_AGREEING = {
    "metric": _TEXT,
    "unit": _TEXT,
    "higher_is_better": (_FLAG,),
    "fingerprint": _TEXT,
    "num_points": {_EACH: _COUNT},
    "points": {_EACH: [_POINT]},
    "coefficients": {_EACH: {_EACH: _COEFFICIENT}},
    "mapped": {
        _EACH: {
            "rmse": (_NUMBER,),
            "rmse_star": (_NUMBER,),
            "coefficients": [_NUMBER],
            "reason": _TEXT,
        }
    },
    "pairs": {"right": _COUNT, "wrong": _COUNT, "tied": _COUNT, "wrong_pairs": [[_TEXT]]},
    "sentence": _TEXT,
    "left_out": {_EACH: _COUNT},
    "problem": _TEXT,
}
_AGREEMENT = {
    "data": _TEXT,
    "source": _TEXT,
    "scale": _TEXT,
    "num_ratings": _COUNT,
    "num_listeners": _COUNT,
    "num_clips": _COUNT,
    "codecs": [_TEXT],
    "with_reference": _FLAG,
    "with_anchors": _FLAG,
    "num_resamples": _COUNT,
    "seed": _COUNT,
    "icc": _COEFFICIENT,
    "metrics": [_AGREEING],
    "differences": [
        {
            "first": _TEXT,
            "second": _TEXT,
            "difference": (_NUMBER,),
            "low": (_NUMBER,),
            "high": (_NUMBER,),
            "p_value": (_NUMBER,),
            "p_holm": (_NUMBER,),
        }
    ],
    "left_out": [{"what": _TEXT, "name": _TEXT, "reason": _TEXT}],
    "notes": [_TEXT],
}


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in this file. Raises StoreError where there is none."""
    try:
        content = json.loads(read_text(path))
    except OSError as error:
        raise StoreError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path}: not valid JSON ({detail(error)}); write it again") from error
    if not isinstance(content, dict):
        raise StoreError(f"{path}: holds no JSON object; write it again")
    return content


def manifest_misfit(manifest: Mapping[str, Any]) -> str:
    """Which value of a manifest is of the wrong kind, and of which it should be; empty: none."""
    return next(_misfits(manifest, _MANIFEST, ()), "")


def baseline_misfit(baseline: Mapping[str, Any]) -> str:
    """The same of a baseline."""
    return next(_misfits(baseline, _BASELINE, ()), "")


def agreement_misfit(agreement: Mapping[str, Any]) -> str:
    """The same of the record of an agreement."""
    return next(_misfits(agreement, _AGREEMENT, ()), "")


def _misfits(value: Any, shape: _Shape, where: tuple[str, ...]) -> Iterator[str]:  # noqa: ANN401
    if isinstance(shape, tuple):
        if value is not None:
            yield from _misfits(value, shape[0], where)
    elif isinstance(shape, Mapping):
        if not isinstance(value, dict):
            yield _said(value, "a table", where)
            return
        for key, one in value.items():
            yield from _misfits(one, shape.get(key or "\0", shape.get(_EACH, _ANY)), (*where, key))
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield _said(value, "a list", where)
            return
        for index, one in enumerate(value):
            yield from _misfits(one, shape[0], (*where, str(index)))
    elif not _is(value, shape):
        yield _said(value, shape, where)


def _is(value: object, shape: _Shape) -> bool:
    if shape is _ANY:
        return True
    if shape == _TEXT:
        return isinstance(value, str)
    if shape == _STATUS:
        return value in get_args(Status)
    if shape == _FLAG:
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # NaN is in no range.
    return abs(value) <= LARGEST if shape == _NUMBER else isinstance(value, int) and value >= 0


def _said(value: object, wanted: str, where: tuple[str, ...]) -> str:
    return f"{'.'.join(where)} is {reprlib.repr(value)}; it should be {wanted}"
