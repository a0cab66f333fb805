"""A page of the site before it is drawn, and where each page stands."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from snac_eval.results.record import Run
from snac_eval.writing import jsonable

HOME = "index.html"
CODECS = "codecs/index.html"
DATASETS = "datasets/index.html"
ABOUT = "about.html"
_OTHER = re.compile(r"[^a-z0-9]+")
_LONGEST = 60


@dataclass(frozen=True, slots=True)
class Page:
    """One HTML file: a template beside the styles, and what it shows."""

    address: str
    """Below the site's root, with forward slashes: ``codecs/opus-12kbps-1a2b3c4d.html``."""
    title: str
    template: str
    context: Mapping[str, Any]

    @property
    def root(self) -> str:
        """The way from this page up to the site's root: ``../``, or nothing."""
        return "../" * self.address.count("/")


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that pages link to: a picture, a sound, a table."""

    address: str
    content: bytes

    @classmethod
    def of_json(cls, address: str, content: Mapping[str, Any]) -> Asset:
        """JSON for people to read and to diff; NaN is null."""
        text = json.dumps(jsonable(content), indent=1, ensure_ascii=False, allow_nan=False)
        return cls(address, f"{text}\n".encode())


def slug(text: str) -> str:
    """The text as part of an address: lower case, digits and hyphens. Two texts that differ have
    two slugs, also where only case or signs tell them apart."""
    short = _OTHER.sub("-", text.lower()).strip("-")[:_LONGEST]
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{short}-{digest}" if short else digest


def codec_address(run: Run) -> str:
    """Of the page of a run's codec. Every run of one codec, by its name, shares it."""
    return f"codecs/{slug(run.codec)}.html"


def dataset_address(dataset: str) -> str:
    """Of the page of a dataset, by its name."""
    return f"datasets/{slug(dataset)}.html"


def board_address(dataset: str, domain: str) -> str:
    """Of the board of a dataset's clips of one domain."""
    return f"boards/{slug(dataset)}-{domain}.html"
