"""What the weights of these models are, a line each: of a codec without a card, its name alone.

    python cards.py MODEL,MODEL

For keys of caches: where a card names another revision, the key is another.
"""

from __future__ import annotations

import sys

from snac_eval.errors import SnacEvalError
from snac_eval.registry import plugins

for name in sys.argv[1].split(","):
    try:
        card = plugins.codec_card(name.partition("@")[0])
    except SnacEvalError:
        print(name)
    else:
        print(name, card.weights, card.revision, card.sha256)
