"""The simulation of many machines keeps the laws of queues."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.scale_simulation import (
    MEASURED,
    Cluster,
    Costs,
    costs_from,
    draw,
    ray_job,
    sharded_job,
    simulate,
    table,
)

COSTS = Costs(
    look_s=0.004,
    work_s=0.8,
    plan_s=1e-4,
    put_s=1e-3,
    task_s=5e-4,
    end_s=1e-3,
    merge_s=1e-3,
    tables_s=1e-3,
    read_bytes=2e5,
    memory_bytes=3e3,
    disk_bytes=5e3,
)
SAFE = Cluster(1, hours_to_failure=1e12)


def _rate(cluster: Cluster, costs: Costs = COSTS, writer_s: float = 0.0, clips: int = 0) -> float:
    return simulate(cluster, costs, clips or 100 * cluster.workers, writer_s).clips_per_s


def test_many_cores_give_as_many_clips_as_they_can_compute() -> None:
    for nodes in (1, 8):
        cluster = replace(SAFE, nodes=nodes)
        assert _rate(cluster) == pytest.approx(cluster.workers / COSTS.work_s, rel=0.03)


@pytest.mark.parametrize("writer_s", [0.01, 0.05, 0.2])
def test_one_writer_bounds_all_machines(writer_s: float) -> None:
    found = simulate(replace(SAFE, nodes=20), COSTS, 20_000, writer_s)
    assert found.clips_per_s <= 1 / writer_s
    assert found.clips_per_s == pytest.approx(1 / writer_s, rel=0.02)
    assert found.writer == pytest.approx(1, rel=0.02)
    assert found.workers == pytest.approx(COSTS.work_s / writer_s / (20 * 16), rel=0.05)


def test_storage_bounds_all_machines() -> None:
    slow = replace(SAFE, nodes=20, storage_bytes_s=50 * COSTS.read_bytes)
    found = simulate(slow, COSTS, 20_000, 0.0)
    assert found.clips_per_s <= 50
    assert found.clips_per_s == pytest.approx(50, rel=0.02)
    assert found.storage == pytest.approx(1, rel=0.02)


def test_below_every_bound_nothing_is_waited_for() -> None:
    found = simulate(replace(SAFE, nodes=4), COSTS, 10_000, 1e-3)
    assert found.workers > 0.97
    assert found.writer == pytest.approx(found.clips_per_s * 1e-3)


def test_more_machines_are_never_slower() -> None:
    rates = [
        _rate(replace(SAFE, nodes=nodes), writer_s=0.01, clips=20_000) for nodes in (1, 2, 4, 8)
    ]
    assert all(more >= 0.99 * fewer for fewer, more in pairwise(rates))


def test_what_a_node_that_fails_had_in_hand_is_done_again() -> None:
    fragile = Cluster(4, hours_to_failure=0.02, restart_s=5)
    found = simulate(fragile, COSTS, 10_000, 1e-3)
    assert found.num_clips == 10_000
    assert 0 < found.num_repeated < 10_000
    safe = simulate(replace(fragile, hours_to_failure=1e12), COSTS, 10_000, 1e-3)
    assert (safe.num_repeated, safe.seconds < found.seconds) == (0, True)


def test_one_seed_gives_one_answer() -> None:
    cluster = Cluster(2)
    one, two, other = (simulate(cluster, COSTS, 2_000, 1e-3, seed) for seed in (1, 1, 2))
    assert one == two
    assert one.seconds != other.seconds


def test_shards_have_no_common_writer() -> None:
    costs = replace(COSTS, put_s=0.02)
    many = Cluster(100, storage_bytes_s=1e12)
    ray, shards = ray_job(many, costs, 1_000_000), sharded_job(many, costs, 1_000_000)
    assert ray.limit == "the writer"
    assert shards.work_s < 0.5 * ray.work_s
    assert shards.join_s > 0 < shards.plan_s
    assert ray.node_hours > shards.node_hours


def test_a_job_is_the_sum_of_its_parts() -> None:
    job = ray_job(Cluster(2), COSTS, 50_000)
    assert job.total_s == pytest.approx(job.look_s + job.plan_s + job.work_s + job.join_s)
    assert job.look_s == pytest.approx(50_000 * COSTS.look_s / 16)
    assert job.node_hours < 2 * job.total_s / 3600


def test_the_page_quotes_what_the_measured_costs_give() -> None:
    page = (Path(__file__).parents[2] / "docs" / "scale.md").read_text(encoding="utf-8")
    costs = costs_from(MEASURED, "snac_16khz_mini")
    rows = table(costs, 10_000, nodes=(1, 10)).splitlines()
    assert len(rows) == 6
    assert all(row in page for row in rows)


def test_the_picture_has_both_ways_and_what_bounds_them(tmp_path: Path) -> None:
    draw(costs_from(MEASURED, "snac_16khz_mini"), tmp_path / "scale.svg", nodes=(1, 2))
    assert (tmp_path / "scale.svg").read_text().count("<path") > 10
