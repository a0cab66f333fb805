"""``demo``: about a minute of speech and music that ships with snac-eval."""

from __future__ import annotations

from snac_eval.datasets.listed import read_manifest
from snac_eval.registry.cards import data_dir
from snac_eval.types import Dataset, DatasetRequest


def load(request: DatasetRequest) -> Dataset:
    """The bundled clips, in the order of their manifest."""
    clips = read_manifest(data_dir("datasets") / "demo" / "demo.csv", request.card.domain)
    return Dataset("demo", request.card, clips)
