"""How often is the guess right that clips are speech?

    python -m benchmarks.speech_guess --speech ../shared/data/LibriSpeech --step 3
    python -m benchmarks.speech_guess --other ../shared/data/music

Each file counts once per piece of up to six seconds; the bundled demo clips are among them. Prints
how many pieces pass for speech, and how many folders of them would be offered ``--domain speech``.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from snac_eval import audio
from snac_eval.datasets.folder import find_audio
from snac_eval.datasets.guessing import LONGEST_S, look, looks_like_speech
from snac_eval.registry.cards import data_dir
from snac_eval.types import Clip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speech", type=Path, nargs="*", default=[])
    parser.add_argument("--other", type=Path, nargs="*", default=[])
    parser.add_argument("--step", type=int, default=1, help="only every so many files")
    options = parser.parse_args()
    demo = sorted((data_dir("datasets") / "demo").glob("*.flac"))
    for kind, folders in (("speech", options.speech), ("other", options.other)):
        files = [file for folder in folders for file in find_audio(folder).files]
        prefix = "speech" if kind == "speech" else "music"
        own = [file for file in demo if file.name.startswith(prefix)]
        pieces = list(_pieces([*files[:: options.step], *own]))
        hits = sum(_is_speech(piece) for piece in pieces)
        print(f"{kind}: {hits} of {len(pieces)} pieces pass for speech")
        groups = _by_folder(pieces)
        offered = sum(bool(looks_like_speech(group)) for group in groups)
        print(f"{kind}: {offered} of {len(groups)} folders would be offered --domain speech")


def _pieces(files: Sequence[Path]) -> Iterator[Clip]:
    for file in files:
        clip = audio.inspect(audio.make_clip(file, file.parent))
        count = max(1, int(clip.duration_s // LONGEST_S))
        for number in range(count):
            length_s = min(LONGEST_S, clip.duration_s)
            yield replace(
                clip, start_s=number * LONGEST_S, duration_s=length_s, relative_path=f"{number}"
            )


def _is_speech(piece: Clip) -> bool:
    return look(audio.read(piece.path, piece.start_s, piece.duration_s)).is_speech


def _by_folder(pieces: Sequence[Clip]) -> list[list[Clip]]:
    groups: defaultdict[Path, list[Clip]] = defaultdict(list)
    for piece in pieces:
        groups[Path(piece.path).parent].append(piece)
    return list(groups.values())


if __name__ == "__main__":
    main()
