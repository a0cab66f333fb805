"""What a plan says of its codec and clips, and what it leaves out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from snac_eval.metrics.opening import open_metric
from snac_eval.run.config import RunConfig
from snac_eval.run.keys import card_digest
from snac_eval.run.plan import Plan, make_plan
from snac_eval.run.rows import Settled
from snac_eval.types import Clip


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
    keys = [plan.score_keys(("bitrate", "si_sdr"), clip) for clip in plan.clips]
    whole = [Settled(frozenset(one.values()), has_codes=True) for one in keys]
    assert plan.pending(whole) == []
    first = Settled(frozenset({keys[0]["bitrate"]}), has_codes=True)
    (job,) = plan.pending([first, *whole[1:]])
    assert (job.clip, job.metrics) == (plan.clips[0], ("si_sdr",))
    (job,) = plan.pending([replace(whole[0], has_codes=False), *whole[1:]])
    assert (job.clip, job.metrics) == (plan.clips[0], ())


def test_a_score_is_kept_under_what_its_metric_looks_at(audio_dir: Path, tmp_path: Path) -> None:
    names = ("bitrate_nominal", "stoi", "word_error_rate")
    plan = _plan("pcm_8bit", audio_dir, tmp_path, metrics=names[:2])
    plan = replace(plan, metrics={name: open_metric(name) for name in names})
    clip = plan.clips[0]
    before = plan.score_keys(names, clip)

    def changed(plan: Plan, clip: Clip) -> set[str]:
        after = plan.score_keys(names, clip)
        return {name for name in names if before[name] != after[name]}

    assert changed(plan, replace(clip, id="b", path=tmp_path, duration_s=9.0)) == set()
    assert changed(plan, replace(clip, domain="general")) == {"stoi", "word_error_rate"}
    assert changed(plan, replace(clip, transcript="a word")) == {"word_error_rate"}
    assert changed(plan, replace(clip, speaker="x")) == {"word_error_rate"}
    card = replace(plan.codec.card, nominal_bitrate_bps=1.0)
    assert changed(replace(plan, card_digest=card_digest(card)), clip) == {"bitrate_nominal"}
    prose = replace(plan.codec.card, description="x", licence="y", citation="z")
    assert changed(replace(plan, card_digest=card_digest(prose)), clip) == set()
