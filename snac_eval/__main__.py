"""``snac-eval``, and ``python -m snac_eval``: signals are taken before anything else happens."""

import gc
import os
import sys

from snac_eval.errors import one_line
from snac_eval.run import interrupts


def entry() -> int:
    """Run the command line and return its exit code: 128 and its number where a signal ended it.

    A signal during an import may come out of it as any exception, or not at all.
    """
    interrupts.install()
    # Objects are made by the clip and kept. Looking for garbage among them again and again took a
    # sixth of the time of a run that had nothing to do.
    gc.set_threshold(100_000)
    try:
        code = _run()
    except BaseException:
        if not interrupts.received():
            raise
        code = 0
    interrupts.hold()
    return 128 + interrupts.received() if interrupts.received() else code


def _run() -> int:
    try:
        from snac_eval.cli.main import main
    except Exception as error:
        if interrupts.received() or os.environ.get("SNAC_EVAL_DEBUG"):
            raise
        return _cannot_start(error)
    return main()


def _cannot_start(error: Exception) -> int:
    """A package that every command needs is broken. The doctor needs none, and says which."""
    said = f"snac-eval: cannot start: {one_line(error)}"
    print(f"{said}; snac-eval doctor says what is broken", file=sys.stderr)
    if sys.argv[1:2] != ["doctor"]:
        return 70
    from snac_eval.doctor.examination import examine, report_text

    print(report_text(examine(), 80))
    return 1


if __name__ == "__main__":
    sys.exit(entry())
