"""What a codec does to its own output: is a second encode the same as the first?

The clip's codes are decoded and encoded again ``n`` times (three, or as ``token_agreement@n=5``
says), by the same codec with the same seed. Quality of a later generation against the original
is another question: run the codec as ``NAME@generation=4``.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from snac_eval import audio
from snac_eval.errors import UsageError
from snac_eval.metrics.base import ALL_DOMAINS, Encoded, fingerprint
from snac_eval.metrics.spectral import MelDacPaper
from snac_eval.types import Codec, Codes, Fingerprint, MetricInfo, Score, Waveform

NO_TOKENS = "this codec emits packets of bytes, not tokens"
_DEFAULT_N = 3


class TokenAgreement:
    """Tokens that ``n`` re-encodes leave as they were, all streams together, in percent."""

    traps = (
        "It says nothing of quality: a codec that emits one token for everything agrees with"
        " itself.",
    )

    def __init__(self, n: int = _DEFAULT_N) -> None:
        name = _name("token_agreement", n)
        self.info = MetricInfo(
            name=name,
            description=f"tokens unchanged after {n} re-encodes of the codec's own output",
            unit="%",
            higher_is_better=True,
            value_range=(0.0, 100.0),
            domains=ALL_DOMAINS,
            sample_rate=None,
            fingerprint=fingerprint("token_agreement", n=n, v=1),
            kind="codec",
        )
        self._n = n

    def score_codec(self, codec: Codec, encoded: Encoded) -> Score:
        """Undefined for codecs that emit packets; an error where lengths differ."""
        codes = encoded.codes
        if not codes.num_tokens:
            return Score.undefined(NO_TOKENS)
        last, _ = _reencode(codec, codes, encoded.seed, self._n)
        if [one.size for one in last.streams] != [one.size for one in codes.streams]:
            return Score.error("encoding the output again gives another number of tokens")
        pairs = zip(codes.streams, last.streams, strict=True)
        same = sum(int(np.count_nonzero(one == other)) for one, other in pairs)
        return Score.ok(100 * same / codes.num_tokens)


class ReencodeMelDistance:
    """``mel_dac_paper`` between the codec's first output and that after ``n`` re-encodes."""

    traps = ("It is the distance to the codec's own first output, and not to the clip.",)

    def __init__(self, n: int = _DEFAULT_N) -> None:
        self._distance = MelDacPaper()
        self._n = n
        own = fingerprint("reencode_mel_distance", n=n, v=1)
        self.info = replace(
            self._distance.info,
            name=_name("reencode_mel_distance", n),
            description=f"mel_dac_paper of the output after {n} re-encodes to the first output",
            fingerprint=Fingerprint((*own.parts, *self._distance.info.fingerprint.parts)),
            kind="codec",
        )

    def score_codec(self, codec: Codec, encoded: Encoded) -> Score:
        """Undefined where the mel distance is: the first output is too short, or silent. (Of an
        audible clip a run calls that an error of the codec before it comes here.)"""
        (first,) = codec.decode([encoded.codes], [encoded.seed])
        _, last = _reencode(codec, encoded.codes, encoded.seed, self._n)
        return self._distance.score_pair(first.samples, last.samples, first.sample_rate)


def _reencode(codec: Codec, codes: Codes, seed: int, n: int) -> tuple[Codes, Waveform]:
    """Codes after ``n`` re-encodes, and what they decode to."""
    (output,) = codec.decode([codes], [seed])
    for _ in range(n):
        heard = audio.as_heard(output, codec.card.sample_rate, codes.num_samples)
        (codes,) = codec.encode([heard])
        (output,) = codec.decode([codes], [seed])
    return codes, output


def _name(name: str, n: int) -> str:
    if n < 1:
        raise UsageError(f"{name}@n={n}: must be at least 1")
    return name if n == _DEFAULT_N else f"{name}@n={n}"
