"""score: which files belong together, what is said of them, and that nothing is guessed."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
import soundfile

from snac_eval import load_metric
from snac_eval.cli.main import main
from snac_eval.errors import UsageError
from snac_eval.files import scoring
from snac_eval.files.score_tables import score_text
from snac_eval.files.scoring import Pairing, pair_up, score
from tests.conftest import tone


def write(folder: Path, *names: str, gain: float = 1.0, seconds: float = 0.6) -> Path:
    for index, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, gain * tone(seconds, seed=index), 16000)
    return folder


def names(pairing: Pairing) -> dict[str, str]:
    return {pair.name: pair.estimate.relative_path for pair in pairing.pairs}


def pairing_of(tmp_path: Path, references: list[str], estimates: list[str]) -> Pairing:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, files in ((one, references), (other, estimates)):
        for name in files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
    return pair_up(str(one), str(other))


def test_files_belong_together_by_path_then_without_suffix_then_by_stem(tmp_path: Path) -> None:
    found = pairing_of(
        tmp_path,
        ["x/a.wav", "x/b.wav", "x/c.wav", "x/d.wav", "y/d.wav", "lone.wav"],
        ["x/a.wav", "x/a.flac", "x/b.flac", "c.ogg", "d.wav", "extra.wav"],
    )
    assert names(found) == {"x/a": "x/a.wav", "x/b": "x/b.flac", "x/c": "c.ogg"}
    assert found.lonely_references == ("lone.wav", "x/d.wav", "y/d.wav")
    assert found.lonely_estimates == ("d.wav", "extra.wav", "x/a.flac")


def test_files_that_differ_by_suffix_alone_keep_it(tmp_path: Path) -> None:
    both = ["a.wav", "a.flac", "b.wav"]
    assert names(pairing_of(tmp_path, both, both)) == {
        "a.flac": "a.flac",
        "a.wav": "a.wav",
        "b": "b.wav",
    }


@pytest.mark.parametrize(
    ("reference", "estimate", "reason"),
    [
        ("one", "one/a.wav", "give two files or two folders"),
        ("one", "other", "no file of 2 references has a counterpart among 1"),
        ("one", "nowhere", "nowhere: no such file or folder"),
        ("https://example.org/a.wav", "one/a.wav", "of this machine"),
    ],
)
def test_what_cannot_be_paired_is_refused(
    reference: str,
    estimate: str,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "one", "a.wav", "b.wav")
    write(tmp_path / "other", "zz.wav")
    with pytest.raises(UsageError, match=reason):
        pair_up(reference, estimate)


def test_metrics_that_need_codes_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, "a.wav")
    with pytest.raises(UsageError, match="'bitrate' needs a codec's codes"):
        score(pair_up(str(folder), str(folder)), ["bitrate"])


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, scoring.Scores]:
    """Speech, and one music file of half the length; another file is without a counterpart."""
    root = tmp_path_factory.mktemp("scored")
    write(root / "r", "speech/a.wav", "speech/b.wav", "music/m.wav", "speech/lone.wav")
    write(root / "e", "speech/a.flac", "speech/b.flac", gain=0.5)
    write(root / "e", "music/m.flac", seconds=0.3)
    pairing = pair_up(str(root / "r"), str(root / "e"))
    return root, score(pairing, ["default", "si_sdr"], workers=0)


def test_scores_are_those_of_the_metric(scored: tuple[Path, scoring.Scores]) -> None:
    root, found = scored
    one = found.scores["stoi"]["speech/a"]
    sides = [
        soundfile.read(root / name, dtype="float32")[0]
        for name in ("r/speech/a.wav", "e/speech/a.flac")
    ]
    assert one == load_metric("stoi").score_pair(*sides, 16000)
    assert "music/m" not in found.scores["stoi"]
    assert not {"bitrate", "codebook_usage"} & set(found.infos)


def test_a_failure_names_the_users_own_files(scored: tuple[Path, scoring.Scores]) -> None:
    _, found = scored
    failed = found.scores["si_sdr"]["music/m"]
    assert failed.status == "error"
    assert "the estimate answered 0.60 s of audio with 0.30 s" in failed.reason
    assert found.num_failed == 1
    text = score_text(found, "txt", per_file=True)
    assert "Failed: music/m: the estimate answered" in text
    assert "1 file without an estimate: speech/lone.wav." in text
    assert "/references/" not in text


def test_every_format_has_the_same_scores(scored: tuple[Path, scoring.Scores]) -> None:
    _, found = scored
    value = found.scores["si_sdr"]["speech/a"].value
    rows = list(csv.DictReader(io.StringIO(score_text(found, "csv"))))
    (row,) = [row for row in rows if (row["file"], row["metric"]) == ("speech/a", "si_sdr")]
    assert float(row["value"]) == value
    assert row["domain"] == "speech"
    facts = json.loads(score_text(found, "json"))
    assert len(facts["scores"]) == len(rows)
    assert facts["without_estimate"] == ["speech/lone.wav"]
    (summary,) = [one for one in facts["metrics"] if one["metric"] == "si_sdr"]
    assert (summary["n_ok"], summary["n_error"]) == (2, 1)
    assert "| si_sdr [dB] ↑" in score_text(found, "md")


def test_the_command_says_what_was_left_out_and_guesses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "num_cores", lambda: 0)
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "a.wav")
    write(tmp_path, "short.wav", seconds=0.1)
    assert main(["score", "a.wav", "a.wav", "-o", "out.txt"]) == 0
    text = (tmp_path / "out.txt").read_text(encoding="utf-8")
    assert "Left out: pesq_wb, stoi, estoi, visqol_speech (defined for speech; these" in text
    assert "if they are speech: --domain speech" in text
    command = ["score", "a.wav", "short.wav", "--domain", "speech", "--metrics", "stoi"]
    assert main(command) == 4
    out, err = capsys.readouterr()
    assert "the estimate answered" in out
    assert "Left out" not in out
    assert err.endswith("1 of 1 pairs failed a metric\n")
