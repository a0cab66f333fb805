"""Codecs made of the programs that every system has."""

from __future__ import annotations

from typing import Any

from snac_eval.codecs.command.adapter import CommandCodec
from snac_eval.types import CodecCard, CodecRequest


def card(channels: int = 1, sample_rate: int = 16000, **options: Any) -> CodecCard:  # noqa: ANN401
    """A codec that copies, unless the options say otherwise."""
    given = {"encode": "cp {input} {bitstream}", "decode": "cp {bitstream} {output}", **options}
    out = given.pop("output_sample_rate", 0)
    return CodecCard(
        "copied", "command", "a copy", sample_rate, channels, output_sample_rate=out, options=given
    )


def codec(channels: int = 1, sample_rate: int = 16000, **options: Any) -> CommandCodec:  # noqa: ANN401
    """The same, opened and prepared."""
    made = CommandCodec(CodecRequest(card(channels, sample_rate, **options)))
    made.prepare()
    return made


def shell(script: str) -> list[str]:
    """A shell's script as an encoder: ``$1`` is what it reads, ``$2`` what it writes."""
    return ["sh", "-c", script, "sh", "{input}", "{bitstream}"]
