"""The pytest fixture ``codec_gate``: gate a codec's quality in its own test-suite.

    def test_quality_is_kept(codec_gate, tmp_path):
        snac_eval.evaluate("my_codec", "demo", output=tmp_path / "run", workers=0)
        codec_gate(tmp_path / "run", "tests/baseline.json")

Registered under the entry-point group ``pytest11``: pytest loads this module in every session, so
it imports nothing heavy before the fixture is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from snac_eval.results.gate import GateResult


class CodecGate:
    """What the fixture ``codec_gate`` gives: call it with a run and a baseline."""

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

        Args:
            run: a run folder.
            baseline: a file that ``snac-eval baseline`` wrote.
            metrics: names; none: all of the baseline.
            tolerances: a TOML file over the built-in tolerances.
            tolerance: single ones, as ``pesq_wb=0.05``.
            speed: gate speeds as well; they need the machine that the baseline was made on.
            allow_missing: let clips of the baseline be absent from the run.
            not_known: what to do where the check is not comparable or inconclusive.

        Raises:
            SnacEvalError: where the run, the baseline or a tolerance cannot be read.
        """
        from snac_eval.reports.verdicts import check_markdown
        from snac_eval.results.baseline import load_baseline
        from snac_eval.results.gate import ExitCode, check
        from snac_eval.results.record import read_run
        from snac_eval.results.tolerances import load_tolerances

        path = None if tolerances is None else Path(tolerances)
        kept = load_baseline(Path(baseline))
        found = read_run(Path(run))
        limits = load_tolerances(path, tolerance, found.metrics)
        result = check(found, kept, limits, tuple(metrics), speed, allow_missing)
        if result.exit_code == ExitCode.REGRESSION:
            pytest.fail(check_markdown(result), pytrace=False)
        if result.exit_code == ExitCode.NOT_KNOWN and not_known == "fail":
            pytest.fail(check_markdown(result), pytrace=False)
        if result.exit_code == ExitCode.NOT_KNOWN and not_known == "skip":
            pytest.skip(result.verdict)
        return result


@pytest.fixture
def codec_gate() -> CodecGate:
    """Compare a run with a baseline, and fail where it has dropped."""
    return CodecGate()
