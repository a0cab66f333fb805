"""Dataset loaders: each has ``load(DatasetRequest) -> Dataset``."""
