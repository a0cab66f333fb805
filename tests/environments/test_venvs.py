"""``snac-eval env``: environments are made by pip whole or not at all, listed and removed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from snac_eval.cli.main import main
from snac_eval.environments import venvs
from snac_eval.environments.known import KnownEnvironment, environment_meant, known_environments
from snac_eval.environments.venvs import MAKING, Making, create, made_names, remove
from snac_eval.errors import SnacEvalError, UnknownNameError, UsageError
from snac_eval.registry import extras, plugins
from snac_eval.registry.environments import FOLDER_VARIABLE, RECORD, interpreter_of, python_of
from snac_eval.types import Environment
from tests.environments.made import hand_made, numpy_wheel, wheel

_CARD = """
name = "{name}"
family = "mimi"
description = "a codec"
sample_rate = 16000
environment = "tiny"
requirements = {requirements}
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "environments"))
    return tmp_path / "environments"


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    """A folder of cards with one codec that has an environment."""
    (tmp_path / "cards" / "codecs").mkdir(parents=True)
    write_card(tmp_path / "cards", ["tiny==1.0", "--no-deps loose"])
    return tmp_path / "cards"


def write_card(cards: Path, requirements: Sequence[str], name: str = "odd_codec") -> None:
    text = _CARD.format(name=name, requirements=json.dumps(requirements))
    (cards / "codecs" / f"{name}.toml").write_text(text)


def listed(cards: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main(["env", "list", "--format", "json", "--cards", str(cards)]) == 0
    return {one["name"]: one for one in json.loads(capsys.readouterr().out)}


def test_pip_makes_it_and_what_fails_later_changes_nothing(
    root: Path, cards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    numpy_wheel(wheels)
    wheel(wheels, "tiny", "1.0", {"tiny.py": "NUMBER = 7\n"})
    wheel(wheels, "loose", "2.0", {"loose.py": ""}, needs="what-nobody-has")
    words = ["env", "create", "odd_codec", "--cards", str(cards), "--quiet"]
    words += ["--pip-arg=--no-index", f"--pip-arg=--find-links={wheels}"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"environment tiny: ready, Python 3.{_minor()}")
    assert f"NumPy {version('numpy')}" in said
    one = listed(cards, capsys)["tiny"]
    assert (one["state"], one["codecs"]) == ("ready", ["odd_codec"])
    assert one["requirements"] == ["tiny==1.0", "--no-deps loose"]
    assert {"tiny": "1.0", "loose": "2.0"}.items() <= one["packages"].items()
    assert one["interpreter"] == interpreter_of(plugins.codec_card("odd_codec", [cards]))

    assert main(words) == 0
    assert "there already" in capsys.readouterr().err
    write_card(cards, ["tiny==3.0"])
    before = (root / "tiny" / RECORD).read_text()
    assert main(words) == 2
    reason = "environment tiny: pip: No matching distribution found for tiny==3.0; nothing was kept"
    assert capsys.readouterr().err == f"snac-eval: {reason}\n"
    assert (root / "tiny" / RECORD).read_text() == before
    assert listed(cards, capsys)["tiny"]["state"] == "outdated"
    assert sorted(one.name for one in root.iterdir()) == [".tiny.lock", "tiny"]


def _minor() -> str:
    import sys

    return str(sys.version_info.minor)


def test_whoever_was_killed_left_what_was_there_before(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise SnacEvalError("no more")

    monkeypatch.setattr(venvs, "_make", fail)
    known = KnownEnvironment(Environment("tiny", ("tiny",)))
    old = hand_made(root, "tiny")
    old.rename(root / ".tiny.before")
    old.mkdir()
    (old / MAKING).touch()
    assert (made_names(), python_of("tiny")) == (["tiny"], None)
    with pytest.raises(SnacEvalError, match="no more"):
        create(known, Making(overwrite=True))
    assert python_of("tiny") is not None
    assert not create(known, Making())
    with pytest.raises(SnacEvalError, match="no more"):
        create(replace(known, environment=Environment("new", ("tiny",))), Making())
    assert made_names() == ["tiny"]


def test_only_our_own_are_removed(root: Path) -> None:
    hand_made(root, "tiny")
    (root / "foreign").mkdir()
    for name, reason in {
        "foreign": "was not made by snac-eval",
        "tinny": "did you mean 'tiny'?",
        "../environments/tiny": "there is no environment",
    }.items():
        with pytest.raises(UsageError, match=reason):
            remove(name)
    remove("tiny")
    assert [one.name for one in root.iterdir() if one.is_dir()] == ["foreign"]
    with pytest.raises(UsageError, match="was not made by snac-eval; move it away"):
        create(KnownEnvironment(Environment("foreign", ("tiny",))), Making())


def test_names_lead_to_environments(root: Path, cards: Path) -> None:
    for name in ("odd_codec@k=2", "mimi"):
        assert environment_meant(name, [cards]).environment.name == "tiny"
    known = environment_meant("squim_pesq")
    assert known.metrics == ("squim_pesq", "squim_si_sdr", "squim_stoi")
    assert environment_meant("tiny", [cards]).together == ("tiny==1.0", "numpy")
    assert environment_meant("tiny", [cards]).alone == ("loose",)
    with pytest.raises(UnknownNameError, match="did you mean 'warpq'"):
        environment_meant("warpk")
    with pytest.raises(UsageError, match="'opus_6kbps' runs in this interpreter"):
        environment_meant("opus_6kbps")


def test_requirements_that_cannot_be_are_told(root: Path, cards: Path) -> None:
    write_card(cards, ["tiny==2.0"], name="other")
    write_card(cards, ["tiny", "--target=/"], name="bad")
    write_card(cards, [], name="empty")
    for name in ("odd_codec", "other", "bad", "empty"):
        file = cards / "codecs" / f"{name}.toml"
        file.write_text(file.read_text().replace('"tiny"', f'"of-{name}"', 1))
    write_card(cards, ["tiny==1.0"], name="third")
    write_card(cards, ["tiny==4.0"], name="fourth")
    known = known_environments([cards])
    assert (
        "third and fourth" in known["tiny"].problem or "fourth and third" in known["tiny"].problem
    )
    assert "'--target=/' is none" in known["of-bad"].problem
    assert "no card says what it needs" in known["of-empty"].problem
    with pytest.raises(UsageError, match="environment of-bad: its requirement"):
        create(known["of-bad"], Making())


def test_what_has_an_environment_needs_no_extra_once_it_is_made(
    root: Path, cards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> str:
        raise extras.PackageNotFoundError(name)

    monkeypatch.setattr(extras, "version", absent)
    extras._missing.cache_clear()
    card = plugins.codec_card("odd_codec", [cards])
    for state, remedy in (
        (plugins.codec_state(card), plugins.codec_remedy(card)),
        (plugins.metric_state("warpq"), plugins.metric_remedy("warpq")),
    ):
        assert state.startswith("needs environment ")
        assert remedy[0] == f"snac-eval env create {state.rpartition(' ')[2]}"
    with pytest.raises(
        UsageError, match="metric 'warpq' needs an environment of its own: snac-eval env"
    ):
        plugins.require_metric_extra("warpq")
    hand_made(root, "warpq", packages={"warpq": "1.5.2"})
    hand_made(root, "tiny")
    assert plugins.metric_state("warpq") == "ready"
    plugins.require_metric_extra("warpq")
    assert "warpq==1.5.2" in plugins.metric("warpq").info.fingerprint.parts
    assert not any("env create" in one for one in plugins.codec_remedy(card))
    extras._missing.cache_clear()


@pytest.mark.parametrize(
    ("python", "reason"),
    [("/no/such/python", "no such file"), ("/bin/ls", "cannot make an environment")],
)
def test_an_interpreter_that_cannot_make_one_is_told(root: Path, python: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        create(KnownEnvironment(Environment("tiny", ("tiny",))), Making(python))
    assert made_names() == []
