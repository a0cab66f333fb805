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
    """Samples."""

Domain = Literal["speech", "music", "general"]
"""What audio is: metrics may be defined for some of it only."""
DOMAINS: tuple[Domain, ...] = ("speech", "music", "general")
"""All domains, in the order in which they are listed."""
ReferenceRate = Literal["clip", "codec"]
"""At which rate metrics without a rate of their own compare."""
Channels = Literal["downmix", "each"]
"""What a mono codec gets of a stereo clip: the mean, or each channel in turn."""


@dataclass(frozen=True, slots=True)
class Waveform:
    """Audio in memory: ``samples`` is float32 ``[channels, time]``, full scale at -1..1;
    ``sample_rate`` is in Hz."""

    samples: FloatArray
    sample_rate: int

    @property
    def num_channels(self) -> int:
        """At least one."""
        return int(self.samples.shape[0])

    @property
    def num_samples(self) -> int:
        """Of each channel."""
        return int(self.samples.shape[1])

    @property
    def duration_s(self) -> float:
        """In seconds."""
        return self.num_samples / self.sample_rate


@dataclass(frozen=True, slots=True)
class Clip:
    """One piece of audio of a dataset, not yet read.

    A loader gives id, paths and what its lists say, :func:`snac_eval.audio.inspect` the rest.
    ``sha256`` is of content and excerpt; ``relative_path``, below the dataset's root, finds
    reconstructions; ``problem`` says why it cannot be read, ``remarks`` what is odd where it can.
    """

    id: str
    """Unique in its dataset, the same on every machine."""
    path: Location
    """Where its audio is: a file, or an address."""
    relative_path: str
    sha256: str = ""
    duration_s: float = 0.0
    """Of the clip itself, in seconds; 0 before it was inspected."""
    sample_rate: int = 0
    """In Hz; 0 before it was inspected."""
    num_channels: int = 1
    """At least one."""
    domain: Domain = "general"
    """What it is: of the clip where the dataset knows, else the dataset's."""
    speaker: str = ""
    """Who speaks, for intervals and ``balance``; empty where nobody says."""
    transcript: str = ""
    """What is said, for error rates; empty where nobody says."""
    start_s: float = 0.0
    """Where in the file it begins, in seconds."""
    length_s: float | None = None
    """How much of the file it is, in seconds; None: to its end."""
    problem: str = ""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DatasetCard:
    """What a corpus is: ``datasets/*.toml``. ``cite`` as in CodecCard."""

    name: str
    """The card's file name without ``.toml``."""
    loader: str
    """Entry point in the group ``snac_eval.datasets``."""
    description: str
    """One line, for lists."""
    licence: str
    """Of the audio."""
    citation: str
    """The paper or the page, in words."""
    cite: str = ""
    url: str = ""
    """Of its own page, where it has one."""
    domain: Domain = "general"
    """What its clips are where no clip says otherwise."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What its loader reads beside."""


@dataclass(frozen=True, slots=True)
class DatasetRequest:
    """What the user asked of a loader: ``librispeech:test-clean`` has argument ``test-clean``.

    ``first`` bounds how many clips a loader fetches that cannot list without fetching; 0: all.
    """

    card: DatasetCard
    """Of the dataset."""
    argument: str = ""
    """What stands behind the colon; empty: nothing."""
    data_root: Path | None = None
    """The folder of ``--data-root``; None: the cache."""
    show_progress: bool = False
    """Whether downloads draw a bar."""
    first: int = 0


@dataclass(frozen=True, slots=True)
class Dataset:
    """Clips in a stable order; ``name`` is what reports call it (``librispeech:test-clean``),
    ``notes`` are what a reader of the numbers must know: clips missing, nothing to verify by."""

    name: str
    card: DatasetCard
    """What it was opened by."""
    clips: tuple[Clip, ...]
    """At least one."""
    notes: tuple[str, ...] = ()
