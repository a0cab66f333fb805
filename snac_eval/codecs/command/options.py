"""What a card of the family ``command`` says of its programs."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Annotated, Literal, TypeAlias

from annotated_types import Ge, Gt, Le, Lt

Command: TypeAlias = str | tuple[str, ...]
"""A command line as a shell would split it, or its words."""
InputFormat = Literal["wav", "wav_24", "wav_float", "s16le", "f32le"]
OutputFormat = Literal["wav", "s16le", "f32le"]
Counted = Literal["file", "ogg", "g192", "declared"]
_BitRate = Annotated[int, Gt(0), Le(1 << 31)]
_Shared = ("rate", "output_rate", "channels", "bit_rate", "kbps", "here")
_FILES = {"encode": ("input", "bitstream"), "decode": ("bitstream", "output")}
_RATES = frozenset({"bit_rate", "kbps"})


@dataclass(frozen=True, slots=True)
class Options:
    """How the programs of a card are called, and what they read and write.

    A command's words may hold ``{input}``, ``{bitstream}`` and ``{output}``, the paths of the
    files; ``{rate}`` and ``{output_rate}`` in Hz of what goes in and comes out; ``{channels}``;
    ``{bit_rate}`` in bits a second and ``{kbps}``; ``{here}``, the folder that snac-eval was
    started in. No shell sees them. The programs run in an empty folder of the clip's own; words
    that name a file are read from ``{here}``.
    """

    encode: Command
    """Makes ``{bitstream}`` of ``{input}``."""
    decode: Command
    """Makes ``{output}`` of ``{bitstream}``."""
    input_format: InputFormat = "wav"
    """Of ``{input}``: WAV of 16 bits, of 24, of 32-bit float, or bare samples, interleaved."""
    output_format: OutputFormat = "wav"
    """Of ``{output}``: a WAV file of whatever rate, or bare samples at the card's rate."""
    bitstream_suffix: str = ".bin"
    """How the bit stream's name ends: some programs choose its format by that."""
    bits: Counted = "file"
    """What counts as sent: the whole file; the packets in Ogg without pages and tags; the bits of
    ITU-T G.192's frames; or ``bit_rate`` times the clip's length."""
    bit_rate: Annotated[int, Ge(0), Le(1 << 31)] = 0
    """In bits a second; for ``{bit_rate}``, ``{kbps}`` and ``bits = "declared"``."""
    bit_rates: tuple[_BitRate, ...] = ()
    """Those that the encoder has, for ``NAME@kbps=``."""
    bit_rate_range: tuple[_BitRate, ...] = ()
    """The lowest and the highest, where it has all between them."""
    delay_samples: Annotated[float, Gt(-1e6), Lt(1e6)] = 0.0
    """By how many samples, at the rate that comes out, the output is late (negative: early). The
    nearest whole number is taken out."""
    frame_samples: Annotated[int, Ge(0), Le(1 << 24)] = 0
    """The encoder takes whole frames of so many samples: silence fills the last. 0: it does so."""
    time_limit_s: Annotated[float, Gt(0), Le(1e6)] = 120.0
    """For a call, and as much again for each further minute of audio."""
    version: str | tuple[str, ...] = ()
    """A command line that prints a program's version, or one for each program. A program without
    one is identified by the digest of its file."""
    install: str = ""
    """What installs the programs, to be shown where they lack."""

    def __post_init__(self) -> None:
        """Raises ValueError where the keys do not fit one another."""
        for problem in self._problems():
            raise ValueError(problem)

    def _problems(self) -> Iterable[str]:
        for name, command in (("encode", self.encode), ("decode", self.decode)):
            yield from _problems_of(name, command, self.bit_rate)
        for line in self.version_commands:
            yield from _unsplit("version", line)
        if "/" in self.bitstream_suffix or "\0" in self.bitstream_suffix:
            yield f"'bitstream_suffix' is '{self.bitstream_suffix}'; it should be like '.bin'"
        if self.bits == "declared" and not self.bit_rate:
            yield "bits = 'declared' needs bit_rate, in bits a second"
        ends = self.bit_rate_range
        if ends and (len(ends) != 2 or ends[0] > ends[1] or self.bit_rates):
            yield (
                "'bit_rate_range' should be the lowest and the highest rate in bits a second, and"
                " 'bit_rates' left out"
            )
        if (ends or self.bit_rates) and not self.names_rate:
            yield "the commands name neither {kbps} nor {bit_rate}: leave the other rates out"

    @property
    def version_commands(self) -> tuple[str, ...]:
        """What is asked for versions: one command line, or several."""
        return (self.version,) if isinstance(self.version, str) else self.version

    @property
    def names_rate(self) -> bool:
        """Whether a command names the bit rate, so that another one can be put in."""
        words = (*split(self.encode), *split(self.decode))
        return any(_RATES & set(_names(word)) for word in words)

    @property
    def other_rates(self) -> Sequence[int]:
        """What the bit rate may be, beside what the cards have; none: nothing else."""
        if not self.bit_rate_range:
            return self.bit_rates
        low, high = self.bit_rate_range
        return range(low, high + 1)


def split(command: Command) -> tuple[str, ...]:
    """The words of a command. Raises ValueError where a quotation has no end."""
    return tuple(shlex.split(command)) if isinstance(command, str) else command


def filled(command: Command, values: Mapping[str, str]) -> list[str]:
    """The words with the placeholders filled in; a value never becomes more than its own word."""
    return [word.format_map(values) for word in split(command)]


def _problems_of(name: str, command: Command, bit_rate: int) -> Iterable[str]:
    if problems := list(_unsplit(name, command)):
        yield from problems
        return
    words = split(command)
    try:
        used = [one for word in words for one in _names(word)]
    except ValueError as error:
        yield f"'{name}': {error}; write '{{{{' and '}}}}' for braces"
        return
    files = _FILES[name]
    known = (*files, *_Shared)
    if unknown := [one for one in used if one not in known]:
        yield f"'{name}': unknown placeholder {{{unknown[0]}}}; known: {_list(known)}"
    if missing := [one for one in files if one not in used]:
        yield f"'{name}' must name {{{missing[0]}}}"
    if _names(words[0]):
        yield f"'{name}' begins with a placeholder; begin with the program"
    if not bit_rate and _RATES & set(used):
        yield f"'{name}' names {{kbps}} or {{bit_rate}}: give bit_rate, in bits a second"


def _unsplit(name: str, command: Command) -> Iterable[str]:
    try:
        words = split(command)
    except ValueError as error:
        yield f"'{name}': {str(error).lower()}"
        return
    if not words or not words[0]:
        yield f"'{name}' is empty; it should be a program and its arguments"
    elif any("\0" in word for word in words):
        yield f"'{name}' holds a NUL character"


def _names(word: str) -> Sequence[str]:
    """The placeholders of a word. Raises ValueError for braces that are none."""
    found = []
    for _, name, form, conversion in Formatter().parse(word):
        if name is None:
            continue
        if form or conversion:
            raise ValueError(f"'{word}' has more than a name in its braces")
        found.append(name)
    return found


def _list(names: Collection[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in names)
