"""What is refused of a submission, and that the reason is said."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from snac_eval.submissions.checking import check_submissions
from tests.submissions.tampering import (
    RESULTS,
    SNAC,
    copied,
    problems,
    replace_in,
    reseal,
)

Manifest = dict[str, Any]


def test_every_committed_submission_holds() -> None:
    checked = check_submissions([RESULTS])
    assert len(checked) >= 29
    assert [one for one in checked if one.problems] == []


def test_a_changed_score_is_refused_by_clip_and_metric(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    replace_in(folder / "scores.csv", ",1.3481035232543945,", ",4.3481035232543945,")
    assert "the line of clip 'speech_en_female' was changed" in problems(folder)
    reseal(folder)
    assert "pesq_wb: mean is 1.39024 in summary.csv, and 1.89024 by the scores" in problems(folder)


def test_a_score_out_of_range_names_clip_and_metric_though_all_is_sealed(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    replace_in(folder / "scores.csv", ",1.3481035232543945,", ",5.3481035232543945,")
    reseal(folder)
    said = "pesq_wb, clip 'speech_en_female': is 5.3481, outside of its range 1 to 4.65"
    assert said in problems(folder)


@pytest.mark.parametrize("value", ["nan", "inf", "-", "ok: fine"])
def test_a_score_that_is_no_number_is_refused(tmp_path: Path, value: str) -> None:
    folder = copied(tmp_path)
    replace_in(folder / "scores.csv", ",1.3481035232543945,", f",{value},")
    reseal(folder)
    assert "line 2, pesq_wb: '" in problems(folder)


def test_a_changed_summary_is_refused(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    replace_in(folder / "summary.csv", "1.39024", "4.39024")
    assert "pesq_wb: mean is 4.39024 in summary.csv, and 1.39024 by the scores" in problems(folder)


def test_a_clip_that_was_removed_is_named(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    sheet = folder / "scores.csv"
    lines = sheet.read_text(encoding="utf-8").splitlines(keepends=True)
    sheet.write_text("".join(lines[:1] + lines[2:]), encoding="utf-8")
    assert "the line of clip 'speech_en_female' was changed or removed" in problems(folder)

    def without(manifest: Manifest) -> None:
        del manifest["clips"]["speech_en_female"]

    reseal(folder)
    assert "pesq_wb, clip 'music_band': has no score" not in problems(folder)
    assert "clip 'speech_en_female': has no score" in problems(folder)
    reseal(folder, without)
    assert "clip_list_sha256: one was added or removed" in problems(folder)


def test_a_score_that_was_removed_is_named(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    replace_in(folder / "scores.csv", ",1.3481035232543945,", ",,")
    reseal(folder)
    assert "pesq_wb, clip 'speech_en_female': has no score" in problems(folder)


def test_another_recording_under_a_clips_name_is_refused(tmp_path: Path) -> None:
    folder = copied(tmp_path)

    def other(manifest: Manifest) -> None:
        manifest["clips"]["speech_de"]["sha256"] = "0" * 64

    reseal(folder, other)
    assert "clip 'speech_de' of demo: its audio has the digest 000000000000" in problems(folder)


def test_known_results_say_what_the_clips_of_a_dataset_are(tmp_path: Path) -> None:
    known, mine = tmp_path / "known", tmp_path / "mine"

    def of_mine(manifest: Manifest) -> None:
        manifest["dataset"]["name"] = manifest["config"]["dataset"] = "ours"

    def other(manifest: Manifest) -> None:
        of_mine(manifest)
        manifest["clips"]["speech_de"]["sha256"] = "0" * 64

    for place, edit in ((known, of_mine), (mine, other)):
        folder = place / "ours" / "opus_6kbps"
        shutil.copytree(RESULTS / "demo/opus_6kbps", folder)
        reseal(folder, edit)
    said = problems(mine, known)
    assert (
        "clip 'speech_de' of ours: its audio has the digest 000000000000..., and 27f19d7c" in said
    )
    assert "speech_de" not in problems(mine)


def test_an_unknown_fingerprint_is_refused_with_the_part_that_differs(tmp_path: Path) -> None:
    folder = copied(tmp_path)

    def other(manifest: Manifest) -> None:
        prints = manifest["metrics"]["pesq_wb"]["fingerprint"]
        prints[prints.index("pesq==0.0.4")] = "pesq==9"

    reseal(folder, other)
    assert "pesq_wb: its fingerprint is unknown: pesq==9 against pesq==0.0.4" in problems(folder)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            lambda one: one["metrics"]["pesq_wb"].update(higher_is_better=False),
            "pesq_wb: says higher_is_better is False, which is True",
        ),
        (
            lambda one: one["metrics"]["pesq_wb"].update(value_range=[1.0, 9.0]),
            "pesq_wb: says value_range is [1.0, 9.0]",
        ),
        (lambda one: one.update(state="interrupted"), "the run was not finished"),
        (lambda one: one.update(kind="bench"), "is a bench; export takes what snac-eval run"),
        (lambda one: one.update(submission={"schema": 9}), "this version reads {'schema': 1}"),
        (lambda one: one.update(note="<b>"), "holds 'note', which no submission has"),
        (lambda one: one["config"].update(output="/home/ada/runs"), "config holds 'output'"),
        (lambda one: one["notes"].append("read /home/ada/a.wav"), "holds a path or a secret"),
        (lambda one: one["notes"].append("\x1b[2J"), "holds control characters"),
        (lambda one: one.update(label="<script>alert(1)</script>"), "holds < or >"),
        (lambda one: one.update(label="../../opus"), "is a path that leads away"),
        (lambda one: one.update(label="opus_6kbps\u200b"), "holds characters that cannot be seen"),
        (lambda one: one.update(label="OPUS_12kbps"), "looks like the codec opus_12kbps"),
        (lambda one: one.update(label="opus_12kbps"), "its card is that of 'opus_6kbps'"),
        (lambda one: one["config"].update(label="Opus, 24 kbps"), "as the codec opus_24kbps is"),
        (
            lambda one: one["codec"]["card"].update(nominal_bitrate_bps=600.0),
            "is called opus_6kbps, but nominal_bitrate_bps is 600.0, and 6000",
        ),
        (
            lambda one: one["clips"].update(
                speech_de={**one["clips"]["speech_de"], **{"sha256": "ac07"}}
            ),
            "clip 'speech_de': its sha256 is no digest",
        ),
        (
            lambda one: one["clips"]["speech_de"].update(
                sha256=one["clips"]["speech_fr"]["sha256"]
            ),
            "is there twice, under another id",
        ),
        (lambda one: one["clips"]["speech_de"].update(domain="noise"), "'noise' is no domain"),
        (lambda one: one["dataset"].update(name="gtzan"), "are not loaded as that dataset is"),
        (lambda one: one["dataset"].update(name="gtzan"), "that the card of gtzan froze"),
        (
            lambda one: one["dataset"]["card"].update(url="javascript:alert(1)"),
            "dataset.card.url is 'javascript:alert(1)'; a link begins with https://",
        ),
        (lambda one: one.update(run_id="me"), "run_id is 'me', which no run writes"),
        (lambda one: one["hardware"].update(cpu=7), "hardware.cpu is 7, which no run writes"),
        (lambda one: one.update(num_clips=1), "num_clips is 1, but there are 10"),
    ],
)
def test_a_manifest_that_says_otherwise_is_refused(
    tmp_path: Path, edit: Callable[[Manifest], object], said: str
) -> None:
    folder = copied(tmp_path)
    reseal(folder, edit)
    assert said in problems(folder)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            lambda one: one["streams"][0].update(perplexity=900.0),
            "stream 0: entropy 7.57459 gives no perplexity 900",
        ),
        (
            lambda one: one["corpus_scores"]["codebook_usage"].update(value=99.0),
            "codebook_usage: is 99, and 86.1909 by its streams",
        ),
        (
            lambda one: one["streams"][0].update(num_tokens=7080),
            "tokens_per_second: comes to 10620 over all clips, and 16992 by its streams",
        ),
        (
            lambda one: one["codec"].update(
                fingerprint="snac/4;weights=" + "1" * 64,
            ),
            "its weights are 1111111111111111..., and cb684d0808d24e11... in the card of",
        ),
    ],
)
def test_what_was_made_of_the_same_codes_must_agree(
    tmp_path: Path, edit: Callable[[Manifest], object], said: str
) -> None:
    folder = copied(tmp_path, SNAC)
    reseal(folder, edit)
    assert said in problems(folder)


def test_a_flipped_byte_and_a_key_that_is_there_twice_are_refused(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    manifest = folder / "manifest.json"
    replace_in(manifest, '"seed": 0', '"seed": 1')
    assert "manifest.json: damaged, it is not what its checksum says" in problems(folder)
    replace_in(manifest, '"seed": 1', '"seed": 0')
    told = json.loads(manifest.read_text(encoding="utf-8"))
    told.pop("sha256")
    manifest.write_text(
        json.dumps(told).replace('"label": "opus', '"label": "x", "label": "opus', 1),
        encoding="utf-8",
    )
    assert "manifest.json: is not as export writes it" in problems(folder)


def test_files_that_are_none_of_a_submission_are_refused(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    (folder / "clip.flac").write_bytes(b"")
    assert "holds 'clip.flac'; a submission has manifest.json" in problems(folder)
    (folder / "clip.flac").unlink()
    (folder / "summary.csv").unlink()
    os.symlink("/etc/hostname", folder / "summary.csv")
    assert "summary.csv: is a link" in problems(folder)
    (folder / "summary.csv").unlink()
    with (folder / "summary.csv").open("wb") as file:
        file.truncate(2**40)
    assert "summary.csv: has 1099511627776 bytes" in problems(folder)


def test_what_lies_between_submissions_is_refused(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    (folder / "more").mkdir()
    (folder.parent / "index.html").write_text("<script>", encoding="utf-8")
    os.symlink("/etc", tmp_path / "link")
    said = problems(tmp_path)
    assert "demo/index.html: is no part of a submission" in said
    assert "link: is a link; a submission is a folder" in said
    assert "more: is a folder within a submission" in said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("NaN", "holds the number nan, which is none"),
        ("1e999", "holds the number inf, which is none"),
        ("[" * 90 + "]" * 90, "has tables in one another, more than 20 deep"),
        ('"\\ud800"', "holds control characters or a secret"),
    ],
)
def test_json_that_is_made_to_break_readers_is_refused(
    tmp_path: Path, value: str, said: str
) -> None:
    folder = copied(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    del manifest["sha256"]
    text = json.dumps(manifest).replace('"batches": {', f'"batches": {{"x": {value}, ', 1)
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    assert said in problems(folder)


def test_a_submission_elsewhere_and_a_copy_are_refused(tmp_path: Path) -> None:
    folder = copied(tmp_path)
    shutil.copytree(folder, folder.parent / "mine")
    said = problems(tmp_path)
    assert "lies in the wrong folder; this run is demo/opus_6kbps" in said
    assert "holds the same scores, to the last digit, as" in said
