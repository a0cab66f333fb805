"""A run is read once: what one reader refuses, all refuse, and nothing is done twice."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
import soundfile

from snac_eval.cli.main import main
from snac_eval.registry import plugins
from snac_eval.run.sealed import read_manifest
from tests.conftest import tone
from tests.runs import edit_manifest

METRICS = "bitrate,mel_dac_paper,stoi,encode_real_time_factor,decode_real_time_factor"
CODEC = """
from snac_eval.codecs.pcm import PcmCodec
from snac_eval.registry.plugins import codec_card

DECODED = []


class Counting(PcmCodec):
    def __init__(self):
        super().__init__(codec_card("pcm_8bit"))

    def decode(self, codes, seeds):
        DECODED.append(len(codes))
        return super().decode(codes, seeds)
"""


def _clips(folder: Path, seed: int) -> str:
    """Two clips with the same names and the same lengths as those of any other seed."""
    (folder / "wav" / "speech").mkdir(parents=True)
    for index, name in enumerate(("a", "b")):
        clip = tone(1.0 + 0.3 * index, seed=seed + index)
        soundfile.write(folder / "wav" / "speech" / f"{name}.wav", clip, 16000)
    return f"folder:{folder / 'wav'}"


def _run(model: str, dataset: str, output: Path, *more: str) -> int:
    base = ["run", "--model", model, "--dataset", dataset, "--output", str(output), "--quiet"]
    return main([*base, "--workers", "0", "--metrics", METRICS, *more])


@pytest.fixture(scope="module")
def other_audio(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two runs on different audio under equal names."""
    root = tmp_path_factory.mktemp("other")
    for index, model in enumerate(("pcm_16bit", "pcm_8bit")):
        dataset = _clips(root / model, seed=10 * index)
        assert _run(model, dataset, root / f"run_{model}", "--no-html") == 0
        named = read_manifest(root / f"run_{model}")["dataset"] | {"name": "folder:wav"}
        edit_manifest(root / f"run_{model}", dataset=named)
    return [str(root / "run_pcm_16bit"), str(root / "run_pcm_8bit")]


def _told(
    runs: list[str], baseline: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[dict[str, int], dict[str, str]]:
    """Exit codes and words of every reader, the last of the runs checked against the baseline."""
    page = baseline.with_suffix(".html")
    codes, said = {}, {}
    for name, arguments in {
        "compare": ["compare", *runs],
        "check": ["check", runs[-1], "--baseline", str(baseline)],
        "table": ["table", *runs],
        "page": ["report", *runs, "--html", "--output", str(page)],
    }.items():
        codes[name] = main(arguments)
        said[name] = capsys.readouterr().out
    said["page"] = page.read_text(encoding="utf-8").replace("&#39;", "'")
    return codes, said


REFUSAL = "clip 'speech/a' is not the same audio in both (2 such clips)"


def test_all_readers_refuse_other_audio_in_the_same_words(
    other_audio: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline = tmp_path / "b.json"
    assert main(["baseline", other_audio[0], "-o", str(baseline)]) == 0
    capsys.readouterr()
    codes, said = _told(other_audio, baseline, capsys)
    assert codes == {"compare": 3, "check": 3, "table": 0, "page": 0}
    for name, text in said.items():
        assert REFUSAL in text, name
    assert "better" not in said["compare"]
    assert "Nothing is ranked." in said["table"]
    rows = [line for line in said["table"].splitlines() if line.startswith("| PCM")]
    assert len(rows) == 2
    assert not any(mark in row for row in rows for mark in ("**", "<ins>"))
    assert "Quality over bitrate" not in said["page"]


def test_all_readers_say_in_the_same_words_that_a_run_is_not_finished(
    other_audio: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, baseline = other_audio[0], tmp_path / "b.json"
    assert main(["baseline", whole, "-o", str(baseline)]) == 0
    killed = _killed(Path(whole), tmp_path / "killed")
    capsys.readouterr()
    codes, said = _told([whole, str(killed)], baseline, capsys)
    assert codes == {"compare": 3, "check": 3, "table": 0, "page": 0}
    for name, text in said.items():
        assert "the run was not finished: 1 of 2 clips are not scored yet" in text, name
    assert main(["baseline", str(killed), "-o", str(tmp_path / "no.json")]) == 2
    assert "killed: the run was not finished: 1 of 2 clips" in capsys.readouterr().err


def _killed(whole: Path, folder: Path) -> Path:
    """The run as ``kill -9`` leaves it, before the second clip and with no scores.parquet."""
    shutil.copytree(whole, folder)
    (folder / "scores.parquet").unlink()
    manifest = read_manifest(folder)
    edit_manifest(folder, state="running")
    with closing(sqlite3.connect(folder / "store.sqlite")) as store:
        gone = store.execute(
            "DELETE FROM scores WHERE reconstruction ="
            " (SELECT number FROM reconstructions WHERE id = ?)",
            (manifest["clips"]["speech/b"]["key"],),
        )
        assert gone.rowcount > 0
        store.commit()
    return folder


@pytest.fixture
def counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A codec of one's own that counts its decode calls: ``counting:Counting``."""
    (tmp_path / "counting.py").write_text(CODEC)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "counting", raising=False)
    import counting  # type: ignore[import-not-found]

    decoded: list[int] = counting.DECODED
    return decoded


def test_a_second_identical_run_decodes_nothing_and_keeps_the_page(
    tmp_path: Path, counting: list[int]
) -> None:
    dataset, output = _clips(tmp_path, seed=0), tmp_path / "run"
    assert _run("counting:Counting", dataset, output) == 0
    page = output / "report.html"
    written = page.stat().st_mtime_ns
    # Once to score a clip, once to play it; one clip twice to see whether the codec repeats.
    assert len(counting) == 2 * 2 + 2
    counting.clear()
    assert _run("counting:Counting", dataset, output) == 0
    assert counting == []
    assert page.stat().st_mtime_ns == written
    assert _run("counting:Counting", dataset, output, "--report-clips", "1") == 0
    assert len(counting) == 1
    assert page.stat().st_mtime_ns > written


def test_report_opens_no_metric(
    other_audio: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} was opened")

    monkeypatch.setattr(plugins, "metric", refuse)
    page = tmp_path / "page.html"
    assert main(["report", other_audio[0], "--html", "--output", str(page)]) == 0
    assert page.read_text(encoding="utf-8").count("<audio") == 2 * 2
    assert main(["compare", *other_audio]) == 3
    assert main(["table", *other_audio]) == 0
    baseline = tmp_path / "b.json"
    assert main(["baseline", other_audio[0], "-o", str(baseline)]) == 0
    assert main(["check", other_audio[0], "--baseline", str(baseline)]) == 0
