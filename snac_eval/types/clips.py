"""Audio in memory, clips, and the datasets that they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from snac_eval.locations import Location

    FloatArray = NDArray[np.float32]

Domain = Literal["speech", "music", "general"]
DOMAINS: tuple[Domain, ...] = ("speech", "music", "general")
ReferenceRate = Literal["clip", "codec"]
Channels = Literal["downmix", "each"]


@dataclass(frozen=True, slots=True)
class Waveform:
    """Audio in memory: ``samples`` is float32 ``[channels, time]``, full scale at -1..1;
    ``sample_rate`` is in Hz."""

    samples: FloatArray
    sample_rate: int

    @property
    def num_channels(self) -> int:
        return int(self.samples.shape[0])

    @property
    def num_samples(self) -> int:
        return int(self.samples.shape[1])

    @property
    def duration_s(self) -> float:
        return self.num_samples / self.sample_rate


@dataclass(frozen=True, slots=True)
class Clip:
    """One piece of audio of a dataset, not yet read.

    A loader gives id, paths and what its lists say, :func:`snac_eval.audio.inspect` the rest.
    ``sha256`` is of content and excerpt; ``relative_path``, below the dataset's root, finds
    reconstructions; ``problem`` says why it cannot be read, ``remarks`` what is odd where it can.
    """

    id: str
    path: Location
    relative_path: str
    sha256: str = ""
    duration_s: float = 0.0
    sample_rate: int = 0
    num_channels: int = 1
    domain: Domain = "general"
    speaker: str = ""
    transcript: str = ""
    start_s: float = 0.0
    length_s: float | None = None
    problem: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetCard:
    """What a corpus is: ``datasets/*.toml``. ``cite`` as in CodecCard."""

    name: str
    loader: str
    description: str
    licence: str
    citation: str
    cite: str = ""
    url: str = ""
    domain: Domain = "general"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DatasetRequest:
    """What the user asked of a loader: ``librispeech:test-clean`` has argument ``test-clean``.

    ``first`` bounds how many clips a loader fetches that cannot list without fetching; 0: all.
    """

    card: DatasetCard
    argument: str = ""
    data_root: Path | None = None
    show_progress: bool = False
    first: int = 0


@dataclass(frozen=True, slots=True)
class Dataset:
    """Clips in a stable order; ``name`` is what reports call it (``librispeech:test-clean``),
    ``notes`` are what a reader of the numbers must know: clips missing, nothing to verify by."""

    name: str
    card: DatasetCard
    clips: tuple[Clip, ...]
    notes: tuple[str, ...] = ()
