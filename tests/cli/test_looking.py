"""list, show, doctor and completion as a shell runs them."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from snac_eval.cli import completion
from snac_eval.cli.main import main
from tests.cli.helpers import run_process


@pytest.fixture(scope="module")
def bash_script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("completion") / "snac-eval"
    done = run_process("completion", "bash")
    assert done.returncode == 0, done.stderr
    file.write_text(done.stdout)
    return file


@pytest.fixture
def complete(bash_script: Path) -> Callable[..., list[str]]:
    """What bash offers for the last of these words, by the function that the script registers."""

    def offered(*words: str) -> list[str]:
        code = (
            'source "$1"; shift\n'
            'spec=$(complete -p snac-eval); function="${spec##*-F }"; function="${function%% *}"\n'
            'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}\n'
            '"$function" snac-eval "${COMP_WORDS[COMP_CWORD]}"\n'
            'printf "%s\\n" "${COMPREPLY[@]}"\n'
        )
        command = ["bash", "-c", code, "bash", str(bash_script), "snac-eval", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return done.stdout.split()

    return offered


def test_bash_takes_the_script(bash_script: Path) -> None:
    subprocess.run(["bash", "-n", str(bash_script)], check=True)


def test_bash_completes_commands_flags_and_names(
    complete: Callable[..., list[str]], tmp_path: Path
) -> None:
    assert complete("completi") == ["completion"]
    assert complete("run", "--model", "opus_1") == ["opus_12kbps"]
    assert complete("run", "--dataset", "lib") == ["librispeech", "libritts"]
    assert complete("run", "--metrics", "pesq") == ["pesq_nb", "pesq_wb", "pesq_wb_c2"]
    assert complete("run", "--metrics", "stoi,pesq_w") == ["stoi,pesq_wb", "stoi,pesq_wb_c2"]
    assert complete("show", "visqol_a") == ["visqol_audio"]
    assert complete("encode", "opus_1") == ["opus_12kbps"]
    assert complete("env", "create", "war") == ["warpq"]
    assert "--max-error-rate" in complete("run", "--max")
    assert complete("list", "me") == ["metrics"]
    (tmp_path / "runs_of_mine").mkdir()
    assert complete("table", f"{tmp_path}/ru") == [f"{tmp_path}/runs_of_mine"]


@pytest.mark.parametrize("shell", ["zsh", "tcsh", "fish"])
def test_other_shells_get_names_too(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "pesq_nb pesq_wb pesq_wb_c2 plcmos" in script
    assert "snac_24khz" in script


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_commands_names_and_lists_of_them(tmp_path: Path) -> None:
    script = tmp_path / "snac-eval.fish"
    script.write_text(run_process("completion", "fish").stdout)
    for typed, offered in (
        ("completi", "completion\tprint a script that completes commands and names in your shell"),
        ("run --metrics stoi,pesq_w", "stoi,pesq_wb\t"),
        ("push run --repo a --sen", "--send\t"),
    ):
        code = f"source {script}; complete -C 'snac-eval {typed}'"
        done = subprocess.run(
            ["fish", "-N", "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stdout.startswith(offered)
        assert done.stderr == ""


def test_names_that_a_shell_could_misread_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["fine_1.5kbps", "$(touch x)", "a b", "x;y", "-flag", "`id`"]
    monkeypatch.setattr("snac_eval.registry.plugins.codec_names", lambda: names)
    known = "snac_eval.environments.known.known_environments"
    monkeypatch.setattr(known, lambda: dict.fromkeys(names))
    for kind in ("codecs", "environments"):
        assert completion._known_names()[kind] == ["fine_1.5kbps"]


def test_a_shell_that_shtab_does_not_know_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shtab.SUPPORTED_SHELLS", ["bash"])
    assert main(["completion", "fish"]) == 2
    assert "pip install --upgrade shtab" in capsys.readouterr().err


def test_help_says_how_to_install_completion(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["completion", "--help"])
    help_text = capsys.readouterr().out
    for shell in completion.SHELLS:
        assert f"snac-eval completion {shell} > " in help_text


def test_lists_import_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from snac_eval.cli.main import main\n"
        "assert main(['list']) == main(['show', 'snac_24khz', 'stoi', 'demo']) == 0\n"
        "heavy = {'torch', 'pandas', 'scipy', 'numba', 'transformers', 'matplotlib', 'shtab'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_the_doctor_outlives_what_is_broken(tmp_path: Path) -> None:
    for name in ("annotated_types", "numpy", "torch"):  # nearly all others need one of them
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('libtorn.so is not there')\n")
    done = run_process("doctor", path=tmp_path, HF_HUB_OFFLINE="1", HF_TOKEN="hf_secret")
    assert done.returncode == 1
    assert "cannot start: RuntimeError: libtorn.so" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "hf_secret" not in done.stdout
    assert "pip install --force-reinstall 'torch>=2.4'" in done.stdout
    assert "needed and broken: versions: annotated-types, versions: " in done.stdout
    broken = next(line for line in done.stdout.splitlines() if line.startswith("! torch"))
    assert "cannot be imported" in broken
    other = run_process("list", path=tmp_path)
    assert other.returncode == 70
    assert other.stderr.count("\n") == 1


def test_the_doctor_reports_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Importing every package takes seconds; the test before this one does it.
    monkeypatch.setattr("snac_eval.doctor.examination._modules", lambda _: ["json"])
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert main(["doctor", "--format", "json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["works"] is True
    sections = {one["section"] for one in content["findings"]}
    assert {"versions", "extras", "machine", "places", "hub"} <= sections


def test_a_package_that_cannot_be_imported_is_no_internal_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def listing(*_: object) -> None:
        importlib.import_module("a_package_that_is_absent")

    monkeypatch.setattr("snac_eval.cli.list._list", listing)
    assert main(["list"]) == 2
    said = capsys.readouterr().err
    assert "No module named 'a_package_that_is_absent'; snac-eval doctor says" in said
    assert said.count("\n") == 1
