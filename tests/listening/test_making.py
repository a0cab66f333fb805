"""A whole test on disk: what listeners get, what its organiser keeps, and what is refused."""

from __future__ import annotations

import json
import wave
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from snac_eval.audio import speech_like
from snac_eval.errors import AudioError, StoreError, UsageError
from snac_eval.listening import making, power
from snac_eval.listening.making import Made, Request, make_test
from snac_eval.listening.shapes import Method, answers_file, key_file
from snac_eval.results.listeners.answers import read_key
from snac_eval.results.record import Run, read_run
from snac_eval.results.sounds import Sound
from snac_eval.types import Waveform
from tests.listening.webmushra_rules import check
from tests.runs import write_run

RATE = 16_000
CODECS = ("opus_6kbps", "snac_mini", "lyra_v2")
CLIPS = ("talks/alice-01", "talks/alice-02", "talks/bob-01", "talks/carol-01")


class Maker:
    """Stands in for the sound of a run: a copy of the clip, louder and noisier by the codec."""

    def __init__(self, run: Run) -> None:
        self.run, self.problem = run, ""

    def make(self, clip: str) -> Sound:
        place, codec = CLIPS.index(clip), CODECS.index(self.run.codec)
        if clip == "talks/carol-01" and codec == 2:
            raise AudioError("the decoder crashed")
        reference = speech_like(RATE, RATE, seed=place)
        noise = np.random.default_rng(codec).normal(0, 0.01, reference.samples.shape)
        estimate = (1 + codec) * reference.samples + noise
        return Sound(reference, Waveform(estimate.astype(np.float32), RATE), "", "")


@contextmanager
def fake_sounds(runs: list[Run], *_: object) -> Iterator[list[Maker]]:
    yield [Maker(run) for run in runs]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Three codecs on four clips; one of them fails to decode the last."""
    folder = tmp_path_factory.mktemp("runs")
    speakers = ["speaker_alice", "speaker_alice", "speaker_bob", "speaker_carol"]
    return [
        read_run(
            write_run(
                folder / codec,
                {"pesq_wb": [2.0 + place, 2.5, 3.0 - place, 2.0]},
                codec,
                speakers=speakers,
                clips=CLIPS,
                dataset={"name": "my_talks"},
                card={"label": codec.replace("_", " ").title()},
            )
        )
        for place, codec in enumerate(CODECS)
    ]


@pytest.fixture(scope="module", autouse=True)
def _quickly() -> Iterator[None]:
    """No codec is opened, and power is of few draws."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(making, "open_sounds", fake_sounds)
        patch.setattr(power, "_DRAWS", 20)
        patch.setattr(power, "_CLIPS", (4,))
        yield


@pytest.fixture(scope="module")
def mushra(runs: list[Run], tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A test of two clips."""
    return made(runs, tmp_path_factory.mktemp("mushra") / "test")


def made(runs: list[Run], folder: Path, method: Method = "mushra", **changes: Any) -> Made:  # noqa: ANN401
    return make_test(runs, Request(folder, method, **{"clips": 2, "length_s": 1.0} | changes))


def sound(folder: Path, name: str) -> bytes:
    with wave.open(str(folder / "audio" / f"{name}.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (48_000, 2, 2)
        return file.readframes(file.getnframes())


def test_a_mushra_test_has_every_codec_a_hidden_reference_and_anchors(mushra: Made) -> None:
    found, folder = mushra, mushra.folder
    key = json.loads(key_file(folder).read_text(encoding="utf-8"))
    assert read_key(key_file(folder)).test == key["test_id"] == found.key.test_id
    for trial in key["trials"]:
        named = {one["codec"]: one for one in trial["stimuli"]}
        assert named.keys() == {*CODECS, "reference", "anchor_3500", "anchor_7000"}
        assert named["reference"]["role"] == "reference"
        assert named["anchor_3500"]["role"] == "anchor"
        hidden = named["reference"]["name"]
        assert hidden != trial["reference"]
        assert sound(folder, hidden) == sound(folder, trial["reference"])
        assert sound(folder, hidden) != sound(folder, named["anchor_7000"]["name"])
        assert len({len(sound(folder, one["name"])) for one in named.values()}) == 1
    assert key["made"]["clips"][key["trials"][1]["clip"]]["loudness"] <= -23
    assert key["runs"] == dict.fromkeys(CODECS, "id")
    assert "left out clip 'talks/carol-01': lyra_v2: the decoder crashed" in found.notes


def test_no_file_of_the_folder_says_what_is_heard(mushra: Made) -> None:
    folder = mushra.folder
    words = [
        *CODECS,
        *CLIPS,
        "Opus 6Kbps",
        "Lyra V2",
        "speaker_",
        "my_talks",
        "anchor_",
        "reference_",
    ]
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".html", ".yaml", ".wav", ".js"}
    for path in files:
        content = (str(path.relative_to(folder)).encode() + path.read_bytes()).lower()
        assert [word for word in words if word.lower().encode() in content] == []
        if path.suffix == ".wav":  # nothing but the format before the samples, and nothing after
            size = len(content) - len(str(path.relative_to(folder))) - 44
            assert path.read_bytes()[36:44] == b"data" + size.to_bytes(4, "little")


def test_a_mushra_test_practises_first_and_webmushra_takes_it(mushra: Made) -> None:
    assert [trial.is_training for trial in mushra.key.trials] == [True, False, False]
    checked(mushra)


def test_abx_asks_for_each_codec_which_of_two_is_the_reference(
    runs: list[Run], tmp_path: Path
) -> None:
    found = made(runs, tmp_path / "test", "abx", clips=1)
    assert Counter(trial.is_training for trial in found.key.trials) == {False: 3, True: 2}
    for trial in found.key.trials:
        roles = {one.role: one.name for one in trial.stimuli}
        assert roles.keys() == {"codec", "reference"}
        assert trial.reference == roles["reference"]
    checked(found)


def test_mos_asks_for_one_sound_at_a_time_the_reference_too(
    runs: list[Run], tmp_path: Path
) -> None:
    found = made(runs, tmp_path / "test", "mos", clips=1)
    assert Counter(trial.is_training for trial in found.key.trials) == {False: 4, True: 3}
    asked = [trial for trial in found.key.trials if not trial.is_training]
    heard = Counter((trial.stimuli[0].codec, len(trial.stimuli)) for trial in asked)
    assert heard == {(name, 1): 1 for name in (*CODECS, "reference")}
    assert not any(trial.reference for trial in found.key.trials)
    checked(found)


def checked(found: Made) -> None:
    text = (found.folder / "config.yaml").read_text(encoding="utf-8")
    check(yaml.safe_load(text), found.key, found.folder)


def test_the_same_seed_gives_the_same_test_and_another_other_names(
    runs: list[Run], tmp_path: Path
) -> None:
    keys = [
        made(runs[:1], tmp_path / str(place), anchors=False, training=0, seed=seed).key
        for place, seed in enumerate((5, 5, 6))
    ]
    assert keys[0] == keys[1]
    names = [{one.name for trial in key.trials for one in trial.stimuli} for key in keys]
    assert not names[0] & names[2]
    assert keys[0].test_id != keys[2].test_id


def test_a_test_is_replaced_where_asked_for_and_never_where_answers_are(
    runs: list[Run], tmp_path: Path
) -> None:
    folder = tmp_path / "test"
    small: dict[str, Any] = {"clips": 1, "anchors": False, "training": 0}
    first = made(runs[:1], folder, **small).key.test_id
    with pytest.raises(UsageError, match="holds a test; choose another -o, or --overwrite"):
        made(runs[:1], folder, **small)
    second = made(runs[:1], folder, seed=2, overwrite=True, **small).key.test_id
    assert first != second
    assert second in (folder / "config.yaml").read_text(encoding="utf-8")
    answers_file(folder).write_text("{}\n", encoding="utf-8")
    with pytest.raises(UsageError, match="holds answers"):
        made(runs[:1], folder, overwrite=True, **small)
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    answers_file(folder).unlink()
    with pytest.raises(UsageError, match=r"holds other files \(notes.txt\)"):
        made(runs[:1], folder, overwrite=True, **small)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["test", "test.key.json"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"clips": 0}, "--clips 0: must be at least 1"),
        ({"length_s": 13.0}, "--length 13: give 0.5 to 12 s"),
        ({"loudness": 0.0}, "--loudness 0: give -40 to -10 LUFS"),
        ({"training": -1}, "--training -1"),
        ({"title": "Is lyra_v2 good?"}, "listeners would read 'lyra_v2' there"),
        ({"ids": ("talks/alice-1",)}, "did you mean 'talks/alice-01'"),
        ({"url": "ftp://me"}, "ftp://me"),
    ],
)
def test_what_makes_no_sense_is_refused(
    runs: list[Run], tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(UsageError, match=problem):
        made(runs, tmp_path / "test", **changes)
    assert not (tmp_path / "test").exists()


def test_more_versions_than_a_screen_may_have_are_refused(runs: list[Run], tmp_path: Path) -> None:
    many = [replace(runs[0], codec=f"codec {n}") for n in range(10)]
    with pytest.raises(UsageError, match="give at most 9 runs, or 11 with --no-anchors"):
        made(many, tmp_path / "test")


def test_a_clip_that_was_asked_for_and_cannot_be_heard_is_an_error(
    runs: list[Run], tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="'talks/carol-01': lyra_v2: the decoder crashed"):
        made(runs, tmp_path / "test", ids=("talks/carol-01",))
    assert not list(tmp_path.glob("*test*"))


def test_where_no_clip_is_left_training_uses_clips_of_the_test(
    runs: list[Run], tmp_path: Path
) -> None:
    found = made(runs[:1], tmp_path / "test", clips=9, anchors=False)
    assert any("fewer than the 9 that were asked for" in note for note in found.notes)
    assert any("training uses clips of the test" in note for note in found.notes)
    assert not any("by the metrics" in note for note in found.notes)
    practice, *asked = found.key.trials
    names = [{one.name for one in trial.stimuli} for trial in (practice, *asked)]
    assert practice.clip in {trial.clip for trial in asked}
    assert not names[0] & set().union(*names[1:])
