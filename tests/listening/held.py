"""Small listening tests with sounds that were made up, and a server that holds one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from snac_eval.listening.answers import AnswersFile, collecting
from snac_eval.listening.page.writing import write_page
from snac_eval.listening.serving import ListeningServer, serving
from snac_eval.listening.shapes import (
    AUDIO_FOLDER,
    Method,
    Stimulus,
    TestKey,
    Trial,
    answers_file,
    key_file,
)
from snac_eval.results.listeners.answers import read_key

CODECS = ("secret_codec", "other_codec")
RATE = 8000
_NUM_SOUNDS = {"mushra": 4, "abx": 2, "mos": 1}


def make_key(method: Method, num_trials: int = 2, with_training: bool = True) -> TestKey:
    """A key of trials ``t0`` and on; the first one is training. Sounds are ``t0s0`` and on,
    the known reference of MUSHRA is ``t0ref``."""
    stimuli = (
        ("reference", "reference"),
        ("codec", CODECS[0]),
        ("anchor", "anchor_3500"),
        ("codec", CODECS[1]),
    )
    if method == "mos":
        stimuli = stimuli[1:2]
    trials = []
    for number in range(num_trials + with_training):
        name = f"t{number}"
        sounds = tuple(
            Stimulus(f"{name}s{index}", role, codec)  # type: ignore[arg-type]
            for index, (role, codec) in enumerate(stimuli[: _NUM_SOUNDS[method]])
        )
        reference = {"mushra": f"{name}ref", "abx": f"{name}s0", "mos": ""}[method]
        is_training = with_training and number == 0
        trials.append(Trial(name, f"clip {number}", "speech", "", reference, sounds, is_training))
    return TestKey(f"test-{method}", method, 1, tuple(trials), {CODECS[0]: "run"})


def write_test(folder: Path, key: TestKey, seconds: float = 0.3, **page: Any) -> Path:  # noqa: ANN401
    """The folder of a test and its key beside it; every sound is a tone of its own."""
    (folder / AUDIO_FOLDER).mkdir(parents=True)
    names = {one.name for trial in key.trials for one in trial.stimuli}
    names |= {trial.reference for trial in key.trials if trial.reference}
    time = np.arange(round(seconds * RATE)) / RATE
    for number, name in enumerate(sorted(names)):
        tone = 0.3 * np.sin(2 * np.pi * (200 + 40 * number) * time)
        soundfile.write(folder / AUDIO_FOLDER / f"{name}.wav", tone, RATE, subtype="PCM_16")
    write_page(folder, key, **page)
    key_file(folder).write_text(json.dumps(asdict(key)))
    return folder


@dataclass(frozen=True)
class Held:
    """A test that is being served."""

    folder: Path
    server: ListeningServer
    answers: AnswersFile

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What the file of answers holds."""
        return [json.loads(line) for line in answers_file(self.folder).read_text().splitlines()]


@contextmanager
def held(folder: Path) -> Iterator[Held]:
    """Serve the test in this folder from a thread."""
    key = read_key(key_file(folder))
    with (
        collecting(answers_file(folder), key) as answers,
        serving(folder, key.test, answers, "127.0.0.1", 0) as server,
    ):
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield Held(folder, server, answers)
        finally:
            server.shutdown()
            thread.join()


def answer(number: int = 0, **other: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of any kind
    """What a page would post of the MUSHRA test's trial ``t1``."""
    ratings = {f"t1s{index}": 10.0 * index for index in range(4)}
    facts = {
        "id": f"answer-{number:04d}",
        "test": "test-mushra",
        "listener": f"listener{number % 7}",
    }
    facts |= {"trial": "t1", "ratings": ratings, "chosen": "", "correct": None}
    return facts | {"seconds": 3.5, "place": 1} | other
