"""What the user chose for a run."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from snac_eval.datasets.sampling import BALANCES, Balance
from snac_eval.errors import UsageError
from snac_eval.machine import num_cores
from snac_eval.run.shards import Shard
from snac_eval.types import DOMAINS, Callback, Channels, Domain, ReferenceRate

EngineName = Literal["local", "ray"]
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
    ``shard`` ``2/8`` does the second of eight parts of the run; empty: all of it. ``plan`` is the
    folder of a run that has looked at the clips before, so that this one need not.
    ``engine`` says who does the work: processes of this machine, or a Ray cluster, which is joined
    at ``address``; ``runtime_env`` is a file of what Ray calls so, for its workers.
    ``label`` is the name that reports print for the codec; empty: its card's. ``domain`` is what
    the clips are where the dataset does not say it of each; empty: what the dataset says.
    ``model_args`` are ``key=value`` each, for the constructor of a codec of one's own, and
    ``instance`` is such a codec that has been made already: ``model`` is then only its name.
    ``python`` is the interpreter that codecs run in, empty: this one, or what a codec's card names.
    ``debug`` shows tracebacks of what the codec or a metric raises as they come; the run's log has
    them always.
    ``track`` names trackers that the run is logged to, ``mlflow`` or ``tensorboard:DIR`` each, and
    ``callbacks`` are objects that follow it; neither leaves this process.
    ``heard`` is a folder in which the runs of a study keep clips as they read them.
    """

    model: str
    dataset: str
    """A name, with its argument where it takes one: ``librispeech:test-clean``."""
    output: Path
    """The folder of the run."""
    metrics: tuple[str, ...] = ()
    limit: int = 0
    seed: int = 0
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``mps``."""
    workers: int = -1
    batch_size: int = 0
    overwrite: bool = False
    """Whether a folder that holds another run is emptied first; else that is an error."""
    data_root: Path | None = None
    """A folder that has corpora as their archives unpack; None: the cache."""
    weights: str = ""
    """A folder or a repository of the hub in place of the card's; empty: the card's."""
    card_dirs: tuple[Path, ...] = ()
    """Folders with cards of one's own, the last of which goes before the others."""
    reference_rate: ReferenceRate = "clip"
    max_duration_s: float = 600.0
    max_error_rate: float = 0.1
    clip_timeout_s: float = 0.0
    show_progress: bool = False
    """Whether a bar is drawn on standard error."""
    excerpt_s: float = 0.0
    balance: Balance = ""
    sample_seed: int = 0
    channels: Channels = "downmix"
    report_clips: int = 20
    html: bool = True
    shard: str = ""
    plan: Path | None = None
    engine: EngineName = "local"
    address: str = ""
    runtime_env: Path | None = None
    label: str = ""
    domain: Domain | Literal[""] = ""
    model_args: tuple[str, ...] = ()
    debug: bool = False
    python: str = ""
    track: tuple[str, ...] = ()
    callbacks: tuple[Callback, ...] = field(default=(), repr=False, compare=False)
    instance: object | None = field(default=None, repr=False, compare=False)
    heard: Path | None = field(default=None, repr=False, compare=False)

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
        if self.domain not in ("", *DOMAINS):
            raise UsageError(f"--domain {self.domain}: use {', '.join(DOMAINS)}")
        Shard.parse(self.shard)
        if self.engine not in ("local", "ray"):
            raise UsageError(f"--engine {self.engine}: use local or ray")
        for name, value in (("address", self.address), ("runtime-env", self.runtime_env)):
            if value and self.engine != "ray":
                raise UsageError(f"--{name} {value} needs --engine ray")

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
