"""The shapes that travel from dataset to report.

A :class:`Clip` is read into a :class:`Waveform`, a :class:`Codec` turns it into :class:`Codes` and
back, the two waveforms form a :class:`Reconstruction`, each :class:`Metric` makes a :class:`Score`.
Arrays are NumPy: they travel to worker processes, and the copy to the host synchronises a GPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snac_eval.types.callbacks import (
    Callback,
    ClipDone,
    Mean,
    RunDone,
    RunFacts,
    RunRecord,
)
from snac_eval.types.clips import (
    DOMAINS,
    Channels,
    Clip,
    Dataset,
    DatasetCard,
    DatasetRequest,
    Domain,
    ReferenceRate,
    Waveform,
)
from snac_eval.types.coding import (
    CodebookSize,
    Codec,
    CodecCard,
    CodecRequest,
    Codes,
    Count,
    Rate,
    Reconstruction,
    ReconstructionSource,
    Timing,
)
from snac_eval.types.environments import Environment
from snac_eval.types.scores import (
    Fingerprint,
    Heading,
    Metric,
    MetricInfo,
    MetricKind,
    Score,
    Status,
)

if TYPE_CHECKING:
    from snac_eval.types.clips import FloatArray
    from snac_eval.types.coding import IntArray

__all__ = [
    "DOMAINS",
    "Callback",
    "Channels",
    "Clip",
    "ClipDone",
    "CodebookSize",
    "Codec",
    "CodecCard",
    "CodecRequest",
    "Codes",
    "Count",
    "Dataset",
    "DatasetCard",
    "DatasetRequest",
    "Domain",
    "Environment",
    "Fingerprint",
    "FloatArray",
    "Heading",
    "IntArray",
    "Mean",
    "Metric",
    "MetricInfo",
    "MetricKind",
    "Rate",
    "Reconstruction",
    "ReconstructionSource",
    "ReferenceRate",
    "RunDone",
    "RunFacts",
    "RunRecord",
    "Score",
    "Status",
    "Timing",
    "Waveform",
]
