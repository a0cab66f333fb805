"""What can be heard on the site."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

import snac_eval
from snac_eval.reports.html.sound import ReportClip
from snac_eval.results.record import Run, read_run
from snac_eval.site.sounds import Heard, hear
from snac_eval.types import Waveform
from tests.site.many import scored


def _run(folder: Path, name: str) -> Run:
    return read_run(scored(folder / name, name, 3.0, 1.0))


def test_a_run_without_its_store_is_not_opened(tmp_path: Path) -> None:
    run = _run(tmp_path, "module:os:system")
    heard = hear([run])
    assert heard == Heard()
    assert not heard.has(run)


def test_versions_stand_in_the_order_of_the_runs_and_others_are_left_out(tmp_path: Path) -> None:
    one, two = _run(tmp_path, "one"), _run(tmp_path, "two")
    sound = Waveform(np.zeros((1, 8), np.float32), 16_000)
    made = ReportClip("clip", sound, dict.fromkeys(("three", "two", "one"), sound), 0.1)
    (found,) = Heard({"data": (made,)}).of("data", [one, two])
    assert list(found.estimates) == ["one", "two"]
    assert Heard({"data": (made,)}).of("data", [_run(tmp_path, "four")]) == []


def test_a_run_lends_its_sound_to_the_same_codec_on_the_same_clips(tmp_path: Path) -> None:
    kept = {"output": tmp_path / "mine", "limit": 2, "html": False, "show_progress": False}
    snac_eval.evaluate("pcm_16bit", "demo", ["bitrate", "mel_dac_paper"], **kept)  # type: ignore[arg-type]
    shutil.copytree(tmp_path / "mine", tmp_path / "bare", ignore=shutil.ignore_patterns("store*"))
    lender, bare = read_run(tmp_path / "mine"), read_run(tmp_path / "bare")
    heard = hear([bare], [lender])
    assert heard.has(bare)
    assert heard.notes == ()
    assert [list(clip.estimates) for clip in heard.of("demo", [bare])] == [[bare.name]] * 2
    (note,) = hear([_run(tmp_path, "other")], [lender]).notes
    assert note == f"{lender.folder}: lends no audio: no row is of this codec and these clips"
