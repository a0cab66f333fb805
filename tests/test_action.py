"""action.yml, step by step as GitHub takes it: its own steps run, those of others are looked at."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
SMALL = {
    "dataset": "demo",
    "metrics": "mel_dac_paper",
    "args": "--limit 4 --excerpt 1 --no-html --workers 0 --label 'A name'",
}


class Runner:
    """A machine that takes the steps of the action."""

    def __init__(self, folder: Path, api: str = "http://127.0.0.1:9") -> None:
        self.folder, self.outputs, self.used = folder, {}, []  # type: ignore[var-annotated]
        programs = folder / "temp" / "snac-eval-environment" / "bin"
        programs.mkdir(parents=True)
        (programs / "snac-eval").symlink_to(BIN / "snac-eval")
        (programs / "python").write_text(
            f'#!/bin/sh\n[ "$2" != pip ] || exec echo "$@" >> {folder}/pip\n'
            f'exec {sys.executable} "$@"\n'
        )
        (programs / "python").chmod(0o755)
        (folder / "event").write_text(json.dumps({"pull_request": {"number": 7}}))
        self.environment = {
            **{key: value for key, value in os.environ.items() if key != "SNAC_EVAL_CACHE"},
            "HOME": str(folder),
            "RUNNER_TEMP": str(folder / "temp"),
            "RUNNER_OS": "Linux",
            "RUNNER_ARCH": "X64",
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
            "GITHUB_EVENT_PATH": str(folder / "event"),
            "GITHUB_API_URL": api,
            "GITHUB_SERVER_URL": "https://github.example",
            "GITHUB_REPOSITORY": "o/r",
            "GITHUB_RUN_ID": "5",
            "OMP_NUM_THREADS": "1",
        }

    def take(self, **inputs: str) -> subprocess.CompletedProcess[str]:
        """All steps, until one fails; the last one's end with what all of them printed."""
        self.inputs = {key: one.get("default", "") for key, one in ACTION["inputs"].items()}
        self.inputs |= {key.replace("_", "-"): value for key, value in inputs.items()}
        self.inputs["token"] = "secret"
        printed = ""
        for step in ACTION["runs"]["steps"]:
            if "uses" in step:
                self.used.append({key: self._filled(value) for key, value in step["with"].items()})
                continue
            if (
                "inputs.comment == 'true'" in step.get("if", "")
                and self.inputs["comment"] != "true"
            ):
                continue
            done = self._run(step)
            printed += done.stdout + done.stderr
            if done.returncode:
                break
        return subprocess.CompletedProcess(done.args, done.returncode, printed)

    def _run(self, step: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        output = self.folder / "output"
        output.write_text("")
        given = {key: self._filled(value) for key, value in step["env"].items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.folder,
            env={**self.environment, **given, "GITHUB_OUTPUT": str(output)},
            capture_output=True,
            text=True,
            check=False,
        )
        pairs = [line.split("=", 1) for line in output.read_text().splitlines()]
        self.outputs[step.get("id", "")] = dict(pairs)  # type: ignore[arg-type]
        return done

    def _filled(self, text: str) -> str:
        def value(found: re.Match[str]) -> str:
            kind, name, *rest = found[1].split(".")
            return self.inputs[name] if kind == "inputs" else self.outputs[name][rest[1]]

        return re.sub(r"\$\{\{ (\S+) \}\}", value, text)

    @property
    def result(self) -> dict[str, str]:
        """The outputs of the action."""
        return {key: self._filled(one["value"]) for key, one in ACTION["outputs"].items()
                if one["value"].split(".")[-1].rstrip(" }") in self.outputs["check"]}  # fmt: skip


class _GitHub(BaseHTTPRequestHandler):
    """Issues' comments, as much of them as is asked for."""

    comments: dict[int, str]
    status = 200

    def do_GET(self) -> None:
        assert self.path == "/repos/o/r/issues/7/comments?per_page=100&page=1"
        self._answer([{"id": key, "body": text} for key, text in self.comments.items()])

    def do_POST(self) -> None:
        assert self.path == "/repos/o/r/issues/7/comments"
        self._keep(len(self.comments) + 1)

    def do_PATCH(self) -> None:
        self._keep(int(self.path.removeprefix("/repos/o/r/issues/comments/")))

    def _keep(self, number: int) -> None:
        assert self.headers["Authorization"] == "Bearer secret"
        text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
        if self.status == 200:
            self.comments[number] = text
        self._answer({"html_url": f"https://github.example/o/r/pull/7#{number}"})

    def _answer(self, content: Any) -> None:  # noqa: ANN401 - JSON
        body = json.dumps(content).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def github() -> Iterator[tuple[str, type[_GitHub]]]:
    handler = type("GitHub", (_GitHub,), {"comments": {1: "someone else's"}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", handler
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory, github: tuple[str, type[_GitHub]]) -> Runner:
    """One that has taken the action once, without a baseline."""
    one = Runner(tmp_path_factory.mktemp("runner"), github[0])
    done = one.take(model="opus_12kbps", requirements="-r 'my reqs.txt'", **SMALL)
    assert done.returncode == 0, done.stdout
    return one


def test_a_run_is_made_commented_and_kept(
    runner: Runner, github: tuple[str, type[_GitHub]]
) -> None:
    assert (runner.result["verdict"], runner.result["exit-code"]) == ("none", "0")
    assert "4 clips; mean over clips" in github[1].comments[2]
    torch, rest = (runner.folder / "pip").read_text().splitlines()[1:3]
    assert torch.endswith(f"--no-deps torch -c {ROOT}/constraints.txt")
    assert rest.endswith(f"{ROOT} -c {ROOT}/constraints.txt -r my reqs.txt")
    environment, weights, kept = runner.used[1:]
    assert environment["path"] == str(runner.folder / "temp" / "snac-eval-environment")
    assert weights["path"].split() == [
        str(runner.folder / ".cache/huggingface/hub"),
        str(runner.folder / ".cache/snac-eval"),
    ]
    assert kept["path"].split()[0] == runner.outputs["check"]["folder"]


def test_gitlabs_job_does_the_same(runner: Runner, tmp_path: Path) -> None:
    job = yaml.safe_load((ROOT / "docs/recipes/gitlab.yml").read_text("utf-8"))["codec-quality"]
    folder = Path(runner.outputs["check"]["folder"])
    shutil.copytree(folder / "run", tmp_path / "codec-quality" / "run")
    shutil.copy(folder / "baseline.json", tmp_path)
    (tmp_path / "pip").write_text('#!/bin/sh\necho "$@" >> pip.txt\n')
    (tmp_path / "pip").chmod(0o755)
    given = {"MODEL": "opus_12kbps", "DATASET": "demo", "METRICS": "mel_dac_paper"}
    given |= {"RUN_FLAGS": "--limit 4 --excerpt 1 --no-html --workers 0 --label=A"}
    surroundings = {**os.environ, **job["variables"], **given, "OMP_NUM_THREADS": "1"}
    surroundings |= {"PATH": f"{tmp_path}:{BIN}:{os.environ['PATH']}"}
    script = "\n".join([*job["before_script"], *job["script"]])
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=tmp_path,
        env=surroundings,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "passed" in (tmp_path / "codec-quality" / "gate.md").read_text()
    for path in (*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]):
        assert (tmp_path / path).exists() or path.endswith("report.html"), path
    assert (tmp_path / "pip.txt").read_text().splitlines()[-1] == "install --quiet snac-eval"


def test_what_fell_is_said_in_the_same_comment(
    runner: Runner, github: tuple[str, type[_GitHub]]
) -> None:
    folder, environment = Path(runner.outputs["check"]["folder"]), runner.used[1]
    better = json.loads((folder / "baseline.json").read_text())
    scores = better["metrics"]["mel_dac_paper"]["scores"]
    (runner.folder / "kept.json").write_text(
        json.dumps(better).replace(json.dumps(scores), json.dumps(dict.fromkeys(scores, 0.5)))
    )
    runner.used.clear()
    again = runner.take(model="opus_12kbps", baseline="kept.json", **SMALL)
    assert again.returncode == int(runner.result["exit-code"]) != 0
    assert runner.result["verdict"] in ("regression", "unknown")
    assert list(github[1].comments) == [1, 2]
    assert "snac-eval check" in github[1].comments[2]
    report = Path(runner.result["report"]).read_text()
    assert report in (runner.folder / "summary").read_text()
    assert (folder / "gate.xml").exists()
    assert runner.used[1]["key"] != environment["key"]


def test_what_goes_wrong_is_said_on_the_pull_request(
    tmp_path: Path, github: tuple[str, type[_GitHub]]
) -> None:
    address, handler = github
    handler.comments.pop(2, None)
    done = Runner(tmp_path, address).take(model="nosuch$(touch hacked)", fail_on="nothing")
    assert done.returncode == 2
    assert "::error::snac-eval run ended with exit code 2" in done.stdout
    assert "nosuch$(touch hacked)" in handler.comments[2]
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"name": "a b"}, "name 'a b': give letters"),
        ({"fail_on": "never"}, "fail-on 'never': give any, regression or nothing"),
        ({"requirements": "'"}, "cannot be split into words"),
        ({"working_directory": "nowhere"}, "working-directory: no such folder"),
    ],
    ids=["name", "fail-on", "quotes", "folder"],
)
def test_wrong_inputs_are_one_line(tmp_path: Path, inputs: dict[str, str], said: str) -> None:
    done = Runner(tmp_path).take(model="opus_12kbps", **inputs)
    assert done.returncode == 2
    (line,) = [one for one in done.stdout.splitlines() if one.startswith("::error::")]
    assert said in line


@pytest.mark.parametrize(
    ("fail_on", "ends"),
    [("any", [0, 1, 2, 3]), ("regression", [0, 1, 2, 0]), ("nothing", [0, 0, 2, 0])],
)
def test_who_calls_decides_what_fails(fail_on: str, ends: list[int]) -> None:
    script = ROOT / ".github" / "action" / "action.sh"
    for code, end in enumerate(ends):
        given = {"RUNNER_TEMP": "/tmp", "INPUT_FAIL_ON": fail_on, "INPUT_EXIT_CODE": str(code)}
        done = subprocess.run(["bash", script, "finish"], env={**os.environ, **given}, check=False)
        assert done.returncode == end


def test_a_comment_that_may_not_be_written_is_a_notice(
    tmp_path: Path, github: tuple[str, type[_GitHub]]
) -> None:
    address, handler = github
    runner = Runner(tmp_path, address)
    handler.comments.pop(2, None)
    report = tmp_path / "report.md"
    report.write_text("line\n" * 20_000)
    handler.status = 403
    assert "::notice::no comment" in _comment(runner, report)
    handler.status = 500
    assert "::warning::no comment" in _comment(runner, report)
    handler.status = 200
    assert "commented" in _comment(runner, report)
    assert len(handler.comments[2]) < 65_536
    assert "/o/r/actions/runs/5#artifacts" in handler.comments[2]
    (tmp_path / "event").write_text("{}")
    assert _comment(runner, report) == "no pull request, so no comment\n"


def _comment(runner: Runner, report: Path) -> str:
    command = [sys.executable, ROOT / ".github" / "action" / "comment.py", report, "--name", "x"]
    surroundings = {**runner.environment, "INPUT_TOKEN": "secret"}
    return subprocess.run(
        command, env=surroundings, capture_output=True, text=True, check=True
    ).stdout
