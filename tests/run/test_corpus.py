"""Scores of all clips together, from parts that come one clip at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from snac_eval.metrics.base import ALL_DOMAINS
from snac_eval.metrics.opening import open_metric
from snac_eval.run.corpus import _from_parts, score_stored
from snac_eval.run.keys import ReconstructionKey
from snac_eval.run.rows import StoredCodes
from snac_eval.run.store import Store
from snac_eval.types import Codes, MetricInfo, Reconstruction, Score, Timing

PARTS = [
    Score.partial(b"12"),
    Score.undefined("silent"),
    Score.partial(b"345"),
    Score.error("lost"),
    Score.partial(b"6"),
]


class Size:
    """How many bytes were kept, of the first ``count`` parts."""

    info = MetricInfo(
        name="size", description="", unit="", higher_is_better=None, value_range=(0, 99),
        domains=ALL_DOMAINS, sample_rate=None, fingerprint=(), kind="corpus", corpus_of="audio",
    )  # fmt: skip

    def __init__(self, count: int = 9, problem: str = "") -> None:
        self.count = count
        self.problem = problem

    def score(self, reconstruction: Reconstruction) -> Score:
        raise NotImplementedError

    def finish(self, details: Iterable[bytes]) -> Score:
        sizes = [len(one) for one, _ in zip(details, range(self.count), strict=False)]
        if self.problem:
            raise ValueError(self.problem)
        return Score.ok(float(sum(sizes)))


def test_parts_are_asked_for_one_at_a_time() -> None:
    asked: list[int] = []
    seen: list[list[int]] = []

    class Watching(Size):
        def finish(self, details: Iterable[bytes]) -> Score:
            for _ in details:
                seen.append(list(asked))
            return Score.ok(1.0)

    def parts() -> Iterator[Score]:
        for index, one in enumerate(PARTS):
            asked.append(index)
            yield one

    _from_parts(Size.info, parts(), Watching())
    assert seen == [[0], [0, 1, 2], [0, 1, 2, 3, 4]]


def test_what_is_left_out_is_counted_and_said() -> None:
    found = _from_parts(Size.info, iter(PARTS), Size())
    assert (found.score.value, found.counts) == (6.0, (3, 1, 1))
    assert "2 of 5 clips are left out (1 undefined, 1 failed)" in found.score.reason


@pytest.mark.parametrize("count", [0, 1, 3])
def test_clips_are_counted_though_the_metric_stops_early(count: int) -> None:
    assert _from_parts(Size.info, iter(PARTS), Size(count)).counts == (3, 1, 1)


def test_a_metric_that_fails_is_that_metrics_error() -> None:
    found = _from_parts(Size.info, iter(PARTS), Size(1, "no memory"))
    assert "no memory" in found.score.reason
    assert found.counts == (0, 1, 4)


def test_no_part_is_undefined() -> None:
    found = _from_parts(Size.info, iter([Score.undefined("silent")]), Size())
    assert found.score == Score.undefined("no clip has a part in it")
    assert found.counts == (0, 1, 0)


def test_a_broken_store_is_not_the_metrics_error() -> None:
    def parts() -> Iterator[Score]:
        yield PARTS[0]
        raise OSError("disk I/O error")

    with pytest.raises(OSError, match="disk I/O"):
        _from_parts(Size.info, parts(), Size())


def test_metrics_of_token_order_are_scored_from_the_store_and_have_a_column_of_streams(
    tmp_path: Path,
) -> None:
    names = [
        "ngram_entropy",
        "token_compressibility",
        "stream_mutual_information",
        "codebook_usage",
    ]
    metrics = {name: open_metric(name) for name in names}
    keys = [ReconstructionKey("codec/1", f"clip{index}", device="cpu") for index in range(3)]
    clock = np.arange(400, dtype=np.int32) % 8
    with Store.create(tmp_path, overwrite=False) as store:
        for key in keys[:2]:
            codes = Codes(16000, (clock, np.repeat(clock, 2)), (8, 8))
            store.put(key, {}, StoredCodes(codes, Timing()))
        store.put(keys[2], {"bitrate": Score.error("the codec fails")})
        durations = {key.id: 1.0 for key in keys}
        # The second time a count is kept that spares reading the codes; order is looked at again.
        first, again = (score_stored(metrics, durations, [], store) for _ in range(2))
    assert first == again
    scores = {name: one.score for name, one in first.scores.items()}
    assert scores["ngram_entropy"].value == pytest.approx(0.5, abs=0.02)  # of 0 and 1
    assert scores["stream_mutual_information"].value == pytest.approx(3, abs=0.1)
    assert scores["ngram_entropy"].reason == "1 of 3 clips are left out (1 failed)"
    assert first.scores["ngram_entropy"].counts == (2, 0, 1)
    columns = [[row[name] for row in first.streams] for name in names[:3]]
    assert columns[0] == pytest.approx([0, 1], abs=0.02)
    assert columns[1][0] > 90
    assert columns[2][1] is None
