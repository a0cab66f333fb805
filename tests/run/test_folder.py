"""One run to a folder: one writer, one identity, and readers that write nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile

from snac_eval.cli.main import main
from snac_eval.errors import OutputError, StoreError, UsageError
from snac_eval.results.record import read_run
from snac_eval.run import loop
from snac_eval.run.config import RunConfig
from snac_eval.run.folder import LOCK_FILE, only_writer
from snac_eval.run.naming import default_output, folder_name
from snac_eval.run.sealed import read_manifest
from tests.conftest import tone
from tests.runs import edit_manifest


def _config(data: Path, output: Path, model: str = "pcm_8bit", **options: object) -> RunConfig:
    metrics = ("bitrate", "si_sdr")
    return RunConfig(model, f"folder:{data}", output, metrics, workers=0, **options)  # type: ignore[arg-type]


def test_a_second_writer_is_turned_away_while_the_first_lives(tmp_path: Path) -> None:
    with only_writer(tmp_path / "run"):
        with (
            pytest.raises(UsageError, match="another run is writing here"),
            only_writer(tmp_path / "run"),
        ):
            pass
        assert main(["report", str(tmp_path)]) == 2  # no run, and no lock is left by asking
    assert not (tmp_path / "run" / LOCK_FILE).exists()
    with only_writer(tmp_path / "run"):
        pass


def test_a_lock_dies_with_its_process_and_leftovers_are_cleared(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path\n"
        "from snac_eval.run.folder import only_writer\n"
        "folder = Path(sys.argv[1])\n"
        "with only_writer(folder):\n"
        "    (folder / '.scores.parquet.123.tmp').write_text('half')\n"
        "    (folder / '.mine.tmp').write_text('not ours')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -9
    assert (tmp_path / LOCK_FILE).exists()
    with only_writer(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".mine.tmp"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": 1}, "seed 0, not 1"),
        ({"reference_rate": "codec"}, "reference rate 'clip', not 'codec'"),
        ({"excerpt_s": 0.5}, r"excerpt 0\.0, not 0\.5"),
        ({"sample_seed": 2}, "sample seed 0, not 2"),
        ({"channels": "each"}, "codec 'pcm_8bit', not 'pcm_8bit@channels=each'"),
        ({"model": "pcm_16bit"}, "codec 'pcm_8bit', not 'pcm_16bit'"),
    ],
)
def test_a_folder_holds_one_run(
    changes: dict[str, object], said: str, audio_dir: Path, tmp_path: Path
) -> None:
    loop.run(_config(audio_dir, tmp_path / "run"))
    with pytest.raises(UsageError, match=f"holds a run of {said}; choose another --output"):
        loop.run(_config(audio_dir, tmp_path / "run", **changes))  # type: ignore[arg-type]


def test_other_weights_are_another_run(audio_dir: Path, tmp_path: Path) -> None:
    loop.run(_config(audio_dir, tmp_path / "run"))
    there = read_manifest(tmp_path / "run")["identity"]
    edit_manifest(tmp_path / "run", identity=there | {"codec fingerprint": "pcm:v=0"})
    with pytest.raises(UsageError, match="holds a run of codec fingerprint 'pcm:v=0', not 'pcm:v"):
        loop.run(_config(audio_dir, tmp_path / "run"))
    loop.run(_config(audio_dir, tmp_path / "run", overwrite=True))


def test_more_clips_and_metrics_are_the_same_run(audio_dir: Path, tmp_path: Path) -> None:
    assert loop.run(_config(audio_dir, tmp_path / "run", limit=2)).num_computed == 2
    assert loop.run(_config(audio_dir, tmp_path / "run")).num_computed == 1
    more = RunConfig(
        "pcm_8bit", f"folder:{audio_dir}", tmp_path / "run", ("si_sdr", "delay"), workers=0
    )
    assert loop.run(more).num_computed == 3


def test_two_folders_of_one_name_are_two_datasets(tmp_path: Path) -> None:
    for index, name in enumerate("AB"):
        (tmp_path / name / "wav").mkdir(parents=True)
        soundfile.write(tmp_path / name / "wav" / "a.wav", tone(0.5, seed=index), 16000)
    loop.run(_config(tmp_path / "A" / "wav", tmp_path / "run"))
    with pytest.raises(UsageError, match=r"holds a run of dataset 'folder:.*A/wav', not"):
        loop.run(_config(tmp_path / "B" / "wav", tmp_path / "run"))
    # The same recordings elsewhere are the same run.
    shutil.copytree(tmp_path / "A", tmp_path / "C")
    assert loop.run(_config(tmp_path / "C" / "wav", tmp_path / "run")).num_computed == 0
    # And a recording that is made anew in its place is that run as well.
    soundfile.write(tmp_path / "C" / "wav" / "a.wav", tone(0.5, seed=9), 16000)
    assert loop.run(_config(tmp_path / "C" / "wav", tmp_path / "run")).num_computed == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"dataset": "folder:A/wav"}, {"dataset": "folder:A_wav"}),
        ({"dataset": "folder:дані"}, {"dataset": "folder:дани"}),
        ({"dataset": "folder:%%"}, {"dataset": "folder:&&"}),
        ({"dataset": "folder:" + 200 * "x"}, {"dataset": "folder:" + 201 * "x"}),
        ({"dataset": "folder:a\udcff"}, {"dataset": "folder:a\udcfe"}),
        ({"seed": 0}, {"seed": 1}),
        ({"weights": "a"}, {"weights": "b"}),
        ({"reference_rate": "clip"}, {"reference_rate": "codec"}),
        ({"excerpt_s": 1.0}, {"excerpt_s": 2.0}),
        ({"model": "files:A/x"}, {"model": "files:B/x"}),
        ({"model": "snac_24khz@k=1"}, {"model": "snac_24khz@k=2"}),
    ],
)
def test_different_runs_have_different_default_folders(
    one: dict[str, object], other: dict[str, object]
) -> None:
    base = {"model": "pcm_8bit", "dataset": "demo", "output": Path()}
    names = [default_output(RunConfig(**(base | given))) for given in (one, other)]  # type: ignore[arg-type]
    assert names[0] != names[1]
    assert all(len(name.name.encode("utf-8", "replace")) < 255 for name in names)
    assert default_output(RunConfig(**base, workers=1)) == Path("runs/pcm_8bit_demo")  # type: ignore[arg-type]
    assert folder_name(["a", "librispeech:test-clean"]) == "a_librispeech_test-clean"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text.replace('"finished"', '"finishep"', 1), "damaged"),
        (lambda text: text.replace('"num_clips": 3', '"num_clips": 7'), "damaged"),
        (lambda text: text[:-40], "not valid JSON"),
        (lambda text: text.replace('\n  "sha256"', '\n "sha256"'), "damaged"),
    ],
)
def test_a_damaged_manifest_is_neither_read_nor_run_over(
    damage: Callable[[str], str],
    said: str,
    audio_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "run"
    loop.run(_config(audio_dir, output))
    before = read_run(output).rows
    manifest = output / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(damage(text))
    assert manifest.read_text() != text
    assert main(["report", str(output)]) == 2
    assert f"manifest.json: {said}" in capsys.readouterr().err
    with pytest.raises(StoreError, match="remove it and run the same command again"):
        loop.run(_config(audio_dir, output))
    manifest.unlink()
    assert loop.run(_config(audio_dir, output)).num_computed == 0
    assert read_run(output).rows.equals(before)


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that every user can read; pytest keeps its own from them."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        yield Path(place)


def test_a_reader_needs_no_folder_that_it_can_write(audio_dir: Path, open_place: Path) -> None:
    output, killed = open_place / "run", open_place / "killed"
    loop.run(_config(audio_dir, output))
    shutil.copytree(output, killed)
    edit_manifest(killed, state="running")
    (killed / "scores.parquet").unlink()
    for folder in (output, killed):
        names = sorted(path.name for path in folder.iterdir())
        said = _reported_by_who_cannot_write(folder)
        assert "| si_sdr [dB] ↑" in said
        assert f"note: its tables were not written: {folder}: cannot write here" in said
        assert sorted(path.name for path in folder.iterdir()) == names


def test_the_log_of_a_killed_run_is_read_where_nothing_can_be_written(open_place: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from snac_eval.run.store import Store\n"
        "from snac_eval.run.keys import ReconstructionKey; from snac_eval.types import Score\n"
        "store = Store.create(Path(sys.argv[1]), False)\n"
        "store.put(ReconstructionKey('c', 'd'), {'a': Score.ok(1.5)}); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(open_place)], check=False)
    assert (open_place / "store.sqlite-wal").stat().st_size > 0
    names = sorted(path.name for path in open_place.iterdir())
    read = (
        "from pathlib import Path; from snac_eval.run.store import Store\n"
        "from snac_eval.run.keys import ReconstructionKey\n"
        "{give_up}\n"
        "with Store.open_run(Path(sys.argv[1])) as store:\n"
        "    print(dict(store.scores([ReconstructionKey('c', 'd').id])))"
    )
    assert "1.5" in _by_who_cannot_write(read, open_place)
    assert sorted(path.name for path in open_place.iterdir()) == names


def _reported_by_who_cannot_write(folder: Path) -> str:
    code = (
        "from snac_eval.cli.main import main; import pandas, scipy.stats, pyarrow.parquet\n"
        "import snac_eval.reports.html.page, snac_eval.results.record\n"
        "{give_up}\n"
        "sys.exit(main(['report', sys.argv[1]]))"
    )
    return _by_who_cannot_write(code, folder)


def _by_who_cannot_write(code: str, folder: Path) -> str:
    """What a program prints of a folder that it may only read. Root may write anywhere, and gives
    that up where the program has loaded what it needs."""
    give_up = "os.setuid(65534)" if os.geteuid() == 0 else ""
    folder.chmod(0o555)
    try:
        done = subprocess.run(
            [sys.executable, "-c", "import os, sys\n" + code.replace("{give_up}", give_up), folder],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "HOME": str(folder)},
        )
    finally:
        folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_report_leaves_a_running_run_alone(
    audio_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "run"
    loop.run(_config(audio_dir, output))
    with only_writer(output):
        before = {path.name: path.stat().st_mtime_ns for path in output.iterdir()}
        assert main(["report", str(output)]) == 0
        said = capsys.readouterr()
        assert "| si_sdr [dB] ↑" in said.out
        assert "another run is writing here" in said.err
        assert main(["report", str(output), "--html"]) == 2
        page = tmp_path / "page.html"
        assert main(["report", str(output), "--html", "--output", str(page)]) == 0
        assert before == {path.name: path.stat().st_mtime_ns for path in output.iterdir()}
    assert page.exists()
    assert main(["report", str(output)]) == 0
    assert (output / "summary.md").exists()


def test_a_manifest_tells_the_digest_of_its_scores(audio_dir: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    loop.run(_config(audio_dir, output))
    other = tmp_path / "other"
    loop.run(_config(audio_dir, other, seed=1))
    shutil.copy(other / "scores.parquet", output / "scores.parquet")
    # The store has what the file should say.
    assert read_run(output).rows["run_id"].unique() == [read_manifest(output)["run_id"]]
    (output / "store.sqlite").unlink()
    with pytest.raises(StoreError, match=r"scores\.parquet: damaged, it is not what manifest"):
        read_run(output)
    json.loads((output / "manifest.json").read_text())


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write here"), only_writer(tmp_path / "file"):
        pass
