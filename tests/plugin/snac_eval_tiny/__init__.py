"""The smallest plugin: a codec, a metric and a dataset, each in a file of its own, with cards."""
