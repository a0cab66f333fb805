"""What is logged of a run, and which names it has."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from snac_eval.trackers import content
from snac_eval.trackers.memory import Memory
from snac_eval.types import Mean
from tests.trackers.conftest import Heard


def test_there_is_no_number_where_there_is_no_score(heard: Heard) -> None:
    said = {one.clip.id: content.clip_numbers(one) for one in heard.clips}
    assert set(said["speech/a"]) == {"clip/bitrate", "clip/si_sdr_aligned"}
    assert set(said["speech/b"]) == {"clip/bitrate"}
    (done,) = heard.runs
    found = content.numbers(done)
    assert found["n_ok/si_sdr_aligned"] == 2
    assert found["n_undefined/si_sdr_aligned"] == 1
    assert found["speech/n_undefined/si_sdr_aligned"] == 1
    assert found["music/n_ok/si_sdr_aligned"] == 1
    assert found["mean/si_sdr_aligned"] == pytest.approx(
        sum(done.record.rows.query("metric == 'si_sdr_aligned' and status == 'ok'")["value"]) / 2
    )
    nowhere = Mean("token_agreement@n=2", "", math.nan, math.nan, math.nan, 0, 3, 0)
    assert content.numbers(replace(done, means=(nowhere,))) == {
        "n_ok/token_agreement_n_2": 0,
        "n_undefined/token_agreement_n_2": 3,
        "n_error/token_agreement_n_2": 0,
    }


def test_names_fit_every_tracker(heard: Heard) -> None:
    names = [*content.numbers(heard.runs[0]), *content.parameters(heard.runs[0].run)]
    assert all(re.fullmatch(r"[A-Za-z0-9_./-]{1,250}", name) for name in names), names


def test_parameters_say_what_was_measured_and_name_no_home(
    heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = heard.runs[0].run
    found = content.parameters(facts)
    assert found["codec"] == "pcm_8bit"
    assert found["seed"] == "0"
    assert found["fingerprint/bitrate"].startswith("bitrate;")
    assert {"codec_fingerprint", "version/torch", "clip_list_sha256", "device"} <= set(found)
    monkeypatch.setenv("HOME", "/home/me")
    manifest = dict(facts.manifest) | {"dataset": {"name": "hf:/home/me/x?token=abcdef"}}
    said = content.parameters(replace(facts, manifest=manifest))
    assert said["dataset"] == "hf:~/x?token=abcdef"
    manifest["dataset"] = {"name": "https://me:word@host/x?token=abcdef"}
    said = content.parameters(replace(facts, manifest=manifest))
    assert said["dataset"] == "https://***@host/x?token=***"


def test_a_run_is_known_where_it_was_logged(heard: Heard, tmp_path: Path) -> None:
    run = heard.runs[0].run
    Memory(run, "mlflow https://me:word@host").keep(name="x", logged="y")
    assert Memory(run, "mlflow https://me:word@host").known.name == "x"
    assert Memory(run, "wandb").known.name == ""
    assert Memory(run, "mlflow https://me:word@host", anew=True).known.name == ""
    file = run.folder / "trackers.json"
    assert "word" not in file.read_text()
    file.write_text(json.dumps({"wandb": 3}))
    assert Memory(run, "wandb").known.name == ""
    file.write_text("{")
    assert Memory(run, "wandb").known.name == ""
