"""Add this version's metrics to reports/fingerprints.json, by which submissions are checked.

    python tools/known_metrics.py
    python tools/known_metrics.py --of reports/results/demo/opus_6kbps

What is there stays: results of earlier versions still hold. Added is each metric whose packages and
weights are here; nothing is downloaded. ``--of`` adds those of a submission instead, once a
maintainer has found that they are what they say: other weights, another version of a package.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from snac_eval.results.study import read_runs
from snac_eval.submissions.known import (
    metrics_here,
    metrics_of,
    read_known,
    with_metrics,
    write_known,
)

FILE = Path("reports/fingerprints.json")


def main(argv: Sequence[str] | None = None) -> int:
    """Write the file, and say what was added."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--of", type=Path, nargs="+", metavar="DIR", help="submissions")
    options = parser.parse_args(argv)
    known = read_known(FILE) if FILE.is_file() else {}
    found = with_metrics(known, metrics_of(read_runs(options.of)) if options.of else metrics_here())
    write_known(found, FILE)
    before, after = (sum(map(len, one.values())) for one in (known, found))
    print(f"{FILE}: {after} fingerprints of {len(found)} metrics, {after - before} new")
    return 0


if __name__ == "__main__":
    sys.exit(main())
