"""What there is to run: facts about codecs, datasets and metrics, listed, shown and cited."""
