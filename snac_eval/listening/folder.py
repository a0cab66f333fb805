"""The folder of a test: what may be written where, and the files themselves.

It is built aside and moved into place whole. A test that is there is replaced only where that was
asked for, and never where answers to it are.
"""

from __future__ import annotations

import os
import shutil
import wave
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from snac_eval.errors import OutputError, UsageError
from snac_eval.listening.page.writing import write_page
from snac_eval.listening.shapes import (
    AUDIO_FOLDER,
    PAGE_FILE,
    WEBMUSHRA_FILE,
    TestKey,
    answers_file,
    key_file,
)
from snac_eval.listening.sounding import SAMPLE_RATE
from snac_eval.listening.webmushra import webmushra_yaml
from snac_eval.writing import jsonable, write_json, write_text

if TYPE_CHECKING:
    from numpy.typing import NDArray


def require_place(folder: Path, overwrite: bool) -> None:
    """Raises UsageError unless a test may be written to this folder, OutputError where it cannot
    be looked at."""
    if not folder.name:
        raise UsageError(f"{folder}: no folder of a test; name one with -o")
    key, answers = key_file(folder), answers_file(folder)
    try:
        if answers.exists() and answers.stat().st_size:
            raise UsageError(
                f"{answers}: holds answers to the test that is there; choose another -o"
            )
        there = os.listdir(folder) if folder.exists() else []
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror}") from error
    if others := set(there) - {PAGE_FILE, WEBMUSHRA_FILE, AUDIO_FOLDER}:
        raise UsageError(f"{folder}: holds other files ({min(others)}); choose another -o")
    if (there or key.exists()) and not overwrite:
        raise UsageError(
            f"{folder}: holds a test; choose another -o, or --overwrite it: answers that others"
            " still send to it cannot be read then"
        )


def write_folder(
    folder: Path,
    key: TestKey,
    sounds: Mapping[str, NDArray[np.int16]],
    *,
    title: str,
    url: str,
    contact: str,
    repeats: int,
) -> None:
    """Write the folder, and the key beside it; ``sounds`` are ``[time, channel]`` by their names,
    written in this order. Raises OutputError."""
    aside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        (aside / AUDIO_FOLDER).mkdir(parents=True)
        for name, samples in sounds.items():
            _write_wav(aside / AUDIO_FOLDER / f"{name}.wav", samples)
        write_text(aside / WEBMUSHRA_FILE, webmushra_yaml(key, title))
        write_page(aside, key, title=title, post_to=url, contact=contact, repeats=repeats)
        if folder.exists():
            shutil.rmtree(folder)
        write_json(key_file(folder), jsonable(asdict(key)))
        aside.rename(folder)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _write_wav(path: Path, samples: NDArray[np.int16]) -> None:
    """``[time, channel]`` as 16-bit WAV, without any tag."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.astype("<i2").tobytes())
