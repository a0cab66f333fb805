"""What names a reconstruction and a score in the store: all that either depends on, and no more.

Clips of equal audio share their codes, whatever else their dataset says of them. A score's key adds
what its metric looks at beside the two waveforms, so that a corrected card, a file that moves into
``speech/`` or a transcript that goes gets a new answer, and one file as speech and as music gets
two.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from snac_eval.types import Clip, CodecCard

_PROSE = (
    *("description", "licence", "citation", "cite", "label", "series", "domains"),
    *("environment", "requirements", "python"),
)


@dataclass(frozen=True, slots=True)
class ReconstructionKey:
    """Identity of one clip's reconstruction: equal keys mean equal audio.

    Whoever needs a part of it takes the field. :attr:`id` is not to be taken apart.
    """

    codec: str
    """The fingerprint of the codec or of the source."""
    clip: str
    """The clip's sha256."""
    seed: int = 0
    """The run's seed; 0 where reconstructions are read from files, which draw nothing."""
    device: str = ""
    """Where the codec computed; empty where reconstructions are read from files."""
    identity: str = ""
    """What the source says of the file that it reads; empty for a codec."""
    taken: str = ""
    """As what the codec takes the clip: :func:`taken_as`."""

    def __str__(self) -> str:
        """For people, and for the digest that names a run."""
        if not self.device:
            return f"{self.codec}:sha256={self.identity}|{self.clip}|{self.taken}"
        return f"{self.codec}|{self.clip}|seed={self.seed}|{self.device}|{self.taken}"

    @property
    def id(self) -> str:
        """32 hex digits that stand for the key in files: equal keys, and no others, have equal
        ones."""
        parts = (self.codec, self.clip, self.seed, self.device, self.identity, self.taken)
        return _digest(json.dumps(parts))


def taken_as(card: CodecCard, batch_size: int = 1) -> str:
    """The rate and the channels to which a clip is brought before it is coded: ``16000 Hz, 1``; and
    how many clips are coded at once, where that changes what is made of one."""
    batches = f", in batches of {batch_size}" if batch_size > 1 else ""
    return f"{card.sample_rate} Hz, {card.channels}{batches}"


def card_digest(card: CodecCard) -> str:
    """32 hex digits of all that a score can depend on in a card: everything but its prose."""
    facts = {key: value for key, value in asdict(card).items() if key not in _PROSE}
    return _digest(json.dumps(facts, sort_keys=True, default=str))


def text_digest(text: str) -> str:
    """32 hex digits of a text; empty for none."""
    return _digest(text) if text else ""


def clip_inputs(clip: Clip) -> dict[str, str]:
    """What a metric may look at of a clip beside its audio."""
    return {
        "domain": clip.domain,
        "speaker": clip.speaker,
        "transcript": text_digest(clip.transcript),
    }


def score_key(fingerprint: str, depends_on: Sequence[str], inputs: Mapping[str, str]) -> str:
    """Identity of a score among those of one reconstruction.

    ``depends_on`` names those of ``inputs`` that the metric looks at.
    """
    said = [fingerprint, *(f"{name}={inputs.get(name, '')}" for name in depends_on)]
    return "\n".join(said).encode("utf-8", "backslashreplace").decode("utf-8")


def _digest(text: str) -> str:
    # Names of files may hold bytes that are no UTF-8.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
