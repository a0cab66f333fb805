"""Codecs in other interpreters: the same answers as here, and deaths that cost one clip."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import snac_eval
from snac_eval.audio import speech_like
from snac_eval.cli import main as cli
from snac_eval.codecs.contract import same_codes
from snac_eval.codecs.counting import multiply_adds_per_s
from snac_eval.codecs.elsewhere import LIMIT_VARIABLE
from snac_eval.codecs.opening import open_model
from snac_eval.errors import CodecError, CodecLost, UsageError, WeightsUnavailable
from snac_eval.registry import cards, plugins, validation
from snac_eval.registry.validation import validated
from snac_eval.run.choosing import read_study
from snac_eval.run.config import RunConfig
from tests.environments.venvs import NUMPY, TORCH, bare_venv

_OWN = """
import os
import numpy as np
from snac_eval.codecs.checks import check_input
from snac_eval.types import CodecCard, Codes, Waveform

class Steps:
    sample_rate, codebook_size, input_type = 16000, 256, "numpy"
    def __init__(self, dies_at=0, levels=127):
        self.dies_at, self.levels = dies_at, levels
    def encode(self, audio):
        print("chatter")
        if audio.shape[-1] == self.dies_at:
            os._exit(9)
        return np.clip(np.round((audio[0] + 1) * self.levels), 0, 255).astype(np.int64)
    def decode(self, codes):
        return (codes / self.levels - 1).astype(np.float32)[None]

class Whole:
    "An adapter that can do all that one can do."
    def __init__(self):
        self.card = CodecCard("whole", "own", "d", 8000, codebook_sizes=())
        self.device, self.delay_samples, self.notes = "cpu", 2.5, ("a note",)
        self.fingerprint, self.weights_sha256 = "whole/1", "f" * 64
        self.can_drop_streams, self.conceals = True, "ones"
        self.is_ready = False
    def prepare(self): self.is_ready = True
    def card_parameters(self): return 12
    def padded_length(self, n): return -(-n // 100) * 100
    def encode(self, waveforms):
        for one in waveforms: check_input(self.card, one)
        return [self._codes(one.samples) for one in waveforms]
    def _codes(self, samples):
        packets = tuple(one.tobytes() for one in np.array_split(samples[0], 3))
        return Codes(samples.shape[1], packets=packets, side_info=b"s", header=bytes(2))
    def decode(self, codes, seeds):
        whole = [np.frombuffer(b"".join(one.packets), np.float32)[None] for one in codes]
        return [Waveform(one + np.float32(seed), 8000) for one, seed in zip(whole, seeds)]
    def encode_blocks(self, blocks): return self._codes(np.concatenate(list(blocks), axis=1))
    def decode_blocks(self, codes, seed):
        yield from np.array_split(self.decode([codes], [seed])[0].samples, 4, axis=1)
    def decode_lossy(self, codes, lost, seeds):
        return [Waveform(np.ones((1, one.num_samples), np.float32) * gone.sum(), 8000)
                for one, gone in zip(codes, lost)]
    def frames_at(self, codes): return (0.5, codes.num_samples / 3)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter that has NumPy and nothing else."""
    return str(bare_venv(tmp_path_factory.mktemp("venv")))


@pytest.fixture
def own(tmp_path: Path) -> str:
    (tmp_path / "own.py").write_text(_OWN)
    return str(tmp_path / "own.py")


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    (tmp_path / "clips").mkdir()
    for index, length in enumerate((8000, 8001, 8002)):
        samples = speech_like(length, 16000, 1, index).samples[0]
        soundfile.write(tmp_path / "clips" / f"{index}.wav", samples, 16000)
    return tmp_path / "clips"


def test_snac_where_torch_alone_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    there = snac_eval.load_codec(
        "snac_16khz_mini", device="cpu", python=str(bare_venv(tmp_path / "v", NUMPY + TORCH))
    )
    here = open_model("snac_16khz_mini")
    assert there.fingerprint == f"{here.fingerprint};without=llvmlite"
    assert there.num_parameters() == here.num_parameters
    clip = speech_like(8000, 16000, 1, 3)
    assert here.coder is not None
    codes = here.coder.encode([clip])
    assert same_codes(there.encode([clip])[0], codes[0])
    halves = np.array_split(clip.samples, 2, axis=1)
    assert same_codes(there.encode_blocks(halves), codes[0])
    (one,), (other,) = (codec.decode(codes, [5]) for codec in (here.coder, there))
    np.testing.assert_allclose(one.samples, other.samples, atol=1e-6)


def test_a_card_s_codec_is_the_same_to_the_bit(
    python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = (
        open_model("pcm_8bit@generation=2"),
        open_model("pcm_8bit@generation=2", python=python),
    )
    there.prepare()
    assert there.fingerprint == here.fingerprint
    assert str(there.card) == str(here.card)
    clip = speech_like(3000, 16000, 1, 0)
    assert here.coder is not None
    assert there.coder is not None
    codes = here.coder.encode([clip])
    assert same_codes(there.coder.encode([clip])[0], codes[0])
    (one,), (other,) = (codec.coder.decode(codes, [5]) for codec in (here, there))
    np.testing.assert_array_equal(one.samples, other.samples)
    with pytest.raises(CodecError, match="takes 1 channel"):
        there.coder.encode([replace(clip, samples=np.zeros((2, 5), np.float32))])
    monkeypatch.setenv(LIMIT_VARIABLE, "soon")
    with pytest.raises(UsageError, match=f"{LIMIT_VARIABLE}=soon: give seconds"):
        there.coder.encode([clip])


def test_all_that_an_adapter_can_do_it_does_elsewhere(own: str, python: str) -> None:
    here, there = open_model(f"{own}:Whole"), open_model(f"{own}:Whole", python=python)
    there.prepare()
    for name in ("fingerprint", "card", "device", "drops_streams", "conceals", "takes_one_clip"):
        assert str(getattr(there, name)) == str(getattr(here, name))  # NaN is not itself
    for name in ("delay_samples", "notes", "weights_sha256", "card_parameters"):
        assert getattr(there, name)() == getattr(here, name)()
    assert there.num_parameters is None
    clips = [speech_like(length, 8000, 1, length) for length in (400, 1001)]
    assert np.isnan(multiply_adds_per_s(there, clips[0]))
    coders = here.coder, there.coder
    assert [one.padded_length(250) for one in coders if one] == [300, 300]
    codes, other = (one.encode(clips) for one in coders if one)
    assert all(map(same_codes, codes, other))
    audio, again = (one.decode(codes, [1, 2]) for one in coders if one)
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(audio, again, strict=True))
    blocks = there.decode_blocks(codes[1], 2)
    np.testing.assert_array_equal(np.concatenate(list(blocks), axis=1), audio[1].samples)
    assert there.frames_at(codes[0]) == (0.5, 400 / 3)
    lost = [np.array([True, False, True]), np.zeros(3, np.bool_)]
    assert [one.samples.max() for one in there.decode_lossy(codes, lost, [0, 0])] == [2, 0]


def test_a_death_in_a_run_costs_one_clip(
    own: str, python: str, clips: Path, tmp_path: Path
) -> None:
    model, said = f"{own}:Steps", {"metrics": ["si_sdr", "bitrate"], "max_error_rate": 0.5}
    here = snac_eval.evaluate(model, f"folder:{clips}", workers=0, **said)
    there = snac_eval.evaluate(
        model,
        f"folder:{clips}",
        output=tmp_path / "run",
        workers=1,
        python=python,
        model_args=("dies_at=8001",),
        html=False,
        **said,
    )
    scores = there.scores.set_index(["clip_id", "metric"])
    died = scores.xs("1", level="clip_id")
    assert set(died["status"]) == {"error"}
    assert died["reason"].str.contains("ended by itself with exit code 9 while encoding").all()
    rest = scores.drop("1", level="clip_id")["value"]
    expected = here.scores.set_index(["clip_id", "metric"])["value"]
    assert rest.to_dict() == expected[rest.index].to_dict()
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["codec"]["interpreter"]["numpy"] == np.__version__
    assert manifest["config"]["python"] == python


def test_a_worker_that_cannot_be_started_again_ends_the_run(
    own: str, python: str, clips: Path, tmp_path: Path
) -> None:
    once = tmp_path / "once"
    once.write_text(f'#!/bin/sh\nmkdir {tmp_path}/used || exit 4\nexec {python} "$@"\n')
    once.chmod(once.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(CodecLost, match=f"{once}: ended by itself with exit code 4"):
        snac_eval.evaluate(
            f"{own}:Steps",
            f"folder:{clips}",
            ["si_sdr"],
            workers=0,
            python=str(once),
            model_args=("dies_at=8002",),
        )


def test_weights_are_found_by_whoever_started_it(
    python: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    codec = open_model("snac_24khz", python=python)
    with pytest.raises(WeightsUnavailable, match=r"snac_24khz.*HF_HUB_OFFLINE is set"):
        assert codec.fingerprint


def test_what_cannot_be_there_is_told(
    own: str, python: str, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for model, said in (
        (f"files:{clips}", "needs no other interpreter"),
        (f"{own}:Nothing", "no attribute 'Nothing'"),
        ("opus_6kbps", "cannot be loaded in .*No module named 'av'"),
    ):
        with pytest.raises((UsageError, CodecError), match=said):
            open_model(model, python=python).prepare()
    with pytest.raises(UsageError, match="is an object of this interpreter"):
        snac_eval.evaluate(object(), f"folder:{clips}", python=python)
    code = cli.main(["validate", "pcm_8bit", "--python", str(clips)])
    assert code == 2
    assert f"{clips}: is a folder; name an interpreter" in capsys.readouterr().err


def test_a_study_gives_each_model_its_own(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text(
        'models = ["pcm_8bit", {name = "pcm_16bit", python = "p"}]\ndatasets = ["demo"]\n'
    )
    study, _ = read_study(file, RunConfig("", "", tmp_path))
    assert [one.python for one in study.configs()] == ["", "p"]


def test_options_are_read_without_pydantic_as_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    for is_worker in (False, True):
        monkeypatch.setattr(validation, "is_worker", lambda said=is_worker: said)
        found[is_worker] = [
            (cards.read_codec_card(file), _options(cards.read_codec_card(file)))
            for file in sorted(cards.card_files("codecs").values())
        ]
    assert str(found[True]) == str(found[False])
    assert len(found[True]) > 20


def _options(card: snac_eval.types.CodecCard) -> object:
    source = plugins.codec_source(card.family)
    module = __import__(source.partition(":")[0], fromlist=["Options"])
    kind = getattr(module, "Options", validation.NoOptions)
    return validated(kind, card.options, card.name)
