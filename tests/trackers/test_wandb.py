"""Weights & Biases without a network: what its file of an offline run holds."""

from __future__ import annotations

import json
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from snac_eval.errors import UsageError
from snac_eval.trackers.base import Tracker
from tests.trackers.conftest import Heard

pytest.importorskip("wandb", reason="needs the extra wandb")
# Its folder for media is removed when the process ends, or its owner is.
pytestmark = pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning")

_BLOCK, _HEAD = 32768, struct.Struct("<IHB")
_WHOLE, _LAST = 1, 4


def _records(path: Path) -> Iterator[Any]:
    """LevelDB's log format: records in pieces, which no block of 32 KiB cuts."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, place, whole = path.read_bytes(), 7, b""
    while place + _HEAD.size <= len(content):
        if _BLOCK - place % _BLOCK < _HEAD.size:
            place += _BLOCK - place % _BLOCK
            continue
        _, length, kind = _HEAD.unpack_from(content, place)
        place += _HEAD.size + length
        whole += content[place - length : place]
        if kind in (_WHOLE, _LAST):
            record = Record()
            record.ParseFromString(whole)
            yield record
            whole = b""


def _values(items: Any) -> dict[str, Any]:  # noqa: ANN401 - protobuf's
    return {one.key or "/".join(one.nested_key): json.loads(one.value_json) for one in items}


def test_a_run_is_there_once_and_whole(
    follow: Callable[[Callable[[], Tracker]], Heard],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from snac_eval.trackers.wandb import WandbTracker

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    heard = follow(lambda: WandbTracker("team/things"))
    files = sorted(tmp_path.glob("wandb/offline-run-*/*.wandb"))
    found = defaultdict(list)
    for record in [one for file in files for one in _records(file)]:
        found[record.WhichOneof("record_type")].append(record)
    assert len(files) == 2
    assert len({one.run.run_id for one in found["run"]}) == 1
    assert {(one.run.entity, one.run.project) for one in found["run"]} == {("team", "things")}
    assert _values(found["run"][0].run.config.update)["codec"] == "pcm_8bit"
    logged = [_values(one.history.item) for one in found["history"]]
    assert sorted(one["clip/number"] for one in logged if "clip/number" in one) == [0, 1, 2]
    assert sum("clip/si_sdr_aligned" in one for one in logged) == 2
    summary = {}
    for one in found["summary"]:
        summary |= _values(one.summary.update)
    assert summary["n_undefined/si_sdr_aligned"] == 1
    assert summary["mean/bitrate"] == pytest.approx(heard.runs[0].means[0].value)
    (table,) = tmp_path.glob("wandb/offline-run-*/files/media/table/*.json")
    rows = json.loads(table.read_text())["data"]
    assert ["speech/b", None, "undefined"] in [[row[0], row[4], row[5]] for row in rows]
    assert len(rows) == 6


def test_nobody_logged_in_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    from snac_eval.trackers.wandb import WandbTracker

    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setattr(wandb, "login", lambda **_: False)
    with pytest.raises(UsageError, match="nobody is logged in; run wandb login"):
        WandbTracker()
