"""What metrics share whose weights are on the hub, on the web or in a wheel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Protocol

from snac_eval.audio import RESAMPLER, file_sha256
from snac_eval.hub import HubModel, quiet_transformers
from snac_eval.metrics.base import fingerprint_in
from snac_eval.types import Environment, Fingerprint, MetricInfo

_WINDOW_S, _CONTEXT_S = 40, 5


class Weights(Protocol):
    """Where a metric's weights come from."""

    @property
    def source(self) -> str:
        """The repository or address that its fingerprint names."""

    @property
    def digest(self) -> str:
        """SHA-256 of the weights, shortened; ``absent`` where they are not on this machine."""

    @property
    def state(self) -> str:
        """Empty where the weights are on this machine."""

    @property
    def remedy(self) -> tuple[str, ...]:
        """Ways to get them; empty where they are on this machine."""

    def get(self) -> Path:
        """Have them on this machine. Raises WeightsUnavailable."""


class HubMetric:
    """A metric that asks a published model. Its fingerprint names the model and the weights.

    Subclasses set ``model`` and ``info``, whose fingerprint they get from :meth:`fingerprint`.
    """

    info: MetricInfo
    model: Weights
    environment: ClassVar[Environment | None] = None
    packages: ClassVar[tuple[str, ...]] = ("transformers",)
    """Packages whose versions can change the numbers."""
    settings: ClassVar[Mapping[str, object]] = {}
    """Settings, besides the sample rate, that can change the numbers."""
    version: ClassVar[int] = 1
    """Of our own part in the numbers."""

    def state(self) -> str:
        """What ``snac-eval list`` shows of it."""
        return self.model.state

    def remedy(self) -> tuple[str, ...]:
        """Ways to get the weights where they are not here."""
        return self.model.remedy

    def prepare(self) -> None:
        """Get the weights. Raises WeightsUnavailable."""
        self.model.get()
        info = self.info
        self.info = replace(info, fingerprint=self.fingerprint(info.name, info.sample_rate))

    def fingerprint(self, name: str, sample_rate: int | None) -> Fingerprint:
        """Identity of the numbers that the weights on this machine give."""
        return fingerprint_in(
            self.environment,
            name,
            *self.packages,
            model=self.model.source,
            weights=self.model.digest,
            **self.settings,
            rate=sample_rate,
            resampler=RESAMPLER,
            v=self.version,
        )


@cache
def load(model: HubModel, processor: str, network: str) -> tuple[Any, Any]:
    """A model's processor and network, by the names of their classes in transformers."""
    transformers = quiet_transformers()
    return (
        getattr(transformers, processor).from_pretrained(model.folder),
        getattr(transformers, network).from_pretrained(model.folder).eval(),
    )


def in_wheel(package: str, pattern: str) -> list[Path]:
    """Files of an installed package that fit the pattern, in their order; nothing is imported."""
    found = find_spec(package)
    if found is None or found.origin is None:
        return []
    return sorted(Path(found.origin).parent.glob(pattern))


def digest_of(files: list[Path]) -> str:
    """SHA-256 of each, shortened; ``absent`` for none."""
    return "+".join(file_sha256(file)[:16] for file in files) or "absent"


def windowed(
    values: Any,  # noqa: ANN401 - a tensor of torch, which is not imported here
    sample_rate: int,
    ask: Callable[[Any], Any],
) -> Iterator[Any]:
    """What ``ask`` gives for a signal ``[1, time]``, ``[1, frames, ...]``, of a long one in parts.

    A model of attention takes memory by the square of the length. A clip of up to 50 s is asked
    whole; of a longer one each 40 s, with 5 s of context on either side, whose frames are cut off.
    """
    length, step, context = values.shape[1], _WINDOW_S * sample_rate, _CONTEXT_S * sample_rate
    if length <= step + 2 * context:
        yield ask(values)
        return
    for start in range(0, length, step):
        end = min(start + step, length)
        first, last = max(0, start - context), min(length, end + context)
        found = ask(values[:, first:last])
        frames, samples = found.shape[1], last - first
        cuts = (round(frames * (cut - first) / samples) for cut in (start, end))
        yield found[:, slice(*cuts)]
