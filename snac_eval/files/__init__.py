"""Files in, codes out, and back: what ``snac-eval encode``, ``decode`` and ``score`` do."""
