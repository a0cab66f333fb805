"""Programs as codecs: what goes in, what comes out, what counts, and whatever may go wrong."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from snac_eval.codecs.command.adapter import CommandCodec, at_bitrate, remedy, state
from snac_eval.codecs.contract import CHECKS, Subject, examine, same_codes
from snac_eval.codecs.opening import open_model
from snac_eval.codecs.packing import pack, unpack
from snac_eval.errors import CardError, CodecError, UsageError
from snac_eval.registry import plugins
from snac_eval.types import CodecRequest, Waveform
from tests.codecs.command.programs import card, codec, shell
from tests.conftest import tone

CLIP = Waveform(0.5 * tone(0.3)[None], 16000)


def decoded(one: CommandCodec, waveform: Waveform = CLIP) -> Waveform:
    (estimate,) = one.decode(one.encode([waveform]), [0])
    return estimate


@pytest.mark.parametrize("check", sorted(set(CHECKS) - {"device move", "delay"}))
def test_the_contract_holds(check: str) -> None:
    subject = Subject(codec(2), lambda _: codec(2), long_s=2.0)
    finding = examine(check, CHECKS[check], subject)
    assert finding.state != "failed", finding.detail


@pytest.mark.parametrize(
    ("form", "size", "error"),
    [
        ("wav", 2, 2.0**-16),
        ("wav_24", 3, 2.0**-24),
        ("wav_float", 4, 0.0),
        ("s16le", 2, 2.0**-16),
        ("f32le", 4, 0.0),
    ],
)
def test_audio_reaches_the_program_and_comes_back(form: str, size: int, error: float) -> None:
    one = codec(2, input_format=form, output_format=form if form.endswith("le") else "wav")
    samples = np.stack([CLIP.samples[0], -0.3 * CLIP.samples[0]])
    (codes,) = one.encode([Waveform(samples, 16000)])
    heads = len(codes.packets[0]) - 2 * size * CLIP.num_samples
    assert heads == 0 if form.endswith("le") else 44 <= heads < 120
    assert codes.num_bits == 8 * len(codes.packets[0])
    (estimate,) = one.decode([unpack(pack(codes))], [0])
    assert np.abs(estimate.samples - samples).max() <= error


def test_audio_louder_than_full_scale_clips_and_does_not_wrap() -> None:
    loud = Waveform(np.array([[1.5, -1.5, 0.25] * 100], np.float32), 16000)
    assert decoded(codec(), loud).samples[0, :3].tolist() == [32767 / 32768, -1, 0.25]


@pytest.mark.parametrize(
    ("cut", "delay", "left"),
    [("cat /dev/zero | head -c 20 | cat - $1 > $2", 10.25, 0.25), ("tail -c +21 $1 > $2", -10, 0)],
)
def test_a_declared_delay_is_taken_out_to_the_sample(cut: str, delay: float, left: float) -> None:
    raw = {"input_format": "s16le", "output_format": "s16le"}
    one = codec(encode=shell(cut), delay_samples=delay, **raw)
    assert one.delay_samples == pytest.approx(left)
    estimate = decoded(one).samples
    kept = slice(max(0, -int(delay)), None)
    assert estimate.shape == CLIP.samples.shape
    np.testing.assert_allclose(estimate[:, kept], CLIP.samples[:, kept], atol=2.0**-16)


def test_a_delay_that_is_measured_is_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    speech = {"speech": [tone(1.0, seed=seed) for seed in range(2)]}
    monkeypatch.setattr("snac_eval.codecs.delays.signals", lambda _: speech)
    late = {"input_format": "s16le", "output_format": "s16le", "delay_samples": 3.2}
    one = codec(encode=shell("head -c 20 /dev/zero | cat - $1 > $2"), **late)
    subject = Subject(
        one, lambda _: one, delay_samples=lambda: one.delay_samples, delay_remedy=one.delay_remedy
    )
    found = examine("delay", CHECKS["delay"], subject)
    assert found.detail.endswith("write delay_samples = 10 among the options of its card")


def test_whole_frames_and_another_rate_that_comes_out() -> None:
    one = codec(frame_samples=320, output_sample_rate=24000, delay_samples=3)
    (codes,) = one.encode([CLIP])
    assert (len(codes.packets[0]) - 44) // 2 == -(-(CLIP.num_samples + 2) // 320) * 320
    (estimate,) = one.decode([codes], [0])
    assert (estimate.sample_rate, estimate.num_samples) == (24000, CLIP.num_samples * 3 // 2)


def test_any_rate_where_the_card_names_none() -> None:
    one = codec(sample_rate=0, input_format="s16le", output_format="s16le")
    assert decoded(one, replace(CLIP, sample_rate=11025)).sample_rate == 11025


def test_a_declared_rate_counts_and_the_file_is_kept() -> None:
    one = codec(bits="declared", bit_rate=9600)
    (codes,) = one.encode([CLIP])
    assert codes.num_bits == 9600 * CLIP.duration_s
    (estimate,) = one.decode([unpack(pack(codes))], [0])
    np.testing.assert_allclose(estimate.samples, CLIP.samples, atol=2.0**-16)
    with pytest.raises(CodecError, match=r"fewer than the .* that the card declares"):
        codec(bits="declared", bit_rate=1_000_000).encode([CLIP])


_SPEAKS = "echo first >&2; echo 'out of  luck' >&2; "


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (_SPEAKS + "exit 3", "sh ended with exit code 3: first / out of luck"),
        ("echo told on standard output; exit 1", "exit code 1: told on standard output"),
        ("kill -SEGV $$", "sh was ended by SIGSEGV"),
        (_SPEAKS + "sleep 9", "took more than 0.3 s (time_limit_s) and was ended: first / out"),
        ("yes", "took more than 0.3 s (time_limit_s) and was ended: y / y"),
        ("exec >&- 2>&-; sleep 9", "took more than 0.3 s"),
        (":", "sh ended well but wrote no clip.bin"),
        (": > $2", "sh ended well but wrote an empty file"),
    ],
)
def test_an_encoder_that_fails_says_why(script: str, words: str) -> None:
    start = time.monotonic()
    with pytest.raises(CodecError, match=f"^copied: .*{re.escape(words)}"):
        codec(encode=shell(script), time_limit_s=0.3).encode([CLIP])
    assert time.monotonic() - start < 3


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("head -c 2000 $1 > $2", "its decoder answered 0.30 s of audio with 0.06 s"),
        ("echo no audio > $2", "its decoder wrote what cannot be read: output.wav: "),
    ],
)
def test_a_decoder_that_fails_says_why(script: str, words: str) -> None:
    decode = ["sh", "-c", script, "sh", "{bitstream}", "{output}"]
    with pytest.raises(CodecError, match=f"^copied: {re.escape(words)}"):
        decoded(codec(decode=decode))


def test_another_number_of_channels_is_an_error() -> None:
    (codes,) = codec(2).encode([Waveform(np.repeat(CLIP.samples, 2, 0), 16000)])
    with pytest.raises(CodecError, match="wrote 2 channels, the card says 1"):
        codec().decode([codes], [0])
    with pytest.raises(CodecError, match=r"these are not its codes .* encode the clip again"):
        codec().decode([replace(codes, header=b"")], [0])


def test_what_a_program_leaves_running_is_ended_and_not_waited_for(tmp_path: Path) -> None:
    pids = tmp_path / "with space; and $HOME"
    script = 'sleep 60 & echo $! > "$3"; cp $1 $2; head -c 3000000 /dev/zero'
    start = time.monotonic()
    codec(encode=[*shell(script), str(pids)]).encode([CLIP])
    assert time.monotonic() - start < 5
    _assert_ended(int(pids.read_text()))


def test_ctrl_c_ends_the_program(tmp_path: Path) -> None:
    pids = tmp_path / "pid"

    def stop(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            codec(encode=[*shell('echo $$ > "$3"; sleep 60'), str(pids)]).encode([CLIP])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    _assert_ended(int(pids.read_text()))


def _assert_ended(pid: int) -> None:
    for _ in range(50):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if b") Z " in Path(f"/proc/{pid}/stat").read_bytes():
            return
        time.sleep(0.02)
    raise AssertionError(f"{pid} still runs")


def test_a_program_sees_a_folder_of_its_own_and_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("MODEL_FOLDER", "kept")
    Path("made.sh").write_text('env > "$3"; cp $1 $2; touch litter')
    codec(encode=["sh", "made.sh", "{input}", "{bitstream}", "{here}/env.txt"]).encode([CLIP])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["env.txt", "made.sh"]
    said = Path("env.txt").read_text()
    assert "MODEL_FOLDER=kept" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"encode": "cp {input}"}, "'encode' must name {bitstream}"),
        ({"decode": "cp {bitsream} {output}"}, "'decode': unknown placeholder {bitsream}; known: "),
        ({"encode": "cp {input} 'x"}, "'encode': no closing quotation"),
        ({"encode": "cp {input} {bitstream} {"}, "'encode': Single '{' encountered .* for braces"),
        ({"encode": "cp {input!r} {bitstream}"}, "has more than a name in its braces"),
        ({"encode": ""}, "'encode' is empty"),
        ({"encode": "{input} {bitstream}"}, "begin with the program"),
        ({"encode": "x {kbps} {input} {bitstream}"}, "give bit_rate, in bits a second"),
        ({"bits": "declared"}, "bits = 'declared' needs bit_rate"),
        ({"bit_rate_range": [9, 3]}, "the lowest and the highest rate"),
        ({"bit_rates": [6000]}, "the commands name neither {kbps} nor {bit_rate}"),
        ({"bitstream_suffix": "/x"}, "should be like '.bin'"),
        ({"encoder": "cp"}, "unknown key 'encoder'; did you mean 'encode'"),
        ({"input_format": "mp3"}, "'input_format' is 'mp3'; it should be 'wav', "),
    ],
)
def test_a_card_that_makes_no_sense_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(CardError, match=f"^codec card 'copied', options: .*{words}"):
        codec(**options)


def test_a_missing_program_is_a_state_with_a_remedy(tmp_path: Path) -> None:
    lacks = card(encode="no-such-coder {input} {bitstream}", install="apt install coders")
    assert (state(lacks), remedy(lacks)) == ("needs program no-such-coder", ("apt install coders",))
    with pytest.raises(CodecError, match="copied: needs program no-such-coder; apt install coders"):
        CommandCodec(CodecRequest(lacks)).prepare()
    script = tmp_path / "coder.py"
    script.write_text("")
    assert "chmod +x it" in state(card(decode=f"{script} {{bitstream}} {{output}}"))
    assert (state(card()), remedy(card(install="x"))) == ("", ())


def test_a_file_that_is_no_program_is_told(tmp_path: Path) -> None:
    script = tmp_path / "coder"
    script.write_bytes(b"\x00\x01 not executable")
    script.chmod(0o755)
    with pytest.raises(CodecError, match="coder cannot be started: Exec format error"):
        codec(encode=f"{script} {{input}} {{bitstream}}").encode([CLIP])


def test_a_fingerprint_is_of_the_programs_and_their_scripts(tmp_path: Path) -> None:
    script = tmp_path / "coder.sh"
    script.write_text("cp $1 $2")
    options = {"encode": ["sh", str(script), "{input}", "{bitstream}"]}
    before = codec(**options).fingerprint
    assert re.search(r":sh=[0-9a-f]{16}:.*/coder\.sh=[0-9a-f]{16}:cp=[0-9a-f]{16}$", before)
    assert codec(**options, time_limit_s=5, install="x").fingerprint == before
    assert codec(**options, delay_samples=1).fingerprint != before
    script.write_text("cat $1 > $2 # another")
    os.utime(script, (1, 1))
    assert codec(**options).fingerprint != before
    assert codec(version="echo version 7").fingerprint.count(":echo=version 7:cp=") == 1


def test_another_rate_is_filled_in() -> None:
    rated = card(encode="sh -c true {kbps} {bit_rate} {input} {bitstream}", bit_rate=6000,
                 bit_rate_range=[6000, 9600])  # fmt: skip
    made = at_bitrate(rated, 9600)
    assert made is not None
    assert (made.options["bit_rate"], made.nominal_bitrate_bps) == (9600, 9600)
    with pytest.raises(UsageError, match=r"no rate of 12 kbps; there is 6 to 9.6"):
        at_bitrate(rated, 12000)
    listed = plugins.codec_card("amr_wb_12.65kbps")
    with pytest.raises(UsageError, match=r"there is 6.6, 8.85, 12.65, 14.25"):
        at_bitrate(listed, 12000)
    assert at_bitrate(card(), 9600) is None


# The real thing, where it is installed.

needs_opus = pytest.mark.skipif(not shutil.which("opusenc"), reason="needs apt install opus-tools")


@needs_opus
@pytest.mark.parametrize("check", ["seed repeats", "bits counted"])
def test_opusenc_keeps_the_contract(check: str) -> None:
    request = CodecRequest(plugins.codec_card("opusenc_12kbps"))
    subject = Subject(CommandCodec(request), lambda _: CommandCodec(request))
    finding = examine(check, CHECKS[check], subject)
    assert finding.state == "ok", finding.detail


@needs_opus
def test_a_packet_at_which_opusdec_stops_is_lost() -> None:
    one = open_model("opusenc_24kbps")
    assert one.coder is not None
    assert one.decode_lossy is not None
    clip = Waveform(0.5 * np.repeat(tone(0.6), 3)[None, ::2].copy(), 24000)
    (codes,) = one.coder.encode([clip])
    packets = list(codes.packets)
    # Padding that is longer than the packet.
    packets[12] = bytes([packets[12][0] | 3, 0x41, 255]) + bytes(len(packets[12]) - 3)
    damaged = replace(codes, packets=tuple(packets))
    with pytest.raises(CodecError, match=r"answered 0\.60 s of audio with 0\.2"):
        one.coder.decode([damaged], [0])
    none = np.zeros(len(packets), np.bool_)
    (estimate,) = one.decode_lossy([damaged], [none], [0])
    (whole,) = one.coder.decode([codes], [0])
    same = slice(0, 24000 * 22 // 100)
    np.testing.assert_array_equal(estimate.samples[:, same], whole.samples[:, same])
    assert np.abs(estimate.samples[:, 24000 * 4 // 10 :]).max() > 0.05


@needs_opus
def test_opusenc_sends_what_the_library_does() -> None:
    clip = Waveform(0.5 * np.repeat(tone(0.3), 3)[None, ::2].copy(), 24000)
    ours, theirs = (open_model(f"{name}@kbps=32").coder for name in ("opus", "opusenc"))
    assert ours is not None
    assert theirs is not None
    (one,), (other,) = ours.encode([clip]), theirs.encode([clip])
    assert {len(packet) for packet in one.packets} == {len(packet) for packet in other.packets}
    assert not same_codes(one, other)
    assert one.num_bits == pytest.approx(other.num_bits, rel=0.07)
