"""What breaks first when many machines work at one run, and what a million hours of audio cost.

    python -m benchmarks.scale_simulation [--costs FILE] [--picture docs/scale.svg]

Clips are events. A worker reads a clip from storage that all share, codes and scores it, and hands
its result to a writer; it begins the next while the writer has at most one result of it. Storage
and writer take one after the other. One writer for all nodes is ``--engine ray``; one for each node
is ``--shard I/N``, with what then comes before and after: the plan that every shard makes, and the
merge. Nodes fail, and what they had in hand is done again. Times vary from clip to clip
(log-normal); everything is drawn from one seed.

The unit costs are those that ``python -m benchmarks.scale_costs`` measures; :data:`MEASURED` holds
them as they were found on the machine that docs/scale.md names.
"""

from __future__ import annotations

import argparse
import bisect
import heapq
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

CLIP_S = 10.0
NODES = (1, 10, 100, 1000)
MEASURED: Mapping[str, float] = {
    "flac_bytes": 198500.0,
    "look_s": 0.003458,
    "read_s": 0.003587,
    "code_s opus_12kbps": 0.1823,
    "code_s snac_16khz_mini": 0.4607,
    "score_s mel_dac_paper": 0.06379,
    "score_s mel_audiotools": 0.02271,
    "score_s stft_distance": 0.01739,
    "score_s si_sdr": 0.002216,
    "score_s si_sdr_aligned": 0.01001,
    "score_s delay": 0.01107,
    "score_s pesq_wb": 0.04615,
    "score_s stoi": 0.03939,
    "score_s estoi": 0.06805,
    "score_s visqol_speech": 0.3602,
    "plan_s": 5.393e-05,
    "memory_bytes": 2046.0,
    "put_s": 0.0001996,
    "end_s": 0.001273,
    "store_bytes": 6824.0,
    "file_bytes": 367.9,
    "merge_s": 0.0004558,
    "tables_s": 4.197e-05,
    "task_s": 0.000431,
}
"""What ``python -m benchmarks.scale_costs --ray`` printed."""
_SPREAD = 0.3
_ARRIVES, _ENDS = 0, 1
_PER_WORKER = 25
"""Clips that each worker does in a simulation: enough that the start and the end count little."""


@dataclass(frozen=True)
class Costs:
    """Of one clip, in seconds of one core unless said otherwise."""

    look_s: float
    """Its header and digest, before anything begins."""
    work_s: float
    """Read, coded and scored."""
    plan_s: float
    """Its place in a plan whose clips are known."""
    put_s: float
    """What the writer does while the run goes on."""
    task_s: float
    """What a cluster's scheduler costs the writer's process beside that."""
    end_s: float
    """What the end of a run does for it: counts, rows, manifest."""
    merge_s: float
    tables_s: float
    """Summary and tables."""
    read_bytes: float
    memory_bytes: float
    """In the process that plans."""
    disk_bytes: float
    """In the run's folder."""


@dataclass(frozen=True)
class Cluster:
    """Machines alike, one storage for all of them."""

    nodes: int
    cores: int = 16
    storage_bytes_s: float = 5e9
    """What the storage gives to all nodes together."""
    hours_to_failure: float = 2000.0
    """Of one node, on average."""
    restart_s: float = 300.0

    @property
    def workers(self) -> int:
        """Cores of all nodes."""
        return self.nodes * self.cores


@dataclass(frozen=True)
class Outcome:
    """What a simulated run was like."""

    seconds: float
    """From the first clip's begin to the last one's row in the store."""
    num_clips: int
    workers: float
    """Share of the time that a worker computes, from 0 to 1."""
    writer: float
    storage: float
    num_repeated: int
    """Clips that were lost with a node and done again."""

    @property
    def clips_per_s(self) -> float:
        """Throughput."""
        return self.num_clips / self.seconds


def simulate(
    cluster: Cluster, costs: Costs, num_clips: int, writer_s: float, seed: int = 0
) -> Outcome:
    """One run with one writer, whom each clip costs ``writer_s``."""
    rng = np.random.default_rng(seed)
    times = _times(rng, costs.work_s)
    read_s = costs.read_bytes / cluster.storage_bytes_s
    failures = _failures(rng, cluster, 10 * num_clips * (costs.work_s / cluster.workers + writer_s))
    events = [(0.0, worker, _ARRIVES, 0.0) for worker in range(cluster.workers)]
    taken_at = [0.0] * cluster.workers
    storage_free = writer_free = computed = 0.0
    done = begun = repeated = 0
    while done < num_clips:
        now, worker, kind, since = heapq.heappop(events)
        if kind == _ARRIVES:
            if since == 0.0 and begun == num_clips:
                continue  # nothing is left to begin
            begun += since == 0.0
            storage_free = max(storage_free, now) + read_s
            heapq.heappush(events, (storage_free + next(times), worker, _ENDS, storage_free))
            continue
        failed_at = _failure(failures[worker // cluster.cores], since, now)
        if failed_at is not None:
            repeated += 1
            again_at = failed_at + cluster.restart_s
            heapq.heappush(events, (again_at, worker, _ARRIVES, again_at))
            continue
        computed += now - since
        previous, writer_free = taken_at[worker], max(writer_free, now) + writer_s
        taken_at[worker] = writer_free
        done += 1
        heapq.heappush(events, (max(now, previous), worker, _ARRIVES, 0.0))
    return Outcome(
        seconds=writer_free,
        num_clips=num_clips,
        workers=computed / (writer_free * cluster.workers),
        writer=num_clips * writer_s / writer_free,
        storage=(num_clips + repeated) * read_s / writer_free,
        num_repeated=repeated,
    )


def _times(rng: np.random.Generator, mean_s: float) -> Iterator[float]:
    """Seconds that clips take, without end."""
    sigma = math.sqrt(math.log1p(_SPREAD**2))
    while True:
        yield from rng.lognormal(math.log(mean_s) - sigma**2 / 2, sigma, 4096).tolist()


def _failures(rng: np.random.Generator, cluster: Cluster, until_s: float) -> list[list[float]]:
    """When each node fails."""
    found = []
    for _ in range(cluster.nodes):
        times, now = [], 0.0
        while (now := now + rng.exponential(cluster.hours_to_failure * 3600)) < until_s:
            times.append(now)
        found.append(times)
    return found


def _failure(times: Sequence[float], since: float, until: float) -> float | None:
    """The first failure of a node in this time."""
    place = bisect.bisect_right(times, since)
    return times[place] if place < len(times) and times[place] <= until else None


@dataclass(frozen=True)
class Job:
    """A whole run, from the command to its tables."""

    way: str
    nodes: int
    num_clips: int
    steady: Outcome
    look_s: float
    plan_s: float
    work_s: float
    join_s: float
    """End of the run or of the shards, the merge, the tables."""
    memory_bytes: float
    disk_bytes: float

    @property
    def total_s(self) -> float:
        """Of the clock."""
        return self.look_s + self.plan_s + self.work_s + self.join_s

    @property
    def node_hours(self) -> float:
        """What is paid for: all nodes while clips are coded and shards plan, one node else."""
        alone_s = self.total_s - self.work_s - (self.plan_s if self.way == "shards" else 0)
        return (self.nodes * (self.total_s - alone_s) + alone_s) / 3600

    @property
    def limit(self) -> str:
        """What holds the whole up most."""
        shares = {
            "looking at the clips": self.look_s,
            "planning": self.plan_s,
            "joining": self.join_s,
            self._bottleneck: self.work_s,
        }
        return max(shares, key=lambda name: shares[name])

    @property
    def _bottleneck(self) -> str:
        steady = self.steady
        shares = {"cores": steady.workers, "the writer": steady.writer, "storage": steady.storage}
        return max(shares, key=lambda name: shares[name])


def ray_job(cluster: Cluster, costs: Costs, num_clips: int, seed: int = 0) -> Job:
    """One driver plans, writes and ends for all nodes."""
    writer_s = costs.put_s + costs.task_s
    return _job("ray", cluster, cluster, costs, num_clips, writer_s, seed)


def sharded_job(cluster: Cluster, costs: Costs, num_clips: int, seed: int = 0) -> Job:
    """One node looks, each plans all and does its part, one merges."""
    one = replace(cluster, nodes=1, storage_bytes_s=cluster.storage_bytes_s / cluster.nodes)
    return _job("shards", cluster, one, costs, num_clips, costs.put_s, seed)


def _job(
    way: str,
    cluster: Cluster,
    part: Cluster,
    costs: Costs,
    num_clips: int,
    writer_s: float,
    seed: int,
) -> Job:
    shards = cluster.nodes // part.nodes
    clips = math.ceil(num_clips / shards)
    steady = simulate(part, costs, min(clips, _PER_WORKER * part.workers), writer_s, seed)
    joined_s = costs.tables_s + (costs.merge_s if shards > 1 else 0)
    return Job(
        way,
        cluster.nodes,
        num_clips,
        steady,
        look_s=num_clips * costs.look_s / cluster.cores,
        plan_s=num_clips * costs.plan_s,
        work_s=clips / steady.clips_per_s,
        join_s=clips * costs.end_s + num_clips * joined_s,
        memory_bytes=num_clips * costs.memory_bytes,
        disk_bytes=num_clips * costs.disk_bytes,
    )


def table(costs: Costs, hours: float, nodes: Sequence[int] = NODES) -> str:
    """Both ways at every size, as Markdown."""
    lines = [
        "| nodes of 16 cores | way | clips/s | cores busy | writer busy | storage busy | looking"
        " | planning | coding and scoring | joining | all | node hours | held up by |",
        "|" + "--:|:--|" + "--:|" * 10 + ":--|",
    ]
    for count in nodes:
        for job in (one(Cluster(count), costs, _clips(hours)) for one in (ray_job, sharded_job)):
            shards = count if job.way == "shards" else 1
            steady = job.steady
            cells = [
                *(str(count), job.way, f"{shards * steady.clips_per_s:,.0f}"),
                *(f"{share:.0%}" for share in (steady.workers, steady.writer, steady.storage)),
                *map(_hours, (job.look_s, job.plan_s, job.work_s, job.join_s, job.total_s)),
                *(f"{job.node_hours:,.1f}", job.limit),
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def split_table(costs: Costs, hours: float, num_clips: int = 1_000_000, shards: int = 10) -> str:
    """The same audio as runs of ``num_clips`` each, in so many shards each, as Markdown."""
    runs = math.ceil(_clips(hours) / num_clips)
    lines = ["| nodes of 16 cores | runs at once | all | node hours |", "|--:|--:|--:|--:|"]
    for nodes in NODES[1:]:
        at_once = nodes // shards
        part = Cluster(shards, storage_bytes_s=Cluster(1).storage_bytes_s / at_once)
        job = sharded_job(part, costs, num_clips)
        total_h = math.ceil(runs / at_once) * job.total_s / 3600
        days = f"{total_h:,.0f} h ({total_h / 24:,.1f} days)"
        lines.append(f"| {nodes} | {at_once} | {days} | {runs * job.node_hours:,.0f} |")
    return "\n".join(lines)


def _clips(hours: float) -> int:
    return round(hours * 3600 / CLIP_S)


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"


def draw(
    costs: Costs, path: Path, nodes: Sequence[int] = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
) -> None:
    """Clips a second over nodes, both ways, with what bounds them."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    clusters = list(map(Cluster, nodes))
    pyplot.rcParams.update({"svg.hashsalt": "snac-eval", "font.size": 9})
    figure, axes = pyplot.subplots(figsize=(6.2, 3.8), layout="constrained")
    for way, job, sign in (("Ray, one driver", ray_job, "o-"), ("shards", sharded_job, "s-")):
        jobs = [job(cluster, costs, _clips(1e6)) for cluster in clusters]
        rates = [one.steady.clips_per_s * (one.nodes if one.way == "shards" else 1) for one in jobs]
        axes.loglog(nodes, rates, sign, label=way, markersize=4)
    one = clusters[0]
    bounds = {
        "one driver": 1 / (costs.put_s + costs.task_s),
        f"storage of {one.storage_bytes_s / 1e9:g} GB/s": one.storage_bytes_s / costs.read_bytes,
    }
    for name, rate in bounds.items():
        axes.axhline(rate, color="0.6", linewidth=0.8, linestyle="--")
        axes.text(1, rate * 1.08, name, color="0.35")
    axes.set_xlabel("nodes of 16 cores")
    axes.set_ylabel("clips of 10 s per second")
    axes.legend(loc="lower right")
    figure.savefig(path, metadata={"Date": None, "Rights": "MIT, the snac-eval authors"})


def costs_from(measured: Mapping[str, float], codec: str) -> Costs:
    """Unit costs out of what ``benchmarks.scale_costs`` prints."""
    score_s = sum(value for key, value in measured.items() if key.startswith("score_s"))
    return Costs(
        look_s=measured["look_s"],
        work_s=measured["read_s"] + measured[f"code_s {codec}"] + score_s,
        plan_s=measured["plan_s"],
        put_s=measured["put_s"],
        task_s=measured["task_s"],
        end_s=measured["end_s"],
        merge_s=measured["merge_s"],
        tables_s=measured["tables_s"],
        read_bytes=measured["flac_bytes"],
        memory_bytes=measured["memory_bytes"],
        disk_bytes=measured["store_bytes"] + measured["file_bytes"],
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--costs", type=Path, help="what scale_costs printed; default: as measured")
    parser.add_argument("--codec", default="snac_16khz_mini")
    parser.add_argument("--picture", type=Path, help="write this picture as well")
    options = parser.parse_args()
    measured = MEASURED if options.costs is None else json.loads(options.costs.read_text())
    costs = costs_from(measured, options.codec)
    for hours in (10_000, 1_000_000):
        clips = _clips(hours)
        print(f"{hours:,} hours in clips of {CLIP_S:g} s, {options.codec}: {clips:,} clips,")
        print(f"{clips * costs.memory_bytes / 1e9:,.1f} GB in the process that plans,", end=" ")
        print(f"{clips * costs.disk_bytes / 1e9:,.1f} GB in the run's folder\n")
    print(table(costs, 10_000), end="\n\n")
    print("A million hours, as runs of a million clips in ten shards each:\n")
    print(split_table(costs, 1_000_000))
    if options.picture:
        draw(costs, options.picture)


if __name__ == "__main__":
    main()
