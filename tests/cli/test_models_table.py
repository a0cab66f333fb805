"""``table --models`` measures what models are, and where it cannot, tells their cards' word as
such."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from snac_eval.cli.main import main
from snac_eval.codecs.opening import open_model
from snac_eval.codecs.snac.adapter import Options
from snac_eval.registry import environments
from snac_eval.registry.extras import MissingExtra
from snac_eval.registry.validation import read_options
from tests.cli.helpers import run_process
from tests.codecs.snac.test_checkpoint import TINY, save_model

CARD = """name = "tiny"
family = "snac"
description = "random"
sample_rate = 24000
codebook_sizes = [16, 16]
# Wrong on purpose: what is printed is measured, not read here.
frame_rates_hz = [1.0, 2.0]
nominal_bitrate_bps = 12
weights = "owner/tiny"
"""


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    folder = tmp_path / "cards"
    (folder / "codecs").mkdir(parents=True)
    (folder / "codecs" / "tiny.toml").write_text(CARD)
    return folder


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_everything_is_measured(
    cards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = save_model(tmp_path / "weights")
    # Weight norm keeps a gain beside each direction; folded, the gains are gone.
    folded = sum(
        parameter.numel()
        for name, parameter in model.named_parameters()
        if not name.endswith("weight.original0")
    )
    table = ["table", "--models", "tiny", "--cards", str(cards)]
    table += ["--weights", str(tmp_path / "weights")]
    assert main([*table, "--format", "csv"]) == 0
    (row,) = _rows(capsys.readouterr().out)
    hop = TINY.encoder_rates[0] * TINY.encoder_rates[1]
    rates = [24000 / hop / stride for stride in TINY.vq_strides]
    assert list(map(float, row["token_rates_hz"].split())) == pytest.approx(rates)
    assert float(row["bitrate_bps"]) == pytest.approx(4 * sum(rates))
    assert int(row["num_parameters"]) == folded
    assert (row["sample_rate"], row["codebook_sizes"]) == ("24000", "16 16")
    assert main([*table, "--format", "latex"]) == 0
    assert f"tiny & 24 & {4 * sum(rates) / 1000:.4g} & " in capsys.readouterr().out


def test_packets_and_models_without_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", "--models", "opus_6kbps", "pcm_8bit", "--format", "csv"]) == 0
    opus, pcm = _rows(capsys.readouterr().out)
    assert float(opus["bitrate_bps"]) == pytest.approx(6000, rel=0.01)
    assert float(pcm["bitrate_bps"]) == 8 * 48000
    assert opus["num_parameters"] == opus["token_rates_hz"] == ""


def test_of_a_model_of_ours_nothing_is_published(capsys: pytest.CaptureFixture[str]) -> None:
    models = ["snac_16khz_mini", "snac_16khz_mini@k=2"]
    assert main(["table", "--models", *models, "--published"]) == 0
    printed = capsys.readouterr().out
    assert "12.5 25 50 50 50" in printed
    assert "Published" not in printed


def test_without_weights_the_card_is_told_and_marked(tmp_path: Path) -> None:
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = run_process("table", "--models", "--published", **offline)
    assert done.returncode == 0, done.stderr
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    rows = {line.split()[1]: line for line in lines if line.startswith("| snac")}
    assert rows["snac_32khz"] == (
        "| snac_32khz (card) | 32 | 1.875 | 54.5 | 156.2 | 10.42 20.83 41.67 83.33 |"
    )
    assert "(card)" not in rows["snac_16khz_mini"]
    assert "(card): not measured" in done.stdout
    assert "snac-eval show NAME" in done.stdout
    # What went wrong is for the screen, in one line, and never for the paper.
    assert "cannot get" not in done.stdout
    (said,) = done.stderr.splitlines()
    assert "snac_24khz, snac_32khz, snac_44khz: cannot get config.json" in said
    published = next(line for line in done.stdout.splitlines() if "SNAC 32 kHz" in line)
    assert "| 1.9 = |" in " ".join(published.split())
    assert "10 21 42 83 =" in published


def test_what_cards_say_agrees_with_what_is_published() -> None:
    for name, millions in {"snac_24khz": 19.8, "snac_32khz": 54.5, "snac_44khz": 54.5}.items():
        opened = open_model(name)
        assert round((opened.card_parameters() or 0) / 1e6, 1) == millions
        config = read_options(opened.card, Options).config
        assert config is not None
        assert config.frame_rates_hz == pytest.approx(opened.card.frame_rates_hz)
        assert config.bitrate_bps == pytest.approx(opened.card.nominal_bitrate_bps)
    mini = open_model("snac_16khz_mini@k=2")
    assert mini.card_parameters() is None


def test_a_missing_extra_does_not_end_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        environments, "missing_extra", lambda entry: _LACKING if entry.extras else None
    )
    assert main(["table", "--models", "mimi_1.1kbps@k=2", "pcm_8bit", "--format", "csv"]) == 0
    printed = capsys.readouterr()
    mimi, pcm = _rows(printed.out)
    assert (mimi["basis"], mimi["missing"]) == ("card", "needs extra transformers")
    assert (mimi["bitrate_bps"], mimi["num_parameters"]) == ("275.0", "")
    assert mimi["token_rates_hz"] == "12.5 12.5"
    assert (pcm["basis"], pcm["missing"]) == ("measured", "")
    assert "pip install 'snac-eval[transformers]'" in printed.err


_LACKING = MissingExtra("snac-eval", "transformers", ("transformers",))


def test_flags_that_make_no_sense_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = {
        "--weights are of one model": ["--models", "--weights", str(tmp_path)],
        "--metrics are of runs": ["--models", "--metrics", "stoi"],
        "--weights needs --models": [str(tmp_path), "--weights", str(tmp_path)],
        "name a codec": ["--models", f"files:{tmp_path}"],
        "did you mean": ["--models", "snac_24kh"],
    }
    for message, arguments in cases.items():
        capsys.readouterr()
        assert main(["table", *arguments]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
