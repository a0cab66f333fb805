"""Tolerances: what ships, what overrides it, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from snac_eval.errors import UnknownNameError, UsageError
from snac_eval.metrics.base import DEFAULT_METRICS
from snac_eval.registry import plugins
from snac_eval.results.tolerances import Tolerance, direction, load_tolerances


def test_every_default_metric_that_decides_has_a_tolerance() -> None:
    known = load_tolerances().metrics
    for names in DEFAULT_METRICS.values():
        for name in names:
            info = plugins.metric(name).info
            if info.higher_is_better is not None and info.kind != "corpus":
                assert (name in known) == info.ranked


def test_a_file_and_single_values_override(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        "alpha = 0.01\n[metrics]\nstoi = {relative = 0.02}\n"
        'delay = {absolute = 1, better = "higher"}'
    )
    loaded = load_tolerances(path, ["pesq_wb=0.05", "bitrate=10%"])
    assert loaded.alpha == 0.01
    assert loaded.metrics["stoi"] == Tolerance(0.02, relative=True)
    assert loaded.metrics["pesq_wb"] == Tolerance(0.05)
    assert loaded.metrics["bitrate"] == Tolerance(0.1, relative=True, higher_is_better=False)
    delay, stoi = (plugins.metric(name).info for name in ("delay", "stoi"))
    assert direction(delay, loaded.metrics["delay"]) is True
    assert direction(delay, None) is None
    assert direction(stoi, None) is True
    assert load_tolerances().metrics["si_sdr_aligned"] == loaded.metrics["si_sdr_aligned"]
    assert [str(loaded.metrics[name]) for name in ("pesq_wb", "bitrate")] == ["0.05", "10 %"]


def test_a_relative_tolerance_is_a_ratio() -> None:
    tolerance = Tolerance(0.25, relative=True)
    low, high = tolerance.scale([1.0, 1.25])
    assert high - low == pytest.approx(tolerance.size)


def test_unknown_names_are_refused_with_what_was_meant(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError) as caught:
        load_tolerances(overrides=["pesk_wb=0.1"])
    assert str(caught.value).startswith(
        "--tolerance pesk_wb=0.1: unknown metric 'pesk_wb': did you mean 'pesq_wb'?"
    )
    path = tmp_path / "mine.toml"
    path.write_text("[metrics]\nstoy = {absolute = 1}")
    with pytest.raises(UnknownNameError, match=r"mine\.toml: metrics: .*did you mean 'stoi'"):
        load_tolerances(path)
    loaded = load_tolerances(path, ["token_agreement@n=5=0.1"], more=["stoy"])
    assert loaded.metrics["stoy"] == Tolerance(1)


@pytest.mark.parametrize("text", ["pesq_wb", "pesq_wb=", "=1", "x=-1", "x=0", "x=nan", "x=inf"])
def test_bad_values_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write NAME=VALUE"):
        load_tolerances(overrides=[text])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("alpha = ", "is not valid TOML"),
        ("alpha = 2.0", "'alpha' is 2.0; it should be less than 0.5"),
        ("aplha = 0.1", "unknown key 'aplha'; did you mean 'alpha'?"),
        ("metrics = 1", "'metrics' is 1; it should be a table"),
        ("[metrics]\nx = 1", "'metrics.x' is 1; it should be a table"),
        ("[metrics]\nx = {}", "metrics.x: give either absolute or relative"),
        ("[metrics]\nx = {absolute = 1, relative = 1}", "give either absolute or relative"),
        ("[metrics]\nx = {absolut = 1}", "unknown key 'absolut' in metrics.x; did you mean 'abs"),
        ("[metrics]\nx = {absolute = true}", "'metrics.x.absolute' is True; it should be a number"),
        (
            "[metrics]\nx = {absolute = -1}",
            "'metrics.x.absolute' is -1; it should be greater than 0",
        ),
        ('[metrics]\nx = {absolute = 1, better = "up"}', "better' is 'up'; it should be 'higher'"),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(content)
    with pytest.raises(UsageError) as caught:
        load_tolerances(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.toml: cannot be read: No such file"):
        load_tolerances(tmp_path / "nowhere.toml")
