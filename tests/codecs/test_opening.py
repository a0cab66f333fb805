"""What --model names: streams dropped, later generations, and codecs from the environment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from snac_eval.api import load_codec
from snac_eval.cli.main import main
from snac_eval.codecs.abilities import OpenCodec
from snac_eval.codecs.channels import per_channel
from snac_eval.codecs.generations import after_itself
from snac_eval.codecs.opening import ModelName, model_card, open_model, opened
from snac_eval.codecs.snac.model import SNAC
from snac_eval.errors import UnknownNameError, UsageError
from snac_eval.registry import plugins
from snac_eval.types import CodecCard, Codes, Waveform
from tests.cli.helpers import scores
from tests.codecs.snac.test_adapter import cards as cards
from tests.conftest import tone

OWN_CODEC = '''
import numpy as np
from snac_eval.types import CodecCard, Codes, Waveform

class Steps:
    """A sample in sixteen steps, and one step lost each time."""
    card = CodecCard("steps", "own", "d", 16000, 1, 64000.0, (16,), (16000.0,))
    fingerprint = "steps/1"
    device = "cpu"
    def prepare(self): pass
    def padded_length(self, num_samples): return None
    def encode(self, waveforms):
        levels = [np.clip(np.round(w.samples[0] * 8 + 7), 0, 15) for w in waveforms]
        return [Codes(one.size, (one.astype(np.int32),), (16,)) for one in levels]
    def decode(self, codes, seeds):
        rows = [(one.streams[0][None] - 8) / 8 for one in codes]
        return [Waveform(row.astype(np.float32), 16000) for row in rows]

def make():
    return Steps()

def broken():
    raise RuntimeError("no\\nluck")

class Empty:
    card = 3

class NoCard(Steps):
    card = 3

class HalfSource:
    card, device, fingerprint = Steps.card, "cpu", "half/1"
    def prepare(self): pass
    def read(self, clip): raise NotImplementedError

'''


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module in the current folder, as a user would have it."""
    package = tmp_path / "own_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "steps.py").write_text(OWN_CODEC)
    (package / "fails.py").write_text("import does_not_exist_anywhere\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield "own_package.steps"
    for name in [name for name in sys.modules if name.startswith("own_package")]:
        del sys.modules[name]


def test_names_are_taken_apart() -> None:
    known = {"snac_24khz", "files", "mimi_1.1kbps"}
    for text, parts in (
        ("snac_24khz", ModelName("snac_24khz")),
        ("files:a@k=2/c:d", ModelName("files", "a@k=2/c:d")),
        ("mimi_1.1kbps@k=2@generation=3", ModelName("mimi_1.1kbps", "", 2, 3)),
        ("pack.mod:Codec@generation=2", ModelName("pack.mod", "Codec", 0, 2)),
    ):
        assert ModelName.parse(text, known) == parts


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("snac_24khz@k=0", "k=0 must be at least 1"),
        ("snac_24khz@k=4", "has 3 streams, give 1 to 3"),
        ("snac_24khz@k=two", "'@k=two' in 'snac_24khz@k=two'"),
        ("snac_24khz@k", "such as @k=2"),
        ("snac_24khz@x=2", "no option 'x'; there are k, generation, kbps, noise_db, packet_loss"),
        ("snac_24khz@generation=0", "generation=0 must be at least 1"),
        ("opus_6kbps@k=1", "opus_6kbps emits no streams of tokens"),
        ("snac_24kz@k=2", "did you mean 'snac_24khz'"),
    ],
)
def test_bad_options_are_one_clear_line(
    model: str, reason: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run = ["run", "--model", model, "--dataset", "demo", "--output", str(tmp_path / "run")]
    assert main(run) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert reason in error


def test_a_card_keeps_its_first_streams() -> None:
    card = model_card("snac_24khz@k=2")
    whole = model_card("snac_24khz")
    assert card.name == "snac_24khz@k=2"
    assert card.codebook_sizes == whole.codebook_sizes[:2]
    assert card.frame_rates_hz == (11.71875, 23.4375)
    assert card.nominal_bitrate_bps == pytest.approx(12 * (11.71875 + 23.4375))
    assert model_card("encodec_24khz_24kbps@k=4").nominal_bitrate_bps == 3000


def test_snac_without_its_last_stream(cards: Path) -> None:
    whole = load_codec("tiny_snac", card_dirs=[cards])
    first = load_codec("tiny_snac@k=1", card_dirs=[cards])
    assert whole.fingerprint != first.fingerprint
    waveform = Waveform(tone(0.1, 24000)[None], 24000)
    ((all_codes,), (codes,)) = whole.encode([waveform]), first.encode([waveform])
    assert codes.codebook_sizes == all_codes.codebook_sizes[:1]
    np.testing.assert_array_equal(codes.streams[0], all_codes.streams[0])
    assert codes.num_bits == 4 * all_codes.streams[0].size
    (estimate,) = first.decode([codes], [3])
    (fuller,) = whole.decode([all_codes], [3])
    assert estimate.samples.shape == fuller.samples.shape == waveform.samples.shape
    assert not np.array_equal(estimate.samples, fuller.samples)


def test_a_dropped_stream_of_snac_contributes_nothing(tmp_path: Path) -> None:
    from tests.codecs.snac.test_checkpoint import TINY, save_model

    save_model(tmp_path)
    model = SNAC.from_pretrained(tmp_path)
    codes = model.encode(torch.from_numpy(tone(0.05, 24000)[None, None]))
    latents = model.quantizer.decode(codes[:1])
    stage = model.quantizer.quantizers[0]
    torch.testing.assert_close(latents, stage.expand(stage.entries(codes[0])))
    assert latents.shape[-1] == codes[0].shape[-1] * TINY.vq_strides[0]
    with pytest.raises(ValueError, match="zip"):
        model.quantizer.decode([*codes, codes[0]])


def test_encodec_drops_codebooks_that_no_setting_names(tiny_models: dict[str, Path]) -> None:
    weights = str(tiny_models["encodec_24khz"])
    three = load_codec("encodec_24khz_6kbps@k=3", weights=weights, device="cpu")
    four = load_codec("encodec_24khz_3kbps", weights=weights, device="cpu")
    waveform = Waveform(tone(0.5, 24000)[None], 24000)
    ((codes,), (more,)) = three.encode([waveform]), four.encode([waveform])
    assert len(codes.streams) == 3
    assert codes.num_bits == 3 * 38 * 10
    for mine, theirs in zip(codes.streams, more.streams, strict=False):
        np.testing.assert_array_equal(mine, theirs)
    assert three.decode([codes], [0])[0].num_samples == waveform.num_samples


def test_a_family_that_cannot_drop_streams_says_so(cards: Path) -> None:
    card = (cards / "codecs" / "tiny_snac.toml").read_text().replace('"snac"', '"pcm"')
    odd = card.replace('"tiny_snac"', '"odd"') + "options = { bits = 8 }\n"
    (cards / "codecs" / "odd.toml").write_text(odd)
    with pytest.raises(UsageError, match="'pcm' cannot drop streams"):
        open_model("odd@k=1", [cards])


def test_a_later_generation_is_the_codec_after_itself(cards: Path) -> None:
    codec = load_codec("tiny_snac", card_dirs=[cards])
    third = load_codec("tiny_snac@generation=3", card_dirs=[cards])
    assert third.fingerprint == f"{codec.fingerprint};generation=3"
    assert third.card.name == "tiny_snac@generation=3"
    waveforms = [Waveform(tone(0.1, 24000, seed)[None], 24000) for seed in (1, 2)]
    together = third.encode(waveforms)
    for waveform, codes in zip(waveforms, together, strict=True):
        (alone,) = third.encode([waveform])
        (once,) = codec.encode([waveform])
        for mine, theirs, first in zip(codes.streams, alone.streams, once.streams, strict=True):
            np.testing.assert_array_equal(mine, theirs)
            assert mine.shape == first.shape


@pytest.mark.parametrize("attribute", ["Steps", "make"])
def test_a_codec_of_the_current_folder_runs(
    own: str, attribute: str, audio_dir: Path, tmp_path: Path
) -> None:
    run = ["run", "--model", f"{own}:{attribute}", "--dataset", f"folder:{audio_dir}"]
    run += ["--metrics", "bitrate,token_agreement@n=1,token_agreement,si_sdr"]
    assert main([*run, "--output", str(tmp_path / "run"), "--workers", "0", "--quiet"]) == 0
    frame = scores(tmp_path / "run")
    assert set(frame["status"]) == {"ok"}
    assert set(frame["codec"]) == {f"{own}:{attribute}"}
    assert frame.loc[frame["metric"] == "bitrate", "value"].round(9).eq(64).all()
    # One step lost each time: only what was at the lowest step stays.
    assert frame.loc[frame["metric"].str.startswith("token_agreement"), "value"].lt(5).all()


def test_generations_of_ones_own_codec(own: str) -> None:
    codec = open_model(f"{own}:Steps@generation=4").coder
    assert codec is not None
    (codes,) = codec.encode([Waveform(np.zeros((1, 5), np.float32), 16000)])
    np.testing.assert_array_equal(codes.streams[0], np.full(5, 7 - 3))


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("own_package.steps:Nothing", "has no attribute 'Nothing'"),
        ("own_package.nowhere:Codec", "nor is there such a module here"),
        ("filez:somewhere", "did you mean 'files'"),
        ("own_package.fails:Codec", "No module named 'does_not_exist_anywhere'"),
        ("own_package.steps:broken", "calling it failed: RuntimeError: no luck"),
        ("own_package.steps:Empty", "it has no 'fingerprint'"),
        ("own_package.steps:NoCard", "its 'card' is no snac_eval.types.CodecCard"),
        ("own_package.steps:HalfSource", "it has no 'identity'"),
        ("own_package.steps:Steps@k=1", "@k is for codecs that have a card"),
        ("own_package", "unknown codec 'own_package'"),
    ],
)
def test_what_is_no_codec_is_one_clear_line(
    own: str, model: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--model", model, "--dataset", "demo"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert reason in error


def test_weights_are_for_cards(own: str) -> None:
    with pytest.raises(UsageError, match="--weights is for codecs that have a card"):
        open_model(f"{own}:Steps", weights="somewhere")


def test_files_have_no_generations(audio_dir: Path) -> None:
    with pytest.raises(UsageError, match="cannot be encoded again"):
        open_model(f"files@generation=2:{audio_dir}")
    with pytest.raises(UnknownNameError):
        open_model("nothing_like_it")


class Able:
    """A codec with every ability. Its fingerprint must not be asked for when it is opened."""

    can_drop_streams = True
    weights_sha256 = "abc"

    def __init__(self, card: CodecCard) -> None:
        self.card = card
        self.device = "cpu"
        self.layer = torch.nn.Linear(2, 3)
        self.passes: list[Waveform] = []

    @property
    def fingerprint(self) -> str:
        raise AssertionError("the weights would be hashed")

    @property
    def notes(self) -> tuple[str, ...]:
        return ("its own note",)

    @property
    def torch_modules(self) -> tuple[torch.nn.Module, ...]:
        return (self.layer, self.layer)

    def whole_pass(self, waveform: Waveform) -> None:
        self.passes.append(waveform)

    def prepare(self) -> None:
        """Nothing to load."""

    def padded_length(self, num_samples: int) -> int:
        return num_samples

    def encode(self, waveforms: Sequence[Waveform]) -> list[Codes]:
        raise NotImplementedError

    def decode(self, codes: Sequence[Codes], seeds: Sequence[int]) -> list[Waveform]:
        raise NotImplementedError


def _able() -> tuple[Able, OpenCodec]:
    able = Able(model_card("snac_16khz_mini"))
    return able, opened(able, "a test")


def _generations(codec: OpenCodec) -> OpenCodec:
    return after_itself(codec, 2)


WRAPPERS = pytest.mark.parametrize("wrap", [lambda codec: codec, _generations, per_channel])


@WRAPPERS
def test_a_wrapped_codec_keeps_every_ability(wrap: Callable[[OpenCodec], OpenCodec]) -> None:
    codec = wrap(_able()[1])
    assert codec.source is None
    assert codec.drops_streams
    assert codec.num_parameters == 2 * 3 + 3
    assert codec.weights_sha256() == "abc"
    assert codec.notes()[-1] == "its own note"


def test_a_wrapped_codec_says_what_else_is_to_be_known() -> None:
    _, codec = _able()
    assert codec.notes() == ("its own note",)
    assert "2 generations" in _generations(codec).notes()[0]
    assert "each channel was coded on its own" in per_channel(codec).notes()[0]


def test_operations_are_counted_as_often_as_they_are_done() -> None:
    stereo = Waveform(np.stack([tone(0.1), 0 * tone(0.1)]), 16000)
    for wrap, times in ((_generations, 2), (per_channel, 2)):
        able, codec = _able()
        whole_pass = wrap(codec).whole_pass
        assert whole_pass is not None
        whole_pass(stereo)
        assert len(able.passes) == times
    left, right = (one.samples for one in able.passes)
    np.testing.assert_array_equal(np.concatenate([left, right]), stereo.samples)


@pytest.mark.parametrize("model", ["tiny_snac", "tiny_snac@k=1", "tiny_snac@generation=2"])
def test_options_keep_the_abilities_of_snac(model: str, cards: Path) -> None:
    codec = open_model(model, [cards])
    codec.prepare()
    plain = open_model("tiny_snac", [cards])
    plain.prepare()
    assert codec.num_parameters == plain.num_parameters
    assert codec.num_parameters is not None
    assert codec.drops_streams
    assert codec.whole_pass is not None


@WRAPPERS
def test_a_codec_without_abilities_has_none(wrap: Callable[[OpenCodec], OpenCodec]) -> None:
    codec = wrap(open_model("pcm_8bit"))
    assert not codec.drops_streams
    assert codec.whole_pass is None
    assert codec.num_parameters is None
    assert codec.weights_sha256() == ""


def test_modules_of_ones_own_codec_are_found_among_its_attributes() -> None:
    codec = open_model("pcm_8bit").coder
    assert codec is not None
    codec.layer = torch.nn.Linear(2, 3)  # type: ignore[attr-defined]
    assert opened(codec, "a test").num_parameters == 9


def test_opening_a_codec_that_needs_no_torch_imports_none() -> None:
    script = (
        "import sys\n"
        "from snac_eval.codecs.opening import open_model\n"
        "open_model('opus_6kbps@generation=2').prepare()\n"
        "print('torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_a_family_that_gives_no_codec_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "open_codec", lambda _: object())
    with pytest.raises(UsageError, match="codec family 'pcm': gives no codec: it has no 'card'"):
        open_model("pcm_8bit")
