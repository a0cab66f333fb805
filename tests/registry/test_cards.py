"""Cards say what is wrong with them; shipped ones are complete and exact."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from snac_eval.errors import CardError, UnknownNameError
from snac_eval.registry import cards, plugins
from snac_eval.types import MetricInfo

CODEC = 'name = "x"\nfamily = "pcm"\ndescription = "d"\nsample_rate = 16000\n'
DATASET = 'name = "x"\nloader = "folder"\ndescription = "d"\nlicence = "l"\ncitation = "c"\n'


def _file(folder: Path, text: str) -> Path:
    path = folder / "x.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = ", "cannot read this card"),
        (CODEC.replace('family = "pcm"\n', ""), "'family' is missing"),
        (CODEC.replace("16000", '"16 kHz"'), "'sample_rate' is '16 kHz'"),
        (CODEC + "bitrate = 3\n", "unknown key 'bitrate'"),
        (CODEC + "codebook_sizes = [16]\n", "1 codebook_sizes but 0 frame_rates_hz"),
    ],
)
def test_broken_codec_cards(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(CardError, match=words) as caught:
        cards.read_codec_card(_file(tmp_path, text))
    assert str(tmp_path) in str(caught.value)


def test_broken_dataset_cards(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="domain is 'noise'"):
        cards.read_dataset_card(_file(tmp_path, DATASET + 'domain = "noise"\n'))
    with pytest.raises(CardError, match="unknown key"):
        cards.read_dataset_card(_file(tmp_path, DATASET + "size = 3\n"))
    with pytest.raises(CardError, match="cannot read"):
        cards.read_dataset_card(tmp_path / "missing.toml")


def test_defaults(tmp_path: Path) -> None:
    card = cards.read_codec_card(_file(tmp_path, CODEC))
    assert card.channels == 1
    assert math.isnan(card.nominal_bitrate_bps)


def test_codebooks_that_are_alike_are_given_once(tmp_path: Path) -> None:
    alike = "num_codebooks = 3\ncodebook_size = 16\nframe_rate_hz = 12.5\n"
    card = cards.read_codec_card(_file(tmp_path, CODEC + alike))
    assert card.codebook_sizes == (16, 16, 16)
    assert card.frame_rates_hz == (12.5, 12.5, 12.5)
    with pytest.raises(CardError, match="'frame_rate_hz' is missing"):
        cards.read_codec_card(_file(tmp_path, CODEC + alike.replace("frame_rate_hz = 12.5", "")))
    with pytest.raises(CardError, match="unknown key 'codebook_size'"):
        cards.read_codec_card(_file(tmp_path, CODEC + "codebook_size = 16\n"))


def test_own_cards_win(tmp_path: Path) -> None:
    folder = tmp_path / "codecs"
    folder.mkdir()
    (folder / "pcm_8bit.toml").write_text(CODEC.replace('"x"', '"pcm_8bit"'))
    assert plugins.codec_card("pcm_8bit", [tmp_path]).description == "d"
    assert plugins.codec_card("pcm_8bit").description != "d"


# The hub's pinned revision is all that is known of these weights.
UNVERIFIED = {"descript/dac_16khz"}


@pytest.mark.parametrize("name", plugins.codec_names())
def test_shipped_codec_cards_are_complete(name: str) -> None:
    card = plugins.codec_card(name)
    assert card.name == name
    assert card.description
    assert card.licence
    assert card.citation
    if card.codebook_sizes:
        pairs = zip(card.codebook_sizes, card.frame_rates_hz, strict=True)
        bps = sum(math.log2(size) * rate for size, rate in pairs)
        assert bps == pytest.approx(card.nominal_bitrate_bps, rel=1e-12)
    if "/" in card.weights:
        assert len(card.revision) == 40
        assert len(card.sha256) == (0 if card.weights in UNVERIFIED else 64)


@pytest.mark.parametrize("name", plugins.dataset_names())
def test_shipped_dataset_cards_are_complete(name: str) -> None:
    card = plugins.dataset_card(name)
    assert card.name == name
    assert card.licence
    assert card.citation


@pytest.mark.parametrize("name", plugins.metric_names())
def test_metrics_declare_themselves(name: str) -> None:
    info = plugins.metric(name).info
    assert isinstance(info, MetricInfo)
    assert info.name == name
    assert info.description
    assert info.domains
    assert info.value_range[0] < info.value_range[1]
    assert name in str(info.fingerprint)


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'opus_12kbps'"):
        plugins.codec_card("opus_12kpbs")
    with pytest.raises(UnknownNameError, match="did you mean 'stoi'"):
        plugins.metric("stoj")
