"""Scores: one module per family of metrics, found by entry point; ``base`` has what they share."""
