"""``python -m snac_eval`` is ``snac-eval``."""

import sys

from snac_eval.cli import main

if __name__ == "__main__":
    sys.exit(main())
