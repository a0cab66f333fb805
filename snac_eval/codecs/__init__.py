"""Adapters: one module per codec family, found by entry point; cards say what they run."""
