"""``python -m snac_eval`` is ``snac-eval``."""

import sys

from snac_eval.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
