"""What a run is to do: a :class:`RunConfig` becomes a :class:`Plan`, less what the store has."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from snac_eval import audio
from snac_eval.codecs.abilities import OpenCodec
from snac_eval.codecs.channels import per_channel
from snac_eval.codecs.opening import open_instance, open_model
from snac_eval.codecs.repeats import Repeat
from snac_eval.codecs.wrapping.carried import device_of, require_same, unpacked
from snac_eval.datasets.opening import Sampling, open_dataset
from snac_eval.errors import readable
from snac_eval.machine import DEVICES, resolve_device
from snac_eval.metrics.opening import OpenMetric, open_metric
from snac_eval.run.config import RunConfig
from snac_eval.run.heard import once
from snac_eval.run.keys import (
    ReconstructionKey,
    card_digest,
    clip_inputs,
    score_key,
    taken_as,
)
from snac_eval.run.metric_sets import merged, metrics_by_domain
from snac_eval.run.rows import Settled
from snac_eval.run.scoring import SENT_METRIC
from snac_eval.run.shards import Part, Shard, deal
from snac_eval.types import (
    Clip,
    Dataset,
    Domain,
    MetricInfo,
    Waveform,
)

_MOST_KNOWN = 1024
_GPU_BATCH = 8


@dataclass(frozen=True, slots=True)
class Setting:
    """An opened codec and how a run has it hear clips."""

    config: RunConfig
    codec: OpenCodec

    @property
    def batch_size(self) -> int:
        """How many clips the codec gets at once, at most."""
        if self.codec.coder is None or self.codec.takes_one_clip:
            return 1
        return self.config.batch_size or (1 if self.codec.device == "cpu" else _GPU_BATCH)

    def read_reference(self, clip: Clip) -> Waveform:
        """The clip at its own rate, mixed down for a mono codec. Raises AudioError."""
        is_mono = self.codec.card.channels == 1

        def read() -> Waveform:
            whole = audio.read_clip(clip, self.config.max_duration_s)
            return audio.to_mono(whole) if is_mono else whole

        return once(self.config.heard, _heard_as(clip, is_mono), clip.sample_rate, read)

    def read(self, clip: Clip) -> tuple[Waveform, Waveform]:
        """The clip as it is scored against, and as the codec takes it. Raises AudioError."""
        card, reference = self.codec.card, self.read_reference(clip)
        rate = card.sample_rate or reference.sample_rate
        source = reference
        if rate != reference.sample_rate:
            name = _heard_as(clip, card.channels == 1)
            source = once(self.config.heard, name, rate, lambda: audio.resample(reference, rate))
        if self.config.reference_rate == "codec":
            reference = source
        return reference, audio.fill_channels(source, card.channels)


@dataclass(frozen=True, slots=True)
class Material(Setting):
    """What a run codes: the opened codec and the chosen clips."""

    dataset: Dataset
    remarks: tuple[str, ...] = ()
    """What the run itself found out that a reader of its numbers must know."""
    batched: Repeat | None = None
    """How clips in a batch differ from the same clips alone; None where there are no batches."""

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
        codec = (*_weights_note(self.codec), *_matched_note(self.codec), *self.codec.notes())
        own = (*self.dataset.notes, *codec)
        size = self.batch_size
        batches = self.batched.batch_sentence(self.label, size) if self.batched else ""
        return (*own, *([batches] if batches else []), *self.remarks)

    def key(self, clip: Clip) -> ReconstructionKey:
        """Identity of the reconstruction of this clip: equal keys mean equal audio."""
        codec, source = self.codec.fingerprint, self.codec.source
        taken = taken_as(self.codec.card, self.batch_size if self._batches_matter else 1)
        if source is not None:
            identity = source.identity(clip)
            return ReconstructionKey(codec, clip.sha256, identity=identity, taken=taken)
        device = self.codec.device
        return ReconstructionKey(codec, clip.sha256, self.config.seed, device, taken=taken)

    @property
    def _batches_matter(self) -> bool:
        return self.batched is not None and not self.batched.is_close


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
    part: Part | None = None
    """Which part of the run this is; None for all of it. Only :attr:`dataset`, :attr:`keys` and
    :attr:`ids` are the part's: all else is what the whole run has."""

    @property
    def run_id(self) -> str:
        """Twelve hex digits that name what is measured: codec, clips, seed, device, rates."""
        if self.part is not None:
            return self.part.run_id
        digest = hashlib.sha256(f"{self.dataset.name}\n{self.config.reference_rate}".encode())
        for key in self.keys:
            digest.update(f"\n{key}".encode())
        return digest.hexdigest()[:12]

    def shard(self, shard: Shard) -> Plan:
        """The part of this plan that is the shard's. Raises UsageError where it would be empty."""
        if shard.is_whole:
            return self
        places = deal(self.ids, [clip.duration_s for clip in self.clips], shard)
        digest = audio.clip_list_digest(clip.id for clip in self.clips)
        return replace(
            self,
            dataset=replace(self.dataset, clips=tuple(self.clips[one] for one in places)),
            keys=tuple(self.keys[one] for one in places),
            ids=tuple(self.ids[one] for one in places),
            part=Part(shard, self.run_id, len(self.clips), digest, self.clips[0], places),
        )

    def with_metrics(self, more: Mapping[Domain, Sequence[str]]) -> Plan:
        """The plan that scores clips of these domains by these metrics as well."""
        used = {
            domain: tuple(dict.fromkeys([*names, *more.get(domain, ())]))
            for domain, names in self.domain_metrics.items()
        }
        names = dict.fromkeys([*self.metrics, *(name for one in used.values() for name in one)])
        return replace(
            self, domain_metrics=used, metrics={name: open_metric(name) for name in names}
        )

    def info(self, name: str) -> MetricInfo:
        """What a metric's numbers mean in this run."""
        info, said = self.metrics[name].info, {}
        if self.config.reference_rate != "clip":
            said["reference"] = "codec"
        if name == SENT_METRIC and self.codec.sent_by:
            said["bits"] = self.codec.sent_by
        return replace(info, fingerprint=info.fingerprint.extended(**said)) if said else info

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
    # Whether a cluster, or another interpreter, has that device, its workers find out.
    is_elsewhere = config.engine == "ray" and config.device in DEVICES[1:]
    instance = unpacked(config.instance)
    device = config.device
    if instance is not None and device == "auto":
        device = device_of(instance) or device
    if not (is_elsewhere or config.python):
        device = resolve_device(device)
    how = (config.weights, device, config.num_threads, config.model_args, config.python)
    if instance is None:
        codec = open_model(config.model, config.card_dirs, *how)
    else:
        codec = open_instance(instance, config.model, *how)
    codec = per_channel(codec) if config.channels == "each" else codec
    if instance is not config.instance:
        require_same(config.instance, codec.fingerprint)
    return codec


def open_clips(
    config: RunConfig, inspect: Callable[[Clip, float], Clip] = audio.inspect
) -> Dataset:
    """The dataset of a run, its clips chosen. ``inspect`` adds to a clip what its file says."""
    return open_dataset(
        config.dataset,
        config.data_root,
        config.card_dirs,
        config.limit,
        config.show_progress,
        Sampling(config.excerpt_s, config.balance, config.sample_seed, config.max_duration_s),
        inspect,
        config.domain,
    )


def open_material(config: RunConfig, dataset: Dataset | None = None) -> Material:
    """Open the codec of a run, not yet prepared, and choose its clips, unless that was done."""
    return Material(config, open_codec(config), dataset or open_clips(config))


def make_plan(
    config: RunConfig,
    inspect: Callable[[Clip, float], Clip] = audio.inspect,
    dataset: Dataset | None = None,
) -> Plan:
    """Open codec, dataset and metrics, and choose the clips. Nothing heavy is loaded yet.

    A ``dataset`` that :func:`open_clips` gave for an equal choice of clips is taken as it is. Every
    shard looks at all clips: which are its own depends on all of them.
    """
    domain_metrics = metrics_by_domain(config.metrics)
    material = open_material(config, dataset or open_clips(config, inspect))
    used: dict[Domain, tuple[str, ...]] = {
        domain: domain_metrics[domain] for domain in {clip.domain for clip in material.clips}
    }
    names = merged(used.values(), order=domain_metrics["speech"] + domain_metrics["music"])
    keys = tuple(map(material.key, material.clips))
    whole = Plan(
        config=config,
        codec=material.codec,
        dataset=material.dataset,
        keys=keys,
        ids=tuple(key.id for key in keys),
        card_digest=card_digest(material.codec.card),
        metrics={name: open_metric(name) for name in names},
        domain_metrics=used,
    )
    return whole.shard(Shard.parse(config.shard))


def _heard_as(clip: Clip, is_mono: bool) -> str:
    return f"{clip.sha256}-{'mono' if is_mono else 'whole'}"


def _weights_note(codec: OpenCodec) -> tuple[str, ...]:
    card, weights = codec.card, codec.weights_sha256() if codec.card.sha256 else ""
    if not weights or weights == card.sha256:
        return ()
    return (
        f"the weights are not those that the card '{card.name}' names"
        f" (sha256 {card.sha256[:12]}...): the figures are of these weights",
    )


def _matched_note(codec: OpenCodec) -> tuple[str, ...]:
    if not (found := codec.matched()):
        return ()
    path, name = min(found.items())
    return (
        f"{len(found)} reconstructions were found by their names alone, for they do not lie in"
        f" folders as the dataset does (first: {readable(name)} for {readable(path)})",
    )


def clip_seed(clip: Clip, seed: int) -> int:
    """Seed of whatever the codec draws for this clip, 63 bits: batch order does not matter."""
    digest = hashlib.sha256(f"{clip.sha256}:{seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def codec_label(model: str) -> str:
    """What reports call a codec: its name, with the last folder of an argument."""
    name, _, argument = model.partition(":")
    if name.endswith(".py"):
        name = Path(name).name
    argument = argument.replace("/@kbps=", "@kbps=")
    return f"{name}:{Path(argument).name}" if argument else name
