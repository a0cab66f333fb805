"""A codec of one's own: any object with ``encode``, ``decode`` and ``sample_rate``, wrapped."""
