"""A finished run, read once, and everything that is decided from it."""
