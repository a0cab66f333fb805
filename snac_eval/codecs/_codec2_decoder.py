"""Codec 2's decoder as a program: packets on standard input, 16-bit samples on standard output.

    python -m snac_eval.codecs._codec2_decoder BIT_RATE

The library draws the phases of unvoiced sounds from one generator. Only a new process sets it back;
without one, what was decoded before would change the audio. A module apart, because each clip waits
for its start: importing the adapter would make that a quarter longer.
"""

from __future__ import annotations

import sys


def main(bit_rate: int) -> None:
    """Decode everything, frame after frame."""
    import pycodec2

    codec = pycodec2.Codec2(bit_rate)
    size = codec.bytes_per_frame()
    packets = sys.stdin.buffer.read()
    for start in range(0, len(packets), size):
        sys.stdout.buffer.write(codec.decode(packets[start : start + size]).tobytes())


if __name__ == "__main__":
    main(int(sys.argv[1]))
