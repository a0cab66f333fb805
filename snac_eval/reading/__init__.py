"""Samples out of files: what a file holds decides who decodes it, never its name."""
