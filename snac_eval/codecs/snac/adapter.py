"""SNAC behind the harness's Codec protocol: NumPy in, NumPy out, one seed per clip."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from snac_eval.errors import CodecError
from snac_eval.types import CodecCard, CodecRequest, Codes, Waveform

if TYPE_CHECKING:
    import torch

    from snac_eval.codecs.snac.model import SNAC
