"""What a plan says of its codec and clips, and what it leaves out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from snac_eval.run.plan import Plan, RunConfig, make_plan
from snac_eval.types import Score


def _plan(model: str, audio_dir: Path, output: Path, **options: object) -> Plan:
    return make_plan(RunConfig(model, f"folder:{audio_dir}", output, **options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("in_use", "is_said"), [("", False), ("of the card", False), ("of others", True)]
)
def test_other_weights_than_the_cards_are_said(
    in_use: str, is_said: bool, audio_dir: Path, tmp_path: Path
) -> None:
    plan = _plan("snac_16khz_mini", audio_dir, tmp_path)
    digest = plan.codec.card.sha256 if in_use == "of the card" else in_use
    plan = replace(plan, codec=replace(plan.codec, weights_sha256=lambda: digest))
    assert any("the weights are not those" in note for note in plan.notes) == is_said


def test_a_key_names_what_the_audio_depends_on(audio_dir: Path, tmp_path: Path) -> None:
    plan = _plan("pcm_8bit", audio_dir, tmp_path, seed=7)
    clip = plan.clips[0]
    key = plan.key(clip)
    assert (key.codec, key.clip) == (plan.codec.fingerprint, clip.sha256)
    assert (key.seed, key.device, key.identity) == (7, "cpu", "")
    files = _plan(f"files:{audio_dir}", audio_dir, tmp_path, seed=7)
    key = files.key(clip)
    # The reconstructions of this folder are the clips themselves.
    assert (key.clip, key.identity) == (clip.sha256, clip.sha256)
    assert (key.seed, key.device) == (0, "")


def test_what_is_stored_is_not_pending(audio_dir: Path, tmp_path: Path) -> None:
    plan = _plan("pcm_8bit", audio_dir, tmp_path, metrics=("bitrate", "si_sdr"))
    bitrate, si_sdr = map(plan.fingerprint, ("bitrate", "si_sdr"))
    whole = {bitrate: Score.ok(1.0), si_sdr: Score.undefined("silence")}
    stored = {plan.key(clip).id: whole for clip in plan.clips}
    assert plan.pending(stored) == []
    stored[plan.key(plan.clips[0]).id] = {bitrate: Score.ok(1.0), si_sdr: Score.error("killed")}
    (job,) = plan.pending(stored)
    assert (job.clip, job.metrics) == (plan.clips[0], ("si_sdr",))
