"""What is listed as ready is; what is not says what it lacks, and a run refuses it in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from snac_eval.catalogue.listing import KINDS, Wanted, listed
from snac_eval.codecs.opening import open_model
from snac_eval.errors import UsageError
from snac_eval.metrics.opening import require_metric
from snac_eval.registry import extras, plugins

_PLACE = r"(local|a) (file|folder|model) \(.+\)"
_STATE = re.compile(
    rf"ready|needs ((extra|environment) \w+|weights \(\w+\)|download|program [\w.-]+|{_PLACE})"
)


@pytest.fixture
def no_extras(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if no optional package were installed."""

    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(extras, "version", absent)
    extras._missing.cache_clear()
    yield
    extras._missing.cache_clear()


@pytest.fixture
def empty_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Neither corpora nor weights are here; the folder of the hub's cache."""
    monkeypatch.setenv("SNAC_EVAL_CACHE", str(tmp_path / "corpora"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_every_row_has_a_state(empty_caches: Path) -> None:
    for one in (one for kind in KINDS for one in listed(kind, Wanted())):
        assert _STATE.fullmatch(one.state), one.name
        assert one.ready == (one.state == "ready")


def test_codecs_lack_weights_extras_or_a_folder(empty_caches: Path) -> None:
    states = {name: plugins.codec_state(plugins.codec_card(name)) for name in _CODECS}
    assert states == _CODECS


_CODECS = {
    "snac_16khz_mini": "ready",
    "snac_24khz": "needs weights (hub)",
    "opus_6kbps": "ready",
    "files": "needs local folder (files:DIR)",
}


def test_cached_weights_are_ready(empty_caches: Path) -> None:
    card = plugins.codec_card("snac_24khz")
    repository = empty_caches / f"models--{card.weights.replace('/', '--')}"
    weights = repository / "snapshots" / card.revision / "pytorch_model.bin"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    assert plugins.codec_state(card) == "ready"


def test_datasets_lack_a_download_or_a_folder(empty_caches: Path) -> None:
    states = {name: plugins.dataset_state(plugins.dataset_card(name)) for name in _DATASETS}
    assert states == _DATASETS


_DATASETS = {
    "demo": "ready",
    "folder": "needs a folder (folder:PATH)",
    "manifest": "needs a file (manifest:FILE)",
    "librispeech": "needs download",
    "audioset_eval": "needs local folder (--data-root)",
}


def test_a_corpus_in_the_cache_is_ready(empty_caches: Path) -> None:
    (empty_caches.parent / "corpora" / "LibriSpeech" / "test-clean").mkdir(parents=True)
    assert plugins.dataset_state(plugins.dataset_card("librispeech")) == "ready"


def test_a_codec_without_its_extra_says_which(no_extras: None) -> None:
    card = plugins.codec_card("mimi_1.1kbps")
    assert plugins.codec_state(card) == "needs extra transformers"
    assert plugins.codec_state(plugins.codec_card("lyra_v2_6kbps")) == "needs extra lyra"


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("mimi_1.1kbps", "transformers"),
        ("lyra_v2_6kbps", "lyra"),
        ("codec2_1300", "codec2"),
        ("lc3_16kbps", "lc3"),
    ],
)
def test_a_codec_is_not_opened_without_its_extra(no_extras: None, name: str, extra: str) -> None:
    with pytest.raises(UsageError, match=rf"codec '{name}' needs .+'snac-eval\[{extra}\]'"):
        open_model(name)


def test_too_old_a_package_is_a_missing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    extras._missing.cache_clear()
    monkeypatch.setattr(extras, "version", lambda name: "0.0.1")
    assert extras._missing("snac-eval", "transformers") == ("transformers",)
    extras._missing.cache_clear()


def test_metrics_without_extras_are_ready_and_load(no_extras: None) -> None:
    for name in ("pesq_wb", "codebook_usage", "token_agreement@n=5"):
        assert require_metric(name).info.name.startswith(name.partition("@")[0])
    assert plugins.metric_state("pesq_wb") == "ready"


def test_what_is_lacking_is_told_with_ways_to_get_it(empty_caches: Path) -> None:
    """Where a state does not say all there is to say."""
    for name in plugins.codec_names():
        card = plugins.codec_card(name)
        remedy = plugins.codec_remedy(card)
        if plugins.codec_state(card).startswith("needs weights"):
            assert any("--weights DIR" in way for way in remedy), name
            assert any(way.startswith(("hf download", "curl")) for way in remedy), name
    assert plugins.codec_remedy(plugins.codec_card("snac_24khz"))[0] == (
        "hf download hubertsiuzdak/snac_24khz --revision d73ad176a12188fcf4f360ba3bf2c2fbbe8f58ec"
    )
    for name in plugins.dataset_names():
        dataset = plugins.dataset_card(name)
        wants = plugins.dataset_state(dataset) in ("needs download", _BY_HAND)
        assert bool(plugins.dataset_remedy(dataset)) == wants, name
    ways = " ".join(plugins.metric_remedy("word_error_rate"))
    assert "hf download" in ways
    assert "=DIR, a folder of its files" in ways


_BY_HAND = "needs local folder (--data-root)"


def test_a_missing_extra_is_told_as_a_command(no_extras: None) -> None:
    for name, extra in {"mimi_1.1kbps": "transformers", "lyra_v2_6kbps": "lyra"}.items():
        card = plugins.codec_card(name)
        assert plugins.codec_remedy(card) == (f"pip install 'snac-eval[{extra}]'",)
    assert plugins.metric_remedy("cdpam") == ("pip install 'snac-eval[cdpam]'",)
    # What these require would break transformers beside some builds of torch.
    alone = ("pip install --no-deps distillmos xls-r-sqa",)
    assert plugins.metric_remedy("distillmos") == alone
