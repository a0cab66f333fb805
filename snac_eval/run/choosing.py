"""Which runs a study has: names, patterns and a study file become a RunConfig for each pair."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any

from snac_eval.codecs.losses import OPTIONS
from snac_eval.errors import UnknownNameError, UsageError
from snac_eval.reading.names import user_path
from snac_eval.registry import plugins
from snac_eval.registry.validation import read_toml, validated
from snac_eval.run.conditions import NO_CONDITIONS, Conditions, behind
from snac_eval.run.config import RunConfig
from snac_eval.run.naming import default_output

_PATTERN = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A codec of a study; what is None is as for the whole study."""

    name: str
    label: str | None = None
    weights: str | None = None
    args: Mapping[str, Any] | None = None
    """Arguments of the constructor of a codec of one's own."""
    device: str | None = None
    batch_size: int | None = None
    channels: str | None = None
    reference_rate: str | None = None
    python: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetChoice:
    """A dataset of a study; what is None is as for the whole study."""

    name: str
    limit: int | None = None
    domain: str | None = None
    excerpt: float | None = None
    balance: str | None = None
    sample_seed: int | None = None
    max_duration: float | None = None
    data_root: str | None = None


@dataclass(frozen=True, slots=True)
class StudyFile:
    """What a study file may hold: flags of ``snac-eval run``, with underscores."""

    models: tuple[str | ModelChoice, ...]
    datasets: tuple[str | DatasetChoice, ...]
    metrics: tuple[str, ...] | None = None
    seeds: tuple[int, ...] = ()
    limit: int | None = None
    domain: str | None = None
    excerpt: float | None = None
    balance: str | None = None
    sample_seed: int | None = None
    reference_rate: str | None = None
    channels: str | None = None
    data_root: str | None = None
    cards: tuple[str, ...] | None = None
    output: str | None = None
    packet_loss: float | tuple[float, ...] | None = None
    bit_errors: float | tuple[float, ...] | None = None
    burst: float | None = None
    packet_ms: float | None = None
    device: str | None = None
    python: str | None = None
    workers: int | None = None
    batch_size: int | None = None
    max_duration: float | None = None
    clip_timeout: float | None = None
    max_error_rate: float | None = None
    report_clips: int | None = None
    html: bool | None = None
    engine: str | None = None
    address: str | None = None
    runtime_env: str | None = None
    track: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Study:
    """What is to be compared, and how: the options that all pairs share stand in ``base``."""

    models: tuple[ModelChoice, ...]
    datasets: tuple[DatasetChoice, ...]
    base: RunConfig
    seeds: tuple[int, ...] = ()
    given: Mapping[str, Any] = field(default_factory=dict)
    """Options that stand above what a model or a dataset says of itself."""
    conditions: Conditions = NO_CONDITIONS
    """What every model loses of what it sends."""

    def configs(self, below: Path = Path("runs")) -> list[RunConfig]:
        """A run for each pair and seed, datasets outermost, each in a folder of its own ``below``.

        Raises UsageError for what does not fit together, UnknownNameError for a pattern that fits
        no card.
        """
        cards = self.base.card_dirs
        names = plugins.codec_names(cards)
        models = list(self._lossy(_spread(self.models, names, "codec"), names))
        datasets = list(_spread(self.datasets, plugins.dataset_names(cards), "dataset"))
        seeds = self.seeds or (self.base.seed,)
        made = (self._config(*each) for each in product(datasets, models, seeds))
        return [replace(one, output=default_output(one, below)) for one in dict.fromkeys(made)]

    def _lossy(self, models: Iterable[ModelChoice], names: Sequence[str]) -> Iterator[ModelChoice]:
        """Each model under each condition."""
        for one, channel in product(models, self.conditions.channels()):
            label = f"{one.label}, {channel.words}" if one.label and channel else one.label
            yield replace(one, name=behind(one.name, channel, names), label=label)

    def _config(self, dataset: DatasetChoice, model: ModelChoice, seed: int) -> RunConfig:
        own = _options(model) | _options(dataset) | {"seed": seed} | dict(self.given)
        return replace(self.base, model=model.name, dataset=dataset.name, **own)


def named(texts: Iterable[str]) -> Iterator[str]:
    """The names in texts that each may hold several, parted by commas."""
    for text in texts:
        # A path may hold commas; a list of names holds none that is a path.
        if Path(text.partition(":")[2] or text).exists():
            yield text
        else:
            yield from filter(None, (part.strip() for part in text.split(",")))


def read_study(
    path: Path, flags: RunConfig, conditions: Conditions = NO_CONDITIONS
) -> tuple[Study, Path | None]:
    """The study of a file, and the folder that it names for itself.

    ``flags`` and ``conditions`` are the command line's; what is no default there stands above what
    the file says.
    Raises UsageError with the file's name where it cannot be read or does not fit.
    """
    file = validated(StudyFile, read_toml(path, UsageError), str(path), UsageError)
    defaults = RunConfig("", "", flags.output)
    given = {
        one.name: getattr(flags, one.name)
        for one in fields(RunConfig)
        if one.compare and getattr(flags, one.name) != getattr(defaults, one.name)
    }
    for name in ("models", "datasets"):
        if not getattr(file, name):
            raise UsageError(f"{path}: {name} is empty; name at least one")
    try:
        base = replace(defaults, callbacks=flags.callbacks, **(_options(file) | given))
        study = Study(
            models=tuple(_entry(ModelChoice, one) for one in file.models),
            datasets=tuple(_entry(DatasetChoice, one) for one in file.datasets),
            base=base,
            seeds=() if "seed" in given else file.seeds,
            given=given,
            conditions=conditions.over(
                Conditions.of({name: getattr(file, name) for name in OPTIONS})
            ),
        )
        study.configs()
    except UnknownNameError:
        raise
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    return study, None if file.output is None else user_path(file.output)


_RENAMED = {
    "excerpt": "excerpt_s",
    "max_duration": "max_duration_s",
    "clip_timeout": "clip_timeout_s",
    "cards": "card_dirs",
    "args": "model_args",
}
_PATHS = ("data_root", "runtime_env")
_APART = ("name", "models", "datasets", "seeds", "output", *OPTIONS)


def _options(said: Any) -> dict[str, Any]:  # noqa: ANN401 - any of the three
    """The fields of a RunConfig that were said."""
    found: dict[str, Any] = {}
    for one in fields(said):
        value = getattr(said, one.name)
        if value is None or one.name in _APART:
            continue
        if one.name in _PATHS:
            value = user_path(value)
        elif one.name == "cards":
            value = tuple(map(user_path, value))
        elif one.name == "args":
            value = tuple(f"{key}={json.dumps(item)}" for key, item in value.items())
        found[_RENAMED.get(one.name, one.name)] = value
    return found


def _entry(kind: Any, said: Any) -> Any:  # noqa: ANN401 - a choice of the kind
    return kind(said) if isinstance(said, str) else said


def _spread(choices: Sequence[Any], known: Sequence[str], what: str) -> Iterator[Any]:
    """The choices, those with patterns once for each card that fits."""
    for one in choices:
        if not _PATTERN & set(one.name.partition(":")[0]):
            yield one
            continue
        fitting = [name for name in known if fnmatchcase(name, one.name)]
        if not fitting:
            raise UnknownNameError(f"no {what} fits '{one.name}'; see: snac-eval list {what}s")
        yield from (replace(one, name=name) for name in fitting)
