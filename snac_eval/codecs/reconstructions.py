"""Reconstructions that some other program wrote: ``files:DIR``.

A clip's reconstruction lies at the clip's relative path below DIR, under the same name or under the
same stem with another audio suffix; accents may be composed in another way (NFC, NFD). A folder
without the dataset's folders may hold it under its stem alone, if no other clip has that. It stands
for the whole file: where a manifest cuts excerpts out of a clip's file, the same excerpts are cut
out of the reconstruction. What it took to send, :mod:`snac_eval.codecs.declared` finds out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from snac_eval import audio
from snac_eval.codecs.declared import Declared, Rates, claim, read_rates, split_rate
from snac_eval.errors import AudioError, UsageError, readable
from snac_eval.reading.names import composed, on_disk, user_path
from snac_eval.types import Clip, CodecCard, CodecRequest, ReconstructionSource, Waveform


def load(request: CodecRequest) -> ReconstructionSource:
    """The folder as a source. Raises UsageError when none is named or it does not exist, and for a
    bitrate that is none."""
    if not request.argument:
        raise UsageError(
            f"{request.card.name}: no folder is named; write {request.card.name}:DIR with the"
            " folder that holds the reconstructions"
        )
    folder, kbps = split_rate(request.argument, lambda path: user_path(path).is_dir())
    card = request.card
    if not math.isnan(kbps):
        card = replace(card, nominal_bitrate_bps=1000 * kbps)
    source = FilesSource(card, user_path(folder))
    source.prepare()
    source.declared = read_rates(user_path(folder), kbps)
    return source


def state(card: CodecCard) -> str:
    """What ``snac-eval list`` shows of it."""
    return f"needs local folder ({card.name}:DIR)"


class FilesSource:
    """Reads reconstructions below ``root``. Each folder is listed once, when first needed."""

    def __init__(self, card: CodecCard, root: Path) -> None:
        self.card = card
        self.device = "cpu"
        self.fingerprint = "files:v=1"
        self.declared: Rates | None = None
        """What says how much the reconstructions took to send."""
        self._root = root
        self._flat: dict[str, str] = {}
        self._listed: dict[Path, dict[str, list[Path]]] = {}
        self._digests: dict[tuple[Path, int, int], str] = {}

    def prepare(self) -> None:
        """Raises UsageError when the folder does not exist."""
        if not self._root.is_dir():
            raise UsageError(
                f"{self.card.name}: '{readable(self._root)}' is no folder; name the one that holds"
                " the reconstructions"
            )

    def identity(self, clip: Clip) -> str:
        """The file's sha256, and what it took to send where that is its own; empty for a clip
        without a usable file: :meth:`read` says what is wrong, and a file that turns up later is
        scored anew. Raises UsageError where a stem alone could be that of two clips."""
        try:
            found = self._find(clip)
            digest = self._digest(found)
        except (AudioError, OSError):
            return ""
        if found.parent == self._root and "/" in clip.relative_path:
            claim(self._flat, found.name, clip, readable(found))
        if self.declared is None or self.declared.is_of_all:
            return digest
        return f"{digest};{self.declared.of(clip, found)}"

    @property
    def notes(self) -> tuple[str, ...]:
        """Where its bitrates come from."""
        return (self.declared.note,) if self.declared else ()

    @property
    def sent_by(self) -> str:
        """``declared`` where somebody says it, ``files`` where sizes of bit streams do."""
        return self.declared.kind if self.declared else ""

    @property
    def matched(self) -> Mapping[str, str]:
        """By a clip's relative path the file that was found by its stem alone."""
        return {path: name for name, path in self._flat.items()}

    def sent(self, clip: Clip, duration_s: float) -> Declared | None:
        """The bits that the clip took, as somebody says it; None where nobody does."""
        found = self._find(clip)
        sent = self.declared.of(clip, found) if self.declared else None
        if sent is None:
            return None
        is_whole = clip.start_s == 0 and clip.length_s is None
        bits = sent.bits_of(
            duration_s, lambda: duration_s if is_whole else audio.probe(found).duration_s
        )
        return Declared(num_samples=0, bits=bits)

    def read(self, clip: Clip) -> Waveform:
        """The reconstruction at its own rate, channels and length.

        Raises AudioError when there is none, when two files could be it, or when it is no audio.
        """
        return audio.read(self._find(clip), clip.start_s, clip.length_s)

    def _find(self, clip: Clip) -> Path:
        relative = Path(clip.relative_path)
        if relative.is_absolute() or relative.drive or ".." in relative.parts or not relative.name:
            raise AudioError(
                f"clip '{clip.id}': its path '{readable(clip.relative_path)}' leads out of"
                f" '{readable(self._root)}';"
                " list clips below the dataset's own folder"
            )
        exact = on_disk(self._root / relative)
        if exact.is_file():
            return exact
        candidates = self._stems(exact.parent).get(composed(exact.stem), [])
        if not candidates and not exact.parent.is_dir():
            candidates = self._stems(self._root).get(composed(exact.stem), [])
        if len(candidates) == 1:
            return candidates[0]
        raise AudioError(_why_not_one(clip, exact, candidates))

    def _stems(self, folder: Path) -> dict[str, list[Path]]:
        if folder not in self._listed:
            stems: dict[str, list[Path]] = {}
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                is_audio = path.suffix.lower() in audio.AUDIO_SUFFIXES
                if is_audio and not path.name.startswith(".") and path.is_file():
                    stems.setdefault(composed(path.stem), []).append(path)
            self._listed[folder] = stems
        return self._listed[folder]

    def _digest(self, path: Path) -> str:
        stat = path.stat()
        key = (path, stat.st_size, stat.st_mtime_ns)
        if key not in self._digests:
            self._digests[key] = audio.file_sha256(path)
        return self._digests[key]


def _why_not_one(clip: Clip, exact: Path, candidates: list[Path]) -> str:
    if candidates:
        names = " and ".join(readable(path.name) for path in candidates)
        return (
            f"clip '{clip.id}': {names} in {readable(candidates[0].parent)} could both be its"
            " reconstruction; keep one"
        )
    return (
        f"clip '{clip.id}': no reconstruction; looked for {readable(exact)} and for"
        f" {readable(exact.stem)} with any other audio suffix"
    )
