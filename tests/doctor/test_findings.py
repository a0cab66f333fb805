"""The doctor trusts nothing: what cannot be imported, read or reached is a finding."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from snac_eval.doctor import places, selftest
from snac_eval.doctor.examination import report_json, report_text, works
from snac_eval.doctor.findings import Finding, examined
from snac_eval.doctor.machine import machine_findings
from snac_eval.doctor.packages import (
    Imports,
    Wanted,
    core_findings,
    extra_findings,
    imported,
    module_of,
    problem,
    wanted_packages,
)
from snac_eval.doctor.places import hub_findings, place_findings, variable_findings
from snac_eval.doctor.selftest import self_test_findings
from tests.hub_server import serve_hub


def test_what_a_section_raises_is_a_finding_and_the_others_go_on() -> None:
    def half() -> Iterator[Finding]:
        yield Finding("a", "first", "1")
        raise RuntimeError("torn\x1b[31m at https://me:word@host/x?token=abc")

    last = [Finding("b", "last", "2")]
    found = examined([("a", half), ("b", lambda: last)])
    assert [one.name for one in found] == ["first", "examination", "last"]
    assert found[1].status == "broken"
    said = found[1].value
    assert "RuntimeError: torn\\x1b[31m at https://***@host/x?token=***" in said
    assert "test_findings.py" in said
    assert not works(found)


def test_imports_that_fail_and_imports_that_end_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "mute": "print('not ours')",
        "torn": "raise OSError('libx.so.1: no such file')",
        "deadly": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        "leaving": "raise SystemExit(0)",
    }
    for name, text in files.items():
        (tmp_path / f"snac_{name}.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    wanted = [f"snac_{name}" for name in files]
    errors = imported([*wanted, "json"]).errors
    assert errors == {
        "snac_mute": "",
        "snac_torn": "OSError: libx.so.1: no such file",
        "snac_deadly": "the import ended Python (exit code -9)",
        "snac_leaving": "SystemExit: 0",
        "json": "",
    }


def test_packages_are_those_of_the_metadata() -> None:
    wanted = set(wanted_packages())
    by_extra = {(one.package, one.extra) for one in wanted}
    assert {
        ("torch", ""),
        ("jiwer", "wer"),
        ("transformers", "wer"),
        ("warpq", "warpq"),
    } <= by_extra
    assert not {extra for _, extra in by_extra} & {"dev", "all"}
    visqol = next(one for one in wanted if one.package == "visqol-python")
    assert visqol.command == "pip install 'visqol-python[accel,lattice]>=3.8'"
    alone = {one.command for one in wanted if one.extra == "audiobox"}
    assert alone == {"pip install --no-deps 'audiobox-aesthetics>=0.0.4'"}
    assert module_of("pillow") == "PIL"
    assert module_of("huggingface-hub") == "huggingface_hub"
    assert module_of("pesq") == "pesq"
    assert module_of("distillmos") == "snac_eval.metrics._distillmos"


def test_missing_old_and_broken_packages_are_told_apart() -> None:
    absent = Wanted("snac-eval-no-such-package", ">=1", "snac-eval-no-such-package>=1")
    old = Wanted("numpy", ">=1000", "numpy>=1000")
    torn = Wanted("numpy", ">=1", "numpy>=1")
    assert problem(absent) == ("", "not installed")
    assert problem(old)[1] == "needs >=1000"
    assert problem(torn)[1] == ""
    imports = Imports({"numpy": "ImportError: libblas"})
    found = list(core_findings([absent, old, torn], imports))
    assert [one.status for one in found] == ["absent", "absent", "broken"]
    assert all(one.fails for one in found)
    assert "installed, but cannot be imported: ImportError: libblas" in found[2].value
    assert found[2].remedy == "pip install --force-reinstall 'numpy>=1'"
    assert not any(one.fails for one in core_findings([torn], Imports()))


def test_an_extra_that_is_broken_is_no_failure_of_what_is_needed() -> None:
    torn = Wanted("numpy", ">=1", "numpy>=1", "fast")
    absent = Wanted("snac-eval-no-such-package", "", "snac-eval-no-such-package", "slow")
    imports = Imports({"numpy": "ImportError: libblas"})
    fast, slow = extra_findings([torn, absent], imports, {})
    assert (fast.name, fast.status, fast.fails) == ("fast", "broken", False)
    assert (slow.name, slow.status, slow.fails) == ("slow", "absent", False)
    assert slow.remedy == "pip install 'snac-eval[slow]'"
    text = report_text([fast, slow], 60)
    assert "all that is needed works" in text
    assert "! fast" in text
    assert "- slow" in text
    assert "-> pip install 'snac-eval[slow]'" in text


def test_gpus_as_torch_sees_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def gpus(devices: dict[str, object], driver: bool = False) -> list[Finding]:
        monkeypatch.setattr("snac_eval.doctor.machine._has_driver", lambda: driver)
        return [one for one in machine_findings(devices) if one.name == "GPU"]

    none = {"cuda_build": "", "cuda": False, "mps": False, "gpus": []}
    assert [one.status for one in gpus(none)] == ["absent"]
    (one,) = gpus(none, driver=True)
    assert (one.status, one.fails) == ("broken", False)
    assert "without CUDA" in one.value
    (one,) = gpus({**none, "cuda_build": "12.8"}, driver=True)
    assert "finds no device" in one.value
    there = {**none, "cuda_build": "12.8", "cuda": True, "gpus": ["H100, 80 GiB"], "works": True}
    (one,) = gpus(there)
    assert (one.status, one.value) == ("ok", "H100, 80 GiB; torch built for CUDA 12.8")
    assert gpus({}) == []


def test_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "x").write_bytes(b"0" * (1 << 24))
    monkeypatch.setenv("SNAC_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "a" / "b"))
    found = {one.name: one for one in place_findings()}
    assert found["cache"].value.startswith(f"{tmp_path}/cache: 0.02 GiB, ")
    assert "not there yet" in found["hub cache"].value
    assert all(one.status == "ok" for one in found.values())
    (tmp_path / "a").write_text("a file where a folder is to be")
    found = {one.name: one for one in place_findings()}
    assert found["hub cache"].fails
    assert found["hub cache"].remedy == "set HF_HOME to a folder of yours"


def _hub() -> dict[str, Finding]:
    return {one.name: one for one in examined([("hub", hub_findings)])}


def test_the_hub_is_asked_once_and_briefly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constants = "huggingface_hub.constants"
    monkeypatch.setattr(f"{constants}.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serve_hub("owner/name", tmp_path) as endpoint:
        monkeypatch.setattr(f"{constants}.ENDPOINT", endpoint)
        assert _hub()["reachable"].value == "yes"
    monkeypatch.setattr(f"{constants}.ENDPOINT", "http://me:word@127.0.0.1:9")
    found = _hub()
    assert (found["reachable"].status, found["reachable"].fails) == ("absent", False)
    assert "HF_ENDPOINT" in found["reachable"].remedy
    assert found["token"].value == "set"
    assert not {"hf_secret", "word"} & set(report_json(list(found.values())).split())
    assert found["endpoint"].value == "http://***@127.0.0.1:9"
    monkeypatch.setattr(f"{constants}.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in _hub()["reachable"].value


def test_a_hub_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(places, "_HUB_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        problem = places._reach(f"http://127.0.0.1:{port}")
    assert "no answer" in problem or "timed out" in problem


def test_variables_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "HF_TOKEN": "hf_secret1",
        "HTTPS_PROXY": "me:secret2@proxy:3128",
        "HTTP_PROXY": "http://me:secret3@proxy",
        "HF_ENDPOINT": "https://mirror/?token=secret4",
        "SNAC_EVAL_API_KEY": "secret5",
        "UNRELATED": "secret6",
    }.items():
        monkeypatch.setenv(name, value)
    found = examined([("variables", variable_findings)])
    text = report_text(found, 80)
    assert "secret" not in text.replace("secrets", "")
    assert {"HF_TOKEN", "HTTPS_PROXY", "SNAC_EVAL_API_KEY"} <= {one.name for one in found}
    assert "***@proxy:3128" in text


def test_the_self_test_tells_of_each_metric() -> None:
    cheap = ["--metrics", "bitrate,si_sdr"]
    found = {one.name: one for one in self_test_findings("pcm_8bit", cheap)}
    assert found["pcm_8bit"].status == "ok"
    assert found["si_sdr"].status == "ok"
    assert found["bitrate"].value.endswith("on 4 clips")
    (one,) = self_test_findings("no_such_codec", cheap)
    assert one.fails
    assert "unknown codec 'no_such_codec'" in one.value


def test_a_metric_without_a_value_is_broken(tmp_path: Path) -> None:
    rows = "metric,n_ok,n_error,mean\ngood,2,0,1.23456\nnone,0,0,\nsome,1,1,2\n"
    (tmp_path / "summary.csv").write_text(rows)
    good, none, some = selftest._metrics(tmp_path / "summary.csv")
    assert (good.status, good.value) == ("ok", "1.235 on 2 clips")
    assert (none.status, none.value) == ("broken", "no value on 0 clips")
    assert (some.status, some.value) == ("broken", "2 on 1 clips, 1 failed")


def test_json_for_bug_reports() -> None:
    content = json.loads(report_json([Finding("a", "b", "c", "broken", remedy="mend")]))
    assert content == {
        "works": False,
        "findings": [
            {
                "section": "a",
                "name": "b",
                "value": "c",
                "status": "broken",
                "needed": True,
                "remedy": "mend",
            }
        ],
    }
