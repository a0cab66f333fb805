"""Lists fit a terminal, lose no name, rate or state, sort by rate, and filter."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from snac_eval.catalogue.facts import CodecFacts, Facts, MetricFacts, metric_facts
from snac_eval.catalogue.listing import KINDS, Wanted, in_order, list_text, listed
from snac_eval.catalogue.output import as_json
from snac_eval.cli.main import main
from snac_eval.metrics.base import DEFAULT_METRICS
from snac_eval.registry import plugins
from snac_eval.reports.widths import text_width


@pytest.fixture(scope="module")
def everything() -> dict[str, list[Facts]]:
    return {kind: listed(kind, Wanted()) for kind in KINDS}


@pytest.mark.parametrize("width", [80, 60, 200])
def test_a_list_fits_and_loses_nothing_that_matters(
    everything: dict[str, list[Facts]], width: int
) -> None:
    for kind, found in everything.items():
        text = list_text(kind, found, width)
        assert max(map(len, text.splitlines())) <= max(width, 74)  # names are long
        head, _, *lines = text.splitlines()
        start = head.index("state")
        for one in found:
            first = next(i for i, line in enumerate(lines) if line.split()[:1] == [one.name])
            row = lines[first]
            states = [row[start : start + 20].strip()]
            for more in lines[first + 1 :]:
                if more[:start].strip() or not more:
                    break
                states.append(more.strip())
            assert " ".join(states) == one.state
            if isinstance(one, CodecFacts) and one.bitrate_bps is not None:
                assert float(row.split()[1]) == pytest.approx(one.bitrate_bps / 1000, rel=1e-3)


def test_a_long_state_is_wrapped_not_cut() -> None:
    state = "cannot be loaded: " + "a rather long sentence about a shared library " * 3
    one = MetricFacts("m", state.strip(), False, (), "module:object")
    text = list_text("metrics", [one], 80)
    assert max(map(len, text.splitlines()[:-1])) <= 80
    assert " ".join(text.partition("\n\n")[0].split()).count("shared library") == 3


def test_wide_characters_take_their_room() -> None:
    one = MetricFacts("音質", "ready", True, (), "a:b", description="語" * 60)
    _, _, row, *_ = list_text("metrics", [one], 60).splitlines()
    assert text_width(row) <= 60
    assert row.startswith("音質    ---  ready  語語")
    assert row.endswith("…")


def test_names_from_elsewhere_do_nothing_to_the_terminal() -> None:
    text = list_text("metrics", [MetricFacts("m\x1b[31m\n", "ready", True, (), "a:b")], 80)
    assert "\x1b" not in text
    assert "\\x1b[31m\\n" in text


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("opus_6kbps", "opus_12kbps"),
        ("codec2_700c", "codec2_1200"),
        ("dac_16khz_1.5kbps", "dac_16khz_3kbps"),
        ("amr_nb_4.75kbps", "amr_nb_10.2kbps"),
        ("pcm_8bit", "pcm_16bit"),
        ("a", "a1"),
        ("1a", "a"),
    ],
)
def test_rates_sort_as_numbers(lower: str, higher: str) -> None:
    assert sorted([higher, lower], key=in_order) == [lower, higher]


def test_lists_are_in_order_of_rate(everything: dict[str, list[Facts]]) -> None:
    rates: dict[str, list[float]] = {}
    for one in everything["codecs"]:
        assert isinstance(one, CodecFacts)
        stem = re.sub(r"_[\d.]+(kbps|c)?$", "", one.name)
        rates.setdefault(stem, []).append(one.bitrate_bps or 0.0)
    assert all(found == sorted(found) for found in rates.values())
    assert len(rates["opus"]) == 3


def test_filters(everything: dict[str, list[Facts]]) -> None:
    def names(kind: str, wanted: Wanted) -> set[str]:
        return {one.name for one in everything[kind] if wanted(one)}

    assert names("codecs", Wanted(search="DAC")) == {
        name for name in plugins.codec_names() if name.startswith("dac_")
    }
    # A name of the citation, a family and a part of a description find as well.
    assert "snac_24khz" in names("codecs", Wanted(search="lanzendörfer"))
    assert {"opus_6kbps", "mp3_16kbps"} <= names("codecs", Wanted(search="pyav"))
    assert names("datasets", Wanted(search="panayotov")) == {"librispeech"}
    speech = names("codecs", Wanted(domain="speech"))
    assert {"snac_24khz", "opus_6kbps", "mimi_1.1kbps"} <= speech
    assert not speech & {"snac_44khz", "encodec_48khz_6kbps"}
    assert "librispeech" not in names("datasets", Wanted(domain="music"))
    assert "pesq_wb" not in names("metrics", Wanted(domain="music"))
    ready = names("codecs", Wanted(ready=True))
    assert "snac_16khz_mini" in ready
    assert "files" not in ready
    assert names("codecs", Wanted(True, "speech", "snac_16")) == {"snac_16khz_mini"}


def test_default_metrics_are_marked_with_their_domains(
    everything: dict[str, list[Facts]],
) -> None:
    marks = {"pesq_wb": "s--", "visqol_audio": "-mg", "si_sdr": "smg", "pesq_nb": "---"}
    lines = list_text("metrics", everything["metrics"], 80).splitlines()
    for name, mark in marks.items():
        (line,) = (line for line in lines if line.split()[:1] == [name])
        assert f" {mark} " in line
    for one in everything["metrics"]:
        assert isinstance(one, MetricFacts)
        for domain, names in DEFAULT_METRICS.items():
            assert (domain in one.default_for) == (one.name in names)


def test_json_has_every_fact(everything: dict[str, list[Facts]]) -> None:
    content = json.loads(as_json(everything))
    assert list(content) == list(KINDS)
    snac = next(one for one in content["codecs"] if one["name"] == "snac_24khz")
    assert snac["kind"] == "codec"
    assert snac["bitrate_bps"] == 984.375
    assert snac["streams"][0] == {
        "codebook_size": 4096,
        "tokens_per_second": 11.71875,
        "bitrate_bps": 140.625,
    }
    pcm = next(one for one in content["codecs"] if one["name"] == "pcm_8bit")
    assert (pcm["bitrate_bps"], pcm["sample_rate"]) == (None, None)
    assert set(snac) == _CODEC_KEYS
    delay = next(one for one in content["metrics"] if one["name"] == "si_sdr")
    assert delay["default_for"] == ["speech", "music", "general"]


# Other people's scripts read these.
_CODEC_KEYS = {
    *("name", "family", "label", "series", "description", "domains", "sample_rate", "channels"),
    *("decoded_rate", "delay_samples"),
    *("bitrate_bps", "tokens_per_second", "streams", "weights", "revision", "sha256", "licence"),
    *("citation", "bibtex", "options", "state", "ready", "remedy", "file", "kind"),
    "delay_samples",
}


def test_a_metric_that_cannot_be_loaded_is_listed_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from importlib.metadata import EntryPoint

    broken = EntryPoint("broken", "no_such_module_at_all:Metric", "snac_eval.metrics")
    group = {**plugins._group("snac_eval.metrics"), "broken": broken}
    monkeypatch.setattr(plugins, "_group", lambda _: group)
    one = metric_facts("broken")
    assert not one.ready
    assert "No module named 'no_such_module_at_all'" in one.state
    assert "broken" in list_text("metrics", [one, metric_facts("delay")], 80)


def test_a_users_own_card_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "codecs").mkdir()
    text = 'name = "mine"\nfamily = "pcm"\ndescription = "d"\nsample_rate = 16000\n'
    (tmp_path / "codecs" / "mine.toml").write_text(text + "[options]\nbits = 8\n")
    arguments = ["list", "codecs", "--cards", str(tmp_path), "--search", "MINE", "--ready"]
    assert main([*arguments, "--domain", "music", "--format", "json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)["codecs"]
    assert one["file"] == str(tmp_path / "codecs" / "mine.toml")
    assert main(["list", "datasets", "--search", "xyzzy"]) == 0
    assert capsys.readouterr().out == "no datasets match\n"
