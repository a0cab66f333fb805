"""Whatever is wrong with the input costs one line and exit code 2, or one clip an error row."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

import snac_eval
from snac_eval.cli.main import main
from snac_eval.errors import UsageError
from tests.cli.helpers import scores
from tests.codecs.snac.test_checkpoint import save_model
from tests.conftest import tone


def _run(*arguments: str | Path, metrics: str = "mel_dac_paper") -> int:
    defaults = ["--metrics", metrics, "--workers", "0", "--quiet"]
    return main(["run", *map(str, arguments), *defaults])


def _refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    assert _run(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("snac-eval: ")
    return captured.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "snac_24kz", "--dataset", "demo"], "did you mean 'snac_24khz'"),
        (["--model", "xyzzy", "--dataset", "demo"], "see: snac-eval list codecs"),
        (["--model", "pcm_8bit", "--dataset", "librispech"], "did you mean 'librispeech'"),
        (["--model", "pcm_8bit", "--dataset", "demo", "--limit", "-1"], "--limit -1"),
        (["--model", "pcm_8bit", "--dataset", "demo", "--device", "tpu"], "unknown device 'tpu'"),
        (["--model", "pcm_8bit", "--dataset", "demo", "--max-error-rate", "2"], "--max-error-rate"),
        (["--model", "pcm_8bit", "--dataset", "folder:/nowhere"], "/nowhere"),
        (["--model", "pcm_8bit", "--dataset", "manifest:/nowhere.csv"], "/nowhere.csv"),
        (["--model", "files:/nowhere", "--dataset", "demo"], "/nowhere"),
        (["--model", "files", "--dataset", "demo"], "files:"),
    ],
)
def test_wrong_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert words in _refused(capsys, *arguments, "--output", tmp_path / "run")


@pytest.mark.parametrize(
    "command",
    [
        ["run", "--model", "pcm_8bit", "--dataset", "demo"],
        ["bench", "--model", "pcm_8bit"],
        ["list", "codecs"],
        ["validate", "pcm_8bit"],
        ["table", "--models"],
    ],
)
def test_the_folder_of_cards_that_is_wrong_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    good, empty, missing = (tmp_path / name for name in ("good", "empty", "missing"))
    (good / "codecs").mkdir(parents=True)
    empty.mkdir()
    for wrong, words in ((missing, "no such folder"), (empty, "neither codecs/ nor datasets/")):
        assert main([*command, "--cards", str(wrong), "--cards", str(good)]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"snac-eval: --cards {wrong}: ")
        assert words in error
        assert error.count("\n") == 1


def test_unknown_metric_is_suggested(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", "--model", "pcm_8bit", "--dataset", "demo", "--metrics", "pesq"]
    assert main([*arguments, "--output", str(tmp_path)]) == 2
    assert "unknown metric 'pesq': did you mean 'pesq_" in capsys.readouterr().err


def test_unwritable_output(
    audio_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    error = _refused(
        capsys,
        *("--model", "pcm_8bit", "--dataset", f"folder:{audio_dir}"),
        *("--output", tmp_path / "file" / "run"),
    )
    assert "cannot write here" in error


def test_corrupt_store(audio_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = ["--model", "pcm_8bit", "--dataset", f"folder:{audio_dir}", "--output", tmp_path / "run"]
    assert _run(*run) == 0
    store = tmp_path / "run" / "store.sqlite"
    store.write_bytes(b"garbage" * 1000)
    capsys.readouterr()
    assert "--overwrite" in _refused(capsys, *run)
    # The tables come from scores.parquet and manifest.json; only the sound is in the store.
    assert main(["report", str(tmp_path / "run"), "--html"]) == 0
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Nothing to play of PCM, 8 bits" in page
    assert "damaged store" in page
    assert _run(*run, "--overwrite") == 0


def test_corrupt_checkpoint(
    audio_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_model(tmp_path / "weights")
    (tmp_path / "weights" / "pytorch_model.bin").write_bytes(b"nothing")
    run = ["--model", "snac_24khz", "--dataset", f"folder:{audio_dir}", "--output", tmp_path / "r"]
    error = _refused(capsys, *run, "--weights", tmp_path / "weights")
    assert "pytorch_model.bin: cannot be read as weights" in error


def test_weights_of_another_model(
    audio_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_model(tmp_path / "weights")
    run = ["--model", "snac_24khz", "--dataset", f"folder:{audio_dir}", "--output", tmp_path / "r"]
    assert "the card 'snac_24khz' says" in _refused(capsys, *run, "--weights", tmp_path / "weights")


def test_table_of_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", str(tmp_path)]) == 2
    assert "holds no run (no manifest.json)" in capsys.readouterr().err
    assert main(["table"]) == 2
    assert "name at least one run folder" in capsys.readouterr().err


def _hours_by_header(path: Path, hours: float, sample_rate: int = 16000) -> None:
    """A WAV of silence that is hours long and takes no room on the disk."""
    num_bytes = round(hours * 3600 * sample_rate) * 2
    header = b"RIFF" + struct.pack("<I", 36 + num_bytes) + b"WAVEfmt "
    header += struct.pack("<IHHIIHH", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    path.write_bytes(header + b"data" + struct.pack("<I", num_bytes))
    with path.open("r+b") as file:
        file.truncate(44 + num_bytes)


def test_bad_clips_get_error_rows_and_the_rest_is_scored(
    audio_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (audio_dir / "text.wav").write_text("this is no audio")
    soundfile.write(audio_dir / "empty.wav", np.zeros(0, dtype=np.float32), 16000)
    broken = tone()
    broken[100] = np.nan
    soundfile.write(audio_dir / "nan.wav", broken, 16000, subtype="FLOAT")
    soundfile.write(audio_dir / "eight.wav", np.zeros((16000, 8), dtype=np.float32), 16000)
    _hours_by_header(audio_dir / "hours.wav", hours=3)
    run = ["--model", "opus_12kbps", "--dataset", f"folder:{audio_dir}", "--output", tmp_path / "r"]
    assert _run(*run) == 4
    captured = capsys.readouterr()
    assert "5 of 8 clips failed" in captured.err
    frame = scores(tmp_path / "r").set_index("clip_id")
    assert set(frame.loc[["speech/a", "speech/b", "music/c"], "status"]) == {"ok"}
    reasons = {
        "text": "cannot be read as audio",
        "empty": "holds no samples",
        "nan": "NaN or infinite",
        "eight": "8 channels",
        "hours": "lasts at least 10800 s",
    }
    for clip, reason in reasons.items():
        row = frame.loc[clip]
        assert (row["status"], np.isnan(row["value"])) == ("error", True)
        assert reason in row["reason"]
    assert _run(*run, "--max-error-rate", "0.9") == 0


def test_silence_and_short_clips_are_undefined_not_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    speech = tmp_path / "data" / "speech"
    speech.mkdir(parents=True)
    soundfile.write(speech / "silence.wav", np.zeros(32000, dtype=np.float32), 16000)
    soundfile.write(speech / "short.wav", tone(0.05), 16000)
    metrics = "pesq_wb,pesq_nb,stoi,estoi,si_sdr,visqol_speech,visqol_audio,mel_dac_paper,bitrate"
    run = ["--model", "opus_12kbps", "--dataset", f"folder:{tmp_path / 'data'}"]
    assert _run(*run, "--output", tmp_path / "r", metrics=metrics) == 3
    assert "undefined on every clip: pesq_wb: too short" in capsys.readouterr().err
    frame = scores(tmp_path / "r").set_index(["clip_id", "metric"])
    assert set(frame["status"]) <= {"ok", "undefined"}
    for metric in ("pesq_wb", "pesq_nb", "stoi", "estoi", "visqol_speech", "visqol_audio"):
        for clip in ("speech/silence", "speech/short"):
            row = frame.loc[(clip, metric)]
            assert (metric, row["status"]) == (metric, "undefined")
            assert row["reason"]
    assert frame.loc[("speech/silence", "si_sdr"), "status"] == "undefined"
    assert frame.loc[("speech/short", "bitrate"), "status"] == "ok"


@pytest.mark.parametrize(
    ("kind", "card", "words"),
    [
        ("codecs", 'family = "pcm"\n[options]\nbitz = 8', "unknown key 'bitz'"),
        ("datasets", 'loader = "corpus"\n[options]\nroots = ["../x"]', "'archives' is missing"),
        (
            "datasets",
            'loader = "corpus"\n[options]\nroots = ["../x"]\narchives = [{ url = "u" }]\n'
            "glob = '*.wav'\npattern = '(?P<id>.*)'",
            "roots is '../x'",
        ),
    ],
)
def test_options_that_do_not_fit_name_the_cards_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, card: str, words: str
) -> None:
    file = tmp_path / kind / "mine.toml"
    file.parent.mkdir()
    head = 'name = "mine"\ndescription = "d"\nlicence = "l"\ncitation = "c"\n'
    file.write_text(head + ("sample_rate = 0\nchannels = 1\n" if kind == "codecs" else "") + card)
    names = {"codecs": ("mine", "demo"), "datasets": ("pcm_8bit", "mine")}
    model, dataset = names[kind]
    cards = ["--cards", str(tmp_path)]
    run = ["run", "--model", model, "--dataset", dataset, "--output", str(tmp_path / "run")]
    for command in (["list", kind], run):
        assert main([*command, *cards]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"snac-eval: {file}, options: ")
        assert words in error
        assert error.count("\n") == 1


def test_python_looks_at_folders_of_cards_too(tmp_path: Path) -> None:
    for call in (
        lambda: snac_eval.evaluate("pcm_8bit", "demo", card_dirs=[tmp_path / "missing"]),
        lambda: snac_eval.load_codec("pcm_8bit", card_dirs=[tmp_path / "missing"]),
    ):
        with pytest.raises(UsageError, match=r"card_dirs .*missing: no such folder"):
            call()
    with pytest.raises(UsageError, match="neither codecs/ nor datasets/"):
        snac_eval.evaluate("pcm_8bit", "demo", card_dirs=[str(tmp_path)])
