"""Programs for those who work on snac-eval."""
