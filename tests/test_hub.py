"""Weights come from a folder, the hub or its cache; what cannot be had is one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from snac_eval import hub
from snac_eval.errors import WeightsUnavailable
from snac_eval.hub import HubModel, find_weights
from snac_eval.hub import repository as hub_repository
from tests.hub_server import serve_hub


def ask(expression: str, cache: Path, **environment: str) -> str:
    """What an expression over :mod:`snac_eval.hub` gives in a fresh process: the hub's client reads
    its settings when it is imported."""
    code = (
        "from snac_eval import hub\n"
        "from snac_eval.errors import SnacEvalError\n"
        f"try:\n    print('FOUND', {expression})\n"
        "except SnacEvalError as error:\n    print('ERROR', error)\n"
    )
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, "HF_HOME": str(cache), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    return done.stdout.strip()


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """Files of a repository as published, both forms of the weights among them."""
    folder = tmp_path / "served"
    folder.mkdir()
    for name in ("config.json", "vocab.txt", "model.safetensors", "pytorch_model.bin", "a.onnx"):
        (folder / name).write_text(f'{{"name": "{name}"}}')
    return folder


CODEC = "hub.find_weights('owner/tiny').weights"
NAMES = (
    "[sorted(file.name for file in hub.find_weights('owner/tiny', None, beside).weights.parent"
    ".iterdir()) for beside in ((), ('vocab.txt',))]"
)
METRIC = "hub.HubModel('owner/tiny', 'TINY_WEIGHTS').folder"


def test_hub_then_cache_then_a_clear_error(served: Path, tmp_path: Path) -> None:
    with serve_hub("owner/tiny", served) as endpoint:
        online = ask(CODEC, tmp_path / "cache", HF_ENDPOINT=endpoint)
    assert online.startswith("FOUND")
    # The server is gone: the cache answers, asked to or not.
    assert ask(CODEC, tmp_path / "cache", HF_HUB_OFFLINE="1") == online
    assert ask(CODEC, tmp_path / "cache", HF_ENDPOINT=endpoint) == online
    offline = ask(CODEC, tmp_path / "empty", HF_HUB_OFFLINE="1")
    gone = ask(CODEC, tmp_path / "empty", HF_ENDPOINT=endpoint)
    for lost, reason in ((offline, "HF_HUB_OFFLINE is set"), (gone, f"{endpoint} cannot be")):
        assert lost.startswith("ERROR cannot get ")
        assert "\n" not in lost
        assert reason in lost
        for way_out in ("--weights DIR", "HF_HOME", "HF_ENDPOINT", "snac_16khz_mini"):
            assert way_out in lost


def test_one_form_of_the_weights_is_fetched_and_small_files_with_it(
    served: Path, tmp_path: Path
) -> None:
    with serve_hub("owner/tiny", served) as endpoint:
        folder = ask(METRIC, tmp_path / "metric", HF_ENDPOINT=endpoint)
        codec = ask(NAMES, tmp_path / "codec", HF_ENDPOINT=endpoint)
    names = sorted(path.name for path in Path(folder.removeprefix("FOUND ")).iterdir())
    assert names == ["config.json", "model.safetensors", "vocab.txt"]
    plain = ["config.json", "model.safetensors"]
    assert codec == f"FOUND {[plain, [*plain, 'vocab.txt']]}"


def test_older_weights_are_taken_where_there_are_no_others(served: Path, tmp_path: Path) -> None:
    (served / "model.safetensors").unlink()
    with serve_hub("owner/tiny", served) as endpoint:
        found = ask(CODEC, tmp_path / "cache", HF_ENDPOINT=endpoint)
    expected = (served / "pytorch_model.bin").read_bytes()
    assert Path(found.removeprefix("FOUND ")).read_bytes() == expected
    assert ask(CODEC, tmp_path / "cache", HF_HUB_OFFLINE="1") == found


def test_a_repository_without_weights_is_no_model(served: Path, tmp_path: Path) -> None:
    for name in hub.WEIGHT_FILES:
        (served / name).unlink()
    with serve_hub("owner/tiny", served) as endpoint:
        lost = ask(CODEC, tmp_path / "cache", HF_ENDPOINT=endpoint)
    assert lost.startswith("ERROR cannot get pytorch_model.bin of 'owner/tiny'")


def test_the_lists_know_what_the_cache_holds(served: Path, tmp_path: Path) -> None:
    state = "hub.HubModel('owner/tiny', 'TINY_WEIGHTS').state or 'ready'"
    assert ask(state, tmp_path / "cache", HF_HUB_OFFLINE="1") == "FOUND needs weights (hub)"
    lost = ask(METRIC, tmp_path / "cache", HF_HUB_OFFLINE="1")
    assert all(way_out in lost for way_out in ("TINY_WEIGHTS", "HF_HOME", "HF_ENDPOINT"))
    with serve_hub("owner/tiny", served) as endpoint:
        ask(METRIC, tmp_path / "cache", HF_ENDPOINT=endpoint)
    assert ask(state, tmp_path / "cache", HF_HUB_OFFLINE="1") == "FOUND ready"


def test_folder_without_weights_and_unknown_names(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(WeightsUnavailable, match="neither model"):
        find_weights(tmp_path)
    for name in ("./nowhere", "nowhere", "opus_6kbps"):
        with pytest.raises(WeightsUnavailable, match="no hub repository"):
            find_weights(name)


def test_the_only_weights_of_another_name_are_taken(tmp_path: Path) -> None:
    (tmp_path / "snac.pt").touch()
    assert find_weights(tmp_path).weights == tmp_path / "snac.pt"
    (tmp_path / "old.ckpt").touch()
    with pytest.raises(WeightsUnavailable, match=r"only the one meant of old\.ckpt, snac\.pt"):
        find_weights(tmp_path)
    (tmp_path / "pytorch_model.bin").touch()
    assert find_weights(tmp_path).weights == tmp_path / "pytorch_model.bin"


def test_a_folder_that_the_user_named_must_hold_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY_WEIGHTS", str(tmp_path))
    model = HubModel("owner/name", "TINY_WEIGHTS")
    assert model.digest == "absent"
    with pytest.raises(WeightsUnavailable, match=r"holds neither .* \(see TINY_WEIGHTS\)"):
        _ = model.folder
    (tmp_path / "model.safetensors").touch()
    assert model.folder == tmp_path
    assert model.digest == "e3b0c44298fc1c14"


def test_a_model_is_taken_at_its_revision_with_weights_of_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    model = HubModel("owner/name", "TINY_WEIGHTS", revision="a" * 40, files=("net.pt",))
    assert model.remedy[0] == f"hf download owner/name --revision {'a' * 40}"
    for commit in ("b" * 40, "a" * 40):
        assert model.state == hub.NEEDS_WEIGHTS
        weights = tmp_path / "models--owner--name" / "snapshots" / commit / "net.pt"
        weights.parent.mkdir(parents=True)
        weights.write_bytes(commit.encode())
    assert model.state == ""
    assert model.weights == weights


def test_published_names_are_taken_at_the_revision_of_their_card(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    monkeypatch.setattr(
        hub_repository.Repository, "files", lambda one: asked.append((one.name, one.revision))
    )
    find_weights("snac_24khz")
    find_weights("snac_24khz", "main")
    find_weights("owner/model")
    pin = "d73ad176a12188fcf4f360ba3bf2c2fbbe8f58ec"
    repository = "hubertsiuzdak/snac_24khz"
    assert asked == [(repository, pin), (repository, "main"), ("owner/model", None)]


BROKEN = ("<html>Sign in to the network</html>", '{"sampling_rate": 24')


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_configuration_is_not_kept(served: Path, tmp_path: Path, text: str) -> None:
    whole = (served / "config.json").read_text()
    (served / "config.json").write_text(text)
    with serve_hub("owner/tiny", served) as endpoint:
        lost = ask(CODEC, tmp_path / "cache", HF_ENDPOINT=endpoint)
        assert lost.startswith("ERROR cannot get config.json of 'owner/tiny'")
        assert "what came as config.json is not JSON; it was not kept" in lost
        assert not list((tmp_path / "cache").rglob("config.json"))
        (served / "config.json").write_text(whole)
        assert ask(CODEC, tmp_path / "cache", HF_ENDPOINT=endpoint).startswith("FOUND")


def test_a_configuration_that_a_cache_holds_broken_is_fetched_again(
    served: Path, tmp_path: Path
) -> None:
    with serve_hub("owner/tiny", served) as endpoint:
        found = ask(CODEC, tmp_path / "cache", HF_ENDPOINT=endpoint)
        config = next((tmp_path / "cache").rglob("config.json"))
        config.resolve().write_text("<html>")
        assert ask(CODEC, tmp_path / "cache", HF_ENDPOINT=endpoint) == found
    assert config.read_text() == (served / "config.json").read_text()


def test_a_hub_that_sends_next_to_nothing_is_given_up(served: Path, tmp_path: Path) -> None:
    (served / "config.json").write_text(json.dumps({"name": "x" * 3000}))
    with serve_hub("owner/tiny", served, drip_s=0.05) as endpoint:
        lost = ask(CODEC, tmp_path / "cache", HF_ENDPOINT=endpoint, SNAC_EVAL_NETWORK_TIMEOUT="1")
    assert "bytes came in 1 s, which SNAC_EVAL_NETWORK_TIMEOUT can change" in lost
    assert "\n" not in lost


def test_a_time_limit_that_is_none_is_named(served: Path, tmp_path: Path) -> None:
    with serve_hub("owner/tiny", served) as endpoint:
        lost = ask(CODEC, tmp_path / "c", HF_ENDPOINT=endpoint, SNAC_EVAL_NETWORK_TIMEOUT="soon")
    assert lost == "ERROR SNAC_EVAL_NETWORK_TIMEOUT is 'soon'; give seconds, such as 60"
