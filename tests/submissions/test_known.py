"""The list of known fingerprints: complete, and never shorter."""

from __future__ import annotations

from pathlib import Path

from snac_eval.submissions.known import (
    known_file,
    metrics_here,
    misfit,
    read_known,
    with_metrics,
    write_known,
)


def test_every_metric_that_is_ready_here_is_known() -> None:
    known = read_known()
    missing = [
        problem for name, facts in metrics_here().items() if (problem := misfit(name, facts, known))
    ]
    assert missing == [], "python tools/known_metrics.py adds them"


def test_a_new_version_is_added_and_the_old_one_stays(tmp_path: Path) -> None:
    known = read_known()
    newer = {**known["stoi"][0], "fingerprint": ["stoi", "pystoi==9"]}
    found = with_metrics(known, {"stoi": newer})
    assert found["stoi"] == [*known["stoi"], newer]
    write_known(found, tmp_path / "known.json")
    assert read_known(tmp_path / "known.json") == found
    write_known(known, tmp_path / "known.json")
    assert (tmp_path / "known.json").read_bytes() == known_file().read_bytes()


def test_what_a_run_adds_to_a_fingerprint_is_known() -> None:
    known = read_known()
    declared = {**known["bitrate"][0], "fingerprint": ["bitrate", "v=1", "bits=declared"]}
    assert misfit("bitrate", declared, known) == ""
    of_another = {**known["stoi"][0]}
    of_another["fingerprint"] = [*of_another["fingerprint"], "bits=declared"]
    assert "bits=declared against nothing" in misfit("stoi", of_another, known)
