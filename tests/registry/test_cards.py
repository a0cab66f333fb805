"""Cards say what is wrong with them; shipped ones are complete and exact."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from snac_eval.errors import CardError, UnknownNameError
from snac_eval.registry import cards, plugins
from snac_eval.registry.validation import NoOptions, read_options
from snac_eval.types import CodecRequest, DatasetRequest, MetricInfo

CODEC = 'name = "x"\nfamily = "pcm"\ndescription = "d"\nsample_rate = 16000\n'
DATASET = 'name = "x"\nloader = "folder"\ndescription = "d"\nlicence = "l"\ncitation = "c"\n'


def _file(folder: Path, text: str) -> Path:
    path = folder / "x.toml"
    path.write_text(text)
    return path


def _refusal(path: Path, read: Callable[[Path], object] = cards.read_codec_card) -> str:
    """What is said of the card, without its path."""
    with pytest.raises(CardError) as caught:
        read(path)
    where, _, words = str(caught.value).partition(": ")
    assert where == str(path)
    assert "\n" not in words
    return words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name = ", "is not valid TOML"),
        (CODEC.replace('family = "pcm"\n', ""), "'family' is missing"),
        (CODEC.replace("sample_rate", "sampel_rate"), "unknown key 'sampel_rate'; did you mean "),
        (CODEC.replace("16000", '"16 kHz"'), "'sample_rate' is '16 kHz'; it should be a whole"),
        (CODEC.replace("16000", "-1"), "'sample_rate' is -1; it should be greater than or equal"),
        (CODEC.replace("16000", "9" * 400), "'sample_rate' is 9999999999"),
        (CODEC.replace('"x"', '"y"'), "name is 'y', but the file is called 'x'"),
        (CODEC + "channels = true\n", "'channels' is True; it should be a whole number"),
        (CODEC + "description2 = 2020-01-01\n", "2020-01-01 is a date; put it in quotes"),
        (CODEC + "nominal_bitrate_bps = nan\n", "'nominal_bitrate_bps' is nan; it should be fin"),
        (CODEC + "codebook_sizes = [16, 1]\n", "'codebook_sizes[1]' is 1; it should be greater"),
        (CODEC + "codebook_sizes = [16]\n", "1 codebook_sizes but 0 frame_rates_hz"),
        (CODEC + 'sha256 = "abc"\n', "sha256 is 'abc'; give 64 hexadecimal digits"),
        (CODEC + "options = 3\n", "'options' is 3; it should be a table"),
    ],
)
def test_broken_codec_cards(tmp_path: Path, text: str, words: str) -> None:
    assert _refusal(_file(tmp_path, text)).startswith(words)


def test_a_familys_key_in_the_wrong_place_is_told_where_it_belongs(tmp_path: Path) -> None:
    refused = _refusal(_file(tmp_path, CODEC + 'encode = "x"\n'))
    assert refused.endswith("Keys that only its family has stand under [options]")


@pytest.mark.parametrize("name", ["a@b", "a:b", " a", "a "])
def test_a_name_that_no_flag_could_give_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.toml"
    path.write_text(CODEC.replace('"x"', f'"{name}"'))
    assert "leave out '@', ':', '/' and spaces" in _refusal(path)


def test_broken_dataset_cards(tmp_path: Path) -> None:
    for text, words in {
        DATASET
        + 'domain = "noise"\n': "'domain' is 'noise'; it should be 'speech', 'music' or 'gen",
        DATASET + "size = 3\n": "unknown key 'size'; known: name, loader, description",
        DATASET.replace('"x"', '"y"'): "name is 'y', but the file is called 'x'",
    }.items():
        assert _refusal(_file(tmp_path, text), cards.read_dataset_card).startswith(words)
    assert "cannot be read" in _refusal(tmp_path / "missing.toml", cards.read_dataset_card)


def test_defaults(tmp_path: Path) -> None:
    card = cards.read_codec_card(_file(tmp_path, CODEC))
    assert card.channels == 1
    assert math.isnan(card.nominal_bitrate_bps)


def test_codebooks_that_are_alike_are_given_once(tmp_path: Path) -> None:
    alike = "num_codebooks = 3\ncodebook_size = 16\nframe_rate_hz = 12.5\n"
    card = cards.read_codec_card(_file(tmp_path, CODEC + alike))
    assert card.codebook_sizes == (16, 16, 16)
    assert card.frame_rates_hz == (12.5, 12.5, 12.5)
    without = alike.replace("frame_rate_hz = 12.5", "")
    assert "frame_rate_hz together" in _refusal(_file(tmp_path, CODEC + without))
    both = alike + "codebook_sizes = [16]\nframe_rates_hz = [1]\n"
    assert "not both" in _refusal(_file(tmp_path, CODEC + both))


def test_own_cards_win(tmp_path: Path) -> None:
    folder = tmp_path / "codecs"
    folder.mkdir()
    (folder / "pcm_8bit.toml").write_text(CODEC.replace('"x"', '"pcm_8bit"'))
    assert plugins.codec_card("pcm_8bit", [tmp_path]).description == "d"
    assert plugins.codec_card("pcm_8bit").description != "d"


# The hub's pinned revision is all that is known of these weights.
UNVERIFIED = {"amphion/dualcodec", "descript/dac_16khz", "fnlp/AnyGPT-speech-modules"}
# Not even that: what the main branch holds is taken.
UNPINNED = {
    "charactr/vocos-encodec-24khz",
    "fnlp/SpeechTokenizer",
    "intexcp/bigcodec",
    "jiaqili3/flexicodec",
    "nineninesix/nemo-nano-codec-22khz-0.6kbps-12.5fps-pytorch",
    "zhai-lw/L3AC",
}


@pytest.mark.parametrize("name", plugins.codec_names())
def test_shipped_codec_cards_are_complete(name: str) -> None:
    card = plugins.codec_card(name)
    assert card.name == name
    assert card.description
    assert card.licence
    assert card.citation
    # FlexiCodec's rate depends on the clip.
    if card.codebook_sizes and card.family != "flexicodec":
        pairs = zip(card.codebook_sizes, card.frame_rates_hz, strict=True)
        bps = sum(math.log2(size) * rate for size, rate in pairs)
        assert bps == pytest.approx(card.nominal_bitrate_bps, rel=1e-12)
    # Of none of the family's hubs was a commit seen.
    unpinned = card.weights in UNPINNED or card.family == "transformers"
    if "/" in card.weights:
        assert len(card.revision) == (0 if unpinned else 40)
        assert len(card.sha256) == (0 if unpinned or card.weights in UNVERIFIED else 64)


PACKAGES = {"speechtokenizer", "l3ac", "vocos", "dualcodec", "flexicodec"}


def _options(group: str, name: str) -> type:
    (entry,) = entry_points(group=group, name=name)
    return getattr(importlib.import_module(entry.module), "Options", NoOptions)


def test_options_of_shipped_cards_are_those_of_their_adapters() -> None:
    with_options = set()
    for name in plugins.codec_names():
        codec = plugins.codec_card(name)
        options = read_options(codec, _options("snac_eval.codecs", codec.family))
        with_options |= set() if options == NoOptions() else {codec.family}
    for name in plugins.dataset_names():
        dataset = plugins.dataset_card(name)
        options = read_options(dataset, _options("snac_eval.datasets", dataset.loader))
        with_options |= set() if options == NoOptions() else {dataset.loader}
    own = {"pyav", "pcm", "lyra", "codec2", "command", "lc3", "snac", "corpus", "transformers"}
    assert with_options == own | PACKAGES


@pytest.mark.parametrize("name", ["files", "mimi_1.1kbps"])
def test_a_family_without_options_refuses_any(name: str) -> None:
    card = replace(plugins.codec_card(name), options={"bits": 8})
    if plugins.codec_state(card).startswith("needs extra"):
        pytest.skip("needs the extra")
    words = f"codec card '{name}', options: unknown key 'bits'; known: none"
    with pytest.raises(CardError, match=words):
        plugins.open_codec(CodecRequest(card, argument="."))


def test_a_loader_without_options_refuses_any(tmp_path: Path) -> None:
    card = replace(plugins.dataset_card("folder"), options={"suffix": "wav"})
    with pytest.raises(CardError, match="dataset card 'folder', options: unknown key 'suffix'"):
        plugins.open_dataset(DatasetRequest(card, str(tmp_path)))


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


def test_every_shipped_codec_has_a_name_for_papers_of_its_own() -> None:
    shipped = [cards.read_codec_card(file) for file in cards.card_files("codecs").values()]
    # What an argument names is another codec each time; the run's --label names that.
    named = [card for card in shipped if card.name not in ("files", "transformers")]
    labels = [card.label for card in named]
    assert all(labels)
    assert len(set(labels)) == len(labels)
    assert all(card.series for card in named)


def test_the_rates_of_one_codec_share_its_series_and_say_their_rate() -> None:
    shipped = [cards.read_codec_card(file) for file in cards.card_files("codecs").values()]
    series: dict[str, set[str]] = {}
    for card in shipped:
        base, _, rate = card.name.rpartition("_")
        if rate.endswith("kbps"):
            assert card.label == f"{card.series}, {rate.removesuffix('kbps')} kbps"
            series.setdefault(base, set()).add(card.series)
    assert len(series) >= 28
    assert all(len(names) == 1 for names in series.values())
    assert len(set.union(*series.values())) == len(series)
