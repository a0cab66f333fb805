"""``show`` tells all of one name, whatever kind it is of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from snac_eval.catalogue.facts import CodecFacts
from snac_eval.catalogue.output import as_json
from snac_eval.catalogue.showing import find, show_bibtex, show_text
from snac_eval.cli.main import main
from snac_eval.errors import UnknownNameError, UsageError


def _shown(name: str) -> str:
    return "\n".join(show_text(one, 80) for one in find(name))


def test_a_codec(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    text = " ".join(_shown("snac_24khz").split())
    for fact in (
        "984.375 bit/s",
        "24000 Hz",
        "1: codebook of 4096, 11.7188 tokens/s, 140.625 bit/s",
        "hubertsiuzdak/snac_24khz",
        "d73ad176a12188fcf4f360ba3bf2c2fbbe8f58ec",
        "4b8164cc6606bfa627f1a784734c1e539891518f1191ed9194fe1e3b9b4bff40",
        "licence MIT",
        "arXiv 2410.14411",
        "eprint = {2410.14411}",
        'Gr{\\"o}tschla',
        "state needs weights (hub)",
        "to get it hf download hubertsiuzdak/snac_24khz --revision d73ad",
        "HF_HOME=DIR",
        "--weights DIR",
        "codecs/snac_24khz.toml",
    ):
        assert fact in text, fact


def test_alike_streams_share_a_line() -> None:
    text = _shown("dac_44khz_7.8kbps")
    assert "1 to 9: codebook of 1024, 86.1328 tokens/s, 861.328 bit/s, each" in text
    mini = _shown("snac_16khz_mini")
    assert "3 to 5: codebook of 1024, 50 tokens/s" in mini


def test_a_name_with_options() -> None:
    (one,) = find("snac_24khz@k=2")
    assert isinstance(one, CodecFacts)
    assert one.name == "snac_24khz@k=2"
    assert len(one.streams) == 2
    assert one.bitrate_bps == 421.875
    (metric,) = find("token_agreement@n=5")
    assert metric.name == "token_agreement@n=5"
    (dataset,) = find("librispeech:dev-clean")
    assert dataset.name == "librispeech"


def test_a_metric_and_a_dataset() -> None:
    text = " ".join(_shown("pesq_wb").split())
    for fact in (
        "unit MOS",
        "better higher",
        "range 1 to 4.65",
        "defined for speech",
        "default for speech",
        "sample rate 16000 Hz",
        "depends on domain",
        "mode=wb",
        "snac_eval.metrics.pesq:PesqWb",
        "papers ITU-T P.862",
        "beware It follows P.862 without Corrigendum 2",
    ):
        assert fact in text, fact
    assert "licence" not in text
    for metric, licence in (("nisqa", "weights CC BY-NC-SA 4.0"), ("audiobox_pc", "CC BY 4.0")):
        assert licence in _shown(metric)
    text = " ".join(_shown("librispeech").split())
    assert "splits test-clean, test-other, dev-clean" in text
    assert "Khudanpur, Sanjeev" in text
    assert "range 0 to inf" in " ".join(_shown("stft_distance").split())


@pytest.mark.parametrize("name", ["snac_24kh", "pesq_wbb", "librispech", "snac_24kh@k=2"])
def test_an_unknown_name_is_told_what_was_meant(name: str) -> None:
    with pytest.raises(UnknownNameError, match="did you mean '"):
        find(name)


def test_options_that_there_are_not(capsys: pytest.CaptureFixture[str]) -> None:
    for name, words in {
        "snac_24khz@k=9": "has 3 streams, give 1 to 3",
        "snac_24khz@x=1": "no option 'x'",
        "token_agreement@x=1": "has no option 'x'",
    }.items():
        assert main(["show", name]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line


def test_bibtex_of_several_has_each_entry_once() -> None:
    found = [*find("dac_44khz_2.6kbps"), *find("dac_24khz_6kbps"), *find("vctk")]
    text = show_bibtex(found)
    assert text.count("@misc{kumar2023dac,") == 1
    assert text.count("\n\n@misc{yamagishi2019vctk,") == 1
    for name, words in {
        "folder": "folder: nothing to cite: your own files",
        "stoi": "stoi: metrics carry no citation",
    }.items():
        with pytest.raises(UsageError, match=words):
            show_bibtex(find(name))


def test_json_is_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "pesq_wb", "demo", "--format", "json"]) == 0
    metric, dataset = json.loads(capsys.readouterr().out)
    assert (metric["kind"], dataset["kind"]) == ("metric", "dataset")
    assert metric["value_range"] == [1.0, 4.65]
    assert json.loads(as_json(find("stft_distance")))[0]["value_range"] == [0.0, None]


def test_a_hostile_card_does_nothing_to_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "codecs").mkdir()
    text = (
        'name = "mine"\nfamily = "pcm"\ndescription = "\\u001b[2J\\u202e"\nsample_rate = 16000\n'
        'citation = "a\\u001b]0;x\\u0007 } @misc{y,"\n[options]\nbits = 8\n'
    )
    (tmp_path / "codecs" / "mine.toml").write_text(text)
    for form in ("txt", "bibtex"):
        assert main(["show", "mine", "--cards", str(tmp_path), "--format", form]) == 0
        printed = capsys.readouterr().out
        assert not set(printed) & {"\x1b", "\x07", "\u202e"}
    assert r"\}" in printed
