"""A listening test made from runs, and its answers read back: ``snac-eval listen``."""
