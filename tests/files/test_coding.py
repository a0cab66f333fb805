"""encode and decode: what a run would code, to the bit, and nothing lost on the way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from snac_eval import audio
from snac_eval.cli.main import main
from snac_eval.codecs.container import read_codes
from snac_eval.codecs.contract import same_codes
from snac_eval.errors import AudioError, UsageError
from snac_eval.files import encoding
from snac_eval.files.decoding import Output, decode
from snac_eval.files.encoding import CodingConfig, encode
from snac_eval.files.places import audio_inputs, codes_inputs, outputs
from snac_eval.files.working import Tally
from snac_eval.registry import plugins
from snac_eval.run.plan import Setting, clip_seed
from snac_eval.types import Codes, Waveform
from tests.codecs.test_opening import own as own
from tests.contract.test_codec_contract import _MIDDLE
from tests.tiny_transformers import save_tiny

SNAC = "snac_16khz_mini"
_LEFT_OUT = {"files", "codec2_1300"}


def _ready() -> list[str]:
    """Every codec that can be opened here, but for rates that differ from another in a number."""
    names = sorted(set(plugins.codec_names()) - _MIDDLE - _LEFT_OUT)
    return [name for name in names if plugins.codec_state(plugins.codec_card(name)) == "ready"]


def stereo(path: Path, duration_s: float = 0.7, rate: int = 44100) -> Path:
    left, right = (
        audio.speech_like(round(duration_s * rate), rate, seed=seed).samples[0] for seed in (1, 2)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.stack([left, 0.5 * right], axis=1), rate)
    return path


def there_and_back(model: str, source: Path, folder: Path, **options: str) -> tuple[Setting, Path]:
    """Through the two commands' files; gives the codec as a run has it, and the WAV file."""
    config = CodingConfig(model, folder, **options)  # type: ignore[arg-type]
    made = encode(config, audio_inputs([str(source)]))
    assert not made.failed, made.failed
    back = decode(config, Output(), codes_inputs([str(folder)]))
    assert not back.failed, back.failed
    return config.setting(), back.made[0].place


def check_as_a_run(setting: Setting, source: Path, codes: Path, wav: Path) -> Codes:
    """The codes are those of a run, the audio is what the codec makes of them."""
    coder = setting.codec.coder
    assert coder is not None
    (clip,) = audio_inputs([str(source)]).clips
    clip = audio.inspect(clip)
    _, taken = setting.read(clip)
    (expected,) = coder.encode([taken])
    found = read_codes(codes).codes
    assert same_codes(found, expected)
    (estimate,) = coder.decode([expected], [clip_seed(clip, 0)])
    samples, rate = soundfile.read(wav, dtype="float32", always_2d=True)
    assert rate == estimate.sample_rate
    assert np.array_equal(samples.T, estimate.samples)
    return found


@pytest.mark.parametrize("model", _ready())
def test_encode_and_decode_are_the_codec_to_the_bit(model: str, tmp_path: Path) -> None:
    source = stereo(tmp_path / "a.wav")
    setting, wav = there_and_back(model, source, tmp_path / "made")
    check_as_a_run(setting, source, tmp_path / "made" / "a.codes", wav)


def test_so_are_codecs_with_weights_and_side_information(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra transformers")
    weights = str(save_tiny("encodec_48khz", tmp_path / "weights"))
    source = stereo(tmp_path / "a.wav", 1.2)
    made = tmp_path / "made"
    setting, wav = there_and_back("encodec_48khz@k=3", source, made, weights=weights)
    codes = check_as_a_run(setting, source, made / "a.codes", wav)
    assert codes.side_info
    _spoil(Path(weights) / "model.safetensors")
    refused(CodingConfig("encodec_48khz@k=3", made, weights=weights), made, "other weights (sha256")


def _spoil(weights: Path) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(weights)
    name = sorted(tensors)[0]
    save_file(tensors | {name: tensors[name] + np.float32(0.5)}, weights, {"format": "pt"})


def refused(config: CodingConfig, codes: Path, reason: str) -> None:
    tally = decode(config, Output(), codes_inputs([str(codes)]))
    assert len(tally.failed) == 1
    assert reason in tally.failed[0]
    assert not tally.made


def test_each_channel_can_be_coded_on_its_own(tmp_path: Path) -> None:
    source = stereo(tmp_path / "a.wav", 0.4)
    made = tmp_path / "made"
    setting, wav = there_and_back(SNAC, source, made, channels="each")
    check_as_a_run(setting, source, made / "a.codes", wav)
    assert soundfile.info(wav).channels == 2


def test_another_codec_is_refused_and_another_version_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = stereo(tmp_path / "a.wav")
    made = tmp_path / "made"
    encode(CodingConfig("opus@kbps=9", made), audio_inputs([str(source)]))
    refused(CodingConfig("opus_12kbps", made), made, "was made by 'opus@kbps=9', which is another")
    refused(CodingConfig(SNAC, made), made, "which is another codec")
    monkeypatch.setattr("snac_eval.codecs.pyav.PyavCodec._identity", lambda _: "pyav:v=3")
    tally = decode(CodingConfig("opus@kbps=9", made), Output(), codes_inputs([str(made)]))
    assert len(tally.made) == 1
    assert [note for note in tally.notes if "another version" in note]


def test_a_codec_of_ones_own_is_known_by_its_fingerprint(
    own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, made = stereo(tmp_path / "a.wav", 0.2), tmp_path / "made"
    model = f"{own}:Steps"
    setting, wav = there_and_back(model, source, made)
    check_as_a_run(setting, source, made / "a.codes", wav)
    monkeypatch.setattr(f"{own}.Steps.fingerprint", "steps/2")
    refused(
        CodingConfig(model, made), made, "made by 'steps/1', and this codec calls itself 'steps/2'"
    )


def test_pieces_of_any_size_give_the_codes_and_the_audio_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An MP3 comes in small blocks; both files pass through mixing and resampling."""
    source = stereo(tmp_path / "a.wav", 1.3)
    small = tmp_path / "b.mp3"
    samples, rate = soundfile.read(source)
    soundfile.write(small, samples, rate)
    setting = CodingConfig(SNAC, tmp_path).setting()
    assert setting.codec.encode_blocks is not None
    monkeypatch.setattr("snac_eval.reading._soundfile.BLOCK", 1000)
    for path in (source, small):
        made = tmp_path / path.stem
        _, wav = there_and_back(SNAC, path, made)
        check_as_a_run(setting, path, made / f"{path.stem}.codes", wav)


def test_a_gpu_takes_short_files_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codec = CodingConfig(SNAC, tmp_path).setting().codec
    assert encoding.streams(codec, 1.0)
    coder = codec.coder
    assert coder is not None
    monkeypatch.setattr(coder, "device", "cuda")
    assert not encoding.streams(codec, 299.0)
    assert encoding.streams(codec, 301.0)


@pytest.mark.parametrize("rates", [(44100, 16000), (8000, 24000), (16000, 16000)])
def test_resampling_in_blocks_gives_the_same_samples(rates: tuple[int, int]) -> None:
    waveform = audio.speech_like(10007, rates[0])
    parts = np.split(waveform.samples, [1, 1, 500, 5000], axis=1)
    whole = audio.resample(waveform, rates[1]).samples
    assert np.array_equal(np.concatenate([*audio.resample_blocks(parts, *rates)], axis=1), whole)


def test_a_folder_keeps_its_paths_and_a_second_call_continues(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, codes = tmp_path / "data", tmp_path / "codes"
    stereo(data / "x" / "y" / "a.wav", 0.3)
    stereo(data / "b.flac", 0.3)
    (data / "bad.wav").write_bytes(b"RIFF and no more")
    command = ["encode", "opus_12kbps", str(data), "-o", str(codes), "--quiet"]
    assert main(command) == 4
    out, err = capsys.readouterr()
    assert "1 of 3 files failed" in err
    assert f"{data / 'bad.wav'}: cannot be read as audio" in err
    assert "bytes of codes" in out
    first = codes / "x" / "y" / "a.codes"
    before = first.stat().st_mtime_ns
    # As after kill -9: one is missing, one was being written by a process that is gone.
    (codes / "b.codes").unlink()
    left, others = codes / f".b.codes.{_dead()}.tmp", codes / f".c.codes.{os.getpid()}.tmp"
    left.touch()
    others.touch()
    assert main(command) == 4
    assert "1 file were there already" in capsys.readouterr().out.replace("was", "were")
    assert first.stat().st_mtime_ns == before
    assert (codes / "b.codes").is_file()
    assert not left.exists()
    assert others.exists()
    assert main(["decode", "opus_12kbps", str(codes), "-o", str(tmp_path / "o"), "--quiet"]) == 0
    assert (tmp_path / "o" / "x" / "y" / "a.wav").is_file()


def _dead() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_is_there_of_something_else_is_no_result(tmp_path: Path) -> None:
    source, made = stereo(tmp_path / "a.wav"), tmp_path / "made"

    def coded(model: str, overwrite: bool = False) -> Tally:
        return encode(CodingConfig(model, made, overwrite=overwrite), audio_inputs([str(source)]))

    coded("pcm_8bit")
    assert "or another version of it; choose another -o" in coded("pcm_16bit").failed[0]
    assert len(coded("pcm_16bit", overwrite=True).made) == 1
    assert coded("pcm_16bit").kept == 1
    stereo(source, 0.2)
    assert "the codes of another file" in coded("pcm_16bit").failed[0]

    def back(output: Output) -> Tally:
        return decode(CodingConfig("pcm_16bit", made), output, codes_inputs([str(made)]))

    back(Output(subtype="pcm16"))
    assert soundfile.info(made / "a.wav").subtype == "PCM_16"
    assert back(Output(subtype="pcm16")).kept == 1
    assert "is other audio" in back(Output()).failed[0]


def test_the_seed_is_that_of_a_run_and_another_gives_other_noise(tmp_path: Path) -> None:
    source, made = stereo(tmp_path / "a.wav", 0.3), tmp_path / "made"
    config = CodingConfig(SNAC, made, overwrite=True)
    encode(config, audio_inputs([str(source)]))
    found = []
    for seed in (0, 0, 1):
        decode(config, Output(seed), codes_inputs([str(made)]))
        found.append(soundfile.read(made / "a.wav", dtype="float32")[0])
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_two_files_never_become_one(tmp_path: Path) -> None:
    one, other = stereo(tmp_path / "a.wav", 0.1), stereo(tmp_path / "a.flac", 0.1)
    with pytest.raises(UsageError, match=r"would both be written to .*a\.codes"):
        outputs(audio_inputs([str(one), str(other)]).clips, tmp_path, ".codes")
    # The same file again is the same file.
    assert len(audio_inputs([str(one), str(tmp_path), str(one)]).clips) == 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["encode", SNAC, "nowhere", "-o", "x"], "nowhere: no such file or folder"),
        (["encode", "snac_16khz_min", "a.wav", "-o", "x"], "did you mean 'snac_16khz_mini'"),
        (["encode", "files:.", "a.wav", "-o", "x"], "it codes nothing"),
        (["encode", SNAC, "a.wav"], "-o/--output"),
        (["decode", SNAC, "a.codes", "-o", "x"], "a.codes: no such file or folder"),
        (["decode", SNAC, ".", "-o", "x"], "holds no .codes files"),
        (["decode", SNAC, "a.wav", "-o", "x"], "a.wav: is no file of codes"),
        (["encode", SNAC, "three.wav", "-o", "x"], "only mono and stereo"),
        (["encode", SNAC, "nan.wav", "-o", "x"], "NaN or infinite"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    stereo(tmp_path / "a.wav", 0.1)
    soundfile.write("three.wav", np.zeros((1600, 3), np.float32), 16000)
    soundfile.write("nan.wav", np.full(1600, np.nan, np.float32), 16000, "FLOAT")
    try:
        code = main([*arguments, "--quiet"])
    except SystemExit as ended:
        code = int(str(ended.code))
    assert code in (2, 4)
    error = capsys.readouterr().err
    assert reason in error
    assert "Traceback" not in error
    assert not list(tmp_path.glob("x/*"))


def test_a_decoder_that_fails_in_the_middle_leaves_the_next_one_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what the codec raises is not taken for the decoder's failure."""
    from snac_eval.reading import _soundfile, files

    path = stereo(tmp_path / "a.wav", 2.0)

    def failing(sound: soundfile.SoundFile):  # noqa: ANN202
        yield sound.read(1000, dtype="float32", always_2d=True).T
        raise ValueError("the disk has a hole")

    monkeypatch.setattr(_soundfile, "_blocks", failing)
    lengths = files.through(path, lambda source: sum(one.shape[1] for one in source.blocks))
    assert lengths == 88200

    def refuses(source: files.Source) -> None:
        next(source.blocks)
        raise RuntimeError("no such codec")

    with pytest.raises(RuntimeError, match="no such codec"):
        files.through(path, refuses)
    path.write_bytes(b"junk" * 9)
    with pytest.raises(AudioError, match="cannot be read as audio"):
        files.through(path, lambda source: list(source.blocks))


def test_a_codec_that_gives_nonsense_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, made = stereo(tmp_path / "a.wav", 0.2), tmp_path / "made"
    config = CodingConfig("pcm_8bit", made)
    monkeypatch.setattr(
        "snac_eval.codecs.pcm.PcmCodec._encode",
        lambda _, waveform: Codes(waveform.num_samples - 1, packets=(b"x",)),
    )
    assert "codes say" in encode(config, audio_inputs([str(source)])).failed[0]
    monkeypatch.undo()
    encode(config, audio_inputs([str(source)]))
    spoilt = Waveform(np.full((1, 5), np.nan, np.float32), 44100)
    monkeypatch.setattr("snac_eval.codecs.pcm.PcmCodec._decode", lambda *_: spoilt)
    assert "NaN" in decode(config, Output(), codes_inputs([str(made)])).failed[0]
    assert [one.name for one in made.iterdir()] == ["a.codes"]
