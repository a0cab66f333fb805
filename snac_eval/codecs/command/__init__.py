"""Codecs that are programs: one encodes a file, one decodes it (``docs/command.md``)."""
