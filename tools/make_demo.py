"""Make the clips of datasets/demo: speech by open synthesisers, music from public-domain scores.

    apt-get install espeak-ng flite fluidsynth fluid-soundfont-gm   # Debian 12
    pip install mido soundfile soxr
    python tools/make_demo.py datasets/demo

The same versions of the programs give the same files. The sentences and the settings of the scores
are ours; the melodies are by Bach, Pachelbel and Beethoven. Speech is resampled to 24 kHz from what
the synthesiser gives (espeak-ng 22.05 kHz, flite 16 kHz); music is rendered at 44.1 or 48 kHz.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import mido
import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

SOUND_FONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
SPEECH_RATE = 24000
PEAK = 10 ** (-3 / 20)
TICKS = 480


@dataclass(frozen=True)
class Speech:
    """One spoken clip."""

    id: str
    program: str
    voice: str
    text: str


@dataclass(frozen=True)
class Part:
    """One instrument: General MIDI program (or drums), and (beat, beats, pitches) events."""

    program: int
    notes: list[tuple[float, float, list[int]]]
    drums: bool = False
    velocity: int = 90


@dataclass(frozen=True)
class Music:
    """One rendered clip."""

    id: str
    sample_rate: int
    beats_per_minute: float
    seconds: float
    parts: list[Part]


SPEECHES = [
    Speech(
        "speech_en_female",
        "flite",
        "slt",
        "A codec should keep what matters: the voice, the breath, and the pause between two words.",
    ),
    Speech(
        "speech_en_male",
        "flite",
        "rms",
        "Seven small boats sailed past the harbour, just before the storm reached the coast.",
    ),
    Speech(
        "speech_en_gb",
        "espeak-ng",
        "en-gb+f3",
        "Numbers first, opinions later. How many bits does this sentence really need?",
    ),
    Speech(
        "speech_de",
        "espeak-ng",
        "de+m3",
        "Guten Morgen! Der Zug nach Leipzig hält heute ausnahmsweise auf Gleis zwölf.",
    ),
    Speech(
        "speech_fr",
        "espeak-ng",
        "fr+f2",
        "Chaque matin, le boulanger chante une vieille chanson avant d'ouvrir sa boutique.",
    ),
    Speech(
        "speech_es",
        "espeak-ng",
        "es+m1",
        "El río baja despacio entre las piedras, y nadie sabe muy bien adónde va.",
    ),
]


def _arpeggios() -> Part:
    """Bach, Prelude in C, BWV 846: each bar is one broken chord, played twice."""
    bars = [(60, 64, 67, 72, 76), (60, 62, 69, 74, 77), (59, 62, 67, 74, 77)]
    notes = []
    for bar, chord in enumerate(bars):
        for half in range(2):
            pattern = [0, 1, 2, 3, 4, 2, 3, 4]
            for step, index in enumerate(pattern):
                notes.append((4 * bar + 2 * half + step / 4, 0.3, [chord[index]]))
    return Part(0, notes)


def _canon() -> list[Part]:
    """Pachelbel, Canon in D: the ground and the first entry above it."""
    ground = [50, 57, 47, 54, 43, 50, 43, 57]
    melody = [78, 76, 74, 73, 71, 69, 71, 73]
    bass = [(beat, 1.0, [pitch]) for beat, pitch in enumerate(ground)]
    tune = [
        (beat, 1.0, [pitch, pitch - 4 if beat % 2 else pitch - 3])
        for beat, pitch in enumerate(melody)
    ]
    return [Part(48, tune), Part(43, bass, velocity=80)]


def _toccata() -> Part:
    """Bach, Toccata in D minor, BWV 565: the opening, in octaves."""
    line = [(0, 0.25, 81), (0.25, 0.25, 79), (0.5, 2.0, 81), (3, 0.25, 79), (3.25, 0.25, 77)]
    line += [(3.5, 0.25, 76), (3.75, 0.25, 74), (4, 0.75, 73), (5, 2.5, 74)]
    return Part(19, [(start, length, [pitch, pitch - 12]) for start, length, pitch in line])


def _ode_with_drums() -> list[Part]:
    """Beethoven, Ode to Joy, on brass, with bass and drums of ours."""
    tune = [66, 66, 67, 69, 69, 67, 66, 64, 62, 62, 64, 66]
    brass = Part(61, [(beat, 0.9, [pitch, pitch - 12]) for beat, pitch in enumerate(tune)])
    bass = Part(33, [(beat / 2, 0.45, [38 if beat % 8 < 5 else 45]) for beat in range(24)])
    hats = [(beat / 2, 0.2, [42]) for beat in range(24)]
    kicks = [(float(beat), 0.2, [36 if beat % 2 == 0 else 38]) for beat in range(12)]
    return [brass, bass, Part(0, hats + kicks, drums=True)]


MUSIC = [
    Music("music_piano", 48000, 76, 7.0, [_arpeggios()]),
    Music("music_strings", 44100, 66, 7.0, _canon()),
    Music("music_organ", 48000, 80, 6.0, [_toccata()]),
    Music("music_band", 48000, 116, 6.0, _ode_with_drums()),
]


def synthesise(speech: Speech, folder: Path) -> NDArray[np.float64]:
    """Samples ``[time]`` at SPEECH_RATE."""
    wav = folder / f"{speech.id}.wav"
    commands = {
        "flite": ["flite", "-voice", speech.voice, "-t", speech.text, "-o", str(wav)],
        "espeak-ng": ["espeak-ng", "-v", speech.voice, "-s", "160", "-w", str(wav), speech.text],
    }
    subprocess.run(commands[speech.program], check=True)
    samples, rate = soundfile.read(wav)
    return np.asarray(soxr.resample(samples, rate, SPEECH_RATE, quality="VHQ"))


def render(music: Music, folder: Path) -> NDArray[np.float64]:
    """Samples ``[time]`` at the clip's rate: FluidSynth's stereo, mixed down."""
    midi, wav = folder / f"{music.id}.mid", folder / f"{music.id}.wav"
    _score(music).save(midi)
    rate = ["-r", str(music.sample_rate), "-g", "0.5", "-O", "s24"]
    # -T names the type of the output file, -q keeps the banner away
    command = ["fluidsynth", "-ni", "-q", *rate, "-T", "wav", "-F", str(wav)]
    subprocess.run([*command, str(SOUND_FONT), str(midi)], check=True)
    samples, _ = soundfile.read(wav)
    cut = samples[: round(music.seconds * music.sample_rate)].mean(axis=1)
    fade = round(0.05 * music.sample_rate)
    cut[-fade:] *= np.linspace(1, 0, fade)
    return np.asarray(cut)


def _score(music: Music) -> mido.MidiFile:
    file = mido.MidiFile(ticks_per_beat=TICKS)
    tempo = mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(music.beats_per_minute))
    file.tracks.append(mido.MidiTrack([tempo]))
    for index, part in enumerate(music.parts):
        channel = 9 if part.drums else index
        events = [(0, mido.Message("program_change", program=part.program, channel=channel))]
        for start, length, pitches in part.notes:
            for pitch in pitches:
                on = mido.Message("note_on", note=pitch, velocity=part.velocity, channel=channel)
                off = mido.Message("note_off", note=pitch, channel=channel)
                events += [(round(start * TICKS), on), (round((start + length) * TICKS), off)]
        file.tracks.append(_track(events))
    return file


def _track(events: list[tuple[int, mido.Message]]) -> mido.MidiTrack:
    track, now = mido.MidiTrack(), 0
    for tick, message in sorted(events, key=lambda event: event[0]):
        track.append(message.copy(time=tick - now))
        now = tick
    return track


def save(path: Path, samples: NDArray[np.float64], sample_rate: int) -> None:
    """16-bit FLAC, peak at -3 dBFS."""
    soundfile.write(path, samples * PEAK / np.abs(samples).max(), sample_rate, subtype="PCM_16")


def main(out: Path) -> None:
    """Write every clip and the manifest."""
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        for speech in SPEECHES:
            save(out / f"{speech.id}.flac", synthesise(speech, Path(temporary)), SPEECH_RATE)
            speaker = f"{speech.program} {speech.voice}"
            rows.append([f"{speech.id}.flac", speech.id, speaker, "speech", speech.text])
        for music in MUSIC:
            save(out / f"{music.id}.flac", render(music, Path(temporary)), music.sample_rate)
            rows.append([f"{music.id}.flac", music.id, "", "music", ""])
    with (out / "demo.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "id", "speaker", "domain", "transcript"])
        writer.writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
