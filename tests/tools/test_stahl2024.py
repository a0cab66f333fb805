"""The recipe of the shipped record, and the document's figures, which are the record's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks import stahl2024
from snac_eval.errors import UsageError
from snac_eval.results.agreement.record import read_agreement
from snac_eval.results.agreement.shapes import Agreement

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shipped() -> Agreement:
    return read_agreement(ROOT / stahl2024.RECORD)


def test_the_documents_table_is_the_records(shipped: Agreement) -> None:
    text = (ROOT / stahl2024.DOCUMENT).read_text(encoding="utf-8")
    assert stahl2024.table(shipped) in text
    assert stahl2024.with_table(text, shipped) == text


def test_what_the_document_advises_is_what_the_record_shows(shipped: Agreement) -> None:
    found = {one.metric: one for one in shipped.metrics}
    for name in ("stft_distance", "mel_audiotools", "visqol_audio"):
        assert found[name].verdict == "agrees"
        assert found[name].spearman("codecs").value > 0.8
        assert found[name].pairs.wrong == 0
    for name in ("pesq_wb", "stoi", "estoi", "pesq_nb"):
        assert found[name].coefficients["clips"]["spearman"].value < 0
        assert found[name].coefficients["codecs"]["spearman"].value < 0
        assert found[name].verdict == "not shown"
    assert found["pesq_wb"].pairs.wrong > found["pesq_wb"].pairs.right
    assert found["si_sdr"].verdict == "contradicts"
    text = (ROOT / stahl2024.DOCUMENT).read_text(encoding="utf-8")
    for fact in (shipped.num_ratings, f"rated by {shipped.num_listeners} listeners"):
        assert str(fact) in " ".join(text.split())


def _data(folder: Path) -> None:
    for number in range(1, stahl2024.NUM_CLIPS + 1):
        for name in ("ref", *stahl2024.CODECS):
            file = folder / stahl2024.FOLDER / "audio" / f"stim_{number:02d}" / f"{name}.wav"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(name.encode())
    table = (
        "signal,condition,ratings,participant_ids,file\n"
        'A,One,"[41.0, 32.0]","[2, 3]",stim_01/prop_13.wav\n'
        'A,Anchor,"[1.0, 3.0]","[2, 3]",\n'
    )
    (folder / stahl2024.FOLDER / stahl2024.RATINGS).write_text(table)


def test_the_authors_folder_is_laid_out_as_runs_need_it(tmp_path: Path) -> None:
    _data(tmp_path)
    found = stahl2024.laid_out(tmp_path / stahl2024.FOLDER, tmp_path / "work")
    assert (found / "lyra_6" / "speech" / "stim_16.wav").read_text() == "lyra_6"
    assert (found / "ratings.csv").read_text().splitlines()[1:] == [
        "speech/stim_01,prop_13,listener_2,41.0",
        "speech/stim_01,prop_13,listener_3,32.0",
        "speech/stim_01,anchor,listener_2,1.0",
        "speech/stim_01,anchor,listener_3,3.0",
    ]
    assert stahl2024.laid_out(found, tmp_path) == found
    with pytest.raises(UsageError, match="neither ref/ nor audio/"):
        stahl2024.laid_out(tmp_path, tmp_path)


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_commit_is_got_whole_or_not_at_all(tmp_path: Path) -> None:
    server = tmp_path / "server"
    _data(server)
    (server / "chkpts").write_text("large")

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=server, check=True, capture_output=True)
        return done.stdout.decode().strip()

    git("init", "--quiet")
    for name, value in (("allowFilter", "true"), ("allowAnySHA1InWant", "true")):
        git("config", f"uploadpack.{name}", value)
    git("add", "--all")
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    git(*who, "commit", "--quiet", "--message", "data")
    url, commit = server.as_uri(), git("rev-parse", "HEAD")
    found = stahl2024.download(tmp_path / "got", url, commit)
    assert (found / "audio" / "stim_01" / "ref.wav").read_text() == "ref"
    with pytest.raises(UsageError, match=r"git fetch of .* failed"):
        stahl2024.download(tmp_path / "other", url, "1" * 40)
