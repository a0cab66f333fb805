"""Packages to begin with: a codec, a metric or a dataset of one's own."""
