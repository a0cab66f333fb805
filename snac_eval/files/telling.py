"""What ``encode`` and ``decode`` say at their end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from snac_eval.errors import TooManyFailures, readable
from snac_eval.files.working import Made, Tally

_MOST_NAMED = 20


def tell(tally: Tally, notes: Iterable[str] = ()) -> None:
    """Print what was made. Raises TooManyFailures where a file failed."""
    if len(tally.made) <= _MOST_NAMED:
        for one in tally.made:
            print(f"{readable(one.source.path)} -> {readable(one.place)}: {_facts([one])}")
    if len(tally.made) > 1:
        print(f"{len(tally.made)} files: {_facts(tally.made)}")
    if tally.kept:
        print(f"{tally.kept} {_files(tally.kept)} were there already and stay as they are")
    for note in notes:
        print(f"note: {note}")
    for note, count in tally.notes.items():
        print(f"note: {count} {_files(count)}: {note}")
    if tally.failed:
        of = f"{tally.num_files} {_files(tally.num_files)}"
        raise TooManyFailures(f"{len(tally.failed)} of {of} failed, as named above")


def _facts(made: Sequence[Made]) -> str:
    seconds = math.fsum(one.duration_s for one in made)
    bits = math.fsum(one.num_bits for one in made)
    if math.isnan(bits):
        return f"{seconds:.2f} s, of no number of bits"
    size = math.fsum(math.ceil(one.num_bits / 8) for one in made)
    return f"{seconds:.2f} s, {size:.0f} bytes of codes, {bits / seconds / 1000:.4g} kbit/s"


def _files(count: int) -> str:
    return "file" if count == 1 else "files"
