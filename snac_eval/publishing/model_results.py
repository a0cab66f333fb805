"""Scores as the hub keeps them with a model: ``model-index``, and ``.eval_results/*.yaml``.

``model-index`` stands in the metadata of a model's card. ``.eval_results`` counts only for a data
set that the hub knows as a benchmark (it has an ``eval.yaml`` with the task, and is on the hub's
list), so it is written for those alone that the user names.
https://github.com/huggingface/hub-docs: modelcard.md, docs/hub/eval-results.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from snac_eval.errors import HubError, UsageError
from snac_eval.hub import REPOSITORY

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

    from snac_eval.results.record import MetricResult, Run

TASK = "audio-to-audio"
"""The hub's task that is nearest to coding audio and decoding it."""
_TASK_NAME = "Neural audio coding"
_BENCHMARK = re.compile(rf"(?P<dataset>{REPOSITORY.pattern}):(?P<task>[\w.-]+)=(?P<metric>\w+)")
_HF_DATASET = re.compile(rf"hf:({REPOSITORY.pattern})(?:@([\w.-]+))?(?::.*)?")


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A task of a benchmark of the hub, and the metric that is its value."""

    dataset: str
    task: str
    metric: str

    @classmethod
    def parse(cls, text: str) -> Benchmark:
        """``USER/DATASET:TASK=METRIC``. Raises UsageError."""
        if not (found := _BENCHMARK.fullmatch(text)):
            raise UsageError(f"--benchmark {text[:200]}: give USER/DATASET:TASK=METRIC")
        return cls(**found.groupdict())

    @property
    def file(self) -> str:
        """Its path in a model's repository."""
        return f".eval_results/{self.dataset.replace('/', '--')}--{self.task}.yaml"


def model_of(run: Run) -> str:
    """The repository of the run's weights; for a codec without any on the hub, its name."""
    weights = str(run.manifest.get("codec", {}).get("card", {}).get("weights", ""))
    return weights if REPOSITORY.fullmatch(weights) else run.codec


def by_model(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """The runs of each model, in order."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(model_of(run), []).append(run)
    return found


def eval_results(runs: Sequence[Run], source: str) -> list[EvalResult]:
    """A result for each run and metric with a value. ``source`` is the address of the scores."""
    codecs = len({run.title for run in runs})
    return [one for run in runs for one in _of_run(run, source, codecs > 1)]


def _of_run(run: Run, source: str, several: bool) -> Iterator[EvalResult]:
    from huggingface_hub import EvalResult

    dataset, revision = _dataset(run)
    for name, result in run.metrics.items():
        value = _value(result)
        if value is None:
            continue
        unit = f" [{result.info.unit}]" if result.info.unit else ""
        yield EvalResult(
            task_type=TASK,
            task_name=_TASK_NAME,
            dataset_type=dataset,
            dataset_name=run.dataset,
            dataset_revision=revision,
            metric_type=name,
            metric_name=f"{name}{unit}{f', {run.title}' if several else ''}",
            metric_value=value,
            # By these it is known what may be compared: the hub itself does not look at them.
            metric_args={
                "codec": run.codec,
                "clips": result.counts[0],
                "fingerprint": str(result.info.fingerprint),
                "clip_list_sha256": str(
                    run.manifest.get("dataset", {}).get("clip_list_sha256", "")
                ),
            },
            source_name="snac-eval",
            source_url=source,
        )


def _value(result: MetricResult) -> float | None:
    if result.whole is not None:
        return result.whole.value if result.whole.status == "ok" else None
    return result.mean if result.values else None


def _dataset(run: Run) -> tuple[str, str | None]:
    """Its name on the hub and its revision, where it came from there; else our name of it."""
    if found := _HF_DATASET.fullmatch(run.dataset):
        return found[1], found[2]
    return run.dataset, None


def model_card(name: str, results: Sequence[EvalResult]) -> str:
    """A card that holds the results and nothing else."""
    from huggingface_hub import ModelCardData

    data = ModelCardData(model_name=name, eval_results=list(results))
    return f"---\n{data.to_yaml()}\n---\n"


def benchmark_file(run: Run, benchmark: Benchmark, source: str) -> str:
    """The text of ``.eval_results/*.yaml``. Raises UsageError where the run lacks the metric, or
    where the hub's client is too old to know the format."""
    import yaml

    try:
        from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml
    except ImportError as error:
        raise UsageError(
            "--benchmark needs a newer huggingface_hub: pip install --upgrade huggingface_hub"
        ) from error
    result = run.metrics.get(benchmark.metric)
    if result is None or (value := _value(result)) is None:
        raise UsageError(f"--benchmark: {run.codec} has no score by {benchmark.metric}")
    entry = EvalResultEntry(
        dataset_id=benchmark.dataset,
        task_id=benchmark.task,
        value=value,
        date=run.manifest.get("finished"),
        source_url=source,
        source_name="snac-eval",
        notes=f"{run.codec}, {result.counts[0]} clips, {result.info.fingerprint}",
    )
    return str(yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False))


def with_results(card: str, name: str, results: Sequence[EvalResult], source: str) -> str:
    """Somebody's model card with these results in its metadata; results of an earlier push from the
    same repository are replaced, and everything else stays.

    Raises HubError where the card's metadata cannot be read.
    """
    from huggingface_hub import RepoCard
    from huggingface_hub.repocard_data import eval_results_to_model_index
    from yaml import YAMLError

    own = eval_results_to_model_index(name, list(results))[0]
    try:
        found = RepoCard(card)
        data: dict[str, Any] = found.data.to_dict()  # type: ignore[no-untyped-call]
        index = data.get("model-index") or [{"name": name, "results": []}]
        index[0]["results"] = [*_of_others(index[0], source), *own["results"]]
        found.data["model-index"] = index
        return str(found)
    except (YAMLError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise HubError(
            "the model's card has metadata that cannot be read; mend its model-index first"
        ) from error


def _of_others(entry: Mapping[str, Any], source: str) -> list[Mapping[str, Any]]:
    results = entry["results"]
    return [one for one in results if (one.get("source") or {}).get("url") != source]
