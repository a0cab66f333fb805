"""``snac-eval``, and ``python -m snac_eval``: signals are taken before anything else happens."""

import gc
import sys

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
        from snac_eval.cli.main import main

        code = main()
    except BaseException:
        if not interrupts.received():
            raise
        code = 0
    interrupts.hold()
    return 128 + interrupts.received() if interrupts.received() else code


if __name__ == "__main__":
    sys.exit(entry())
