"""What a run is to do: a :class:`RunConfig` becomes a :class:`Plan`, less what the store has."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from snac_eval import audio
from snac_eval.codecs.abilities import OpenCodec
from snac_eval.codecs.channels import per_channel
from snac_eval.codecs.opening import open_model
from snac_eval.datasets.opening import Sampling, open_dataset
from snac_eval.datasets.sampling import BALANCES, Balance
from snac_eval.errors import UsageError
from snac_eval.machine import num_cores, resolve_device
from snac_eval.metrics.base import DEFAULT_METRICS
from snac_eval.metrics.opening import OpenMetric, open_metric, require_metric
from snac_eval.run.keys import (
    ReconstructionKey,
    card_digest,
    clip_inputs,
    score_key,
    taken_as,
)
from snac_eval.run.rows import Settled
from snac_eval.types import (
    Channels,
    Clip,
    Dataset,
    Domain,
    MetricInfo,
    ReferenceRate,
    Waveform,
)

DEFAULT = "default"
_MOST_KNOWN = 1024
_LOWEST = {
    "limit": 0,
    "workers": -1,
    "batch_size": 0,
    "max_duration_s": 0,
    "clip_timeout_s": 0,
    "report_clips": 0,
}
_LIMIT_BASE_S, _LIMIT_PER_S = 120.0, 60.0


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Everything that the user chose.

    ``metrics`` empty: the default set of each clip's domain. ``limit`` 0: every clip. ``workers``
    and ``batch_size`` 0: chosen for the machine. ``reference_rate`` says at which rate metrics
    without a rate of their own compare: the clip's (codecs of different rates stay comparable) or
    the codec's (as papers do that resample the data first). ``max_duration_s`` bounds a clip,
    ``max_error_rate`` the share of clips that may fail before the run counts as failed.
    ``excerpt_s`` 0: whole clips, else that many seconds of each; ``balance`` takes equally many
    clips of each speaker or domain; ``sample_seed`` seeds both choices, ``seed`` the codec's noise.
    ``channels`` says what a mono codec gets of a stereo clip: its mean, or each channel in turn.
    ``html`` asks for ``report.html``, in which ``report_clips`` clips can be heard.
    ``clip_timeout_s`` bounds what one clip may take in a process of the run (:meth:`clip_limit_s`).
    """

    model: str
    dataset: str
    output: Path
    metrics: tuple[str, ...] = ()
    limit: int = 0
    seed: int = 0
    device: str = "auto"
    workers: int = -1
    batch_size: int = 0
    overwrite: bool = False
    data_root: Path | None = None
    weights: str = ""
    card_dirs: tuple[Path, ...] = ()
    reference_rate: ReferenceRate = "clip"
    max_duration_s: float = 600.0
    max_error_rate: float = 0.1
    clip_timeout_s: float = 0.0
    show_progress: bool = False
    excerpt_s: float = 0.0
    balance: Balance = ""
    sample_seed: int = 0
    channels: Channels = "downmix"
    report_clips: int = 20
    html: bool = True

    def __post_init__(self) -> None:
        for name, low in _LOWEST.items():
            if getattr(self, name) < low:
                flag = "--" + name.removesuffix("_s").replace("_", "-")
                raise UsageError(f"{flag} {getattr(self, name)}: must be at least {low}")
        if not 0 <= self.max_error_rate <= 1:
            raise UsageError(f"--max-error-rate {self.max_error_rate}: must lie in 0..1")
        if not math.isfinite(self.clip_timeout_s):
            raise UsageError(f"--clip-timeout {self.clip_timeout_s}: give seconds, e.g. 60s")
        if not (self.excerpt_s == 0 or 0.1 <= self.excerpt_s < math.inf):
            raise UsageError(f"--excerpt {self.excerpt_s}: give at least 0.1 s, e.g. 10s")
        if self.channels not in ("downmix", "each"):
            raise UsageError(f"--channels {self.channels}: use downmix or each")
        if self.balance not in BALANCES:
            raise UsageError(f"--balance {self.balance}: use {' or '.join(BALANCES[1:])}")
        if self.balance and not self.limit:
            raise UsageError(f"--balance {self.balance} needs --limit: all clips are all clips")

    @property
    def num_workers(self) -> int:
        """Processes that take clips from file to scores: as asked, else one per core."""
        return self.workers if self.workers >= 0 else num_cores()

    def clip_limit_s(self, duration_s: float) -> float:
        """Seconds that a clip of this length may take: to be read, to be coded, and to be scored
        by a metric, each. As asked, else two minutes and sixty times its length."""
        return self.clip_timeout_s or _LIMIT_BASE_S + _LIMIT_PER_S * duration_s

    @property
    def num_threads(self) -> int:
        """CPU threads of the codec: one, for as many clips as there are cores are in work at once,
        and so that no code depends on how many cores there are."""
        return 1


@dataclass(frozen=True, slots=True)
class Setting:
    """An opened codec and how a run has it hear clips."""

    config: RunConfig
    codec: OpenCodec

    def read_reference(self, clip: Clip) -> Waveform:
        """The clip at its own rate, mixed down for a mono codec. Raises AudioError."""
        whole = audio.read_clip(clip, self.config.max_duration_s)
        return audio.to_mono(whole) if self.codec.card.channels == 1 else whole

    def read(self, clip: Clip) -> tuple[Waveform, Waveform]:
        """The clip as it is scored against, and as the codec takes it. Raises AudioError."""
        card, reference = self.codec.card, self.read_reference(clip)
        source = audio.resample(reference, card.sample_rate or reference.sample_rate)
        if self.config.reference_rate == "codec":
            reference = source
        return reference, audio.fill_channels(source, card.channels)


@dataclass(frozen=True, slots=True)
class Material(Setting):
    """What a run codes: the opened codec and the chosen clips."""

    dataset: Dataset
    remarks: tuple[str, ...] = ()
    """What the run itself found out that a reader of its numbers must know."""

    @property
    def clips(self) -> tuple[Clip, ...]:
        """The clips of this run, in the dataset's order."""
        return self.dataset.clips

    @property
    def label(self) -> str:
        """What reports call the codec."""
        label = codec_label(self.config.model)
        return label if self.config.channels == "downmix" else f"{label}@channels=each"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the numbers must know and could not guess."""
        own = (*self.dataset.notes, *_weights_note(self.codec), *self.codec.notes())
        return (*own, *self.remarks)

    def key(self, clip: Clip) -> ReconstructionKey:
        """Identity of the reconstruction of this clip: equal keys mean equal audio."""
        codec, source = self.codec.fingerprint, self.codec.source
        taken = taken_as(self.codec.card)
        if source is not None:
            identity = source.identity(clip)
            return ReconstructionKey(codec, clip.sha256, identity=identity, taken=taken)
        device = self.codec.device
        return ReconstructionKey(codec, clip.sha256, self.config.seed, device, taken=taken)


@dataclass(frozen=True, slots=True)
class Job:
    """One clip and the metrics that it still lacks; none where only its codes are lost."""

    clip: Clip
    key: ReconstructionKey
    """Names its reconstruction."""
    metrics: tuple[str, ...]
    has_codes: bool = False
    """Whether the store had its codes when this was planned."""


@dataclass(frozen=True, slots=True)
class Plan(Material):
    """What a run codes, and by which metrics it scores each domain."""

    keys: tuple[ReconstructionKey, ...] = ()
    """Those of :attr:`clips`, in their order, as they were when this was opened."""
    ids: tuple[str, ...] = ()
    """What names the same reconstructions in the store."""
    card_digest: str = ""
    """Of all that a score can depend on in the codec's card."""
    metrics: Mapping[str, OpenMetric] = field(default_factory=dict)
    domain_metrics: Mapping[Domain, tuple[str, ...]] = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        """Twelve hex digits that name what is measured: codec, clips, seed, device, rates."""
        digest = hashlib.sha256(f"{self.dataset.name}\n{self.config.reference_rate}".encode())
        for key in self.keys:
            digest.update(f"\n{key}".encode())
        return digest.hexdigest()[:12]

    def info(self, name: str) -> MetricInfo:
        """What a metric's numbers mean in this run."""
        info = self.metrics[name].info
        if self.config.reference_rate == "clip":
            return info
        return replace(info, fingerprint=info.fingerprint.extended(reference="codec"))

    def fingerprint(self, name: str) -> str:
        """Identity of a metric's numbers in this run, as the store has it."""
        return str(self.info(name).fingerprint)

    def clip_metrics(self, clip: Clip) -> tuple[str, ...]:
        """Names of the metrics that score this clip one by one (corpus metrics score them all)."""
        names = self.domain_metrics[clip.domain]
        return tuple(name for name in names if self.metrics[name].info.kind != "corpus")

    def partial_metrics(self, clip: Clip) -> tuple[str, ...]:
        """Names of the metrics of all clips together that look at this clip's audio."""
        names = self.domain_metrics[clip.domain]
        return tuple(name for name in names if self.metrics[name].audio_corpus is not None)

    def corpus_metrics(self) -> tuple[str, ...]:
        """Names of the metrics that score all clips together."""
        return tuple(name for name, one in self.metrics.items() if one.info.kind == "corpus")

    def score_keys(self, names: Iterable[str], clip: Clip) -> dict[str, str]:
        """By metric the key under which the store has this clip's score."""
        inputs = clip_inputs(clip) | {"card": self.card_digest}
        return {
            name: score_key(self.fingerprint(name), self.metrics[name].depends_on, inputs)
            for name in names
        }

    def pending(self, settled: Iterable[Settled]) -> list[Job]:
        """What is left to do; ``settled`` is what the store has of :attr:`ids`, in their order.

        Errors are tried again: a killed worker may have been bad luck. So is what is undefined for
        a reason that another version of this program gave. Codes that were lost are made anew.
        """
        jobs = []
        keys = ScoreKeys(self)
        for clip, key, have in zip(self.clips, self.keys, settled, strict=True):
            wanted = keys.of(clip)
            missing = tuple(name for name, one in wanted.items() if one not in have.scores)
            if missing or (self.codec.coder is not None and not have.has_codes):
                jobs.append(Job(clip, key, missing, have.has_codes))
        return jobs


class ScoreKeys:
    """:meth:`Plan.score_keys` of clip after clip: what many share is found once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._known: dict[tuple[str, ...], dict[str, str]] = {}

    def of(self, clip: Clip) -> Mapping[str, str]:
        """The keys of every metric that looks at this clip."""
        inputs = (clip.domain, clip.speaker, clip.transcript)
        found = self._known.get(inputs)
        if found is None:
            plan = self._plan
            names = (*plan.clip_metrics(clip), *plan.partial_metrics(clip))
            found = plan.score_keys(names, clip)
            if len(self._known) < _MOST_KNOWN:
                self._known[inputs] = found
        return found


def open_codec(config: RunConfig) -> OpenCodec:
    """The codec of a run, not yet prepared."""
    codec = open_model(
        config.model,
        config.card_dirs,
        weights=config.weights,
        device=resolve_device(config.device),
        num_threads=config.num_threads,
    )
    return per_channel(codec) if config.channels == "each" else codec


def open_material(
    config: RunConfig, inspect: Callable[[Clip, float], Clip] = audio.inspect
) -> Material:
    """Open codec and dataset, and choose the clips. Nothing heavy is loaded yet.

    ``inspect`` adds to a clip what its file says.
    """
    codec = open_codec(config)
    dataset = open_dataset(
        config.dataset,
        config.data_root,
        config.card_dirs,
        config.limit,
        config.show_progress,
        Sampling(config.excerpt_s, config.balance, config.sample_seed, config.max_duration_s),
        inspect,
    )
    return Material(config, codec, dataset)


def make_plan(config: RunConfig, inspect: Callable[[Clip, float], Clip] = audio.inspect) -> Plan:
    """Open codec, dataset and metrics, as :func:`open_material` does."""
    domain_metrics = _metrics_by_domain(config.metrics)
    material = open_material(config, inspect)
    used: dict[Domain, tuple[str, ...]] = {
        domain: domain_metrics[domain] for domain in {clip.domain for clip in material.clips}
    }
    names = _merge(used.values(), order=domain_metrics["speech"] + domain_metrics["music"])
    keys = tuple(map(material.key, material.clips))
    return Plan(
        config=config,
        codec=material.codec,
        dataset=material.dataset,
        keys=keys,
        ids=tuple(key.id for key in keys),
        card_digest=card_digest(material.codec.card),
        metrics={name: open_metric(name) for name in names},
        domain_metrics=used,
    )


def _weights_note(codec: OpenCodec) -> tuple[str, ...]:
    card, weights = codec.card, codec.weights_sha256() if codec.card.sha256 else ""
    if not weights or weights == card.sha256:
        return ()
    return (
        f"the weights are not those that the card '{card.name}' names"
        f" (sha256 {card.sha256[:12]}...): the figures are of these weights",
    )


def clip_seed(clip: Clip, seed: int) -> int:
    """Seed of whatever the codec draws for this clip, 63 bits: batch order does not matter."""
    digest = hashlib.sha256(f"{clip.sha256}:{seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def codec_label(model: str) -> str:
    """What reports call a codec: its name, with the last folder of an argument."""
    name, _, argument = model.partition(":")
    return f"{name}:{Path(argument).name}" if argument else name


def _metrics_by_domain(chosen: Sequence[str]) -> dict[Domain, tuple[str, ...]]:
    # A metric that the user names is tried on every clip and says itself where it is undefined;
    # the default set leaves it out there.
    for name in chosen:
        if name != DEFAULT:
            require_metric(name)
    return {
        domain: _merge([defaults if name == DEFAULT else (name,) for name in chosen or (DEFAULT,)])
        for domain, defaults in DEFAULT_METRICS.items()
    }


def _merge(groups: Iterable[Sequence[str]], order: Sequence[str] = ()) -> tuple[str, ...]:
    wanted = dict.fromkeys(name for group in groups for name in group)
    ranked = [name for name in dict.fromkeys(order) if name in wanted]
    return tuple(dict.fromkeys([*ranked, *wanted]))
