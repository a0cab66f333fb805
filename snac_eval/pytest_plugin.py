"""The pytest fixtures ``codec_gate`` and ``codec_benchmark``: a codec gated in its own tests.

    def test_quality_is_kept(codec_gate, tmp_path):
        snac_eval.evaluate("my_codec", "demo", output=tmp_path / "run", workers=0)
        codec_gate(tmp_path / "run", "tests/baseline.json")

    def test_speed_is_kept(codec_benchmark):
        codec_benchmark("my_codec", "roundtrip", seconds=10)

``pytest --codec-gate-update`` writes baselines instead of failing. ``codec_benchmark`` is
pytest-benchmark's: save a run with ``--benchmark-save``, and fail where a later one is slower with
``--benchmark-compare --benchmark-compare-fail=median:15%``.

Registered under the entry-point group ``pytest11``: pytest loads this module in every session, so
it imports nothing heavy before a fixture is used.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from snac_eval.results.gate import GateResult
    from snac_eval.results.record import Run

UPDATE = "--codec-gate-update"
_UPDATED = "codec_gate_update"
# As snac_eval.bench does by default.
_SECONDS, _ROUNDS = 5.0, 7


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare what accepts new scores."""
    group = parser.getgroup("snac-eval", "quality of codecs")
    group.addoption(
        UPDATE,
        action="store_true",
        help="codec_gate: where a check does not pass, make its run the baseline instead of failing"
        " (not where CI is set)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to accept scores where nobody looks at them."""
    if config.getoption(UPDATE) and os.environ.get("CI", "").lower() not in ("", "0", "false"):
        raise pytest.UsageError(
            f"{UPDATE}: CI is set; accept scores where a person looks at them, and commit the file"
        )


def pytest_terminal_summary(terminalreporter: Any) -> None:  # noqa: ANN401 - pytest gives no type
    """Say which baselines were written, whichever process wrote them."""
    reports = [one for found in terminalreporter.stats.values() for one in found]
    named = [pair for one in reports for pair in getattr(one, "user_properties", ())]
    written = dict.fromkeys(text for key, text in named if key == _UPDATED)
    if written:
        terminalreporter.section("codec_gate")
        for text in written:
            terminalreporter.write_line(text)


class CodecGate:
    """What the fixture ``codec_gate`` gives: call it with a run and a baseline."""

    def __init__(self, request: pytest.FixtureRequest | None = None) -> None:
        self._request = request
        self._update = request is not None and bool(request.config.getoption(UPDATE))

    def __call__(
        self,
        run: str | Path,
        baseline: str | Path,
        metrics: Sequence[str] = (),
        *,
        tolerances: str | Path | None = None,
        tolerance: Sequence[str] = (),
        speed: bool = False,
        allow_missing: bool = False,
        not_known: Literal["fail", "skip", "ignore"] = "fail",
    ) -> GateResult:
        """Fail the test on a regression; return what was found otherwise.

        With ``pytest --codec-gate-update`` a run that does not pass becomes the baseline, which the
        end of the session says. A run that is not finished, lost clips, or lacks a metric of the
        old baseline fails all the same.

        Args:
            run: a run folder.
            baseline: a file that ``snac-eval baseline`` wrote.
            metrics: names; none: all of the baseline.
            tolerances: a TOML file over the built-in tolerances.
            tolerance: single ones, as ``pesq_wb=0.05``.
            speed: gate speeds as well; they need the machine that the baseline was made on.
            allow_missing: let clips of the baseline be absent from the run.
            not_known: what to do where the check is not comparable or inconclusive, or worse on
                these clips alone.

        Raises:
            SnacEvalError: where the run, the baseline or a tolerance cannot be read.
        """
        from snac_eval.reports.checks import accept_command, check_markdown
        from snac_eval.results.baseline import load_baseline
        from snac_eval.results.gate import ExitCode, check
        from snac_eval.results.record import read_run
        from snac_eval.results.tolerances import load_tolerances

        path = None if tolerances is None else Path(tolerances)
        found, file = read_run(Path(run)), Path(baseline)
        limits = load_tolerances(path, tolerance, found.metrics)
        if not file.exists():
            self._make(found, file)
        kept = load_baseline(file, Path(run))
        result = check(found, kept, limits, tuple(metrics), speed, allow_missing)
        if self._update and result.exit_code != ExitCode.PASSED:
            self._accept(result, file)
            return result
        accept = accept_command(result, Path(run), file)
        said = check_markdown(result, f"pytest {UPDATE}, or: {accept}" if accept else "")
        if result.exit_code == ExitCode.REGRESSION:
            pytest.fail(said, pytrace=False)
        if result.exit_code == ExitCode.NOT_KNOWN and not_known == "fail":
            pytest.fail(said, pytrace=False)
        if result.exit_code == ExitCode.NOT_KNOWN and not_known == "skip":
            pytest.skip(result.verdict)
        return result

    def _make(self, run: Run, file: Path) -> None:
        """Make a first baseline where that is asked for, else say how."""
        from snac_eval.errors import StoreError
        from snac_eval.results.baseline import failed_clips, load_baseline

        if not self._update:
            try:
                load_baseline(file, run.folder or Path("RUN"))
            except StoreError as error:
                pytest.fail(f"{error}, or: pytest {UPDATE}", pytrace=False)
        if failed := failed_clips(run):
            pytest.fail(f"{file}: not made: {failed}", pytrace=False)
        self._write(run, file, (), "the first one")

    def _accept(self, result: GateResult, file: Path) -> None:
        from snac_eval.reports.checks import accept_command

        if not accept_command(result, result.run.folder or Path("RUN"), file):
            why = "the run is not finished, lost clips, or lacks metrics of the old one"
            pytest.fail(f"{file}: not written, for {why} ({result.verdict})", pytrace=False)
        self._write(result.run, file, tuple(result.baseline.metrics), result.verdict)

    def _write(self, run: Run, file: Path, metrics: Sequence[str], why: str) -> None:
        from snac_eval.errors import UsageError
        from snac_eval.results.baseline import write_baseline

        try:
            write_baseline(run, file, metrics)
        except UsageError as error:
            pytest.fail(f"{file}: not written: {error}", pytrace=False)
        assert self._request is not None  # nothing else asks for an update
        text = f"wrote {file}: {run.codec} on {run.dataset}, {len(run.clips)} clips ({why})"
        self._request.node.user_properties.append((_UPDATED, text))


@pytest.fixture
def codec_gate(request: pytest.FixtureRequest) -> CodecGate:
    """Compare a run with a baseline, and fail where it has dropped."""
    return CodecGate(request)


class CodecBenchmark:
    """What the fixture ``codec_benchmark`` gives: call it once, with a codec."""

    def __init__(self, benchmark: Any) -> None:  # noqa: ANN401 - pytest-benchmark has no types
        self._benchmark = benchmark

    def __call__(
        self,
        codec: object,
        operation: Literal["encode", "decode", "roundtrip"] = "roundtrip",
        *,
        seconds: float = _SECONDS,
        batch_size: int = 1,
        rounds: int = _ROUNDS,
        seed: int = 0,
        device: str = "auto",
        threads: int = 1,
        weights: str = "",
        cards: Sequence[str | Path] = (),
    ) -> float:
        """Time the codec by the protocol of ``snac-eval bench``: two rounds of warm-up, then
        ``rounds`` timed ones, on seeded synthetic speech.

        Other than a bench's, the rounds are in the process of the tests, and share its memory and
        libraries.

        Args:
            codec: a name, as ``snac-eval run --model`` takes it, or a codec that was made already.
            operation: what to time; ``decode`` decodes codes that were made before.
            seconds: length of each clip.
            batch_size: clips at a time, where the codec takes several.
            rounds: how many are timed.
            seed: of the audio.
            device: auto, cpu, cuda or mps; of a codec that has a name.
            threads: CPU threads of such a codec.
            weights: folder of such a codec's weights.
            cards: folders of own cards.

        Returns:
            The real-time factor: the median's seconds over those of the audio. NaN where
            pytest-benchmark times nothing (``--benchmark-disable``). It is in ``extra_info`` too,
            with codec, device, bits and seconds of audio.

        Raises:
            SnacEvalError: where the codec cannot be opened, or cannot do that.
        """
        from snac_eval.bench import operation as timing
        from snac_eval.bench.measure import WARM_UP_ROUNDS

        folders = tuple(map(Path, cards))
        asked = (operation, seconds, batch_size, seed, device, threads, weights, folders)
        found = timing.operation(codec, *asked)
        self._benchmark.group = self._benchmark.group or f"{operation}, {seconds:g} s"
        self._benchmark.extra_info.update(found.facts)
        self._benchmark.pedantic(found.run, rounds=rounds, warmup_rounds=WARM_UP_ROUNDS)
        if self._benchmark.disabled:
            return float("nan")
        factor = found.real_time_factor(self._benchmark.stats.stats.median)
        self._benchmark.extra_info["real_time_factor"] = factor
        return factor


@pytest.fixture
def codec_benchmark(request: pytest.FixtureRequest) -> Iterator[CodecBenchmark]:
    """Time a codec with pytest-benchmark, whose fixture ``benchmark`` this uses."""
    if not request.config.pluginmanager.hasplugin("benchmark"):
        pytest.fail(
            "codec_benchmark needs pytest-benchmark: pip install pytest-benchmark", pytrace=False
        )
    before = _torch_threads()
    yield CodecBenchmark(request.getfixturevalue("benchmark"))
    if before is not None:
        sys.modules["torch"].set_num_threads(before)


def _torch_threads() -> int | None:
    """How many threads torch has, which a benchmark changes; None where it is not loaded."""
    torch = sys.modules.get("torch")
    return None if torch is None else int(torch.get_num_threads())
